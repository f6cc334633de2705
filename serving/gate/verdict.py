"""What the gate found, line by line, and what follows from it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Part = Literal["data", "quality", "lists", "reasons"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    part: Part
    name: str
    """What was looked at: `events`, `against ease`."""
    value: float
    """What was found."""
    limit: float
    """What the value is held against."""
    passed: bool
    sentence: str
    """What was found and what is wanted, in words; of a line that did not pass also what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided and why."""

    lines: tuple[Line, ...]
    overruled: str | None = None
    """Why somebody publishes what the gate refuses; None: nobody does."""

    @property
    def faults(self) -> tuple[Line, ...]:
        """The lines that did not pass."""
        return tuple(line for line in self.lines if not line.passed)

    @property
    def passed(self) -> bool:
        """Whether the model may be published."""
        return not self.faults or self.overruled is not None

    @property
    def sentence(self) -> str:
        """The decision in words."""
        if not self.faults:
            quality = [line.sentence for line in self.lines if line.part == "quality"]
            return f"Passed all {len(self.lines)} lines of the gate" + (f"; {quality[0]}." if quality else ".")
        refused = "; ".join(line.sentence for line in self.faults)
        many = f"{len(self.faults)} of {len(self.lines)} lines"
        if self.overruled is not None:
            return f"Published against the gate ({many} not passed), because: {self.overruled}. Not passed: {refused}."
        return f"Refused, {many} not passed: {refused}."


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values."""
    return {
        "passed": verdict.passed,
        "overruled": verdict.overruled,
        "sentence": verdict.sentence,
        "lines": [asdict(line) for line in verdict.lines],
    }


def verdict_rows(lines: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """Return part, name, value, limit and outcome of the lines of a verdict's JSON, as a table shows them."""
    return [
        (line["part"], line["name"], f"{line['value']:.4g}", f"{line['limit']:.4g}", "yes" if line["passed"] else "NO")
        for line in lines
    ]


def at_least(part: Part, name: str, value: float, limit: float, what: str, advice: str = "") -> Line:
    """Return the line of a value that must reach a limit.

    Args:
        part: which part of the gate.
        name: what is looked at.
        value: what was found.
        limit: what it must reach.
        what: both in words.
        advice: what to do where it is not reached.
    """
    return _line(part, name, (value, limit), value >= limit, (what, advice))


def at_most(part: Part, name: str, value: float, limit: float, what: str, advice: str = "") -> Line:
    """Return the line of a value that must not be above a limit; arguments as `at_least`."""
    return _line(part, name, (value, limit), value <= limit, (what, advice))


def _line(part: Part, name: str, figures: tuple[float, float], passed: bool, words: tuple[str, str]) -> Line:
    what, advice = words
    sentence = what if passed or not advice else f"{what} ({advice})"
    return Line(part, name, float(figures[0]), float(figures[1]), passed, sentence)
