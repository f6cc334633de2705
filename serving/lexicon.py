"""The words of a catalogue: which product says which how much (BM25), and which word somebody meant who mistyped one.

BM25 is Robertson and Zaragoza's "The Probabilistic Relevance Framework" (2009) with the non-negative idf of Lucene,
computed by bm25s; words are likened by the optimal string alignment distance: letters that are missing, too many, wrong
or swapped.
"""

import bisect
import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
from jaxtyping import Float
from rapidfuzz import process
from rapidfuzz.distance import OSA

from serving.terms import Term, terms_of

_SHORTEST = 4
"""Letters of a word that may hold a typing error; in shorter ones any other word is near."""
_TWO_FROM = 8
"""Letters from which a word may hold two."""
_WEIGHT = {0: 1.0, 1: 0.9, 2: 0.7}
"""What a word counts that is so many errors away."""
_BEGUN = 0.8
"""What a word counts that begins with the last word of a search."""
_DOUBTED = 0.6
"""What a word counts beside one that is in the catalogue, but so rare that it may be an error itself."""
_RARE = 0.02
"""A word is doubted if it is in so small a part of the products that a near word is in."""
_MOST = 6
"""Most words that one word may stand for."""


@dataclass(frozen=True, slots=True)
class Option:
    """A word that a word of a search may stand for."""

    term: Term
    weight: float
    """1: it stands there as it is."""


class Lexicon:
    """Words and stems of one catalogue; nothing in it changes."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        """Read the catalogue.

        Args:
            texts: parts of what is said of each product (title, brand, ...), by row of the product.
        """
        self.num_products = len(texts)
        told = [[term for part in parts for term in terms_of(part)] for parts in texts]
        counts = Counter(term for terms in told for term in set(terms))
        self._count = {term.word: count for term, count in counts.items()}
        self._term = {term.word: term for term in counts}
        self._words = sorted(self._count)
        self._bm25: bm25s.BM25 | None = None
        self._stems: dict[str, int] = {}
        if counts:
            self._bm25 = bm25s.BM25(method="lucene", backend="numpy")
            self._bm25.index([[term.stem for term in terms] for terms in told], show_progress=False)
            self._stems = self._bm25.vocab_dict

    def padded(self, num_products: int) -> "Lexicon":
        """Return the same words for a catalogue with further products at its end, of which nothing is known."""
        other = copy.copy(self)
        other.num_products = num_products
        return other

    def knows(self, stem: str) -> bool:
        """Return whether a product has a word with this stem."""
        return stem in self._stems

    def scores(self, stem: str) -> Float[np.ndarray, " product"]:
        """Return how much a stem says for each product; above 0 exactly for those that have it."""
        if self._bm25 is None or stem not in self._stems:
            return np.zeros(self.num_products, dtype=np.float32)
        found = np.asarray(self._bm25.get_scores([stem]))
        return np.pad(found, (0, self.num_products - len(found)))

    def options(self, term: Term, *, is_last: bool = False) -> list[Option]:
        """Return the words that a word of a search may stand for, the likeliest first; none if nothing is near.

        Args:
            term: the word.
            is_last: whether it is the last one, which may be the beginning of a word.
        """
        if term.stem in self._stems:
            own = Option(term, 1.0)
            return [own, *self._if_doubted(term)]
        found = [Option(self._term[word], _WEIGHT[errors]) for word, errors in self._near(term.word)]
        if is_last:
            found += [Option(self._term[word], _BEGUN) for word in self._beginning_with(term.word)]
        found.sort(key=lambda option: (-option.weight, -self._count[option.term.word], option.term.word))
        return found[:_MOST]

    def _if_doubted(self, term: Term) -> list[Option]:
        """Much commoner words that are one error away from one that the catalogue has."""
        most = _RARE * max((self._count[word] for word, _ in self._near(term.word, most=1)), default=0)
        if self._count.get(term.word, 0) > most:
            return []
        near = [word for word, _ in self._near(term.word, most=1) if word != term.word]
        return [Option(self._term[word], _DOUBTED) for word in near[:_MOST] if self._term[word].stem != term.stem]

    def _near(self, word: str, *, most: int = 2) -> list[tuple[str, int]]:
        """Words at a few errors from one, the nearest and then the commonest first."""
        if len(word) < _SHORTEST or word.isdigit():
            return []
        errors = min(most, 2 if len(word) >= _TWO_FROM else 1)
        found = process.extract(word, self._words, scorer=OSA.distance, score_cutoff=errors, limit=50)
        near = [(other, int(distance)) for other, distance, _ in found if not other.isdigit()]
        return sorted(near, key=lambda pair: (pair[1], pair[0][0] != word[0], -self._count[pair[0]]))

    def _beginning_with(self, start: str) -> list[str]:
        """The commonest words with a beginning of two letters at least."""
        if len(start) < 2:
            return []
        first, last = bisect.bisect_left(self._words, start), bisect.bisect_left(self._words, start + "\U0010ffff")
        return sorted(self._words[first:last], key=lambda word: -self._count[word])[:_MOST]
