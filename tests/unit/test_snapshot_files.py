"""Snapshots on disk: what is loaded equals what was saved, and what was changed is refused."""

import json
import mmap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from kg.errors import SnapshotError
from kg.schema import GraphSchema
from kg.snapshot import Edges, Events, Snapshot, build_snapshot
from kg.snapshot_files import MANIFEST, load_snapshot, save_snapshot
from kg.tables import Tables
from tests.support.random_shops import random_shop
from tests.worlds import make_tables, tiny_shop, tiny_shop_with_materials

SHOPS = {
    "tiny": tiny_shop,
    "declared kinds": tiny_shop_with_materials,
    "positions": lambda: random_shop(3, order="position"),
    "no order": lambda: random_shop(4, order="none"),
    "nothing at all": lambda: make_tables(GraphSchema(), {}, edges={}, events=[]),
    "products only": lambda: make_tables(GraphSchema(), {"Product": [{"product_id": "p"}]}, edges={}, events=[]),
}


def arrays_of(value: Events | Edges) -> dict[str, tuple[str, list[float]] | None]:
    """Return the columns as plain values with their types."""
    columns = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: None if array is None else (str(array.dtype), array.tolist()) for name, array in columns.items()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Give the folder of the tiny shop's snapshot."""
    save_snapshot(build_snapshot(tiny_shop()), tmp_path / "snapshot")
    return tmp_path / "snapshot"


@pytest.mark.parametrize("make", SHOPS.values(), ids=SHOPS.keys())
def test_a_loaded_snapshot_equals_the_saved_one(make: object, tmp_path: Path) -> None:
    tables: Tables = make()  # type: ignore[operator]  # parametrised
    snapshot = build_snapshot(tables)
    save_snapshot(snapshot, tmp_path / "s")

    loaded = load_snapshot(tmp_path / "s")

    for name in ("schema", "order", "cutoff_ms", "hash", "event_names"):
        assert getattr(snapshot, name) == getattr(loaded, name)
    assert arrays_of(snapshot.events) == arrays_of(loaded.events)
    assert {name: arrays_of(edges) for name, edges in snapshot.edges.items()} == {
        name: arrays_of(edges) for name, edges in loaded.edges.items()
    }
    assert {label: table.to_pylist() for label, table in snapshot.nodes.items()} == {
        label: table.to_pylist() for label, table in loaded.nodes.items()
    }
    assert {label: table.schema for label, table in snapshot.nodes.items()} == {
        label: table.schema for label, table in loaded.nodes.items()
    }


def test_the_arrays_of_a_loaded_snapshot_are_mapped_and_cannot_be_written(saved: Path) -> None:
    loaded: Snapshot = load_snapshot(saved)

    owner: object = loaded.events.time
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.events.time[0] = 1


def test_a_snapshot_is_written_once(saved: Path) -> None:
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}

    with pytest.raises(SnapshotError, match="already there"):
        save_snapshot(build_snapshot(tiny_shop_with_materials()), saved)

    assert before == {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    snapshot = build_snapshot(tiny_shop())
    (tmp_path / "file").write_text("a file where the folder of snapshots should be")

    with pytest.raises(OSError):  # noqa: PT011  # the system's own words
        save_snapshot(snapshot, tmp_path / "file" / "snapshot")

    assert ["file"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["events/time.npy", "edges/MADE_BY/source.npy", "nodes/Product.parquet"])
def test_a_changed_byte_is_refused_and_the_file_named(name: str, saved: Path) -> None:
    data = bytearray((saved / name).read_bytes())
    data[-1] ^= 1
    (saved / name).write_bytes(data)

    with pytest.raises(SnapshotError, match=name):
        load_snapshot(saved)


@pytest.mark.parametrize("name", ["events/time.npy", "nodes/Brand.parquet"])
def test_a_missing_file_is_refused_and_named(name: str, saved: Path) -> None:
    (saved / name).unlink()

    with pytest.raises(SnapshotError, match=name):
        load_snapshot(saved)


@pytest.mark.parametrize("name", ["events/time.npy", "edges/MADE_BY/source.npy", "nodes/Brand.parquet"])
def test_a_missing_file_is_refused_without_verification_too(name: str, saved: Path) -> None:
    (saved / name).unlink()

    with pytest.raises(SnapshotError, match=name.split("/")[-1].split(".")[0]):
        load_snapshot(saved, verify=False)


def test_a_folder_without_a_manifest_is_no_snapshot(saved: Path) -> None:
    (saved / MANIFEST).unlink()

    with pytest.raises(SnapshotError, match=r"snapshot\.json is missing"):
        load_snapshot(saved)


def test_half_a_manifest_is_refused(saved: Path) -> None:
    text = (saved / MANIFEST).read_text()
    (saved / MANIFEST).write_text(text[: len(text) // 2])

    with pytest.raises(SnapshotError, match="cannot be read"):
        load_snapshot(saved)


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_format_version_is_refused_with_both_numbers(version: object, saved: Path) -> None:
    manifest = json.loads((saved / MANIFEST).read_text())
    (saved / MANIFEST).write_text(json.dumps(manifest | {"format_version": version}))

    with pytest.raises(SnapshotError, match=rf"format version {version}, this program reads 1"):
        load_snapshot(saved)
