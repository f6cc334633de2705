"""What carries the score of the top lists of many users: the whole model at one glance, for whom and by how much.

The lists are those that are served, and the score is the served one, taken apart by group of evidence. It says what the
model rests on, not whether that is right: that is `gnn.report`'s. Drawing is `serving.overview_page`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from cypher.errors import InputError
from gnn.measure import Measured
from gnn.metrics import mean_intervals
from gnn.score import History, Scorer, top_products
from kg.operators import category_levels
from kg.snapshot import Snapshot
from serving.groups import groups_of
from serving.history import read_history
from serving.shelf import Shelf, build_shelf

TOP = 10
"""Length of the lists."""
USERS = 300
"""Users of the sample, unless told otherwise."""
LEAST_USERS = 5
"""A part of the sample with fewer users is not shown: its interval would say nothing, its figures too much of them."""
EVERYBODY, LENGTH, NEW, CATEGORY = "everybody", "length of history", "new users", "main category"
_LENGTHS = (("short: 1-4 products", 1, 4), ("medium: 5-19 products", 5, 19), ("long: from 20 products", 20, None))
NEW_NAME = "new: latest event only"
_MOST_CATEGORIES = 8
_BLOCK = 20_000_000
"""Numbers in memory together."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The top lists of a sample of users and what carried each item; items of a user stand together, best first."""

    users: Int[np.ndarray, " user"]
    """Rows of the users of the sample."""
    histories: tuple[History, ...]
    """What each user did."""
    item_user: Int[np.ndarray, " item"]
    """Place in `users` of the user of each item."""
    item_product: Int[np.ndarray, " item"]
    """Product row of each item."""
    parts: Float[np.ndarray, "item part"]
    """What each kernel and then each prior adds to the score of each item; float64."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some users, with all they did and as if they had just come."""

    known: Lists
    """From the whole history of each user."""
    new: Lists
    """From the latest event of each user alone."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the sample."""

    kind: str
    """What the sample was parted by: `length of history`."""
    name: str
    """`short: 1-4 products`; the name of a category."""
    num_users: int
    shares: Mapping[str, Measured]
    """Share of the score by group; those of a user add up to 1, one below 0 speaks against the list."""
    leads: Mapping[str, Measured]
    """Share of the items in which a group carries more than any other."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What carries the top lists of a model."""

    num_users: int
    """Users of the sample whose lists are scored above 0."""
    num_items: int
    left_out: int
    """Users of the sample without a list, or with one whose score is not above 0."""
    seed: int
    groups: tuple[str, ...]
    """The group that carries most comes first."""
    segments: tuple[Segment, ...]
    """Everybody first."""
    kernels: Mapping[str, tuple[str, Measured]]
    """Group and share over everybody of each kernel and prior, the largest first."""
    too_few: tuple[str, ...]
    """Parts of the sample that hold fewer users than may be shown."""

    @property
    def everybody(self) -> Segment:
        """The whole sample."""
        return self.segments[0]


def draw_sample(shelf: Shelf, scorer: Scorer, *, exclude_seen: bool, users: int = USERS, seed: int = 0) -> Sample:
    """Return the top lists of users with at least one event, drawn without repetition; of all where they are few.

    Ages are counted from the last event of the shop, so the same model gives the same lists on any day.

    Args:
        shelf: the catalogue; what it does not have available is in no list.
        scorer: the model.
        exclude_seen: whether products of a history are left out of its list.
        users: users of the sample at most.
        seed: of the draw.

    Raises:
        InputError: fewer than one user is asked for, or the bundle holds no event.
    """
    if users < 1:
        raise InputError(f"--users must be at least 1, got {users}; {USERS} are enough for most shops")
    there = np.unique(shelf.snapshot.events.user).astype(np.int64)
    if not len(there):
        raise InputError("the published model was learned without any event, so there is no list to look at")
    if len(there) > users:
        there = np.sort(np.random.default_rng(seed).choice(there, users, replace=False))
    end = int(shelf.snapshot.events.time.max())
    histories = [read_history(shelf.snapshot, int(user), (), now_ms=end) for user in there]
    latest = [_latest(history) for history in histories]
    known = make_lists(shelf, scorer, there, histories, exclude_seen=exclude_seen)
    return Sample(known, make_lists(shelf, scorer, there, latest, exclude_seen=exclude_seen))


