"""`whycart models`: the bundles of a project: which there are, how they differ, which one is served.

Bundles are made by `whycart retrain` and read by `gnn.bundle`; this module loads no learning library.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cypher.errors import InputError
from gnn.bundles import BundleStore
from gnn.errors import BundleError
from gnn.manifest import read_manifest, verify_signature
from serving.cli.canary import canary
from serving.cli.output import print_json, print_table, say
from serving.model_store import open_models
from serving.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="List, show, compare, promote, roll back and delete models.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WHOLE = "whycart"
"""The row of a report that is the whole model."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all models, newest first, with what was measured.

    Example: whycart models list
    """
    store = _store()
    current = store.current_version()
    facts = [_facts(store, version, current) for version in reversed(store.versions())]
    if as_json:
        print_json(facts)
        return
    if not facts:
        say(f"no model is in {store.folder}; make one with: whycart retrain")
        return
    columns = ("version", "served", "gate", "metric", "model", "best baseline", "value", "note")
    print_table(columns, [[entry[column.replace(" ", "_")] for column in columns] for entry in facts])


@app.command()
def show(
    version: Annotated[str | None, typer.Argument(help="Version; not given: the one that is served.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the gate's lines and plots.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the card of a model: data, figures, what carries the score, what the gate looked at, limits.

    Example: whycart models show --html model.html
    """
    store = _store()
    bundle = store.current() if version is None else store.load(version)
    if html is not None:
        from serving.model_page import model_page  # brings what draws

        html.write_text(model_page(bundle.version, bundle.report), encoding="utf-8")
        say(f"{bundle.version}, written to {html}")
        return
    if as_json:
        print_json({"manifest": bundle.manifest, "report": bundle.report})
        return
    say((bundle.folder / "card.md").read_text(encoding="utf-8").rstrip())
    say(f"\n{bundle.version}, in {bundle.folder}")


@app.command()
def promote(version: Annotated[str, typer.Argument(help="Version to serve from now on.")]) -> None:
    """Serve another model from now on, also one that the gate refused.

    Example: whycart models promote 20260131T120000Z-1a2b3c4d
    """
    store = _store()
    before = store.current_version()
    store.publish(version)
    say(f"{version} is served from now on" + (f", {before} was before" if before not in (None, version) else ""))


@app.command()
def sign(
    version: Annotated[str | None, typer.Argument(help="Version; not given: the one that is served.")] = None,
) -> None:
    """Sign a model that you know to be yours, such as one from before there was a key.

    Every retraining signs its own. Needs [publish] signing_key.

    Example: whycart models sign 20260131T120000Z-1a2b3c4d
    """
    store = _store()
    target = version or store.current_version()
    if target is None:
        raise InputError("no model is served yet; give a VERSION")
    store.sign(target)
    say(f"{target} is signed")


@app.command()
def rollback(
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Which one; not given: the one before.")
    ] = None,
) -> None:
    """Serve the model again that was published before the one served now.

    With --to an older one, which must have been published at some time; 'whycart models promote' serves any.

    Example: whycart models rollback
    """
    store = _store()
    before = store.current_version()
    target = store.previous_version() if to is None else to
    if to is not None and to not in store.published():
        raise InputError(f"{to} was never published; 'whycart models list' shows what was, 'promote' serves any model")
    store.roll_back(target)
    say(f"{target} is served from now on, {before} was before")


app.command()(canary)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="VERSION", help="One model.")],
    after: Annotated[str | None, typer.Argument(metavar="VERSION", help="Another; not given: the one served.")] = None,
    users: Annotated[int, typer.Option("--users", min=1, help="Users whose lists are compared.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Compare two models: data, settings, weights, figures, and the lists of some users.

    Example: whycart models diff 20260131T120000Z-1a2b3c4d
    """
    from serving.model_difference import compare_lists, compare_models  # loads what answers are made with

    store = _store()
    pair = (store.load(before), store.current() if after is None else store.load(after))
    rows, lists = compare_models(*pair), compare_lists(*pair, users=users)
    if as_json:
        print_json({"differences": [asdict(row) for row in rows], "lists": asdict(lists)})
        return
    print_table(("what", pair[0].version, pair[1].version), [(row.name, row.before, row.after) for row in rows])
    say(lists.sentence)


@app.command()
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="Published ones that stay, and refused ones.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
) -> None:
    """Delete old models; the one served and the one before it always stay.

    Example: whycart models prune --keep 5 --dry-run
    """
    store = _store()
    versions = store.surplus(keep=keep)
    for version in versions:
        if not dry_run:
            store.delete(version)
        say(f"{version} {'would be' if dry_run else 'is'} deleted")
    if not versions:
        say(f"nothing to delete: of {len(store.versions())} models {keep} published and {keep} refused ones stay")


def _store() -> BundleStore:
    return open_models(load_settings())


def _facts(store: BundleStore, version: str, current: str | None) -> dict[str, Any]:
    shown = store.canary.read()
    share = shown.share if shown is not None and shown.version == version else float(version == current)
    entry: dict[str, Any] = {"version": version, "served": version == current, "share": share}
    empty = dict.fromkeys(("gate", "split", "metric", "model", "best_baseline", "value"))
    try:
        read_manifest(store.folder / version)
        if store.key is not None:
            verify_signature(store.folder / version, store.key)
    except BundleError as err:
        return entry | empty | {"note": str(err)}
    report = store.report_of(version)
    note = f"shown to {share:.1%} of the users" if 0 < share < 1 else None
    return entry | (_figures(report) if report.get("models") else empty) | {"note": note}


def _figures(report: dict[str, Any]) -> dict[str, Any]:
    metric, best = f"ndcg@{report['k']}", report["best_baseline"]
    models = report["models"]
    gate = report.get("gate")
    outcome = None if gate is None else "overruled" if gate["overruled"] else "passed" if gate["passed"] else "refused"
    return {
        "gate": outcome,
        "split": report["split"],
        "metric": metric,
        "model": models[WHOLE]["metrics"][metric]["mean"],
        "best_baseline": best,
        "value": models[best]["metrics"][metric]["mean"],
    }
