"""`python -m bench.large_file`: event files of growing size are checked by `whycart ingest --dry-run`, in parts.

Each size is a CSV file of a shop with 50,000 products; users grow with the file, 20 events each. A process of its own
reads it; seconds, rows and the most memory it had are told. The smallest is read at once as well, to compare.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bench.figures import commit_name, processor_name
from bench.serving import COMMAND

PRODUCTS, EVENTS_A_USER = 50_000, 20
_CHUNK = 500_000
_ROW_BYTES = 53
"""Bytes of a row of the file, about."""


def write_shop(folder: Path, size_mb: int) -> int:
    """Write a shop whose event file has about so many MB; return how many events it has."""
    draw, rows = np.random.default_rng(size_mb), (size_mb << 20) // _ROW_BYTES
    products = [f"p{number:06d}" for number in range(PRODUCTS)]
    shelf = pa.table({"product_id": products, "title": [f"Product {number}" for number in range(PRODUCTS)]})
    pa_csv.write_csv(shelf, folder / "products.csv")
    schema = pa.schema([(name, pa.string()) for name in ("event_id", "user_id", "product_id", "type", "at")])
    with pa_csv.CSVWriter(folder / "events.csv", schema) as out:
        for first in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - first)
            place = (PRODUCTS * draw.random(count) ** 3).astype(np.int64)
            user = draw.integers(0, max(1, rows // EVENTS_A_USER), count)
            at = 1_700_000_000 + draw.integers(0, 365 * 86_400, count)
            columns = [
                _named("e", np.arange(first, first + count)),
                _named("u", user),
                pa.array(products).take(pa.array(place)),
                pa.array(np.where(draw.random(count) < 0.7, "viewed", "bought")),
                pa.array(at).cast(pa.string()),
            ]
            out.write_table(pa.table(columns, schema=schema))
    return rows


def _named(letter: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


def check(folder: Path, part_mb: int) -> dict[str, Any]:
    """Check a folder in a process of its own; return its figures."""
    call = [sys.executable, "-c", COMMAND, "ingest", str(folder), "--dry-run", "--json", "--part-mb", str(part_mb)]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home, subprocess.Popen(call, cwd=home, stdout=subprocess.PIPE) as process:
        told = json.loads(process.stdout.read()) if process.stdout else {}
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(call)} ended with {process.returncode}")
    return {
        "parts": told["parts"],
        "events": sum(told["events"].values()),
        "took_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_rss_mb": round(used.ru_maxrss / 1024),  # Linux counts it in KiB
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.large_file", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="250,1000,5000", metavar="MB,...", help="of the event files")
    parser.add_argument("--part-mb", type=int, default=256)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    found: list[dict[str, Any]] = []
    for number, size_mb in enumerate(map(int, options.sizes.split(","))):
        with tempfile.TemporaryDirectory() as base:
            events = write_shop(Path(base), size_mb)
            whole_mb = (Path(base) / "events.csv").stat().st_size >> 20
            for part_mb in (whole_mb + 1, options.part_mb) if not number else (options.part_mb,):
                figures = check(Path(base), part_mb)
                if figures["events"] != events:
                    raise SystemExit(f"{events:,} events were written and {figures['events']:,} were read")
                found.append({"file_mb": whole_mb, **figures})
                print(json.dumps(found[-1]), flush=True)
    if options.json is not None:
        facts = {
            "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
            "commit": commit_name(),
            "processor": processor_name(),
            "command": " ".join(["python -m bench.large_file", *(sys.argv[1:] if argv is None else argv)]),
            "files": found,
        }
        options.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
