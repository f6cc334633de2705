"""Runs a command of this program again and again, each time in a process of its own.

For machines without cron: a run that is killed, or one that leaks, takes nothing with it, and its memory is handed back
when it ends.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.triggers.cron import CronTrigger

from serving.cli.keys import parse_duration
from serving.cli.output import say
from serving.errors import ConfigError

logger = logging.getLogger(__name__)
_COMMAND = "import sys; from serving.cli.main import main; sys.exit(main())"
_LEAVE_S = 30.0
_LOOK_S = 0.2


class Plan(Protocol):
    """When runs begin."""

    def next_at(self, before: datetime | None, now: datetime) -> datetime | None:
        """Return when the next run begins; None: never.

        Args:
            before: when the last one began; None: there was none.
            now: at least as late.
        """


@dataclass(frozen=True, slots=True)
class Every:
    """At once and then every so often, from beginning to beginning."""

    seconds: float

    def next_at(self, before: datetime | None, now: datetime) -> datetime | None:
        """Return when the next run begins: now, where the last one took longer than the interval."""
        return now if before is None else max(now, before + timedelta(seconds=self.seconds))


@dataclass(frozen=True, slots=True)
class Cron:
    """As a line of crontab says, in the time of this machine; what is missed while a run is at work is left out."""

    trigger: CronTrigger

    def next_at(self, before: datetime | None, now: datetime) -> datetime | None:
        """Return the first moment after now that the line names."""
        found: datetime | None = self.trigger.get_next_fire_time(None, now + timedelta(microseconds=1))
        return found


def parse_plan(text: str, *, name: str) -> Plan:
    """Return the plan that a text describes: an interval such as `6h`, or a line of crontab such as `0 3 * * *`.

    Args:
        text: one or the other.
        name: of the option or the key, for errors.

    Raises:
        InputError: it is neither.
    """
    return parse_every(text, name=name) if len(text.split()) == 1 else parse_cron(text, name=name)


def parse_every(text: str, *, name: str) -> Plan:
    """Return the plan of an interval such as `6h`.

    Raises:
        InputError: it is none.
    """
    return Every(parse_duration(text, option=name) / 1000)


def parse_cron(text: str, *, name: str) -> Plan:
    """Return the plan of a line of crontab, its five fields without a command.

    Raises:
        ConfigError: it is none.
    """
    try:
        return Cron(CronTrigger.from_crontab(text))
    except ValueError as err:
        raise ConfigError(
            f"{name} is no line of crontab: {text!r} ({err}); give minute, hour, day, month and weekday, such as "
            "'0 3 * * *' for three o'clock every night"
        ) from err


def repeat(
    arguments: Sequence[str],
    plan: Plan,
    *,
    times: int | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[str], None] = say,
) -> None:
    """Run a command by a plan; two runs are never at work. Ctrl-C ends the loop and the run.

    Args:
        arguments: words after `whycart`.
        plan: when runs begin.
        times: runs after which it ends; None: never.
        stop: set it to end the loop and the run under way.
        tell: hears when the next run begins and how one ended; what a run itself prints is heard with `say` only.
    """
    stopped, done, began = stop or threading.Event(), 0, None
    while times is None or done < times:
        now = datetime.now(UTC)
        at = plan.next_at(began, now)
        if at is None:
            return
        if (rest := (at - now).total_seconds()) > 0:
            tell(f"the next run begins at {at.astimezone():%Y-%m-%d %H:%M:%S}")
        if stopped.wait(max(0.0, rest)):
            return
        began = datetime.now(UTC)
        code = _run(arguments, stopped, quiet=tell is not say)
        done += 1
        tell(f"the run ended with exit code {code}")


@contextmanager
def beside(arguments: Sequence[str], plan: Plan) -> Iterator[None]:
    """Run a command by a plan beside what runs inside; the loop and the run under way end with it."""
    stop = threading.Event()
    loop = threading.Thread(
        target=repeat, args=(arguments, plan), kwargs={"stop": stop, "tell": logger.info}, name="jobs"
    )
    loop.start()
    try:
        yield
    finally:
        stop.set()
        loop.join()


def _run(arguments: Sequence[str], stop: threading.Event, *, quiet: bool) -> int:
    out = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen([sys.executable, "-c", _COMMAND, *arguments], stdout=out)
    try:
        while not stop.is_set():
            try:
                return process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                continue
        return _end(process)
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(_LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
