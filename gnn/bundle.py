"""Bundles: everything one model version needs to be served, in one folder that is there whole or not at all.

A bundle holds its own snapshot and id maps, so a model and the ids it was learned with cannot drift apart. Files are
hashed; a tampered or half written bundle is refused. Written to a temporary folder, synced, renamed; the pointer moves
last. Formats are JSON, npy, Parquet and safetensors; nothing is pickled. This module imports no torch.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.numpy import save_file

from gnn.errors import BundleError
from gnn.score import Blend, Decay, Scorer
from kg.errors import SnapshotError
from kg.files import hash_file, hash_text, load_array, sync_folder
from kg.kernel_files import load_kernel, save_kernel
from kg.snapshot import Snapshot
from kg.snapshot_files import load_snapshot, save_snapshot

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
POINTER = "current"
HISTORY = "published"
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContent:
    """What goes into a new bundle."""

    snapshot: Snapshot
    """Everything the model was fitted on; paths are looked up here."""
    scorer: Scorer
    """The model."""
    exclude_seen: bool
    """Whether products of the history are left out of rankings, as the model was measured."""
    text_vectors: Float[np.ndarray, "product dim"]
    """Text vector of each product, for products alike."""
    network: Mapping[str, np.ndarray]
    """Parameters of the network by name, for a warm start."""
    report: Mapping[str, Any]
    """What was measured."""
    config: Mapping[str, Any]
    """Settings, seed included."""
    packages: Mapping[str, str]
    """Versions of the libraries that took part."""
    card: str
    """Model card, Markdown."""
    encoder: Path | None
    """Folder with the ONNX encoder of query texts; its files are linked, not copied. None: text search is off."""
    events_applied: int
    """Last number of the event log whose event is in the snapshot."""
    products_applied: int = 0
    """Last number of the product log whose row is in the snapshot."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read; its arrays are memory-mapped and never written."""

    folder: Path
    manifest: Mapping[str, Any]
    snapshot: Snapshot
    scorer: Scorer
    report: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Name of the bundle: time it was made, and the start of its hash."""
        return str(self.manifest["version"])

    @property
    def exclude_seen(self) -> bool:
        """Whether products of the history are left out of rankings."""
        return bool(self.manifest["exclude_seen"])

    @property
    def events_applied(self) -> int:
        """Last number of the event log whose event is in the snapshot."""
        return int(self.manifest["events_applied"])

    @property
    def products_applied(self) -> int:
        """Last number of the product log whose row is in the snapshot; bundles of older releases have none."""
        return int(self.manifest.get("products_applied", 0))

    def revised(self, snapshot: Snapshot, scorer: Scorer, text_vectors: Float[np.ndarray, "product dim"]) -> "Bundle":
        """Return the bundle with other content in memory; what is on the disk stays."""
        other = replace(self, snapshot=snapshot, scorer=scorer)
        vars(other)["text_vectors"] = text_vectors
        return other

    @property
    def created_at(self) -> datetime:
        """When the bundle was written, UTC."""
        return datetime.fromisoformat(self.manifest["created_at"])

    @cached_property
    def text_vectors(self) -> Float[np.ndarray, "product dim"]:
        """Text vector of each product."""
        return load_array(self.folder / "text.npy")


def unwritten(content: BundleContent) -> Bundle:
    """Return the bundle that `write_bundle` would write, to look at before it is: it has no folder and no files."""
    manifest = {
        "version": "unwritten",
        "created_at": datetime.now(UTC).isoformat(),
        "exclude_seen": content.exclude_seen,
        "events_applied": content.events_applied,
        "products_applied": content.products_applied,
    }
    bundle = Bundle(Path(), manifest, content.snapshot, content.scorer, content.report)
    vars(bundle)["text_vectors"] = content.text_vectors
    return bundle


def write_bundle(content: BundleContent, folder: Path, *, now: datetime | None = None) -> Path:
    """Write a bundle as a new folder below `folder` and return it. Nothing points to it yet.

    Args:
        content: what goes in.
        folder: home of all bundles.
        now: aware time of making; None: the clock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".bundle.", dir=folder))
    try:
        _write_files(content, room)
        files = {
            path.relative_to(room).as_posix(): hash_file(path) for path in sorted(room.rglob("*")) if path.is_file()
        }
        made = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        manifest = _manifest(content, files, made)
        (room / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        sync_folder(room)
        final = folder / str(manifest["version"])
        if final.exists():
            raise BundleError(f"{final} is already there: the same bundle was written in this second; nothing to do")
        os.rename(room, final)
        sync_folder(folder, recurse=False)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return final


def load_bundle(folder: Path, *, verify: bool = True) -> Bundle:
    """Read a bundle.

    Args:
        folder: what `write_bundle` returned.
        verify: whether the hash of every file is compared; a server does it once per version.

    Raises:
        BundleError: the bundle is incomplete, was changed, or has another format version.
    """
    manifest = _read_manifest(folder)
    if verify:
        _verify(folder, manifest["files"])
    try:
        snapshot = load_snapshot(folder / "snapshot", verify=False)
        kernels = tuple(load_kernel(folder / "kernels" / name) for name in manifest["kernels"])
        blend = blend_from_json(json.loads((folder / "blend.json").read_text(encoding="utf-8")))
        priors = load_array(folder / "priors.npy")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (SnapshotError, OSError, KeyError, ValueError) as err:
        raise BundleError(f"bundle {folder} cannot be read: {err}; publish another one") from err
    return Bundle(folder, manifest, snapshot, Scorer(kernels, priors, blend), report)


class BundleStore:
    """The bundles of one project and the pointer to the one that is served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def versions(self) -> list[str]:
        """Return the versions that are there, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _VERSION.fullmatch(path.name))

    def current_version(self) -> str | None:
        """Return the published version, None before the first publish. Reads one small file."""
        try:
            return (self.folder / POINTER).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def current(self) -> Bundle:
        """Return the published bundle.

        Raises:
            BundleError: nothing was published yet, or the bundle cannot be used.
        """
        version = self.current_version()
        if version is None:
            raise BundleError(f"no model is published in {self.folder}; run 'whycart retrain' first")
        return self.load(version)

    def load(self, version: str) -> Bundle:
        """Return one bundle.

        Raises:
            BundleError: there is no such version, or it cannot be used.
        """
        if version not in self.versions():
            known = ", ".join(self.versions()[-5:]) or "none"
            raise BundleError(f"no bundle {version!r} in {self.folder}; the latest are: {known}")
        return load_bundle(self.folder / version)

    def previous_version(self) -> str:
        """Return the newest version before the current one that was published at some time; refused ones never were.

        Raises:
            BundleError: there is none.
        """
        current, there = self.current_version(), set(self.versions())
        try:
            published = set((self.folder / HISTORY).read_text(encoding="utf-8").split())
        except FileNotFoundError:
            published = set()
        older = sorted(version for version in published & there if current is not None and version < current)
        if not older:
            raise BundleError(f"no version before {current or 'the first one'} was published in {self.folder}")
        return older[-1]

    def publish(self, version: str) -> None:
        """Point to a version, after reading it once to be sure that it can be served.

        Raises:
            BundleError: the bundle cannot be used; the pointer stays where it was.
        """
        self.load(version)
        with (self.folder / HISTORY).open("a", encoding="utf-8") as history:
            history.write(version + "\n")
            history.flush()
            os.fsync(history.fileno())
        handle, name = tempfile.mkstemp(prefix=".pointer.", dir=self.folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(version + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, self.folder / POINTER)
        sync_folder(self.folder, recurse=False)


def blend_to_json(blend: Blend) -> dict[str, Any]:
    """Return a blend as plain values; an endless decay is null."""
    return {
        "kernels": list(blend.kernels),
        "decays": [{"unit": d.unit, "scale": None if np.isinf(d.scale) else d.scale} for d in blend.decays],
        "weights": blend.weights.tolist(),
        "priors": list(blend.priors),
        "prior_weights": blend.prior_weights.tolist(),
        "mass_power": blend.mass_power,
    }


def blend_from_json(entry: Mapping[str, Any]) -> Blend:
    """Return the blend that `blend_to_json` described."""
    decays = tuple(Decay(d["unit"], float("inf") if d["scale"] is None else d["scale"]) for d in entry["decays"])
    weights = np.array(entry["weights"], dtype=np.float64).reshape(len(entry["kernels"]), len(decays))
    priors = np.array(entry["prior_weights"], dtype=np.float64)
    return Blend(tuple(entry["kernels"]), decays, weights, tuple(entry["priors"]), priors, entry["mass_power"])


def _write_files(content: BundleContent, room: Path) -> None:
    save_snapshot(content.snapshot, room / "snapshot")
    for kernel in content.scorer.kernels:
        save_kernel(kernel, room / "kernels" / kernel.name)
    np.save(room / "priors.npy", content.scorer.priors, allow_pickle=False)
    np.save(room / "text.npy", content.text_vectors, allow_pickle=False)
    save_file(
        {name: np.ascontiguousarray(array) for name, array in content.network.items()}, room / "network.safetensors"
    )
    for name, value in (
        ("blend.json", blend_to_json(content.scorer.blend)),
        ("report.json", content.report),
        ("config.json", content.config),
    ):
        (room / name).write_text(json.dumps(value, indent=1, sort_keys=True, default=str), encoding="utf-8")
    (room / "card.md").write_text(content.card, encoding="utf-8")
    if content.encoder is not None:
        shutil.copytree(content.encoder, room / "encoder", copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _manifest(content: BundleContent, files: Mapping[str, str], made: datetime) -> dict[str, Any]:
    digest = hash_text(json.dumps(files, sort_keys=True))
    return {
        "format_version": FORMAT_VERSION,
        "version": f"{made:%Y%m%dT%H%M%SZ}-{digest[:8]}",
        "hash": digest,
        "created_at": made.isoformat(),
        "snapshot": content.snapshot.hash,
        "cutoff_ms": content.snapshot.cutoff_ms,
        "exclude_seen": content.exclude_seen,
        "events_applied": content.events_applied,
        "products_applied": content.products_applied,
        "kernels": [kernel.name for kernel in content.scorer.kernels],
        "packages": dict(content.packages),
        "files": dict(files),
    }


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise BundleError(f"{folder} is not a bundle: {MANIFEST} is missing") from err
    except (json.JSONDecodeError, UnicodeDecodeError) as err:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {err}; publish another bundle") from err
    if not isinstance(manifest, dict):
        raise BundleError(f"{folder / MANIFEST} holds no manifest; publish another bundle")
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise BundleError(
            f"bundle {folder.name} has format version {found}, this program reads {FORMAT_VERSION}; "
            "make a new one with 'whycart retrain'"
        )
    if missing := {"version", "files", "kernels", "snapshot", "exclude_seen", "events_applied"} - manifest.keys():
        raise BundleError(f"{folder / MANIFEST} lacks {', '.join(sorted(missing))}; publish another bundle")
    return dict(manifest)


def _verify(folder: Path, files: Mapping[str, str]) -> None:
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"bundle {folder.name} is incomplete: {name} is missing; publish another one")
        if hash_file(path) != digest:
            raise BundleError(f"bundle {folder.name} was changed: {name} is not what was written; publish another one")
