"""Runs a command of this program again and again, each time in a process of its own.

For machines without cron: a run that is killed, or one that leaks, takes nothing with it, and its memory is handed back
when it ends.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from serving.cli.output import say

_COMMAND = "import sys; from serving.cli.main import main; sys.exit(main())"
_LEAVE_S = 30.0


def repeat(
    arguments: Sequence[str], *, every_s: float, times: int | None = None, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Run a command at once and then every so often, counted from beginning to beginning; Ctrl-C ends both.

    A run that takes longer than the interval is followed by the next one without a pause; two are never at work.

    Args:
        arguments: words after `whycart`.
        every_s: seconds from one beginning to the next, above 0.
        times: runs after which it ends; None: never.
        sleep: waits so many seconds.
    """
    done = 0
    while times is None or done < times:
        started = time.monotonic()
        code = _run(arguments)
        done += 1
        if done == times:
            return
        rest = max(0.0, every_s - (time.monotonic() - started))
        say(f"ended with exit code {code}; the next run begins in {rest / 60:.1f} minutes")
        sleep(rest)


def _run(arguments: Sequence[str]) -> int:
    process = subprocess.Popen([sys.executable, "-c", _COMMAND, *arguments])
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
