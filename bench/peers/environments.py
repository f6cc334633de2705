"""The environments of the peers: each library with the versions that it runs with, apart from Whycart's own."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REQUIREMENTS: Mapping[str, Sequence[str]] = {
    "recbole": (
        *("recbole==1.2.1", "torch==2.15.0", "numpy==1.26.4", "pandas==2.3.3", "scipy==1.10.1"),
        *("scikit-learn==1.4.2", "setuptools==80.10.2"),
    ),
    "hopwise": (
        *("hopwise==0.9.1.post1", "torch==2.15.0", "numpy==2.4.6", "pandas==3.1.1", "scipy==1.17.1"),
        *("scikit-learn==1.9.1", "setuptools==84.2.1"),
    ),
}
"""What each library is installed with. RecBole's LightGCN and KGIN need the older scipy."""


def make_environment(library: str, folder: Path) -> Path:
    """Return the Python of a library's environment, made anew where it is not there or was made for other versions.

    Args:
        library: a key of REQUIREMENTS.
        folder: where environments live.

    Raises:
        CalledProcessError: the packages could not be installed.
    """
    wanted = "\n".join(REQUIREMENTS[library])
    home = folder / library
    python, stamp = home / "bin" / "python", home / f"ready-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    if stamp.is_file() and python.exists():
        return python.absolute()
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS[library]], check=True)
    stamp.touch()
    return python.absolute()
