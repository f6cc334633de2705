"""Shops and explained answers over models with drawn numbers, for tests of reasons."""

from dataclasses import replace

from serving.answer import Answer, RecommendRequest
from serving.explain import Explanation, explain
from serving.history import NoEvents
from serving.ready import Ready
from serving.recommend import recommend
from tests.support.random_shops import random_shop
from tests.worlds import tiny_shop

SHOPS = {
    "tiny": tiny_shop,
    "declared kinds": lambda: random_shop(0, events=120),
    "many users": lambda: random_shop(1, users=70, events=1500),
    "positions": lambda: random_shop(2, users=20, events=300, order="position"),
    "no order": lambda: random_shop(3, users=20, events=300, order="none"),
}
AT_MOST = 5
"""Paths asked for with each item."""
_ANSWERS: dict[str, list[tuple[str, Answer]]] = {}


def answers(ready: Ready) -> list[tuple[str, Answer]]:
    """Return ten recommendations for every user; made once a model."""
    if ready.bundle.version not in _ANSWERS:
        _ANSWERS[ready.bundle.version] = fresh_answers(ready)
    return _ANSWERS[ready.bundle.version]


def fresh_answers(ready: Ready) -> list[tuple[str, Answer]]:
    """Return ten explained recommendations for every user."""
    request = RecommendRequest(n=10, paths=AT_MOST)
    return [
        (user, recommend(ready, NoEvents(), replace(request, user_id=user)))
        for user in ready.bundle.snapshot.ids("User")
    ]


def explained(ready: Ready, user: str, product: str) -> Explanation:
    """Return the explanation of a product for a list of ten."""
    return explain(ready, NoEvents(), product, request=RecommendRequest(user_id=user, paths=3))
