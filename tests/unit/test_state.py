"""The state file is shared: what one process has open, another one that opens and closes it leaves alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

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
