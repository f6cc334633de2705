"""docs/foreign-files.md names every word of an entry and every layout that is known."""

import dataclasses
import re
import tomllib
from pathlib import Path

from kg.foreign_entry import InputFile, read_entries
from kg.layouts import EVERY_LAYOUT
from kg.schema import GraphSchema

PAGE = (Path(__file__).parents[2] / "docs" / "foreign-files.md").read_text(encoding="utf-8")


def test_every_word_of_an_entry_is_explained_once() -> None:
    table = PAGE.partition("| word |")[2]
    told = [
        name for cell in re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    ]

    assert sorted(one.name for one in dataclasses.fields(InputFile)) == sorted(told)


def test_every_layout_is_in_the_table() -> None:
    table = PAGE.partition("| word |")[0]

    named = re.findall(r"^\| ([A-Za-z0-9 ]+) \| ", table, re.MULTILINE)

    assert ["layout", *EVERY_LAYOUT, "anything else"] == named


def test_the_example_is_an_entry() -> None:
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])

    assert "order_products__prior.csv" == read_entries(example, GraphSchema(), where="page")[0].file
