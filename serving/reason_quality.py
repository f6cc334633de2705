"""How good the reasons of a model are: true, there, and the cause of what they explain.

Lists are made as they are served, for a sample of users. What a reason claims is that the item stands where it stands
because of an event; so its event is deleted, everything is scored and ranked again, and the fall is set against
deleting a random event of the same user. Random products show what a reason is worth: one that they have as often, and
as strong, says nothing.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.measure import Measured, intervals
from gnn.score import History
from kg.progress import Progress, silent
from serving.answer import Answer, Filter, Item, RecommendRequest
from serving.explain import explain_items
from serving.history import NoEvents, read_history
from serving.ledger import Claim, false_claims
from serving.ready import Ready
from serving.recommend import recommend

PATHS = 3
"""Paths asked for, as the API gives by default."""
_DRAWS = 5
"""Random events whose deletion is tried for each user."""
MEANS = {
    "validity": "shown paths that an independent reader finds in the graph; below 1 is an error",
    "coverage": "items with at least one path",
    "share": "part of an item's score that its shown paths carry (median over items)",
    "drop_first": "ranks an item falls when the event of its first path is deleted",
    "drop_random": "the same for a random event of the same user",
    "fidelity": "the first divided by the second",
    "moved_first": "items that fall at all when the event of their first path is deleted",
    "moved_random": "the same for a random event",
    "sufficient": "items that stay in the list when only the events of their paths are kept",
    "needed": "shown paths without whose event the item falls",
    "coverage_random": "random products that would have a path too",
    "share_random": "part of a random product's score that its paths carry (median over them)",
    "stronger": "items whose first path carries more than that of a random product of the same user",
    "leaked": "ids of other users in all answers; above 0 is an error",
    "took_ms": "milliseconds a list with paths takes",
    "took_plain_ms": "milliseconds the same list takes without them",
}
"""What each figure says."""


@dataclass(frozen=True, slots=True)
class ReasonReport:
    """Figures of the reasons of one model; MEANS says what each is."""

    num_users: int
    """Users whose lists were looked at; those without an event are none of them."""
    num_items: int
    num_paths: int
    n: int
    """Items of a list."""
    validity: float
    coverage: Measured
    share: float
    drop_first: Measured
    drop_random: Measured
    fidelity: float
    """nan where random events move nothing."""
    moved_first: Measured
    moved_random: Measured
    sufficient: Measured
    needed: Measured
    stronger: Measured
    coverage_random: Measured
    share_random: float
    leaked: int
    took_ms: float
    took_plain_ms: float


@dataclass(frozen=True, slots=True)
class _Person:
    """What was found out about the list of one user: a value an item, or a path."""

    answer: Answer
    drop_first: Float[np.ndarray, " explained"]
    """Of each item that has a path."""
    drop_random: Float[np.ndarray, "draw explained"]
    sufficient: Bool[np.ndarray, " explained"]
    needed: Bool[np.ndarray, " path"]
    stronger: Float[np.ndarray, " pair"]
    """Of each pair of an item and a random product."""
    controls: tuple[Item, ...]
    """As many random products, explained."""
    took_s: float
    took_plain_s: float


def measure_reasons(
    ready: Ready,
    *,
    users: int = 200,
    n: int = 10,
    seed: int = 0,
    also_false: Callable[[Sequence[Claim]], Sequence[Claim]] | None = None,
    progress: Progress = silent,
) -> ReasonReport:
    """Make lists for a sample of users and measure their reasons.

    Args:
        ready: the bundle.
        users: how many users at most; drawn among those with events.
        n: items of each list.
        seed: of the users, of the deleted events and of the random products.
        also_false: another reader of what is claimed; returns the claims it finds false, which count as such.
        progress: called after each user.
    """
    snapshot, rng = ready.bundle.snapshot, np.random.default_rng(seed)
    active = np.unique(snapshot.events.user)
    chosen = np.sort(rng.choice(active, size=min(users, len(active)), replace=False))
    people = []
    for number, row in enumerate(chosen.tolist(), start=1):
        people.append(_look_at(ready, row, n=n, rng=rng))
        progress("reasons", number, len(chosen))
    user_ids = [snapshot.ids("User")[row] for row in chosen]
    return _summary(ready, user_ids, people, n=n, seed=seed, also_false=also_false)


def reasons_to_json(report: ReasonReport) -> dict[str, Any]:
    """Return the report as plain values; what is not a number is None."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(part) for name, part in value.items()}
        return None if isinstance(value, float) and not np.isfinite(value) else value

    return {name: plain(value) for name, value in asdict(report).items()}


