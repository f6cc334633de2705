"""Runs at intervals: one after the other, in processes of their own, with nothing left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.cli.main import main
from serving.cli.repeat import repeat

SLOW = (
    "import signal, sys\nfrom serving.cli import repeat\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "repeat._COMMAND = 'import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
    "time.sleep(60)'\n"
    "repeat.repeat([sys.argv[1]], every_s=1.0)\n"
)


def test_a_command_runs_so_many_times_and_waits_for_the_rest_of_the_interval(
    capfd: pytest.CaptureFixture[str],
) -> None:
    waits: list[float] = []

    repeat(["--version"], every_s=100.0, times=3, sleep=waits.append)

    assert 3 == capfd.readouterr().out.count("whycart ")
    assert 2 == len(waits)
    assert all(60 < wait < 100 for wait in waits)


def test_a_run_that_takes_longer_than_the_interval_is_followed_at_once() -> None:
    waits: list[float] = []

    repeat(["--version"], every_s=0.001, times=2, sleep=waits.append)

    assert [0.0] == waits


def test_whoever_is_stopped_stops_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(note)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(note.read_text())

    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    finally:
        process.kill()
        process.wait()

    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_what_is_for_one_run_does_not_go_with_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["retrain", "--every", "6h", "--cutoff", "2026-01-31T00:00:00Z"])
    assert "--cutoff are for one run" in capsys.readouterr().err
    assert 2 == main(["retrain", "--every", "soon"])
    assert "--every" in capsys.readouterr().err
