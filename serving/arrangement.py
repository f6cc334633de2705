"""How business rules change a list: products left out, moved up or down, held to a number, put on their places.

The score of an item stays what the model says, and with it the reasons, which are shown for what they are; a rule only
changes where products stand, and every product that it moved names it. The first k' of k places are the same whatever k
is, so that pages of a list fit together.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from cypher.errors import InputError
from gnn.score import top_products
from serving.answer import Answer, Reason, RuleMark
from serving.errors import RuleError
from serving.rules import STRENGTH, WITHIN, Rule
from serving.shelf import Shelf
from serving.words import Words, describe_item

logger = logging.getLogger(__name__)
REACH = 200
"""Best products of a list whose scores say how far a strength reaches."""
_LOOKED_AT = 500
"""Products among which one is looked for that a cap lets through; where none is, the cap gives way."""
Mask = Bool[np.ndarray, " product"]
Scores = Float[np.ndarray, " product"]
Rows = Int[np.ndarray, " place"]


class Best(Protocol):
    """Gives the k best of the allowed products, the best first; the first k' of them are the same whatever k is."""

    def __call__(self, scores: Scores, allowed: Mask, *, k: int) -> Rows:
        """Return them."""


@dataclass(frozen=True, slots=True)
class Cap:
    """A cap, laid out for one bundle."""

    about: Mask
    most: int
    within: int
    groups: sp.csr_array | None
    """Which groups a product is of; None: all are of one."""

    def groups_of(self, row: int) -> Sequence[int]:
        """Return the groups that a product counts for."""
        if not self.about[row]:
            return ()
        if self.groups is None:
            return (0,)
        found: list[int] = self.groups.indices[self.groups.indptr[row] : self.groups.indptr[row + 1]].tolist()
        return found


@dataclass(frozen=True, slots=True)
class Ordered:
    """A list as rules have it."""

    rows: Rows
    """Products, the best first."""
    pinned: Mapping[int, Rule]
    """Products that stand where a rule put them."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The rules of one list, laid out for one bundle."""

    rules: tuple[Rule, ...]
    """Those that are carried out, by name."""
    skipped: tuple[str, ...]
    """What is wrong with the others, in sentences: they name what this bundle does not have."""
    about: Mapping[str, Mask]
    """Products that each rule is about, by its name."""
    named: Mapping[str, tuple[int, ...]]
    """Products that a rule names by their ids, in its order."""
    hidden: Mask | None
    """Products to be left out; None: none."""
    lift: Scores | None
    """What boosts and buries add up to, in parts of the reach of a list; None: nothing."""
    caps: tuple[Cap, ...]

    def hide(self, allowed: Mask, removed: dict[str, int]) -> None:
        """Take out of what is allowed what rules hide, and count it."""
        if self.hidden is not None:
            removed["rule"] = int((allowed & self.hidden).sum())
            allowed &= ~self.hidden

    def weigh(self, scores: Scores, allowed: Mask) -> Scores:
        """Return the scores with boosts and buries in them; without such rules they are the same object."""
        return scores if self.lift is None else scores + _reach(scores, allowed) * self.lift

    def order(
        self, scores: Scores, allowed: Mask, *, k: int, best: Best, pinnable: Mask | None = None, after: int = 0
    ) -> Ordered:
        """Return the k best products as the rules have them.

        Args:
            scores: of every product.
            allowed: what may be in the list at all.
            k: how many.
            best: finds the best where there are no rules.
            pinnable: what may be pinned; None: what is allowed.
            after: how many places of the list lie on pages before; what is pinned there has had its place.
        """
        scores = self.weigh(scores, allowed)
        pins = self._pins(scores, allowed if pinnable is None else pinnable, after=after)
        rows = [row for row, _ in pins.values()]
        if rows:  # those of later pages too, which else would stand on this one
            allowed = allowed.copy()
            allowed[rows] = False
        if self.caps:
            waiting = best(scores, allowed, k=k + _LOOKED_AT).tolist()
            ranked = _let_through(waiting, self.caps, k=k, pinned={place: row for place, (row, _) in pins.items()})
        else:
            ranked = best(scores, allowed, k=k).tolist()
        for place, (row, _) in sorted(pins.items()):
            ranked.insert(place - 1, row)
        return Ordered(np.array(ranked[:k], dtype=np.int64), dict(pins.values()))

    def moving(self, row: int) -> tuple[Rule, ...]:
        """Return the rules that boost or bury a product."""
        return tuple(rule for rule in self.rules if rule.action in ("boost", "bury") and self.about[rule.name][row])

    def _pins(self, scores: Scores, pinnable: Mask, *, after: int) -> dict[int, tuple[int, Rule]]:
        """Product and rule by place from this page on; where two rules want a place, the first by name has it."""
        found: dict[int, tuple[int, Rule]] = {}
        taken = set[int]()
        for rule in self.rules:
            if rule.action != "pin":
                continue
            wanted = rule.positions or range(1, max(1, len(rule.product_ids)) + 1)
            places = [place - after for place in wanted if place > after]
            waiting = iter(self._candidates(rule, scores, pinnable, k=len(places) + len(taken)))
            for place in sorted(places):
                if place in found:
                    continue
                row = next((row for row in waiting if row not in taken), None)
                if row is None:
                    break
                found[place] = (row, rule)
                taken.add(row)
        return found

    def _candidates(self, rule: Rule, scores: Scores, pinnable: Mask, *, k: int) -> list[int]:
        if rule.where is None:
            return [row for row in self.named[rule.name] if pinnable[row]]
        found: list[int] = top_products(scores, self.about[rule.name] & pinnable, k=k).tolist()
        return found


