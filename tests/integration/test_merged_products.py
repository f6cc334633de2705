"""Duplicates on both servers: imported again, joined by new ones, found late, and taken apart."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kg.extract import extract_tables
from kg.ingest import ImportOptions, IngestReport, ingest
from kg.merge_rule import MergeRule
from kg.merging import MergedProduct
from kg.schema import GraphSchema
from kg.store import GraphConfig, GraphStore
from kg.tables import Tables
from serving.cli.main import app
from tests.integration.conftest import EMPTY
from tests.support.folders import write_shop
from tests.worlds import DAY_MS, MONDAY, make_tables

GTIN = MergeRule(("gtin",))
P1 = {"product_id": "p1", "gtin": "A", "title": "Green tea"}
P2 = {"product_id": "p2", "gtin": "a", "price": 4.0, "available": True}
P3 = {"product_id": "p3", "gtin": "B", "title": "Mug"}


def shop(*products: Mapping[str, Any], edges: Mapping[str, Sequence[tuple[Any, ...]]] | None = None) -> Tables:
    """Return a shop in which u1 viewed and bought each product once."""
    events = [
        {"event_id": f"{kind}-{row['product_id']}", "user_id": "u1", "product_id": row["product_id"], "type": kind}
        | {"at": MONDAY + place * DAY_MS}
        for place, row in enumerate(products)
        for kind in ("viewed", "bought")
    ]
    nodes = {"Product": products, "User": [{"user_id": "u1"}], "Brand": [{"brand_id": "acme"}, {"brand_id": "bolt"}]}
    return make_tables(GraphSchema(), nodes, edges=edges or {}, events=events)


def state(graph: GraphStore) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Properties by product, and the product by event."""
    found = extract_tables(graph, GraphSchema())
    products = {row["product_id"]: row for row in found.nodes["Product"].to_pylist()}
    return products, {row["event_id"]: row["product_id"] for row in found.events.to_pylist()}


def created(report: IngestReport) -> tuple[int, int, int, int, int]:
    return (
        report.nodes_created,
        report.edges_created,
        report.events_created,
        report.num_conflicts,
        report.num_merged_away,
    )


def test_duplicates_become_one_product_and_a_second_import_changes_nothing(graph: GraphStore) -> None:
    whole = shop(P1, P2, P3, edges={"MADE_BY": [("p2", "acme")], "ALSO_BOUGHT": [("p1", "p2"), ("p2", "p3")]})
    first = ingest(graph, whole, options=ImportOptions(merge=GTIN))
    before = extract_tables(graph, whole.schema)

    second = ingest(graph, whole, options=ImportOptions(merge=GTIN))

    products, events = state(graph)
    assert (5, (0, 0, 0, 0, 0)) == (first.nodes_created, created(second))
    assert before == extract_tables(graph, whole.schema)
    assert ({"p1", "p3"}, "p2", 4.0) == (set(products), products["p1"]["merged_ids"], products["p1"]["price"])
    assert {"p1"} == {events[name] for name in ("viewed-p1", "viewed-p2", "bought-p1", "bought-p2")}
    assert [("p1", "acme")] == [tuple(row.values())[:2] for row in before.edges["MADE_BY"].to_pylist()]
    assert (MergedProduct("p1", ("p2",)),) == first.merged == second.merged


def test_a_new_duplicate_with_a_smaller_id_joins_the_one_that_is_there(graph: GraphStore) -> None:
    ingest(graph, shop(P1, P2, P3), options=ImportOptions(merge=GTIN))
    later = shop({"product_id": "p0", "gtin": "A", "title": "Tea", "created_at": 5}, P1, P2, P3)

    reports = [ingest(graph, later, options=ImportOptions(merge=GTIN)) for _ in range(2)]

    products, events = state(graph)
    assert ({"p1", "p3"}, "p0 | p2", "Green tea") == (
        set(products),
        products["p1"]["merged_ids"],
        products["p1"]["title"],
    )
    assert ("p1", (0, 0, 0, 0, 0)) == (events["bought-p0"], created(reports[1]))


