"""`whycart init`: a whycart.toml to begin with, for a project or for files that others wrote."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cypher.errors import InputError
from kg.input_toml import write_input_toml
from kg.layouts import EVERY_LAYOUT, recognise
from kg.reader import DECLARATION
from serving.cli.config import CONFIGS, DEFAULTS
from serving.cli.output import say
from serving.example import write_example


def init(
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="A file that a shop or data set came in; once for each of them."),
    ] = None,
    rest: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Further files of --from.")] = None,
    show: Annotated[bool, typer.Option("--print", help="Print it and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a whycart.toml that is there.")] = False,
) -> None:
    """Write a whycart.toml: settings to begin with, or how foreign files are read.

    With --from the layout of the files is recognised or guessed, and a whycart.toml beside them says which of their
    columns are which of ours; their folder is then an input folder. The files stay as they are.

    Example: whycart init --from movies.csv ratings.csv
    """
    given = [*(files or []), *(rest or [])]
    if rest and not files:
        raise InputError("name the files after --from, as in: whycart init --from movies.csv ratings.csv")
    if not given:
        _write(write_example(CONFIGS, defaults=DEFAULTS), Path(DECLARATION), show=show, force=force)
        return
    guess = recognise(given)
    folder = given[0].parent
    _write(write_input_toml(guess), folder / DECLARATION, show=show, force=force)
    if show:
        return
    say(f"layout: {guess.layout}" + ("" if guess.layout in EVERY_LAYOUT else f" (known are {', '.join(EVERY_LAYOUT)})"))
    for note in guess.notes:
        say(f"note: {note}")
    say(f"look at it, then: whycart validate {folder}")


def _write(text: str, file: Path, *, show: bool, force: bool) -> None:
    if show:
        sys.stdout.write(text)
        return
    if file.exists() and not force:
        raise InputError(
            f"{file} is there already and was not touched; --print shows what would be written, --force does"
        )
    file.write_text(text, encoding="utf-8")
    say(f"{file} is written")
