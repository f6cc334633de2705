"""How a server means to answer a query: its operators, as Neo4j describes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """One operator of a plan and those that feed it."""

    operator: str
    """Name without the server's database: `NodeUniqueIndexSeek`; empty where the server tells no plan."""
    details: str
    """What it works on, in the server's words."""
    children: tuple["Plan", ...]
    kind: str = ""
    """What the whole statement does: `r` reads, `w` writes, `rw` both, `s` changes the schema; empty where unknown."""

    def walk(self) -> Iterator["Plan"]:
        """Yield this operator and all below it, from the result down to the leaves."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the operators that nothing feeds: where the query starts."""
        return tuple(part.operator for part in self.walk() if not part.children)


def read_plan(told: Mapping[str, Any] | None, *, kind: str = "") -> Plan:
    """Return the plan that the driver hands over.

    Args:
        told: `operatorType`, `args` and `children`, or None where the server tells no plan.
        kind: what the server says the statement does.
    """
    if told is None:
        return Plan("", "", (), kind)
    return Plan(
        kind=kind,
        operator=str(told.get("operatorType", "")).split("@", 1)[0],
        details=str(told.get("args", {}).get("Details", "")),
        children=tuple(read_plan(child) for child in told.get("children", ())),
    )
