"""A world of two tastes: who had one product of a colour has all of it but one, and that one is what comes next."""

from dataclasses import dataclass

from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from tests.worlds import DAY_MS, MONDAY, make_tables


@dataclass(frozen=True)
class Checkerboard:
    """The shop and what was held back of it."""

    snapshot: Snapshot
    withheld: dict[str, str]
    """The one product of the own colour that a user never had."""


def checkerboard(side: int = 8) -> Checkerboard:
    """Return a shop of `side` users and products in which users have the products of their own parity but one.

    Every product is withheld from one user, so all of a colour are equally popular; events of a user are a day apart.
    """
    users, products = [f"u{index:02d}" for index in range(side)], [f"p{index:02d}" for index in range(side)]
    withheld = {user: products[index] for index, user in enumerate(users)}
    events = []
    for row, user in enumerate(users):
        colour = [product for column, product in enumerate(products) if column % 2 == row % 2]
        for day, product in enumerate(colour[row // 2 + 1 :] + colour[: row // 2]):
            number = len(events)
            events.append(
                {"event_id": f"e{number:03d}", "user_id": user, "product_id": product, "type": "bought",
                 "at": MONDAY + day * DAY_MS}
            )  # fmt: skip
    nodes = {
        "User": [{"user_id": user} for user in users],
        "Product": [{"product_id": product, "title": product} for product in products],
    }
    return Checkerboard(build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=events)), withheld)
