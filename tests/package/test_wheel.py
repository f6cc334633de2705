"""The wheel holds what it should, and works where the repository is not."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.shops import write_generated

ROOT = Path(__file__).parents[2]
ROOMS = ("cypher", "encoders", "gnn", "kg", "serving")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of an environment outside the repository that holds the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not _is_ours(entry):
            (site / entry.name).symlink_to(entry)
    subprocess.run(
        [_uv(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel], check=True
    )
    return folder / "bin"


def _is_ours(entry: Path) -> bool:
    """Whether this is what `make install` made of the repository, which the wheel must do without."""
    return entry.name.lower().startswith(("whycart", "__editable__"))


def _uv() -> str:
    return str(Path(sys.executable).parent / "uv")


def _run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WHYCART_", "PYTHON"))}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=240)


def test_the_wheel_holds_the_five_packages_and_nothing_else_at_the_top(wheel: Path) -> None:
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert set(ROOMS) == {name for name in top if not name.endswith(".dist-info")}


def test_every_module_query_template_and_language_is_in_the_wheel(wheel: Path) -> None:
    in_repository = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for pattern in ("*.py", "*.cypher", "*.html", "*.po", "py.typed")
        for path in (ROOT / room).rglob(pattern)
    }

    assert set() == in_repository - set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_its_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert [] != [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


@pytest.mark.parametrize("room", ROOMS)
def test_an_installed_package_comes_from_the_wheel(room: str, installed: Path, tmp_path: Path) -> None:
    done = _run([installed / "python", "-c", f"import {room}; print({room}.__file__)"], tmp_path)

    assert str(installed.parent) in done.stdout


def test_the_doctor_finds_nothing_wrong_with_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    done = _run([installed / "whycart", "doctor", "--json"], tmp_path)

    failed = [check for check in json.loads(done.stdout)["checks"] if check["status"] == "FAIL"]
    assert ([], 0) == (failed, done.returncode)


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    done = _run([installed / "whycart", "--version"], tmp_path)

    assert (0, "whycart ") == (done.returncode, done.stdout[:8])


def test_the_client_works_where_only_httpx_is(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True, with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    command = ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(_run([python, *command], tmp_path).stdout.strip())
    for name in ("anyio", "certifi", "h11", "httpcore", "httpx", "idna", "typing_extensions.py"):
        (site / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    subprocess.run(
        [_uv(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel], check=True
    )

    done = _run([python, "-c", "from serving.client import Whycart; print(Whycart())"], tmp_path)

    assert "Whycart('http://127.0.0.1:8000')\n" == done.stdout, done.stderr
    typed = "from serving.client import Whycart\nreveal_type(Whycart().metrics())"
    checked = _run([sys.executable, "-m", "mypy", "--python-executable", python, "-c", typed], tmp_path)
    assert 'Revealed type is "str"' in checked.stdout, checked.stdout


def test_an_installed_wheel_learns_from_a_folder(installed: Path, tmp_path: Path) -> None:
    folder = write_generated(tmp_path / "shop", products=60, users=30, events=1200)
    (tmp_path / "whycart.toml").write_text(
        "[train]\nepochs = 1\nsmall_epochs = 1\n[model]\ndim = 16\n", encoding="utf-8"
    )

    done = _run([installed / "whycart", "evaluate", "--data", folder, "--json"], tmp_path)

    assert 0 == done.returncode, done.stderr
    assert "whycart without the network" in json.loads(done.stdout)["models"]
