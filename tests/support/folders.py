"""Writes input folders for tests: rows as CSV, JSONL or Parquet, plain or gzipped."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, Any]
Form = Literal["csv", "jsonl", "parquet"]

PRODUCTS: Sequence[Row] = (
    {"product_id": "p1", "title": "Green tea", "brand": "Acme", "categories": [["Drinks", "Tea"]], "price": 4.0},
    {
        "product_id": "p2",
        "title": "Black tea",
        "brand": "雀巢",
        "categories": [["Drinks", "Tea"], ["Gifts"]],
        "price": 3.5,
    },
    {"product_id": "p3", "title": "Oat biscuits", "brand": None, "categories": None, "price": None},
)
EVENTS: Sequence[Row] = (
    {"user_id": "u1", "product_id": "p1", "type": "viewed", "at": "2024-01-01T10:00:00Z", "quantity": None},
    {"user_id": "u1", "product_id": "p1", "type": "bought", "at": "2024-01-01T10:05:00Z", "quantity": 2},
    {"user_id": "u2", "product_id": "p2", "type": "bought", "at": "2024-01-02T08:00:00+02:00", "quantity": 1},
    {"user_id": "u2", "product_id": "p3", "type": "bought", "at": "2024-01-03", "quantity": 1.5},
)


def write_shop(folder: Path, *, form: Form = "csv", zipped: bool = False, **tables: Sequence[Row]) -> Path:
    """Write a folder of tables; products and events are there unless other rows are given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in ({"products": PRODUCTS, "events": EVENTS} | tables).items():
        data = _ENCODERS[form](rows)
        path = folder / f"{name}.{form}{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(data) if zipped else data)
    return folder


def _csv(rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _paths(value) if isinstance(value, list) else value for key, value in row.items()})
    return out.getvalue().encode()


def _paths(value: Sequence[Sequence[str]]) -> str:
    return " | ".join(" > ".join(path) for path in value)


def _jsonl(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), out)
    return out.getvalue()


_ENCODERS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
