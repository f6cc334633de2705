"""The bundle in use: what was served before stays at hand, so that going back takes no time."""

import time
import weakref
from datetime import timedelta
from pathlib import Path

import pytest

from gnn.bundles import BundleStore
from serving.api.current import KEEP_S, CurrentBundle
from serving.api.metrics import Metrics
from serving.products import ProductLog
from tests.support.tiny_bundle import MADE_AT, publish_tiny_bundle


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    publish_tiny_bundle(tmp_path)
    return publish_tiny_bundle(tmp_path, now=MADE_AT + timedelta(hours=1), decay=3.0)


@pytest.mark.parametrize("with_products", [False, True])
def test_going_back_reads_no_bundle(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_products: bool
) -> None:
    old, new = store.versions()
    store.roll_back(old)
    products = ProductLog.open(tmp_path / "state.db") if with_products else None
    current = CurrentBundle(store, Metrics(), products=products)
    current.check()
    first = current.get().ready
    store.publish(new)
    current.check()
    assert new == current.get().bundle.version

    store.roll_back(old)
    monkeypatch.setattr(BundleStore, "load", lambda self, version: pytest.fail("at hand"))
    current.check()

    assert current.get().ready is first
    store.roll_back(new)
    current.check()
    assert new == current.get().bundle.version
    if products is not None:
        products.close()


def test_what_was_served_before_is_let_go_after_a_while(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = store.versions()
    store.roll_back(old)
    current = CurrentBundle(store, Metrics())
    current.check()
    first = weakref.ref(current.get().ready.finder)
    store.publish(new)
    current.check()
    assert first() is not None

    later = time.monotonic() + KEEP_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    current.check()

    assert first() is None
    store.roll_back(old)
    current.check()
    assert old == current.get().bundle.version
