"""How an answer comes about, as a story: history -> score -> filter -> rank -> vary -> keep places -> explain.

Everything is read from one bundle; there is no call to a database and no torch. Business rules will appear here as a
step with a name of its own.
"""

from dataclasses import replace

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
from serving.explain import explain_items
from serving.history import EventReader, past_of
from serving.ready import Ready
from serving.slots import with_new
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
    spread = bundle.scorer.spread(history)
    allowed, removed = ready.allow(request.filter, history)
    wanted = request.offset + request.n
    if request.diversity:
        pool = top_products(spread.scores, allowed, k=max(POOL, wanted))
        ranked = vary(ready, pool, spread.scores, diversity=request.diversity, k=wanted)
    else:
        ranked = top_products(spread.scores, allowed, k=wanted)
    ranked, kept = with_new(ranked, spread.scores, new=allowed & ready.demand.is_new, every=request.new_every)
    ranked, first = ranked[request.offset :], request.offset + 1
    items = explain_items(ready, ranked, spread, user=past.user, paths=request.paths, first_rank=first, words=words)
    if kept:
        items = tuple(_kept(item) if row in kept else item for item, row in zip(items, ranked.tolist(), strict=True))
    return Answer(items, bundle.version, bundle.snapshot.hash, len(history), removed)


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
    allowed, removed = ready.allow(filter or Filter(), None)
    allowed[product] = False
    rows, parts = ready.index.nearest(product, allowed, k=offset + n)
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
    return Answer(tuple(items), ready.bundle.version, ready.bundle.snapshot.hash, 0, removed)
