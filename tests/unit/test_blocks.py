"""A file read a block at a time gives the rows, the lines and the broken rows that it gives when read at once."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.blocks import has_blocks, read_blocks, text_bytes
from kg.errors import TableError
from kg.formats import parse_file
from kg.problems import describe
from kg.raw import RawTable

CELL = st.sampled_from(["u1", "p 2", "", "ein \u00e4", '"two\nlines"', '"a ""quoted"" word"', "12", "0.5"])
ROW = st.lists(CELL, min_size=2, max_size=4)
"""A row of two cells; others are of another width."""


def _rows(raw: RawTable) -> list[tuple[int, dict[str, object]]]:
    return list(zip(raw.lines.tolist(), raw.table.to_pylist(), strict=True))


def _same(path: Path, *, block_bytes: int, at_least: int = 1) -> None:
    whole = parse_file(path, name="events")
    blocks = list(read_blocks(path, name="events", block_bytes=block_bytes))
    assert [row for block in blocks for row in _rows(block)] == _rows(whole)
    assert [describe(bad) for block in blocks for bad in block.broken] == [describe(bad) for bad in whole.broken]
    assert len(blocks) >= at_least


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(ROW, min_size=1, max_size=60),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    block=st.integers(60, 200),
)
def test_csv_blocks_are_the_file(tmp_path_factory: pytest.TempPathFactory, rows, end, last, block) -> None:
    lines = [",".join(row) for row in (["user_id", "product_id"], *rows)]
    path = tmp_path_factory.mktemp("csv") / "events.csv"
    path.write_text(end.join(lines) + (end if last else ""), encoding="utf-8", newline="")
    _same(path, block_bytes=block)


def test_many_blocks_of_csv_with_a_mark_and_gzipped(tmp_path: Path) -> None:
    text = "\ufeffuser_id,product_id,note\n" + "".join(
        f'u{row},p{row % 7},"first\nsecond {row}"\n' if row % 11 else f"u{row},p1,x,too wide\n" for row in range(2_000)
    )
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    _same(path, block_bytes=4_096, at_least=5)
    assert text_bytes(path) == len(text.encode())


@pytest.mark.parametrize("last", ["\n", "", "\n\n\n"])
def test_jsonl_blocks_are_the_file(tmp_path: Path, last: str) -> None:
    lines = [json.dumps({"user_id": f"u{row}", "product_id": "p", "value": row / 4}) for row in range(500)]
    lines[13], lines[77], lines[300] = "", '{"user_id": ', '{"user_id": "u", "product_id": "p", "value": {"a": 1}}'
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines) + last, encoding="utf-8")
    whole = parse_file(path, name="events")
    blocks = list(read_blocks(path, name="events", block_bytes=1_500))
    assert len(blocks) > 5
    assert [line for block in blocks for line in block.lines.tolist()] == whole.lines.tolist()
    assert [str(row["user_id"]) for block in blocks for row in block.table.to_pylist()] == [
        row["user_id"] for row in whole.table.to_pylist()
    ]
    assert [bad.line for block in blocks for bad in block.broken] == [bad.line for bad in whole.broken] == [78, 301]


def test_parquet_blocks_are_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"user_id": [f"u{row}" for row in range(5_000)], "value": range(5_000)}), path)
    _same(path, block_bytes=4_000, at_least=5)
    assert has_blocks(path)
    assert not has_blocks(path.with_name("events.parquet.gz"))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("events.csv", b"", "is empty; its first line names the columns"),
        ("events.csv", b"a,a\n1,2\n", "column 'a' is there twice"),
        ("events.csv", b"a,b\n1,2\n3,\xff\n", "line 3: byte 0xff is not UTF-8"),
        ("events.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 9_000, mtime=0)[:-20], "is not a complete gzip file"),
        ("events.csv.gz", b"a,b\n1,2\n", "is not a complete gzip file"),
        ("events.jsonl", b"\n \n", "is empty; it needs one JSON object a line"),
        ("events.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "line 2: byte 0xff is not UTF-8"),
        ("events.parquet", b"PAR1 no", "is not a Parquet file that can be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_same_words(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    text_bytes(path)
    with pytest.raises(TableError, match=message):
        parse_file(path, name="events")
    with pytest.raises(TableError, match=message):
        list(read_blocks(path, name="events", block_bytes=64))
