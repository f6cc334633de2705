"""`whycart backup` and `whycart restore`: a shop in one archive, and an empty shop filled from it.

What goes in and how it comes back is `serving.backup`'s.
"""

from pathlib import Path
from typing import Annotated

import typer

from serving.backup import Kept, back_up, config_of, look_into, put_back
from serving.cli.output import print_json, progress_bars, say
from serving.settings import FILE_NAME, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write; its name ends with .tar or .tar.gz.")],
    all_models: Annotated[
        bool, typer.Option("--all-models", help="Every model, not only the one served and the one before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write graph, events, state, settings and models into one checked archive.

    The API may run meanwhile. What can be made again stays out: snapshots, caches, the work of a job. The archive holds
    what users did and the settings file, passwords in it included: keep it as safe as the shop.

    Example: whycart backup shop-2026-01-31.tar.gz
    """
    with progress_bars(wanted=not as_json) as progress:
        kept = back_up(load_settings(), file, all_models=all_models, progress=progress)
    _tell(
        kept,
        as_json,
        f"{file.stat().st_size / 1e6:,.1f} MB written to {file}; try it with: whycart restore {file} --check",
    )


def restore(
    file: Annotated[Path, typer.Argument(help="What 'whycart backup' wrote.")],
    check: Annotated[bool, typer.Option("--check", help="Read all of it, compare every hash, change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fill an empty shop from an archive, and compare the graph with it.

    Run it in the shop's folder. Where there is no whycart.toml that of the archive is written; where there is one it
    counts, so a graph may move from the local server to Neo4j and back. Killed on the way, it is run again.

    Example: whycart restore shop-2026-01-31.tar.gz
    """
    with progress_bars(wanted=not as_json) as progress:
        if check:
            kept, line = look_into(file, progress=progress), f"{file} is whole; every hash was compared"
        else:
            _write_config(file)
            settings = load_settings()
            kept = put_back(settings, file, progress=progress)
            line = f"restored into {settings.home}; the graph was read back and is what the archive holds"
    _tell(kept, as_json, line)


def _write_config(file: Path) -> None:
    """Write the settings file of the archive where none is found."""
    text = config_of(file)
    if text is not None and load_settings().source.file is None:
        Path(FILE_NAME).write_text(text, encoding="utf-8")


def _tell(kept: Kept, as_json: bool, line: str) -> None:
    if as_json:
        print_json(kept)
        return
    models = f"{len(kept.versions)} models" if len(kept.versions) != 1 else "1 model"
    served = f", served: {kept.served}" if kept.served else ""
    say(f"{kept.num_nodes:,} nodes, {kept.num_edges:,} relations, {kept.num_events:,} events, {models}{served}")
    say(f"of {kept.created_at}")
    say(line)
