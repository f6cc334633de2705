"""`whycart graph` on a local server: what people and machines are told."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cypher.catalogue import parse_query
from cypher.errors import InputError, QueryError
from kg import local_server
from kg.ingest import ingest
from kg.input_folder import declaration_of, write_folder
from kg.reader import read_folder
from kg.snapshot import build_snapshot
from kg.store import GraphConfig, GraphStore
from serving.cli.graph import app
from serving.settings import load_settings
from tests.worlds import tiny_shop, tiny_shop_with_materials

FORGET = "WITH size($rows) AS none MATCH (p:Product) REMOVE p.title"


@pytest.fixture
def project(tmp_path: Path, local_config: GraphConfig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working folder whose settings point at the run's local server, filled with the tiny shop."""
    monkeypatch.chdir(tmp_path)
    for name in ("WHYCART_GRAPH_URI", "WHYCART_CONFIG", "WHYCART_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHYCART_GRAPH_FOLDER", str(local_config.folder))
    with GraphStore.open(local_config) as store:
        ingest(store, tiny_shop())
    return tmp_path


def run(*args: str) -> str:
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_query_answers_in_json(project: Path) -> None:
    rows = json.loads(run("query", "co_purchased", "--param", "product_id=p05", "-p", "limit=1", "--json"))

    assert rows == [{"product_id": "p01", "title": "Green tea", "buyers": 1}]


def test_a_query_answers_in_csv(project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("query", "product_card", "-p", "product_id=p09", "--csv"))))

    assert [row["categories"] for row in rows] == ['["Snacks"]']


def test_a_query_answers_in_a_table(project: Path) -> None:
    lines = run("query", "top_brands_for_user", "-p", "user_id=u1").splitlines()

    assert lines[0].split() == ["brand_id", "brand", "purchases", "products"]
    assert lines[1].split() == ["acme", "Acme", "3", "2"]


def test_stats_count_nodes_and_relations(project: Path) -> None:
    stats = json.loads(run("stats", "--json"))

    assert (stats["nodes"]["Product"], stats["relations"]["BOUGHT"]) == (10, 13)
    assert "Product" in run("stats")


def test_the_data_in_the_graph_is_checked(project: Path) -> None:
    told = run("check", "--html", "data.html")
    listed = {(one["table"], one["check"]): one for one in json.loads(run("check", "--json"))["findings"]}

    assert "products.description" in told
    bare = listed["products", "without a category"]
    assert (1, 10, ["p10"]) == (bare["count"], bare["total"], bare["examples"])
    assert "PASS" == listed["products", "without a price"]["verdict"]
    assert "events by day" in Path("data.html").read_text(encoding="utf-8")


