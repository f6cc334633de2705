"""Learning the blend: which kernel counts how much under which decay.

Each (kernel, decay) pair gives one feature of a candidate, so the score is linear in the weights. They are learned in
several ways (gnn.losses) under several normalisations; each is judged on users that it was not learned from, and the
best one is learned again from all. Weights are 0 or more, and 0 is allowed: a kernel that does not help, the network
included, drops out.
"""

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.config import FuseConfig
from gnn.errors import TooLittleData
from gnn.lists import Lists, collect_lists
from gnn.losses import Link, fit_likely, fit_top, ndcg_of, weigh
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
Aim = Literal["likely", "both", "top"]
AIMS: tuple[Aim, ...] = ("likely", "both", "top")
"""What the weights are asked for: targets that are likely, a good top of the list, or the mean of the two."""
_LEAST_USERS = 300
_LEAST_HALF = 10
"""Lists in a half below which halves say nothing, and all lists judge themselves."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to learn the weights; validation decides between them."""

    link: Link
    """The likelihood that leads or begins."""
    aim: Aim
    """What the weights are asked for."""

    def __str__(self) -> str:
        return f"{self.link}, {self.aim}"


@dataclass(frozen=True, slots=True)
class Fused:
    """A learned blend and how it came about."""

    blend: Blend
    values: Float[np.ndarray, " user"]
    """NDCG of each validation user on the user's candidates, under weights learned from the other half of the users."""
    way: Way
    """How the weights were learned."""

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
            judged = _judge(lists, _ways(trial), kept=_kept(blank, without), config=config)
            for way, values in judged.items():
                facts = {"variant": name, "mass_power": mass_power, "way": str(way), "ndcg": float(values.mean())}
                logger.info("blend tried", extra=facts)
                if name not in best or values.mean() > best[name].value:
                    best[name] = Fused(replace(blank, mass_power=mass_power), values, way)
    finished = {}
    for name, found in best.items():
        lists = lists.divided(found.blend.mass_power)
        finished[name] = _finish(lists, found, _kept(blank, wanted[name]), config)
    return finished


def _ways(trial: Trial) -> tuple[Way, ...]:
    """The ways worth a try: counts, which the shares are for, only matter where people repeat."""
    links: tuple[Link, ...] = ("softmax",) if trial.exclude_seen else ("softmax", "share")
    return tuple(Way(link, aim) for link in links for aim in AIMS)


def _judge(
    lists: Lists, ways: Sequence[Way], *, kept: Bool[np.ndarray, " feature"], config: FuseConfig
) -> dict[Way, Float[np.ndarray, " user"]]:
    """Return the NDCG of each list under weights learned from the other half of the lists: what one may believe."""
    middle = len(lists.features) // 2
    first, second = lists.part(slice(0, middle)), lists.part(slice(middle, None))
    pairs = ((first, second), (second, first)) if middle >= _LEAST_HALF else ((lists, lists),)
    values: dict[Way, list[Float[np.ndarray, " user"]]] = {way: [] for way in ways}
    for test, learn in pairs:
        for way, weights in _learn(learn, ways, kept=kept, config=config).items():
            values[way].append(ndcg_of(test, weigh(test.features, weights), config.k))
    return {way: np.concatenate(parts) for way, parts in values.items()}


def _learn(
    lists: Lists, ways: Sequence[Way], *, kept: Bool[np.ndarray, " feature"], config: FuseConfig
) -> dict[Way, Float[np.ndarray, " feature"]]:
    """Return the weights of each way; ways of one likelihood share its work."""
    found: dict[Way, Float[np.ndarray, " feature"]] = {}
    for link in dict.fromkeys(way.link for way in ways):
        likely = fit_likely(lists, link, config.ridge, kept=kept)
        aims = {way.aim for way in ways if way.link == link}
        learned: dict[Aim, Float[np.ndarray, " feature"]] = {"likely": likely}
        if aims != {"likely"}:
            top = fit_top(lists, likely, config.ridge, kept=kept, k=config.k, seed=config.seed)
            # Weights of different scale mean the same ranking, so each counts in parts of its own length.
            learned |= {"top": top, "both": _unit(likely) + _unit(top)}
        found |= {way: learned[way.aim] for way in ways if way.link == link}
    return found


def _unit(weights: Float[np.ndarray, " feature"]) -> Float[np.ndarray, " feature"]:
    return weights / max(float(np.linalg.norm(weights)), 1e-12)


def _finish(lists: Lists, found: Fused, kept: Bool[np.ndarray, " feature"], config: FuseConfig) -> Fused:
    """Learn the chosen way from all lists."""
    weights = _learn(lists, [found.way], kept=kept, config=config)[found.way]
    return Fused(_unfold(found.blend, weights / lists.scale), found.values, found.way)


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


def _unfold(blend: Blend, weights: Float[np.ndarray, " feature"]) -> Blend:
    num = blend.weights.size
    # Somebody without a history still gets a list: what is popular speaks when nothing else does.
    priors = np.maximum(weights[num:], _FALLBACK)
    return replace(blend, weights=weights[:num].reshape(blend.weights.shape), prior_weights=priors)