def test_a_product_that_is_there_and_merged_away_can_no_longer_be_had_and_keeps_its_past(graph: GraphStore) -> None:
    ingest(graph, shop(P1, P2, P3))
    after = shop(P1, P2, P3)
    new = {"event_id": "new", "user_id": "u1", "product_id": "p2", "type": "bought", "at": MONDAY + 9 * DAY_MS}
    rows = make_tables(after.schema, {}, edges={}, events=[*after.events.to_pylist(), new]).events
    after = replace(after, events=rows)

    reports = [ingest(graph, after, options=ImportOptions(merge=GTIN)) for _ in range(2)]

    products, events = state(graph)
    assert [1, 0] == [report.num_merged_away for report in reports]
    assert (0, 0, 0, 0, 0) == created(reports[1])
    assert (False, "p2", True) == (
        products["p2"]["available"],
        products["p1"]["merged_ids"],
        products["p1"]["available"],
    )
    assert ("p2", "p2", "p1") == (events["bought-p2"], events["viewed-p2"], events["new"])


def test_a_product_stays_what_it_was_when_only_its_other_id_is_listed(graph: GraphStore) -> None:
    ingest(graph, shop(P1, P2, P3), options=ImportOptions(merge=GTIN))

    reports = [
        ingest(graph, shop({**P2, "price": 5.0}, P3), options=ImportOptions(merge=GTIN, whole_catalogue=True))
        for _ in range(2)
    ]

    products, events = state(graph)
    assert ([0, 0], {"p1", "p3"}) == ([report.num_retired for report in reports], set(products))
    assert (5.0, "p2", "p1") == (products["p1"]["price"], products["p1"]["merged_ids"], events["bought-p2"])


@pytest.mark.parametrize("were_there", [False, True], ids=["from the beginning", "found late"])
def test_products_that_are_taken_apart_get_their_events_back(graph: GraphStore, were_there: bool) -> None:
    bare = {key: value for key, value in P2.items() if key != "available"}
    if were_there:
        ingest(graph, shop(P1, bare, P3))
    ingest(graph, shop(P1, bare, P3), options=ImportOptions(merge=GTIN))

    reports = [ingest(graph, shop(P1, bare, P3)) for _ in range(2)]

    products, events = state(graph)
    assert {"bought-p1": "p1", "viewed-p1": "p1", "bought-p2": "p2", "viewed-p2": "p2"} == {
        name: product for name, product in events.items() if not name.endswith("p3")
    }
    assert [None, None] == [products[key].get(name) for key, name in (("p1", "merged_ids"), ("p2", "available"))]
    assert (0, 0, 0, 0, 0) == created(reports[1])


def test_what_is_there_is_kept_as_it_is_but_for_the_merging(graph: GraphStore) -> None:
    ingest(graph, shop(P1, P2, P3))

    ingest(graph, shop({**P1, "title": "Other"}, P2, P3), options=ImportOptions(merge=GTIN, keep=True))

    products, _ = state(graph)
    assert ("Green tea", "p2", False) == (
        products["p1"]["title"],
        products["p1"]["merged_ids"],
        products["p2"]["available"],
    )


@pytest.fixture
def project(tmp_path: Path, local_config: GraphConfig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project with a rule, an empty graph and a folder `feed` that has a product under three ids."""
    monkeypatch.chdir(tmp_path)
    for name in ("WHYCART_GRAPH_URI", "WHYCART_CONFIG", "WHYCART_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHYCART_GRAPH_FOLDER", str(local_config.folder))
    with GraphStore.open(local_config) as store:
        store.write(EMPTY, [])
    products = [{"product_id": key, "gtin": gtin, "title": "Tea"} for key, gtin in (("p1", "A"), ("p2", "a"))]
    write_shop(tmp_path / "feed", products=[*products, {"product_id": "p3", "gtin": "A", "title": "Tea"}])
    (tmp_path / "whycart.toml").write_text('[merge.products]\nsame = ["gtin"]\n')
    return tmp_path


def run(*args: str) -> str:
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_import_tells_what_it_merged(project: Path) -> None:
    told = run("ingest", "feed")
    facts = json.loads(run("ingest", "feed", "--json"))

    assert "3 products with the same gtin were merged into 1, for example p1 (also p2, p3)\n" in told
    assert {"num_products": 3, "num_kept": 1, "examples": [{"kept": "p1", "others": ["p2", "p3"]}]} == facts["merged"]
    assert (1, 0, 0) == (facts["nodes"]["Product"], *(facts["written"][key] for key in ("nodes_created", "conflicts")))


def test_an_import_tells_which_products_can_no_longer_be_had(project: Path) -> None:
    rule = project / "whycart.toml"
    declared = rule.read_text()
    rule.write_text("")
    run("ingest", "feed")
    rule.write_text(declared)

    told = run("ingest", "feed")

    assert "2 products of the graph that were merged into others are no longer available; history stays\n" in told
    assert "no longer available" not in run("ingest", "feed")
