"""An API over a tiny bundle, for tests of its routes."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.privacy import Secret
from kg.store import GraphStore
from serving.api.app import create_app
from serving.audit_config import AuditConfig
from serving.events import EventLog
from serving.reason_config import ReasonConfig
from serving.slots import ListsConfig


@contextlib.contextmanager
def running_api(
    bundles: BundleStore,
    folder: Path,
    *,
    open_graph: Callable[[], GraphStore] | None = None,
    ask_graph: Callable[[], GraphStore] | None = None,
    check_every_s: float = 0.02,
    audit: AuditConfig | None = None,
    pseudonyms: Secret | None = None,
    reasons: ReasonConfig | None = None,
    lists: ListsConfig | None = None,
) -> Iterator[TestClient]:
    """Give a client of an API whose event log lies in `folder`."""
    log = EventLog.open(folder / "state.db")
    app = create_app(
        bundles,
        log,
        open_graph=open_graph,
        ask_graph=ask_graph,
        check_every_s=check_every_s,
        audit=audit,
        pseudonyms=pseudonyms,
        reasons=reasons,
        lists=lists,
    )
    with TestClient(app) as client:
        yield client


def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    """Wait for a condition and return whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def product_ids(answer: Any) -> list[str]:
    """Return the products of a list in their order."""
    return [item["product_id"] for item in answer.json()["items"]]


def problem(answer: Any) -> tuple[int, str, str]:
    """Return status, last word of the type and detail of a problem, after checking that it is one."""
    body = answer.json()
    assert "application/problem+json" == answer.headers["content-type"]
    assert {"type", "title", "status", "detail", "request_id"} <= set(body)
    assert (answer.status_code, answer.headers["x-request-id"]) == (body["status"], body["request_id"])
    return body["status"], body["type"].removeprefix("urn:whycart:problem:"), body["detail"]
