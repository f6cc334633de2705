"""A training that was killed goes on where it was and ends with the very same weights; what it cannot use it leaves."""

import errno
import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gnn import checkpoint
from gnn.checkpoint import FILE, TrainingCheckpoint, TrainingState, fingerprint
from gnn.config import ModelConfig, TrainConfig
from gnn.errors import ConfigError
from gnn.examples import make_examples
from gnn.graph import build_graph
from gnn.train import Trained, TrainingFiles, train_network
from kg.kernels import EmbeddingKernel
from kg.progress import Progress, silent
from kg.snapshot import Snapshot
from tests.support.checkerboard import checkerboard
from tests.support.random_shops import random_snapshot

SHAPE = ModelConfig(dim=8, heads=2, layers=1, id_dropout=0.2)
EVERY_STEP = 1e-12
"""Minutes; each step is later than that."""
CONFIG = TrainConfig(
    small_epochs=3, batch_size=16, step_size=6, min_steps=6, device="cpu", checkpoint_minutes=EVERY_STEP
)
"""Two passes of three steps an epoch."""
BOARD = checkerboard().snapshot
SHOPS = {"ordered": BOARD, "unordered": random_snapshot(0, order="none", events=90)}


class Killed(Exception):
    """The process ended here."""


def killed_at(step: int) -> Progress:
    def progress(name: str, done: int, total: int | None) -> None:
        if done == step:
            raise Killed

    return progress


def run(folder: Path | None, config: TrainConfig = CONFIG, **options: Any) -> Trained:
    return run_with(TrainingFiles(folder), config, **options)