def make_lists(
    shelf: Shelf,
    scorer: Scorer,
    users: Int[np.ndarray, " user"],
    histories: Sequence[History],
    *,
    exclude_seen: bool,
) -> Lists:
    """Return the top lists of users and what carried them, as they are served.

    Args:
        shelf: the catalogue.
        scorer: the model.
        users: rows of the users.
        histories: what each of them did.
        exclude_seen: whether products of a history are left out of its list.
    """
    item_user, item_product, parts = [], [], []
    size = max(1, _BLOCK // len(shelf.available))
    for start in range(0, len(histories), size):
        block = histories[start : start + size]
        for place, (history, total) in enumerate(zip(block, scorer.score_histories(block), strict=True), start):
            allowed = shelf.available.copy()
            if exclude_seen:
                allowed[history.product] = False
            best = top_products(total, allowed, k=TOP)
            split = scorer.split(history, best)
            item_user.append(np.full(len(best), place))
            item_product.append(best)
            parts.append(np.vstack([split.parts.sum(axis=1), split.priors]).T)
    return Lists(
        users,
        tuple(histories),
        np.concatenate(item_user),
        np.concatenate(item_product).astype(np.int64),
        np.concatenate(parts),
    )


def make_overview(snapshot: Snapshot, scorer: Scorer, *, exclude_seen: bool, seed: int) -> Overview:
    """Return what carries the top lists of a sample of users of a model that is being made."""
    shelf, served = build_shelf(snapshot), scorer.without_idle_kernels()
    return build_overview(shelf, served, draw_sample(shelf, served, exclude_seen=exclude_seen, seed=seed), seed=seed)


def build_overview(shelf: Shelf, scorer: Scorer, sample: Sample, *, seed: int) -> Overview:
    """Return what carries the lists, for everybody and part by part.

    Args:
        shelf: the catalogue.
        scorer: the model that made the lists.
        sample: lists of some users.
        seed: of the bootstrap.
    """
    groups, place = groups_of(scorer)
    single = _shares(sample.known)
    kept = np.isfinite(single).all(axis=1)
    shares = _gathered(single, place)
    order = [groups[row] for row in np.argsort(-shares[kept].sum(axis=0), kind="stable")]
    parts = [
        (kind, name, shares[kept & members], _leads(sample.known, place)[kept & members])
        for kind, name, members in parts_of(shelf, sample.known)
    ]
    fresh = _gathered(_shares(sample.new), place)
    chosen = np.isfinite(fresh).all(axis=1)
    parts.append((NEW, NEW_NAME, fresh[chosen], _leads(sample.new, place)[chosen]))
    segments = [
        Segment(kind, name, len(values), _measured(values, groups, order, seed), _measured(leads, groups, order, seed))
        for kind, name, values, leads in parts
        if kind == EVERYBODY or len(values) >= LEAST_USERS
    ]
    names = (*scorer.blend.kernels, *scorer.blend.priors)
    measured = _measured(single[kept], names, names, seed)
    kernels = {name: (groups[place[row]], measured[name]) for row, name in enumerate(names)}
    return Overview(
        num_users=int(kept.sum()),
        num_items=int(kept[sample.known.item_user].sum()),
        left_out=int((~kept).sum()),
        seed=seed,
        groups=tuple(order),
        segments=tuple(segments),
        kernels=dict(sorted(kernels.items(), key=lambda entry: -entry[1][1].mean)),
        too_few=tuple(name for kind, name, values, _ in parts if kind != EVERYBODY and len(values) < LEAST_USERS),
    )


def parts_of(shelf: Shelf, lists: Lists) -> list[tuple[str, str, Bool[np.ndarray, " user"]]]:
    """Return kind, name and members of each part of the sample: everybody, by length of history, by main category."""
    length = np.array([len(np.unique(history.product)) for history in lists.histories])
    parts = [(EVERYBODY, EVERYBODY, np.ones(len(length), dtype=bool))]
    for name, low, high in _LENGTHS:
        parts.append((LENGTH, name, (length >= low) & (length <= (np.inf if high is None else high))))
    return [*parts, *_by_category(shelf, lists)]


def leading_group(
    lists: Lists, scorer: Scorer
) -> tuple[tuple[str, ...], Int[np.ndarray, " item"], Bool[np.ndarray, " item"]]:
    """Return the groups, which of them carries most of each item (the first of those that tie), and whether any does.

    Nothing carries an item that fills a list up and for which nothing speaks.
    """
    groups, place = groups_of(scorer)
    carried = _gathered(lists.parts, place)
    return groups, carried.argmax(axis=1), carried.max(axis=1, initial=-np.inf) > 0


def overview_to_json(overview: Overview) -> dict[str, Any]:
    """Return an overview as plain values."""
    plain = asdict(overview)
    plain["kernels"] = {name: {"group": group, **asdict(value)} for name, (group, value) in overview.kernels.items()}
    return {"top": TOP, **plain}


def _by_category(shelf: Shelf, lists: Lists) -> list[tuple[str, str, Bool[np.ndarray, " user"]]]:
    """Users by the category that most products of their history are in, at the first level that has several."""
    levels = [level for level in category_levels(shelf.snapshot) if len(np.unique(level.indices)) > 1]
    if not levels:
        return []
    held = [np.unique(history.product) for history in lists.histories]
    rows = np.repeat(np.arange(len(held)), [len(part) for part in held])
    shape = (len(held), levels[0].shape[0])
    count = (sp.csr_array((np.ones(len(rows)), (rows, np.concatenate(held))), shape=shape) @ levels[0]).toarray()
    main = np.where(count.any(axis=1), count.argmax(axis=1), -1)
    known, users = np.unique(main[main >= 0], return_counts=True)
    large = known[np.argsort(-users, kind="stable")][:_MOST_CATEGORIES]
    labels = shelf.labels["Category"]
    parts = [(CATEGORY, labels[category], main == category) for category in large.tolist()]
    rest = ~np.isin(main, large)
    return [*parts, (CATEGORY, "any other", rest)] if rest.any() else parts


def _latest(history: History) -> History:
    """The history of somebody who has just come: the last event alone, which is as fresh as it was."""
    return history.where(np.arange(len(history)) == len(history) - 1)


def _shares(lists: Lists) -> Float[np.ndarray, "user part"]:
    """Share of each kernel and prior in the summed score of each user's list; NaN where that is not above 0."""
    added = np.zeros((len(lists.users), lists.parts.shape[1]))
    np.add.at(added, lists.item_user, lists.parts)
    total = added.sum(axis=1, keepdims=True)
    return np.asarray(added / np.where(total > 0, total, np.nan))


def _leads(lists: Lists, place: Sequence[int]) -> Float[np.ndarray, "user group"]:
    """Share of each user's items that a group carries more of than any other; items without a score do not count."""
    carried = _gathered(lists.parts, place)
    led = carried.max(axis=1, initial=-np.inf) > 0
    count = np.zeros((len(lists.users), carried.shape[1]))
    np.add.at(count, (lists.item_user[led], carried[led].argmax(axis=1)), 1.0)
    return np.asarray(count / np.maximum(count.sum(axis=1, keepdims=True), 1))


def _gathered(values: Float[np.ndarray, "row part"], place: Sequence[int]) -> Float[np.ndarray, "row group"]:
    """Columns of kernels and priors added up by group."""
    found = np.zeros((len(values), max(place, default=-1) + 1))
    np.add.at(found.T, np.array(place, dtype=np.int64), values.T)
    return found


def _measured(
    values: Float[np.ndarray, "user name"], names: Sequence[str], order: Sequence[str], seed: int
) -> dict[str, Measured]:
    found = mean_intervals(values, rng=np.random.default_rng(seed))
    by_name = {name: Measured(*map(float, found[:, column])) for column, name in enumerate(names)}
    return {name: by_name[name] for name in order}
