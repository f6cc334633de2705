"""The learned models of a comparison: who is made in which order, what they share, and what they do without."""

import json
from typing import Any

import numpy as np
import pytest

from gnn.entrants import ENTRANTS, NETWORK, PATHS, make_entrants
from gnn.errors import ConfigError
from gnn.fuse import Fused
from gnn.learn import Stage, fit_stage, tune_kernels
from gnn.report import WHOLE
from gnn.score import Scorer, user_history
from gnn.split import Trial, split_snapshot
from tests.support.learning import QUICK, drawn_vectors
from tests.support.random_shops import random_snapshot

SHOP = random_snapshot(0, users=20, events=400)
SPLIT = split_snapshot(SHOP, share=0.15)
TRIAL = Trial(SPLIT.train, SPLIT.valid, exclude_seen=False)


def made(*names: str, seed: int = 0) -> list[Any]:
    return list(make_entrants(names, SPLIT, seed=seed, vectors=drawn_vectors(SHOP), config=QUICK))


def played(*names: str, seed: int = 0) -> dict[str, tuple[Any, Any]]:
    """Return what each model chose, and the model fitted, as a comparison would do it."""
    return {entrant.name: (entrant.tune(TRIAL), entrant.fit(SPLIT.train_valid)) for entrant in made(*names, seed=seed)}


def test_every_name_is_made_and_the_whole_plays_first_and_pays_for_its_parts() -> None:
    found = [entrant.name for entrant in made(*ENTRANTS)]

    assert [WHOLE, *(name for name in ENTRANTS if name != WHOLE)] == found


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no model is named 'magic'; there are popularity, "):
        made(PATHS, "magic")


def test_the_whole_and_its_parts_are_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def tuned(*args: Any, **kwargs: Any) -> tuple[Stage, dict[str, Fused]]:
        calls.append("tune")
        return tune_kernels(*args, **kwargs)

    def fitted(*args: Any, **kwargs: Any) -> Stage:
        calls.append("fit")
        return fit_stage(*args, **kwargs)

    monkeypatch.setattr("gnn.entrants.tune_kernels", tuned)
    monkeypatch.setattr("gnn.entrants.fit_stage", fitted)

    played(WHOLE, PATHS, NETWORK)

    assert ["tune", "fit"] == calls


def test_paths_alone_train_no_network() -> None:
    chosen, scorer = played(PATHS)[PATHS]

    assert NETWORK not in chosen["seconds"]
    assert NETWORK not in {kernel.name for kernel in scorer.kernels}


def test_each_model_has_the_kernels_that_its_name_says() -> None:
    found = {name: scorer for name, (_, scorer) in played(WHOLE, PATHS, NETWORK).items()}
    weights = {
        name: dict(zip(scorer.blend.kernels, scorer.blend.weights.any(axis=1).tolist(), strict=True))
        for name, scorer in found.items()
    }

    assert {NETWORK: True} == weights[NETWORK]
    assert not weights[PATHS][NETWORK]
    assert any(weights[PATHS].values())
    assert set(weights[PATHS]) == set(weights[WHOLE])


def test_what_was_chosen_can_be_written_down() -> None:
    for name, (chosen, _) in played(WHOLE, PATHS, NETWORK).items():
        assert chosen == json.loads(json.dumps(chosen)), name
        assert {"best_epoch", "values"} == set(chosen) if name == NETWORK else 0 <= chosen["value"] <= 1


def scores_of(scorer: Scorer) -> np.ndarray:
    users = np.arange(SHOP.num_nodes("User"))
    return scorer.score_users(users, [user_history(SPLIT.train_valid, int(user), now_ms=0) for user in users])


def test_the_seed_decides_the_network_and_nothing_else_does() -> None:
    first, again, other = (scores_of(played(NETWORK, seed=seed)[NETWORK][1]) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
