"""Why a product stands where it stands: the score taken apart, and the graph paths that carried it.

A path is shown only if each of its edges is in the snapshot and only if the product's score falls when the product of
the history it starts from is taken away. Attention weights are never shown.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from gnn.score import History
from serving.answer import Contribution, Filter, Item
from serving.evidence import Evidence, contributions, take_apart
from serving.history import EventReader, read_history
from serving.ready import Ready
from serving.reasons import Voices, listen, reason_codes, true_paths

_TOP = 10


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a product is, or is not, recommended to a user."""

    item: Item
    """The product as an item, `rank` among all products."""
    rank_of_all: int
    """Rank among the whole catalogue; 1 is the best."""
    num_products: int
    removed_by: str | None
    """What keeps it out of lists: `seen`, `unavailable`; None: nothing."""
    in_top: bool
    """Whether it is among the ten best that may be recommended."""


def explain_items(
    ready: Ready,
    targets: Int[np.ndarray, " target"],
    history: History,
    *,
    user: int | None,
    paths: int,
    first_rank: int,
) -> tuple[Item, ...]:
    """Return ranked products as items.

    Args:
        ready: the bundle.
        targets: product rows in order.
        history: what the user did.
        user: row of the user, None when unknown.
        paths: paths shown an item at most; 0 leaves paths and contributions out.
        first_rank: rank of the first target.
    """
    if not len(targets):
        return ()
    evidence = take_apart(ready, targets, history, user=user)
    voices = listen(evidence)
    terms = contributions(evidence, voices.parts) if paths else [()] * len(targets)
    return tuple(
        _make_item(evidence, voices, place, terms[place], product=int(product), rank=first_rank + place, paths=paths)
        for place, product in enumerate(targets)
    )


def explain(ready: Ready, events: EventReader, user_id: str, product_id: str, *, paths: int = 3) -> Explanation:
    """Return why a product is, or is not, recommended to a user.

    Args:
        ready: the bundle.
        events: gives what the user did after the bundle was made.
        user_id: known or unknown user.
        product_id: any product of the bundle.
        paths: paths shown at most.

    Raises:
        UnknownProduct: the bundle does not hold the product.
    """
    bundle = ready.bundle
    product = ready.product_row(product_id)
    user = bundle.snapshot.row("User", user_id)
    history = read_history(bundle.snapshot, user, events.events_of(user_id, after=bundle.events_applied))
    scores = bundle.scorer.score(history)
    (item,) = explain_items(ready, np.array([product]), history, user=user, paths=paths, first_rank=1)
    ahead = (scores > scores[product]) | ((scores == scores[product]) & (np.arange(len(scores)) < product))
    rank = int(ahead.sum()) + 1
    removed_by = None
    if not ready.shelf.available[product]:
        removed_by = "unavailable"
    elif bundle.exclude_seen and product in history.product:
        removed_by = "seen"
    allowed, _ = ready.allow(Filter(), history)
    in_top = removed_by is None and int((ahead & allowed).sum()) < _TOP
    return Explanation(replace(item, rank=rank), rank, len(scores), removed_by, in_top)


def _make_item(
    evidence: Evidence,
    voices: Voices,
    place: int,
    terms: tuple[Contribution, ...],
    *,
    product: int,
    rank: int,
    paths: int,
) -> Item:
    blend = evidence.scorer.blend
    by_kernel = dict(zip(blend.kernels, voices.by_kernel[:, place].tolist(), strict=True))
    by_prior = dict(zip(blend.priors, evidence.priors[:, place].tolist(), strict=True))
    everything = {**by_kernel, **by_prior}
    source = max(everything, key=lambda name: everything[name])
    shown = true_paths(evidence, voices, place, product=product, limit=paths) if paths else ()
    reasons = reason_codes(evidence, by_kernel, by_prior, shown)
    product_id = evidence.ready.bundle.snapshot.ids("Product")[product]
    return Item(product_id, rank, sum(everything.values()), source, reasons, shown, terms)
