"""Runs are written to MLflow, here into a local store of its own; what goes wrong there stops nobody."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from gnn.bundles import BundleStore
from serving import tracking
from serving.cli.main import main
from serving.errors import ConfigError
from serving.runs import Run, RunStep
from serving.tracking import check_tracking, track
from serving.tracking_config import TrackingConfig
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.unit.test_model_page import REPORT

RUN = Run(
    run_id="20260131T120000Z-abcdef",
    started_at_ms=1_000_000,
    ended_at_ms=1_060_000,
    outcome="published",
    host="h",
    pid=1,
    data=None,
    config={"learn": {"k": 10, "share": 0.15}, "cutoff": None, **{f"key_{number}": number for number in range(120)}},
    snapshot="abc",
    version=None,
    sentence="Passed all lines.",
    steps=(RunStep("encode", 1.5, "7 texts"), RunStep("train", 20.25, "")),
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingConfig:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return TrackingConfig(mlflow_uri=(tmp_path / "mlruns").as_uri(), experiment="shop")


def read(config: TrackingConfig) -> list[object]:
    client = MlflowClient(config.mlflow_uri)
    experiment = client.get_experiment_by_name(config.experiment)
    return list(client.search_runs([experiment.experiment_id]))


def test_a_run_is_written_with_settings_figures_and_files(config: TrackingConfig, tmp_path: Path) -> None:
    bundles = publish_tiny_bundle(tmp_path / "bundles")
    version = str(bundles.current_version())
    (bundles.folder / version / "report.json").write_text(json.dumps(REPORT))

    track(config, bundles, replace(RUN, version=version))

    (found,) = read(config)
    assert ("FINISHED", 1_000_000, 1_060_000) == (found.info.status, found.info.start_time, found.info.end_time)
    assert len(RUN.config) + 1 == len(found.data.params)
    assert ("10", "None", "119") == tuple(found.data.params[name] for name in ("learn.k", "cutoff", "key_119"))
    figures = {"ndcg_at_10/whycart": 0.4, "ndcg_at_10 low/habit": 0.29, "seconds/train": 20.25}
    figures |= {"gate/lines": 2.0, "gate/not passed": 1.0, "alarms": 1.0}
    assert figures == {name: pytest.approx(found.data.metrics[name]) for name in figures}
    tags = {"whycart.outcome": "published", "whycart.version": version, "mlflow.note.content": "Passed all lines."}
    assert tags == {name: found.data.tags[name] for name in tags}
    files = {entry.path for entry in MlflowClient(config.mlflow_uri).list_artifacts(found.info.run_id)}
    assert {"card.md", "report.json", "model.html"} == files


@pytest.mark.parametrize(("outcome", "status"), [("refused", "FINISHED"), ("failed", "FAILED"), ("stopped", "KILLED")])
def test_how_a_run_ended_is_said(config: TrackingConfig, tmp_path: Path, outcome: str, status: str) -> None:
    track(config, BundleStore(tmp_path / "bundles"), replace(RUN, outcome=outcome))
    track(config, BundleStore(tmp_path / "bundles"), replace(RUN, run_id="another"))

    statuses = {found.data.tags["whycart.run_id"]: found.info.status for found in read(config)}
    assert {RUN.run_id: status, "another": "FINISHED"} == statuses


def test_the_job_writes_a_run_that_failed(
    config: TrackingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYCART_TRACKING_MLFLOW_URI", config.mlflow_uri)
    monkeypatch.setenv("WHYCART_TRACKING_EXPERIMENT", config.experiment)

    assert 2 == main(["retrain", "--data", "nowhere"])

    (found,) = read(config)
    assert ("FAILED", "failed") == (found.info.status, found.data.tags["whycart.outcome"])
    assert "nowhere" in found.data.tags["mlflow.note.content"]
    capsys.readouterr()


def test_a_server_that_does_not_answer_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING, logger=tracking.__name__):
        track(TrackingConfig(mlflow_uri="http://127.0.0.1:9"), BundleStore(tmp_path), RUN)

    assert "the run was not written to MLflow at http://127.0.0.1:9" in caplog.text


def test_without_mlflow_it_is_said_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tracking(TrackingConfig())
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)

    check_tracking(TrackingConfig())
    with pytest.raises(ConfigError, match=r"pip install 'whycart\[tracking\]'"):
        check_tracking(TrackingConfig(mlflow_uri="http://mlflow.example"))


def test_an_experiment_has_a_name() -> None:
    with pytest.raises(ConfigError, match="experiment must be a name"):
        TrackingConfig(mlflow_uri="http://mlflow.example", experiment=" ")
