"""Tables become folders that read back as the same tables; what a folder cannot say is refused."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from kg.canonical import canonical_edges
from kg.errors import TableError
from kg.input_folder import FORMS, Form, declaration_of, write_folder
from kg.reader import read_folder
from kg.schema import GraphSchema
from kg.sources.generated import generated_shop
from kg.tables import Tables
from tests.support.random_shops import random_shop
from tests.worlds import tiny_shop


@pytest.mark.parametrize("form", FORMS)
def test_a_tiny_shop_reads_back_as_it_was(form: Form, tmp_path: Path) -> None:
    files = write_folder(tiny_shop(), tmp_path, form=form)

    assert tiny_shop() == read_folder(tmp_path).tables
    assert {f"{name}.{form}" for name in ("products", "events", "users", "brands", "categories", "relations")} == {
        file.name for file in files
    }


def test_a_generated_shop_reads_back_as_it_was(tmp_path: Path) -> None:
    shop = generated_shop(products=120, brands=8, users=40, events=900).tables

    write_folder(shop, tmp_path)

    assert shop == read_folder(tmp_path).tables


def with_categories(shop: Tables, *pairs: tuple[str, str]) -> Tables:
    rows = [*shop.edges["IN_CATEGORY"].to_pylist(), *({"from_id": one, "to_id": other} for one, other in pairs)]
    edges = canonical_edges(shop.schema.relations["IN_CATEGORY"], pa.Table.from_pylist(rows))
    return replace(shop, edges={**shop.edges, "IN_CATEGORY": edges})


@pytest.mark.parametrize("form", FORMS)
def test_a_product_may_be_in_several_categories(form: Form, tmp_path: Path) -> None:
    shop = with_categories(tiny_shop(), ("p01", "snacks"), ("p10", "food"))

    write_folder(shop, tmp_path, form=form)

    assert shop == read_folder(tmp_path).tables


def test_a_product_of_several_brands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has several brands, which an input folder cannot say"):
        write_folder(random_shop(1), tmp_path)


def test_a_category_that_csv_would_split_is_refused(tmp_path: Path) -> None:
    shop = generated_shop(products=60, brands=4, users=5, events=50).tables
    odd = replace(shop, edges={**shop.edges, "IN_CATEGORY": _renamed(shop.edges["IN_CATEGORY"])})

    with pytest.raises(
        TableError, match=r"the category id .a > b. holds one of \| >, which a CSV file reads as a path"
    ):
        write_folder(odd, tmp_path, form="csv")


def _renamed(edges: pa.Table) -> pa.Table:
    return edges.set_column(1, "to_id", pa.array(["a > b"] * edges.num_rows, pa.string()))


def test_nothing_is_declared_of_what_is_built_in() -> None:
    assert "" == declaration_of(GraphSchema())
