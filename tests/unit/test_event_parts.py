"""An event file read in parts gives the events that it gives when read at once: ids, types, times, bad rows."""

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import RowsError, TableError
from kg.event_parts import Parting
from kg.privacy import Secret
from kg.progress import silent
from kg.reader import read_folder
from kg.validate import ReadReport
from kg.veil import Veil

HEADER = "event_id,user_id,product_id,type,at,quantity,channel,shelf"


def _folder(folder: Path, rows: list[str], *, header: str = HEADER) -> Path:
    folder.mkdir(exist_ok=True)
    products = [f"p{product},Title {product}" for product in range(20)]
    (folder / "products.csv").write_text("\n".join(["product_id,title", *products]) + "\n", encoding="utf-8")
    (folder / "events.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def _rows(num_rows: int, *, seed: int = 0, first_id: int | None = None) -> list[str]:
    """Events of which some come twice, word for word, with ids of the shop's own or without."""
    draw, rows = random.Random(seed), []
    for row in range(num_rows):
        given = "" if first_id is None or row % 3 == 0 else f"e{first_id + row}"
        kind, channel = draw.choice(["bought", "viewed", "Bought "]), draw.choice(["web", "12", "", "app"])
        at = 1_700_000_000 + draw.randrange(40)
        rows.append(
            f"{given},u{draw.randrange(30)},p{draw.randrange(20)},{kind},{at},{draw.choice(['', '2'])},{channel},7"
        )
        if draw.random() < 0.1:
            rows.append(rows[-1])
    draw.shuffle(rows)
    return rows


def _parting(tmp_path: Path, part_bytes: int) -> Parting:
    room = tmp_path / f"room{part_bytes}-{random.randrange(1 << 60)}"
    room.mkdir()
    return Parting(room, part_bytes)


def _assert_same(report: ReadReport, whole: ReadReport) -> None:
    assert report.parts is not None
    events = pa.concat_tables(list(report.parts)).sort_by("event_id").combine_chunks()
    assert events.equals(whole.tables.events)
    assert report.tables.nodes.keys() == whole.tables.nodes.keys()
    for label, nodes in whole.tables.nodes.items():
        assert report.tables.nodes[label].equals(nodes)
    assert report.num_events == whole.num_events
    assert (report.order, report.warnings, report.files) == (whole.order, whole.warnings, whole.files)
    assert report.quarantined == whole.quarantined


@pytest.mark.parametrize("first_id", [None, 0])
@pytest.mark.parametrize("part_bytes", [3_000, 17_000, 100_000])
def test_parts_are_the_whole(tmp_path: Path, first_id: int | None, part_bytes: int) -> None:
    folder = _folder(tmp_path / "shop", _rows(8_000, first_id=first_id))
    whole = read_folder(folder)
    report = read_folder(folder, parting=_parting(tmp_path, part_bytes))
    _assert_same(report, whole)
    assert report.parts is not None
    assert len(report.parts.paths) > 2
    assert whole.tables.events.schema.field("channel").type == pa.string()
    assert whole.tables.events.schema.field("shelf").type == pa.int64()


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_columns_of_any_content_get_the_same_types(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tmp_path = tmp_path_factory.mktemp("parts")
    cells = st.sampled_from(["", "1", "2.5", "true", "FALSE", "x&amp;y", "007", "1e400", "12345678901234567890"])
    columns = [data.draw(st.lists(cells, min_size=1, max_size=3)) for _ in range(2)]
    times = data.draw(
        st.sampled_from([["2025-01-01", "1700000000"], ["1700000000"], ["1700000000000", "1700000001000"], [""]])
    )
    draw = random.Random(data.draw(st.integers(0, 9)))
    rows = [
        f"u{row % 50},p{row % 20},{draw.choice(times)},{draw.choice(columns[0])},{draw.choice(columns[1])}"
        for row in range(3_000)
    ]
    folder = _folder(tmp_path / "shop", rows, header="user_id,product_id,at,one,two")
    _assert_same(read_folder(folder, parting=_parting(tmp_path, 9_000)), read_folder(folder))


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_other_formats_give_the_same_events(tmp_path: Path, ending: str) -> None:
    folder = _folder(tmp_path / "shop", _rows(4_000, first_id=0))
    whole = read_folder(folder)
    text = (folder / "events.csv").read_text(encoding="utf-8")
    (folder / "events.csv").unlink()
    names = HEADER.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in text.splitlines()[1:]]
    file = folder / f"events.{ending}"
    lines = "".join(json.dumps({key: cell for key, cell in row.items() if cell}) + "\n" for row in rows)
    plain = text if ending.startswith("csv") else lines
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file, compression="none", use_dictionary=False)
    else:
        file.write_bytes(gzip.compress(plain.encode()) if ending.endswith("gz") else plain.encode())
    report = read_folder(folder, parting=_parting(tmp_path, 20_000))
    assert report.parts is not None
    events = pa.concat_tables(list(report.parts)).sort_by("event_id").combine_chunks()
    assert events.equals(whole.tables.events)


