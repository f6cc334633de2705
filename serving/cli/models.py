"""`whycart models`: the bundles of a project: which there are, which one is served, and moving the pointer.

Bundles are made by `whycart retrain` and read by `gnn.bundle`; this module loads no learning library.
"""

from typing import Annotated, Any

import typer

from gnn.bundle import Bundle, BundleStore, load_bundle
from gnn.errors import BundleError
from serving.cli.output import print_json, print_table, say
from serving.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="List, show, promote and roll back published bundles.")
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
    columns = ("version", "served", "split", "metric", "model", "best baseline", "value", "note")
    print_table(columns, [[entry[column.replace(" ", "_")] for column in columns] for entry in facts])


@app.command()
def show(
    version: Annotated[str | None, typer.Argument(help="Version; not given: the one that is served.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the card of a model: data, figures, what carries the score, limits.

    Example: whycart models show
    """
    store = _store()
    bundle = store.current() if version is None else store.load(version)
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
def rollback() -> None:
    """Serve the model again that was published before the one served now.

    Example: whycart models rollback
    """
    store = _store()
    before, target = store.current_version(), store.previous_version()
    store.publish(target)
    say(f"{target} is served from now on, {before} was before")


def _store() -> BundleStore:
    return BundleStore(load_settings().bundles)


def _facts(store: BundleStore, version: str, current: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"version": version, "served": version == current}
    empty = dict.fromkeys(("split", "metric", "model", "best_baseline", "value"))
    try:
        bundle = load_bundle(store.folder / version, verify=False)
    except BundleError as err:
        return entry | empty | {"note": str(err)}
    return entry | _figures(bundle) | {"note": None}


def _figures(bundle: Bundle) -> dict[str, Any]:
    report = bundle.report
    metric, best = f"ndcg@{report['k']}", report["best_baseline"]
    models = report["models"]
    return {
        "split": report["split"],
        "metric": metric,
        "model": models[WHOLE]["metrics"][metric]["mean"],
        "best_baseline": best,
        "value": models[best]["metrics"][metric]["mean"],
    }
