"""Turns the stages of answers, and of what goes to the graph, into OpenTelemetry traces: the only door to its library.

A span is made when what it tells of has ended, from the times of a watch (`serving.stages`), so an answer under
way knows nothing of traces. A span holds the route's template and never a path, a query or a body, because those name
people. A collector that is away costs traces and nothing else.
"""

import importlib.util
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from serving.errors import ConfigError
from serving.stages import Stages
from serving.tracing_config import TracingConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

Facts = Mapping[str, str | int]
_CARRIED = ("traceparent", "tracestate")
_EXPORT_S = 5
"""How long one sending may take, tries included."""
CLOSE_S = 3.0
"""How long a process that ends waits for the last spans to be sent."""


def check_tracing(config: TracingConfig) -> None:
    """Make sure that traces can be sent.

    Raises:
        ConfigError: they are asked for and OpenTelemetry is not installed.
    """
    wanted = "opentelemetry.exporter.otlp.proto.http"
    if config.endpoint and not _is_installed(wanted):
        raise ConfigError(
            "[tracing] endpoint is set and OpenTelemetry is not installed: pip install 'whycart[tracing]', or take the "
            "setting out"
        )


def open_traces(config: TracingConfig) -> "Traces | None":
    """Return what sends traces to the collector of the settings; None: nothing is traced.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    if not config.endpoint:
        return None
    check_tracing(config)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=config.endpoint.rstrip("/") + "/v1/traces", timeout=_EXPORT_S)
    return Traces(BatchSpanProcessor(exporter), share=config.share)


class Traces:
    """Makes spans and hands them on; one of each process, closed at its end."""

    def __init__(self, processor: "SpanProcessor", *, share: float = 1.0) -> None:
        """Make ready.

        Args:
            processor: takes the spans.
            share: part of the answers that are traced where the caller says nothing.
        """
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = Resource.create()  # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
        if str(named.attributes[SERVICE_NAME]).startswith("unknown_service"):
            named = named.merge(Resource({SERVICE_NAME: "whycart"}))
        sampler = ParentBased(TraceIdRatioBased(share))
        self._provider = TracerProvider(sampler=sampler, resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("whycart")
        self._propagator = TraceContextTextMapPropagator()

    def answer(self, watch: Stages, name: str, *, ended_s: float, facts: Facts, headers: Mapping[str, str]) -> None:
        """Tell of one answer with its stages.

        Args:
            watch: has the times.
            name: method and template of the route.
            ended_s: when the last byte was handed on, by `time.perf_counter`.
            facts: attributes of the span.
            headers: of the request; what they say of a trace that it belongs to is followed.
        """
        from opentelemetry.trace import SpanKind

        carried = {key: headers[key] for key in _CARRIED if key in headers}
        span = self._tracer.start_span(
            name,
            context=self._propagator.extract(carried),
            kind=SpanKind.SERVER,
            start_time=watch.began_ns,
            attributes=dict(facts),
        )
        status = int(facts["http.response.status_code"])
        if status >= 500:
            _fail(span, str(status))
        self._finish(span, watch, ended_s)

    def step(self, watch: Stages, name: str, *, ended_s: float, error: str | None) -> None:
        """Tell of one step of a background thread with its stages.

        Args:
            watch: has the times.
            name: what the step does.
            ended_s: when it ended, by `time.perf_counter`.
            error: class of what it failed with; None: it did not.
        """
        span = self._tracer.start_span(name, start_time=watch.began_ns)
        if error is not None:
            _fail(span, error)
        self._finish(span, watch, ended_s)

    def close(self) -> None:
        """Hand on what waits, and end; a collector that is away is given CLOSE_S."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def _finish(self, span: "Span", watch: Stages, ended_s: float) -> None:
        from opentelemetry.trace import set_span_in_context

        if span.is_recording():
            inside = set_span_in_context(span)
            for stage in watch.finished:
                part = self._tracer.start_span(stage.name, context=inside, start_time=watch.at_ns(stage.started_s))
                part.end(watch.at_ns(stage.ended_s))
        span.end(watch.at_ns(ended_s))


def _fail(span: "Span", error: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
