"""What a comparison says: every model with intervals, every paired difference, as values and as the JSON of the bench.

With several seeds of one split, a user's values are averaged over the seeds before anything else; where each seed has
a split of its own, the users of all seeds stand side by side. Intervals are bootstrapped over users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gnn.contest import Contest, Round
from gnn.measure import Measured, intervals
from gnn.metrics import mean_interval
from gnn.slices import Slice

_DIGITS = 6
"""Decimals of the JSON."""


@dataclass(frozen=True, slots=True)
class Result:
    """One model, all seeds together."""

    name: str
    metrics: Mapping[str, Measured]
    """By name at cut-off; figures of all lists together have no interval and repeat their value."""
    per_seed: Mapping[str, tuple[float, ...]]
    """The mean of each seed, by the same names."""
    slices: Mapping[str, tuple[int, Mapping[str, Measured]]]
    """Rows (users, or pairs with prescribed candidates) and metrics of each slice."""
    chosen: tuple[Mapping[str, Any], ...]
    """What validation chose, by seed."""
    fit_s: float
    """Mean over seeds."""
    cpu_s: float
    """Mean over seeds."""
    score_ms_per_user: float
    """Mean over seeds."""
    peak_rss_mb: float
    """Most of all seeds."""


Differences = Mapping[str, Measured]
"""Paired difference by metric."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The table and the paired differences of a comparison."""

    contest: Contest
    results: tuple[Result, ...]
    paired: Mapping[str, Differences]
    """By `subject-other`: how much better the subject is."""
    paired_slices: Mapping[str, Mapping[str, Differences]]
    """The same by `subject-other` and slice."""


def sum_up(contest: Contest) -> Outcome:
    """Return what a comparison says."""
    names = contest.config.models
    overall = {name: _merge(contest, [entry.overall for entry in contest.rounds_of(name)]) for name in names}
    slices = {name: _merge_slices(contest, contest.rounds_of(name)) for name in names}
    results = tuple(_result(contest, name, overall[name], slices[name]) for name in names)
    subject = contest.config.subject
    rivals = [name for name in names if name != subject] if subject in names else []
    paired = _differences(overall, subject, rivals)
    by_slice: dict[str, dict[str, Differences]] = {f"{subject}-{rival}": {} for rival in rivals}
    for part in slices[subject] if rivals else ():
        of_part = {name: slices[name][part] for name in names}
        for pair, found in _differences(of_part, subject, rivals).items():
            by_slice[pair][part] = found
    return Outcome(contest, results, paired, by_slice)


