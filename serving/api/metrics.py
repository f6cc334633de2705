"""What Prometheus reads: requests, errors and latency by route, events, and the model in use.

Every app has a registry of its own. With several API processes a scrape reads the process that answers it.
"""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Result = Literal["answered", "empty", "failed"]
"""What came of asking a model for a user."""
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The metrics of one app."""

    def __init__(self) -> None:
        """Create every metric in a new registry."""
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter("whycart_requests", "Requests answered.", (*labels, "status"), registry=self.registry)
        self._errors = Counter("whycart_errors", "Requests answered with a 5xx.", labels, registry=self.registry)
        self._latency = Histogram(
            "whycart_request_seconds", "Time to answer.", labels, buckets=_BUCKETS_S, registry=self.registry
        )
        self._events = Counter("whycart_events", "Events handed in.", ("result",), registry=self.registry)
        self._records = Counter("whycart_records", "Lists to record.", ("result",), registry=self.registry)
        self._waiting = Gauge("whycart_events_waiting", "Events not yet in the graph.", registry=self.registry)
        self._lag = Gauge(
            "whycart_event_lag_seconds", "Age of the oldest event not yet in the graph.", registry=self.registry
        )
        self._items = Counter(
            "whycart_items", "Products listed, by the reason that carried most.", ("reason",), registry=self.registry
        )
        self._made = Gauge(
            "whycart_model_created_timestamp_seconds", "When the model in use was made.", registry=self.registry
        )
        self._runs = Gauge(
            "whycart_run_ended_timestamp_seconds",
            "When the latest retraining of each outcome ended.",
            ("outcome",),
            registry=self.registry,
        )
        self._alarms = Gauge("whycart_run_alarms", "Alarms of the latest retraining.", registry=self.registry)
        self._degraded = Gauge("whycart_degraded", "1 while answers are degraded.", registry=self.registry)
        self._model = Gauge(
            "whycart_model_info", "The model in use.", ("model_version", "graph_version"), registry=self.registry
        )
        self._create_for_canaries()

    def _create_for_canaries(self) -> None:
        self._canary = Gauge("whycart_canary_share", "Part of the users shown a canary.", registry=self.registry)
        self._canaries = Counter(
            "whycart_canaries_ended", "Canaries that this process ended.", ("ending",), registry=self.registry
        )
        self._asked = Counter(
            "whycart_model_answers",
            "Answers to users while a canary is under way.",
            ("model", "result"),
            registry=self.registry,
        )
        self._asked_s = Histogram(
            "whycart_model_answer_seconds",
            "Time that a model took for them.",
            ("model",),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )

    def observe(self, method: str, route: str, *, status: int, took_s: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(took_s)
        if status >= 500:
            self._errors.labels(method, route).inc()

    def count_events(self, *, accepted: int, duplicates: int, rejected: int) -> None:
        """Count what became of the events of one request."""
        for result, number in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
            self._events.labels(result).inc(number)

    def count_records(self, *, written: int, lost: int) -> None:
        """Count what became of records of lists."""
        for result, number in (("written", written), ("lost", lost)):
            self._records.labels(result).inc(number)

    def count_items(self, reasons: Iterable[str]) -> None:
        """Count the products of one list by their first reason."""
        for reason, number in Counts(reasons).items():
            self._items.labels(reason).inc(number)

    def set_model(self, model_version: str, graph_version: str, *, created_s: float) -> None:
        """Say which model is in use from now on, and when it was made (seconds since 1970)."""
        self._made.set(created_s)
        self._model.clear()
        self._model.labels(model_version, graph_version).set(1)

    def set_canary(self, share: float) -> None:
        """Say which part of the users is shown a canary; 0: there is none."""
        self._canary.set(share)

    def count_canary(self, ending: str) -> None:
        """Count a canary that this process ended."""
        self._canaries.labels(ending).inc()

    def count_model(self, model: Literal["canary", "others"], result: Result, *, took_s: float) -> None:
        """Count what came of asking one of two models for a user."""
        self._asked.labels(model, result).inc()
        if result != "failed":
            self._asked_s.labels(model).observe(took_s)

    def set_runs(self, ends_ms: Mapping[str, int], *, alarms: int) -> None:
        """Say when the latest retraining of each outcome ended (epoch milliseconds), and the alarms of the latest."""
        for outcome, ended_ms in ends_ms.items():
            self._runs.labels(outcome).set(ended_ms / 1000)
        self._alarms.set(alarms)

    def render(self, *, waiting: int, lag_s: float, degraded: bool) -> bytes:
        """Return everything in Prometheus' text format.

        Args:
            waiting: events that are not yet in the graph.
            lag_s: age of the oldest of them; 0 without one.
            degraded: whether answers are degraded now.
        """
        self._waiting.set(waiting)
        self._lag.set(lag_s)
        self._degraded.set(degraded)
        return generate_latest(self.registry)
