"""The tables of a shop as data frames, and the few steps that many answers share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kg.tables import Tables

Rows = list[dict[str, Any]]
Params = Mapping[str, Any]
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
FIRST_MONDAY = 4 * DAY_MS
"""1970-01-05, the first Monday of the epoch."""


@dataclass(frozen=True, slots=True)
class Frames:
    """One shop."""

    events: pd.DataFrame
    """event_id, user_id, product_id, type, at (NaN: no time), quantity, value."""
    products: pd.DataFrame
    """product_id, title, description, price, created_at, available; None where missing."""
    users: tuple[str, ...]
    brands: Mapping[str, str]
    """Name by id."""
    categories: Mapping[str, str]
    """Name by id."""
    made_by: pd.DataFrame
    """product_id, brand_id."""
    in_category: pd.DataFrame
    """product_id, category_id."""
    child_of: Mapping[str, str]
    """Parent by category."""
    relations: pd.DataFrame
    """relation, from_id, to_id, at, weight: the direct relations between products."""

    @classmethod
    def of(cls, tables: Tables) -> "Frames":
        """Return the frames of canonical tables."""
        node = {label: table.to_pandas() for label, table in tables.nodes.items()}
        edge = {name: table.to_pandas() for name, table in tables.edges.items()}
        between = [name for name, kind in tables.schema.relations.items() if kind.source == kind.target == "Product"]
        products = node["Product"].reindex(
            columns=["product_id", "title", "description", "price", "created_at", "available"]
        )
        return cls(
            events=tables.events.to_pandas().sort_values("event_id").reset_index(drop=True),
            products=products,
            users=tuple(node["User"]["user_id"]),
            brands=dict(zip(node["Brand"]["brand_id"], node["Brand"]["name"], strict=True)),
            categories=dict(zip(node["Category"]["category_id"], node["Category"]["name"], strict=True)),
            made_by=_ends(edge["MADE_BY"], "product_id", "brand_id"),
            in_category=_ends(edge["IN_CATEGORY"], "product_id", "category_id"),
            child_of=dict(zip(edge["CHILD_OF"]["from_id"], edge["CHILD_OF"]["to_id"], strict=True)),
            relations=pd.concat([edge[name].assign(relation=name) for name in between], ignore_index=True),
        )

    def did(self, *types: str, timed: bool = False, since: int | None = None) -> pd.DataFrame:
        """Return the events of these types; `timed`: only those with a time, `since`: only those from then on."""
        found = self.events[self.events["type"].isin(types)]
        if timed or since is not None:
            found = found[found["at"].notna()].astype({"at": "int64"})
        return found if since is None else found[found["at"] >= since]

    def titled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with the title and the price of their product."""
        return rows.merge(self.products[["product_id", "title", "price"]], on="product_id")

    def below(self, category_id: str) -> set[str]:
        """Return a category and all below it."""
        return {category_id}.union(*(self.below(child) for child, up in self.child_of.items() if up == category_id))

    def within(self, category_id: str) -> set[str]:
        """Return the products in a category or below it."""
        places = self.in_category
        return set(places[places["category_id"].isin(self.below(category_id))]["product_id"])


Answer = Callable[[Frames, Params], Rows]


def listed(rows: pd.DataFrame, columns: Sequence[str], by: Mapping[str, bool]) -> Rows:
    """Return rows of these columns in order: `by` says of each column whether it rises; missing values are None."""
    ordered = rows.sort_values(list(by), ascending=list(by.values()), kind="stable")
    return [
        {name: None if _missing(value) else value for name, value in zip(columns, row, strict=True)}
        for row in ordered[list(columns)].itertuples(index=False, name=None)
    ]


def week_of(at: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the start of the week (Monday, UTC) of times in milliseconds."""
    return (at - FIRST_MONDAY) // WEEK_MS * WEEK_MS + FIRST_MONDAY


def day_of(at: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the number of the day of times in milliseconds."""
    return at // DAY_MS


def _ends(edges: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    return edges[["from_id", "to_id"]].set_axis([first, second], axis=1)


def _missing(value: Any) -> bool:
    return value is None or (not isinstance(value, list) and bool(pd.isna(value)))
