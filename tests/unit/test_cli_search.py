"""`whycart search` and `whycart profile` as a person at a terminal meets them."""

import contextlib
from pathlib import Path

import pytest

from serving.api.schemas import SearchAnswer
from serving.cli.main import main
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    publish_tiny_bundle(folder / "bundles")
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(home))


def run(*arguments: str) -> None:
    with contextlib.suppress(SystemExit):
        main(arguments)


def test_a_search_is_answered_and_says_how_it_was_understood(capsys: pytest.CaptureFixture[str]) -> None:
    run("search", "gren", "tea", "under", "5")

    said = capsys.readouterr().out
    assert ["rank", "product", "score", "mostly", "by"] == said.splitlines()[0].split()
    assert "Green tea (p01)" in said.splitlines()[1]
    assert "'gren' is in no product; taken for 'green'" in said
    assert "filtered by price" in said


def test_a_search_gives_the_json_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    run("search", "tea", "--user", "u2", "--json")

    found = SearchAnswer.model_validate_json(capsys.readouterr().out)
    assert found.understood is not None
    assert {"p01", "p02", "p08"} == {item.product_id for item in found.items}


def test_where_nothing_is_found_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run("search", "zzzzqqqq")

    assert "nothing was found" in capsys.readouterr().out


def test_a_profile_shows_kinds_shares_and_prices(capsys: pytest.CaptureFixture[str]) -> None:
    run("profile", "u2")

    said = capsys.readouterr().out
    assert "Core" in said
    assert "prices: half of what counts lies between" in said
    assert "3 events with 3 products" in said


def test_of_a_stranger_it_is_said_that_nothing_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    run("profile", "nobody")

    assert "nothing is known of 'nobody'" in capsys.readouterr().out


def test_a_profile_gives_the_json_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    run("profile", "u1", "--json")

    said = capsys.readouterr().out
    assert '"user_id": "u1"' in said
    assert '"affinities"' in said
