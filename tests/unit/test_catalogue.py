"""The headers of the queries: read, checked against the texts, and their parameters converted."""

import re

import pytest

from cypher.catalogue import Query, list_queries, load_query, parse_query
from cypher.errors import QueryError

ALL = list_queries()
READING = [query for query in ALL if not query.writes]
RUNNABLE = [query for query in READING if not query.placeholders and query.name != "ping"]
HEADER = "// Products of a user.\n// params: user_id: str, limit: int = 20\n// returns: a: str\n// uses: nothing\n"
SAMPLE = parse_query("read/sample.cypher", HEADER + "MATCH (n) RETURN n.a AS a LIMIT $limit")
TYPED = parse_query(
    "read/typed.cypher",
    "// Typed.\n// params: n: int = 1, x: float = 0.5, yes: bool = true, ids: list[str] = [], maybe: str = null\n"
    "// uses: nothing\nRETURN $n, $x, $yes, $ids, $maybe",
)

TIMED = parse_query(
    "analytics/brands/timed.cypher",
    "// Timed.\n// params: since: time = 0, days: int = 28 [days], ids: list[str] = []\n"
    "// returns: rate: float [0..1]\n"
    "// uses: a scan; heavy\n// example: since=2026-01-31, days=7\nRETURN $since + $days + $ids AS rate",
)


def path_of(query: Query) -> str:
    return query.path


@pytest.mark.parametrize("query", ALL, ids=path_of)
def test_the_header_names_the_parameters_of_the_text(query: Query) -> None:
    used = set(re.findall(r"\$([a-z_]+)", query.text))

    assert used == set(query.params)


@pytest.mark.parametrize("query", ALL, ids=path_of)
def test_the_header_names_the_columns_of_the_text(query: Query) -> None:
    returned = query.text.rpartition("RETURN ")[2] if "RETURN " in query.text else ""

    for column in query.returns:
        assert re.search(rf"\b{column}\b", returned), column


@pytest.mark.parametrize("query", RUNNABLE, ids=path_of)
def test_the_example_fits_the_parameters(query: Query) -> None:
    assert set(query.params) >= set(query.check(query.example))
    assert {param.name for param in query.params.values() if param.required} <= set(query.example)


@pytest.mark.parametrize("query", RUNNABLE, ids=path_of)
def test_columns_have_types_that_answers_know(query: Query) -> None:
    assert {"str", "int", "float", "bool", "time", "list[str]"} >= set(query.returns.values())


@pytest.mark.parametrize("query", READING, ids=path_of)
def test_a_reading_query_does_not_write(query: Query) -> None:
    assert None is re.search(r"\b(CREATE|MERGE|SET|DELETE|REMOVE|DROP|LOAD|FOREACH)\b", query.text)


@pytest.mark.parametrize("query", RUNNABLE, ids=path_of)
def test_a_query_for_people_orders_and_bounds_its_rows(query: Query) -> None:
    assert "LIMIT" in query.text
    assert "ORDER BY" in query.text or "LIMIT 1" in query.text


@pytest.mark.parametrize("query", ALL, ids=path_of)
def test_every_traversal_has_a_bound(query: Query) -> None:
    open_ended = re.findall(r"\[[^\]]*\*(?!\d+\.\.\d+)[^\]]*\]", query.text)

    assert open_ended == []


@pytest.mark.parametrize("query", ALL, ids=path_of)
def test_a_file_name_is_one_query(query: Query) -> None:
    assert query is load_query(query.path.removesuffix(".cypher"))


def test_a_query_is_found_by_its_bare_name() -> None:
    assert load_query("co_purchased").path == "analytics/products/co_purchased.cypher"


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(QueryError, match="did you mean 'co_purchased'"):
        load_query("co_purchase")


def test_a_bare_name_of_several_queries_is_refused() -> None:
    with pytest.raises(QueryError, match="stands for several; name one of schema/arcadedb/node_key"):
        load_query("node_key")


def test_both_servers_have_constraints_for_nodes_and_events() -> None:
    for server in ("neo4j", "arcadedb"):
        names = {query.name for query in list_queries(f"schema/{server}")}

        assert {"node_key", "event_key"} <= names


def test_the_header_is_read() -> None:
    assert (
        SAMPLE.name,
        SAMPLE.folder,
        SAMPLE.description,
        SAMPLE.writes,
    ) == ("sample", "read", "Products of a user.", False)
    assert SAMPLE.returns == {"a": "str"}


