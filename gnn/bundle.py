"""Bundles: everything one model version needs to be served, in one folder that is there whole or not at all.

A bundle holds its own snapshot and id maps, so a model and the ids it was learned with cannot drift apart. Files are
hashed; a tampered or half written bundle is refused. The model is written first, as a draft that can be looked at; what
was measured of it is added when it is sealed. Everything is written to a temporary folder, synced, renamed. Formats are
JSON, npy, Parquet and safetensors; nothing is pickled. This module imports no torch.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.numpy import save_file

from gnn.decision import Decision, blend_from_json, blend_to_json, decision_from_json, decision_to_json
from gnn.errors import BundleError
from gnn.manifest import (
    CARD,
    FORMAT_VERSION,
    MANIFEST,
    REPORT,
    SIGNATURE,
    read_manifest,
    verify_files,
    verify_signature,
    write_signature,
)
from gnn.score import Scorer
from kg.errors import SnapshotError
from kg.files import hash_file, hash_text, load_array, save_array, sync_folder
from kg.kernel_files import load_kernel, save_kernel
from kg.snapshot import Snapshot
from kg.snapshot_files import load_snapshot, save_snapshot

_DECISION, _DRAFT = "decision.json", "draft.json"
_MEASURED = (REPORT, CARD)
"""Files that say what was measured; in them are seconds, which no two runs share."""


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
    config: Mapping[str, Any]
    """Settings, seed included."""
    packages: Mapping[str, str]
    """Versions of the libraries that took part."""
    encoder: Path | None
    """Folder with the ONNX encoder of query texts; its files are linked, not copied. None: text search is off."""
    events_applied: int
    """Last number of the event log whose event is in the snapshot."""
    products_applied: int = 0
    """Last number of the product log whose row is in the snapshot."""
    deletions_applied: int = 0
    """Number up to which deletions of users are in the snapshot."""
    decision: Decision | None = None
    """What validation decided, for a later run that tunes nothing; None: it is not known."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """What was measured; a draft leaves it out."""
    card: str = ""
    """Model card, Markdown; a draft leaves it out."""


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
    def model_hash(self) -> str | None:
        """Hash of the model without what was measured of it; the same seed, data and packages give the same on a CPU.

        None in bundles of older releases.
        """
        found = self.manifest.get("model_hash")
        return None if found is None else str(found)

    @property
    def decision(self) -> Decision | None:
        """What validation decided; None where the bundle does not say.

        Raises:
            BundleError: it cannot be read.
        """
        try:
            return decision_from_json(json.loads((self.folder / _DECISION).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError) as err:
            raise BundleError(f"{self.folder / _DECISION} cannot be read: {err}; publish another bundle") from err

    @property
    def created_at(self) -> datetime:
        """When the bundle was written, UTC."""
        return datetime.fromisoformat(self.manifest["created_at"])

    @cached_property
    def text_vectors(self) -> Float[np.ndarray, "product dim"]:
        """Text vector of each product."""
        return load_array(self.folder / "text.npy")


def write_bundle(content: BundleContent, folder: Path, *, now: datetime | None = None) -> Path:
    """Write a bundle as a new folder below `folder` and return it. Nothing points to it yet.

    Args:
        content: what goes in.
        folder: home of all bundles.
        now: aware time of making; None: the clock.
    """
    draft = write_draft(content, folder / f".draft.{os.getpid()}")
    try:
        return seal(draft, folder, report=content.report, card=content.card, now=now)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_draft(content: BundleContent, draft: Path) -> Path:
    """Write all of a bundle but what is measured of it, as a folder that is there whole or not at all.

    Args:
        content: what goes in; report and card are left out.
        draft: the folder; one that is there is replaced. It must be on the file system of the bundles.
    """
    draft.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".bundle.", dir=draft.parent))
    try:
        _write_files(content, room)
        (room / _DRAFT).write_text(json.dumps(_facts(content), sort_keys=True), encoding="utf-8")
        sync_folder(room)
        shutil.rmtree(draft, ignore_errors=True)
        os.rename(room, draft)
        sync_folder(draft.parent, recurse=False)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return draft


def open_draft(draft: Path) -> Bundle:
    """Read a draft, to look at what is going to be sealed; its version is `draft` and its report empty.

    Raises:
        BundleError: it cannot be read.
    """
    try:
        facts = json.loads((draft / _DRAFT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise BundleError(f"{draft} holds no draft of a bundle: {err}") from err
    return _read(draft, facts | {"version": "draft", "created_at": datetime.now(UTC).isoformat()}, report={})


def seal(
    draft: Path,
    folder: Path,
    *,
    report: Mapping[str, Any],
    card: str,
    now: datetime | None = None,
    key: bytes | None = None,
) -> Path:
    """Make a bundle of a draft by adding what was measured, and return its folder. Nothing points to it yet.

    Args:
        draft: what `write_draft` returned; it is gone afterwards.
        folder: home of all bundles.
        report: what was measured.
        card: model card, Markdown.
        now: aware time of making; None: the clock.
        key: what it is signed with; None: it is not.

    Raises:
        BundleError: the same bundle was written in this second.
    """
    facts = json.loads((draft / _DRAFT).read_text(encoding="utf-8"))
    (draft / REPORT).write_text(json.dumps(report, indent=1, sort_keys=True, default=str), encoding="utf-8")
    (draft / CARD).write_text(card, encoding="utf-8")
    paths = {path.relative_to(draft).as_posix(): path for path in sorted(draft.rglob("*")) if path.is_file()}
    files = {name: hash_file(path) for name, path in paths.items() if name not in (MANIFEST, SIGNATURE, _DRAFT)}
    made = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    digest = hash_text(json.dumps(files, sort_keys=True))
    manifest = facts | {
        "version": f"{made:%Y%m%dT%H%M%SZ}-{digest[:8]}",
        "hash": digest,
        "model_hash": hash_text(json.dumps({n: h for n, h in files.items() if n not in _MEASURED}, sort_keys=True)),
        "created_at": made.isoformat(),
        "files": files,
    }
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
    if key is not None:
        write_signature(draft, key)
    final = folder / str(manifest["version"])
    if final.exists():
        raise BundleError(f"{final} is already there: the same bundle was written in this second; nothing to do")
    sync_folder(draft)
    os.rename(draft, final)
    (final / _DRAFT).unlink()
    sync_folder(folder, recurse=False)
    return final


def load_bundle(folder: Path, *, verify: bool = True, key: bytes | None = None) -> Bundle:
    """Read a bundle.

    Args:
        folder: what `write_bundle` returned.
        verify: whether the hash of every file is compared; a server does it once per version.
        key: what it must be signed with; None: nothing.

    Raises:
        BundleError: the bundle is incomplete, was changed, or has another format version.
    """
    manifest = read_manifest(folder)
    if key is not None:
        verify_signature(folder, key)
    if verify:
        verify_files(folder, manifest["files"])
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise BundleError(f"bundle {folder} cannot be read: {err}; publish another one") from err
    return _read(folder, manifest, report=report)


def _read(folder: Path, manifest: Mapping[str, Any], *, report: Mapping[str, Any]) -> Bundle:
    try:
        snapshot = load_snapshot(folder / "snapshot", verify=False)
        kernels = tuple(load_kernel(folder / "kernels" / name) for name in manifest["kernels"])
        blend = blend_from_json(json.loads((folder / "blend.json").read_text(encoding="utf-8")))
        priors = load_array(folder / "priors.npy")
    except (SnapshotError, OSError, KeyError, ValueError) as err:
        raise BundleError(f"bundle {folder} cannot be read: {err}; publish another one") from err
    return Bundle(folder, manifest, snapshot, Scorer(kernels, priors, blend), report)


def _write_files(content: BundleContent, room: Path) -> None:
    save_snapshot(content.snapshot, room / "snapshot")
    for kernel in content.scorer.kernels:
        save_kernel(kernel, room / "kernels" / kernel.name)
    save_array(room / "priors.npy", content.scorer.priors)
    save_array(room / "text.npy", content.text_vectors)
    save_file(
        {name: np.ascontiguousarray(array) for name, array in content.network.items()}, room / "network.safetensors"
    )
    for name, value in (
        ("blend.json", blend_to_json(content.scorer.blend)),
        ("config.json", content.config),
        *([] if content.decision is None else [(_DECISION, decision_to_json(content.decision))]),
    ):
        (room / name).write_text(json.dumps(value, indent=1, sort_keys=True, default=str), encoding="utf-8")
    if content.encoder is not None:
        shutil.copytree(content.encoder, room / "encoder", copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _facts(content: BundleContent) -> dict[str, Any]:
    """What a manifest says of a model, whatever is measured of it."""
    return {
        "format_version": FORMAT_VERSION,
        "snapshot": content.snapshot.hash,
        "cutoff_ms": content.snapshot.cutoff_ms,
        "exclude_seen": content.exclude_seen,
        "events_applied": content.events_applied,
        "products_applied": content.products_applied,
        "deletions_applied": content.deletions_applied,
        "kernels": [kernel.name for kernel in content.scorer.kernels],
        "packages": dict(content.packages),
    }
