"""The state file is shared: what one process has open, another one that opens and closes it leaves alone."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import tenacity

from serving import state as state_file
from serving.errors import StateError
from serving.events import EventLog
from serving.runs import RunLog

OPEN_AND_CLOSE = (
    "import sys\nfrom pathlib import Path\nfrom serving.runs import RunLog\n"
    "with RunLog.open(Path(sys.argv[1])) as log:\n    log.all()\n"
)


def test_another_process_that_closes_the_file_leaves_the_writes_of_this_one_in_place(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with RunLog.open(state) as log, EventLog.open(state):
        log.all()
        before = os.stat(f"{state}-wal").st_ino

        subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE, str(state)], check=True)

        assert before == os.stat(f"{state}-wal").st_ino


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with RunLog.open(tmp_path / "state.db"):
        assert 0o600 == stat.S_IMODE(os.stat(tmp_path / "state.db").st_mode)


def test_a_new_file_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # before it writes ahead, as the first step of a new file is
        release = threading.Timer(0.3, other.execute, ["ROLLBACK"])
        release.start()

        with RunLog.open(path) as log:
            assert not log.all()
        release.join()


def test_a_file_that_stays_busy_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    monkeypatch.setattr(state_file._switch_to_wal.retry, "stop", tenacity.stop_after_delay(0.1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StateError, match="database is locked"):
            RunLog.open(path)
