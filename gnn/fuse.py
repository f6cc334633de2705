"""Learning the blend: which kernel counts how much under which decay.

Each (kernel, decay) pair gives one feature of a candidate, so the score is linear in the weights. Two listwise
likelihoods of the validation targets are tried: a softmax of the score, and the score's own share among the candidates
(a mixture of experts, right for counts). Weights are 0 or more, and 0 is allowed: a kernel that does not help, the
network included, drops out. A short search over whole kernels then follows NDCG itself.
"""

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from gnn.config import FuseConfig
from gnn.errors import TooLittleData
from gnn.metrics import ndcg_at_k
from gnn.score import Blend, Decay, History, decayed, mass_of, user_history
from gnn.split import Trial
from kg.kernels import Kernel
from kg.progress import Progress, silent
from kg.snapshot import Snapshot

logger = logging.getLogger(__name__)

_RANKS = tuple(Decay("rank", scale) for scale in (1.0, 3.0, 10.0, float("inf")))
_AGES = tuple(Decay("age", days) for days in (7.0, 30.0, 120.0))
_FALLBACK = 1e-6
"""Least weight of a prior: too little to move anything, enough to order what nothing else speaks for."""
_START = 0.05
"""Weight of every standardised feature before anything is learned."""
Link = Literal["softmax", "share"]
LINKS: tuple[Link, ...] = ("softmax", "share")
"""How a score becomes a probability while the blend is learned; the better one on validation stays."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Candidates of many users with their features, padded to one width."""

    features: Float[np.ndarray, "user candidate feature"]
    """Standardised features; float32, 0 in the padding."""
    target: Bool[np.ndarray, "user candidate"]
    """Whether a candidate is what the user did next."""
    present: Bool[np.ndarray, "user candidate"]
    """False in the padding."""
    num_targets: Int[np.ndarray, " user"]
    """Targets of each user in the whole catalogue."""
    scale: Float[np.ndarray, " feature"]
    """What each raw feature was divided by."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A learned blend and how it came about."""

    blend: Blend
    values: Float[np.ndarray, " user"]
    """NDCG of each validation user it was learned from, on the user's candidates."""
    link: Link
    """The likelihood that led to it."""

    @property
    def value(self) -> float:
        """Mean NDCG of the validation users."""
        return float(self.values.mean())


def default_decays(snapshot: Snapshot) -> tuple[Decay, ...]:
    """Return the decays that the order of a snapshot's events gives a meaning to."""
    if snapshot.order == "none":
        return (Decay("rank"),)
    return (*_RANKS, *_AGES, Decay("declared")) if snapshot.order == "clock" else _RANKS


def fuse(
    kernels: Sequence[Kernel],
    priors: tuple[tuple[str, ...], Float[np.ndarray, "prior product"]],
    *,
    trial: Trial,
    config: FuseConfig,
    variants: Mapping[str, Container[str]] | None = None,
    progress: Progress = silent,
) -> dict[str, Fused]:
    """Return the blend that ranks the validation targets best, for each variant of the model.

    Args:
        kernels: fitted on what the trial has seen.
        priors: names and rows of the scores that do not depend on the user.
        trial: the validation part.
        config: settings.
        variants: kernels that a variant has to do without, by its name; None is one variant, `whole`, with all.
        progress: called once a user.

    Raises:
        TooLittleData: no validation user has a history.
    """
    wanted = {"whole": ()} if variants is None else variants
    users = _draw_users(trial, config)
    best: dict[str, Fused] = {}
    for mass_power in config.mass_powers:
        blank = _blank(kernels, priors[0], trial.seen, mass_power)
        lists = collect_lists(kernels, priors[1], blank, users=users, trial=trial, config=config, progress=progress)
        for name, without in wanted.items():
            part, kept = _leave_out(lists, blank, without)
            for link in LINKS:
                weights = _polish(part, _fit(part, link, config.ridge), blank, config.k)
                values = _ndcg_of(part, part.features @ weights.astype(np.float32), config.k)
                found = Fused(_unfold(blank, weights * kept / part.scale), values, link)
                facts = {"variant": name, "mass_power": mass_power, "link": link, "ndcg": found.value}
                logger.info("blend learned", extra=facts)
                if name not in best or found.value > best[name].value:
                    best[name] = found
    return best


def settle(rich: Fused, plain: Fused) -> Fused:
    """Return the richer of two variants only when it earns its place: a gain above one standard error over users.

    Source: the one-standard-error rule of Breiman et al., "Classification and regression trees", 1984.
    """
    gain = rich.values - plain.values
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    return rich if gain.mean() > error else plain


