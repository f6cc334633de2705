"""Statements that somebody typed, on both servers: reading ones are answered, no other one does anything."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cypher.catalogue import Query, load_query, parse_query, queries_for_people
from cypher.errors import QueryError
from kg.ask import ask, collect, open_reading
from kg.errors import GraphConnectionError
from kg.extract import extract_tables
from kg.ingest import ingest
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.support.attacks import ATTACKS, HARMLESS, WRITES
from tests.worlds import tiny_shop

NAMED = {"label": "p01", "key": "p01", "url": "file:///etc/passwd", "user": "u1"}
SHOWN = queries_for_people()


@pytest.fixture(scope="module", params=["local", "neo4j"])
def config(request: pytest.FixtureRequest) -> GraphConfig:
    """Give the way to each server in turn, filled with the tiny shop."""
    found: GraphConfig = request.getfixturevalue(f"{request.param}_config")
    with GraphStore.open(found) as store:
        store.write(EMPTY, [])
        ingest(store, tiny_shop())
    return found


@pytest.fixture(scope="module")
def reading(config: GraphConfig) -> Iterator[GraphStore]:
    with open_reading(config, seconds=20) as store:
        yield store


def hash_of(config: GraphConfig) -> str:
    with GraphStore.open(config) as store:
        return build_snapshot(extract_tables(store, GraphSchema())).hash


def params_of(text: str) -> dict[str, str]:
    return {name: value for name, value in NAMED.items() if f"${name}" in text}


def test_no_attack_writes_or_reaches_a_file(config: GraphConfig, reading: GraphStore) -> None:
    before = hash_of(config)

    for text in ATTACKS:
        with pytest.raises(QueryError):
            ask(reading, text, params_of(text))

    assert before == hash_of(config)


def test_what_slips_past_the_first_lock_meets_the_next(config: GraphConfig, reading: GraphStore) -> None:
    """The words are not judged here: the statement goes to the server as it is."""
    before = hash_of(config)

    refused = 0
    for text in WRITES:
        query = parse_query("read/smuggled.cypher", f"// Smuggled.\n// uses: nothing\n{text}")
        try:
            list(reading.stream(Query(**{**_fields(query), "params": {}, "text": text})))
        except (QueryError, GraphConnectionError):
            refused += 1

    assert before == hash_of(config)
    assert refused >= len(WRITES) - 2


def _fields(query: Query) -> dict[str, object]:
    return {name: getattr(query, name) for name in Query.__dataclass_fields__}


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_reads_is_answered(reading: GraphStore, text: str) -> None:
    found = ask(reading, text, params_of(text))

    assert ("", True) == (found.cut, bool(found.columns) or not found.rows)


def test_nodes_and_paths_come_as_plain_maps(reading: GraphStore) -> None:
    text = "MATCH p = (a:Product {product_id: 'p01'})-[r:MADE_BY]->(b:Brand) RETURN a, r, p, [b] AS brands"

    row = ask(reading, text).rows[0]

    assert (["Product"], "Green tea") == (row["a"]["labels"], row["a"]["properties"]["title"])
    assert {"type": "MADE_BY", "properties": {}} == row["r"]
    assert ["acme"] == [brand["properties"]["brand_id"] for brand in row["brands"]]
    assert [["Product"], ["Brand"]] == [node["labels"] for node in row["p"]["nodes"]]


def test_an_answer_is_cut_at_its_rows_and_its_bytes(reading: GraphStore) -> None:
    some = ask(reading, "UNWIND range(1, 100) AS x RETURN x", rows=10)
    few = ask(reading, "UNWIND range(1, 100) AS x RETURN x, 'y' AS y", size=100)
    every = ask(reading, "UNWIND range(1, 10) AS x RETURN x", rows=10)

    assert (list(range(1, 11)), "there are more than 10 rows; ask for less with LIMIT, or page with SKIP") == (
        [row["x"] for row in some.rows],
        some.cut,
    )
    assert (True, "the answer is larger than 100 bytes; return less of it") == (0 < len(few.rows) < 10, few.cut)
    assert (10, "") == (len(every.rows), every.cut)


def test_a_statement_that_takes_too_long_is_stopped(neo4j_config: GraphConfig) -> None:
    endless = "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN count(x + y) AS n"

    with open_reading(neo4j_config, seconds=1) as store, pytest.raises(GraphConnectionError, match="took too long"):
        ask(store, endless)


def test_a_mistake_is_told_with_the_words_of_the_server(reading: GraphStore) -> None:
    with pytest.raises(QueryError, match="refuses query your statement"):
        ask(reading, "MATCH (n RETURN n)")


def test_a_query_of_the_catalogue_is_cut_too(reading: GraphStore) -> None:
    query = load_query("best_sellers")

    found = collect(query, reading.stream(query, {}), rows=2)

    assert (2, tuple(query.returns)) == (len(found.rows), found.columns)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_text_may_stand_in_any_parameter(reading: GraphStore, config: GraphConfig, data: st.DataObject) -> None:
    query = data.draw(st.sampled_from(SHOWN))
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(ATTACKS[:60])
    params = {name: data.draw(texts) for name, param in query.params.items() if param.type == "str"}
    others = {name: value for name, value in query.example.items() if name not in params}

    rows = reading.read(query, {**others, **params})

    assert all(list(query.returns) == list(row) for row in rows)


def test_nothing_was_changed_by_all_of_this(config: GraphConfig) -> None:
    assert build_snapshot(tiny_shop()).hash == hash_of(config)
