"""Recency, popularity and variety of the paths of recommended lists, as the literature measures them.

The measures are those of Balloccu et al. (SIGIR 2022) as the library hopwise computes them, so that lists of any
recommender can be compared. Whether a path is true is not asked here; `kg.paths` verifies that of Whycart's own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Lists = Mapping[str, Sequence["ListedPath"]]
"""The paths of each user's list, the best product first; products without a path are left out."""
Recency = Mapping[str, Mapping[str, float]]
"""Recency of each product of each user's history."""
Popularity = Mapping[str, Mapping[str, float]]
"""Popularity of each entity by its kind."""


@dataclass(frozen=True, slots=True)
class ListedPath:
    """The path beside one product of a list: the user, the linking product, ..., the shared entity, the product."""

    linking: str
    """Product of the user's history that the path starts at."""
    kind: str
    """Kind of the shared entity, as the popularity table names it."""
    shared: tuple[str, ...]
    """Shared entity: the last node before the product. Several where the path speaks of all of them together."""
    relations: tuple[str, ...]
    """Relations along the path, the user's own step first; the last one is the type of the path."""


@dataclass(frozen=True, slots=True)
class PathTables:
    """What the measures need to know of the data that the paths run through."""

    recency: Recency
    """See `linking_recency`."""
    popularity: Popularity
    """See `shared_popularity`."""
    num_relations: int
    """Kinds of relations there are: no list can have more path types."""
    num_patterns: int
    """Patterns that a list is expected to have at most."""


@dataclass(frozen=True, slots=True)
class PathMeasure:
    """One measure of some lists, as a weighted mean over users with a path."""

    total: Float[np.ndarray, " user"]
    """Sum of each user."""
    weight: Float[np.ndarray, " user"]
    """What it is a sum over: the user's paths, or 1 where a list has one value."""

    @property
    def mean(self) -> float:
        """The figure; NaN without any path."""
        return float(self.total.sum() / self.weight.sum()) if len(self.weight) else float("nan")


def measure_paths(lists: Lists, tables: PathTables) -> dict[str, PathMeasure]:
    """Return every measure of the paths of some lists.

    - LIR, linking interaction recency: mean over paths of the recency of the linking product.
    - SEP, shared entity popularity: mean over paths of the popularity of the shared entity.
    - LID, diversity of linking interactions: mean over users of distinct linking products / paths.
    - SED, diversity of shared entities: mean over users of distinct shared entities / paths. A path over several
      entities taken together names none of them: all such paths of a kind count as one entity.
    - PTD, path type diversity: mean over users of distinct last relations / min(paths, kinds of relations).
    - PTC, path type concentration: mean over users of 1 - sum n(n - 1) / N(N - 1), n the paths of a type, N all; 0
      where N < 2. Higher is less concentrated.
    - PPT, path pattern types: mean over users of distinct sequences of relations / min(paths, expected patterns), at
      most 1.

    Args:
        lists: paths by user; users without any path do not count.
        tables: of the data that was seen.

    Returns:
        The measures by name, users in the order of `lists`. A linking product that the history lacks has recency 0.

    Raises:
        KeyError: the popularity table lacks a shared entity.

    Source: Balloccu, Boratto, Fenu, Marras: Post Processing Recommender Systems with Knowledge Graphs for Recency,
        Popularity, and Diversity of Explanations (SIGIR 2022); hopwise 0.9.1, `evaluator/metrics.py`.
    """
    shown = {user: paths for user, paths in lists.items() if paths}
    counts = np.array([len(paths) for paths in shown.values()], dtype=np.float64)
    ones = np.ones(len(shown))

    def sums(value: Callable[[str, ListedPath], float]) -> PathMeasure:
        totals = (sum(value(user, path) for path in paths) for user, paths in shown.items())
        return PathMeasure(np.fromiter(totals, np.float64, len(shown)), counts)

    def means(value: Callable[[Sequence[ListedPath]], float]) -> PathMeasure:
        return PathMeasure(np.fromiter(map(value, shown.values()), np.float64, len(shown)), ones)

    return {
        "LIR": sums(lambda user, path: tables.recency.get(user, {}).get(path.linking, 0.0)),
        "SEP": sums(lambda _, path: popularity_of(path, tables.popularity)),
        "LID": means(lambda paths: _distinct(path.linking for path in paths) / len(paths)),
        "SED": means(lambda paths: _distinct(map(_entity, paths)) / len(paths)),
        "PTD": means(lambda paths: _distinct(map(_type, paths)) / min(len(paths), tables.num_relations)),
        "PTC": means(_spread),
        "PPT": means(lambda paths: min(_distinct(map(_pattern, paths)) / min(len(paths), tables.num_patterns), 1.0)),
    }


