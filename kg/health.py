"""How good the data of a shop is for recommending: findings with a verdict, a count, examples and what to do.

A row that cannot be used at all is `kg.validate`'s; here every row is well-formed, and the question is whether together
they make sense: before an import on the tables of a folder, after it on those of the graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import pandas as pd

from kg.tables import Tables

Verdict = Literal["PASS", "WARN", "FAIL"]
EXAMPLES = 3
"""Most examples of a finding."""


class Shop:
    """The tables of a shop as data frames, each made when it is first asked for."""

    def __init__(self, tables: Tables, *, now_ms: int) -> None:
        """Look at nothing yet; `now_ms` is the time of the examination, in epoch milliseconds."""
        self.tables, self.now_ms = tables, now_ms

    @cached_property
    def products(self) -> pd.DataFrame:
        """product_id, title, description, price, available; missing columns are empty."""
        columns = ["product_id", "title", "description", "price", "available"]
        frame: pd.DataFrame = self.tables.nodes["Product"].to_pandas().reindex(columns=columns)
        return frame.astype({"title": "string", "description": "string", "price": "float64"})

    @cached_property
    def events(self) -> pd.DataFrame:
        """event_id, user_id, product_id, type, at, quantity, value."""
        columns = ["event_id", "user_id", "product_id", "type", "at", "quantity", "value"]
        frame: pd.DataFrame = self.tables.events.select(columns).to_pandas()
        return frame

    @cached_property
    def timed(self) -> pd.DataFrame:
        """The events that have a time."""
        return self.events[self.events["at"].notna()].astype({"at": "int64"})

    @cached_property
    def users(self) -> list[str]:
        """Ids of the users."""
        ids: list[str] = self.tables.nodes["User"]["user_id"].to_pylist()
        return ids

    def ends(self, relation: str) -> pd.DataFrame:
        """Return from_id and to_id of a relation."""
        frame: pd.DataFrame = self.tables.edges[relation].select(["from_id", "to_id"]).to_pandas()
        return frame


@dataclass(frozen=True, slots=True)
class Found:
    """What a check saw."""

    ids: Sequence[str]
    """Those at fault, in an order that shows the worst first."""
    total: int
    """How many were looked at."""


@dataclass(frozen=True, slots=True)
class Check:
    """A question to the data."""

    table: str
    column: str
    """Empty when it is about rows as a whole."""
    name: str
    """What those at fault have in common: `without a price`."""
    warn: float
    """Share at fault above which it is a warning; from 0."""
    fail: float
    """Share above which the data cannot be used as it is; above 1: it never fails."""
    fix: str
    find: Callable[[Shop], Found]


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to a check."""

    table: str
    column: str
    name: str
    verdict: Verdict
    count: int
    total: int
    examples: tuple[str, ...]
    fix: str
    """What to do; empty when it passed."""

    @property
    def place(self) -> str:
        """Table and column: `products.price`."""
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def share(self) -> float:
        """Share at fault, 0 to 1."""
        return self.count / self.total if self.total else 0.0


def examine(shop: Shop, checks: Sequence[Check]) -> list[Finding]:
    """Return a finding for each check that had something to look at, failures first.

    Args:
        shop: the tables of a folder, or of a graph (`kg.extract.extract_tables`).
        checks: `kg.health_checks.CHECKS`, or some of them.
    """
    found = [_finding(check, check.find(shop)) for check in checks]
    return by_verdict([one for one in found if one.total])


def by_verdict(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with failures first and what passed last, else in their order."""
    order = {"FAIL": 0, "WARN": 1, "PASS": 2}
    return sorted(findings, key=lambda one: order[one.verdict])


def count_verdicts(findings: Sequence[Finding]) -> dict[Verdict, int]:
    """Return how many findings have each verdict."""
    return {verdict: sum(one.verdict == verdict for one in findings) for verdict in get_args(Verdict)}


def _finding(check: Check, found: Found) -> Finding:
    share = len(found.ids) / found.total if found.total else 0.0
    verdict: Verdict = "FAIL" if share > check.fail else "WARN" if share > check.warn else "PASS"
    return Finding(
        table=check.table,
        column=check.column,
        name=check.name,
        verdict=verdict,
        count=len(found.ids),
        total=found.total,
        examples=tuple(map(str, found.ids[:EXAMPLES])),
        fix="" if verdict == "PASS" else check.fix,
    )