def test_a_graph_that_cannot_be_used_ends_with_code_two(project: Path, local_config: GraphConfig) -> None:
    forget = parse_query("write/forget.cypher", "// Forgets.\n// params: rows: rows\n// uses: all\n" + FORGET)
    with GraphStore.open(local_config) as store:
        store.write(forget, [])

    result = CliRunner().invoke(app, ["check"])

    with GraphStore.open(local_config) as store:
        ingest(store, tiny_shop())
    assert (2, True) == (result.exit_code, result.stdout.splitlines()[1].startswith("FAIL"))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_graph_goes_through_files_into_the_same_graph(
    project: Path, graph: GraphStore, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From each server, with declared kinds, flags, numbers and quotes."""
    write_folder(tiny_shop_with_materials(), project / "shop")
    shop = read_folder(project / "shop").tables
    ingest(graph, shop)
    (project / "whycart.toml").write_text(declaration_of(shop.schema), encoding="utf-8")
    if graph.config.uri is not None:
        monkeypatch.setenv("WHYCART_GRAPH_URI", graph.config.uri)
        monkeypatch.setenv("WHYCART_GRAPH_PASSWORD", graph.config.password or "")

    told = run("export", "copy", "--as", form)
    back = read_folder(project / "copy").tables

    assert "whycart ingest copy" in told
    assert build_snapshot(shop).hash == build_snapshot(back).hash
    assert shop.schema == back.schema


def test_an_export_that_cannot_be_is_refused(project: Path) -> None:
    for args in (("export", "copy", "--as", "xlsx"), ("export", "copy", "--around", "Product:p01")):
        with pytest.raises(InputError, match=r"--as takes parquet, csv or neo4j-admin|--around is for GraphML"):
            run(*args)


def test_the_kinds_in_use_are_shown(project: Path) -> None:
    shop = tiny_shop_with_materials()
    (project / "whycart.toml").write_text(declaration_of(shop.schema), encoding="utf-8")

    table, diagram = run("schema"), run("schema", "--mermaid")
    listed = json.loads(run("schema", "--json"))

    assert re.search(r"MADE_OF +Product +Material +no +whycart.toml", table)
    assert re.search(r"BOUGHT_TOGETHER +Product +Product +yes +bought together with \{name\} +built in", table)
    assert "Product }o--o{ Material : MADE_OF" in diagram
    assert ("material_id", -4.0) == (listed["nodes"]["Material"]["key"], listed["events"]["returned"]["weight"])


def test_status_names_the_server(project: Path) -> None:
    status = json.loads(run("status", "--json"))

    assert (status["running"], status["product"]) == (True, "arcadedb")


def test_an_answer_is_written_as_a_file(project: Path) -> None:
    sold = ["query", "best_sellers", "-p", "since=2024-01-02", "-p", "until=2024-01-09", "--out"]

    told = [run(*sold, name) for name in ("sold.parquet", "sold.csv", "sold.json")]
    frames = [pd.read_parquet("sold.parquet"), pd.read_csv("sold.csv"), pd.read_json("sold.json")]

    assert ["4 rows in sold.parquet\n", "4 rows in sold.csv\n", "4 rows in sold.json\n"] == told
    assert [["p07", "p05", "p01", "p03"]] * 3 == [frame["product_id"].tolist() for frame in frames]
    assert ["string", "float64", "Int64"] == frames[0][["product_id", "units", "buyers"]].dtypes.astype(str).tolist()


def test_times_are_shown_as_times(project: Path) -> None:
    table = run("query", "demand_by_week", "-p", "limit=1")
    listed = json.loads(run("query", "demand_by_week", "-p", "limit=1", "--json"))
    plain = list(csv.DictReader(io.StringIO(run("query", "demand_by_week", "-p", "limit=1", "--csv"))))

    assert table.splitlines()[1].startswith("2024-01-01 ")
    assert ("2024-01-01T00:00:00+00:00",) * 2 == (listed[0]["week_start"], plain[0]["week_start"])


def test_a_query_is_shown_whole(project: Path) -> None:
    shown = run("queries", "product_repeat_rate")

    assert "parameters: min_buyers: int = 5, limit: int = 50" in shown
    assert "every_days: float [days]" in shown
    assert "MATCH (u:User)-[e:BOUGHT]->(p:Product)" in shown


def test_a_statement_of_the_user_is_answered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "MATCH (p:Product) WHERE p.price > $least AND p.title <> $not RETURN p.product_id AS id ORDER BY id"
    many = "UNWIND range(1, 2000) AS x RETURN x, null AS nothing"

    rows = json.loads(run("query", "--cypher", text, "-p", "least=6", "-p", "not=Filter coffee", "--json"))
    result = CliRunner().invoke(app, ["query", "--cypher", many, "--out", "many.csv"], catch_exceptions=False)

    assert [{"id": "p03"}] == rows
    assert ("1,000 rows in many.csv\n", True) == (result.stdout, "more than 1,000 rows; ask for less" in result.stderr)
    assert ["x", "nothing"] == list(pd.read_csv("many.csv").columns)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("query",), "give the name of a query, or a statement with --cypher"),
        (("query", "ping", "--cypher", "RETURN 1 AS one"), "give the name of a query, or a statement with --cypher"),
        (("query", "--cypher", "MATCH (n) DELETE n"), "may only read: 'DELETE' at 11"),
        (("query", "--cypher", "RETURN $n AS n"), "needs the parameter 'n'; give it as n=VALUE"),
    ],
)
def test_a_statement_that_cannot_be_asked_is_refused(project: Path, args: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        run(*args)


def test_a_shell_completes_names() -> None:
    asked = {"_WHYCART_COMPLETE": "complete_bash", "COMP_WORDS": "whycart graph query brand_s", "COMP_CWORD": "3"}
    command = [sys.executable, "-c", "import sys; from serving.cli.main import main; sys.exit(main())"]

    completed = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)

    assert ["brand_share_by_week", "brand_switching"] == completed.stdout.split()


def test_queries_of_a_topic_are_listed(project: Path) -> None:
    assert {"baskets"} == {query["topic"] for query in json.loads(run("queries", "--topic", "baskets", "--json"))}
    with pytest.raises(InputError, match="no query has the topic 'brand'; there are baskets, brands, categories"):
        run("queries", "--topic", "brand")


def test_a_notebook_gets_a_data_frame(project: Path) -> None:
    with GraphStore.open(load_settings().graph) as graph:
        frame = graph.query("demand_by_week", since="2024-01-08", limit=1)
        nothing = graph.query("top_brands_for_user", user_id="nobody")

    assert pd.Timestamp("2024-01-08", tz="UTC") == frame["week_start"][0]
    assert (0, ["brand_id", "brand", "purchases", "products"]) == (len(nothing), list(nothing.columns))


def test_queries_are_listed_with_their_parameters(project: Path) -> None:
    listed = {query["name"]: query for query in json.loads(run("queries", "--json"))}

    assert listed["co_purchased"]["params"]["limit"] == {"type": "int", "required": False, "default": 20}
    assert "merge_nodes" not in listed
    assert "co_purchased" in run("queries")


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("query", "merge_nodes"), "no query is named 'merge_nodes'"),
        (("query", "nodes_of_kind"), "no query is named 'nodes_of_kind'"),
        (("query", "co_purchased", "-p", "limit"), "--param must be KEY=VALUE"),
        (("query", "co_purchased", "-p", "product_id=p1", "-p", "limit=x"), "limit must be a whole number"),
    ],
)
def test_a_wrong_query_is_refused(project: Path, args: tuple[str, ...], problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        run(*args)


def test_two_forms_at_once_are_refused(project: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        run("query", "ping", "--json", "--csv")
    with pytest.raises(InputError, match=r"--out takes a file named \*.parquet, \*.csv, \*.json, got 'answer.xlsx'"):
        run("query", "ping", "--out", "answer.xlsx")


def test_a_server_of_somebody_else_is_not_started(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYCART_GRAPH_URI", "bolt://graph.example:7687")

    with pytest.raises(InputError, match="starts and stops only its local server"):
        run("start")


def test_start_and_stop_tell_what_they_did(project: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYCART_GRAPH_FOLDER", str(own_folder))

    assert "answers at bolt://127.0.0.1:" in run("start")
    assert local_server.status(own_folder) is not None
    assert run("stop") == "stopped\n"
    assert "no local graph server runs" in run("stop")
    assert not json.loads(run("status", "--json"))["running"]