def share_explained(lists: Lists, num_listed: Mapping[str, int]) -> PathMeasure:
    """Return the share of the listed products that have a path.

    Args:
        lists: paths by user; a user who is missing has none.
        num_listed: products of each user's list.
    """
    found = np.array([len(lists.get(user, ())) for user in num_listed], dtype=np.float64)
    return PathMeasure(found, np.array(list(num_listed.values()), dtype=np.float64))


def linking_recency(times: Mapping[str, Mapping[str, float]]) -> Recency:
    """Return how recent each interaction of each user is, 0 the first and 1 the last.

    The times of a user in ascending order are smoothed, LIR(t_1) = t_1 and LIR(t_i) a mean of t_1 ... t_i whose weights
    fall by (n - 1) / (n + 1) a step into the past, n the user's interactions; then they are stretched to [0, 1]. Where
    all times are equal, their places stand for them; a single interaction has 0.

    Args:
        times: when each user had to do with each product. Equal times keep the order of the mapping.
    """
    return {user: _smooth_ranks(of_user) for user, of_user in times.items()}


def shared_popularity(degrees: Mapping[str, Mapping[str, float]]) -> Popularity:
    """Return how popular each entity is among those of its kind, 0 the least and 1 the most.

    The degrees of a kind in ascending order are smoothed and stretched as the times of `linking_recency` are.

    Args:
        degrees: relationships of each entity by kind. Equal degrees keep the order of the mapping.
    """
    return {kind: _smooth_ranks(of_kind) for kind, of_kind in degrees.items()}


def popularity_of(path: ListedPath, popularity: Popularity) -> float:
    """Return the popularity of a path's shared entity; the mean where the path speaks of several together.

    Raises:
        KeyError: the table lacks it.
    """
    return sum(popularity[path.kind][entity] for entity in path.shared) / len(path.shared)


def _smooth_ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Exponentially weighted means of the values in ascending order, stretched to [0, 1].

    The steps are those of pandas' `ewm(span=n).mean()`, so that not even rounding differs.
    """
    names = sorted(values, key=lambda name: values[name])
    numbers = [float(values[name]) for name in names]
    if len(numbers) < 2:
        return dict.fromkeys(names, 0.0)
    if numbers[0] == numbers[-1]:
        numbers = [float(place) for place in range(len(numbers))]
    fade = 1 - 2 / (len(numbers) + 1)
    smooth, weight = [numbers[0]], 1.0
    for number in numbers[1:]:
        weight *= fade
        before = smooth[-1]
        smooth.append(before if before == number else (weight * before + number) / (weight + 1.0))
        weight += 1.0
    low, high = min(smooth), max(smooth)
    return {name: (value - low) / (high - low) for name, value in zip(names, smooth, strict=True)}


def _spread(paths: Sequence[ListedPath]) -> float:
    """Simpson's index of diversity of the path types, without replacement."""
    num = len(paths)
    if num < 2:
        return 0.0
    same = sum(count * (count - 1) for count in Counter(map(_type, paths)).values())
    return 1 - same / (num * (num - 1))


def _entity(path: ListedPath) -> tuple[str, str | None]:
    return path.kind, path.shared[0] if len(path.shared) == 1 else None


def _type(path: ListedPath) -> str:
    return path.relations[-1]


def _pattern(path: ListedPath) -> tuple[str, ...]:
    return path.relations


def _distinct(values: Iterable[object]) -> int:
    return len(set(values))