def outcome_to_json(outcome: Outcome, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outcome as plain values.

    Args:
        outcome: what was measured.
        about: what the caller knows besides: data, relations, command, commit, versions, time.
    """
    contest = outcome.contest
    first = contest.fields[0]
    return {
        **about,
        "split": first.split.name,
        "num_users": len(first.users),
        "num_products": first.split.train.num_nodes("Product"),
        "num_train_events": len(first.split.train_valid.events),
        "exclude_seen": first.exclude_seen,
        "k": list(contest.config.ks),
        "seeds": list(contest.config.seeds),
        "models": {result.name: _result_to_json(result, len(contest.config.seeds)) for result in outcome.results},
        "paired": {pair: _differences_to_json(found) for pair, found in outcome.paired.items()},
        "paired_slices": {
            pair: {part: _differences_to_json(found) for part, found in parts.items()}
            for pair, parts in outcome.paired_slices.items()
        },
    }


def _merge(contest: Contest, parts: Sequence[Slice]) -> Slice:
    """One row a user: the mean over seeds, or all seeds side by side where each has a split of its own."""
    if contest.draws_splits:
        values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
        return Slice(np.concatenate([part.users for part in parts]), values)
    return Slice(
        parts[0].users, {name: np.mean([part.values[name] for part in parts], axis=0) for name in parts[0].values}
    )


def _merge_slices(contest: Contest, rounds: Sequence[Round]) -> dict[str, Slice]:
    names = dict.fromkeys(name for entry in rounds for name in entry.slices)
    return {name: _merge(contest, [entry.slices[name] for entry in rounds if name in entry.slices]) for name in names}


def _result(contest: Contest, name: str, overall: Slice, slices: Mapping[str, Slice]) -> Result:
    rounds = contest.rounds_of(name)
    lists = _merge(contest, [Slice(entry.overall.users, entry.lists) for entry in rounds]).values
    metrics = intervals(overall.values) | {name: _known(values) for name, values in lists.items()}
    for total in rounds[0].totals:
        mean = float(np.mean([entry.totals[total] for entry in rounds]))
        metrics[total] = Measured(mean, mean, mean)
    per_seed = {metric: tuple(_value(entry, metric) for entry in rounds) for metric in metrics}
    return Result(
        name=name,
        metrics=metrics,
        per_seed=per_seed,
        slices={part: (len(found.users), intervals(found.values)) for part, found in slices.items()},
        chosen=tuple(entry.chosen for entry in rounds),
        fit_s=float(np.mean([entry.fit_s for entry in rounds])),
        cpu_s=float(np.mean([entry.cpu_s for entry in rounds])),
        score_ms_per_user=float(np.mean([entry.score_ms_per_user for entry in rounds])),
        peak_rss_mb=max(entry.peak_rss_mb for entry in rounds),
    )


def _known(values: Float[np.ndarray, " user"]) -> Measured:
    return Measured(*mean_interval(values[np.isfinite(values)], rng=np.random.default_rng(0)))


def _value(entry: Round, metric: str) -> float:
    """Mean of a metric in one round."""
    if metric in entry.totals:
        return entry.totals[metric]
    values = entry.overall.values[metric] if metric in entry.overall.values else entry.lists[metric]
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0


def _differences(parts: Mapping[str, Slice], subject: str, rivals: Sequence[str]) -> dict[str, Differences]:
    """How much better the subject is than each rival, from the same draws of users for all of them."""
    if not rivals:
        return {}
    own = parts[subject].values
    apart = {(rival, metric): own[metric] - parts[rival].values[metric] for rival in rivals for metric in own}
    found = dict(
        zip(
            apart, intervals({f"{rival} {metric}": row for (rival, metric), row in apart.items()}).values(), strict=True
        )
    )
    return {f"{subject}-{rival}": {metric: found[rival, metric] for metric in own} for rival in rivals}


def _result_to_json(result: Result, num_seeds: int) -> dict[str, Any]:
    # A model that does not depend on the seed was run once and says the same every time.
    repeats = num_seeds if len(result.chosen) == 1 else 1
    plain: dict[str, Any] = {
        "metrics": {
            name: {**_plain(value), "per_seed": [round(each, _DIGITS) for each in result.per_seed[name]] * repeats}
            for name, value in result.metrics.items()
        },
        "slices": {
            part: {"num_users": count, **{name: _plain(value) for name, value in metrics.items()}}
            for part, (count, metrics) in result.slices.items()
        },
        "fit_s": round(result.fit_s, 3),
        "cpu_s": round(result.cpu_s, 3),
        "score_ms_per_user": round(result.score_ms_per_user, 4),
        "peak_rss_mb": round(result.peak_rss_mb, 1),
        "chosen": dict(result.chosen[0]),
    }
    if len(result.chosen) > 1:
        plain["chosen_per_seed"] = [dict(chosen) for chosen in result.chosen]
    return plain


def _plain(value: Measured) -> dict[str, float]:
    return {"mean": round(value.mean, _DIGITS), "low": round(value.low, _DIGITS), "high": round(value.high, _DIGITS)}


def _differences_to_json(found: Differences) -> dict[str, dict[str, float]]:
    return {
        metric: {
            "diff": round(value.mean, _DIGITS),
            "low": round(value.low, _DIGITS),
            "high": round(value.high, _DIGITS),
        }
        for metric, value in found.items()
    }