def run_with(
    files: TrainingFiles,
    config: TrainConfig = CONFIG,
    *,
    snapshot: Snapshot = BOARD,
    validate: Callable[[EmbeddingKernel], float] | None = None,
    stop_after: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Trained:
    rng = np.random.default_rng(seed)
    vectors = {
        label: rng.normal(size=(table.num_rows, 4)).astype(np.float32) for label, table in snapshot.nodes.items()
    }
    return train_network(
        build_graph(snapshot, vectors),
        make_examples(snapshot),
        model=SHAPE,
        config=config,
        validate=validate,
        stop_after=stop_after,
        files=files,
        progress=progress,
    )


@functools.cache
def undisturbed(*, validated: bool = False, shop: str = "ordered", config: TrainConfig = CONFIG) -> Trained:
    return run(None, config, snapshot=SHOPS[shop], validate=worse_and_worse if validated else None)


def same(first: Trained, second: Trained) -> bool:
    assert first.weights.keys() == second.weights.keys()
    weights = all(torch.equal(tensor, second.weights[name]) for name, tensor in first.weights.items())
    told = [(one.losses, one.values, one.best_epoch, len(one.epochs_s)) for one in (first, second)]
    return weights and told[0] == told[1] and np.array_equal(first.kernel.target, second.kernel.target)


def steps_of(trained_on: Callable[[Progress], Trained]) -> tuple[Trained, list[int]]:
    told: list[int] = []
    return trained_on(lambda name, done, total: told.append(done)), told


def worse_and_worse(kernel: EmbeddingKernel) -> float:
    """A value that the first epoch wins, so that what is kept is not what was trained last."""
    return -float(np.abs(kernel.query - np.roll(kernel.query, 1, axis=0)).mean())


@pytest.mark.parametrize("shop", SHOPS)
@pytest.mark.parametrize("step", [1, 3, 6, 8])
def test_a_training_that_was_killed_after_a_step_goes_on_with_the_next(step: int, shop: str, tmp_path: Path) -> None:
    """Steps 3 and 6 end a pass, 6 an epoch as well."""
    snapshot = SHOPS[shop]
    config = replace(CONFIG, step_size=-(-len(make_examples(snapshot)) // 3), patience=9)
    expected = undisturbed(validated=True, shop=shop, config=config)
    with pytest.raises(Killed):
        run(tmp_path, config, snapshot=snapshot, validate=worse_and_worse, progress=killed_at(step))

    again, told = steps_of(
        lambda progress: run(tmp_path, config, snapshot=snapshot, validate=worse_and_worse, progress=progress)
    )

    assert same(expected, again)
    assert list(range(step + 1, 19)) == told
    assert again.took_s > again.before_s > 0 == expected.before_s


def test_it_may_be_killed_again_and_again(tmp_path: Path) -> None:
    for step in (2, 3, 7, 11, 17):
        with pytest.raises(Killed):
            run(tmp_path, progress=killed_at(step))

    assert same(undisturbed(), run(tmp_path))


def test_the_end_of_an_epoch_is_kept_whatever_the_minutes(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_minutes=1e6)
    with pytest.raises(Killed):
        run(tmp_path, config, validate=worse_and_worse, progress=killed_at(8))

    again, told = steps_of(lambda progress: run(tmp_path, config, validate=worse_and_worse, progress=progress))

    assert same(undisturbed(validated=True), again)
    assert 7 == told[0]


def test_a_training_that_has_ended_is_taken_up_without_a_step(tmp_path: Path) -> None:
    """As when a job is killed in what comes after the training."""
    first = run(tmp_path, validate=worse_and_worse)

    again, told = steps_of(lambda progress: run(tmp_path, validate=worse_and_worse, progress=progress))

    assert same(first, again)
    assert [] == told


def test_validation_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    def killed(kernel: EmbeddingKernel) -> float:
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path, validate=killed)

    assert same(undisturbed(validated=True), run(tmp_path, validate=worse_and_worse))


def test_without_minutes_nothing_is_written(tmp_path: Path) -> None:
    trained = run(tmp_path, replace(CONFIG, checkpoint_minutes=0.0))

    assert [] == list(tmp_path.iterdir())
    assert same(undisturbed(), trained)
    with pytest.raises(ConfigError, match=r"\[train\] checkpoint_minutes must be 0 or more, got -1"):
        replace(CONFIG, checkpoint_minutes=-1.0)


def test_how_often_it_is_written_decides_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, progress=killed_at(8))

    _, told = steps_of(lambda progress: run(tmp_path, replace(CONFIG, checkpoint_minutes=3.0), progress=progress))

    assert 9 == told[0]


OTHERS: dict[str, Callable[[Path], Trained]] = {
    "settings": lambda folder: run(folder, replace(CONFIG, learning_rate=0.001)),
    "vectors": lambda folder: run(folder, seed=1),
    "events": lambda folder: run(folder, snapshot=random_snapshot(0)),
    "validation": lambda folder: run(folder, validate=worse_and_worse),
    "judge": lambda folder: run_with(TrainingFiles(folder, judged_by="others")),
    "length": lambda folder: run(folder, stop_after=2),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_another_training_left_is_left_aside(other: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Killed):
        run(tmp_path, progress=killed_at(8))

    assert 0 == OTHERS[other](tmp_path).before_s
    assert "training.safetensors is left aside: it is of another training" in caplog.text


def test_other_packages_are_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Killed):
        run(tmp_path, progress=killed_at(8))
    monkeypatch.setattr(checkpoint.platform, "python_version", lambda: "3.99.0")

    assert 0 == run(tmp_path).before_s


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def flipped(file: Path) -> None:
    """One bit of a parameter is another one; the file itself is whole."""
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def rewritten(file: Path, **head: str) -> None:
    with safe_open(file, "pt") as old:
        told, tensors = old.metadata(), {name: old.get_tensor(name).clone() for name in old.keys()}  # noqa: SIM118
    save_file(tensors, file, told | head)


def without_place(file: Path) -> None:
    rewritten(file, plain="{}")


def headless(file: Path) -> None:
    save_file({"x": torch.zeros(3)}, file)


def of_a_newer_release(file: Path) -> None:
    rewritten(file, version="2")


DAMAGES = {
    cut_short: "damaged",
    flipped: "its content is not what was written",
    empty: "damaged",
    without_place: "its content is not what was written",
    headless: "format version None",
    of_a_newer_release: "it has format version 2, this release reads 1",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_file_that_cannot_be_used_is_left_aside(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, progress=killed_at(8))
    damage(tmp_path / FILE)

    trained = run(tmp_path)

    assert same(undisturbed(), trained)
    assert "is left aside: " in caplog.text
    assert DAMAGES[damage] in caplog.text
    assert "; the training begins anew" in caplog.text


def test_a_disk_that_is_full_costs_a_warning_and_the_state_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, progress=killed_at(2))
    before = (tmp_path / FILE).read_bytes()

    def full(tensors: object, path: Path, head: object) -> None:
        path.write_bytes(b"some of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save_file", full)

    assert same(undisturbed(), run(tmp_path))
    assert [(FILE, before)] == [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    assert "the state of the training was not written" in caplog.text
    assert "No space left" in caplog.text


def test_what_a_killed_writer_left_half_written_goes_away(tmp_path: Path) -> None:
    (tmp_path / ".training.abc").write_bytes(b"half")

    assert same(undisturbed(), run(tmp_path))
    assert [FILE] == [path.name for path in tmp_path.iterdir()]


def test_short_epochs_are_not_kept_more_often_than_a_fiftieth_of_the_time_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 10.0, 10.0, 12.0, 111.9, 112.1, 200.0])
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: next(now))
    file = TrainingCheckpoint(tmp_path, "this one", every_s=150.0)

    assert file.is_due(after_epoch=True)
    file.save(TrainingState({"done": 1}, {"own": {"total": torch.zeros(())}}))  # takes two seconds
    assert not file.is_due(after_epoch=True)
    assert file.is_due(after_epoch=True)
    assert file.is_due(after_epoch=False)


def test_a_fingerprint_follows_values_names_and_shapes_and_not_the_order_of_keys() -> None:
    one, two = np.arange(6), torch.arange(6)

    assert fingerprint({"k": 1}, {"a": one, "b": {"c": two}}) == fingerprint({"k": 1}, {"b": {"c": one}, "a": two})
    others = [
        fingerprint({"k": 2}, {"a": one}),
        fingerprint({"k": 1}, {"a": one}),
        fingerprint({"k": 1}, {"b": one}),
        fingerprint({"k": 1}, {"a": one.reshape(2, 3)}),
        fingerprint({"k": 1}, {"a": one.astype(np.int32)}),
    ]
    assert len(others) == len(set(others))
