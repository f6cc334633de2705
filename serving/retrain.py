"""The job, as a story: snapshot -> features -> tune -> measure -> fit -> explain -> gate -> publish.

Each step is a function with a name; this module only puts them in order. Where the input comes from (a graph, files)
and how progress is drawn is the caller's business.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from encoders.cache import VectorCache, encode_cached
from encoders.config import EncoderConfig, EncodeReport
from encoders.encode import TextEncoder
from encoders.onnx import export_onnx
from gnn.bundle import Bundle, BundleContent, BundleStore, load_bundle, unwritten, write_bundle
from gnn.config import LearnConfig
from gnn.learn import Vectors, finish, measure, tune
from gnn.report import Report, report_to_json
from gnn.split import SplitName
from gnn.stopwatch import Stopwatch
from kg.extract import extract_tables
from kg.progress import Progress, silent
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.store import GraphStore
from serving.card import model_card, reasons_card
from serving.errors import GateRefused
from serving.events import APPLIED, PENDING, REFUSED, EventLog, apply_events, retry_refused
from serving.gate import GateConfig, Verdict, judge
from serving.overview import make_overview, overview_to_json
from serving.products import ProductLog, apply_products
from serving.ready import prepare
from serving.reason_config import ReasonConfig
from serving.reason_quality import ReasonReport, measure_reasons, reason_sentence, reasons_to_json
from serving.text import node_sentences
from serving.versions import package_versions

logger = logging.getLogger(__name__)
ONNX_READY = "encoder.json"
"""The file that an export writes last."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A step that ended without an error."""

    name: str
    took_s: float
    line: str
    """What came out, in one line."""
    report: Report | None = None
    """What was measured; only of the step that measures."""


