"""Both clients against an API that listens: what they ask, what they are answered, and which errors they raise."""

import asyncio
import inspect
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gnn.bundles import BundleStore
from serving.api.app import create_app
from serving.api.keyring import Guard
from serving.client import (
    ApiError,
    AsyncWhycart,
    Event,
    Explain,
    Forbidden,
    Impression,
    InvalidRequest,
    NotFound,
    Product,
    Retries,
    SessionEvent,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Whycart,
    WrongArgument,
    routes,
)
from serving.client.call import Call
from serving.client.reading import read
from serving.events import EventLog
from serving.keys import KeyLog
from serving.runs import recorded_run
from tests.support.api import until
from tests.support.listening import listening
from tests.support.tiny_bundle import publish_tiny_bundle

Ask = Callable[..., Any]
JANUARY = datetime(2024, 1, 31, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def url(bundles: BundleStore, state: Path) -> Iterator[str]:
    with listening(create_app(bundles, EventLog.open(state / "state.db"), check_every_s=0.02)) as address:
        assert until(lambda: httpx.get(f"{address}/health/ready").status_code == 200)
        yield address


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, url: str) -> Ask:
    """A function that asks a method by its name, with a client that waits or one that is awaited."""

    def wait(name: str, /, *args: Any, **options: Any) -> Any:
        with Whycart(url) as client:
            return getattr(client, name)(*args, **options)

    async def give(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        async with AsyncWhycart(url) as client:
            return await getattr(client, name)(*args, **options)

    return wait if request.param == "sync" else lambda name, /, *args, **options: asyncio.run(give(name, args, options))


def test_a_list_comes_with_its_reasons(ask: Ask) -> None:
    answer = ask("recommend", "u1", n=3, mode="discover", explain="paths", in_stock=True, category=["food"])

    assert [1, 2, 3] == [item.rank for item in answer.items]
    item = next(item for item in answer.items if item.paths)
    assert ("u1", item.product_id) == (item.paths[0].nodes[0].id, item.paths[0].nodes[-1].id)
    assert 0 == item.paths[0].edges[0].from_
    assert isinstance(item.text, str)
    assert isinstance(item.metadata.title, str)


def test_a_session_is_answered_without_a_user(ask: Ask) -> None:
    events = [SessionEvent(product_id="p02", type="viewed", at=JANUARY), SessionEvent(product_id="p01")]
    answer = ask("recommend_session", events=events, n=2, filter="price < 8", explain=Explain(paths=2))

    assert 2 == len(answer.items)
    assert all((item.metadata.price or 9) < 8 for item in answer.items)
    assert ask("explain_session", "p05", events=events).item.product_id == "p05"


def test_products_are_ranked_and_unknown_ones_named(ask: Ask) -> None:
    answer = ask("rank", ["p02", "p05", "p99"], user_id="u1")

    assert ({"p02", "p05"}, ["p99"]) == ({item.product_id for item in answer.items}, answer.unknown)


def test_why_not_is_told_with_what_would_change_it(ask: Ask) -> None:
    answer = ask("explain", "u1", "p10", n=2, what_if=True)

    assert (False, "p10") == (answer.in_top, answer.item.product_id)
    assert answer.causes[0].text
    assert answer.what_if is not None
    assert isinstance(answer.what_if.exact, bool)


def test_lists_about_products_and_moments_are_answered(ask: Ask) -> None:
    lists = {
        "similar": ask("similar", "p01", n=2),
        "bought_together": ask("bought_together", "p01", n=2, budget=20),
        "basket": ask("bought_with_basket", ("p01", "p05"), n=2, strict=False),
        "trending": ask("trending", n=2, category="food"),
        "new": ask("new", days=36_500, user="u1", n=2),
        "search": ask("search", "acme tea under $8", user="u1", debug=True, n=2),
    }

    assert [] == [name for name, answer in lists.items() if not 1 <= len(answer.items) <= 2]
    assert ['brand = "Acme"'] == [one for one in lists["search"].understood.filters if "brand" in one]


def test_people_are_answered_about(ask: Ask) -> None:
    home, profile, audience = ask("home", "u1", rows=2, n=2), ask("profile", "u1", n=3), ask("audiences", product="p02")

    assert 1 <= len(home.rows) <= 2
    assert home.rows[0].title
    assert {"brand", "category"} <= set(profile.affinities)
    assert 0 < profile.affinities["brand"][0].share <= 1
    assert audience.size >= len(audience.members) > 0


def test_events_are_sent_and_harmless_to_send_again(ask: Ask) -> None:
    events = [Event(user_id="u9", product_id="p02", type="bought", at=JANUARY, quantity=2, event_id=f"o-{id(ask)}")]

    first, again = ask("send_events", events), ask("send_events", events)
    made = ask("send_events", [Event(user_id="u9", product_id="p03"), Event(user_id="u9", product_id="p99")])

    assert (1, 0, 0, 1) == (first.accepted, first.duplicates, again.accepted, again.duplicates)
    assert (2, 1, 32) == (made.accepted, made.kept_aside, len(made.event_ids[0]))


def test_what_was_seen_and_done_with_a_list_is_sent_and_told(ask: Ask) -> None:
    shown = ask("recommend", "u1", n=3, placement=f"place_{id(ask)}")
    list_id, best = shown.recommendation_id, shown.items[0].product_id

    seen = ask("send_impressions", [Impression(recommendation_id=list_id, positions=[1, 2], at=datetime.now(UTC))])
    ask("send_events", [Event(user_id="u1", product_id=best, type="bought", recommendation_id=list_id)])
    told = ask("uptake", by=["placement", "position"], since=datetime.now(UTC) - timedelta(hours=1), days=1)

    assert (1, 0, []) == (seen.accepted, seen.duplicates, seen.rejected)
    rows = {row.position: row for row in told.rows if row.placement == f"place_{id(ask)}"}
    assert {"1": (1, 1, 1), "2": (1, 0, 0)} == {
        position: (row.impressions, row.clicks, row.conversions) for position, row in rows.items()
    }
    assert (1.0, None) == (rows["1"].click_through.mean, rows["2"].conversion_rate)
    with pytest.raises(InvalidRequest, match="none of the 1 impressions") as caught:
        ask("send_impressions", [Impression(recommendation_id=list_id, product_ids=["p99"])])
    assert [list_id] == [one.recommendation_id for one in caught.value.rejected]


def test_products_are_sent_and_found(ask: Ask) -> None:
    product = Product(
        product_id=f"new-{id(ask)}", title="Oolong tea", categories=("tea",), price=4.5, created_at=datetime.now(UTC)
    )

    assert 1 == ask("send_products", [product]).accepted
    assert until(lambda: product.product_id in {item.product_id for item in ask("search", "oolong tea").items})
    assert 1 == ask("send_products", [product]).unchanged


def test_records_and_runs_are_looked_up(ask: Ask, state: Path) -> None:
    list_id = ask("recommend", "u1", n=2).recommendation_id
    with recorded_run(state / "state.db", data=None, config={"epochs": 3}) as record:
        run_id = record.run.run_id

    assert until(lambda: _is_found(lambda: ask("recommendation", list_id)))
    assert ask("recommendation", list_id, replay=True).replay.same is True
    assert run_id in {run.run_id for run in ask("runs", n=5).runs}
    assert {"epochs": 3} == ask("run", run_id).config


def _is_found(look: Callable[[], object]) -> bool:
    try:
        look()
    except NotFound:
        return False
    return True


def test_health_and_metrics_are_answered(ask: Ask) -> None:
    assert ("live", "ready") == (ask("live").status, ask("ready").status)
    assert "whycart_" in ask("metrics")


def test_a_user_is_deleted_and_the_same_answer_comes_again(ask: Ask) -> None:
    user = f"gone-{id(ask)}"
    ask("send_events", [Event(user_id=user, product_id="p01")])

    assert (1, 0) == (ask("delete_user", user).events, ask("delete_user", user).events)


def test_named_queries_are_listed_and_need_a_graph(ask: Ask) -> None:
    assert "co_purchased" in {query.name for query in ask("queries").queries}


@pytest.mark.parametrize("user", ["a/b", "..", ".", "50 %+#?&=", "Zoë 茶", "a//b/"])
def test_any_id_arrives_as_it_is(user: str, ask: Ask) -> None:
    assert user == ask("profile", user).user_id


QUESTIONS: list[Call[Any]] = [
    routes.recommend("u1", explain="paths"),
    routes.recommend_session(user_id="u1", explain=Explain()),
    routes.rank(["p01", "p99"], user_id="u1"),
    routes.similar("p01"),
    routes.explain("u1", "p10", n=2, what_if=True),
    routes.explain("u1", "p05", n=2, what_if=True, price_max=1),
    routes.bought_with_basket(["p01"]),
    routes.search("acme coffe under $8", debug=True),
    routes.home("u1", explain="paths"),
    routes.profile("u1"),
    routes.audiences(brand="Acme"),
    routes.send_events([Event(user_id="u8", product_id="p01"), Event(user_id="u8", product_id="p01", type="nothing")]),
    routes.uptake(by=["surface", "model_version"]),
    routes.send_products([Product(product_id="p01", price=4.0), Product(product_id="p02", properties={"hardness": 3})]),
    routes.delete_user("nobody"),
    routes.queries(),
    routes.runs(),
    routes.live(),
    routes.ready(),
]


@pytest.mark.parametrize("call", QUESTIONS, ids=lambda call: f"{call.method} {call.route}")
def test_nothing_of_an_answer_is_lost(call: Call[Any], url: str) -> None:
    headers = {"Content-Type": "application/json"}
    sent = httpx.request(call.method, url + call.target, content=call.content, headers=headers).json()

    assert sent == _plain(asdict(read(call.answer, sent, of="it")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.removesuffix("_"): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def test_what_is_wrong_with_a_request_is_in_the_error(ask: Ask) -> None:
    with pytest.raises(
        InvalidRequest, match=r"GET /v1/recommend/\{user_id\}: 422 .*less than or equal to 500"
    ) as caught:
        ask("recommend", "u1", n=1000)

    error = caught.value
    assert (422, "urn:whycart:problem:invalid-request") == (error.status, error.type)
    assert ("query", "n", "1000") == (error.errors[0].in_, error.errors[0].field, error.errors[0].got)
    assert (32, None) == (len(error.request_id), error.retry_after_s)
    assert error.title in str(error)


def test_an_error_passes_from_one_process_to_another(ask: Ask) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask("recommend", "u1", n=1000)

    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (InvalidRequest, str(caught.value), vars(caught.value)) == (type(copy), str(copy), vars(copy))


def test_what_is_not_there_is_an_error_of_its_own(ask: Ask) -> None:
    with pytest.raises(NotFound, match="p99") as caught:
        ask("similar", "p99")

    assert "urn:whycart:problem:unknown-product" == caught.value.type


def test_events_none_of_which_was_taken_are_named(ask: Ask) -> None:
    with pytest.raises(InvalidRequest, match="none of the 1 events") as caught:
        ask("send_events", [Event(user_id="u1", product_id="p01", type="bougth", event_id="e-1")])

    assert [("e-1", True)] == [(one.event_id, "did you mean 'bought'" in one.reason) for one in caught.value.rejected]


def test_a_graph_that_is_away_is_unavailable(url: str) -> None:
    with Whycart(url, retries=Retries(times=0)) as client, pytest.raises(Unavailable) as caught:
        client.query("ping")

    assert (503, 2.0) == (caught.value.status, caught.value.retry_after_s)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: routes.send_events([Event(user_id="u", product_id="p", at=datetime(2024, 1, 1))]), "says no zone"),
        (
            lambda: routes.send_events([Event(user_id="u", product_id="p", value=float("nan"))]),
            "cannot be sent as JSON",
        ),
        (lambda: routes.query("ping", {"what": object()}), "object is no JSON value"),
        (lambda: routes.recommend("u1", price_max=float("inf")), "price_max must be a finite number"),
        (lambda: routes.uptake(since=datetime(2024, 1, 1)), "says no zone"),
        (lambda: routes.recommend("u1", brand=b"Acme"), "brand must be a text"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(build: Callable[[], object], words: str) -> None:
    with pytest.raises(WrongArgument, match=words):
        build()


@pytest.mark.parametrize(
    ("address", "options", "words"),
    [
        ("127.0.0.1:8000", {}, "base_url must be http"),
        ("http://", {}, "base_url must be http"),
        ("ftp://shop.example", {}, "base_url must be http"),
        ("http://shop.example:port", {}, "base_url is no address"),
        ("http://shop.example", {"timeout_s": 0}, "timeout_s must be above 0, got 0"),
        ("http://shop.example", {"api_key": "two\nlines"}, "one line"),
    ],
)
def test_a_client_that_could_not_ask_is_not_made(address: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongArgument, match=words):
        Whycart(address, **options)
    with pytest.raises(WrongArgument, match=words):
        AsyncWhycart(address, **options)


def test_a_method_tells_what_it_does_and_takes() -> None:
    client = Whycart()

    assert routes.recommend.__doc__ == client.recommend.__doc__
    assert inspect.signature(routes.recommend) == inspect.signature(client.recommend)
    assert "Whycart('http://127.0.0.1:8000')" == repr(client)


def test_keys_open_what_they_are_for(bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with KeyLog.open(tmp_path / "state.db") as keys:
        reads = keys.create("shop", ["read"], now_ms=int(datetime.now(UTC).timestamp() * 1000)).text
    app = create_app(bundles, EventLog.open(tmp_path / "state.db"), guard=Guard(per_minute=3))
    with listening(app) as url, Whycart(url, api_key=reads) as by_argument, Whycart(url) as without:
        assert until(lambda: by_argument.live().status == "live")
        assert by_argument.similar("p01").items
        with pytest.raises(Unauthorized, match="whycart keys create"):
            without.similar("p01")
        with pytest.raises(Forbidden, match="the scope write"):
            by_argument.send_events([Event(user_id="u1", product_id="p01")])
        monkeypatch.setenv("WHYCART_API_KEY", reads)
        with Whycart(url) as by_environment:
            with pytest.raises(TooManyRequests) as caught:
                [by_environment.similar("p01") for _ in range(8)]
            assert (caught.value.retry_after_s or 0) >= 1
            assert reads not in repr(by_environment) + str(caught.value)


def test_many_threads_and_tasks_share_a_client(url: str) -> None:
    found: list[int] = []
    with Whycart(url) as client:
        threads = [
            threading.Thread(target=lambda: found.append(len(client.recommend("u1", n=3).items))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def many() -> list[int]:
        async with AsyncWhycart(url) as shop:
            return [len(one.items) for one in await asyncio.gather(*(shop.recommend("u1", n=3) for _ in range(8)))]

    assert [3] * 16 == found + asyncio.run(many())


def test_connections_of_the_application_are_used_and_left_open(url: str) -> None:
    with httpx.Client(headers={"X-Shop": "one"}) as own:
        with Whycart(url, http=own) as client:
            client.live()
        assert not own.is_closed


def test_an_error_of_ours_is_one_error_of_the_client() -> None:
    assert issubclass(WrongArgument, ApiError)
    assert json.loads(routes.query("ping", {"since": JANUARY}).content or b"") == {
        "params": {"since": "2024-01-31T08:30:00+00:00"}
    }
