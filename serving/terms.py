"""From text to terms: the words of a title or of a search, and the stem under which both meet.

Signs and accents go, letters become small, `l'oreal` and `L’Oréal` are one word. English words are cut to their stem
(Porter's second stemmer), which leaves most words of other languages alone and treats titles and searches alike.
Chinese has no spaces: each of its signs is a term, and so is each pair of neighbours.
"""

import functools
import html
import itertools
import re
import unicodedata
from dataclasses import dataclass

import Stemmer

_WORD = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]+")
_APOSTROPHES = str.maketrans("", "", "'’‘`´")
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_MAX_CHARS = 5000
"""What is read of one text."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word as it stands, and its stem."""

    word: str
    stem: str


def terms_of(text: str) -> list[Term]:
    """Return the terms of a text in order.

    Example:
        >>> [term.stem for term in terms_of("L’Oréal Hair Sprays, 2 oz")]
        ['loreal', 'hair', 'spray', '2', 'oz']
    """
    found: list[Term] = []
    for word in _WORD.findall(simplify(text)):
        if _CHINESE.match(word):
            found += [Term(sign, sign) for sign in word]
            found += [Term(pair, pair) for pair in map("".join, itertools.pairwise(word))]
        else:
            found.append(Term(word, _stem(word)))
    return found


def simplify(text: str) -> str:
    """Return text in small letters without accents, apostrophes and the signs of HTML, in one way of writing."""
    plain = unicodedata.normalize("NFKD", html.unescape(text[:_MAX_CHARS]).casefold())
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", plain)).translate(_APOSTROPHES)


@functools.lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@functools.cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english", 0)
