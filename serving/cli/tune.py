"""`whycart tune`: searches for better settings of learning on validation; `serving.tuning` does the work."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cypher.errors import InputError
from gnn.split import Trial, repeat_share, split_snapshot
from kg.reader import read_splits
from kg.snapshot import build_snapshot
from serving.cli.learn import AsJson, Split, read_config, use_all_cores
from serving.cli.output import print_json, print_table, progress_bars, say
from serving.folder_input import read_input
from serving.node_vectors import encode_nodes
from serving.settings import load_settings
from serving.tuning import as_toml, search


def tune(
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Input folder to tune on.")],
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trials that this run adds.")] = 20,
    split: Split = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the best settings here as a whycart.toml.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search for better settings of learning.

    Only validation decides; the test part is never looked at. Stopped, it goes on where it was.

    Example: whycart tune --data shop --trials 10 --out tuned.toml
    """
    if out is not None and out.exists():
        raise InputError(f"--out {out} is already there; name a new file")
    settings = load_settings()
    config = read_config(settings, split=split)
    use_all_cores()
    with progress_bars(wanted=not as_json) as progress:
        made = build_snapshot(read_input(settings, data, progress=progress).report.tables)
        _, vectors, _ = encode_nodes(made, config.encoder, cache=settings.cache, progress=progress)
        given = read_splits(data) if split in (None, "given") else {}
        parts = split_snapshot(made, name=split, share=config.learn.share, given=given or None)
        repeats = repeat_share(parts.train, parts.valid)
        trial = Trial(parts.train, parts.valid, repeats < config.learn.repeats_from)
        start = replace(config.learn, fuse=replace(config.learn.fuse, k=config.learn.k))
        journal = settings.home / "tune" / "trials.db"
        found = search(trial, vectors, start=start, journal=journal, trials=trials, progress=progress)
    if out is not None:
        out.write_text(as_toml(found.dials), encoding="utf-8")
    if as_json:
        facts = {"value": found.value, "default_value": found.default_value, "trials": found.num_trials}
        print_json(facts | {"dials": found.dials, "split": parts.name, "journal": journal})
        return
    print_table(("dial", "best value"), list(found.dials.items()))
    say(
        f"validation NDCG@{config.learn.k} {found.value:.4f}, with the settings it began with "
        f"{found.default_value:.4f}, after {found.num_trials} trials kept in {journal}"
    )
    say(
        f"written to {out}"
        if out
        else "write it with --out FILE, and learn with it: WHYCART_CONFIG=FILE whycart retrain"
    )
