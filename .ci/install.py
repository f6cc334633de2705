"""Installs Whycart and everything it needs into `.venv`; `make install` calls it.

Versions and hashes come from constraints.txt. The work is done by uv when it is on PATH or can be installed, else by
pip. uv does not read pip's settings, so they are handed on; none is ever printed, as it may hold a password.
Needs nothing but Python with the venv module. Does not touch anything outside the repository and the package caches.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
PASSED_ON = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
"""pip's settings and the variable by which uv takes the same."""


def main() -> int:
    """Install and return the exit code."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        found = ".".join(map(str, sys.version_info[:2]))
        return _fail(f"Python 3.11, 3.12 or 3.13 is needed, this is {found}; try 'make install PYTHON=python3.12'")
    started = time.monotonic()
    if not _make_venv():
        return _fail(
            ".venv could not be made; is Python's venv module there (Debian, Ubuntu: apt install python3-venv)?"
        )
    uv = shutil.which("uv") or _private_uv()
    if not (uv and _install_with_uv(uv)) and not _install_with_pip():
        return _fail("the packages could not be installed; the reason stands above")
    _say(f"installed into .venv in {time.monotonic() - started:.0f} s; the command is .venv/bin/whycart")
    return 0


def uv_environment(environment: Mapping[str, str], pip_settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for uv: the given one, and what pip was told.

    Args:
        environment: variables of this process; a variable of uv that is already set wins.
        pip_settings: pip's settings by key (`index-url`), lists separated by white space.
    """
    result = dict(environment)
    for key, name in PASSED_ON.items():
        value = environment.get(f"PIP_{key.replace('-', '_').upper()}") or pip_settings.get(key)
        if value and not environment.get(name):
            result[name] = ",".join(value.split()) if key == "find-links" else value
    if environment.get("UV_INDEX_URL") and not environment.get("UV_DEFAULT_INDEX"):
        result.pop("UV_DEFAULT_INDEX", None)
    bundle = environment.get("REQUESTS_CA_BUNDLE")
    if bundle:
        result.setdefault("SSL_CERT_FILE", bundle)
    result["VIRTUAL_ENV"] = str(VENV)
    return result


def parse_pip_config(listing: str) -> dict[str, str]:
    """Return pip's settings by key from what `pip config list` prints; `install.` beats `global.`."""
    found: dict[str, str] = {}
    for section in ("global", "install"):
        for line in listing.splitlines():
            name, _, quoted = line.partition("=")
            if name.startswith(f"{section}."):
                value = quoted.strip()[1:-1].replace("\\n", " ")
                found[name.removeprefix(f"{section}.").replace("_", "-")] = value.strip()
    return found


def pinned(package: str, constraints: str) -> str:
    """Return the lines of constraints.txt that pin one package, hashes included."""
    lines: list[str] = []
    for line in constraints.splitlines():
        if line.startswith(f"{package}==") or lines:
            lines.append(line)
            if not line.endswith("\\"):
                break
    return "\n".join(lines)


def _make_venv() -> bool:
    if PYTHON.exists() and _run([str(PYTHON), "-c", "import sys"], quiet=True):
        return True
    return _run([sys.executable, "-m", "venv", "--clear", str(VENV)])


def _private_uv() -> str | None:
    """Return a uv of our own, installed beside the packages; None when it cannot be had."""
    tools = VENV / "uv"
    uv = tools / "bin" / "uv"
    for known in (VENV / "bin" / "uv", uv):
        if known.exists():
            return str(known)
    requirement = VENV / "uv-requirement.txt"
    requirement.write_text(pinned("uv", CONSTRAINTS.read_text(encoding="utf-8")) + "\n", encoding="utf-8")
    command = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    made = _run([sys.executable, "-m", "venv", str(tools)]) and _run(
        [str(tools / "bin" / "python"), *command, "-r", str(requirement)], quiet=True
    )
    return str(uv) if made and uv.exists() else None


def _install_with_uv(uv: str) -> bool:
    settings = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listing = subprocess.run(settings, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    environment = uv_environment(os.environ, parse_pip_config(listing))
    install = [uv, "pip", "install", "--python", str(PYTHON)]
    _say("installing the packages with uv (about 6 GB, most of it torch)")
    done = _run([*install, "--require-hashes", "-r", str(CONSTRAINTS)], environment=environment)
    done = done and _run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], environment=environment)
    if not done:
        _say("uv could not do it; trying pip")
    return done


def _install_with_pip() -> bool:
    install = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    _say("installing the packages with pip (about 6 GB, most of it torch; some minutes)")
    if not _run([str(PYTHON), "-c", "import pip"], quiet=True) and not _run([str(PYTHON), "-m", "ensurepip"]):
        return False
    packages = _run([*install, "--require-hashes", "-r", str(CONSTRAINTS)])
    return packages and _run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def _run(command: list[str], *, environment: Mapping[str, str] | None = None, quiet: bool = False) -> bool:
    sink = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, env=environment, stdout=sink, stderr=sink, check=False, cwd=ROOT).returncode == 0


def _say(text: str) -> None:
    sys.stderr.write(f"whycart: {text}\n")


def _fail(text: str) -> int:
    _say(text)
    return 1


if __name__ == "__main__":
    sys.exit(main())
