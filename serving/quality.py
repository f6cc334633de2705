"""Comparing models on an input folder, as a job: read, encode, split, run the contest, write JSON and page.

No graph server is needed: the snapshot comes straight from the checked tables. How models are made is
`gnn.entrants`'s business, what is measured `gnn.contest`'s; options and printing are `serving.cli.bench`'s.
"""

import difflib
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from cypher.errors import InputError
from gnn.config import LearnConfig
from gnn.contest import ContestConfig, Make, run_contest
from gnn.learn import Vectors
from gnn.outcome import outcome_to_json, sum_up
from gnn.split import DataSplit, SplitName, split_snapshot
from kg.progress import Progress, silent
from kg.reader import read_folder, read_splits
from kg.schema import STRUCTURE, GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.tables import Tables
from serving.quality_page import quality_page
from serving.quality_words import difference_sentences
from serving.versions import package_versions

ALL, NONE = "all", "none"
Encode = Callable[[Snapshot], Vectors]
"""Gives the text vector of every node by label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to compare on which data, as it was asked on the command line."""

    data: Path
    """Input folder."""
    contest: ContestConfig
    """Models, cut-offs and seeds."""
    split: SplitName | None = None
    """How to split; None: the published split where there is one, else by what is known of the order."""
    cuts: tuple[int, int] | None = None
    """Epoch milliseconds at which validation and test begin; None: as the share of the settings says."""
    relations: str = ALL
    """Which relations of the table `relations` take part: all, none, or names with commas."""
    options: tuple[str, ...] = ()
    """The options that were given, to repeat the run with."""
    command: str = "quality"
    """The word after `whycart bench`."""

    def __post_init__(self) -> None:
        if self.cuts is not None and self.split not in (None, "temporal"):
            raise InputError(f"--valid-from and --test-from belong to the temporal split, got --split {self.split}")


@dataclass(frozen=True, slots=True)
class Material:
    """What a comparison works on."""

    snapshot: Snapshot
    relations: tuple[str, ...]
    """Relations of the table `relations` that take part."""
    given: Mapping[str, pa.Table] | None
    """The published split; None: there is none."""


def read_material(question: Question, schema: GraphSchema, *, progress: Progress = silent) -> Material:
    """Read and check the input folder of a question.

    Raises:
        InputError: the folder is broken, a relation is unknown, or the published split is asked for and not there.
    """
    tables = keep_relations(read_folder(question.data, base=schema, progress=progress).tables, question.relations)
    used = tuple(name for name in _from_table(tables) if tables.edges[name].num_rows)
    splits = read_splits(question.data)
    given = splits if {"split_train", "split_test"} <= splits.keys() else None
    if question.split == "given" and given is None:
        raise InputError(f"--split given needs split_train and split_test in {question.data}; there are none")
    return Material(build_snapshot(tables), used, given)


def keep_relations(tables: Tables, wanted: str) -> Tables:
    """Return the tables with only some of the relations that come from the table `relations`.

    What comes from columns of the product table (brands, categories) always stays.

    Args:
        tables: the whole shop.
        wanted: `all`, `none`, or names separated by commas.

    Raises:
        InputError: a name is unknown; the nearest one is offered.
    """
    if wanted == ALL:
        return tables
    known = _from_table(tables)
    kept = [] if wanted == NONE else [name.strip() for name in wanted.split(",")]
    for name in kept:
        if name not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"--relations: no relation {name!r}; {hint} ('all' and 'none' are words of their own)")
    dropped = {name for name in known if name not in kept}
    edges = {name: table.slice(0, 0) if name in dropped else table for name, table in tables.edges.items()}
    return replace(tables, edges=edges)


def compare(
    question: Question,
    material: Material,
    make: Make,
    *,
    config: LearnConfig,
    vectors: Vectors,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run the contest and return its outcome as the JSON of the bench.

    Args:
        question: what to compare.
        material: what to compare on.
        make: gives the models of a split and a seed.
        config: settings of learning; gives the share of the split.
        vectors: text vectors by label.
        progress: called as work moves.
    """
    start = time.perf_counter()

    def split_of(seed: int) -> DataSplit:
        return split_snapshot(
            material.snapshot,
            name="temporal" if question.cuts else question.split,
            share=config.share,
            seed=seed,
            given=material.given if question.split in (None, "given") else None,
            cuts=question.cuts,
        )

    texts = vectors.get("Product")
    contest = run_contest(material.snapshot, split_of, make, config=question.contest, vectors=texts, progress=progress)
    about = {
        "data": question.data.resolve().name,
        "relations": list(material.relations),
        "snapshot": material.snapshot.hash,
        "command": shlex.join(["whycart", "bench", question.command, *question.options]),
        "commit": commit(),
        "versions": package_versions(),
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "wall_s": round(time.perf_counter() - start, 1),
    }
    result = outcome_to_json(sum_up(contest), about)
    return result | {"says": difference_sentences(result)}


def write_result(result: Mapping[str, Any], file: Path) -> Path:
    """Write the JSON and the page beside it; return the page's path."""
    page = file.with_suffix(".html")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    page.write_text(quality_page(result), encoding="utf-8")
    return page


def commit() -> str:
    """Return the commit of the code that runs, `-dirty` when it was changed; `unknown` outside a checkout."""
    here, git = Path(__file__), shutil.which("git")
    if git is None or _git(git, here, "ls-files", "--error-unmatch", here.name) is None:
        return "unknown"
    return _git(git, here, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12") or "unknown"


def _git(git: str, here: Path, *args: str) -> str | None:
    done = subprocess.run([git, "-C", here.parent, *args], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _from_table(tables: Tables) -> list[str]:
    return [name for name in sorted(tables.edges) if name not in STRUCTURE]
