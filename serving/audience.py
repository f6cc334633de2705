"""Who would like a product, a brand or a category: every user's score of it, as the user's own list would have it.

The score is the one that recommendations are ranked by (`gnn.score`), computed for a few products and all users at
once: what every event of everybody says for a product is one column of each kernel, added up by user. Users with events
newer than the bundle are scored anew. Of a brand or a category its products in most demand stand for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from cypher.errors import InputError
from gnn.crowd import histories_of_all, score_for_all, who_had
from gnn.score import top_products
from serving.answer import Filter, RecommendRequest
from serving.history import EventReader, moment_of_ages, past_of
from serving.ready import Ready

STANDING = 20
"""Products that stand for a brand or a category."""
MOST = 10_000
"""Most users of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an audience is looked for; at least one of the three."""

    product_id: str | None = None
    brand: str | None = None
    category: str | None = None
    exclude_had: bool = True
    """Whether users who had to do with it are left out."""


@dataclass(frozen=True, slots=True)
class Member:
    """One user of an audience."""

    user_id: str
    score: float
    """Of the product that speaks most for the user."""
    product_id: str
    """That product."""
    num_events: int
    """Events of the user that count for the score, later ones included."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Users that would like something, the likeliest first."""

    size: int
    """Users whose own history speaks for it at all, those that are not listed included."""
    num_users: int
    """Users with a history."""
    product_ids: tuple[str, ...]
    """Products that were scored."""
    members: tuple[Member, ...]


def audience_of(
    ready: Ready,
    events: EventReader,
    target: Target,
    *,
    n: int,
    offset: int = 0,
    later: Sequence[str] = (),
    now_ms: int | None = None,
) -> Audience:
    """Return the users whose history speaks most for a target.

    Args:
        ready: the bundle.
        events: gives what users did after the bundle was made.
        target: a product, a brand or a category.
        n: users listed.
        offset: how many of the likeliest to skip.
        later: users with events that are not in the bundle.
        now_ms: epoch milliseconds that ages are counted from; None: the clock.

    Raises:
        UnknownProduct: the bundle does not hold the product.
        InputError: nothing is named or nothing is there, or n or offset out of range.
    """
    if not 1 <= n <= MOST or offset < 0:
        raise InputError(f"n must be between 1 and {MOST:,} and offset 0 or more, got {n} and {offset}")
    products, whole = _products_of(ready, target)
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer
    users, ids, clock = snapshot.ids("User"), snapshot.ids("Product"), moment_of_ages(snapshot, now_ms)
    history, user = histories_of_all(snapshot, now_ms=clock)
    own = score_for_all(scorer, history, user, products, num_users=len(users))
    had, counts = who_had(history, user, whole, num_users=len(users)), np.bincount(user, minlength=len(users))
    keys, fresh = [*users], list(dict.fromkeys(later))
    if fresh:
        read = [past_of(ready.bundle, events, RecommendRequest(user_id=key), now_ms=now_ms).read() for key in fresh]
        priors = scorer.prior_parts(products).sum(axis=0)
        own = np.vstack([own, scorer.score_histories(read)[:, products] - priors])
        had = np.concatenate([had, [bool(whole[one.product].any()) for one in read]])
        counts = np.concatenate([counts, [len(one) for one in read]])
        counts[[row for row in (snapshot.row("User", key) for key in fresh) if row is not None]] = 0
        keys += fresh
    counts[[row for row, key in enumerate(keys) if counts[row] and events.forgets(key)]] = 0
    speaks = (counts > 0) & (own.max(axis=1) > 0) & ~(had & target.exclude_had)
    scores = own + scorer.prior_parts(products).sum(axis=0)
    best = scores.max(axis=1)
    chosen = top_products(best, speaks, k=offset + n)[offset:]
    members = tuple(
        Member(keys[row], float(best[row]), ids[products[scores[row].argmax()]], int(counts[row]))
        for row in chosen.tolist()
    )
    return Audience(int(speaks.sum()), int((counts > 0).sum()), tuple(ids[row] for row in products), members)


def _products_of(ready: Ready, target: Target) -> tuple[Int[np.ndarray, " target"], Bool[np.ndarray, " product"]]:
    """The products that are scored, and all that the target has."""
    if target.product_id is not None:
        row = ready.product_row(target.product_id)
        whole = np.zeros(len(ready.nameable), dtype=bool)
        whole[row] = True
        if target.brand is not None or target.category is not None:
            raise InputError("give a product, or a brand, a category or both, and not all of them")
        return np.array([row]), whole
    if target.brand is None and target.category is None:
        raise InputError("give what the audience is looked for: a product, a brand or a category")
    bounds = Filter(
        categories=() if target.category is None else (target.category,), brand=target.brand, in_stock=False
    )
    whole = ready.shelf.matching(bounds)
    chosen = top_products(ready.demand.heat, whole & ready.shelf.available, k=STANDING)
    if not len(chosen):
        raise InputError("no product that is available has this brand and category")
    return np.sort(chosen), whole
