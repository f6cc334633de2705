"""A generated bilingual shop whose every event has a known cause: for demonstrations and for tests of reasons.

The shop is invented: brand loyalty, complements, drift of taste, popularity, noise and cold products are planted, and
what produced each event is kept. It passes through the same checks as a folder of files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kg.errors import TableError
from kg.schema import GraphSchema
from kg.sources.generated_catalogue import DAY_MS, DAYS, START_MS, Catalogue, build_catalogue
from kg.sources.generated_shoppers import Act, Shopper, draw_acts, draw_shoppers
from kg.tables import Tables
from kg.validate import ReadReport, check_tables

_RELATED_SHARE = 0.6
_LINKS = {"complement": "Product", "brand": "Brand", "taste": "Category"}


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedShop:
    """A shop and the truth about it."""

    report: ReadReport
    causes: pa.Table
    """One row an event, sorted by event_id: event_id, user_id, product_id, type, at, cause (brand, complement, taste,
    popularity, noise), and the label and the id of the node it came from (null for popularity and noise)."""
    complements: pa.Table
    """Planted pairs: from_id (bought first), to_id (bought some days later)."""

    @property
    def tables(self) -> Tables:
        """The checked tables."""
        return self.report.tables


def generated_shop(
    *, products: int = 1500, brands: int = 70, users: int = 800, events: int = 30_000, seed: int = 0
) -> GeneratedShop:
    """Generate a shop with a year of events.

    The same numbers and seed give the same shop in every process.

    Args:
        products: how many products, at least 30.
        brands: how many brands, 4 to 200; a quarter of them are Chinese.
        users: how many users may appear, at least 1; one without an event is in the table of users all the same.
        events: exactly how many events, at least 1.
        seed: of everything drawn.

    Raises:
        TableError: a number is out of range.
    """
    if users < 1 or events < 1:
        raise TableError(f"a generated shop has at least one user and one event, got {users=} {events=}")
    rng = np.random.default_rng(seed)
    catalogue = build_catalogue(rng, products=products, brands=brands)
    shoppers = draw_shoppers(rng, users, catalogue=catalogue)
    acts = draw_acts(rng, shoppers, catalogue=catalogue, events=events)
    complements = _complement_table(catalogue)
    truth = _event_table(acts, shoppers, catalogue=catalogue)
    raw = {
        "products": _product_table(catalogue),
        "users": pa.table(
            {
                "user_id": [shopper.user_id for shopper in shoppers],
                "language": [shopper.language for shopper in shoppers],
                "joined_at": [shopper.joined_at for shopper in shoppers],
            }
        ),
        "events": truth.select(["event_id", "user_id", "product_id", "type", "at", "quantity", "value"]),
        "relations": _relation_table(rng, complements),
    }
    causes = truth.select(["event_id", "user_id", "product_id", "type", "at", "cause", "because_label", "because_id"])
    return GeneratedShop(check_tables(raw, GraphSchema()), causes, complements)


def _product_table(catalogue: Catalogue) -> pa.Table:
    items = catalogue.items
    return pa.table(
        {
            "product_id": [item.product_id for item in items],
            "title": [item.title for item in items],
            "description": [item.description for item in items],
            "brand": [item.brand.name for item in items],
            "categories": pa.array([[list(item.leaf.path)] for item in items], pa.list_(pa.list_(pa.string()))),
            "price": [item.price for item in items],
            "created_at": pa.array([item.created_at for item in items], pa.timestamp("ms", "UTC")),
            "available": [True] * len(items),
        }
    )


def _event_table(acts: Sequence[Act], shoppers: Sequence[Shopper], *, catalogue: Catalogue) -> pa.Table:
    width = len(str(len(acts)))
    labels = [_LINKS.get(act.cause) for act in acts]
    return pa.table(
        {
            "event_id": [f"e{index:0{width}d}" for index in range(len(acts))],
            "user_id": [shoppers[act.user].user_id for act in acts],
            "product_id": [catalogue.items[act.item].product_id for act in acts],
            "type": [act.type for act in acts],
            "at": pa.array([act.at for act in acts], pa.int64()),
            "quantity": pa.array([act.quantity for act in acts], pa.int64()),
            "value": pa.array([act.value for act in acts], pa.float64()),
            "cause": [act.cause for act in acts],
            "because_label": pa.array(labels, pa.string()),
            "because_id": pa.array([act.because for act in acts], pa.string()),
        }
    )


def _complement_table(catalogue: Catalogue) -> pa.Table:
    pairs = [(first, second) for first, partners in catalogue.complements.items() for second in partners]
    return pa.table(
        {
            "from_id": pa.array([catalogue.items[first].product_id for first, _ in pairs], pa.string()),
            "to_id": pa.array([catalogue.items[second].product_id for _, second in pairs], pa.string()),
        }
    )


def _relation_table(rng: np.random.Generator, complements: pa.Table) -> pa.Table:
    """Return what the shop itself knows of its complements: a part, each from some time of the year on."""
    chosen = np.flatnonzero(rng.random(complements.num_rows) < _RELATED_SHARE)
    pairs = complements.take(pa.array(chosen))
    together = rng.random(len(chosen)) < 0.4
    at = START_MS + (rng.random(len(chosen)) * DAYS * DAY_MS).astype(np.int64)
    names = np.where(together, "BOUGHT_TOGETHER", "ALSO_BOUGHT")
    return pairs.append_column("relation", pa.array(names.tolist(), pa.string())).append_column("at", pa.array(at))
