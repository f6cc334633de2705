"""What a run may take: it is stopped with a sentence, and the next one goes on where it was."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from gnn.bundles import BundleStore
from serving.errors import LimitReached
from serving.job_config import JobConfig
from serving.limits import GIGABYTE, within
from serving.runs import RunLog
from tests.support.shops import QUICK, write_generated

ROOT = Path(__file__).parents[2]
CODE = "import sys; from serving.cli.main import main; sys.exit(main())"


def retrain(project: Path, **limits: str) -> tuple[int, str]:
    """Run the job in a process of its own, as what is cut off in the middle of a library is not used again."""
    settings = {f"WHYCART_JOB_{key}": most for key, most in limits.items()}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-c", CODE, "retrain", "--data", "shop"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_run_that_takes_too_much_is_stopped_and_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "whycart.toml").write_text(QUICK, encoding="utf-8")
    write_generated(tmp_path / "shop", products=60, users=30, events=1200)

    for limit, words in (({"MAX_MINUTES": "0.01"}, "0.01 minutes"), ({"MAX_MEMORY_GB": "0.1"}, "0.1 GB of memory")):
        code, told = retrain(tmp_path, **limit)
        assert 1 == code, told
        assert f"took more than {words}" in told
    assert BundleStore(tmp_path / ".whycart" / "bundles").current_version() is None

    code, told = retrain(tmp_path, MAX_MINUTES="60", MAX_MEMORY_GB="1000")

    assert 0 == code
    assert "going on where the run before was interrupted" in told
    with RunLog.open(tmp_path / ".whycart" / "state.db") as log:
        assert ["published", "stopped", "stopped"] == [run.outcome for run in log.all()]


def test_a_limit_is_no_error_that_a_library_takes_for_its_own() -> None:
    with pytest.raises(LimitReached, match=r"more than 0.001 minutes"), within(JobConfig(max_minutes=0.001)):
        _swallow_errors(seconds=5.0)


def _swallow_errors(*, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            time.sleep(seconds)


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
