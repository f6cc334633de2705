"""A retraining that was interrupted goes on with the steps it had finished, and makes the same model."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.progress import Progress, silent
from kg.snapshot import Snapshot, build_snapshot
from kg.sources.generated import generated_shop
from serving import retrain as job
from serving.checkpoint import MAX_AGE_S, Checkpoint
from serving.retrain import Place, retrain
from serving.steps import StepOutcome
from tests.support.bundles import quick_config

STEPS = ("watch", "encode", "train", "evaluate", "fit on everything", "explain", "gate", "publish")


class Stopped(Exception):
    """The process ended here."""


def ends_after(step: str, told: list[StepOutcome]) -> Callable[[StepOutcome], None]:
    def done(outcome: StepOutcome) -> None:
        told.append(outcome)
        if outcome.name == step:
            raise Stopped

    return done


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(generated_shop(products=80, brands=6, users=50, events=1500, seed=4).tables)


@pytest.fixture(scope="module")
def undisturbed(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    room = tmp_path_factory.mktemp("undisturbed")
    return run(snapshot, room, room)


def run(
    snapshot: Snapshot,
    room: Path,
    cache: Path,
    done: Callable[[StepOutcome], None] | None = None,
    progress: Progress = silent,
) -> Bundle:
    work = Checkpoint(room / "work")
    work.begin({"job": 1}, resume=True)
    place = Place(BundleStore(room / "bundles"), cache / "cache", work)
    return retrain(snapshot, place, config=quick_config(), step_done=done, progress=progress).bundle


@pytest.mark.parametrize("step", ["train", "fit on everything", "gate"])
def test_a_job_that_ended_after_a_step_does_not_do_it_again_and_makes_the_same_model(
    step: str, snapshot: Snapshot, undisturbed: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, told = undisturbed.folder.parents[1], list[StepOutcome]()
    with pytest.raises(Stopped):
        run(snapshot, tmp_path, cache, ends_after(step, told))
    for name, after in (("tune", "train"), ("measure", "evaluate"), ("finish", "fit on everything")):
        if STEPS.index(step) >= STEPS.index(after):
            monkeypatch.setattr(job, name, lambda *args, **kwargs: pytest.fail("done before"))

    again = run(snapshot, tmp_path, cache, told.append)

    assert undisturbed.model_hash == again.model_hash
    assert again.version == BundleStore(tmp_path / "bundles").current_version()
    later = told[STEPS.index(step) + 1 :]
    assert list(STEPS) == [outcome.name for outcome in later]
    kept = [outcome.name for outcome in later if outcome.line.endswith("(by the run before, which was interrupted)")]
    assert [name for name in STEPS[2:6] if STEPS.index(name) <= STEPS.index(step)] == kept
    assert not list((tmp_path / "bundles").glob(".draft*"))


def test_a_job_that_ended_in_the_second_epoch_of_a_training_goes_on_there(
    snapshot: Snapshot, undisturbed: Bundle, tmp_path: Path
) -> None:
    cache, told, trained = undisturbed.folder.parents[1], list[StepOutcome](), list[int]()

    def ends(step: str, done: int, total: int | None) -> None:
        if step == "train" and done > 24:
            raise Stopped

    def watched(step: str, done: int, total: int | None) -> None:
        if step == "train":
            trained.append(done)

    with pytest.raises(Stopped):
        run(snapshot, tmp_path, cache, progress=ends)
    assert (tmp_path / "work" / "training").is_dir()
    again = run(snapshot, tmp_path, cache, told.append, progress=watched)

    assert undisturbed.model_hash == again.model_hash
    assert 25 == trained[0]
    lines = {outcome.name: outcome.line for outcome in told}
    assert "; its training went on from the" in lines["train"]
    assert "went on" not in lines["fit on everything"]
    assert not (tmp_path / "work" / "training").exists()


def test_a_job_that_ended_between_sealing_and_publishing_publishes_what_it_sealed(
    snapshot: Snapshot, undisturbed: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(self: BundleStore, version: str) -> None:
        raise Stopped

    store = BundleStore(tmp_path / "bundles")
    with monkeypatch.context() as patch:
        patch.setattr(BundleStore, "publish", ends)
        with pytest.raises(Stopped):
            run(snapshot, tmp_path, undisturbed.folder.parents[1])
    (sealed,) = store.versions()

    again = run(snapshot, tmp_path, undisturbed.folder.parents[1])

    assert (sealed, [sealed], sealed) == (again.version, store.versions(), store.current_version())


def test_a_draft_that_is_gone_is_made_again(snapshot: Snapshot, undisturbed: Bundle, tmp_path: Path) -> None:
    cache = undisturbed.folder.parents[1]
    with pytest.raises(Stopped):
        run(snapshot, tmp_path, cache, ends_after("fit on everything", []))
    BundleStore(tmp_path / "bundles").tidy()

    assert undisturbed.model_hash == run(snapshot, tmp_path, cache).model_hash


def begun(folder: Path, identity: dict[str, Any]) -> Checkpoint:
    work = Checkpoint(folder)
    assert not work.begin(identity, resume=True)
    work.write("train", {"line": "17 kernels"})
    return work


def test_only_the_same_job_goes_on_and_only_when_it_may(tmp_path: Path) -> None:
    work = begun(tmp_path / "work", {"k": 10})

    assert work.begin({"k": 10}, resume=True)
    assert {"line": "17 kernels"} == work.read("train")
    assert not work.begin({"k": 20}, resume=True)
    assert work.read("train") is None
    begun(tmp_path / "work", {"k": 10})
    assert not work.begin({"k": 10}, resume=False)
    assert work.read("train") is None


def test_what_is_older_than_a_day_is_not_gone_on_with(tmp_path: Path) -> None:
    work = begun(tmp_path / "work", {"k": 10})
    file = tmp_path / "work" / "job.json"
    job = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(job | {"at": job["at"] - MAX_AGE_S}), "utf-8")

    assert not work.begin({"k": 10}, resume=True)
    assert work.read("train") is None


def test_a_step_that_was_half_written_was_not_finished(tmp_path: Path) -> None:
    work = begun(tmp_path / "work", {"k": 10})
    (tmp_path / "work" / "train.json").write_bytes(b'{"line": "17 ker')

    assert work.read("train") is None
    assert work.begin({"k": 10}, resume=True)


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    work = Checkpoint()
    work.write("train", {"line": "17 kernels"})

    assert (None, None, False) == (work.read("train"), work.folder("snapshot"), work.begin({}, resume=True))
    assert [] == os.listdir(tmp_path)