def reasons_from_json(entry: Mapping[str, Any]) -> ReasonReport:
    """Return the report that `reasons_to_json` described; None becomes nan.

    Raises:
        TypeError: it is none.
    """

    def read(value: Any) -> Any:
        if isinstance(value, Mapping):
            return Measured(**{name: read(part) for name, part in value.items()})
        return float("nan") if value is None else value

    return ReasonReport(**{name: read(value) for name, value in entry.items()})


def reason_rows(report: ReasonReport) -> list[tuple[str, str, str]]:
    """Return name, figure and meaning of each measure, as a table shows them."""
    rows = []
    for name, meaning in MEANS.items():
        value = getattr(report, name)
        if isinstance(value, Measured):
            figure = f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"
        else:
            figure = str(value) if isinstance(value, int) else f"{value:.3f}"
        rows.append((name, figure, meaning))
    return rows


def reason_sentence(report: ReasonReport) -> str:
    """Return the figures that matter most in one sentence."""
    return (
        f"{report.coverage.mean:.1%} of {report.num_items:,} recommended items have a path, all {report.num_paths:,} "
        f"paths {'are' if report.validity == 1 else 'are NOT'} in the graph; without the event of its first path an "
        f"item falls {report.drop_first.mean:.1f} ranks, without a random one {report.drop_random.mean:.1f}"
    )


def _look_at(ready: Ready, user: int, *, n: int, rng: np.random.Generator) -> _Person:
    snapshot = ready.bundle.snapshot
    request = RecommendRequest(user_id=snapshot.ids("User")[user], n=n, paths=PATHS)
    answer, took_s = _timed(ready, request)
    _, took_plain_s = _timed(ready, RecommendRequest(user_id=request.user_id, n=n))
    history = read_history(snapshot, user, ())
    allowed, _ = ready.allow(Filter(), history)
    rows = {item.product_id: ready.product_row(item.product_id) for item in answer.items}
    explained = [item for item in answer.items if item.paths]
    targets = np.array([rows[item.product_id] for item in explained], dtype=np.int64)
    cited = [[ready.product_row(path.nodes[1].id or "") for path in item.paths] for item in explained]
    products = np.unique(history.product)
    drawn = rng.choice(products, size=min(_DRAWS, len(products)), replace=False).tolist()
    starts = sorted({start for item in cited for start in item})
    kept = [history.product != product for product in (*drawn, *starts)]
    kept += [np.isin(history.product, item) for item in cited]
    ranks = _fates(ready, history, targets, allowed, kept)
    falls, alone = ranks[1 : 1 + len(drawn) + len(starts)] - ranks[0], ranks[1 + len(drawn) + len(starts) :]
    fall_of = dict(zip(starts, falls[len(drawn) :], strict=True))
    needed = [fall_of[start][place] > 0 for place, item in enumerate(cited) for start in item]
    controls = _controls(ready, history, user, allowed, rows=list(rows.values()), rng=rng)
    return _Person(
        answer,
        np.array([fall_of[item[0]][place] for place, item in enumerate(cited)]),
        falls[: len(drawn)],
        np.diagonal(alone) <= n,
        np.array(needed, dtype=bool),
        _stronger(answer.items, controls),
        controls,
        took_s,
        took_plain_s,
    )


def _stronger(items: Sequence[Item], controls: Sequence[Item]) -> Float[np.ndarray, " pair"]:
    """1 where the first path of an item carries more than that of a random product, 1/2 where neither has one."""
    ours, theirs = (
        np.array([item.paths[0].contribution if item.paths else 0.0 for item in side]) for side in (items, controls)
    )
    return np.asarray((ours[:, None] > theirs) + 0.5 * (ours[:, None] == theirs)).ravel()


def _fates(
    ready: Ready,
    history: History,
    targets: Int[np.ndarray, " target"],
    allowed: Bool[np.ndarray, " product"],
    deletions: Sequence[Bool[np.ndarray, " event"]],
) -> Float[np.ndarray, "deletion target"]:
    """Rank of each target among all allowed products after each deletion, scored anew; the first row is before any.

    Args:
        ready: the bundle.
        history: what the user did.
        targets: rows of the products.
        allowed: their rivals.
        deletions: which events are kept.
    """
    histories = [history, *(history.where(keep) for keep in deletions)]
    ranks = np.zeros((len(histories), len(targets)))
    for row, scores in enumerate(ready.bundle.scorer.score_histories(histories)):
        rivals = np.sort(scores[allowed])
        ranks[row] = 1.0 + len(rivals) - np.searchsorted(rivals, scores[targets], side="right")
    return ranks


