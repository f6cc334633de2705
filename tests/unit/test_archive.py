"""An archive comes back as it was, or is refused with a sentence; nothing is written beside the folder it fills."""

import gzip
import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.archive import MANIFEST, pack, read_manifest, unpack
from serving.errors import ArchiveError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    room = tmp_path / "content"
    (room / "graph/nodes").mkdir(parents=True)
    (room / "graph/nodes/User.parquet").write_bytes(bytes(range(256)) * 40)
    (room / "state.db").write_bytes(b"rows")
    (room / "empty").write_bytes(b"")
    return room


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("name", ["shop.tar", "shop.tar.gz"])
def test_what_was_packed_comes_back(tmp_path: Path, folder: Path, name: str) -> None:
    pack(folder, tmp_path / name, {"created_at": "now"})

    manifest = unpack(tmp_path / name, tmp_path / "back")

    assert contents(folder) == contents(tmp_path / "back")
    assert "now" == manifest["created_at"] == read_manifest(tmp_path / name)["created_at"]
    assert 0o600 == stat.S_IMODE((tmp_path / name).stat().st_mode)
    assert 0o600 == stat.S_IMODE((tmp_path / "back/state.db").stat().st_mode)
    assert {name, "content", "back"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["shop.zip", "shop", "shop.tgz"])
def test_a_name_without_a_known_ending_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match=r"ends with \.tar or \.tar\.gz"):
        pack(folder, tmp_path / name, {})


def test_an_archive_is_never_written_over(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "shop.tar").write_text("older")

    with pytest.raises(ArchiveError, match="already there"):
        pack(folder, tmp_path / "shop.tar", {})

    assert "older" == (tmp_path / "shop.tar").read_text()


@pytest.mark.parametrize("name", ["shop.tar", "shop.tar.gz"])
def test_one_that_was_cut_short_is_refused_unless_only_its_padding_is_gone(
    tmp_path: Path, folder: Path, name: str
) -> None:
    pack(folder, tmp_path / name, {})
    whole, refused = (tmp_path / name).read_bytes(), 0

    for size in range(0, len(whole), max(1, len(whole) // 50)):
        (tmp_path / name).write_bytes(whole[:size])
        try:
            unpack(tmp_path / name, tmp_path / f"back-{size}")
            assert contents(folder) == contents(tmp_path / f"back-{size}")
        except ArchiveError:
            refused += 1

    assert refused >= 25


def test_no_byte_of_a_file_or_of_the_manifest_may_change(tmp_path: Path, folder: Path) -> None:
    pack(folder, tmp_path / "shop.tar", {"created_at": "now"})
    whole = (tmp_path / "shop.tar").read_bytes()

    for before, after in ((b"rows", b"rowz"), (b'"now"', b'"not"'), (bytes(range(50, 60)), bytes(range(51, 61)))):
        (tmp_path / "shop.tar").write_bytes(whole.replace(before, after, 1))
        with pytest.raises(ArchiveError, match="was changed since it was packed"):
            unpack(tmp_path / "shop.tar", None)


def again(file: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """Write an archive anew with other members; the manifest stays."""
    with tarfile.open(file) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    change(members)
    with tarfile.open(file, "w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))


def add(name: str, kind: bytes = tarfile.REGTYPE) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return lambda members: members.append((member, b""))


@pytest.mark.parametrize(
    "change",
    [
        add("more"),
        add("../outside"),
        add("/tmp/outside"),
        add("link", tarfile.SYMTYPE),
        add("link", tarfile.LNKTYPE),
        lambda members: members.append(members[-1]),
        lambda members: members.pop(),
    ],
)
def test_members_that_the_manifest_does_not_name_are_refused(
    tmp_path: Path, folder: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
) -> None:
    pack(folder, tmp_path / "shop.tar", {})
    again(tmp_path / "shop.tar", change)

    with pytest.raises(ArchiveError, match="take another one"):
        unpack(tmp_path / "shop.tar", tmp_path / "back")

    assert {"shop.tar", "content", "back"} == {path.name for path in tmp_path.iterdir()}
    assert set(contents(tmp_path / "back")) <= set(contents(folder))


def test_a_manifest_that_names_a_place_outside_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "evil").mkdir()
    pack(folder, tmp_path / "shop.tar", {})

    def outside(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        from serving.archive import _identity

        manifest = json.loads(members[0][1])
        manifest["files"]["../outside"] = manifest["files"].pop("state.db")
        manifest["hash"] = _identity({name: value for name, value in manifest.items() if name != "hash"})
        text = json.dumps(manifest).encode()
        members[0][0].size, members[-1][0].name = len(text), "../outside"
        members[0] = (members[0][0], text)

    again(tmp_path / "shop.tar", outside)

    with pytest.raises(ArchiveError, match="take another one"):
        unpack(tmp_path / "shop.tar", tmp_path / "back")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("content", [b"", b"no archive at all", gzip.compress(b"nothing", mtime=0)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shop.tar").write_bytes(content)

    with pytest.raises(ArchiveError, match=r"shop\.tar is not"):
        unpack(tmp_path / "shop.tar", None)
    with pytest.raises(ArchiveError, match=r"there is no archive"):
        unpack(tmp_path / "other.tar", None)


def test_another_tar_and_a_newer_format_are_refused(tmp_path: Path, folder: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(folder / "state.db", MANIFEST)
    with pytest.raises(ArchiveError, match="not an archive of 'whycart backup'"):
        unpack(tmp_path / "other.tar", None)

    (folder / "state.db").write_text(json.dumps({"format_version": 99, "files": {}}))
    with tarfile.open(tmp_path / "newer.tar", "w") as archive:
        archive.add(folder / "state.db", MANIFEST)
    with pytest.raises(ArchiveError, match="format version 99"):
        unpack(tmp_path / "newer.tar", None)
