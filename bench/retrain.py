"""`python -m bench.retrain --data FOLDER`: what one whole `whycart retrain` costs: seconds, CPU seconds, memory.

The command runs in a process of its own, in a working folder that is thrown away, so texts are encoded too. A synthetic
shop to try comes from `python -m bench.data synthetic FOLDER`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import commit_name, processor_name
from bench.serving import COMMAND


def measure(data: Path) -> dict[str, Any]:
    """Run a retraining and return what it cost; its own lines go to the terminal.

    Raises:
        CalledProcessError: it ended with another code than 0 or 3 (the gate refused the model).
    """
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-c", COMMAND, "retrain", "--data", str(data.absolute())]
        started = time.perf_counter()
        done = subprocess.run(command, env={**os.environ, "WHYCART_HOME": home}, check=False)
        wall_s = time.perf_counter() - started
    if done.returncode not in (0, 3):
        raise subprocess.CalledProcessError(done.returncode, command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": round(wall_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_rss_mb": round(used.ru_maxrss / 1024),
        "published": done.returncode == 0,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrain", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="input folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name()}
    found |= {"data": options.data.name, "retrain": measure(options.data)}
    print(json.dumps(found["retrain"]))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
