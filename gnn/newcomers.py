"""A model that also knows products which came after it was learned: by their texts, brands and categories.

Kernels get rows and columns for them, as far as they can be had without events: nearest texts, words in common, shared
entities; in the space of what users do a newcomer stands where the products of the nearest texts stand. Nobody else's
score changes by it: no entry of a known product is touched, and what a known product has to say in all (`mass`) stays.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from gnn.bundle import Bundle
from gnn.score import Scorer
from gnn.texts import FLOOR, boost_of, text_boost
from kg.kernels import EmbeddingKernel, EntityKernel, HabitKernel, Kernel, NeighbourKernel
from kg.operators import category_levels, entity_boost, level_name, strongest, to_entity
from kg.snapshot import Snapshot

if TYPE_CHECKING:
    from gnn.words import WordModel

_NEAREST = 10
"""Products of the nearest texts that stand for a newcomer in the space of what users do."""
_BLOCK = 256
"""Newcomers whose texts are compared with all at once."""


@dataclass(frozen=True, slots=True)
class _Entries:
    """Entries of one kernel over texts for newcomers."""

    to_new: sp.csr_array
    """How strongly a known product points to each newcomer; [product newcomer]."""
    from_new: sp.csr_array
    """How strongly a newcomer points to each product, newcomers last; [newcomer product]."""


class Newcomers:
    """Extends one bundle by products, again whenever there are further ones."""

    def __init__(self, bundle: Bundle) -> None:
        """Begin with a bundle as it was published; nothing of it is changed."""
        self._bundle = bundle
        self._boost = text_boost(bundle.snapshot)
        self._kernels = {kernel.name: kernel for kernel in bundle.scorer.kernels if isinstance(kernel, NeighbourKernel)}
        self._words: WordModel | None = None

    def join(self, snapshot: Snapshot, vectors: Float[np.ndarray, "newcomer dim"]) -> Bundle:
        """Return the bundle with the newcomers of a snapshot.

        Args:
            snapshot: the bundle's own with further products at the end (`kg.additions`).
            vectors: L2-normalised vector of each newcomer's text; zero where there is none.
        """
        bundle, num_new = self._bundle, len(vectors)
        scorer, known = bundle.scorer, np.asarray(bundle.text_vectors)
        if not num_new:  # only properties changed
            own = Scorer(scorer.kernels, scorer.priors, scorer.blend)
            return bundle.revised(snapshot, own, known)
        near = _likeness(known, vectors)
        entries = {"text": self._entries("text", near)} if "text" in self._kernels else {}
        if "words" in self._kernels:
            entries["words"] = self._entries("words", self._words_in_common(snapshot, num_new))
        members = _members(snapshot)
        kernels: list[Kernel] = []
        for kernel in scorer.kernels:
            match kernel:
                case HabitKernel():
                    kernels.append(HabitKernel(snapshot.num_nodes("Product"), kernel.name))
                case EntityKernel():
                    kernels.append(_with_members(kernel, members[kernel.name], num_new))
                case EmbeddingKernel():
                    kernels.append(_with_stand_ins(kernel, near[:, : len(known)]))
                case NeighbourKernel():
                    kernels.append(_with_entries(kernel, entries.get(kernel.name), num_new))
                case _:
                    raise TypeError(f"kernel {kernel.name!r} is of an unknown type: {type(kernel).__name__}")
        priors = np.hstack([scorer.priors, np.zeros((len(scorer.priors), num_new), dtype=np.float32)])
        texts = np.vstack([known, vectors.astype(known.dtype)])
        return bundle.revised(snapshot, Scorer(tuple(kernels), priors, scorer.blend), texts)

    def _words_in_common(self, snapshot: Snapshot, num_new: int) -> sp.csr_array:
        from gnn.words import WordModel  # loads scikit-learn, which a model without this kernel never needs

        if self._words is None:
            self._words = WordModel.fit(self._bundle.snapshot)
        if self._words is None:
            return sp.csr_array((num_new, snapshot.num_nodes("Product")), dtype=np.float32)
        new = self._words.of_later(snapshot)
        every = sp.vstack([self._words.matrix, new])
        return sp.csr_array(sp.csr_array(new @ every.T).power(2))

    def _entries(self, name: str, likeness: sp.csr_array) -> _Entries:
        """Entries in both directions from how alike newcomers and all products are, as the kernel keeps them."""
        matrix, num_known, boost = self._kernels[name].matrix, len(self._boost), float(boost_of(np.zeros(1))[0])
        factor = np.concatenate([self._boost, np.full(likeness.shape[0], boost)])
        from_new = sp.csr_array(likeness @ sp.diags_array(factor))
        to_new = sp.csr_array(likeness[:, :num_known].T * boost)
        width = int(np.diff(matrix.indptr).max(initial=0))
        kept = strongest(from_new, top_k=width, first_row=num_known)  # a newcomer does not point to itself
        return _Entries(_above(to_new, _least(matrix, width)), kept)


def _members(snapshot: Snapshot) -> dict[str, sp.csr_array]:
    """Which products have which entity, by the name of the kernel over them."""
    found = {level_name(depth): level for depth, level in enumerate(category_levels(snapshot))}
    for relation in snapshot.schema.relations.values():
        ends = {relation.source, relation.target}
        if "Product" in ends and len(ends) == 2 and relation.name != "IN_CATEGORY":
            found["brand" if relation.name == "MADE_BY" else relation.name.lower()] = to_entity(snapshot, relation)
    return found


def _with_entries(kernel: NeighbourKernel, entries: _Entries | None, num_new: int) -> NeighbourKernel:
    """The matrix with further rows and columns; without entries they are empty."""
    old, num = kernel.matrix, kernel.matrix.shape[0] + num_new
    ends = np.concatenate([old.indptr, np.full(num_new, old.indptr[-1], dtype=old.indptr.dtype)])
    wide, said = sp.csr_array((old.data, old.indices, ends), shape=(num, num)), np.zeros(num_new)
    if entries is not None:
        above = sp.hstack([sp.csr_array((num - num_new, num - num_new), dtype=np.float32), entries.to_new])
        wide = sp.csr_array(wide + sp.vstack([above, entries.from_new]), dtype=np.float32)
        said = np.asarray(entries.from_new.sum(axis=1))
    return _with_mass(NeighbourKernel(kernel.name, wide), kernel, said)


def _with_members(kernel: EntityKernel, member: sp.csr_array, num_new: int) -> EntityKernel:
    """Newcomers point to their entities as the known members do, and are pointed to as products without a user."""
    strength = np.zeros(member.shape[1], dtype=np.float32)
    np.maximum.at(strength, kernel.left.indices, kernel.left.data)
    new, boost = member[member.shape[0] - num_new :], np.float32(entity_boost(np.zeros(1), kernel.relation)[0])
    sides = [(kernel.left, new @ sp.diags_array(strength)), (kernel.right, new * boost)]
    left, right = (
        sp.csr_array(sp.vstack([_widened(old, member.shape[1]), added]), dtype=np.float32) for old, added in sides
    )
    joined = EntityKernel(kernel.name, kernel.relation, kernel.label, left, right)
    return _with_mass(joined, kernel, joined.mass[member.shape[0] - num_new :])


def _with_stand_ins(kernel: EmbeddingKernel, near: sp.csr_array) -> EmbeddingKernel:
    """A newcomer's vectors are the mean of those of the nearest texts, by how near they are."""
    near = strongest(near, top_k=_NEAREST, first_row=near.shape[1])
    total = np.asarray(near.sum(axis=1))
    shares = sp.csr_array(sp.diags_array(1.0 / np.where(total > 0, total, 1.0)) @ near)
    query, target = (np.asarray(shares @ table, dtype=table.dtype) for table in (kernel.query, kernel.target))
    joined = EmbeddingKernel(kernel.name, np.vstack([kernel.query, query]), np.vstack([kernel.target, target]))
    return _with_mass(joined, kernel, np.abs(query @ kernel.target.T).sum(axis=1))