def arrange(shelf: Shelf, rules: Iterable[Rule]) -> Arrangement:
    """Lay out the rules of one list; a rule that names what the shop does not have is left out and logged.

    Args:
        shelf: the catalogue of the bundle.
        rules: those in force, by name.
    """
    about, good, skipped = dict[str, Mask](), list[Rule](), list[str]()
    for rule in rules:
        try:
            about[rule.name] = check_rule(shelf, rule)
        except InputError as err:
            logger.warning("a rule is not carried out: %s", err, extra={"rule": rule.name})
            skipped.append(f"rule {rule.name}: {err}")
        else:
            good.append(rule)
    hidden = [about[rule.name] for rule in good if rule.action == "hide"]
    weighed = [(about[rule.name], _sign(rule) * (rule.strength or STRENGTH)) for rule in good if _sign(rule)]
    return Arrangement(
        rules=tuple(good),
        skipped=tuple(skipped),
        about=about,
        named={rule.name: tuple(_rows(shelf, rule)) for rule in good if rule.product_ids},
        hidden=np.logical_or.reduce(hidden) if hidden else None,
        lift=np.sum([mask * weight for mask, weight in weighed], axis=0) if weighed else None,
        caps=tuple(_cap(shelf, rule, about[rule.name]) for rule in good if rule.action == "cap"),
    )


def marked(arranged: Arrangement, answer: Answer, rows: Rows, pinned: Mapping[int, Rule], words: Words) -> Answer:
    """Return an answer whose items name the rules that moved them; one that was put on its place says only that.

    Args:
        arranged: the rules.
        answer: a page, its items in order.
        rows: their products.
        pinned: products that stand where a rule put them.
        words: how reasons are told.
    """
    if not arranged.rules:
        return answer
    items = []
    for item, row in zip(answer.items, rows.tolist(), strict=True):
        rules = (pinned[row],) if row in pinned else arranged.moving(row)
        reasons, text = item.reasons, item.text
        if row in pinned:
            reasons, text = (Reason.PROMOTED, *reasons), describe_item(words, (), (Reason.PROMOTED,))
        elif any(rule.action == "boost" for rule in rules):
            reasons = (*reasons, Reason.PROMOTED)
        marks = tuple(RuleMark(rule.name, rule.action) for rule in rules)
        items.append(replace(item, reasons=reasons, text=text, rules=marks))
    return replace(answer, items=tuple(items), rules=tuple(rule.name for rule in arranged.rules))


def check_rule(shelf: Shelf, rule: Rule) -> Mask:
    """Return which products of a catalogue a rule is about; ids that it does not hold are passed over.

    Raises:
        InputError: its filter cannot be read, or it names what the shop does not have.
    """
    if rule.per is not None:
        _groups(shelf, rule)
    if rule.where is not None:
        return shelf.selection.where(rule.where)
    fits = np.full(len(shelf.available), not rule.product_ids)
    fits[_rows(shelf, rule)] = True
    return fits


def _sign(rule: Rule) -> int:
    return {"boost": 1, "bury": -1}.get(rule.action, 0)


def _rows(shelf: Shelf, rule: Rule) -> list[int]:
    found = (shelf.snapshot.row("Product", key) for key in rule.product_ids)
    return [row for row in found if row is not None]


def _cap(shelf: Shelf, rule: Rule, about: Mask) -> Cap:
    return Cap(about, rule.most or 1, rule.within or WITHIN, None if rule.per is None else _groups(shelf, rule))


def _groups(shelf: Shelf, rule: Rule) -> sp.csr_array:
    """Nodes of a kind that each product is linked to; of categories those it is in itself, not those above them."""
    if rule.per == "category":
        edges = shelf.snapshot.edges["IN_CATEGORY"]
        shape = (len(shelf.available), shelf.snapshot.num_nodes("Category"))
        return sp.csr_array((np.ones(len(edges), dtype=bool), (edges.source, edges.target)), shape=shape)
    links = shelf.selection.links.get(rule.per or "")
    if links is None:
        kinds = ", ".join(sorted(shelf.selection.links)) or "none"
        raise RuleError(f"products are linked to no {rule.per!r}; per may be {kinds}")
    return links.member.tocsr()


def _reach(scores: Scores, allowed: Mask) -> float:
    """How far the best of a list is from the last of its REACH best; 1 where all are alike."""
    found = scores[allowed]
    best = np.partition(found, -REACH)[-REACH:] if len(found) > REACH else found
    return float(np.ptp(best)) or 1.0 if len(best) else 1.0


def _let_through(waiting: Sequence[int], caps: Sequence[Cap], *, k: int, pinned: Mapping[int, int]) -> list[int]:
    """The best products that the caps let through, for the places that no pin has; what is pinned counts."""
    left, found, counts = list(waiting), list[int](), [Counter[int]() for _ in caps]
    for place in range(1, k + 1):
        for cap, count in zip(caps, counts, strict=True):
            if (place - 1) % cap.within == 0:
                count.clear()
                together = range(place, place + cap.within)
                count.update(group for one in together if one in pinned for group in cap.groups_of(pinned[one]))
        if place in pinned:
            continue
        if not left:
            break
        fits = (at for at, one in enumerate(left[:_LOOKED_AT]) if _fits(one, caps, counts))
        found.append(left.pop(next(fits, 0)))
        for cap, count in zip(caps, counts, strict=True):
            count.update(cap.groups_of(found[-1]))
    return found


def _fits(row: int, caps: Sequence[Cap], counts: Sequence[Counter[int]]) -> bool:
    return all(count[group] < cap.most for cap, count in zip(caps, counts, strict=True) for group in cap.groups_of(row))
