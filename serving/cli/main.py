"""The door of the command line: `whycart COMMAND`.

Holds the list of commands, and turns errors into one sentence and an exit code: 0 done, 1 our error, 2 usage or bad
input, 3 the gate refused, 130 stopped by Ctrl-C. It does no work itself; a command's module is imported when the
command is used, so that `whycart --help` loads none of the libraries behind them.
"""

import errno
import importlib
import importlib.metadata
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command, get_group

from cypher.errors import WhycartError
from serving.logs import Level, setup_logging

EXIT_OUR_ERROR = 1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is imported when it is used."""

    name: str
    """The word after `whycart`."""
    module: str
    """Module of the command, in this package."""
    attribute: str
    """A function with typer parameters, or a `typer.Typer` for a group of commands."""
    help: str
    """The line in `whycart --help`; a test holds it equal to the first line of the command's own help."""
    panel: str
    """Heading it stands under in `whycart --help`."""


_START, _DATA, _LEARN, _SERVE, _CARE = "Start here", "Data and graph", "Learning", "Recommending", "Care"
COMMANDS = (
    Entry(
        "demo", "demo", "demo", "Run the whole job on real data, from files to recommendations that say why.", _START
    ),
    Entry("doctor", "doctor", "doctor", "Check this machine and this installation.", _START),
    Entry(
        "init", "init", "init", "Write a whycart.toml: settings to begin with, or how foreign files are read.", _START
    ),
    Entry("validate", "data", "validate", "Check an input folder and change nothing.", _DATA),
    Entry("ingest", "data", "ingest", "Import an input folder into the graph.", _DATA),
    Entry("graph", "graph", "app", "Start, stop, look into and query the graph.", _DATA),
    Entry("snapshot", "learn", "snapshot", "Cut the graph at a time and write it to disk.", _LEARN),
    Entry("encode", "learn", "encode", "Turn the text of a snapshot into vectors.", _LEARN),
    Entry("train", "learn", "train", "Train a model on a snapshot.", _LEARN),
    Entry("evaluate", "learn", "evaluate", "Measure a model beside the baselines.", _LEARN),
    Entry("retrain", "retrain", "retrain", "Run everything from the snapshot to the published bundle.", _LEARN),
    Entry("bench", "bench", "app", "Compare the model with others on an input folder.", _LEARN),
    Entry("tune", "tune", "tune", "Search for better settings of learning.", _LEARN),
    Entry(
        "runs", "runs", "app", "List, show, compare and report runs of the retraining, and print their logs.", _LEARN
    ),
    Entry("models", "models", "app", "List, show, compare, promote, roll back and delete models.", _LEARN),
    Entry("serve", "serve", "serve", "Serve recommendations over HTTP.", _SERVE),
    Entry(
        "recommend",
        "recommend",
        "recommend",
        "Recommend products to a user, with reasons, or to every user at once.",
        _SERVE,
    ),
    Entry("explain", "explain", "explain", "Say why a product is, or is not, recommended to a user.", _SERVE),
    Entry(
        "search",
        "search",
        "search",
        "Search for products as a customer would, and say how the search was understood.",
        _SERVE,
    ),
    Entry(
        "profile",
        "profile",
        "profile",
        "Say what a user likes: brands, categories and prices, with the events that say so.",
        _SERVE,
    ),
    Entry("rules", "rules", "app", "Write, list, try and delete business rules: pins, boosts, caps and more.", _SERVE),
    Entry(
        "uptake",
        "uptake",
        "uptake",
        "Tell click-through and conversion of recorded lists, by position, placement, surface or model.",
        _SERVE,
    ),
    Entry("keys", "keys", "app", "Make, list, rotate and revoke keys of the API.", _CARE),
    Entry("users", "users", "app", "Hand out or delete what is held of a user.", _CARE),
    Entry("recommendations", "recommendations", "app", "Forget the recorded lists of a user.", _CARE),
    Entry(
        "backup", "backup", "backup", "Write graph, events, state, settings and models into one checked archive.", _CARE
    ),
    Entry("restore", "backup", "restore", "Fill an empty shop from an archive, and compare the graph with it.", _CARE),
    Entry("config", "config", "app", "Show the settings in use, or an example file with every setting.", _CARE),
)
"""Every command, in the order of the help page."""


def load_entry(entry: Entry) -> Any:
    """Import a command.

    Args:
        entry: one of COMMANDS.

    Returns:
        The click command that typer builds from it.
    """
    target = getattr(importlib.import_module(f"serving.cli.{entry.module}"), entry.attribute)
    if isinstance(target, typer.Typer):
        return get_group(target)
    single = typer.Typer(add_completion=False)
    single.command(entry.name)(target)
    return get_command(single)


class LazyGroup(TyperGroup):
    """A group whose commands show a line of help at once and are imported when one is used."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, imported command and the remaining arguments."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        entry = next((entry for entry in COMMANDS if entry.name == name), None)
        return name, load_entry(entry) if entry else stand_in, rest


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="A recommender for shops that says why.",
    epilog="Settings: whycart.toml and WHYCART_...; 'whycart config example' prints them all.",
)


def _stand_in(help_line: str) -> Callable[[], None]:
    def command() -> None:
        raise NotImplementedError

    command.__doc__ = help_line
    return command


for _entry in COMMANDS:
    app.command(_entry.name, rich_help_panel=_entry.panel)(_stand_in(_entry.help))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"whycart {importlib.metadata.version('whycart')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
    log_level: Annotated[Level, typer.Option("--log-level", help="Least level of log lines on stderr.")] = "warning",
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines on a terminal too.")] = False,
) -> None:
    setup_logging("debug" if debug else log_level, json=log_json or not sys.stderr.isatty())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; None: those of the process.

    Returns:
        The exit code of an error; success and usage errors leave by SystemExit.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _quieten_libraries()
    try:
        get_command(app).main(args=arguments, prog_name="whycart")
    except KeyboardInterrupt:
        return 130
    except Exception as err:
        if "--debug" in arguments:
            traceback.print_exc()
        message, code = _verdict(err)
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"whycart: {message}")
        return code
    return 0


def _quieten_libraries() -> None:
    """Set what the learning libraries read when they are imported; what the user set stays."""
    # Threads that spin while they wait take the cores from those that work: several times slower on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # torch-geometric calls it on import; there is nothing a user can do about it.
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)


def _verdict(err: Exception) -> tuple[str, int]:
    """Return what to say about an error, and the exit code."""
    if isinstance(err, WhycartError):
        return str(err), err.exit_code
    if isinstance(err, OSError) and err.errno in _NO_ROOM:
        return f"the disk is full ({err}); what is served was not touched: make room, and run it again", EXIT_OUR_ERROR
    if isinstance(err, MemoryError) or "can't allocate memory" in str(err):  # the second is how torch says it
        return f"memory ran out ({err}); what is served was not touched: give the process more", EXIT_OUR_ERROR
    if isinstance(err, OSError) and err.filename is not None:
        return f"{err.filename}: {err.strerror}", EXIT_OUR_ERROR
    frames = traceback.extract_tb(err.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = f"{type(err).__name__}: {err}".rstrip(": ")
    return f"this is an error of Whycart: {what}{place}; 'whycart --debug ...' shows the traceback", EXIT_OUR_ERROR
