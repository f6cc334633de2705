"""`whycart tune` on a small generated shop: what it tells, what it writes, and that it goes on where it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serving.cli.learn import read_config
from serving.cli.main import app, main
from serving.settings import load_settings
from serving.tuning import DIALS
from tests.support.shops import write_generated

QUICK = (
    "[train]\nepochs = 1\nmin_steps = 1\n[model]\ndim = 16\nheads = 2\n[fuse]\nmax_users = 50\nmass_powers = [1.0]\n"
    "[learn]\nk = 10\nshare = 0.15\n"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generated(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all projects, so that no text is read twice."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with settings that learn quickly."""
    (tmp_path / "whycart.toml").write_text(QUICK, encoding="utf-8")
    (tmp_path / ".whycart").mkdir()
    (tmp_path / ".whycart" / "cache").symlink_to(cache)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str | Path) -> str:
    result = CliRunner().invoke(app, ["tune", *map(str, args)], catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return result.stdout


def facts(*args: str | Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(run(*args, "--json"))
    return plain


def test_the_first_trial_is_of_the_projects_settings_and_the_next_run_goes_on(project: Path, shop: Path) -> None:
    first, second = (facts("--data", shop, "--trials", 1) for _ in range(2))

    assert (1, 2) == (first["trials"], second["trials"])
    assert first["default_value"] == first["value"] == second["default_value"] <= second["value"]
    assert ({*DIALS}, 16, 1) == (
        set(first["dials"]),
        first["dials"]["model.dim"],
        first["dials"]["train.epochs"],
    )
    assert str(project / ".whycart" / "tune" / "trials.db") == first["journal"]
    assert (project / ".whycart" / "tune" / "trials.db").is_file()


def test_the_best_settings_are_written_as_a_file_to_learn_with(project: Path, shop: Path) -> None:
    found = facts("--data", shop, "--trials", 2, "--out", "tuned.toml")

    tuned = read_config(load_settings(environment={"WHYCART_CONFIG": str(project / "tuned.toml")})).learn
    assert found["dials"] == {name: dial.of(tuned) for name, dial in DIALS.items()}


def test_the_best_settings_are_told(project: Path, shop: Path) -> None:
    text = run("--data", shop, "--trials", 1, "--out", "tuned.toml")

    assert [] == [name for name in DIALS if name not in text]
    assert "validation NDCG@10" in text
    assert "after 1 trials" in text
    assert "written to tuned.toml" in text


def test_without_a_file_the_way_to_one_is_told(project: Path, shop: Path) -> None:
    assert "WHYCART_CONFIG=FILE whycart retrain" in run("--data", shop, "--trials", 1)


def test_the_split_can_be_chosen(project: Path, shop: Path) -> None:
    assert "leave-one-out" == facts("--data", shop, "--trials", 1, "--split", "leave-one-out")["split"]


def test_a_file_that_is_there_is_not_overwritten(project: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["tune", "--data", str(shop), "--out", "whycart.toml"])

    assert (2, 1) == (code, capsys.readouterr().err.count("--out whycart.toml is already there; name a new file"))
    assert QUICK == (project / "whycart.toml").read_text(encoding="utf-8")
    assert not (project / ".whycart" / "tune").exists()


@pytest.mark.parametrize("options", [(), ("--trials", "0"), ("--split", "weekly")], ids=str)
def test_usage_errors_have_exit_code_two(project: Path, shop: Path, options: tuple[str, ...]) -> None:
    data = ("--data", str(shop)) if options else ()

    with pytest.raises(SystemExit) as caught:
        main(["tune", *data, *options])

    assert 2 == caught.value.code