def _controls(
    ready: Ready,
    history: History,
    user: int,
    allowed: Bool[np.ndarray, " product"],
    *,
    rows: Sequence[int],
    rng: np.random.Generator,
) -> tuple[Item, ...]:
    """As many random allowed products as the list has, explained to the same user."""
    others = np.setdiff1d(np.flatnonzero(allowed), rows)
    drawn = rng.choice(others, size=min(len(rows), len(others)), replace=False)
    spread = ready.bundle.scorer.spread(history)
    return explain_items(ready, drawn, spread, user=user, paths=PATHS, first_rank=1)


def _timed(ready: Ready, request: RecommendRequest) -> tuple[Answer, float]:
    start = time.perf_counter()
    answer = recommend(ready, NoEvents(), request)
    return answer, time.perf_counter() - start


def _summary(
    ready: Ready,
    users: Sequence[str],
    people: Sequence[_Person],
    *,
    n: int,
    seed: int,
    also_false: Callable[[Sequence[Claim]], Sequence[Claim]] | None,
) -> ReasonReport:
    items = [item for person in people for item in person.answer.items]
    controls = [item for person in people for item in person.controls]
    claims = [
        Claim(user, item.product_id, path)
        for user, person in zip(users, people, strict=True)
        for item in person.answer.items
        for path in item.paths
    ]
    false = {id(claim) for claim in false_claims(ready.bundle.snapshot, claims, bounds=ready.reasons)}
    if also_false is not None:
        false |= {id(claim) for claim in also_false(claims)}
    means: dict[str, Sequence[Any]] = {
        "coverage": [[bool(item.paths) for item in person.answer.items] for person in people],
        "coverage_random": [[bool(item.paths) for item in person.controls] for person in people],
        "drop_first": [person.drop_first for person in people],
        "drop_random": [person.drop_random for person in people],
        "moved_first": [person.drop_first > 0 for person in people],
        "moved_random": [person.drop_random > 0 for person in people],
        "sufficient": [person.sufficient for person in people],
        "needed": [person.needed for person in people],
        "stronger": [person.stronger for person in people],
    }
    measured = {name: _mean(values, seed=seed) for name, values in means.items()}
    random = measured["drop_random"].mean
    return ReasonReport(
        num_users=len(people),
        num_items=len(items),
        num_paths=len(claims),
        n=n,
        validity=1.0 - len(false) / len(claims) if claims else 1.0,
        share=_share(items),
        share_random=_share(controls),
        fidelity=measured["drop_first"].mean / random if random > 0 else float("nan"),
        leaked=sum(_leaks(ready, user, person.answer) for user, person in zip(users, people, strict=True)),
        took_ms=1000 * float(np.mean([person.took_s for person in people])) if people else 0.0,
        took_plain_ms=1000 * float(np.mean([person.took_plain_s for person in people])) if people else 0.0,
        **measured,
    )


def _mean(values: Sequence[Any], *, seed: int) -> Measured:
    """Mean over users of each user's mean, with the interval over users; users without a value are left out."""
    means = np.array([float(np.mean(part)) for part in values if np.size(part)])
    if not len(means):
        return Measured(0.0, 0.0, 0.0)
    return intervals({"mean": means}, seed=seed)["mean"]


def _share(items: Sequence[Item]) -> float:
    shares = [sum(path.contribution for path in item.paths) / item.score for item in items if item.score > 0]
    return float(median(shares)) if shares else 0.0


def _leaks(ready: Ready, user: str, answer: Answer) -> int:
    """Ids of users other than the one who asked, wherever they stand in what a client gets."""
    found: set[str] = set()
    for item in answer.items:
        for path in item.paths:
            found |= {node.id for node in path.nodes if node.type == "User" and node.id not in (None, user)}
    text = json.dumps([asdict(path) for item in answer.items for path in item.paths], ensure_ascii=False)
    quoted = set(text.split('"')[1::2])
    known = {other for other in quoted if ready.bundle.snapshot.row("User", other) is not None}
    products = {node.id for item in answer.items for path in item.paths for node in path.nodes if node.type != "User"}
    return len(found | (known - {user} - products))