StepDone = Callable[[StepOutcome], None]
"""Called after each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainConfig:
    """Everything a retraining was told."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """How text becomes vectors."""
    learn: LearnConfig = field(default_factory=LearnConfig)
    """How the model is learned."""
    gate: GateConfig = field(default_factory=GateConfig)
    """What a model must reach to be published."""
    reasons: ReasonConfig = field(default_factory=ReasonConfig)
    """What reasons may say."""
    split: SplitName | None = None
    """How to split for tuning and measuring; None: by time where there are times."""
    cutoff: datetime | None = None
    """Learn only from what was before; None: from everything."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How much of the logs a snapshot holds."""

    events: int = 0
    """Last number of the event log."""
    products: int = 0
    """Last number of the product log; what the graph refused of it is not there."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """The outcome of a retraining."""

    bundle: Bundle
    report: Report
    verdict: Verdict
    seconds: Mapping[str, float]
    """Seconds by step and by part of the learning."""


def retrain(
    snapshot: Snapshot,
    bundles: BundleStore,
    *,
    config: RetrainConfig,
    cache: Path,
    applied: Applied | None = None,
    progress: Progress = silent,
    step_done: StepDone | None = None,
) -> Retrained:
    """Learn from a snapshot and publish the model if the gate lets it pass.

    Args:
        snapshot: what to learn from (`snapshot_of_graph`, or `build_snapshot` of checked tables).
        bundles: where the bundle goes.
        config: settings.
        cache: folder of vectors and of the exported encoder; it may be deleted at any time.
        applied: what of the logs is in the snapshot; None: nothing.
        progress: called as work moves.
        step_done: called after each step.

    Raises:
        GateRefused: the model was measured and is not good enough; the bundle is kept for study.
        TooLittleData: the events do not suffice to learn or to measure.
    """
    clock, applied = Stopwatch(), applied or Applied()
    steps = Steps(clock, step_done)
    with steps.step("encode"):
        encoder, vectors, encoded = encode_nodes(snapshot, config.encoder, cache=cache, progress=progress)
        distinct, now = sum(part.num_distinct for part in encoded), sum(part.num_encoded for part in encoded)
        steps.says(f"{distinct:,} distinct texts, {now:,} encoded now")
    with steps.step("train"):
        tuned = tune(snapshot, vectors, config=config.learn, clock=clock, split=config.split, progress=progress)
        epochs = len(tuned.stage.trained.losses) if tuned.stage.trained else 0
        steps.says(f"{len(tuned.stage.kernels)} kernels, network stopped after {epochs} epochs")
    with steps.step("evaluate"):
        _, report = measure(tuned, vectors, config=config.learn, clock=clock, progress=progress)
        steps.says(report.sentences()[0], report)
    with steps.step("fit on everything"):
        final, scorer = finish(snapshot, vectors, tuned, config=config.learn, clock=clock, progress=progress)
        overview = make_overview(snapshot, scorer, exclude_seen=tuned.exclude_seen, seed=config.learn.train.seed)
        content = BundleContent(
            snapshot=snapshot,
            scorer=scorer.without_idle_kernels(),
            exclude_seen=tuned.exclude_seen,
            text_vectors=vectors["Product"],
            network={name: tensor.numpy() for name, tensor in final.trained.weights.items()} if final.trained else {},
            report=report_to_json(report) | {"evidence": overview_to_json(overview)},
            config=describe(config),
            packages=package_versions(),
            card=model_card(report, snapshot, config, overview),
            encoder=exported_encoder(encoder, cache),
            events_applied=applied.events,
            products_applied=applied.products,
        )
        steps.says(f"{len(content.scorer.kernels)} kernels carry weight")
    content, reasons = explain(content, config, steps=steps, progress=progress)
    with steps.step("publish"):
        bundle = load_bundle(write_bundle(content, bundles.folder))
        verdict = judge(report, config.gate, reasons)
        if not verdict.passed:
            raise GateRefused(f"{verdict.sentence} The bundle {bundle.version} is kept in {bundles.folder} for study.")
        bundles.publish(bundle.version)
        steps.says(f"{bundle.version} is served from now on")
    return Retrained(bundle, report, verdict, clock.laps)


def explain(
    content: BundleContent, config: RetrainConfig, *, steps: "Steps", progress: Progress
) -> tuple[BundleContent, ReasonReport | None]:
    """Measure the reasons of a model before its bundle is written.

    Returns:
        The content with what was measured in report and card, and the measures; None where the gate asks for none.
    """
    if not config.gate.reason_users:
        return content, None
    with steps.step("explain"):
        ready = prepare(unwritten(content), config.reasons)
        reasons = measure_reasons(ready, users=config.gate.reason_users, n=config.learn.k, progress=progress)
        steps.says(reason_sentence(reasons))
    measured = {**content.report, "reasons": reasons_to_json(reasons)}
    return replace(content, report=measured, card=content.card + reasons_card(reasons)), reasons


def snapshot_of_graph(
    store: GraphStore, schema: GraphSchema, *, cutoff: datetime | None = None, progress: Progress = silent
) -> Snapshot:
    """Read the whole graph and cut it at a time."""
    return build_snapshot(extract_tables(store, schema, progress=progress), cutoff=cutoff)


def snapshot_with_events(
    store: GraphStore,
    schema: GraphSchema,
    *,
    log: EventLog,
    products: ProductLog,
    known: Snapshot | None = None,
    cutoff: datetime | None = None,
    progress: Progress = silent,
) -> tuple[Snapshot, Applied]:
    """Write the waiting products and events of the logs to the graph, then read the whole graph and cut it at a time.

    Args:
        store: an open graph.
        schema: kinds in use.
        log: events that came in since the last model.
        products: what was said of products.
        known: an earlier snapshot of the same shop; None: the graph is read one time more when something waits.
        cutoff: as for `snapshot_of_graph`.
        progress: called as work moves.

    Returns:
        The snapshot, and what of the logs is in it.

    Raises:
        GraphBusyError: another process writes the same events and does not end.
    """
    with log.applying():
        if products.waiting() or log.count(PENDING) or log.count(REFUSED):
            known = known or snapshot_of_graph(store, schema)
            apply_products(products, store, known)
            apply_events(log, store, known)
            retry_refused(log, store, known)
        last, said = log.applied_seq(), products.last_seq()
        snapshot = snapshot_of_graph(store, schema, cutoff=cutoff, progress=progress)
    return snapshot, Applied(last if cutoff is None else _last_before(log, cutoff, last), said)


def _last_before(log: EventLog, cutoff: datetime, last: int) -> int:
    """Number up to which every event of the log is older than the cutoff, at most `last`."""
    cutoff_ms, done = int(cutoff.timestamp() * 1000), 0
    while batch := log.read(APPLIED, after=done):
        for logged in batch:
            if logged.event.at_ms >= cutoff_ms or logged.seq > last:
                return min(logged.seq - 1, last)
        done = batch[-1].seq
    return last


def encode_nodes(
    snapshot: Snapshot, config: EncoderConfig, *, cache: Path, progress: Progress = silent
) -> tuple[TextEncoder, Vectors, list[EncodeReport]]:
    """Return the vector of every node's text by label, users apart; texts met before come from the cache."""
    encoder = TextEncoder.open(config)
    store = VectorCache(cache / "vectors")
    vectors, reports = {}, []
    for label, texts in node_sentences(snapshot).items():
        vectors[label], report = encode_cached(encoder, texts, cache=store, progress=progress)
        reports.append(report)
    return encoder, vectors, reports


def exported_encoder(encoder: TextEncoder, cache: Path) -> Path:
    """Return the folder of the encoder in ONNX form, exported once a model."""
    folder = cache / "onnx" / encoder.fingerprint
    if not (folder / ONNX_READY).is_file():
        export_onnx(encoder, folder)
    return folder


def describe(config: RetrainConfig) -> dict[str, Any]:
    """Return the settings as plain values."""
    plain: dict[str, Any] = asdict(config)
    return plain


class Steps:
    """Names the steps of a job, counts their seconds and tells the caller."""

    def __init__(self, clock: Stopwatch, done: StepDone | None) -> None:
        self._clock, self.done, self._line = clock, done, ""
        self._report: Report | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; it is reported when it ends without an error."""
        self._line, self._report = "", None
        start = time.perf_counter()
        with self._clock.lap(name):
            yield
        took = time.perf_counter() - start
        logger.info("step done", extra={"step": name, "took_s": round(took, 2), "outcome": self._line})
        if self.done is not None:
            self.done(StepOutcome(name, took, self._line, self._report))

    def says(self, line: str, report: Report | None = None) -> None:
        """Say in one line what came out of the running step, with what was measured in it."""
        self._line, self._report = line, report
