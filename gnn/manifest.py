"""What a bundle says of itself, and whether its files are what was written. Imports nothing of what is in them."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnn.errors import BundleError
from kg.files import hash_file

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
CARD = "card.md"
REPORT = "report.json"
SIGNATURE = "signature"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what a bundle says of itself.

    Raises:
        BundleError: it is no bundle, or has another format version.
    """
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


def write_signature(folder: Path, key: bytes) -> None:
    """Sign what a bundle says of itself, which holds the hash of each of its files (HMAC-SHA256, RFC 2104).

    Args:
        folder: of the bundle.
        key: a secret; whoever has it can sign.
    """
    (folder / SIGNATURE).write_text(_signature(folder, key) + "\n", encoding="ascii")


def verify_signature(folder: Path, key: bytes) -> None:
    """Compare the signature of a bundle.

    Raises:
        BundleError: it has none, or another key or another manifest was signed.
    """
    try:
        found = (folder / SIGNATURE).read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError) as err:
        raise BundleError(
            f"bundle {folder.name} is not signed, and [publish] signing_key asks for it; where you know that it is "
            f"yours: whycart models sign {folder.name}"
        ) from err
    if not hmac.compare_digest(found, _signature(folder, key)):
        raise BundleError(
            f"bundle {folder.name} was changed, or was signed with another key than that of [publish] signing_key; "
            "publish another one"
        )


def _signature(folder: Path, key: bytes) -> str:
    return hmac.new(key, (folder / MANIFEST).read_bytes(), hashlib.sha256).hexdigest()


def verify_files(folder: Path, files: Mapping[str, str]) -> None:
    """Compare the hash of every file of a bundle.

    Raises:
        BundleError: a file is missing or was changed.
    """
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"bundle {folder.name} is incomplete: {name} is missing; publish another one")
        if hash_file(path) != digest:
            raise BundleError(f"bundle {folder.name} was changed: {name} is not what was written; publish another one")
