"""Saved filters: what they may be, and what a call of one becomes."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from gnn.bundles import BundleStore
from serving.api.app import create_app
from serving.cli.main import main
from serving.errors import ConfigError, FilterError
from serving.events import EventLog
from serving.filters import parse_filter
from serving.saved_filters import MAX_SAVED, SavedFilters, parameters, read_saved_filters
from serving.settings import load_settings
from tests.support.api import problem, product_ids
from tests.support.tiny_bundle import publish_tiny_bundle

SAVED = SavedFilters(
    {
        "cheap": "price < $most",
        "cheap_tea": 'category = "Tea" and price < $most',
        "by": "brand = $brand or brand is missing",
        "dollars": 'title = "$most"',
    }
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("@cheap(most=8)", "price < 8"),
        ("@cheap( most = 8.5 )", "price < 8.5"),
        ("not @cheap_tea(most=8)", 'not (category = "Tea" and price < 8)'),
        ("@cheap(most=8) and @by(brand='Acme')", 'price < 8 and (brand = "Acme" or brand is missing)'),
        ('@by(brand="a \\\\"quoted\\\\", @cheap(most=1)")'.replace("\\\\", "\\"), None),
        ("@dollars", 'title = "$most"'),
        ("@dollars()", 'title = "$most"'),
        ('title = "@cheap(most=8)"', 'title = "@cheap(most=8)"'),
        ("price < 3", "price < 3"),
    ],
)
def test_a_call_becomes_the_words_it_stands_for(typed: str, meant: str | None) -> None:
    found = parse_filter(SAVED.expand(typed))

    if meant is None:
        assert 'brand = "a \\"quoted\\", @cheap(most=1)"' in str(found)
    else:
        assert parse_filter(meant) == found


@given(st.text(max_size=20))
def test_a_value_is_never_more_than_a_value(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    found = parse_filter(SAVED.expand(f"@by(brand={quoted})"))

    assert parse_filter(f"brand = {quoted} or brand is missing") == found


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("@cheep(most=8)", "no filter is saved as @cheep; did you mean @cheap? ([filters] in whycart.toml)"),
        ("@zzz", "no filter is saved as @zzz; there are by, cheap, cheap_tea, dollars"),
        ("@cheap", "the filter @cheap needs most; write @cheap(most=...)"),
        ("@cheap(least=8)", "the filter @cheap takes no least; it takes most"),
        ("@dollars(most=8)", "the filter @dollars takes no most; it takes nothing"),
        ("@cheap(most=8) und price < 3", "at character 16 of the filter stands 'und'"),
        ("@cheap(most=)", "at character 7 of the filter stands '('"),
        ("@", "at character 1 of the filter stands '@'"),
    ],
)
def test_a_call_that_is_none_is_refused(typed: str, why: str) -> None:
    with pytest.raises(FilterError, match=re.escape(why)):
        SAVED.expand(typed)


def test_values_are_told_apart_from_texts() -> None:
    assert ("most", "brand") == parameters('price < $most and brand = $brand and title = "$x" and price > $most')


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([], "[filters] must be a table of names and filters, got []"),
        ({"Cheap": "price < 3"}, "'Cheap': a filter is called by 2 to 63 small letters, digits and _"),
        ({"x": "price < 3"}, "a filter is called by 2 to 63"),
        ({"cheap": 3}, "[filters] cheap must be a filter in quotes, got 3"),
        ({"cheap": "price <"}, "[filters] cheap: the filter ends too early"),
        ({"cheap": "@other"}, "[filters] cheap: at character 1 of the filter stands '@'"),
        ({f"f{number}": "price < 3" for number in range(MAX_SAVED + 1)}, "[filters] may hold 200 filters, got 201"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(table: object, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        read_saved_filters({"filters": table}, where="whycart.toml")


@pytest.fixture
def bundles(tmp_path: Path) -> BundleStore:
    return publish_tiny_bundle(tmp_path / ".whycart" / "bundles")


def test_every_list_and_search_takes_them(bundles: BundleStore, tmp_path: Path) -> None:
    app = create_app(bundles, EventLog.open(tmp_path / "state.db"), saved=SAVED)
    plain, called = 'category = "Tea" and price < 100', "@cheap_tea(most=100)"
    with TestClient(app) as client:
        for path, wish in (
            ("recommend/u1", {"mode": "both"}),
            ("similar/p01", {"n": 9}),
            ("bought-together/p01", {"n": 9}),
            ("trending", {"n": 9}),
            ("new", {"days": 9999}),
            ("search", {"q": "tea"}),
        ):
            asked = [{**wish, "filter": text} for text in (plain, called)]
            found = [product_ids(client.get(f"/v1/{path}", params=one)) for one in asked]
            assert found[0] == found[1], path
        page = [client.get("/v1/home/u1", params={"filter": text}).json()["rows"] for text in (plain, called)]
        assert page[0] == page[1]
        body = {"user_id": "u1", "mode": "both", "filter": called}
        assert product_ids(client.post("/v1/recommend", json=body))
        wrong = problem(client.get("/v1/trending", params={"filter": "@cheep(most=1)"}))
        assert (422, True) == (wrong[0], "did you mean @cheap?" in wrong[2])


def test_records_and_rules_keep_plain_words(bundles: BundleStore, tmp_path: Path) -> None:
    app = create_app(bundles, EventLog.open(tmp_path / "state.db"), saved=SAVED)
    with TestClient(app) as client:
        answer = client.get("/v1/recommend/u1", params={"filter": "@cheap(most=100)"}).json()
        record = client.get(f"/v1/recommendations/{answer['recommendation_id']}?replay=true").json()
        rule = client.put("/v1/rules/cheap", json={"action": "bury", "filter": "@cheap(most=3)"}).json()["rule"]

        assert ("(price < 100)", True) == (record["request"]["filter"]["where"], record["replay"]["same"])
        assert "(price < 3)" == rule["filter"]


def test_they_come_from_the_settings(
    bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whycart.toml").write_text("[filters]\ntea = 'category = \"Tea\"'\n", encoding="utf-8")

    assert {"tea": 'category = "Tea"'} == dict(load_settings().saved_filters().texts)
    with pytest.raises(SystemExit):
        main(["search", "tea", "--filter", "@tea", "--json"])
    assert json.loads(capsys.readouterr().out)["items"]
    assert 2 == main(["recommend", "u1", "--filter", "@coffee"])
    assert "no filter is saved as @coffee; there are tea" in capsys.readouterr().err
