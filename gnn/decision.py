"""What validation decided, as a few numbers that can be written down: the blends, how long, which settings.

They are all that a later fit takes from the tuning, so a job that was interrupted goes on with them, and a job that
tunes nothing takes those of the model in use. Nothing here knows a snapshot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnn.score import Blend, Decay


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What validation decided; it holds for every later fit."""

    exclude_seen: bool
    """Whether products of the history are left out of rankings."""
    follows: bool
    """Whether what is predicted comes after the history."""
    epochs: int | None
    """Epochs after which the network was best; None: there is none, or it has no weight."""
    blends: Mapping[str, Blend]
    """Learned blend of the whole model and of the model without the network."""
    baselines: Mapping[str, Mapping[str, Any]]
    """Settings that each baseline chose, by its name."""


def blend_to_json(blend: Blend) -> dict[str, Any]:
    """Return a blend as plain values; an endless decay is null."""
    return {
        "kernels": list(blend.kernels),
        "decays": [{"unit": d.unit, "scale": None if np.isinf(d.scale) else d.scale} for d in blend.decays],
        "weights": blend.weights.tolist(),
        "priors": list(blend.priors),
        "prior_weights": blend.prior_weights.tolist(),
        "mass_power": blend.mass_power,
    }


def blend_from_json(entry: Mapping[str, Any]) -> Blend:
    """Return the blend that `blend_to_json` described."""
    decays = tuple(Decay(d["unit"], float("inf") if d["scale"] is None else d["scale"]) for d in entry["decays"])
    weights = np.array(entry["weights"], dtype=np.float64).reshape(len(entry["kernels"]), len(decays))
    priors = np.array(entry["prior_weights"], dtype=np.float64)
    return Blend(tuple(entry["kernels"]), decays, weights, tuple(entry["priors"]), priors, entry["mass_power"])


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """Return a decision as plain values."""
    return {
        "exclude_seen": decision.exclude_seen,
        "follows": decision.follows,
        "epochs": decision.epochs,
        "blends": {name: blend_to_json(blend) for name, blend in decision.blends.items()},
        "baselines": {name: dict(chosen) for name, chosen in decision.baselines.items()},
    }


def decision_from_json(entry: Mapping[str, Any]) -> Decision:
    """Return the decision that `decision_to_json` described.

    Raises:
        KeyError, ValueError, TypeError: it is none.
    """
    return Decision(
        exclude_seen=bool(entry["exclude_seen"]),
        follows=bool(entry["follows"]),
        epochs=None if entry["epochs"] is None else int(entry["epochs"]),
        blends={name: blend_from_json(blend) for name, blend in entry["blends"].items()},
        baselines={name: dict(chosen) for name, chosen in entry["baselines"].items()},
    )
