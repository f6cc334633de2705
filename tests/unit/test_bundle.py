"""Bundles: whole or not at all, the pointer moves last, and what was touched is refused in one useful sentence."""

import json
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gnn import bundle as bundle_module
from gnn.bundle import load_bundle, write_bundle
from gnn.bundles import POINTER, BundleStore
from gnn.decision import blend_from_json, blend_to_json
from gnn.errors import BundleError
from gnn.manifest import MANIFEST
from gnn.score import user_history
from tests.support.models import content_of
from tests.support.random_shops import random_snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_bundle(content_of(random_snapshot(0)), tmp_path / "bundles", now=START)


@pytest.fixture
def store(tmp_path: Path, written: Path) -> BundleStore:
    """Give a store with two bundles of which the older one is published."""
    write_bundle(content_of(random_snapshot(1)), tmp_path / "bundles", now=START + timedelta(hours=1))
    store = BundleStore(tmp_path / "bundles")
    store.publish(written.name)
    return store


@pytest.mark.parametrize("order", ["clock", "position", "none"])
def test_a_loaded_bundle_gives_the_same_scores(order: str, tmp_path: Path) -> None:
    snapshot = random_snapshot(3, order=order)  # type: ignore[arg-type]  # parametrised
    content = content_of(snapshot)

    loaded = load_bundle(write_bundle(content, tmp_path))

    for user in range(snapshot.num_nodes("User")):
        expected = content.scorer.score(user_history(snapshot, user, now_ms=10**13))
        found = loaded.scorer.score(user_history(loaded.snapshot, user, now_ms=10**13))
        np.testing.assert_array_equal(expected, found)
    np.testing.assert_array_equal(content.text_vectors, loaded.text_vectors)
    assert (content.report, content.exclude_seen, 7) == (loaded.report, loaded.exclude_seen, loaded.events_applied)
    assert snapshot.hash == loaded.snapshot.hash


def test_a_blend_survives_json() -> None:
    blend = content_of(random_snapshot(0)).scorer.blend

    read = blend_from_json(json.loads(json.dumps(blend_to_json(blend))))

    assert (blend.kernels, blend.decays, blend.priors, blend.mass_power) == (
        read.kernels, read.decays, read.priors, read.mass_power
    )  # fmt: skip
    np.testing.assert_array_equal(blend.weights, read.weights)
    np.testing.assert_array_equal(blend.prior_weights, read.prior_weights)


def test_a_version_says_when_it_was_made_and_what_is_in_it(written: Path) -> None:
    loaded = load_bundle(written)

    assert written.name == loaded.version
    assert loaded.version.startswith("20260101T000000Z-")
    assert START == loaded.created_at


def test_equal_content_has_equal_files(tmp_path: Path) -> None:
    first, second = (
        load_bundle(write_bundle(content_of(random_snapshot(0)), tmp_path / name)).manifest for name in ("a", "b")
    )

    assert first["files"] == second["files"]
    assert first["hash"] == second["hash"]


def test_nothing_in_a_bundle_is_pickled(written: Path) -> None:
    endings = {path.suffix for path in written.rglob("*") if path.is_file()}

    assert {".json", ".md", ".npy", ".parquet", ".safetensors"} == endings


def test_every_file_but_the_manifest_is_hashed(written: Path) -> None:
    files = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}

    assert files - {MANIFEST} == set(load_bundle(written).manifest["files"])


