"""How a search is answered, as a story: understand -> filter -> words, meaning, taste, demand -> rank -> rules.

A product that is searched for has words of the search, or a text that means the same. Its score is a sum of four parts,
each between 0 and its weight, and an answer names them: BM25 of the words over the best product's, the cosine of the
texts, the place that the user's own scores give it, and how much it is in demand. Sums of lexical and dense scores on
one scale are Bruch, Gai and Ingber's "An Analysis of Fusion Functions for Hybrid Retrieval" (2023).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cypher.errors import InputError
from gnn.score import top_products
from serving.answer import Answer, Contribution, Filter, Item, Reason, check_page
from serving.arrangement import marked
from serving.lexicon import Lexicon
from serving.query import MAX_QUERY, Mention, Understood, understand
from serving.ready import Ready
from serving.selection import snake_case
from serving.shelf import Shelf
from serving.stages import lap
from serving.terms import terms_of
from serving.words import Words, describe_item

Scores = Float[np.ndarray, " product"]
WEIGHTS = {"words": 1.0, "meaning": 0.4, "taste": 0.2, "demand": 0.05}
"""What each part of a score is at most."""
_NAMED = 0.25
"""What a product has of the words' weight for each node of the search that it is linked to."""
_TELLING = 0.3
"""Part of the products with a name in their words that must be linked to its node, so that the node is meant."""
_MEANS = 0.5
"""Cosine from which a text without a word of the search means the same."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and what was read off it."""

    answer: Answer
    understood: Understood
    filters: tuple[str, ...]
    """What was filtered by, in the filter language."""
    dropped: tuple[str, ...]
    """What would have been filtered by, but let nothing through."""
    corrected: dict[str, str]
    """Words that were mistyped, and what they were taken for."""


def search(
    ready: Ready,
    text: str,
    *,
    n: int,
    offset: int = 0,
    filter: Filter | None = None,
    taste: Scores | None = None,
    words: Words | None = None,
) -> Found:
    """Return the products that a search means, the best first.

    Args:
        ready: the bundle.
        text: as it was typed.
        n: how many.
        offset: how many of the best to skip.
        filter: what may be in the answer beside what the search says, and rules of the shop; None: what is in stock.
        taste: score of each product for a user; None: for nobody.
        words: how reasons are told; None: in the shop's language.

    Raises:
        InputError: nothing to search for, too long, n or offset out of range, or a filter that cannot be used.
    """
    check_page(n, offset)
    _check_text(text)
    lexicon, names = ready.search.made
    understood = understand(text, lexicon, names, has_prices=bool(np.isfinite(ready.shelf.price).any()))
    bounds = filter or Filter()
    allowed, removed = ready.allow(bounds, None)
    for bound in understood.prices:
        allowed &= ready.shelf.selection.select(bound)
    lap("understand")
    allowed, used, dropped = _narrowed(ready.shelf, lexicon, understood, allowed)
    lap("filter")
    parts, fits = _parts(ready, lexicon, understood, allowed, text=text, taste=taste)
    lap("score")
    total = np.sum(list(parts.values()), axis=0)
    arranged, told = ready.arranged(bounds.rules), words or ready.words()
    ordered = arranged.order(total, fits, k=offset + n, best=top_products)
    rows = ordered.rows[offset:]
    lap("rank")
    items = _items(ready, parts, rows, first_rank=offset + 1, words=told)
    answer = Answer(items, ready.bundle.version, ready.bundle.snapshot.hash, 0, removed)
    answer = marked(arranged, answer, rows, ordered.pinned, told)
    filters = (*map(str, understood.prices), *(str(mention.words) for mention in used))
    corrected = _corrected(lexicon, understood, top_products(total, fits, k=1))
    lap("reasons")
    return Found(answer, understood, filters, tuple(str(mention.words) for mention in dropped), corrected)


def _items(
    ready: Ready, parts: dict[str, Scores], rows: Int[np.ndarray, " place"], *, first_rank: int, words: Words
) -> tuple[Item, ...]:
    """The products of a page with what their scores are made of."""
    reason, ids = (Reason.MATCH,), ready.bundle.snapshot.ids("Product")
    told, items = describe_item(words, (), reason), []
    for rank, row in enumerate(rows.tolist(), start=first_rank):
        terms = tuple(Contribution(name, None, float(part[row])) for name, part in parts.items())
        source = max(terms, key=lambda term: term.value).kernel
        items.append(Item(ids[row], rank, sum(term.value for term in terms), source, reason, (), terms, told))
    return tuple(items)


def _check_text(text: str) -> None:
    if not text.strip():
        raise InputError("there is nothing to search for; give some words, such as q=green tea")
    if len(text) > MAX_QUERY:
        raise InputError(f"a search may have {MAX_QUERY} characters, this one has {len(text):,}; give fewer words")