def test_a_default_fills_in() -> None:
    assert SAMPLE.check({"user_id": "u1"}) == {"user_id": "u1", "limit": 20}


def test_strings_of_a_command_line_are_converted() -> None:
    given = {"n": "7", "x": "1e-3", "yes": "no", "ids": "a, b", "maybe": "text"}

    assert TYPED.check(given) == {"n": 7, "x": 0.001, "yes": False, "ids": ["a", "b"], "maybe": "text"}


def test_what_is_typed_already_is_not_read_from_texts_but_times_are() -> None:
    assert {"since": 1769817600000, "days": 7, "ids": []} == TIMED.check({"since": "2026-01-31", "days": 7}, typed=True)
    with pytest.raises(QueryError, match="days must be a whole number"):
        TIMED.check({"days": "7"}, typed=True)


def test_a_default_of_null_is_none() -> None:
    assert TYPED.check({})["maybe"] is None


def test_a_whole_number_is_a_float() -> None:
    assert TYPED.check({"x": 2})["x"] == 2.0


@pytest.mark.parametrize("value", ["many", 1.5, True, None, [1], -1, 10**10, "1_000", " 5"])
def test_a_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(QueryError, match=r"limit must be a whole number from 0 to 1,000,000,000 \(type int\)"):
        SAMPLE.check({"user_id": "u1", "limit": value})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-31", 1769817600000),
        ("2026-01-31T08:00:00Z", 1769846400000),
        ("2026-01-31T08:00:00+08:00", 1769817600000),
        ("1769817600000", 1769817600000),
        ("-1", -1),
        (5, 5),
    ],
)
def test_a_time_is_read(given: object, expected: int) -> None:
    assert expected == TIMED.check({"since": given})["since"]


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "", 1.5, True])
def test_what_is_no_time_is_refused(given: object) -> None:
    with pytest.raises(
        QueryError, match="since must be a time \\(2026-01-31, 2026-01-31T08:00:00Z or epoch milliseconds"
    ):
        TIMED.check({"since": given})


def test_units_topic_and_weight_are_read() -> None:
    assert (TIMED.units, TIMED.params["days"].unit, TIMED.params["ids"].default) == ({"rate": "0..1"}, "days", [])
    assert (TIMED.topic, TIMED.heavy, dict(TIMED.example)) == ("brands", True, {"since": "2026-01-31", "days": "7"})


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(QueryError, match=r"needs the parameter 'user_id' \(str\)"):
        SAMPLE.check({})


def test_an_unknown_parameter_offers_the_nearest() -> None:
    with pytest.raises(QueryError, match="no parameter 'limits'; did you mean 'limit'"):
        SAMPLE.check({"user_id": "u1", "limits": 3})


def test_a_placeholder_becomes_a_quoted_name() -> None:
    bound = load_query("nodes_of_kind").bind(label="Product")

    assert "MATCH (n:`Product`)" in bound.text
    assert frozenset() == bound.placeholders


def test_several_names_become_a_map_of_what_the_row_has() -> None:
    bound = load_query("create_events").bind(relation="BOUGHT", properties=["event_id", "at"])

    assert "CREATE (u)-[e:`BOUGHT` { `event_id`: row.`event_id`, `at`: row.`at` }]->(p)" in bound.text


def test_each_of_several_names_must_be_an_identifier() -> None:
    with pytest.raises(QueryError, match="properties must be letters, digits and underscores, got 'a b'"):
        load_query("create_events").bind(relation="BOUGHT", properties=["event_id", "a b"])


@pytest.mark.parametrize("name", ["Product`) DETACH DELETE (n", "", "a b", "1st", "A" * 64, "Ä"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match="label must be letters, digits and underscores"):
        load_query("nodes_of_kind").bind(label=name)


def test_a_missing_name_is_refused() -> None:
    with pytest.raises(QueryError, match="needs \\['label'\\] to be bound"):
        load_query("nodes_of_kind").bind()


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("// uses: nothing\n", "must start with a sentence"),
        ("// Says something.\n", "has no 'uses:' line"),
        ("// A.\n// params: Limit int\n// uses: b\n", "cannot read 'Limit int'"),
        ("// A.\n// params: limit: date\n// uses: b\n", "has the type 'date'"),
        ("// A.\n// params: limit: int = many\n// uses: b\n", "must be JSON, got 'many'"),
        ("// A.\n// uses: b\n// example: limit\n", "cannot read 'limit' in the example"),
    ],
)
def test_a_wrong_header_is_refused(header: str, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        parse_query("read/wrong.cypher", f"{header}RETURN 1 AS one")
