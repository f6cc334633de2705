"""Models that are signed: what somebody else changed or brought is not served."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gnn.bundle import seal, write_draft
from gnn.bundles import BundleStore
from gnn.errors import BundleError
from kg.files import hash_file
from kg.snapshot import build_snapshot
from serving.cli.main import app, main
from serving.errors import ConfigError
from serving.model_store import open_models
from serving.settings import load_settings
from tests.support.api import running_api, until
from tests.support.models import content_of
from tests.support.tiny_bundle import MADE_AT, publish_tiny_bundle
from tests.worlds import tiny_shop

KEY = b"0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    """Two models, the newer of which is served, and both signed."""
    folder = tmp_path / ".whycart" / "bundles"
    publish_tiny_bundle(folder)
    publish_tiny_bundle(folder, now=MADE_AT + timedelta(hours=1), decay=3.0)
    store = BundleStore(folder, key=KEY)
    for version in store.versions():
        store.sign(version)
    return store


def change(bundle: Path) -> None:
    """Change a file as somebody does who knows about hashes."""
    (bundle / "report.json").write_text('{"models": {}}')
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["report.json"] = hash_file(bundle / "report.json")
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_what_is_signed_is_read_with_its_key_and_without_one(store: BundleStore) -> None:
    assert store.current().version == BundleStore(store.folder).current().version


@pytest.mark.parametrize("way", ["load", "publish", "roll_back"])
def test_what_was_changed_is_refused_even_when_its_hashes_are_right(store: BundleStore, way: str) -> None:
    old, new = store.versions()
    change(store.folder / old)
    assert BundleStore(store.folder).load(old).version == old

    with pytest.raises(BundleError, match="was changed, or was signed with another key"):
        getattr(store, way)(old)

    assert new == store.current_version()


def test_another_key_and_no_signature_are_refused(store: BundleStore) -> None:
    old, new = store.versions()
    (store.folder / old / "signature").unlink()

    with pytest.raises(BundleError, match=f"is not signed.*whycart models sign {old}"):
        store.load(old)
    with pytest.raises(BundleError, match="with another key"):
        BundleStore(store.folder, key=b"fedcba9876543210").load(new)


def test_what_was_changed_is_not_signed(store: BundleStore) -> None:
    old = store.versions()[0]
    (store.folder / old / "priors.npy").write_bytes(b"something else")

    with pytest.raises(BundleError, match=r"priors\.npy is not what was written"):
        store.sign(old)
    with pytest.raises(BundleError, match="no key to sign with"):
        BundleStore(store.folder).sign(store.versions()[1])


def test_a_model_is_signed_when_it_is_sealed(tmp_path: Path) -> None:
    content = content_of(build_snapshot(tiny_shop()), 0)
    folder = tmp_path / "bundles"

    sealed = seal(write_draft(content, folder / ".draft"), folder, report={}, card="", key=KEY)

    assert sealed.name == BundleStore(folder, key=KEY).load(sealed.name).version


def test_the_api_serves_on_what_it_had(store: BundleStore, tmp_path: Path) -> None:
    old, new = store.versions()
    store.roll_back(old)
    with running_api(store, tmp_path) as client:
        change(store.folder / new)
        BundleStore(store.folder).roll_back(new)
        assert until(lambda: client.get("/health/ready").json()["causes"] == ["bundle-not-loadable"])
        assert old == client.get("/v1/recommend/u1").json()["model_version"]


def test_the_settings_name_the_key(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whycart.toml").write_text('[publish]\nsigning_key = "model.key"\n')
    (tmp_path / "model.key").write_bytes(KEY + b"\n")
    old = store.versions()[0]
    (store.folder / old / "signature").unlink()

    assert KEY == open_models(load_settings()).key
    listed = CliRunner().invoke(app, ["models", "list", "--json"], catch_exceptions=False).stdout
    assert [None, True] == [entry["note"] and "is not signed" in entry["note"] for entry in json.loads(listed)]
    assert 1 == main(["models", "promote", old])
    assert "is not signed" in " ".join(capsys.readouterr().err.split())
    assert 0 == CliRunner().invoke(app, ["models", "sign", old], catch_exceptions=False).exit_code
    assert 0 == CliRunner().invoke(app, ["models", "promote", old], catch_exceptions=False).exit_code
    assert old == store.current_version()


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (b"short", "5 bytes are too few")])
def test_a_key_that_is_none_is_said(
    tmp_path: Path, content: bytes | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whycart.toml").write_text('[publish]\nsigning_key = "model.key"\n')
    if content is not None:
        (tmp_path / "model.key").write_bytes(content)

    with pytest.raises(ConfigError, match=words):
        open_models(load_settings())
