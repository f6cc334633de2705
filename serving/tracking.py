"""Writes runs of the retraining to MLflow: settings, figures, what the gate decided, card, report and page.

Also says where the event files of trainings go, which `gnn.curves` writes.

The project's own record (`serving.runs`) is whole without it; a server that does not answer stops nobody.
"""

import importlib.util
import logging
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnn.bundles import BundleStore
from gnn.curves import check_curves
from gnn.manifest import CARD, REPORT
from serving.errors import ConfigError
from serving.model_page import model_page
from serving.runs import Run, alarms_of, flat_settings
from serving.tracking_config import TrackingConfig

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Nothing is told to anybody but the server that was named, and one that is away is not waited for."""
_STATUS = {"published": "FINISHED", "refused": "FINISHED", "stopped": "KILLED"}
_BATCH = 100
"""Parameters that MLflow takes at once."""
_LONGEST = 500


def check_tracking(config: TrackingConfig) -> None:
    """Make sure that runs can be written where they should be.

    Raises:
        ConfigError: MLflow or TensorBoard is asked for and what writes for it is not installed.
    """
    if config.mlflow_uri and importlib.util.find_spec("mlflow") is None:
        raise ConfigError(
            "[tracking] mlflow_uri is set and MLflow is not installed: pip install 'whycart[tracking]', or take the "
            "setting out"
        )
    if config.tensorboard is not None:
        check_curves()


def curves_folder(config: TrackingConfig, run: str) -> Path | None:
    """Return the folder of a run's event files; None where nobody asked for them.

    Args:
        config: where to.
        run: name of the run.

    Raises:
        ConfigError: what writes them is not installed.
    """
    if config.tensorboard is None:
        return None
    check_curves()
    return config.tensorboard.expanduser() / run


def track(config: TrackingConfig, bundles: BundleStore, run: Run) -> None:
    """Write a run that has ended; what goes wrong is logged.

    Args:
        config: where to.
        bundles: hold the model of the run, if it made one.
        run: as it is recorded.
    """
    if not config.mlflow_uri:
        return
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException  # takes seconds, and only those who want it wait
    from mlflow.tracking import MlflowClient

    try:
        _write(MlflowClient(config.mlflow_uri), config.experiment, bundles, run)
    except (MlflowException, OSError) as err:  # whatever is wrong there, the run is recorded here
        logger.warning("the run was not written to MLflow at %s: %s", config.mlflow_uri, err)


def _write(client: "MlflowClient", name: str, bundles: BundleStore, run: Run) -> None:
    from mlflow.entities import Metric, Param, RunTag

    known = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if known is None else known.experiment_id
    report = bundles.report_of(run.version)
    ended_ms = run.ended_at_ms or run.started_at_ms
    theirs = client.create_run(experiment, start_time=run.started_at_ms, run_name=run.run_id).info.run_id
    tags = [RunTag(key, str(value)[:_LONGEST]) for key, value in _tags(run) if value is not None]
    figures = [Metric(key, value, ended_ms, 0) for key, value in _figures(run, report) if math.isfinite(value)]
    client.log_batch(theirs, metrics=figures, tags=tags)
    params = [Param(key, str(value)[:_LONGEST]) for key, value in flat_settings(run.config).items()]
    for start in range(0, len(params), _BATCH):
        client.log_batch(theirs, params=params[start : start + _BATCH])
    if run.version is not None and report:
        _add_files(client, theirs, bundles.folder / run.version, report)
    client.set_terminated(theirs, _STATUS.get(run.outcome, "FAILED"), end_time=ended_ms)


def _tags(run: Run) -> Iterator[tuple[str, str | None]]:
    for name in ("run_id", "outcome", "version", "snapshot", "data", "host"):
        yield f"whycart.{name}", getattr(run, name)
    yield "mlflow.note.content", run.sentence


def _figures(run: Run, report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and values; MLflow groups by what stands before a slash, and takes no @."""
    for step in run.steps:
        yield f"seconds/{step.name}", step.took_s
    for model, entry in report.get("models", {}).items():
        for metric, value in entry["metrics"].items():
            name = metric.replace("@", "_at_")
            yield f"{name}/{model}", float(value["mean"])
            yield f"{name} low/{model}", float(value["low"])
            yield f"{name} high/{model}", float(value["high"])
    gate = report.get("gate")
    if gate is not None:
        yield "gate/lines", float(len(gate["lines"]))
        yield "gate/not passed", float(sum(not line["passed"] for line in gate["lines"]))
    if report:
        yield "alarms", float(len(alarms_of(report)))


def _add_files(client: "MlflowClient", theirs: str, bundle: Path, report: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as room:
        page = Path(room) / "model.html"
        page.write_text(model_page(bundle.name, report), encoding="utf-8")
        for file in (bundle / CARD, bundle / REPORT, page):
            if file.is_file():
                client.log_artifact(theirs, str(file))