FILES = (
    "blend.json", "priors.npy", "text.npy", "report.json", "network.safetensors", "card.md", "config.json",
    "snapshot/snapshot.json", "snapshot/events/time.npy", "kernels/habit/mass.npy", "kernels/brand/left.data.npy",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_byte_is_refused_and_the_file_named(name: str, written: Path) -> None:
    data = bytearray((written / name).read_bytes())
    data[len(data) // 2] ^= 1
    (written / name).write_bytes(data)

    with pytest.raises(BundleError, match=rf"was changed: {name} is not what was written; publish another"):
        load_bundle(written)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_and_named(name: str, written: Path) -> None:
    (written / name).unlink()

    with pytest.raises(BundleError, match=rf"incomplete: {name} is missing"):
        load_bundle(written)


@pytest.mark.parametrize(
    "name", ["blend.json", "priors.npy", "report.json", "kernels/habit/mass.npy", "snapshot/snapshot.json"]
)
def test_a_missing_file_is_our_error_without_verification_too(name: str, written: Path) -> None:
    (written / name).unlink()

    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(written, verify=False)


@pytest.mark.parametrize("text", ["", "{", '{"format_version": 1}', "[]", '{"format_version": 1, "files": {}}'])
def test_a_broken_manifest_is_refused(text: str, written: Path) -> None:
    (written / MANIFEST).write_text(text)

    with pytest.raises(BundleError, match=written.name):
        load_bundle(written)


def test_a_half_written_folder_is_no_bundle(written: Path) -> None:
    (written / MANIFEST).unlink()

    with pytest.raises(BundleError, match=r"is not a bundle: manifest\.json is missing"):
        load_bundle(written)


def test_another_format_version_is_refused_with_both_numbers(written: Path) -> None:
    manifest = json.loads((written / MANIFEST).read_text())
    (written / MANIFEST).write_text(json.dumps(manifest | {"format_version": 99}))

    with pytest.raises(BundleError, match=r"format version 99, this program reads 1; .*'whycart retrain'"):
        load_bundle(written)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    content = replace(content_of(random_snapshot(0)), encoder=tmp_path / "nowhere")

    with pytest.raises(OSError, match="nowhere"):
        write_bundle(content, tmp_path / "bundles")

    assert [] == list((tmp_path / "bundles").iterdir())


def test_the_same_bundle_in_the_same_second_is_not_written_over(written: Path) -> None:
    with pytest.raises(BundleError, match="already there"):
        write_bundle(content_of(random_snapshot(0)), written.parent, now=START)

    assert [written.name] == [path.name for path in written.parent.iterdir()]


def test_the_files_of_the_encoder_travel_along(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"weights")

    folder = write_bundle(replace(content_of(random_snapshot(0)), encoder=tmp_path / "onnx"), tmp_path / "bundles")
    shutil.rmtree(tmp_path / "onnx")

    assert b"weights" == (load_bundle(folder).folder / "encoder" / "model.onnx").read_bytes()


def test_before_the_first_publish_the_way_to_one_is_said(tmp_path: Path) -> None:
    store = BundleStore(tmp_path / "none")

    assert (None, []) == (store.current_version(), store.versions())
    with pytest.raises(BundleError, match=r"no model is published .* run 'whycart retrain' first"):
        store.current()


def test_an_unknown_version_is_refused_with_those_that_are_there(store: BundleStore) -> None:
    with pytest.raises(BundleError, match=store.versions()[-1]):
        store.load("20200101T000000Z-00000000")


@pytest.mark.parametrize("version", ["../bundles", "", "current", "/etc"])
def test_a_version_cannot_lead_out_of_the_store(version: str, store: BundleStore) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        store.load(version)


def test_publishing_points_to_the_version(store: BundleStore) -> None:
    old, new = store.versions()
    assert old == store.current().version

    store.publish(new)

    assert (new, old) == (store.current().version, store.previous_version())


def test_a_version_that_was_never_published_is_no_way_back(store: BundleStore, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no version before"):
        store.previous_version()
    refused = write_bundle(content_of(random_snapshot(2)), store.folder, now=START + timedelta(minutes=30))
    old, _, new = store.versions()
    store.publish(new)

    assert (old, True) == (store.previous_version(), refused.is_dir())


def test_going_back_to_a_broken_bundle_leaves_the_pointer_where_it_was(store: BundleStore) -> None:
    old, new = store.versions()
    store.publish(new)
    (store.folder / old / "priors.npy").write_bytes(b"something else")

    with pytest.raises(BundleError, match=r"priors\.npy is not what was written"):
        store.roll_back(old)

    assert new == store.current_version()


def test_going_back_points_to_the_version(store: BundleStore) -> None:
    old, new = store.versions()
    store.publish(new)

    store.roll_back(old)

    assert old == store.current().version


def test_only_what_nobody_can_go_back_to_is_surplus(store: BundleStore) -> None:
    made = [
        write_bundle(content_of(random_snapshot(2)), store.folder, now=START + timedelta(days=day)).name
        for day in range(1, 5)
    ]
    old, second = store.versions()[:2]
    store.publish(made[1])

    assert [second, made[0], made[2]] == store.surplus(keep=1)
    store.publish(old)
    assert [second, made[0], made[2]] == store.surplus(keep=1)
    assert [] == store.surplus(keep=6)


def test_a_bundle_is_deleted_unless_it_is_served(store: BundleStore) -> None:
    old, new = store.versions()

    store.delete(new)

    assert [old] == store.versions()
    with pytest.raises(BundleError, match="is served; publish another one"):
        store.delete(old)
    with pytest.raises(BundleError, match="no bundle"):
        store.delete(new)


def test_what_a_killed_writer_left_is_tidied_away(store: BundleStore) -> None:
    versions = store.versions()
    for name in (".bundle.x", ".draft.17", ".draft"):
        (store.folder / name).mkdir()
    (store.folder / ".pointer.y").touch()

    store.tidy(keep_draft=True)
    assert {".draft", "current", "published", *versions} == {path.name for path in store.folder.iterdir()}
    store.tidy()
    assert not store.draft.exists()
    assert versions == store.versions()


def test_what_was_gone_back_from_is_not_gone_back_to(store: BundleStore) -> None:
    good, bad = store.versions()
    store.publish(bad)
    store.publish(store.previous_version())
    newer = write_bundle(content_of(random_snapshot(2)), store.folder, now=START + timedelta(days=1)).name
    store.publish(newer)

    assert (newer, good) == (store.current_version(), store.previous_version())
    store.publish(good)
    with pytest.raises(BundleError, match="no version before"):
        store.previous_version()


def test_a_broken_bundle_is_not_published_and_the_pointer_stays(store: BundleStore) -> None:
    old, new = store.versions()
    (store.folder / new / "priors.npy").unlink()

    with pytest.raises(BundleError, match=r"priors\.npy"):
        store.publish(new)

    assert old == store.current_version()


def test_the_pointer_moves_last(store: BundleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = store.versions()

    def stop(source: object, target: object) -> None:
        raise OSError("the power went out")

    monkeypatch.setattr(bundle_module.os, "replace", stop)
    with pytest.raises(OSError, match="power"):
        store.publish(new)

    assert old == store.current().version


def test_readers_never_see_a_mix_of_two_versions(store: BundleStore) -> None:
    versions = store.versions()
    hashes = {version: store.load(version).snapshot.hash for version in versions}
    stop, found = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            loaded = store.current()
            found.append((loaded.version, loaded.snapshot.hash))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(10):
        store.publish(versions[turn % 2])
    stop.set()
    for reader in readers:
        reader.join()

    assert set(found) <= set(hashes.items())
    assert len(found) > 2


def test_a_store_lists_versions_and_nothing_else(store: BundleStore) -> None:
    (store.folder / ".bundle.abc").mkdir()
    (store.folder / "notes").mkdir()

    assert sorted(store.versions()) == store.versions()
    assert {POINTER, "published", "notes", ".bundle.abc", *store.versions()} == {
        path.name for path in store.folder.iterdir()
    }
