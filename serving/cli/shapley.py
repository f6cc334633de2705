"""What `whycart explain --shapley` prints: one score shared out over the products of the history."""

from collections.abc import Sequence

import numpy as np

from serving.answer import RecommendRequest
from serving.api.cards import Cards
from serving.cli.items import name_of, open_ready
from serving.cli.output import print_json, print_table, say
from serving.events import EventLog
from serving.history import past_of
from serving.settings import Settings
from serving.shapley import explain_by_shapley


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
    target = ready.product_row(product_id)
    user_id = settings.user(user_id)
    with EventLog.open(settings.state, settings.secret_file) as log:
        history = past_of(bundle, log, RecommendRequest(user_id=user_id)).read()
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
    if bundle.scorer.blend.mass_power == 0:
        say("this model does not share out anew among fewer products, so both are the same")
    if found.num_merged:
        say(f"the {found.num_merged} products that add least count as one, so that the values stay exact")
    say(f"model {bundle.version}")


def _called(rows: Sequence[int], ids: Sequence[str], cards: Cards) -> str:
    return name_of(ids[rows[0]], cards) if len(rows) == 1 else f"{len(rows)} others together"
