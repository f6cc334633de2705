"""Two shops behind one door: whatever route is asked with ids of the other shop, it answers as if they were nowhere."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gnn.bundles import BundleStore
from serving.runs import recorded_run
from tests.support.api import until
from tests.support.two_shops import NORTH, SOUTH, TwoShops, publish_two, two_shops

NOWHERE = "zzzzz"
"""As long as the other names, so that nothing differs by its length."""
_MOMENTS = re.compile(
    r'"(request_id|took_ms|recommendation_id|event_id|changed_at|etag|at|exported_at|since|until|received_at)": '
    r'("(?:[^"\\]|\\.)*"|[0-9.]+|null)'
)


@dataclass(frozen=True, slots=True)
class Ids:
    """Everything that a caller can name: of a shop, or of nothing."""

    word: str
    list_id: str
    run_id: str


Asked = Callable[[Ids], tuple[str, Any]]


def _list_body(ids: Ids) -> dict[str, Any]:
    session = [{"product_id": f"{ids.word}-p01", "type": "bought"}]
    return {"user_id": f"{ids.word}-u1", "events": session, "exclude_ids": [f"{ids.word}-p02"]}


def _event(ids: Ids) -> dict[str, Any]:
    return {
        "user_id": f"{ids.word}-u1",
        "product_id": f"{ids.word}-p01",
        "event_id": f"{ids.word}-e01",
        "type": "bought",
        "recommendation_id": ids.list_id,
    }


def _visit(ids: Ids) -> dict[str, Any]:
    return {"session_id": f"{ids.word}-s1", "product_id": f"{ids.word}-p02", "event_id": f"{ids.word}-e02"}


def _rule(ids: Ids) -> dict[str, Any]:
    return {"action": "pin", "product_ids": [f"{ids.word}-p01"]}


def _preview(ids: Ids) -> dict[str, Any]:
    return {"list": "similar", "user_id": f"{ids.word}-u1", "product_id": f"{ids.word}-p01"}


ROUTES: dict[tuple[str, str], tuple[Asked, ...]] = {
    ("GET", "/health/live"): (lambda ids: ("/health/live", None),),
    ("GET", "/health/ready"): (lambda ids: ("/health/ready", None),),
    ("GET", "/metrics"): (lambda ids: (f"/metrics?shop={ids.word}", None),),
    ("GET", "/v1/recommend/{user_id}"): (
        lambda ids: (f"/v1/recommend/{ids.word}-u1?explain=paths&exclude_id={ids.word}-p01", None),
        lambda ids: (f"/v1/recommend/{ids.word}-u1?brand={ids.word}-acme", None),
        lambda ids: (f"/v1/recommend/{ids.word}-u1?category={ids.word}-tea", None),
        lambda ids: (f'/v1/recommend/{ids.word}-u1?filter=title="{ids.word}-Green tea"', None),
    ),
    ("POST", "/v1/recommend"): (
        lambda ids: ("/v1/recommend", _list_body(ids) | {"explain": {"paths": 2}}),
        lambda ids: ("/v1/recommend", {"session_id": f"{ids.word}-s1"}),
    ),
    ("POST", "/v1/rank"): (
        lambda ids: ("/v1/rank", {"user_id": f"{ids.word}-u1", "product_ids": [f"{ids.word}-p01", f"{ids.word}-p02"]}),
    ),
    ("GET", "/v1/similar/{product_id}"): (lambda ids: (f"/v1/similar/{ids.word}-p01", None),),
    ("GET", "/v1/bought-together/{product_id}"): (lambda ids: (f"/v1/bought-together/{ids.word}-p01", None),),
    ("POST", "/v1/bought-together"): (lambda ids: ("/v1/bought-together", {"product_ids": [f"{ids.word}-p01"]}),),
    ("GET", "/v1/explain"): (
        lambda ids: (f"/v1/explain?user={ids.word}-u1&product={ids.word}-p05&what_if=true", None),
        lambda ids: (f"/v1/explain?user={ids.word}-u1&product=north-p05&what_if=true", None),
    ),
    ("POST", "/v1/explain"): (lambda ids: ("/v1/explain", _list_body(ids) | {"product_id": f"{ids.word}-p05"}),),
    ("GET", "/v1/trending"): (lambda ids: (f"/v1/trending?brand={ids.word}-acme", None),),
    ("GET", "/v1/new"): (lambda ids: (f"/v1/new?user={ids.word}-u1&days=9999", None),),
    ("GET", "/v1/search"): (lambda ids: (f"/v1/search?q={ids.word}&user={ids.word}-u1&debug=true", None),),
    ("GET", "/v1/profile/{user_id}"): (lambda ids: (f"/v1/profile/{ids.word}-u1", None),),
    ("GET", "/v1/home/{user_id}"): (lambda ids: (f"/v1/home/{ids.word}-u1", None),),
    ("POST", "/v1/home"): (lambda ids: ("/v1/home", _list_body(ids)),),
    ("GET", "/v1/audiences"): (
        lambda ids: (f"/v1/audiences?product={ids.word}-p02", None),
        lambda ids: (f"/v1/audiences?brand={ids.word}-acme", None),
    ),
    ("GET", "/v1/recommendations/{recommendation_id}"): (
        lambda ids: (f"/v1/recommendations/{ids.list_id}?replay=true", None),
    ),
    ("GET", "/v1/runs"): (lambda ids: ("/v1/runs", None),),
    ("GET", "/v1/runs/{run_id}"): (lambda ids: (f"/v1/runs/{ids.run_id}", None),),
    ("GET", "/v1/uptake"): (lambda ids: ("/v1/uptake?by=placement&by=surface", None),),
    ("GET", "/v1/graph/queries"): (lambda ids: ("/v1/graph/queries", None),),
    ("GET", "/v1/graph/queries/{name}"): (
        lambda ids: (f"/v1/graph/queries/co_purchased?product_id={ids.word}-p01", None),
    ),
    ("POST", "/v1/graph/queries/{name}"): (
        lambda ids: ("/v1/graph/queries/co_purchased", {"params": {"product_id": f"{ids.word}-p01"}}),
    ),
    ("POST", "/v1/graph/query"): (lambda ids: ("/v1/graph/query", {"cypher": "MATCH (p:Product) RETURN p.title"}),),
    ("GET", "/v1/users/{user_id}"): (lambda ids: (f"/v1/users/{ids.word}-u1", None),),
    ("GET", "/v1/rules"): (lambda ids: ("/v1/rules", None),),
    ("GET", "/v1/rules/{name}"): (lambda ids: (f"/v1/rules/{ids.word}-first", None),),
    ("POST", "/v1/rules/{name}/preview"): (
        lambda ids: (f"/v1/rules/{ids.word}-first/preview", _preview(ids)),
        lambda ids: (f"/v1/rules/{ids.word}-first/preview", _preview(ids) | {"rule": _rule(ids)}),
    ),
    ("DELETE", "/v1/rules/{name}"): (lambda ids: (f"/v1/rules/{ids.word}-first", None),),
    ("PUT", "/v1/rules/{name}"): (lambda ids: (f"/v1/rules/{ids.word}-first", _rule(ids)),),
    ("POST", "/v1/impressions"): (
        lambda ids: ("/v1/impressions", {"impressions": [{"recommendation_id": ids.list_id, "positions": [1]}]}),
    ),
    ("POST", "/v1/events"): (
        lambda ids: ("/v1/events", {"events": [_event(ids)]}),
        lambda ids: ("/v1/events", {"events": [_visit(ids)]}),
    ),
    ("POST", "/v1/sessions/{session_id}/login"): (
        lambda ids: (f"/v1/sessions/{ids.word}-s1/login", {"user_id": f"{ids.word}-u1"}),
    ),
    ("POST", "/v1/products"): (
        lambda ids: ("/v1/products", {"products": [{"product_id": f"{ids.word}-p01", "price": 1.0}]}),
    ),
    ("DELETE", "/v1/users/{user_id}"): (lambda ids: (f"/v1/users/{ids.word}-u1", None),),
}
"""What each route is asked; those that write come last."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BundleStore]:
    return publish_two(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def shops(bundles: dict[str, BundleStore], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoShops]:
    with two_shops(bundles, tmp_path_factory.mktemp("states")) as opened:
        yield opened


@pytest.fixture(scope="module")
def of_south(shops: TwoShops) -> Ids:
    """Give ids of the south, which has a recorded list, an impression, an event, a product, a rule and a run."""
    answer = shops.ask(SOUTH, "/v1/recommend/south-u1?placement=south_top")
    list_id = answer.json()["recommendation_id"]
    found = lambda: shops.ask(SOUTH, f"/v1/recommendations/{list_id}").status_code == 200  # noqa: E731
    assert until(found)
    with recorded_run(shops.states[SOUTH], data=None, config={}) as record:
        run_id = record.run.run_id
    ids = Ids(SOUTH, list_id, run_id)
    for method, path in (
        ("PUT", "/v1/rules/{name}"),
        ("POST", "/v1/impressions"),
        ("POST", "/v1/events"),
        ("POST", "/v1/sessions/{session_id}/login"),
        ("POST", "/v1/products"),
    ):
        for asked in ROUTES[method, path]:
            address, body = asked(ids)
            assert 200 == shops.ask(SOUTH, address, body, method=method).status_code
    return ids


def held(state: Path) -> dict[str, list[Any]]:
    """Return every row of a state file, by table; when keys were used last is no business of the shop's data."""
    with contextlib.closing(sqlite3.connect(state)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in tables}
    return rows | {"api_keys": [row[:7] for row in rows["api_keys"]]}


def masked(answer: Any, ids: Ids) -> str:
    """Return status and body of an answer, whatever was asked for and whenever it was asked left out."""
    text = f"{answer.status_code} {answer.text}"
    for name, value in (("LIST", ids.list_id), ("RUN", ids.run_id), ("WORD", ids.word)):
        text = re.sub(re.escape(value), name, text, flags=re.IGNORECASE)
    return _MOMENTS.sub(r'"\1": MOMENT', text)


def test_every_route_of_the_document_is_asked(shops: TwoShops) -> None:
    paths = shops.client.get("/openapi.json").json()["paths"]

    assert {(method.upper(), path) for path, routes in paths.items() for method in routes} == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
def test_a_route_answers_as_if_what_the_other_shop_has_were_nowhere(
    method: str, path: str, shops: TwoShops, of_south: Ids
) -> None:
    nowhere = Ids(NOWHERE, "f" * len(of_south.list_id), "20010101T000000Z-ffffff")
    before = held(shops.states[SOUTH])
    for asked in ROUTES[method, path]:
        answers = []
        for ids in (of_south, nowhere):
            address, body = asked(ids)
            answers.append(masked(shops.ask(NORTH, address, body, method=method), ids))

        if path != "/metrics":  # counts what was asked so far, this request included
            assert answers[1] == answers[0]
        assert "500" != answers[0][:3]
        assert SOUTH not in answers[0].lower()
    assert before == held(shops.states[SOUTH])


def test_the_other_shop_has_everything_still(shops: TwoShops, of_south: Ids) -> None:
    answers = {
        path: shops.ask(SOUTH, path)
        for path in (
            "/v1/similar/south-p01",
            f"/v1/recommendations/{of_south.list_id}",
            f"/v1/runs/{of_south.run_id}",
            "/v1/rules",
        )
    }

    assert [200] * 4 == [answer.status_code for answer in answers.values()]
    assert ["south-first"] == [rule["name"] for rule in answers["/v1/rules"].json()["rules"]]
