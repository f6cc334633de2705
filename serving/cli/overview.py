"""What `whycart explain` prints about a whole model, and about one score taken apart by Shapley values."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gnn.bundle import BundleStore
from gnn.measure import Measured
from serving.api.cards import Cards
from serving.cli.items import name_of, open_ready
from serving.cli.output import print_json, print_table, say
from serving.events import EventLog
from serving.history import read_history
from serving.overview import LEAST_USERS, TOP, Overview, build_overview, draw_sample, overview_to_json
from serving.settings import Settings
from serving.shapley import explain_by_shapley
from serving.shelf import build_shelf


def tell_overview(settings: Settings, *, users: int, seed: int, as_json: bool, page: Path | None) -> None:
    """Say what carries the top lists of a sample of users of the published bundle.

    Args:
        settings: of the project.
        users: users of the sample at most.
        seed: of the sample and of the bootstrap.
        as_json: whether to print JSON.
        page: where to write a page with plots; None: nowhere.

    Raises:
        InputError: fewer than one user, or a bundle without an event.
        BundleError: none is published.
    """
    bundle = BundleStore(settings.bundles).current()
    shelf = build_shelf(bundle.snapshot)
    sample = draw_sample(shelf, bundle.scorer, exclude_seen=bundle.exclude_seen, users=users, seed=seed)
    found = build_overview(shelf, bundle.scorer, sample, seed=seed)
    if as_json:
        versions = {"model_version": bundle.version, "graph_version": bundle.snapshot.hash}
        print_json({**versions, **overview_to_json(found)})
    else:
        _print_overview(found)
        say(f"model {bundle.version}")


def tell_shapley(settings: Settings, user_id: str, product_id: str, *, as_json: bool) -> None:
    """Say what each product of a user's history adds to one score by its Shapley value.

    Args:
        settings: of the project.
        user_id: known or unknown user.
        product_id: any product of the bundle.
        as_json: whether to print JSON.

    Raises:
        UnknownProduct: the bundle does not hold the product.
    """
    ready = open_ready(settings)
    bundle, cards = ready.bundle, Cards(ready.bundle.snapshot)
    target, user = ready.product_row(product_id), bundle.snapshot.row("User", user_id)
    with EventLog.open(settings.state) as log:
        history = read_history(bundle.snapshot, user, log.events_of(user_id, after=bundle.events_applied))
    found = explain_by_shapley(bundle.scorer, history, target)
    fixed = explain_by_shapley(bundle.scorer, history, target, game="fixed").by_player
    ids = bundle.snapshot.ids("Product")
    if as_json:
        players = [
            {"product_ids": [ids[row] for row in rows], "shapley_value": value, "contribution": added}
            for rows, value, added in zip(found.players, found.by_player.tolist(), fixed.tolist(), strict=True)
        ]
        facts = {"score": found.score, "empty_history": found.empty, "model_version": bundle.version}
        print_json({"product_id": product_id, "user_id": user_id, "players": players, **facts})
        return
    say(f"{name_of(product_id, cards)}: score {found.score:.4g}, with an empty history {found.empty:.4g}")
    order = np.argsort(-np.abs(found.by_player), kind="stable")
    rows = [(_called(found.players[row], ids, cards), float(found.by_player[row]), float(fixed[row])) for row in order]
    print_table(("because of", "Shapley value", "contribution"), rows)
    if found.num_merged:
        say(f"the {found.num_merged} products that add least count as one, so that the values stay exact")
    say(f"model {bundle.version}")


def _called(rows: Sequence[int], ids: Sequence[str], cards: Cards) -> str:
    return name_of(ids[rows[0]], cards) if len(rows) == 1 else f"{len(rows)} others together"


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
    for line in _notes(found):
        say(line)


def _notes(found: Overview) -> Iterable[str]:
    if found.too_few:
        yield f"not shown, with fewer than {LEAST_USERS} users: {', '.join(found.too_few)}"
    if found.left_out:
        yield f"left out: {found.left_out:,} users whose list has no score above 0"
    if found.num_users < LEAST_USERS:
        yield f"only {found.num_users} users had a list: the figures say little"


def _interval(value: Measured) -> str:
    return f"{value.mean:.1%} [{value.low:.1%}, {value.high:.1%}]"
