"""What a run may take: it is stopped with a sentence, and the next one goes on where it was."""

import json
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from gnn.bundles import BundleStore
from serving.cli.main import app, main
from serving.errors import LimitReached
from serving.job_config import JobConfig
from serving.limits import GIGABYTE, within
from tests.support.shops import write_generated

QUICK = "[train]\nepochs = 1\nmin_steps = 1\n[model]\ndim = 16\nheads = 2\n[learn]\nk = 10\nshare = 0.15\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "whycart.toml").write_text(QUICK, encoding="utf-8")
    write_generated(tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_that_takes_too_much_is_stopped_and_gone_on_with(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, limit, unit in (("MAX_MINUTES", "0.01", "minutes"), ("MAX_MEMORY_GB", "0.01", "GB of memory")):
        monkeypatch.setenv(f"WHYCART_JOB_{key}", limit)
        assert 1 == main(["retrain", "--data", "shop"])
        assert f"took more than 0.01 {unit}" in " ".join(capsys.readouterr().err.split())
        monkeypatch.setenv(f"WHYCART_JOB_{key}", "1000")
    assert BundleStore(project / ".whycart" / "bundles").current_version() is None

    went_on = CliRunner().invoke(app, ["retrain", "--data", "shop"], catch_exceptions=False)

    assert "going on where the run before was interrupted" in went_on.output
    found = json.loads(CliRunner().invoke(app, ["runs", "list", "--json"], catch_exceptions=False).stdout)
    assert ["published", "stopped", "stopped"] == [run["outcome"] for run in found["runs"]]


def test_memory_is_looked_at_while_it_grows() -> None:
    now = psutil.Process().memory_info().rss / GIGABYTE

    with pytest.raises(LimitReached, match="GB of memory"), within(JobConfig(max_memory_gb=now + 0.2)):
        _fill(10_000)


def _fill(times: int) -> list[np.ndarray]:
    return [np.ones(1_000_000) for _ in range(times)]


def test_nothing_is_left_behind() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGUSR1)]

    with within(JobConfig(max_minutes=5.0, max_memory_gb=1000.0)):
        assert 0.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 300.0

    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert before == [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGUSR1)]
