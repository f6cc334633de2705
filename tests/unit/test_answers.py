"""Answers of the graph as notebooks want them."""

from datetime import UTC, datetime

import pandas as pd

from cypher.catalogue import parse_query
from kg.answers import to_frame, with_times
from kg.plan import read_plan

QUERY = parse_query(
    "read/sample.cypher",
    "// A sample.\n// returns: id: str, n: int, share: float, at: time, open: bool, ids: list[str]\n// uses: nothing\n"
    "RETURN 1 AS id, 2 AS n, 3 AS share, 4 AS at, 5 AS open, 6 AS ids",
)
ROWS = [
    {"id": "a", "n": 1, "share": 0.5, "at": 1_700_000_000_123, "open": True, "ids": ["x", "y"]},
    {"id": None, "n": None, "share": None, "at": None, "open": None, "ids": []},
]
DTYPES = ["string", "Int64", "float64", "datetime64[ms, UTC]", "boolean", "object"]


def test_a_frame_has_one_type_a_column() -> None:
    frame = to_frame(QUERY, ROWS)

    assert DTYPES == frame.dtypes.astype(str).tolist()
    assert pd.Timestamp("2023-11-14 22:13:20.123", tz="UTC") == frame["at"][0]
    assert frame.loc[1, ["id", "n", "share", "at", "open"]].isna().all()


def test_an_answer_without_rows_has_its_columns_and_types() -> None:
    frame = to_frame(QUERY, [])

    assert (list(QUERY.returns), DTYPES) == (list(frame.columns), frame.dtypes.astype(str).tolist())


def test_only_times_become_times() -> None:
    first, second = with_times(QUERY, ROWS)

    assert ROWS[0] | {"at": datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)} == first
    assert second["at"] is None


def test_a_time_beyond_the_calendar_stays_a_number() -> None:
    assert 10**18 == with_times(QUERY, [ROWS[0] | {"at": 10**18}])[0]["at"]


def test_a_plan_is_read_down_to_its_leaves() -> None:
    seek = {"operatorType": "NodeUniqueIndexSeek@neo4j", "args": {"Details": "UNIQUE p:Product(product_id)"}}
    plan = read_plan(
        {"operatorType": "ProduceResults@neo4j", "children": [{"operatorType": "Top", "children": [seek]}]}
    )

    assert ["ProduceResults", "Top", "NodeUniqueIndexSeek"] == [part.operator for part in plan.walk()]
    assert (("NodeUniqueIndexSeek",), "UNIQUE p:Product(product_id)") == (plan.leaves, list(plan.walk())[-1].details)


def test_a_server_that_tells_no_plan_has_an_empty_one() -> None:
    assert ("",) == read_plan(None).leaves
