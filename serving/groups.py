"""Kernels and priors gathered as a reader would: brand, category, named relations, use, text, habit, popularity.

Only names; how much each group carries is `serving.overview`'s business.
"""

from gnn.score import Scorer
from kg.kernels import TEXT_KERNELS, USE_KERNELS, EntityKernel, HabitKernel, Kernel
from serving import roles

USE, TEXT, HABIT, NETWORK, POPULARITY = "what customers did", "text", "habit", "the network", "popularity"
_ENTITIES = {"MADE_BY": "brand", "IN_CATEGORY": "category"}


def group_of(kernel: Kernel) -> str:
    """Return the group of evidence a kernel belongs to; a relation that a shop declared is a group of its own."""
    if isinstance(kernel, EntityKernel):
        return _ENTITIES.get(kernel.relation, _in_words(kernel.relation))
    if isinstance(kernel, HabitKernel):
        return HABIT
    if kernel.name == roles.NETWORK:
        return NETWORK
    if kernel.name in USE_KERNELS:
        return USE
    return TEXT if kernel.name in TEXT_KERNELS else _in_words(kernel.name.removeprefix("shared_"))


def groups_of(scorer: Scorer) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the groups that carry weight, and the place in them of each kernel and then of each prior.

    The order of the groups is that of their first kernel, so it is the same for the same model.
    """
    names = [*(group_of(kernel) for kernel in scorer.kernels), *(POPULARITY for _ in scorer.blend.priors)]
    groups = tuple(dict.fromkeys(names))
    return groups, tuple(groups.index(name) for name in names)


def _in_words(relation: str) -> str:
    return relation.lower().replace("_", " ")
