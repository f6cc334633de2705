"""A folder whose event file is read and written in parts makes the graph that it makes when read at once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kg.admin_import import write_admin_files
from kg.deletions import delete_users, without_users
from kg.event_parts import Parting
from kg.extract import extract_tables
from kg.ingest import ImportOptions, ingest
from kg.input_folder import write_folder
from kg.merge_rule import MergeRule
from kg.privacy import Secret
from kg.reader import read_folder
from kg.sources.generated import generated_shop
from kg.store import GraphStore
from kg.tables import EVENT_COLUMNS
from kg.validate import ReadReport
from serving.cli.main import app
from tests.integration.test_graph_conformance import assert_same

SECRET = Secret(b"0123456789abcdef0123456789abcdef")


def _in_parts(tmp_path: Path) -> tuple[ReadReport, ReadReport]:
    """A folder read at once and in parts."""
    folder, room = tmp_path / "shop", tmp_path / "room"
    write_folder(generated_shop(products=60, users=40, events=3_000).tables, folder, form="csv")
    room.mkdir()
    return read_folder(folder), read_folder(folder, parting=Parting(room, 40_000))


def test_parts_make_the_graph_of_the_whole(graph: GraphStore, tmp_path: Path) -> None:
    whole, report = _in_parts(tmp_path)
    assert report.parts is not None
    assert len(report.parts.paths) > 3
    options, heard = ImportOptions(batch_rows=100), dict[str, tuple[int, int | None]]()

    def note(step: str, done: int, total: int | None) -> None:
        heard[step] = (done, total)

    first = ingest(graph, report.tables, options=options, parts=report.parts, progress=note)
    found = extract_tables(graph, whole.tables.schema)
    again = ingest(graph, report.tables, options=options, parts=report.parts)
    after = extract_tables(graph, whole.tables.schema)

    assert_same(whole.tables, found)
    assert_same(whole.tables, after)
    assert first.events_created == whole.tables.events.num_rows
    assert (again.nodes_created, again.edges_created, again.events_created) == (0, 0, 0)
    assert {name: count for name, count in again.events.items() if count} == whole.num_events
    assert first.num_rows == whole.tables.events.num_rows + sum(first.nodes.values()) + sum(first.edges.values())
    assert heard["bought, part 2"][0] == heard["bought, part 2"][1]


def test_what_an_import_in_parts_left_half_done_is_completed(graph: GraphStore, tmp_path: Path) -> None:
    whole, report = _in_parts(tmp_path)
    some = [part.slice(0, 100) for part in report.parts or ()][:2]
    ingest(graph, report.tables, parts=some)

    created = ingest(
        graph, report.tables, options=ImportOptions(batch_rows=50), parts=report.parts or ()
    ).events_created

    assert created == whole.tables.events.num_rows - 200
    assert_same(whole.tables, extract_tables(graph, whole.tables.schema))


def test_who_was_deleted_stays_out_of_every_part(graph: GraphStore, tmp_path: Path) -> None:
    whole, report = _in_parts(tmp_path)
    user_id = whole.tables.events["user_id"][0].as_py()
    schema = whole.tables.schema
    graph.create_schema(schema)
    delete_users(graph, schema, {SECRET.digest(user_id): user_id}, secret=SECRET, at_ms=1)

    told = ingest(graph, report.tables, secret=SECRET, parts=report.parts or ())

    assert_same(without_users(whole.tables, [user_id]), extract_tables(graph, schema))
    assert told.num_deleted == 1


def test_products_are_merged_in_every_part(graph: GraphStore, tmp_path: Path) -> None:
    whole, report = _in_parts(tmp_path)
    price = whole.tables.nodes["Product"]["price"].to_pylist()
    double = max(price, key=price.count)
    assert price.count(double) > 1
    options = ImportOptions(merge=MergeRule(("price",)), batch_rows=500)
    ingest(graph, whole.tables)  # so that some of the past is with products that are merged away now

    merged = [ingest(graph, report.tables, options=options, parts=report.parts or ()) for _ in range(2)]
    in_parts = extract_tables(graph, whole.tables.schema)
    ingest(graph, whole.tables, options=options)

    assert_same(extract_tables(graph, whole.tables.schema), in_parts)
    assert merged[0].num_merged_away > 0
    assert [one.events_created for one in merged] == [0, 0]
    apart = [ingest(graph, report.tables, parts=report.parts or ()).events_created for _ in range(2)]
    assert apart[1] == 0
    assert whole.tables.events.equals(extract_tables(graph, whole.tables.schema).events)


def test_files_for_the_import_of_neo4j_hold_every_part(tmp_path: Path) -> None:
    whole, report = _in_parts(tmp_path)
    one, other = tmp_path / "one", tmp_path / "other"
    tables = replace(whole.tables, events=whole.tables.events.select(EVENT_COLUMNS.names))
    expected = write_admin_files(tables, one)
    arguments = [
        argument.replace(str(other), str(one))
        for argument in write_admin_files(report.tables, other, parts=report.parts or ())
    ]
    assert arguments == expected
    for file in one.iterdir():
        header, *rows = file.read_text(encoding="utf-8").splitlines()
        header_of_parts, *rows_of_parts = (other / file.name).read_text(encoding="utf-8").splitlines()
        if "relationships-" in file.name and "event_id" in header:
            assert set(header.split(",")) <= set(header_of_parts.split(","))
            places = [header_of_parts.split(",").index(name) for name in header.split(",")]
            rows_of_parts = [",".join(row.split(",")[place] for place in places) for row in rows_of_parts]
        assert sorted(rows) == sorted(rows_of_parts)


def test_the_command_reads_a_large_file_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, home = tmp_path / "shop", tmp_path / "cwd"
    home.mkdir()
    write_folder(generated_shop(products=60, users=200, events=40_000).tables, folder, form="csv")
    assert (folder / "events.csv").stat().st_size > 2 << 20
    monkeypatch.chdir(home)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    told = CliRunner().invoke(app, ["ingest", str(folder), "--part-mb", "1", "--dry-run"])
    facts = CliRunner().invoke(app, ["ingest", str(folder), "--part-mb", "1", "--dry-run", "--json"])
    whole = CliRunner().invoke(app, ["ingest", str(folder), "--dry-run", "--json"])

    assert "events.csv was read in 3 parts (--part-mb)" in told.stdout
    in_parts, at_once = json.loads(facts.stdout), json.loads(whole.stdout)
    assert (in_parts.pop("parts"), at_once.pop("parts")) == (3, 0)
    assert in_parts == at_once
    assert list(temporary.iterdir()) == []
