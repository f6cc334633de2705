"""What is held of a user is handed out, and nothing of it is left after a deletion, whatever is replayed afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cypher.catalogue import parse_query
from kg.deletions import read_person
from kg.errors import GraphUnavailable, PrivacyError
from kg.extract import extract_tables
from kg.ingest import ingest
from kg.privacy import Secret
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.snapshot_files import save_snapshot
from kg.store import GraphConfig, GraphStore
from serving.answer import RecommendRequest
from serving.applying import apply_events
from serving.audit_config import AuditConfig
from serving.errors import UnknownUser
from serving.events import EventLog, NewEvent
from serving.graph_input import snapshot_with_events
from serving.impressions import NewImpression
from serving.people_data import allow, forget, forget_in_models, hand_out, restore_deletions
from serving.products import ProductLog
from serving.records import Record, RecordLog, clock_ms
from tests.integration.conftest import EMPTY
from tests.support.api import product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import DAY_MS, MONDAY, tiny_shop

SCHEMA = GraphSchema()
EVERYTHING = parse_query(
    "read/everything.cypher",
    "// All there is.\n// returns: node: map, edges: any\n// uses: nothing\n"
    "MATCH (n) OPTIONAL MATCH (n)-[r]->() RETURN properties(n) AS node, collect(properties(r)) AS edges",
)
NOW = MONDAY + 40 * DAY_MS
MARKED = "jane.roe@example.org"
LIST = "0123456789abcdef" * 2
SEEN = NewImpression(recommendation_id=LIST, product_ids=("p02",), at_ms=clock_ms())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordLog]:
    with RecordLog.open(tmp_path / "state.db", AuditConfig()) as opened:
        yield opened


def event(number: int, user: str, list_id: str | None = None) -> NewEvent:
    return NewEvent(
        event_id=f"new{number}",
        user_id=user,
        product_id="p02",
        type="bought",
        at_ms=NOW + number,
        recommendation_id=list_id,
    )


def users_in(graph: GraphStore) -> set[str]:
    tables = extract_tables(graph, SCHEMA)
    return {*tables.nodes["User"]["user_id"].to_pylist(), *tables.events["user_id"].to_pylist()}


def delete(user: str, log: EventLog, records: RecordLog, store: GraphStore | None) -> None:
    forget([user], log=log, records=records, store=store, schema=SCHEMA, now_ms=NOW)


def test_everything_held_of_a_user_is_handed_out(graph: GraphStore, log: EventLog, records: RecordLog) -> None:
    ingest(graph, tiny_shop())
    log.append([event(1, "u2", LIST)])
    records.add([record_for("u2")])
    records.impressions.append([SEEN], now_ms=SEEN.at_ms)

    found = hand_out("u2", log=log, records=records, store=graph, schema=SCHEMA)

    events = found["graph"]["events"]
    assert ["e06", "e07", "e08"] == [one["event_id"] for one in events]
    assert {"type": "bought", "product_id": "p05", "event_id": "e07", "at": MONDAY + 2 * DAY_MS, "quantity": 4.0} == {
        name: events[1][name] for name in ("type", "product_id", "event_id", "at", "quantity")
    }
    assert ({"user_id": "u2"}, ["new1"]) == (
        found["graph"]["properties"],
        [one["event_id"] for one in found["event_log"]],
    )
    assert [LIST] == [one["recommendation_id"] for one in found["event_log"]]
    assert [[0, 1]] == [[seen["position"] for seen in one["seen"]] for one in found["recommendations"]]


def test_of_a_stranger_nothing_is_handed_out(graph: GraphStore, log: EventLog, records: RecordLog) -> None:
    ingest(graph, tiny_shop())

    with pytest.raises(UnknownUser, match="nothing is held of a user 'stranger'"):
        hand_out("stranger", log=log, records=records, store=graph, schema=SCHEMA)


def test_a_deleted_user_is_gone_and_an_old_file_does_not_bring_the_user_back(
    graph: GraphStore, log: EventLog, records: RecordLog
) -> None:
    ingest(graph, tiny_shop())
    delete("u2", log, records, graph)
    without = extract_tables(graph, SCHEMA)

    again = ingest(graph, tiny_shop(), secret=log.deletions.secret())

    left = [row for row in tiny_shop().events.to_pylist() if row["user_id"] != "u2"]
    assert ({"u1", "u3", "u4", "u5", "u6"}, left) == (users_in(graph), without.events.to_pylist())
    assert (1, 0, 0) == (again.num_deleted, again.nodes_created, again.events_created)
    assert build_snapshot(without).hash == build_snapshot(extract_tables(graph, SCHEMA)).hash


def test_a_deletion_done_again_changes_nothing(graph: GraphStore, log: EventLog, records: RecordLog) -> None:
    ingest(graph, tiny_shop())
    delete("u2", log, records, graph)
    first = log.deletions.last()

    delete("u2", log, records, graph)

    assert (first, {}, None) == (log.deletions.last(), dict(log.deletions.waiting()), read_person(graph, SCHEMA, "u2"))


def test_without_the_secret_nothing_is_imported_after_a_deletion(
    graph: GraphStore, log: EventLog, records: RecordLog
) -> None:
    ingest(graph, tiny_shop())
    delete("u2", log, records, graph)

    with pytest.raises(PrivacyError, match=r"1 users were deleted .* \[privacy\] key_file names its file"):
        ingest(graph, tiny_shop())
    with pytest.raises(
        PrivacyError, match=r"users were deleted .* with the secret [0-9a-f]{8}, and .* holds [0-9a-f]{8}"
    ):
        ingest(graph, tiny_shop(), secret=Secret(b"another secret of the shop"))
    assert "u2" not in users_in(graph)


def test_an_allowed_user_may_come_back(graph: GraphStore, log: EventLog, records: RecordLog) -> None:
    ingest(graph, tiny_shop())
    delete("u2", log, records, graph)

    was, again = (allow("u2", log=log, store=graph, schema=SCHEMA) for _ in range(2))
    ingest(graph, tiny_shop())

    assert (True, False) == (was, again)
    assert build_snapshot(tiny_shop()).hash == build_snapshot(extract_tables(graph, SCHEMA)).hash


def test_a_graph_filled_anew_is_told_who_was_deleted(graph: GraphStore, log: EventLog, records: RecordLog) -> None:
    ingest(graph, tiny_shop())
    delete("u2", log, records, graph)
    graph.write(EMPTY, [])

    told = restore_deletions(log, graph, SCHEMA)
    ingest(graph, tiny_shop(), secret=log.deletions.secret())

    assert (1, False) == (told, "u2" in users_in(graph))


def test_nothing_is_left_in_any_store(graph: GraphStore, tmp_path: Path, log: EventLog, records: RecordLog) -> None:
    """The name is looked for in the bytes of every file of the shop, and in all that its graph holds."""
    snapshots = tmp_path / "snapshots"
    with ProductLog.open(tmp_path / "state.db") as products:
        ingest(graph, tiny_shop())
        log.append([event(1, MARKED, LIST), event(2, "u1")])
        records.add([record_for(MARKED)])
        records.impressions.append([SEEN], now_ms=SEEN.at_ms)
        made, _ = snapshot_with_events(graph, SCHEMA, log=log, products=products)
        publish_tiny_bundle(tmp_path / "bundles", snapshot=made)
        save_snapshot(made, snapshots / "before")
        before = {path.parts[0].removesuffix("-wal") for path in files_with(tmp_path, MARKED)}
        assert ({"bundles", "snapshots", "state.db"}, True) == (before, MARKED in everything_in(graph))

        delete(MARKED, log, records, graph)
        made, applied = snapshot_with_events(graph, SCHEMA, log=log, products=products)
        later = publish_tiny_bundle(tmp_path / "bundles", snapshot=made, decay=9.0, deletions=applied.deletions)
        gone = forget_in_models(later, snapshots, log.deletions, applied=applied.deletions)

    assert (2, [later.current_version()]) == (len(gone), later.versions())
    assert ([], False) == (files_with(tmp_path, MARKED), MARKED in everything_in(graph))
    assert ([], {}) == (files_with(tmp_path, LIST), records.impressions.of([LIST]))


def record_for(user: str) -> Record:
    return Record(
        recommendation_id=LIST,
        at_ms=clock_ms(),
        wish=RecommendRequest(user_id=user),
        model_version="20240201T000000Z-00000000",
        graph_version="0",
        events_after=0,
        events_until=0,
        answer=b'{"items": [{"product_id": "p02", "rank": 1}]}',
    )


def everything_in(graph: GraphStore) -> str:
    return str(graph.read(EVERYTHING))


def files_with(folder: Path, text: str) -> list[Path]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and text.encode() in path.read_bytes()]
    return [path.relative_to(folder) for path in found]


# The API


def test_the_api_deletes_a_user_who_is_nobody_from_then_on(graph: GraphStore, tmp_path: Path) -> None:
    ingest(graph, tiny_shop())
    bundles = publish_tiny_bundle(tmp_path / "bundles")

    def opened() -> GraphStore:
        return GraphStore.open(graph.config if graph.config.uri else replace(graph.config, user="neo4j"))

    with (
        running_api(bundles, tmp_path, open_graph=opened, ask_graph=opened) as client,
        running_api(bundles, tmp_path) as other,
    ):
        known = client.get("/v1/users/u2").json()
        stranger = product_ids(client.get("/v1/recommend/stranger"))
        assert (3, True) == (len(known["graph"]["events"]), stranger != product_ids(client.get("/v1/recommend/u2")))

        deleted = client.delete("/v1/users/u2")

        assert (200, False) == (deleted.status_code, deleted.json()["in_graph"])
        assert stranger == product_ids(client.get("/v1/recommend/u2"))
        assert until(lambda: stranger == product_ids(other.get("/v1/recommend/u2")), seconds=3.0)
        assert (404, 422, 0) == (
            client.get("/v1/users/u2").status_code,
            client.post("/v1/events", json={"events": [{"user_id": "u2", "product_id": "p01"}]}).status_code,
            client.get("/v1/profile/u2").json()["events_used"],
        )
        members = client.get("/v1/audiences", params={"product": "p05", "exclude_had": False}).json()["members"]
        assert ("u2" in {one["user_id"] for one in members}, len(members) > 0) == (False, True)
    assert "u2" not in users_in(graph)


def test_a_graph_that_is_away_lets_go_when_it_is_back(local_config: GraphConfig, tmp_path: Path) -> None:
    away = [True]

    def opened() -> GraphStore:
        if away[0]:
            raise GraphUnavailable("away")
        return GraphStore.open(local_config)

    with GraphStore.open(local_config) as graph:
        graph.write(EMPTY, [])
        ingest(graph, tiny_shop())
        bundles = publish_tiny_bundle(tmp_path / "bundles")
        with running_api(bundles, tmp_path, open_graph=opened) as client:
            assert client.delete("/v1/users/u2").json()["in_graph"]
            away[0] = False
            assert until(lambda: "u2" not in users_in(graph))
    assert [] == [path for path in files_with(tmp_path, "u2") if path.parts[0].startswith("state")]


def test_an_event_that_comes_while_a_user_is_deleted_does_not_stay(
    graph: GraphStore, log: EventLog, records: RecordLog
) -> None:
    ingest(graph, tiny_shop())
    delete("u2", log, records, None)

    appended = log.append([event(1, "u2"), event(2, "u1")])
    apply_events(log, graph, build_snapshot(tiny_shop()))
    delete("u2", log, records, graph)

    assert (1, False) == (appended.accepted, "u2" in users_in(graph))
