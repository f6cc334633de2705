"""What the command line writes: tables and progress for people, JSON for machines.

Answers go to standard output, progress to standard error and only to a terminal. Errors are `serving.cli.main`'s.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from kg.progress import Progress, silent


def say(text: str) -> None:
    """Print one line for people on standard output; square brackets are kept as they are."""
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


def warn(text: str) -> None:
    """Print one line for people on standard error, beside an answer that goes to standard output."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def print_json(value: object) -> None:
    """Print a value as JSON: dataclasses as objects, times as ISO 8601, paths and enums as text, NaN as null.

    Raises:
        TypeError: the value holds something JSON has no word for.
    """
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table; numbers stand to the right.

    Args:
        columns: headings, one a column.
        rows: values in the order of the columns; None is left empty.
        title: a line above the table; None: no such line.
    """
    kept = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(columns):
        numbers = all(isinstance(row[position], int | float | None) for row in kept) and bool(kept)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in kept:
        table.add_row(*(Text(_cell(value)) for value in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else _width(columns, kept)).print(table)


@contextmanager
def progress_bars(*, wanted: bool = True, transient: bool = False) -> Iterator[Progress]:
    """Give a progress callback that draws one bar a step on standard error.

    Args:
        wanted: False draws nothing (as when the answer is JSON). Without a terminal nothing is drawn either.
        transient: whether the bars vanish at the end.
    """
    if not wanted or not sys.stderr.isatty():
        yield silent
        return
    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        _Count(),
        _Rate(),
        TimeRemainingColumn(),
    )
    # What is printed meanwhile stands above the bars, unless it goes to a file.
    to_terminal = sys.stdout.isatty()
    with Bars(*columns, console=Console(stderr=True), transient=transient, redirect_stdout=to_terminal) as bars:
        yield _Drawing(bars)


class _Drawing:
    """Draws what is reported; a step gets its bar when it is first heard of."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._tasks[step], completed=done, total=total)


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f"/{int(task.total):,}"
        return Text(f"{int(task.completed):,}{total}")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return _plain_list(value)


def _plain_list(value: object) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time.min else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value)


def _width(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """Return a width at which no row is broken, for output that is not a terminal."""
    widest = [max([len(heading), *(len(_cell(row[i])) * 2 for row in rows)]) for i, heading in enumerate(columns)]
    return max(80, sum(widest) + 3 * len(columns))
