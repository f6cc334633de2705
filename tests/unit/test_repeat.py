"""Runs at intervals: one after the other, in processes of their own, with nothing left running."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger

from serving.cli.main import main
from serving.cli.repeat import Cron, Every, parse_plan, repeat

SLOW = (
    "import signal, sys\nfrom serving.cli import repeat\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "repeat._COMMAND = 'import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
    "time.sleep(60)'\n"
    "repeat.repeat([sys.argv[1]], repeat.Every(1.0))\n"
)


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_an_interval_counts_from_beginning_to_beginning_and_a_late_run_is_followed_at_once() -> None:
    plan = parse_plan("6h", name="[job] schedule")

    assert NOON == plan.next_at(None, NOON)
    assert NOON + timedelta(hours=6) == plan.next_at(NOON, NOON + timedelta(hours=2))
    assert NOON + timedelta(hours=9) == plan.next_at(NOON, NOON + timedelta(hours=9))


def test_a_line_of_crontab_names_moments_and_what_is_missed_is_left_out() -> None:
    plan = Cron(CronTrigger.from_crontab("0 3 * * *", timezone=UTC))

    night = datetime(2026, 2, 1, 3, tzinfo=UTC)
    assert night == plan.next_at(None, NOON)
    assert night + timedelta(days=1) == plan.next_at(night, night)
    assert night + timedelta(days=3) == plan.next_at(night, night + timedelta(days=2, hours=4))
    assert Every(90 * 24 * 3600) == parse_plan("90d", name="x")
    assert isinstance(parse_plan("*/5 * * * 1-5", name="x"), Cron)


@dataclass
class Soon:
    """A tenth of a second after the last one; keeps what it was asked."""

    asked: list[datetime | None] = field(default_factory=list)

    def next_at(self, before: datetime | None, now: datetime) -> datetime | None:
        self.asked.append(before)
        return now + timedelta(seconds=0.1)


def test_a_command_runs_so_many_times_and_says_when_the_next_begins(capfd: pytest.CaptureFixture[str]) -> None:
    plan = Soon()

    repeat(["--version"], plan, times=3)

    lines = capfd.readouterr().out.splitlines()
    assert 3 == sum(line.startswith("whycart ") for line in lines)
    assert 3 == lines.count("the run ended with exit code 0")
    assert 3 == sum(line.startswith("the next run begins at 2") for line in lines)
    assert 3 == len(plan.asked)
    assert None is plan.asked[0]
    assert all(before is not None for before in plan.asked[1:])


def test_a_loop_that_is_told_to_stop_ends_between_runs() -> None:
    stop = threading.Event()
    loop = threading.Thread(target=repeat, args=(["--version"], Every(3600)), kwargs={"stop": stop})
    loop.start()

    stop.set()
    loop.join(30)

    assert not loop.is_alive()


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
    assert "--cutoff is for one run" in capsys.readouterr().err
    assert 2 == main(["retrain", "--cron", "0 3 * * *", "--afresh", "--json"])
    assert "--afresh and --json are for one run" in capsys.readouterr().err
    assert 2 == main(["retrain", "--cron", "0 3 * * *", "--every", "6h"])
    assert "--every and --cron exclude each other" in capsys.readouterr().err
    for line in ("0 3 * *", "61 3 * * *", "", "every night"):
        assert 2 == main(["retrain", "--cron", line])
        assert "no line of crontab" in capsys.readouterr().err
    assert 2 == main(["retrain", "--every", "soon"])
    assert "--every" in capsys.readouterr().err
