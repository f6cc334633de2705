"""What somebody means who searches: words of a search that name a brand, a category, another kind of node or a price.

Nothing is guessed from grammar: a name is recognised when its words stand there one after the other, whatever their
endings and accents, and a price by the words and signs around it, in English and in Chinese.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serving.filters import Compare, Operator
from serving.lexicon import Lexicon, Option
from serving.selection import snake_case
from serving.shelf import Shelf
from serving.terms import Term, simplify, terms_of

MAX_QUERY = 300
"""Most characters of a search."""
_MOST_TERMS = 40
"""Terms of a search that are read; the rest says nothing new."""
_MOST_WORDS = 6
"""Words of the longest name that is looked for."""
_TRIED = 3
"""Readings of each word that a name is looked for with."""
_LAST = {"Brand": 2, "Category": 0}
"""Which kind is meant if a name could be of two: the higher one; declared kinds are between."""
_MONEY = r"[$€£¥￥]?\s*(\d{1,9}(?:[.,]\d{1,2})?)\s*(?:[$€£¥￥元块]|dollars?|euros?|pounds?|usd|eur|gbp|cny|rmb)?"
_PRICES: tuple[tuple[re.Pattern[str], tuple[Operator, ...]], ...] = (
    (re.compile(rf"\bbetween\s+{_MONEY}\s+and\s+{_MONEY}(?!\w)"), (">=", "<=")),
    (re.compile(r"(\d{1,9}(?:\.\d{1,2})?)\s*(?:到|至|-)\s*(\d{1,9}(?:\.\d{1,2})?)\s*[元块]"), (">=", "<=")),
    (re.compile(r"[$€£¥￥]\s*(\d{1,9}(?:\.\d{1,2})?)\s*(?:to|-)\s*[$€£¥￥]?\s*(\d{1,9}(?:\.\d{1,2})?)"), (">=", "<=")),
    (re.compile(rf"(?:\b(?:under|below|less than|cheaper than|up to|at most|max)|<=?)\s*{_MONEY}(?!\w)"), ("<=",)),
    (re.compile(rf"(?:\b(?:over|above|more than|at least|from|min)|>=?)\s*{_MONEY}(?!\w)"), (">=",)),
    (re.compile(r"(?:低于|不超过|少于|便宜过)\s*(\d{1,9}(?:\.\d{1,2})?)\s*[元块]?"), ("<=",)),
    (re.compile(r"(?:高于|超过|至少)\s*(\d{1,9}(?:\.\d{1,2})?)\s*[元块]?"), (">=",)),
    (re.compile(r"(\d{1,9}(?:\.\d{1,2})?)\s*[元块]?(?:以下|以内|之内)"), ("<=",)),
    (re.compile(r"(\d{1,9}(?:\.\d{1,2})?)\s*[元块]?(?:以上|起)"), (">=",)),
)
"""What says a price, and which bounds its numbers are."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A node that a search names."""

    kind: str
    """Label of its kind: `Brand`."""
    name: str
    """What it is called."""
    rows: tuple[int, ...]
    """Nodes of this name."""
    first: int
    """Place of its first word among the terms."""
    last: int
    """Place after its last word."""

    @property
    def words(self) -> Compare:
        """The mention in the filter language."""
        return Compare(snake_case(self.kind), "=", self.name)


@dataclass(frozen=True, slots=True)
class Understood:
    """What was read off a search."""

    terms: tuple[Term, ...]
    """Its words without those that say a price."""
    options: tuple[tuple[Option, ...], ...]
    """What each term may stand for; none where the catalogue has nothing near."""
    mentions: tuple[Mention, ...]
    """Nodes named, in order."""
    prices: tuple[Compare, ...]
    """Bounds of the price."""

    @property
    def rest(self) -> tuple[int, ...]:
        """Places of the terms that are in no mention."""
        named = {place for mention in self.mentions for place in range(mention.first, mention.last)}
        return tuple(place for place in range(len(self.terms)) if place not in named)


class Names:
    """The names of the nodes that products are linked to."""

    def __init__(self, shelf: Shelf) -> None:
        """Read them off a catalogue."""
        found: dict[str, dict[str, tuple[str, list[int]]]] = {}
        for kind in shelf.names:
            if snake_case(kind) not in shelf.selection.links:
                continue
            for row, label in enumerate(shelf.labels[kind]):
                key = _joined(terms_of(label))
                if len(key) > 1 and not key.isdigit():
                    found.setdefault(key, {}).setdefault(kind, (label, []))[1].append(row)
        self._kinds: Mapping[str, dict[str, tuple[str, list[int]]]] = found

    def named(self, terms: Iterable[Term], first: int, last: int) -> Mention | None:
        """Return the node that some words name together, None if they name none."""
        kinds = self._kinds.get(_joined(terms))
        if kinds is None:
            return None
        kind = max(kinds, key=lambda label: (_LAST.get(label, 1), label))
        name, rows = kinds[kind]
        return Mention(kind, name, tuple(rows), first, last)


def understand(text: str, lexicon: Lexicon, names: Names, *, has_prices: bool) -> Understood:
    """Read a search.

    Args:
        text: as it was typed.
        lexicon: words of the catalogue.
        names: of the nodes that products are linked to.
        has_prices: whether the shop has prices; without any, words about them are words like others.
    """
    text, prices = _cut_prices(text) if has_prices else (text, ())
    terms = tuple(terms_of(text)[:_MOST_TERMS])
    last = len(terms) - 1
    options = tuple(tuple(lexicon.options(term, is_last=place == last)) for place, term in enumerate(terms))
    return Understood(terms, options, tuple(_mentions(terms, options, names)), prices)


def _cut_prices(text: str) -> tuple[str, tuple[Compare, ...]]:
    """The text without what says a price, and the bounds."""
    text, found = simplify(text), []
    for pattern, operators in _PRICES:
        if match := pattern.search(text):
            numbers = [float(number.replace(",", ".")) for number in match.groups()]
            found += [Compare("price", sign, number) for sign, number in zip(operators, numbers, strict=True)]
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return text, tuple(found)


def _mentions(terms: Sequence[Term], options: Sequence[Sequence[Option]], names: Names) -> Iterable[Mention]:
    """Names in a search, the longest first from the left; no word is part of two."""
    place = 0
    while place < len(terms):
        found = None
        for last in range(min(len(terms), place + _MOST_WORDS), place, -1):
            readings = [_readings(terms[at], options[at]) for at in range(place, last)]
            tried = (names.named(reading, place, last) for reading in itertools.product(*readings))
            found = next((mention for mention in tried if mention is not None), None)
            if found is not None:
                yield found
                break
        place = place + 1 if found is None else found.last


def _readings(term: Term, options: Sequence[Option]) -> list[Term]:
    return list(dict.fromkeys([term, *(option.term for option in options)]))[:_TRIED]


def _joined(terms: Iterable[Term]) -> str:
    """Stems one after the other, so that `st. ives` and `stives` are one; of Chinese the signs, not their pairs."""
    return "".join(term.stem for term in terms if len(term.stem) != 2 or not "\u3400" <= term.stem[0] <= "\u9fff")
