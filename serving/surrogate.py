"""Small decision trees that say from readable facts which evidence carries an item: a rule of thumb for the model.

A tree stands beside the model and never in it. How far it can be believed is measured on users it did not see, against
always naming the group that most often carries most. Offline only: the API does not import this module.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from sklearn.tree import DecisionTreeClassifier

from gnn.measure import Measured
from gnn.metrics import mean_intervals
from gnn.score import Scorer
from gnn.slices import product_users
from kg.snapshot import Snapshot
from serving.overview import EVERYBODY, LENGTH, NEW, NEW_NAME, Lists, Sample, leading_group, parts_of
from serving.shelf import Shelf

DEPTH = 3
"""Questions from the root to a leaf at most."""
LEAST_USERS = 20
"""A part of the sample with fewer users gets no tree."""
_HELD_OUT = 0.3
_LEAF_SHARE = 0.01


_AGE = "days since the last event"


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a tree: a question with two answers, or a leaf."""

    group: str
    """The group that carries most of most items here."""
    share: float
    """Share of the items here of which it does."""
    num_items: int
    question: str = ""
    """Such as `times had before: at most 2`; empty at a leaf."""
    yes: "Node | None" = None
    no: "Node | None" = None


@dataclass(frozen=True, slots=True)
class Surrogate:
    """A tree for one part of the sample, and how far it can be believed."""

    kind: str
    """What the sample was parted by."""
    name: str
    """The part."""
    num_users: int
    num_items: int
    """Items the tree was learned from."""
    num_held_out: int
    """Items of users it did not see, which it is measured on."""
    usual: str
    """The group that carries most of most items."""
    accuracy: Measured
    """Share of the held-out items whose leading group the tree names."""
    usual_accuracy: Measured
    """The same for always naming `usual`."""
    gain: Measured
    """How much better the tree is on the same users."""
    root: Node
    """The tree."""

    @property
    def rules(self) -> str:
        """The tree as text."""
        return "\n".join(_told(self.root))


def fit_surrogates(shelf: Shelf, scorer: Scorer, sample: Sample, *, seed: int) -> tuple[Surrogate, ...]:
    """Return a tree for everybody, for each length of history and for new users; none for parts that are too small.

    Args:
        shelf: the catalogue.
        scorer: the model that made the lists.
        sample: lists of some users.
        seed: of which users are held out, and of the intervals.
    """
    parts = [(sample.known, part) for part in parts_of(shelf, sample.known) if part[0] in (EVERYBODY, LENGTH)]
    parts.append((sample.new, (NEW, NEW_NAME, np.ones(len(sample.new.users), dtype=bool))))
    found = []
    for lists, (kind, name, members) in parts:
        carried = np.isin(np.arange(len(members)), lists.item_user[leading_group(lists, scorer)[2]])
        if (members & carried).sum() >= LEAST_USERS:
            found.append(_fit(shelf.snapshot, scorer, lists, members & carried, kind=kind, name=name, seed=seed))
    return tuple(found)


def item_features(snapshot: Snapshot, lists: Lists) -> tuple[tuple[str, ...], Float[np.ndarray, "item feature"]]:
    """Return what a reader can see of each item and its user, by name; the age of the last event only with a clock."""
    times = _times_had(snapshot, lists)
    held = sp.csr_array((np.ones_like(times.data), times.indices, times.indptr), shape=times.shape)
    links = _links(snapshot)
    user, product = lists.item_user, lists.item_product
    columns = {
        "different products in the history": np.diff(held.indptr)[user],
        "times had before": _at(times, user, product),
        "products of its brand in the history": _shared(held, _members(snapshot, "MADE_BY"), user, product),
        "products of its category in the history": _shared(held, _members(snapshot, "IN_CATEGORY"), user, product),
        "products of the history linked to it": np.asarray(held[user].multiply(links[product]).sum(axis=1)).ravel(),
        "users who had it": product_users(snapshot)[product],
    }
    if snapshot.order == "clock":
        ages = [0.0 if history.age_days is None else float(history.age_days[-1]) for history in lists.histories]
        columns[_AGE] = np.array(ages)[user]
    return tuple(columns), np.stack([np.asarray(column, dtype=np.float64) for column in columns.values()], axis=1)


def surrogate_to_json(surrogate: Surrogate) -> dict[str, Any]:
    """Return a tree as plain values: its rules and how far they can be believed."""
    names = ("kind", "name", "num_users", "num_items", "num_held_out", "usual", "rules")
    figures = ("accuracy", "usual_accuracy", "gain")
    return {
        **{name: getattr(surrogate, name) for name in names},
        **{name: asdict(getattr(surrogate, name)) for name in figures},
    }


def believed(surrogate: Surrogate) -> str:
    """Return in one sentence how far a tree can be believed."""
    gain = surrogate.gain
    verdict = "says more than" if gain.low > 0 else "says less than" if gain.high < 0 else "says no more than"
    return (
        f"right on {surrogate.accuracy.mean:.1%} of {surrogate.num_held_out:,} items of users it did not see; it "
        f"{verdict} always naming {surrogate.usual}, which is right on {surrogate.usual_accuracy.mean:.1%} "
        f"(difference {gain.mean:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}])"
    )


