"""`python -m bench`, `make bench`: the benchmark of the API, figures as JSON and as a page under docs/benchmarks/.

With `--only quality`, `--only reasons` and `--only speed` nothing is measured: the page is written anew from JSON files
(of `whycart bench quality`, `python -m bench.peers.reasons`, `python -m bench.attention` and others).

The model comes from `whycart demo` (made first when it is not there). Figures are of this machine at this moment; run
it on a quiet one.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import commit_name, processor_name
from bench.graph_page import graph_page
from bench.quality import quality_page
from bench.reasons import reasons_page
from bench.serving import run_benchmark
from bench.serving_page import serving_page
from bench.speed_page import speed_page

PAGE = Path("docs/benchmarks")
PAGES: Mapping[str, Callable[[Sequence[Path]], str]] = {
    "graph": graph_page,
    "quality": quality_page,
    "reasons": reasons_page,
    "speed": speed_page,
}
"""Pages that are made from JSON files in a folder of the same name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return the exit code: 1 when a request failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Run the benchmark of the API and write its page."
    )
    parser.add_argument(
        "--home", type=Path, default=Path(".whycart/demo-journey"), help="folder with a published bundle"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each load")
    parser.add_argument("--only", choices=tuple(PAGES), help="write only this page, from figures that are there")
    options = parser.parse_args(argv)
    if options.only:
        return write_page(options.only)
    if not (options.home / "bundles" / "current").is_file():
        subprocess.run([Path(sys.executable).with_name("whycart"), "demo", "--no-keep"], check=True)
    runs = [
        run_benchmark(options.home, seconds=options.seconds, num_users=1000, n=20, seed=0, workers=workers)
        for workers in sorted({1, os.cpu_count() or 1})
    ]
    about = {
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
        "commit": commit_name(),
        "processor": processor_name(),
    }
    PAGE.mkdir(parents=True, exist_ok=True)
    (PAGE / "serving.json").write_text(json.dumps({**about, "runs": runs}, indent=1) + "\n", encoding="utf-8")
    page = serving_page(about, runs)
    (PAGE / "serving.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return int(any(load["errors"] for run in runs for load in run["loads"]))


def write_page(name: str) -> int:
    """Write one of PAGES from the JSON files beside it; return the exit code."""
    files = sorted((PAGE / name).glob("*.json"))
    if not files:
        sys.stderr.write(f"no JSON file in {PAGE / name}; `python -m bench --help` says which command writes them\n")
        return 1
    (PAGE / f"{name}.md").write_text(PAGES[name](files), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