def _leave_out(lists: Lists, blend: Blend, without: Container[str]) -> tuple[Lists, Float[np.ndarray, " feature"]]:
    """Lists in which the features of some kernels are 0, and 1 for every feature that is left."""
    flags = [float(name not in without) for name in blend.kernels]
    kept = np.r_[np.repeat(flags, len(blend.decays)), np.ones(len(blend.priors))]
    if kept.all():
        return lists, kept
    return replace(lists, features=lists.features * kept.astype(np.float32)), kept


def collect_lists(
    kernels: Sequence[Kernel],
    priors: Float[np.ndarray, "prior product"],
    blend: Blend,
    *,
    users: Int[np.ndarray, " user"],
    trial: Trial,
    config: FuseConfig,
    progress: Progress,
) -> Lists:
    """Return the competing candidates of each user: the best of every feature, and the targets."""
    rows: list[tuple[Float[np.ndarray, "candidate feature"], Bool[np.ndarray, " candidate"], int]] = []
    targets = trial.targets
    for done, user in enumerate(users):
        history = user_history(trial.seen, int(user), now_ms=targets.now_ms)
        wanted = targets.product[slice(*np.searchsorted(targets.user, (user, user + 1)))]
        features = _features(kernels, priors, blend, history)
        if trial.exclude_seen:
            features[np.unique(history.product)] = -np.inf
        bound = min(config.candidates, len(features) - 1)
        best = np.argpartition(-features, bound, axis=0)[:bound].ravel()
        chosen = np.union1d(best, wanted)
        chosen = chosen[np.isfinite(features[chosen]).all(axis=1)]
        rows.append((features[chosen].astype(np.float32), np.isin(chosen, wanted), len(wanted)))
        progress("learn the blend", done + 1, len(users))
    return _pad(rows)


def _draw_users(trial: Trial, config: FuseConfig) -> Int[np.ndarray, " user"]:
    users = trial.targets.users[np.isin(trial.targets.users, trial.seen.events.user)]
    if not len(users):
        raise TooLittleData("no user with events before the validation cutoff has one after it; add events")
    rng = np.random.default_rng(config.seed)
    return np.sort(rng.choice(users, min(config.max_users, len(users)), replace=False))


def _blank(kernels: Sequence[Kernel], priors: tuple[str, ...], train: Snapshot, mass_power: float) -> Blend:
    decays = default_decays(train)
    shape = (len(kernels), len(decays))
    return Blend(
        tuple(kernel.name for kernel in kernels), decays, np.zeros(shape), priors, np.zeros(len(priors)), mass_power
    )


def _features(
    kernels: Sequence[Kernel], priors: Float[np.ndarray, "prior product"], blend: Blend, history: History
) -> Float[np.ndarray, "product feature"]:
    """Raw features in the order kernel by decay, then priors."""
    faded = decayed(history, blend.decays)
    products, place = np.unique(history.product, return_inverse=True)
    merged = np.zeros((len(products), len(blend.decays)), dtype=np.float32)
    np.add.at(merged, place, faded.T.astype(np.float32))
    columns = []
    for kernel in kernels:
        scale = mass_of(kernel, history, faded) ** -blend.mass_power
        columns.append(kernel.spread(products, merged * scale.astype(np.float32)))
    return np.hstack([*columns, priors.T])


def _pad(rows: list[tuple[Float[np.ndarray, "candidate feature"], Bool[np.ndarray, " candidate"], int]]) -> Lists:
    width, num_features = max(len(row[0]) for row in rows), rows[0][0].shape[1]
    features = np.zeros((len(rows), width, num_features), dtype=np.float32)
    target = np.zeros((len(rows), width), dtype=bool)
    present = np.zeros((len(rows), width), dtype=bool)
    for index, (values, wanted, _) in enumerate(rows):
        features[index, : len(values)] = values
        target[index, : len(values)] = wanted
        present[index, : len(values)] = True
    spread = features[present].std(axis=0, dtype=np.float64)
    scale = np.where(spread > 0, spread, 1.0)
    features /= scale.astype(np.float32)
    return Lists(features, target, present, np.array([row[2] for row in rows]), scale)


