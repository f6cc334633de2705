"""The pinned versions: complete, with hashes, and without an address."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PINS = ("constraints.txt", "constraints-gpu.txt")


@pytest.fixture
def install() -> ModuleType:
    """The install script as a module."""
    spec = importlib.util.spec_from_file_location("install_script", ROOT / ".ci" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(name: str) -> dict[str, int]:
    """Return the number of hashes of each pinned package."""
    found: dict[str, int] = {}
    package = ""
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==", line):
            package = match[1]
            found[package] = 0
        found[package] += line.count("--hash=sha256:")
    return found


def required(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines}


@pytest.mark.parametrize("name", PINS)
def test_the_pins_hold_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert [] == re.findall(r"\S*(?:://|--index|--find-links|--trusted-host| @ )\S*", text)


@pytest.mark.parametrize("name", PINS)
def test_every_pin_has_a_hash(name: str) -> None:
    assert [] == [package for package, num_hashes in pins(name).items() if not num_hashes]


def test_every_dependency_is_pinned() -> None:
    assert set() == required("bench", "demo", "dev") - set(pins("constraints.txt"))


def test_the_gpu_pins_differ_only_in_what_the_gpu_needs() -> None:
    ours, gpu = set(pins("constraints.txt")), set(pins("constraints-gpu.txt"))

    assert ({"faiss-cpu"}, []) == (
        ours - gpu,
        [name for name in gpu - ours if not name.startswith(("faiss-gpu", "nvidia-"))],
    )


def test_what_pip_was_told_reaches_uv(install: ModuleType) -> None:
    environment = install.uv_environment({"PIP_FIND_LINKS": "/a /b"}, {"index-url": "https://packages.test/simple"})

    assert ("/a,/b", "https://packages.test/simple") == (environment["UV_FIND_LINKS"], environment["UV_DEFAULT_INDEX"])


def test_what_uv_was_told_itself_wins(install: ModuleType) -> None:
    environment = install.uv_environment(
        {"UV_DEFAULT_INDEX": "https://ours.test", "PIP_INDEX_URL": "https://pip.test"}, {}
    )

    assert "https://ours.test" == environment["UV_DEFAULT_INDEX"]


def test_the_install_section_of_pip_beats_the_global_one(install: ModuleType) -> None:
    listing = "install.find-links='/b'\nglobal.find-links='/a'\nglobal.cert='/c.pem'\n:env:.timeout='180'\n"

    assert {"find-links": "/b", "cert": "/c.pem"} == install.parse_pip_config(listing)


def test_one_package_can_be_cut_out_of_the_pins(install: ModuleType) -> None:
    wanted = "uv==2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3"

    found = install.pinned("uv", f"a==1 \\\n    --hash=sha256:1\n{wanted}\nz==1 \\\n    --hash=sha256:4\n")

    assert wanted == found
