"""What every figure is quoted with: the commit it was made at, and the processor it was made on."""

import platform
import subprocess
from pathlib import Path


def commit_name() -> str:
    """Return the commit that is checked out, marked when files differ from it."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def processor_name() -> str:
    """Return the name of the processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