def _fit(
    snapshot: Snapshot,
    scorer: Scorer,
    lists: Lists,
    members: Bool[np.ndarray, " user"],
    *,
    kind: str,
    name: str,
    seed: int,
) -> Surrogate:
    names, features = item_features(snapshot, lists)
    groups, leading, led = leading_group(lists, scorer)
    users = np.random.default_rng(seed).permutation(np.flatnonzero(members))
    num = round(_HELD_OUT * len(users))
    held_out, learned = (led & np.isin(lists.item_user, part) for part in (users[:num], users[num:]))
    tree = DecisionTreeClassifier(
        max_depth=DEPTH, min_samples_leaf=max(5, round(_LEAF_SHARE * int(learned.sum()))), random_state=seed
    )
    tree.fit(features[learned], leading[learned])
    usual = int(np.bincount(leading[learned]).argmax())
    right = np.stack([tree.predict(features[held_out]) == leading[held_out], leading[held_out] == usual], axis=1)
    by_user = _user_means(right, lists.item_user[held_out])
    compared = np.column_stack([by_user, by_user[:, 0] - by_user[:, 1]])
    figures = mean_intervals(compared, rng=np.random.default_rng(seed))
    accuracy, usual_accuracy, gain = (Measured(*map(float, column)) for column in figures.T)
    return Surrogate(
        kind,
        name,
        int(members.sum()),
        int(learned.sum()),
        int(held_out.sum()),
        groups[usual],
        accuracy,
        usual_accuracy,
        gain,
        _node(tree, 0, names, [groups[row] for row in tree.classes_]),
    )


def _node(tree: DecisionTreeClassifier, place: int, features: Sequence[str], classes: Sequence[str]) -> Node:
    """A fitted tree as plain nodes; a question whose answers all say the same is left out."""
    fitted = tree.tree_
    share = fitted.value[place, 0]
    best = int(share.argmax())
    leaf = Node(classes[best], float(share[best] / share.sum()), int(fitted.n_node_samples[place]))
    left, right = int(fitted.children_left[place]), int(fitted.children_right[place])
    if left == right:
        return leaf
    yes, no = (_node(tree, below, features, classes) for below in (left, right))
    if not yes.question and not no.question and yes.group == no.group:
        return leaf
    name, limit = features[fitted.feature[place]], float(fitted.threshold[place])
    # All but ages are counts, for which at most 2.5 is at most 2.
    at_most = f"{limit:.1f}" if name == _AGE else f"{math.floor(limit):,}"
    return replace(leaf, question=f"{name}: {'none' if at_most == '0' else f'at most {at_most}'}", yes=yes, no=no)


def _told(node: Node, depth: int = 0, answer: str = "") -> Iterator[str]:
    indent = "  " * depth + answer
    if node.yes is None or node.no is None:
        yield f"{indent}{node.group} ({node.share:.0%} of {node.num_items:,} items)"
        return
    yield f"{indent}{node.question}?"
    yield from _told(node.yes, depth + 1, "yes: ")
    yield from _told(node.no, depth + 1, "no: ")


def _user_means(
    values: Bool[np.ndarray, "item column"], users: Int[np.ndarray, " item"]
) -> Float[np.ndarray, "user column"]:
    """Mean of each column over the items of each user; lists are equally long, so this is the mean of items."""
    _, place, size = np.unique(users, return_inverse=True, return_counts=True)
    total = np.zeros((len(size), values.shape[1]))
    np.add.at(total, place, values)
    return np.asarray(total / size[:, None])


def _times_had(snapshot: Snapshot, lists: Lists) -> sp.csr_array:
    """How many events of each product are in each user's history; [user product]."""
    ends = np.cumsum([0, *(len(history) for history in lists.histories)])
    column = np.concatenate([history.product for history in lists.histories]).astype(np.int64)
    shape = (len(lists.histories), snapshot.num_nodes("Product"))
    matrix = sp.csr_array((np.ones(len(column)), column, ends), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _members(snapshot: Snapshot, relation: str) -> sp.csr_array:
    """Which entity each product has a relation to; [product entity]."""
    edges = snapshot.edges[relation]
    shape = (snapshot.num_nodes("Product"), snapshot.num_nodes(snapshot.schema.relation(relation).target))
    return sp.csr_array((np.ones(len(edges)), (edges.source, edges.target)), shape=shape)


def _links(snapshot: Snapshot) -> sp.csr_array:
    """Which products any relation between products links, in either direction; [product product], ones."""
    num = snapshot.num_nodes("Product")
    total = sp.csr_array((num, num))
    for kind in snapshot.schema.relations.values():
        if (kind.source, kind.target) == ("Product", "Product"):
            one_way = _members(snapshot, kind.name)
            total = sp.csr_array(total + one_way + one_way.T)
    total.data[:] = 1.0
    return total


def _shared(
    held: sp.csr_array, members: sp.csr_array, user: Int[np.ndarray, " item"], product: Int[np.ndarray, " item"]
) -> Float[np.ndarray, " item"]:
    """How many products of the history share an entity with each item."""
    return np.asarray((held @ members).tocsr()[user].multiply(members[product]).sum(axis=1)).ravel()


def _at(
    matrix: sp.csr_array, rows: Int[np.ndarray, " item"], columns: Int[np.ndarray, " item"]
) -> Float[np.ndarray, " item"]:
    return np.asarray(matrix[rows, columns]).ravel()
