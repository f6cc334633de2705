"""The business rules of a shop, kept in its operational state: all processes see a change within a second."""

import hashlib
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.dialects.sqlite import insert

from cypher.errors import InputError
from serving.errors import RuleChanged, RuleError, StateError, UnknownRule
from serving.rules import MAX_RULES, Context, ListName, Rule, fitting, in_force, of_list
from serving.state import RULES, StateFile, open_state, translated

logger = logging.getLogger(__name__)
_RULES = TypeAdapter(Rule)
READ_EVERY_S = 0.5
"""How long a process may go by rules that were changed meanwhile."""


@dataclass(frozen=True, slots=True)
class KeptRule:
    """A rule, and when it was last written."""

    rule: Rule
    changed_at_ms: int

    @property
    def version(self) -> str:
        """What tells this writing of the rule from any other."""
        written = _fields(self.rule), self.changed_at_ms
        return hashlib.blake2b(repr(written).encode(), digest_size=12).hexdigest()


class RuleLog(StateFile):
    """The rules of one project; several processes may use the same file."""

    @classmethod
    def open(cls, path: Path) -> "RuleLog":
        """Open the rules in a state file, which is created when it is not there.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path))

    def put(self, rule: Rule, *, now_ms: int, expected: Collection[str] | None = None) -> bool:
        """Write a rule in place of the one of its name, and return whether there was none.

        Args:
            rule: checked.
            now_ms: the time, epoch milliseconds.
            expected: versions of which the rule that is replaced must have one, `*` for any; None: there need be none.

        Raises:
            RuleChanged: the rule has none of these versions, or is not there.
            RuleError: there are as many rules as there may be.
            StateError: the file cannot be written.
        """
        row = {"name": rule.name, "fields": _fields(rule), "changed_at_ms": now_ms}
        statement = insert(RULES).on_conflict_do_update(index_elements=["name"], set_=row)
        with translated(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # nobody writes between the look and the write
            names = connection.execute(sa.select(RULES.c.name)).scalars().all()
            self._check_version(connection, rule.name, expected)
            if rule.name not in names and len(names) >= MAX_RULES:
                raise RuleError(f"there may be {MAX_RULES} rules; delete one that is over before {rule.name} is added")
            connection.execute(statement, [row])
            connection.commit()
        return rule.name not in names

    def delete(self, name: str, *, expected: Collection[str] | None = None) -> Rule:
        """Delete a rule and return it.

        Args:
            name: of the rule.
            expected: versions of which it must have one; None, or `*` among them: any.

        Raises:
            UnknownRule: there is none of this name.
            RuleChanged: it has none of these versions.
            StateError: the file cannot be written.
        """
        rule = self.find(name).rule
        with translated(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._check_version(connection, name, expected)
            connection.execute(sa.delete(RULES).where(RULES.c.name == name))
            connection.commit()
        return rule

    def _check_version(self, connection: sa.Connection, name: str, expected: Collection[str] | None) -> None:
        if expected is None:
            return
        row = connection.execute(sa.select(RULES).where(RULES.c.name == name)).one_or_none()
        if row is None:
            raise RuleChanged(f"there is no rule {name} to be changed; write it without If-Match")
        if "*" not in expected and _kept(row, self.path).version not in expected:
            raise RuleChanged(f"the rule {name} was changed by somebody else meanwhile; read it and change it anew")

    def find(self, name: str) -> KeptRule:
        """Return one rule.

        Raises:
            UnknownRule: there is none of this name.
            StateError: the file cannot be read.
        """
        kept = {one.rule.name: one for one in self.all()}
        if name not in kept:
            there = ", ".join(kept) or "none"
            raise UnknownRule(f"no rule is named {name[:80]!r}; there are {there}")
        return kept[name]

    def all(self) -> tuple[KeptRule, ...]:
        """Return every rule, by name.

        Raises:
            StateError: the file cannot be read, or a newer release wrote a rule.
        """
        with translated(self.path), self._engine.connect() as connection:
            rows = connection.execute(sa.select(RULES).order_by(RULES.c.name)).all()
        return tuple(_kept(row, self.path) for row in rows)


class RuleBook:
    """The rules as one process knows them, read anew twice a second; where they cannot be read, those known stay."""

    def __init__(self, log: RuleLog) -> None:
        """Read nothing yet; the log is closed with the book."""
        self.log = log
        """Where they are kept."""
        self.failing = False
        """Whether they could not be read the last time."""
        self._rules: tuple[Rule, ...] = ()
        self._read_at = float("-inf")

    def close(self) -> None:
        """Close the file."""
        self.log.close()

    def look_again(self) -> None:
        """Read anew the next time, as somebody changed them."""
        self._read_at = float("-inf")

    def holding(self) -> tuple[Rule, ...]:
        """Return the rules that hold now, by name."""
        if time.monotonic() - self._read_at >= READ_EVERY_S:
            self._read_at = time.monotonic()
            try:
                self._rules, self.failing = tuple(kept.rule for kept in self.log.all()), False
            except StateError as err:
                if not self.failing:
                    logger.error("the rules cannot be read; those known stay: %s", err)  # noqa: TRY400
                self.failing = True
        return in_force(self._rules, now_ms=int(time.time() * 1000)) if self._rules else ()


def rules_now(path: Path, name: ListName, moment: datetime) -> tuple[Rule, ...]:
    """Return the rules of a state file that change a list now, whatever it is shown on.

    Args:
        path: the file.
        name: the list.
        moment: now, as a clock of the shop shows it.

    Raises:
        StateError: the file cannot be read.
    """
    with RuleLog.open(path) as log:
        rules = in_force((kept.rule for kept in log.all()), now_ms=int(moment.timestamp() * 1000))
    return of_list(fitting(rules, Context(), moment), name)


def _fields(rule: Rule) -> str:
    """A rule as it is kept."""
    return _RULES.dump_json(rule, exclude_defaults=True).decode()


def _kept(row: sa.Row[Any], path: Path) -> KeptRule:
    try:
        return KeptRule(_RULES.validate_json(row.fields), row.changed_at_ms)
    except (ValidationError, InputError) as err:
        raise StateError(f"{path}: the rule {row.name!r} cannot be read by this release: {err}") from err
