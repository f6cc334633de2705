"""How log lines look."""

import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.logs import log_to, setup_logging

logger = logging.getLogger("kg.trial")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_for_people_holds_the_facts() -> None:
    stream = io.StringIO()
    setup_logging("info", json=False, stream=stream)

    logger.info("batch %s", "written", extra={"num_rows": 5})

    assert stream.getvalue().endswith(" info kg.trial: batch written num_rows=5\n")


def test_a_line_for_machines_is_one_json_object() -> None:
    stream = io.StringIO()
    setup_logging("info", json=True, stream=stream)

    logger.info("batch written", extra={"num_rows": 5})

    line = json.loads(stream.getvalue())
    assert ("info", "kg.trial", "batch written", 5) == (
        line["level"],
        line["logger"],
        line["message"],
        line["num_rows"],
    )


def test_without_a_terminal_lines_are_json() -> None:
    stream = io.StringIO()
    setup_logging("info", stream=stream)

    logger.info("hello")

    assert "hello" == json.loads(stream.getvalue())["message"]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_is_not_written(as_json: bool) -> None:
    stream = io.StringIO()
    setup_logging("info", json=as_json, stream=stream)

    logger.info("connected", extra={"graph_password": "12345"})

    assert "12345" not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_record_is_one_line_even_with_a_traceback(as_json: bool) -> None:
    stream = io.StringIO()
    setup_logging("info", json=as_json, stream=stream)

    try:
        raise KeyError("lost\nline")
    except KeyError:
        logger.exception("a step\nfailed")

    assert 1 == stream.getvalue().count("\n")


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    setup_logging("warning", stream=stream)

    logger.info("hello")

    assert "" == stream.getvalue()


def test_other_libraries_are_heard_from_warning_up() -> None:
    stream = io.StringIO()
    setup_logging("debug", stream=stream)

    logging.getLogger("somebody.else").info("chatter")

    assert "" == stream.getvalue()


def test_a_second_set_up_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    setup_logging("info", stream=first)
    setup_logging("info", stream=second)

    logger.info("hello")

    assert ("", 1) == (first.getvalue(), second.getvalue().count("\n"))


def test_a_file_hears_info_while_the_terminal_hears_warnings_only(tmp_path: Path) -> None:
    stream, file = io.StringIO(), tmp_path / "logs" / "run.jsonl"
    setup_logging("warning", stream=stream)

    with log_to(file):
        logger.info("hello", extra={"rows": 3})
        logging.getLogger("somebody.else").info("chatter")
        logger.warning("careful")
    logger.info("later")

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [("hello", "info"), ("careful", "warning")] == [(line["message"], line["level"]) for line in lines]
    assert 3 == lines[0]["rows"]
    assert 1 == stream.getvalue().count("\n")
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert logging.WARNING == logging.getLogger("serving").level
