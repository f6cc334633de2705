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
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize

from gnn.config import FuseConfig
from gnn.errors import TooLittleData
from gnn.lists import Lists, collect_lists
from gnn.metrics import ndcg_at_k
from gnn.score import Blend, Decay
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


_LEAST_USERS = 300
_LEAST_HALF = 10
"""Lists in a half below which halves say nothing, and all lists judge themselves."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A learned blend and how it came about."""

    blend: Blend
    values: Float[np.ndarray, " user"]
    """NDCG of each validation user on the user's candidates, under weights learned from the other half of the users."""
    link: Link
    """The likelihood that led to it."""

    @property
    def value(self) -> float:
        """Mean NDCG of the validation users."""
        return float(self.values.mean())


def default_decays(snapshot: Snapshot, *, follows: bool = True) -> tuple[Decay, ...]:
    """Return the decays that the order of a snapshot's events gives a meaning to.

    Args:
        snapshot: whose events.
        follows: whether targets come after the history; else the end of a history means nothing.
    """
    if snapshot.order == "none" or not follows:
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
    users = _draw_users(trial, kernels, config)
    blank = _blank(kernels, priors[0], trial)
    lists = collect_lists(kernels, priors[1], blank, users=users, trial=trial, config=config, progress=progress)
    best: dict[str, Fused] = {}
    for mass_power in sorted(set(config.mass_powers)):
        lists = lists.divided(mass_power)
        for name, without in wanted.items():
            for link in _links(trial):
                values = _judge(lists, link, blank, kept=_kept(blank, without), config=config)
                facts = {"variant": name, "mass_power": mass_power, "link": link, "ndcg": float(values.mean())}
                logger.info("blend tried", extra=facts)
                if name not in best or values.mean() > best[name].value:
                    best[name] = Fused(replace(blank, mass_power=mass_power), values, link)
    finished = {}
    for name, found in best.items():
        lists = lists.divided(found.blend.mass_power)
        finished[name] = _finish(lists, found, _kept(blank, wanted[name]), config)
    return finished


def _links(trial: Trial) -> tuple[Link, ...]:
    """The likelihoods worth a try: counts, which the shares are for, only matter where people repeat."""
    return ("softmax",) if trial.exclude_seen else LINKS


def _judge(
    lists: Lists,
    link: Link,
    blend: Blend,
    *,
    kept: Bool[np.ndarray, " feature"],
    config: FuseConfig,
) -> Float[np.ndarray, " user"]:
    """Return the NDCG of each list under weights learned from the other half of the lists: what one may believe."""
    middle = len(lists.features) // 2
    first, second = lists.part(slice(0, middle)), lists.part(slice(middle, None))
    pairs = ((first, second), (second, first)) if middle >= _LEAST_HALF else ((lists, lists),)
    values = []
    for test, learn in pairs:
        weights = _polish(learn, _fit(learn, link, config.ridge, kept=kept), blend, config.k)
        values.append(_ndcg_of(test, _weigh(test.features, weights), config.k))
    return np.concatenate(values)


def _finish(lists: Lists, found: Fused, kept: Bool[np.ndarray, " feature"], config: FuseConfig) -> Fused:
    """Learn the chosen way from all lists."""
    weights = _polish(lists, _fit(lists, found.link, config.ridge, kept=kept), found.blend, config.k)
    return Fused(_unfold(found.blend, weights / lists.scale), found.values, found.link)


def settle(rich: Fused, plain: Fused) -> Fused:
    """Return the richer of two variants only when it earns its place: a gain above one standard error over users.

    Source: the one-standard-error rule of Breiman et al., "Classification and regression trees", 1984.
    """
    gain = rich.values - plain.values
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    return rich if gain.mean() > error else plain


def _kept(blend: Blend, without: Container[str]) -> Bool[np.ndarray, " feature"]:
    """Which features may have a weight when some kernels have to be done without."""
    flags = np.array([name not in without for name in blend.kernels], dtype=bool)
    return np.concatenate([np.repeat(flags, len(blend.decays)), np.ones(len(blend.priors), dtype=bool)])


def _weigh(
    features: Float[np.ndarray, "user candidate feature"], weights: Float[np.ndarray, " feature"]
) -> Float[np.ndarray, "user candidate"]:
    """Weighted sum of the features; torch's threads are quick where the matrix is long and thin."""
    table = torch.from_numpy(features.reshape(-1, features.shape[2]))
    return (table @ torch.from_numpy(weights.astype(np.float32))).numpy().reshape(features.shape[:2])


