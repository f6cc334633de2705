"""Stages of answers: in Server-Timing always, and as spans of OpenTelemetry where somebody asks for them."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gnn.bundles import BundleStore
from kg.errors import GraphConnectionError
from kg.store import GraphStore
from serving import tracing
from serving.api.app import create_app
from serving.errors import ConfigError
from serving.events import EventLog
from serving.stages import STAGES, Stages, lap
from serving.tracing import Traces, check_tracing, open_traces
from serving.tracing_config import TracingConfig
from tests.support.api import until
from tests.support.listening import Said, saying
from tests.support.tiny_bundle import publish_tiny_bundle

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = CALLER[:-1] + "0"
OF_A_LIST = ["request", "history", "score", "filter", "rank", "reasons", "shape"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


def no_graph() -> GraphStore:
    raise GraphConnectionError("the graph is away; nobody minds")


class Traced:
    """An API that is traced, and what came of it."""

    def __init__(self, bundles: BundleStore, folder: Path, share: float = 1.0) -> None:
        self.kept = InMemorySpanExporter()
        log = EventLog.open(folder / "state.db")
        traces = Traces(SimpleSpanProcessor(self.kept), share=share)
        self.client = TestClient(create_app(bundles, log, traces=traces, open_graph=no_graph))

    def spans(self) -> Sequence[ReadableSpan]:
        return self.kept.get_finished_spans()

    def of_answer(self, route: str) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """The span of the one answer of a route, and those of its stages."""
        (whole,) = [span for span in self.spans() if span.name == route]
        parts = [span for span in self.spans() if span.parent and span.parent.span_id == whole.context.span_id]
        return whole, parts


@pytest.fixture
def traced(bundles: BundleStore, tmp_path: Path) -> Iterator[Traced]:
    found = Traced(bundles, tmp_path)
    with found.client:
        yield found


def test_a_list_is_a_span_with_its_stages_inside(traced: Traced) -> None:
    before_ns = time.time_ns()
    traced.client.get("/v1/recommend/u1?explain=paths", headers={"X-Request-ID": "r-1"})

    whole, parts = traced.of_answer("GET /v1/recommend/{user_id}")
    assert SpanKind.SERVER == whole.kind
    expected = {"http.request.method": "GET", "http.route": "/v1/recommend/{user_id}"}
    expected |= {"http.response.status_code": 200, "whycart.request_id": "r-1"}
    assert expected == dict(whole.attributes or {})
    assert OF_A_LIST == [part.name for part in parts]
    times = [moment for part in parts for moment in (part.start_time, part.end_time)]
    assert sorted(times) == times
    assert before_ns - 1e6 <= whole.start_time <= times[0] < times[-1] <= whole.end_time <= time.time_ns() + 1e6
    assert "whycart" == whole.resource.attributes["service.name"]


def test_no_span_names_a_user_a_search_or_an_error_text(traced: Traced) -> None:
    for path in ("/v1/recommend/anna-7", "/v1/profile/anna-7", "/v1/search?q=anna-7&user=anna-7", "/v1/similar/anna-7"):
        traced.client.get(path)
    event = {"user_id": "anna-7", "product_id": "p01", "type": "bought"}
    assert 200 == traced.client.post("/v1/events", json={"events": [event]}).status_code

    assert until(lambda: "write to the graph" in [span.name for span in traced.spans()])
    told = [span.to_json() for span in traced.spans()]
    assert len(told) > 20
    assert [] == [one for one in told if "anna" in one]


def test_fastapi_writes_no_spans_of_its_own(
    bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    with TestClient(create_app(bundles, EventLog.open(tmp_path / "state.db"))) as api:
        api.get("/v1/recommend/anna-7")

    assert () == kept.get_finished_spans()


def test_a_trace_that_a_caller_began_goes_on(traced: Traced) -> None:
    traced.client.get("/v1/recommend/u1", headers={"traceparent": CALLER})

    whole, parts = traced.of_answer("GET /v1/recommend/{user_id}")
    ids = {format(span.context.trace_id, "032x") for span in (whole, *parts)}
    assert {"0af7651916cd43dd8448eb211c80319c"} == ids
    assert "b7ad6b7169203331" == format(whole.parent.span_id if whole.parent else 0, "016x")


def test_a_caller_decides_whether_its_own_trace_is_kept(bundles: BundleStore, tmp_path: Path) -> None:
    found = Traced(bundles, tmp_path, share=1e-9)
    with found.client as api:
        for parent in (UNSAMPLED, CALLER, None, "nonsense"):
            api.get("/health/live", headers={} if parent is None else {"traceparent": parent})

    whole, _ = found.of_answer("GET /health/live")
    assert "0af7651916cd43dd8448eb211c80319c" == format(whole.context.trace_id, "032x")


def test_what_fails_is_marked(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.api.routes.recommend", lambda *args, **more: 1 / 0)

    assert 500 == traced.client.get("/v1/recommend/u1").status_code
    traced.client.get("/nowhere")
    traced.client.post("/v1/events", json={"events": [{"user_id": "u1", "product_id": "p01"}]})

    whole, _ = traced.of_answer("GET /v1/recommend/{user_id}")
    assert (StatusCode.ERROR, "500") == (whole.status.status_code, (whole.attributes or {})["error.type"])
    assert StatusCode.UNSET == traced.of_answer("GET other")[0].status.status_code
    assert until(lambda: "write to the graph" in [span.name for span in traced.spans()])
    step = next(span for span in traced.spans() if span.name == "write to the graph")
    assert "GraphConnectionError" == (step.attributes or {})["error.type"]
    assert ["request", "log", "shape"] == [part.name for part in traced.of_answer("POST /v1/events")[1]]


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("/v1/recommend/u1", OF_A_LIST),
        ("/v1/similar/p01", ["request", "filter", "rank", "reasons", "shape"]),
        ("/v1/trending", ["request", "score", "rank", "reasons", "shape"]),
        ("/v1/search?q=tea", ["request", "turn", "understand", "filter", "score", "rank", "reasons", "shape"]),
        ("/v1/explain?user=u1&product=p01", ["request", "turn", "history", "score", "reasons", "shape"]),
        ("/v1/home/u1", ["request", "turn", "history", "score", "filter", "rank", "reasons", "shape"]),
        ("/health/live", ["shape"]),
    ],
)
def test_server_timing_has_every_stage(traced: Traced, path: str, stages: list[str]) -> None:
    told = traced.client.get(path).headers["server-timing"]

    times = dict(re.findall(r"(\w+);dur=(\d+\.\d\d)", told))
    assert told == ", ".join(f"{stage};dur={took}" for stage, took in times.items())
    assert ["app", *stages] == list(times)
    assert sum(float(times[stage]) for stage in stages) <= float(times["app"]) + 0.1


def test_spans_reach_a_collector(bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20key")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    with saying(Said(200, b"", {"Content-Type": "application/x-protobuf"})) as (address, heard):
        traces = open_traces(TracingConfig(endpoint=address))
        with TestClient(create_app(bundles, EventLog.open(tmp_path / "state.db"), traces=traces)) as api:
            api.get("/v1/recommend/u1", headers={"X-Request-ID": "r-2"})

    assert ("POST", "/v1/traces") == heard.requests[0]
    assert "Bearer key" == heard.headers[0]["authorization"]
    sent = ExportTraceServiceRequest.FromString(heard.bodies[0])
    (resource,) = sent.resource_spans
    assert "shop" in [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
    spans = list(resource.scope_spans[0].spans)
    assert {"GET /v1/recommend/{user_id}", *OF_A_LIST} == {span.name for span in spans}
    whole = next(span for span in spans if span.kind == 2)
    assert "r-2" in [one.value.string_value for one in whole.attributes if one.key == "whycart.request_id"]


def test_a_collector_that_is_away_delays_neither_answers_nor_the_end(
    bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "CLOSE_S", 0.2)
    traces = open_traces(TracingConfig(endpoint="http://127.0.0.1:9"))
    with TestClient(create_app(bundles, EventLog.open(tmp_path / "state.db"), traces=traces)) as api:
        assert 200 == api.get("/v1/recommend/u1").status_code
        ends = time.monotonic()

    assert time.monotonic() - ends < 3


def test_nothing_is_traced_unless_it_is_asked_for() -> None:
    assert open_traces(TracingConfig()) is None


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing.importlib.util, "find_spec", lambda name: None)

    check_tracing(TracingConfig())
    with pytest.raises(ConfigError, match=r"pip install 'whycart\[tracing\]'"):
        open_traces(TracingConfig(endpoint="http://127.0.0.1:4318"))


@pytest.mark.parametrize("wrong", [{"endpoint": "collector:4318"}, {"share": 0.0}, {"share": 1.5}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, str | float]) -> None:
    with pytest.raises(ConfigError, match=rf"\[tracing\] {next(iter(wrong))} must be"):
        TracingConfig(**wrong)  # type: ignore[arg-type]


def test_a_lap_without_a_watch_does_nothing() -> None:
    lap("history")

    watch = Stages()
    token = STAGES.set(watch)
    lap("score")
    lap("score")
    STAGES.reset(token)
    lap("reasons")
    assert ["score", "score"] == [stage.name for stage in watch.finished]
    assert ["score"] == list(watch.totals_ms())
