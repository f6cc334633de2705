"""A retraining that tunes nothing: it takes over what the live model decided, where that is still right.

The kernels are fitted anew on everything, the network goes on from the live one. How well the live model finds what
users did since it was made, which it has not seen, says whether its decisions still hold; where not, or where nothing
can be taken over, the whole job is done.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from gnn.bundle import Bundle
from gnn.decision import Decision
from gnn.measure import Measured, intervals, metric_values, rank_users
from gnn.report import WHOLE, Report, report_or_none
from gnn.split import Targets, Trial, make_targets
from gnn.warm import Warm
from kg.snapshot import Snapshot
from serving.retrain_config import RetrainConfig, describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """What the live model hands on."""

    decision: Decision
    report: Report
    """What the last full run measured."""
    measured_by: str
    """The bundle of that run."""
    warm: Warm | None
    """Its network; None: it has none."""
    since: Measured | None
    """The live model's NDCG on what users did since it was made; None: too few did."""


def inherit(live: Bundle | None, snapshot: Snapshot, config: RetrainConfig) -> Inherited | str:
    """Return what can be taken over from the live model, or why nothing can.

    Args:
        live: the model that is served; None: there is none.
        snapshot: what is learned from now.
        config: settings of the job; its gate says how far below its own figure the live model may be.
    """
    if live is None or (decision := live.decision) is None:
        return "there is no live model that says what it decided"
    if (report := report_or_none(live.report)) is None:
        return "the live model says too little of what was measured"
    if _told(live) != json.loads(json.dumps(_settings(describe(config)), default=str)):
        return "the settings have changed since the live model was made"
    measured_by = str(live.report.get("measured_by", live.version))
    age = datetime.now(UTC) - _made_at(measured_by)
    if age > timedelta(days=config.job.full_every_days):
        return f"the last full run was {age.days} days ago"
    gate = config.gate
    since = live_since(live, snapshot, min_users=gate.min_users, k=report.k, seed=report.seed)
    then = report.result(WHOLE).metrics[report.main_metric].mean
    if since is not None and since.high < gate.min_slice_of_live * then:
        return f"{since_sentence(since, report.main_metric, then)}: its decisions do not hold any more"
    file = live.folder / "network.safetensors"
    warm = Warm(load_file(file), live.snapshot) if decision.epochs is not None and file.is_file() else None
    return Inherited(decision=decision, report=report, measured_by=measured_by, warm=warm, since=since)


def live_since(live: Bundle, snapshot: Snapshot, *, min_users: int, k: int, seed: int) -> Measured | None:
    """Return the NDCG of the live model on what its users did after it was made; None where too few did, or no clock.

    Args:
        live: a model; it has not seen what came after its snapshot.
        snapshot: a later one of the same shop.
        min_users: users below which nothing is said.
        k: cut-off.
        seed: of the bootstrap.
    """
    targets = _targets_since(live.snapshot, snapshot)
    if targets is None or len(targets.users) < min_users:
        return None
    trial = Trial(live.snapshot, targets, live.exclude_seen)
    values = metric_values(rank_users(live.scorer, trial, users=targets.users, k=k), k)
    name = f"ndcg@{k}"
    return intervals({name: values[name]}, seed=seed)[name]


def since_sentence(since: Measured, metric: str, then: float) -> str:
    """Return in words how much the live model found of what users did since it was made.

    Args:
        since: what `live_since` returned.
        metric: `ndcg@10`.
        then: what the live model was measured at.
    """
    return (
        f"the live model finds {since.mean:.4f} [{since.low:.4f}, {since.high:.4f}] of {metric} in what users did "
        f"since, and was measured at {then:.4f}"
    )


def _targets_since(before: Snapshot, after: Snapshot) -> Targets | None:
    """What happened after the earlier snapshot, in its rows; what it does not know is left out."""
    if before.order != "clock" or before.last_time is None:
        return None
    found = make_targets(after, after.events.time > before.last_time, now_ms=before.last_time + 1)
    user = _rows("User", found.user, after, before)
    product = _rows("Product", found.product, after, before)
    known = (user >= 0) & (product >= 0)
    order = np.lexsort((product[known], user[known]))
    return Targets(user[known][order], product[known][order], before.last_time + 1)


def _rows(label: str, rows: np.ndarray, after: Snapshot, before: Snapshot) -> np.ndarray:
    ids = after.ids(label)
    return np.array([-1 if (row := before.row(label, ids[place])) is None else row for place in rows], dtype=np.int64)


def _told(live: Bundle) -> Mapping[str, Any]:
    config: Any = json.loads((live.folder / "config.json").read_text(encoding="utf-8"))
    return _settings(config)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides how a model is learned; the rest of the settings may change."""
    return {name: config.get(name) for name in ("encoder", "learn", "split")}


def _made_at(version: str) -> datetime:
    return datetime.strptime(version.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
