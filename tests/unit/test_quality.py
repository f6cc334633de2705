"""What a comparison reads: which relations take part, which split there is, and which code ran."""

import subprocess
from pathlib import Path

import pytest

from cypher.errors import InputError
from gnn.contest import ContestConfig
from kg.schema import GraphSchema
from serving import quality
from serving.quality import Question, commit, keep_relations, read_material
from tests.support.folders import write_shop
from tests.worlds import tiny_shop, tiny_shop_with_materials

CONTEST = ContestConfig(models=("popularity",))


def rows(wanted: str) -> dict[str, int]:
    kept = keep_relations(tiny_shop_with_materials(), wanted)
    return {name: table.num_rows for name, table in kept.edges.items() if table.num_rows}


def test_all_relations_stay_unless_asked_otherwise() -> None:
    shop = tiny_shop()

    assert keep_relations(shop, "all") is shop


def test_none_leaves_only_what_the_product_table_says() -> None:
    assert {"MADE_BY", "IN_CATEGORY", "CHILD_OF"} == set(rows("none"))


def test_named_relations_stay_and_declared_ones_are_relations_too() -> None:
    assert {"MADE_BY", "IN_CATEGORY", "CHILD_OF", "ALSO_BOUGHT", "MADE_OF"} == set(rows("ALSO_BOUGHT, MADE_OF"))


@pytest.mark.parametrize("wanted", ["ALSO_BOGHT", "also_bought", "ALSO_VIEWED,ALSO_BOGHT"])
def test_an_unknown_relation_offers_the_nearest(wanted: str) -> None:
    with pytest.raises(InputError, match="did you mean ALSO_BOUGHT"):
        rows(wanted)


def test_a_relation_like_no_other_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="known: ALSO_BOUGHT, ALSO_VIEWED, BOUGHT_TOGETHER, MADE_OF"):
        rows("xyz")


def test_the_material_names_the_relations_that_have_rows(tmp_path: Path) -> None:
    write_shop(tmp_path, relations=[{"from_id": "p1", "relation": "ALSO_BOUGHT", "to_id": "p2"}])

    found = read_material(Question(data=tmp_path, contest=CONTEST), GraphSchema())

    assert (("ALSO_BOUGHT",), None, 4) == (found.relations, found.given, len(found.snapshot.events))


def test_a_published_split_is_read_when_train_and_test_are_there(tmp_path: Path) -> None:
    split = [{"user_id": "u1", "product_id": "p1"}]
    write_shop(tmp_path, split_train=split, split_test=split)

    found = read_material(Question(data=tmp_path, contest=CONTEST), GraphSchema())

    assert found.given is not None
    assert {"split_train", "split_test"} == set(found.given)


def test_a_split_that_is_not_there_cannot_be_asked_for(tmp_path: Path) -> None:
    write_shop(tmp_path)

    with pytest.raises(InputError, match="needs split_train and split_test"):
        read_material(Question(data=tmp_path, contest=CONTEST, split="given"), GraphSchema())


def test_cuts_belong_to_the_temporal_split() -> None:
    with pytest.raises(InputError, match="belong to the temporal split, got --split random"):
        Question(data=Path(), contest=CONTEST, split="random", cuts=(1, 2))


def test_the_commit_is_that_of_the_code_and_not_of_a_project_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code installed below somebody's repository, but not kept in it, has no commit."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "quality.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(quality, "__file__", str(tmp_path / "quality.py"))

    assert "unknown" == commit()