def _draw_users(trial: Trial, kernels: Sequence[Kernel], config: FuseConfig) -> Int[np.ndarray, " user"]:
    users = trial.targets.users[np.isin(trial.targets.users, trial.seen.events.user)]
    if not len(users):
        raise TooLittleData("no user with events before the validation cutoff has one after it; add events")
    rng = np.random.default_rng(config.seed)
    num_features = len(kernels) * len(default_decays(trial.seen, follows=trial.targets.follows))
    affordable = int(config.max_cells / (trial.seen.num_nodes("Product") * max(1, num_features)))
    return np.sort(rng.choice(users, min(config.max_users, max(_LEAST_USERS, affordable), len(users)), replace=False))


def _blank(kernels: Sequence[Kernel], priors: tuple[str, ...], trial: Trial) -> Blend:
    decays = default_decays(trial.seen, follows=trial.targets.follows)
    shape = (len(kernels), len(decays))
    return Blend(tuple(kernel.name for kernel in kernels), decays, np.zeros(shape), priors, np.zeros(len(priors)), 0.0)


def _fit(
    lists: Lists, link: Link, ridge: float, *, kept: Bool[np.ndarray, " feature"]
) -> Float[np.ndarray, " feature"]:
    """Maximise the likelihood of the targets among their candidates; every user counts the same."""
    known = lists.target.any(axis=1)
    if not known.any():
        return _START * kept
    # What is not known is few: copies of the features would be larger than they are worth.
    features = lists.features if known.all() else lists.features[known]
    present = lists.present[known]
    share = lists.target[known] / lists.target[known].sum(axis=1, keepdims=True)
    loss = _softmax_loss if link == "softmax" else _share_loss
    table = torch.from_numpy(features.reshape(-1, features.shape[2]))

    def penalised(weights: Float[np.ndarray, " feature"]) -> tuple[float, Float[np.ndarray, " feature"]]:
        value, slope = loss(_weigh(features, weights).astype(np.float64), share, present)
        gradient = (torch.from_numpy(slope.astype(np.float32).ravel()) @ table).numpy().astype(np.float64)
        gradient /= len(features)
        return value / len(features) + ridge * float(weights @ weights), gradient + 2 * ridge * weights

    start = _START * kept
    bounds = [(0, None if flag else 0) for flag in kept]
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
    groups += [slice(place, place + 1) for place in range(blend.weights.size, len(weights))]
    # A kernel without weight stays without: scaling cannot bring it back.
    groups = [group for group in groups if weights[group].any()]
    if not groups:
        return weights
    parts = np.stack([lists.features[:, :, group] @ weights[group].astype(np.float32) for group in groups], axis=2)
    factor = np.ones(len(groups), dtype=np.float32)
    best = _ndcg_of(lists, _weigh(parts, factor), k).mean()
    for _ in range(3):
        before = best
        for index in range(len(groups)):
            for change in (0.0, 0.5, 0.75, 1.33, 2.0):
                trial = factor.copy()
                trial[index] *= change
                value = _ndcg_of(lists, _weigh(parts, trial), k).mean()
                if value > best + 2e-5:
                    best, factor = value, trial
        if best == before:
            break
    result = weights.copy()
    for group, scale in zip(groups, factor, strict=True):
        result[group] *= scale
    return result


def _ndcg_of(lists: Lists, score: Float[np.ndarray, "user candidate"], k: int) -> Float[np.ndarray, " user"]:
    ranked = torch.from_numpy(np.where(lists.present, score, -np.inf).astype(np.float32))
    k = min(k, ranked.shape[1])
    best = torch.topk(ranked, k, dim=1).indices.numpy()
    hits = np.take_along_axis(lists.target, best, axis=1)
    ranks = np.where(hits, np.arange(1.0, k + 1), np.inf)
    return ndcg_at_k(ranks, lists.num_targets, k=k)


def _unfold(blend: Blend, weights: Float[np.ndarray, " feature"]) -> Blend:
    num = blend.weights.size
    # Somebody without a history still gets a list: what is popular speaks when nothing else does.
    priors = np.maximum(weights[num:], _FALLBACK)
    return replace(blend, weights=weights[:num].reshape(blend.weights.shape), prior_weights=priors)
