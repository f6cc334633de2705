"""The search over dials: every trial is told, kept and gone on with; validation decides and the start is the first."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gnn.config import LearnConfig
from gnn.fuse import Fused
from gnn.learn import Stage, tune_kernels
from gnn.report import WHOLE
from gnn.split import Trial, split_snapshot
from gnn.stopwatch import Stopwatch
from serving.tuning import DIALS, Found, as_toml, search
from tests.support.learning import QUICK, drawn_vectors
from tests.support.random_shops import random_snapshot

SHOP = random_snapshot(0, users=20, events=400)
VECTORS = drawn_vectors(SHOP)


def trial_of(seed: int = 0) -> Trial:
    split = split_snapshot(random_snapshot(seed, users=20, events=400), share=0.15)
    return Trial(split.train, split.valid, exclude_seen=False)


TRIAL = trial_of()


def found(journal: Path, *, trials: int, start: LearnConfig = QUICK, trial: Trial = TRIAL) -> Found:
    return search(trial, VECTORS, start=start, journal=journal, trials=trials)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[LearnConfig]:
    """Settings in the order they were tried."""
    configs: list[LearnConfig] = []

    def spied(*args: Any, **kwargs: Any) -> tuple[Stage, dict[str, Fused]]:
        configs.append(kwargs["config"])
        return tune_kernels(*args, **kwargs)

    monkeypatch.setattr("serving.tuning.tune_kernels", spied)
    return configs


def test_the_first_trial_is_of_the_settings_it_began_with(tmp_path: Path, tried: list[LearnConfig]) -> None:
    outcome = found(tmp_path / "trials.db", trials=1)

    _, blends = tune_kernels(TRIAL, VECTORS, config=QUICK, clock=Stopwatch())
    assert [QUICK] == tried
    assert (QUICK, 1) == (outcome.config, outcome.num_trials)
    assert pytest.approx(blends[WHOLE].value) == outcome.value == outcome.default_value


def test_the_best_trial_is_what_was_found(tmp_path: Path, tried: list[LearnConfig]) -> None:
    outcome = found(tmp_path / "trials.db", trials=3)

    values = [tune_kernels(TRIAL, VECTORS, config=config, clock=Stopwatch())[1][WHOLE].value for config in tried[:3]]
    assert pytest.approx(max(values)) == outcome.value
    assert pytest.approx(values[0]) == outcome.default_value
    assert outcome.config in tried
    assert {name: dial.of(outcome.config) for name, dial in DIALS.items()} == outcome.dials


def test_a_search_that_was_stopped_goes_on_in_the_same_journal(tmp_path: Path, tried: list[LearnConfig]) -> None:
    journal = tmp_path / "tune" / "trials.db"

    counts = [found(journal, trials=trials).num_trials for trials in (1, 2, 2)]

    assert [1, 3, 5] == counts
    assert 5 == len(set(map(repr, tried))), "nothing is tried twice"


def test_a_search_that_was_stopped_in_its_first_trial_begins_with_it_again(
    tmp_path: Path, tried: list[LearnConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("serving.tuning.tune_kernels", stopped)
        with pytest.raises(KeyboardInterrupt):
            found(tmp_path / "trials.db", trials=1)

    assert (1, QUICK) == (found(tmp_path / "trials.db", trials=1).num_trials, tried[0])


def test_no_trials_more_only_reads_what_was_found(tmp_path: Path, tried: list[LearnConfig]) -> None:
    journal = tmp_path / "trials.db"

    assert found(journal, trials=2) == found(journal, trials=0)
    assert 2 == len(tried)


def test_other_data_has_trials_of_its_own(tmp_path: Path) -> None:
    journal = tmp_path / "trials.db"
    found(journal, trials=1)

    assert 1 == found(journal, trials=1, trial=trial_of(1)).num_trials


def test_other_settings_to_begin_with_have_trials_of_their_own(tmp_path: Path, tried: list[LearnConfig]) -> None:
    """What the dials do not hold may differ too, and values that were measured otherwise cannot be compared."""
    journal, other = tmp_path / "trials.db", replace(QUICK, train=replace(QUICK.train, learning_rate=3e-3), k=7)
    found(journal, trials=1)

    assert 1 == found(journal, trials=1, start=other).num_trials
    assert [QUICK, other] == tried


def test_every_trial_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []

    search(
        TRIAL,
        VECTORS,
        start=QUICK,
        journal=tmp_path / "trials.db",
        trials=2,
        progress=lambda name, done, of: told.append((name, done, of)),
    )

    assert [("tune", 1, 2), ("tune", 2, 2)] == told


@pytest.mark.parametrize("name", DIALS)
def test_a_dial_reads_what_it_puts_and_moves_nothing_else(name: str) -> None:
    dial = DIALS[name]

    for value in dial.choices:
        moved = dial.put(LearnConfig(), value)
        assert value == dial.of(moved)
        assert LearnConfig() == dial.put(moved, dial.of(LearnConfig()))


@pytest.mark.parametrize("name", DIALS)
def test_the_ladder_of_a_dial_holds_its_default_and_rises(name: str) -> None:
    dial = DIALS[name]

    assert dial.of(LearnConfig()) in dial.choices
    assert sorted(set(dial.choices)) == list(dial.choices)


def test_the_dials_can_be_written_as_a_settings_file() -> None:
    dials = {name: dial.choices[-1] for name, dial in DIALS.items()}

    tables = tomllib.loads(as_toml(dials))

    assert dials == {f"{section}.{key}": value for section, keys in tables.items() for key, value in keys.items()}
