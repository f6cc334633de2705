"""How an answer comes about, as a story: history -> score -> filter -> rank -> vary -> keep places -> rules -> explain.

What a user was shown often and never chose comes after everything else.

Everything is read from one bundle; there is no call to a database and no torch.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from gnn.score import top_products
from kg.kernels import EmbeddingKernel
from serving.answer import (
    Answer,
    Contribution,
    Filter,
    Item,
    Reason,
    RecommendRequest,
    check_diversity,
    check_page,
)
from serving.arrangement import Mask, Ordered, Rows, Scores, marked
from serving.cursor import write_cursor
from serving.explain import explain_items
from serving.history import EventReader, past_of
from serving.ready import Ready
from serving.slots import with_new
from serving.stages import lap
from serving.variety import POOL, vary
from serving.words import Words, describe_item


def recommend(ready: Ready, events: EventReader, request: RecommendRequest, *, now_ms: int | None = None) -> Answer:
    """Return the best products for a user or a session.

    Args:
        ready: the bundle that answers.
        events: gives what the user did after the bundle was made.
        request: the wish.
        now_ms: epoch milliseconds that ages are counted from; None: the clock.

    Raises:
        InputError: n, offset or diversity out of range, a filter that names what the shop does not have, or a language
            that reasons are not told in.
    """
    check_page(request.n, request.offset)
    check_diversity(request.diversity)
    bundle, words = ready.bundle, ready.words(request.language, request.surface)
    past = past_of(bundle, events, request, now_ms=now_ms)
    history = past.read()
    lap("history")
    spread = bundle.scorer.spread(history)
    lap("score")
    allowed, removed = ready.allow(request.filter, history)
    if request.shown:
        left = ready.unmarked(allowed, request.shown)
        removed["shown"] = int(allowed.sum() - left.sum())
        allowed = left
    lap("filter")
    best = _Best(ready, request)
    arranged, fresh = ready.arranged(request.filter.rules), ready.unmarked(allowed, request.shown_often)
    ordered = arranged.order(spread.scores, fresh, k=best.wanted, best=best, pinnable=allowed, after=len(request.shown))
    if request.shown_often:
        ordered = _with_last(ordered, spread.scores, allowed & ~fresh, k=best.wanted)
        removed["shown_often"] = int((allowed & ~fresh).sum()) - int((~fresh[ordered.rows]).sum())
    lap("rank")
    ranked, first = ordered.rows[request.offset :], request.offset + len(request.shown) + 1
    items = explain_items(ready, ranked, spread, user=past.user, paths=request.paths, first_rank=first, words=words)
    if best.kept:
        items = tuple(
            _kept(item) if row in best.kept else item for item, row in zip(items, ranked.tolist(), strict=True)
        )
    is_whole = len(items) == request.n and not request.offset and request.filter.only_ids is None
    cursor = write_cursor((*request.shown, *ready.marks[ranked].tolist())) if is_whole else None
    answer = Answer(items, bundle.version, bundle.snapshot.hash, len(history), removed, next_cursor=cursor)
    answer = marked(arranged, answer, ranked, ordered.pinned, words)
    lap("reasons")
    return answer


def _with_last(ordered: Ordered, scores: Scores, last: Mask, *, k: int) -> Ordered:
    """A list that is too short, with the best of what comes last at its end; what a rule put in it stands there."""
    missing = k - len(ordered.rows)
    if missing <= 0:
        return ordered
    waiting = last.copy()
    waiting[ordered.rows] = False
    return Ordered(np.concatenate([ordered.rows, top_products(scores, waiting, k=missing)]), ordered.pinned)


@dataclass(slots=True)
class _Best:
    """Finds the best products for a request, varied where it asks for that, and with places kept for new ones."""

    ready: Ready
    request: RecommendRequest
    kept: set[int] = field(default_factory=set)
    """Products that took such places."""

    @property
    def wanted(self) -> int:
        """How many are looked for: those that are skipped, and those that are shown."""
        return self.request.offset + self.request.n

    def __call__(self, scores: Scores, allowed: Mask, *, k: int) -> Rows:
        request = self.request
        if request.diversity:
            pool = top_products(scores, allowed, k=max(POOL, self.wanted))
            ranked = vary(self.ready, pool, scores, diversity=request.diversity, k=k)
        else:
            ranked = top_products(scores, allowed, k=k)
        new = allowed & self.ready.demand.is_new
        ranked, kept = with_new(ranked, scores, new=new, every=request.new_every)
        self.kept |= kept
        return ranked


def _kept(item: Item) -> Item:
    """An item on a place that was kept for something new."""
    return replace(item, reasons=(Reason.EXPLORATION, *item.reasons))


def similar(
    ready: Ready,
    product_id: str,
    *,
    n: int,
    offset: int = 0,
    filter: Filter | None = None,
    words: Words | None = None,
) -> Answer:
    """Return the products nearest to one, in text and in use; words: None: those of the shop's language.

    Raises:
        UnknownProduct: the bundle does not hold the product.
        InputError: n or offset out of range, or a filter that names what the shop does not have.
    """
    check_page(n, offset)
    product = ready.product_row(product_id)
    bounds = filter or Filter()
    allowed, removed = ready.allow(bounds, None)
    allowed[product] = False
    lap("filter")
    arranged = ready.arranged(bounds.rules)
    if arranged.rules:
        likeness = ready.index.similarity(product)
        ordered = arranged.order(likeness, allowed, k=offset + n, best=top_products)
    else:
        ordered = Ordered(ready.index.nearest(product, allowed, k=offset + n), {})
    lap("rank")
    rows, parts = ordered.rows, ready.index.split(product, ordered.rows)
    names = list(ready.index.parts)
    ids = ready.bundle.snapshot.ids("Product")
    items, told = [], words or ready.words()
    for place in range(offset, len(rows)):
        terms = tuple(Contribution(name, product_id, float(parts[i, place])) for i, name in enumerate(names))
        best = max(terms, key=lambda term: term.value).kernel
        learned = {kernel.name for kernel in ready.bundle.scorer.kernels if isinstance(kernel, EmbeddingKernel)}
        reason = Reason.COLLABORATIVE if best in learned else Reason.CONTENT
        score = float(parts[:, place].sum())
        text = describe_item(told, (), (reason,))
        items.append(Item(ids[rows[place]], place + 1, score, best, (reason,), (), terms, text))
    answer = Answer(tuple(items), ready.bundle.version, ready.bundle.snapshot.hash, 0, removed)
    answer = marked(arranged, answer, rows[offset:], ordered.pinned, told)
    lap("reasons")
    return answer
