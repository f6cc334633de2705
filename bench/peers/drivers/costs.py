"""What a driver notes about itself: seconds of each phase and its largest memory. Nothing but the standard library."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def measured(name: str, phases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Note the wall and CPU seconds of a phase."""
    wall, cpu = time.perf_counter(), cpu_s()
    phase: dict[str, Any] = {"name": name}
    yield phase
    phases.append({**phase, "wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu})


def cpu_s() -> float:
    """Return the CPU seconds this process and its ended children have taken."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in spent)


def peak_rss_mb() -> float:
    """Return the largest resident memory of this process since it began."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