def _narrowed(
    shelf: Shelf, lexicon: Lexicon, understood: Understood, allowed: Bool[np.ndarray, " product"]
) -> tuple[Bool[np.ndarray, " product"], list[Mention], list[Mention]]:
    """The products that have what the search names, and which mentions count: first the particular kinds, then the
    categories, each only if it leaves anything.

    A category counts only where all other words are names too: `dove shampoo` asks for what is in Shampoos, of
    `dove shampoo bar` some may be elsewhere. A name that mostly stands for something else, as when a brand is called
    Smoothing, counts as a word.
    """
    used: list[Mention] = []
    dropped: list[Mention] = []
    for mention in sorted(understood.mentions, key=lambda one: one.kind == "Category"):
        having, is_telling = _having(shelf, lexicon, mention)
        if not is_telling or (mention.kind == "Category" and understood.rest):
            continue
        narrower = allowed & having
        (used if narrower.any() else dropped).append(mention)
        allowed = narrower if narrower.any() else allowed
    return allowed, used, dropped


def _having(shelf: Shelf, lexicon: Lexicon, mention: Mention) -> tuple[Bool[np.ndarray, " product"], bool]:
    """Which products are linked to a node, or are linked to none of its kind and have its name in their words; and
    whether its name stands for it in so large a part of the products that have it."""
    links = shelf.selection.links[snake_case(mention.kind)]
    linked, some = links.linked(mention.rows), np.zeros(lexicon.num_products, dtype=bool)
    some[links.member.indices] = True
    named = np.ones(lexicon.num_products, dtype=bool)
    for stem in {term.stem for term in terms_of(mention.name)}:
        named &= lexicon.scores(stem) > 0
    is_telling = mention.kind == "Category" or int(linked.sum()) >= _TELLING * int((named | linked).sum())
    return np.asarray(linked | (named & ~some)), is_telling


def _parts(
    ready: Ready,
    lexicon: Lexicon,
    understood: Understood,
    allowed: Bool[np.ndarray, " product"],
    *,
    text: str,
    taste: Scores | None,
) -> tuple[dict[str, Scores], Bool[np.ndarray, " product"]]:
    """The parts of every product's score, and which products the search means."""
    spoken = _spoken(ready.shelf, lexicon, understood)
    best = float(spoken[allowed].max(initial=0.0))
    parts = {"words": WEIGHTS["words"] * spoken / best if best else spoken}
    fits = allowed & ((spoken > 0) if understood.terms else bool(understood.prices))
    vector = ready.search.encode(text) if understood.terms else None
    if vector is not None:
        cosine = np.asarray(ready.bundle.text_vectors @ vector, dtype=np.float64)
        parts["meaning"] = WEIGHTS["meaning"] * np.clip(cosine, 0.0, 1.0)
        fits |= allowed & (cosine >= _MEANS)
    if taste is not None:
        parts["taste"] = WEIGHTS["taste"] * _places(taste, fits)
    parts["demand"] = WEIGHTS["demand"] * _places(ready.demand.heat, fits)
    return parts, fits


def _spoken(shelf: Shelf, lexicon: Lexicon, understood: Understood) -> Scores:
    """How much each product says of a search: of each word what its likeliest meaning counts, more where it is linked
    to what the search names."""
    total = np.zeros(lexicon.num_products)
    for options in understood.options:
        counted = [option.weight * lexicon.scores(option.term.stem) for option in options]
        if counted:
            total += np.max(counted, axis=0)
    most = float(total.max(initial=0.0))
    for mention in understood.mentions:
        links = shelf.selection.links[snake_case(mention.kind)]
        total[links.linked(mention.rows)] += _NAMED * most
    return total


def _places(values: Scores, fits: Bool[np.ndarray, " product"]) -> Scores:
    """The place of each fitting product by a value, 1 the highest, 0 the lowest and all others; equals share one."""
    found = np.zeros(len(values))
    distinct, place = np.unique(values[fits], return_inverse=True)
    if len(distinct) > 1:
        found[fits] = place / (len(distinct) - 1)
    return found


def _corrected(lexicon: Lexicon, understood: Understood, best_first: Int[np.ndarray, " place"]) -> dict[str, str]:
    """Words that the catalogue does not have, each with what the best product says in its place."""
    found = {}
    for term, options in zip(understood.terms, understood.options, strict=True):
        if lexicon.knows(term.stem) or not options or not len(best_first):
            continue
        best = max(options, key=lambda option: option.weight * lexicon.scores(option.term.stem)[best_first[0]])
        found[term.word] = best.term.word
    return found