KernelOfType = TypeVar("KernelOfType", NeighbourKernel, EntityKernel, EmbeddingKernel)


def _with_mass(joined: KernelOfType, kernel: Kernel, said: Float[np.ndarray, " newcomer"]) -> KernelOfType:
    """The kernel with the mass of its known rows as it was; a newcomer has at most that of the one with most."""
    capped = np.minimum(said, kernel.mass.max(initial=0.0))
    vars(joined)["mass"] = np.concatenate([kernel.mass, capped]).astype(np.float32)
    return joined


def _likeness(known: Float[np.ndarray, "product dim"], vectors: Float[np.ndarray, "newcomer dim"]) -> sp.csr_array:
    """How far the texts of newcomers and of all products are nearer than texts commonly are; [newcomer product]."""
    every, found = np.vstack([known, vectors]), [sp.csr_array((0, len(known) + len(vectors)), dtype=np.float32)]
    for first in range(0, len(vectors), _BLOCK):
        found.append(sp.csr_array(np.maximum(vectors[first : first + _BLOCK] @ every.T - FLOOR, 0.0)))
    return sp.csr_array(sp.vstack(found), dtype=np.float32)


def _widened(matrix: sp.csr_array, width: int) -> sp.csr_array:
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width))


def _least(matrix: sp.csr_array, width: int) -> Float[np.ndarray, " product"]:
    """The smallest entry of each row that is full: what a further one must reach. 0 where there is room."""
    full = np.flatnonzero(np.diff(matrix.indptr) >= width) if width else np.zeros(0, dtype=np.int64)
    found = np.zeros(matrix.shape[0], dtype=np.float32)
    found[full] = [matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]].min() for row in full.tolist()]
    return found


def _above(matrix: sp.csr_array, least: Float[np.ndarray, " row"]) -> sp.csr_array:
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    found = sp.csr_array((matrix.data * (matrix.data >= least[row]), matrix.indices, matrix.indptr), shape=matrix.shape)
    found.eliminate_zeros()
    return found
