"""The door of the command line: exit codes and error sentences."""

import logging
from collections.abc import Iterator

import pytest
import typer

from cypher.errors import InputError, WhycartError
from serving.cli import main as door
from serving.errors import GateRefused


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def raising(error: BaseException) -> typer.Typer:
    app = typer.Typer()

    @app.callback()
    def options(debug: bool = False) -> None:
        """Take what the real door takes."""

    @app.command()
    def fail() -> None:
        """Fail."""
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("events.csv: no column 'user_id'"), 2, "whycart: events.csv: no column 'user_id'\n"),
        (GateRefused("NDCG@20 fell"), 3, "whycart: NDCG@20 fell\n"),
        (WhycartError("the graph does not answer"), 1, "whycart: the graph does not answer\n"),
        (OSError(13, "Permission denied", "/disk/x"), 1, "whycart: /disk/x: Permission denied\n"),
    ],
)
def test_an_error_is_one_sentence_and_its_exit_code(
    error: Exception,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(door, "app", raising(error))

    found = door.main(["fail"])

    assert (code, "", message) == (found, *capsys.readouterr())


def test_an_error_nobody_foresaw_is_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(door, "app", raising(KeyError("x")))

    code = door.main(["fail"])

    err = capsys.readouterr().err
    assert (1, 1) == (code, err.count("\n"))
    assert err.startswith("whycart: this is an error of Whycart: KeyError: 'x' at test_cli_main.py:")


def test_a_traceback_is_shown_on_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(door, "app", raising(InputError("bad row")))

    door.main(["--debug", "fail"])

    assert "Traceback" in capsys.readouterr().err


def test_control_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "app", raising(KeyboardInterrupt()))

    with pytest.raises(SystemExit) as caught:
        door.main(["fail"])

    assert 130 == caught.value.code


def test_an_unknown_command_is_a_usage_error_that_offers_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        door.main(["docter"])

    assert 2 == caught.value.code
    assert "doctor" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        door.main(["--help"])

    text = capsys.readouterr().out
    assert [] == [entry.name for entry in door.COMMANDS if entry.name not in text]


@pytest.mark.parametrize("entry", door.COMMANDS, ids=lambda entry: entry.name)
def test_the_line_of_help_is_the_one_the_command_gives(entry: door.Entry) -> None:
    command = door.load_entry(entry)

    assert entry.help == (command.help or "").split("\n", maxsplit=1)[0]
