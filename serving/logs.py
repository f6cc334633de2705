"""How log lines look; set up once, by a process's edge.

One line a record, facts from `extra`: `key=value` for people, JSON lines for machines. Modules only ever call
`logging.getLogger(__name__)`. This module hides values whose name says they are secret, but nobody should log one.
"""

import contextlib
import contextvars
import json as json_module
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO

Level = Literal["debug", "info", "warning", "error"]
SHOP: ContextVar[str | None] = ContextVar("shop", default=None)
"""The shop that is worked for, where one process serves several; it stands in every log line."""
_SECRET_WORDS = ("password", "secret", "token", "api_key", "authorization")
_BUILT_IN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_ROOMS = ("cypher", "encoders", "gnn", "kg", "serving")


class TextFormatter(logging.Formatter):
    """`12:30:01 info kg.ingest: batch written num_rows=5000`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line for people."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        facts = "".join(f" {key}={value}" for key, value in facts_of(record).items())
        line = f"{at} {record.levelname.lower()} {record.name}: {record.getMessage()}{facts}"
        return _one_line(line + _traceback(self, record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and the facts beside them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        line = facts_of(record) | {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json_module.dumps(line, default=str, ensure_ascii=False)


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what was given as `extra`, the values of secret-sounding names replaced by stars."""
    return {
        key: "***" if any(word in key.lower() for word in _SECRET_WORDS) else value
        for key, value in vars(record).items()
        if key not in _BUILT_IN
    }


def setup_logging(level: Level = "info", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send this project's log lines to one stream; a second call replaces the first.

    Args:
        level: least level that is written. Other libraries are heard from `warning` up.
        json: JSON lines; None: exactly when the stream is not a terminal.
        stream: where lines go; None: standard error.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.set_name("whycart")
    as_json = not target.isatty() if json is None else json
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    handler.addFilter(_is_heard)
    handler.addFilter(_with_shop)
    handler.setLevel(level.upper())
    root = logging.getLogger()
    for old in [known for known in root.handlers if known.get_name() == "whycart"]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))
    for room in _ROOMS:
        logging.getLogger(room).setLevel(level.upper())


@contextlib.contextmanager
def log_to(file: Path) -> Iterator[None]:
    """Write this project's log lines from `info` up into a file too, as JSON lines, whatever else hears them.

    Args:
        file: is gone on with when it is there; its folder is created. Only the owner may read it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_is_heard)
    rooms = [logging.getLogger(room) for room in _ROOMS]
    before = [room.level for room in rooms]
    for room in rooms:
        room.setLevel(min(room.getEffectiveLevel(), logging.INFO))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
        for room, level in zip(rooms, before, strict=True):
            room.setLevel(level)


@contextlib.contextmanager
def working_for(shop: str) -> Iterator[None]:
    """Name a shop in every log line of what is done meanwhile, and by the threads (`background`) made meanwhile."""
    token = SHOP.set(shop)
    try:
        yield
    finally:
        SHOP.reset(token)


def background(work: Callable[[], None], name: str) -> threading.Thread:
    """Return a thread, not started, that ends with the process and whose log lines name the shop of who makes it."""
    run = contextvars.copy_context().run
    return threading.Thread(target=run, args=(work,), name=name, daemon=True)


def _with_shop(record: logging.LogRecord) -> bool:
    if (shop := SHOP.get()) is not None:
        record.shop = shop
    return True


def _is_heard(record: logging.LogRecord) -> bool:
    """Whether a line is one of ours, or grave enough: some libraries set a level of their own when they are loaded."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in _ROOMS


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return f" traceback={formatter.formatException(record.exc_info)}" if record.exc_info else ""


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
