"""What is spread otherwise than at the last import: found by the formula, told in words, kept without a row."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from kg.health import Shop
from kg.shift import psi, shifts, spread_of
from kg.tables import Tables
from serving.cli.main import app
from serving.last_import import moved_since_last, remember_import
from serving.settings import load_settings
from tests.support.busy_shop import busy_shop
from tests.support.folders import write_shop


@pytest.fixture(scope="module")
def shop() -> Tables:
    return busy_shop()


def looked_at(tables: Tables) -> Shop:
    return Shop(tables, now_ms=0)


def with_column(tables: Tables, name: str, values: Sequence[object]) -> Tables:
    field = tables.events.schema.field(name)
    column = pa.array(values, field.type)
    return replace(tables, events=tables.events.set_column(tables.events.column_names.index(name), field, column))


def test_the_same_data_has_not_moved(shop: Tables) -> None:
    found = shifts(json.loads(json.dumps(spread_of(looked_at(shop)))), looked_at(shop))

    assert {0.0} == {round(one.psi, 9) for one in found}
    assert {"event types", "quantities", "hours of the day (UTC)"} <= {one.name for one in found}


def test_another_hour_of_every_event_is_told_with_the_band_that_moved_most(shop: Tables) -> None:
    before = spread_of(looked_at(shop))
    days = [None if at is None else at // 86_400_000 for at in shop.events["at"].to_pylist()]
    at = [None if day is None else day * 86_400_000 + 3 * 3_600_000 for day in days]

    found = {one.name: one for one in shifts(before, looked_at(with_column(shop, "at", at)))}

    hours = found["hours of the day (UTC)"]
    assert ("large", 0.0) == (hours.verdict, round(found["event types"].psi, 9))
    assert " before, " in hours.most
    assert hours.most.endswith("100% now")


def test_a_type_that_was_not_there_counts_among_the_others(shop: Tables) -> None:
    before = spread_of(looked_at(shop))
    known = shop.events["type"].to_pylist()
    types = ["new_type" if place % 2 else name for place, name in enumerate(known)]

    found = {one.name: one for one in shifts(before, looked_at(with_column(shop, "type", types)))}

    assert ("large", "(others): 0% before, 50% now") == (found["event types"].verdict, found["event types"].most)


def test_the_index_is_that_of_the_formula() -> None:
    old, new = np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])

    assert np.isclose(psi(old, new), 0.3 * np.log(2.5) + 0.3 * np.log(2.5))


def test_nothing_is_said_of_a_handful_of_values(shop: Tables) -> None:
    few = replace(shop, events=shop.events.slice(0, 50))

    assert [] == [one for one in shifts(spread_of(looked_at(shop)), looked_at(few)) if one.name == "event types"]


def test_no_row_of_an_import_is_kept(shop: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path / "home"))
    settings = load_settings()

    remember_import(settings, looked_at(shop), "shop")

    kept = settings.last_import.read_text()
    users, products = shop.nodes["User"]["user_id"].to_pylist(), shop.nodes["Product"]["product_id"].to_pylist()
    assert [] == [name for name in [*users, *products] if f'"{name}"' in kept]
    moved = moved_since_last(settings, looked_at(shop))
    assert moved is not None
    assert ("shop", 0.0) == (moved.folder, round(sum(one.psi for one in moved.shifts), 9))


def test_a_file_that_cannot_be_read_is_passed_over(
    shop: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    (tmp_path / "last-import.json").write_text('{"at": 3}')

    assert None is moved_since_last(load_settings(), looked_at(shop))


def test_validate_tells_what_has_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Tables) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path / "home"))
    remember_import(load_settings(), looked_at(shop), "shop")
    rows = [
        {"user_id": f"u{number % 50}", "product_id": f"p{number % 3 + 1}", "type": "viewed", "at": 1_700_000_000_000}
        for number in range(400)
    ]
    folder = write_shop(tmp_path / "in", events=rows)

    told = CliRunner().invoke(app, ["validate", str(folder), "--json"])
    said = CliRunner().invoke(app, ["validate", str(folder)])

    moved = {one["name"]: one["verdict"] for one in json.loads(told.stdout)["moved"]["shifts"]}
    assert "large" == moved["event types"]
    assert "spread otherwise since the import of shop at " in said.stdout
