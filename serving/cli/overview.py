"""What `whycart explain --global` prints: what carries the lists of many users, and rules of thumb for it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cypher.errors import InputError
from gnn.measure import Measured
from serving.cli.output import print_json, print_table, say
from serving.model_store import open_models
from serving.overview import TOP, Overview, build_overview, draw_sample, overview_to_json
from serving.overview_page import overview_page, overview_sentences
from serving.settings import Settings
from serving.shelf import build_shelf
from serving.surrogate import Surrogate, believed, fit_surrogates, surrogate_to_json


def tell_overview(settings: Settings, *, users: int, seed: int, as_json: bool, page: Path | None) -> None:
    """Say what carries the top lists of a sample of users of the published bundle.

    Args:
        settings: of the project.
        users: users of the sample at most.
        seed: of the sample and of the bootstrap.
        as_json: whether to print JSON.
        page: where to write a page with plots; None: nowhere.

    Raises:
        InputError: fewer than one user, a bundle without an event, or a page that cannot be written.
        BundleError: none is published.
    """
    bundle = open_models(settings).current()
    shelf = build_shelf(bundle.snapshot)
    sample = draw_sample(shelf, bundle.scorer, exclude_seen=bundle.exclude_seen, users=users, seed=seed)
    found = build_overview(shelf, bundle.scorer, sample, seed=seed)
    trees = fit_surrogates(shelf, bundle.scorer, sample, seed=seed)
    if page is not None:
        facts = {
            "command": f"whycart explain --global --users {users} --seed {seed}",
            "model": bundle.version,
            "snapshot": bundle.snapshot.hash[:16],
            "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        }
        _write(page, overview_page(found, trees, facts=facts))
    if as_json:
        versions = {"model_version": bundle.version, "graph_version": bundle.snapshot.hash}
        print_json({**versions, **overview_to_json(found), "trees": [surrogate_to_json(tree) for tree in trees]})
        return
    _print_overview(found)
    _print_trees(trees)
    if page is not None:
        say(f"page with plots: {page}")
    say(f"model {bundle.version}")


def _print_overview(found: Overview) -> None:
    say(
        f"Share of the score by group of evidence in the top {TOP} of {found.num_users:,} users "
        f"({found.num_items:,} items), in brackets 95% intervals over users"
    )
    whole = found.everybody
    rows = [(name, _interval(whole.shares[name]), f"{whole.leads[name].mean:.1%}") for name in found.groups]
    print_table(("evidence", "share of the score", "carries most of an item"), rows)
    say("")
    columns = ("for whom", "users", *found.groups)
    parts = [
        (part.name, part.num_users, *(f"{part.shares[name].mean:.1%}" for name in found.groups))
        for part in found.segments
    ]
    print_table(columns, parts)
    say("")
    kernels = [(name, group, _interval(value)) for name, (group, value) in found.kernels.items()]
    print_table(("kernel or prior", "evidence", "share of the score"), kernels)
    for sentence in overview_sentences(found):
        say(sentence)


def _print_trees(trees: Sequence[Surrogate]) -> None:
    for tree in trees:
        say("")
        say(f"Rule of thumb for {tree.name}: {believed(tree)}")
        say(tree.rules)


def _write(page: Path, text: str) -> None:
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as err:
        raise InputError(
            f"--html: {page} cannot be written ({err.strerror}); give a file in a folder there is"
        ) from err


def _interval(value: Measured) -> str:
    return f"{value.mean:.1%} [{value.low:.1%}, {value.high:.1%}]"