def _fit(lists: Lists, link: Link, ridge: float) -> Float[np.ndarray, " feature"]:
    """Maximise the likelihood of the targets among their candidates; every user counts the same."""
    known = lists.target.any(axis=1)
    if not known.any():
        return np.full(lists.features.shape[2], _START)
    features, present = lists.features[known], lists.present[known]
    share = lists.target[known] / lists.target[known].sum(axis=1, keepdims=True)
    loss = _softmax_loss if link == "softmax" else _share_loss

    def penalised(weights: Float[np.ndarray, " feature"]) -> tuple[float, Float[np.ndarray, " feature"]]:
        score = (features @ weights.astype(np.float32)).astype(np.float64)
        value, slope = loss(score, share, present)
        gradient = np.einsum("ucf,uc->f", features, slope.astype(np.float32), optimize=True) / len(features)
        return value / len(features) + ridge * float(weights @ weights), gradient + 2 * ridge * weights

    start = np.full(features.shape[2], _START)
    bounds = [(0, None)] * len(start)
    # Thousands of products too small to share: on a busy machine the threads of BLAS wait for each other for minutes.
    with threadpool_limits(limits=1, user_api="blas"):
        found = minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 150})
    return np.asarray(found.x)


def _softmax_loss(
    score: Float[np.ndarray, "user candidate"],
    share: Float[np.ndarray, "user candidate"],
    present: Bool[np.ndarray, "user candidate"],
) -> tuple[float, Float[np.ndarray, "user candidate"]]:
    """Cross-entropy of a softmax over the candidates, and its slope by the scores. Convex in the weights."""
    score = np.where(present, score, -np.inf)
    top = score.max(axis=1, keepdims=True)
    odds = np.exp(score - top)
    total = odds.sum(axis=1, keepdims=True)
    wanted = float((share * np.where(present, score, 0.0)).sum())
    return float((np.log(total) + top).sum()) - wanted, odds / total - share


def _share_loss(
    score: Float[np.ndarray, "user candidate"],
    share: Float[np.ndarray, "user candidate"],
    present: Bool[np.ndarray, "user candidate"],
) -> tuple[float, Float[np.ndarray, "user candidate"]]:
    """Cross-entropy of the scores' shares among the candidates, and its slope by the scores.

    A candidate below the floor counts as the floor, so that no single target that nothing speaks for rules the sum.
    """
    floor = 1e-3 * np.maximum(np.where(present, score, 0.0).max(axis=1, keepdims=True), 1e-12)
    above = present & (score > floor)
    kept = np.where(above, score, np.where(present, floor, 0.0))
    total = kept.sum(axis=1, keepdims=True)
    value = float(np.log(total).sum()) - float((share * np.log(np.where(present, kept, 1.0))).sum())
    return value, np.where(above, 1.0 / total - share / np.where(above, kept, 1.0), 0.0)


def _polish(
    lists: Lists, weights: Float[np.ndarray, " feature"], blend: Blend, k: int
) -> Float[np.ndarray, " feature"]:
    """Scale whole kernels and priors up and down while the validation NDCG grows by more than a trifle."""
    num_decays = len(blend.decays)
    groups = [slice(i * num_decays, (i + 1) * num_decays) for i in range(len(blend.kernels))]
    groups += [slice(place, place + 1) for place in range(groups[-1].stop, len(weights))]
    parts = np.stack([lists.features[:, :, group] @ weights[group].astype(np.float32) for group in groups], axis=2)
    factor = np.ones(len(groups), dtype=np.float32)
    best = _ndcg_of(lists, parts @ factor, k).mean()
    for _ in range(3):
        before = best
        for index in range(len(groups)):
            for change in (0.0, 0.5, 0.75, 1.33, 2.0):
                trial = factor.copy()
                trial[index] *= change
                value = _ndcg_of(lists, parts @ trial, k).mean()
                if value > best + 2e-5:
                    best, factor = value, trial
        if best == before:
            break
    result = weights.copy()
    for group, scale in zip(groups, factor, strict=True):
        result[group] *= scale
    return result


def _ndcg_of(lists: Lists, score: Float[np.ndarray, "user candidate"], k: int) -> Float[np.ndarray, " user"]:
    ranked = np.where(lists.present, score, -np.inf)
    k = min(k, ranked.shape[1])
    best = np.argpartition(-ranked, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(ranked, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return ndcg_at_k(np.take_along_axis(lists.target, best, axis=1), lists.num_targets)


def _unfold(blend: Blend, weights: Float[np.ndarray, " feature"]) -> Blend:
    num = blend.weights.size
    # Somebody without a history still gets a list: what is popular speaks when nothing else does.
    priors = np.maximum(weights[num:], _FALLBACK)
    return replace(blend, weights=weights[:num].reshape(blend.weights.shape), prior_weights=priors)