def test_bad_rows_are_those_of_the_whole(tmp_path: Path) -> None:
    rows = _rows(3_000, first_id=10_000)
    rows[5] = ",u1,nobody,bought,1700000000,,web,7"
    rows[2_000] = ",u1,p1,bougt,1700000000,,web,7"
    rows[2_500] = ",,p1,bought,1700000000,,web,7"
    rows[2_600] = ",u1,p1,bought,1700000000,,web,7,too wide"
    rows[100] = rows[2_900] = "twice,u1,p1,bought,1700000000,,web,7"
    rows[2_950] = "twice,u1,p2,bought,1700000000,,web,7"
    folder = _folder(tmp_path / "shop", rows)
    with pytest.raises(RowsError) as at_once:
        read_folder(folder)
    with pytest.raises(RowsError) as in_parts:
        read_folder(folder, parting=_parting(tmp_path, 9_000))
    assert sorted(str(in_parts.value).splitlines()) == sorted(str(at_once.value).splitlines())
    assert "line 2952, event_id = 'twice': was already given in line 102 with other content" in str(in_parts.value)
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    whole = read_folder(folder, quarantine=one)
    _assert_same(read_folder(folder, quarantine=other, parting=_parting(tmp_path, 9_000)), whole)
    texts = (one.read_text(encoding="utf-8"), other.read_text(encoding="utf-8"))
    aside = [sorted((bad["line"], bad["reason"]) for bad in map(json.loads, text.splitlines())) for text in texts]
    assert aside[0] == aside[1]
    assert whole.quarantined == 5


def test_a_time_is_wanted_of_every_event_or_of_none(tmp_path: Path) -> None:
    rows = _rows(2_000)
    rows[1_500] = ",u1,p1,bought,,,web,7"
    folder = _folder(tmp_path / "shop", rows)
    with pytest.raises(RowsError, match="line 1502, at: is empty while other events have it"):
        read_folder(folder, parting=_parting(tmp_path, 9_000))


def test_people_are_hidden_in_every_part(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "shop", _rows(3_000))
    veil = Veil(secret=Secret(b"0123456789abcdef0123456789abcdef"), scrub=True)
    whole = read_folder(folder, veil=veil)
    report = read_folder(folder, veil=veil, parting=_parting(tmp_path, 9_000))
    _assert_same(report, whole)
    assert not any(b"u1," in path.read_bytes() for path in (report.parts.paths if report.parts else ()))


def test_a_small_file_is_read_at_once(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "shop", _rows(100))
    assert read_folder(folder, parting=_parting(tmp_path, 1 << 20)).parts is None


def test_a_missing_column_and_an_empty_rest_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "shop", ["u1,p1"] * 3_000, header="user_id,product")
    with pytest.raises(TableError, match="column 'product_id' is missing"):
        read_folder(folder, parting=_parting(tmp_path, 3_000))
    folder = _folder(tmp_path / "bad", ["u1,nobody"] * 3_000, header="user_id,product_id")
    with pytest.raises(TableError, match="no event is left"):
        read_folder(folder, quarantine=tmp_path / "aside.jsonl", parting=_parting(tmp_path, 3_000))


def test_progress_is_told(tmp_path: Path) -> None:
    folder, seen = _folder(tmp_path / "shop", _rows(3_000)), dict[str, tuple[int, int | None]]()

    def note(step: str, done: int, total: int | None) -> None:
        silent(step, done, total)
        seen[step] = (done, total)

    read_folder(folder, parting=_parting(tmp_path, 9_000), progress=note)
    steps = [step for step in seen if "events" in step]
    assert len(steps) == 3
    assert all(seen[step][0] == seen[step][1] for step in steps)
