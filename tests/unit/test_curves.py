"""The event files of a training hold what the training returned; without a folder nothing is written or imported."""

import errno
import logging
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboardX.crc32c import crc32c
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from gnn import curves
from gnn.curves import EPOCH_LOSS, RATE, SECONDS, STEP_LOSS, VALUE, Curves
from gnn.errors import ConfigError
from gnn.train import Trained, TrainingFiles
from kg.kernels import EmbeddingKernel
from serving.tracking import check_tracking, curves_folder
from serving.tracking_config import TrackingConfig
from tests.unit.test_training_checkpoint import (
    CONFIG,
    Killed,
    killed_at,
    run_with,
    same,
    undisturbed,
    worse_and_worse,
)


def read(folder: Path) -> Iterator[Event]:
    """The events of a folder, by the format of the file: length, its sum, event, its sum."""

    def checked(data: bytes, told: bytes) -> bytes:
        found = crc32c(data)
        assert struct.unpack("I", told)[0] == (((found >> 15) | (found << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        return data

    (path,) = folder.glob("events.out.tfevents.*")
    with path.open("rb") as file:
        while length := file.read(8):
            (size,) = struct.unpack("Q", checked(length, file.read(4)))
            yield Event.FromString(checked(file.read(size), file.read(4)))


def curve(folder: Path, name: str) -> dict[int, float]:
    return {
        event.step: value.simple_value for event in read(folder) for value in event.summary.value if value.tag == name
    }


def settings_of(folder: Path) -> dict[str, HParamsPluginData]:
    return {
        value.tag: HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in read(folder)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    folder = tmp_path_factory.mktemp("curves") / "run" / "train"
    return folder, run_with(TrainingFiles(curves=folder), validate=worse_and_worse)


def test_epochs_are_those_of_the_training(drawn: tuple[Path, Trained]) -> None:
    folder, trained = drawn

    for name, figures in ((EPOCH_LOSS, trained.losses), (VALUE, trained.values), (SECONDS, trained.epochs_s)):
        assert dict(enumerate(figures, start=1)) == pytest.approx(curve(folder, name), rel=1e-6)


def test_steps_have_a_loss_whose_mean_is_that_of_the_epoch_and_a_rate_that_rises_and_falls(
    drawn: tuple[Path, Trained],
) -> None:
    folder, trained = drawn
    losses, rates = curve(folder, STEP_LOSS), list(curve(folder, RATE).values())

    steps = len(losses) // len(trained.losses)
    assert list(range(1, len(losses) + 1)) == list(losses)
    sizes = [6, 6, 4] * (steps // 3)
    mean = sum(size * losses[step + 1] for step, size in enumerate(sizes)) / sum(sizes)
    assert trained.losses[0] == pytest.approx(mean, rel=1e-5)
    assert pytest.approx(CONFIG.learning_rate, rel=0.05) == max(rates)
    assert rates[0] < rates[1] < max(rates) > rates[-2] > rates[-1]


def test_settings_are_hyperparameters(drawn: tuple[Path, Trained]) -> None:
    found = settings_of(drawn[0])

    begun = found["_hparams_/session_start_info"].session_start_info.hparams
    assert (8, 0.004, "attention") == (
        begun["model.dim"].number_value,
        begun["train.learning_rate"].number_value,
        begun["model.gather"].string_value,
    )
    assert {EPOCH_LOSS, VALUE, SECONDS} == {
        metric.name.tag for metric in found["_hparams_/experiment"].experiment.metric_infos
    }
    assert "_hparams_/session_end_info" in found


def test_curves_change_nothing_of_the_training(drawn: tuple[Path, Trained]) -> None:
    assert same(undisturbed(validated=True), drawn[1])


def test_a_training_that_broke_off_has_its_steps_and_no_end(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_with(TrainingFiles(curves=tmp_path), progress=killed_at(8))

    assert list(range(1, 9)) == list(curve(tmp_path, STEP_LOSS))
    assert [1] == list(curve(tmp_path, EPOCH_LOSS))
    assert {} == curve(tmp_path, VALUE)
    assert "_hparams_/session_end_info" not in settings_of(tmp_path)


def test_a_training_that_goes_on_draws_on(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_with(TrainingFiles(tmp_path, tmp_path / "first"), progress=killed_at(8))

    trained = run_with(TrainingFiles(tmp_path, tmp_path / "second"))

    assert list(range(9, 19)) == list(curve(tmp_path / "second", STEP_LOSS))
    assert pytest.approx(dict(enumerate(trained.losses, start=1)), rel=1e-6) == (
        curve(tmp_path / "first", EPOCH_LOSS) | curve(tmp_path / "second", EPOCH_LOSS)
    )


def test_many_steps_are_written_before_the_epoch_ends(tmp_path: Path) -> None:
    with Curves(tmp_path, {}) as file:
        for number in range(1, 61):
            file.step(number, loss=torch.tensor(float(number)), rate=0.1)

        assert list(range(1, 51)) == list(curve(tmp_path, STEP_LOSS))
    assert 60.0 == curve(tmp_path, STEP_LOSS)[60]


def test_a_disk_that_is_full_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: EventsWriter, event: Event) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def later(kernel: EmbeddingKernel) -> float:
        monkeypatch.setattr(EventsWriter, "write_event", full)
        return worse_and_worse(kernel)

    with caplog.at_level(logging.WARNING, logger=curves.__name__):
        trained = run_with(TrainingFiles(curves=tmp_path / "run"), validate=later)

    assert same(undisturbed(validated=True), trained)
    assert ["the curves of the training are not written any more: [Errno 28] No space left on device"] == [
        record.getMessage() for record in caplog.records
    ]


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()

    assert same(undisturbed(), run_with(TrainingFiles(curves=tmp_path / "file" / "run")))
    assert "the curves of the training are not written any more" in caplog.text


def test_without_a_folder_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(name: str) -> None:
        pytest.fail("nothing is looked for")

    monkeypatch.setattr(curves.importlib.util, "find_spec", asked)
    with Curves(None, {}) as file:
        file.step(1, loss=torch.zeros(()), rate=0.1)
        file.epoch(1, loss=0.5, value=None, seconds=1.0)

    assert curves_folder(TrackingConfig(), "run") is None


def test_a_package_that_is_missing_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrackingConfig(tensorboard=tmp_path / "curves")
    assert tmp_path / "curves" / "run" == curves_folder(config, "run")
    monkeypatch.setattr(curves.importlib.util, "find_spec", lambda name: None)

    check_tracking(replace(config, tensorboard=None))
    for ask in (lambda: check_tracking(config), lambda: curves_folder(config, "run"), lambda: Curves(tmp_path, {})):
        with pytest.raises(ConfigError, match=r"is not installed: pip install 'whycart\[tracking\]'"):
            ask()
    assert [] == list(tmp_path.iterdir())
