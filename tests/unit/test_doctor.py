"""What the doctor finds."""

import importlib.metadata
from pathlib import Path

import pytest

from serving.cli import doctor
from serving.settings import load_settings

OURS = Path(doctor.__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), "FAIL"), ((3, 11), "PASS"), ((3, 13), "PASS"), ((3, 14), "FAIL")]
)
def test_only_supported_versions_of_python_pass(version: tuple[int, int], status: str) -> None:
    assert status == doctor.check_python(version).status


def test_a_stranger_that_is_imported_first_fails(tmp_path: Path) -> None:
    (tmp_path / "gnn").mkdir()
    (tmp_path / "gnn" / "__init__.py").touch()

    check = doctor.check_room("gnn", [str(tmp_path), str(OURS)])

    assert ("FAIL", f"{tmp_path / 'gnn'} is imported instead of ours") == (check.status, check.found)


def test_a_stranger_that_is_hidden_by_ours_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "kg.py").touch()

    assert "WARN" == doctor.check_room("kg", [str(OURS), str(tmp_path)]).status


def test_a_distribution_of_the_same_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"encoders": ["whycart", "encoders"]})

    check = doctor.check_room("encoders", [str(OURS)])

    assert ("FAIL", "pip uninstall encoders") == (check.status, check.advice)


@pytest.mark.parametrize("room", doctor.ROOMS)
def test_our_packages_pass_when_nobody_is_in_the_way(room: str) -> None:
    assert "PASS" == doctor.check_room(room, [str(OURS)]).status


def test_a_module_that_does_not_load_fails_and_says_why() -> None:
    check = doctor.check_import("no_such_module")

    assert ("FAIL", "No module named 'no_such_module'") == (check.status, check.found)


def test_a_distribution_that_is_not_installed_fails() -> None:
    assert "FAIL" == doctor.check_packages("no-such-distribution").status


def test_a_missing_package_of_files_fails() -> None:
    check = doctor.check_file("weights", "no_such_package", "model.bin")

    assert ("FAIL", "pip install no-such-package") == (check.status, check.advice)


def test_a_missing_file_in_a_package_fails() -> None:
    assert "FAIL" == doctor.check_file("weights", "json", "model.bin").status


@pytest.mark.parametrize(("gib", "status"), [(0.1, "FAIL"), (1, "WARN"), (100, "PASS")])
def test_free_space_is_judged(gib: float, status: str, tmp_path: Path) -> None:
    assert status == doctor.check_disk(int(gib * 1024**3), at=tmp_path).status


def test_little_memory_is_a_warning() -> None:
    assert "WARN" == doctor.check_memory(2 * 1024**3).status


def test_a_home_that_is_not_made_yet_passes_and_is_not_made(tmp_path: Path) -> None:
    check = doctor.check_home(tmp_path / "new" / "home")

    assert ("PASS", []) == (check.status, list(tmp_path.iterdir()))


def test_a_home_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    assert "FAIL" == doctor.check_home(tmp_path / "home").status


def test_the_settings_line_shows_no_password(tmp_path: Path) -> None:
    settings = load_settings(environment={"WHYCART_GRAPH_PASSWORD": "12345"}, folder=tmp_path)

    assert "12345" not in doctor.check_settings(settings).found


def test_a_broken_settings_file_is_reported_not_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whycart.toml").write_text("[serv]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    last = list(doctor.examine())[-1]

    assert ("settings", "FAIL") == (last.name, last.status)
