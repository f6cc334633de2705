"""The job, as a story: watch -> encode -> train -> evaluate -> fit -> explain -> gate -> publish.

Each step is a function with a name that begins by looking whether an earlier run of the same job finished it
(`serving.checkpoint`), so a job that was killed goes on where it was and makes the same bundle. A training that was
under way goes on in its middle (`gnn.checkpoint`). Where the snapshot comes from (a graph, files) and how progress is
drawn is the caller's business.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gnn.bundle import Bundle, BundleContent, open_draft, seal, write_draft
from gnn.bundles import BundleStore
from gnn.canary import canary_from_now
from gnn.decision import Decision, decision_from_json, decision_to_json
from gnn.errors import BundleError
from gnn.learn import Stage, Vectors, finish, measure, split_for, tune
from gnn.report import WHOLE, Report, report_from_json, report_to_json
from gnn.stopwatch import Stopwatch
from gnn.train import TrainingFiles
from gnn.warm import Warm
from kg.progress import Progress, silent
from kg.snapshot import Snapshot
from serving.card import gate_card, model_card, overview_card, reasons_card
from serving.checkpoint import Checkpoint
from serving.drift import Drift, drift_to_json, watch
from serving.errors import GateRefused
from serving.gate.judge import Candidate, judge
from serving.gate.quality import LIVE_SETTINGS
from serving.gate.verdict import Verdict, verdict_to_json
from serving.graph_input import Applied
from serving.incremental import Inherited, inherit, since_sentence
from serving.node_vectors import encode_nodes, exported_encoder
from serving.overview import make_overview, overview_to_json
from serving.ready import prepare
from serving.reason_quality import ReasonReport, measure_reasons, reason_sentence, reasons_from_json, reasons_to_json
from serving.retrain_config import RetrainConfig, describe
from serving.steps import StepDone, Steps
from serving.versions import package_versions
from serving.webhook import post

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job works."""

    bundles: BundleStore
    """Where its bundle goes."""
    cache: Path
    """Folder of vectors and of the exported encoder; it may be deleted at any time."""
    work: Checkpoint = field(default_factory=Checkpoint)
    """What an earlier run of the same job finished, and where this one notes what it finishes."""
    curves: Path | None = None
    """Folder of this run's event files for TensorBoard, one below for each training; None: there are none."""


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
    place: Place,
    *,
    config: RetrainConfig,
    applied: Applied | None = None,
    forced: str | None = None,
    progress: Progress = silent,
    step_done: StepDone | None = None,
) -> Retrained:
    """Learn from a snapshot and publish the model if the gate lets it pass.

    Args:
        snapshot: what to learn from (`snapshot_of_graph`, or `build_snapshot` of checked tables).
        place: where the bundle goes, and where the job keeps what it can use again.
        config: settings.
        applied: what of the logs is in the snapshot; None: nothing.
        forced: why the model is published even if the gate refuses it; None: then it is not.
        progress: called as work moves.
        step_done: called after each step.

    Raises:
        GateRefused: the model was measured and is not good enough; the bundle is kept for study.
        TooLittleData: the events do not suffice to learn or to measure.
    """
    clock = Stopwatch()
    job = _Job(snapshot, place, config, applied or Applied(), _live(place.bundles), clock, progress)
    steps = Steps(clock, step_done)
    with steps.step("watch"):
        drift = job.watch(steps)
    with steps.step("encode"):
        vectors, encoder = job.encode(steps)
    with steps.step("train"):
        inherited, decision = job.train(steps, vectors)
    with steps.step("evaluate"):
        report = job.evaluate(steps, vectors, decision) if inherited is None else job.look_back(steps, inherited)
    with steps.step("fit on everything"):
        draft = job.fit(steps, vectors, decision, encoder=encoder, warm=None if inherited is None else inherited.warm)
    with steps.step("explain"):
        explained = job.explain(steps, draft)
    with steps.step("gate"):
        verdict = replace(job.judge(draft, report, explained, inherited), overruled=forced)
        steps.says(verdict.sentence)
    with steps.step("publish"):
        measured_by = None if inherited is None else inherited.measured_by
        bundle = job.seal(draft, report, explained, verdict, measured_by=measured_by, drift=drift)
        if not verdict.passed:
            told = f"{verdict.sentence} The bundle {bundle.version} is kept in {place.bundles.folder} for study."
            post(config.alerts.webhook, {"text": f"Whycart: {told}", "kind": "refused", "version": bundle.version})
            raise GateRefused(told, version=bundle.version)
        steps.says(_publish(bundle.version, job))
    return Retrained(bundle, report, verdict, clock.laps)


def _publish(version: str, job: "_Job") -> str:
    """Serve a model to all, or to some first, and return in words to whom."""
    bundles, config = job.place.bundles, job.config.publish
    if not config.canary or job.live is None or job.live.version == version:
        bundles.publish(version)
        return f"{version} is served from now on"
    canary = canary_from_now(version, before=job.live.version, share=config.canary, hours=config.canary_hours)
    return bundles.canary.begin(canary).words


def _went_on(stage: Stage) -> str:
    """Say that the network of a stage was not trained anew, but went on from where an interrupted run was."""
    before_s = stage.trained.before_s if stage.trained else 0.0
    return f"; its training went on from the {before_s:.0f} s of the run before" if before_s else ""


def _live(bundles: BundleStore) -> Bundle | None:
    try:
        return bundles.current()
    except BundleError as err:
        logger.info("no live model to compare with: %s", err)
        return None


@dataclass(frozen=True, slots=True)
class Explained:
    """What was found out about the lists of a model and about their reasons."""

    evidence: Mapping[str, Any]
    """What the lists rest on, as plain values (`serving.overview`)."""
    card: str
    """The same and the reasons for the model card, Markdown."""
    reasons: ReasonReport | None
    """None where the gate asks for none."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What all steps share. Each step takes what the ones before gave."""

    snapshot: Snapshot
    place: Place
    config: RetrainConfig
    applied: Applied
    live: Bundle | None
    """The model that is served when the job begins; None: there is none that can be read."""
    clock: Stopwatch
    progress: Progress

    def watch(self, steps: Steps) -> Drift | None:
        """Say what has moved since the live model was made, and tell whoever should look."""
        alerts = self.config.alerts
        found = watch(self.snapshot, self.live, alerts)
        if found is None:
            steps.says("there is no live model to look back from, or events have no clock")
            return None
        for alarm in found.alarms:
            logger.warning("alarm: %s", alarm.sentence, extra={"watched": alarm.name, "value": round(alarm.value, 3)})
        if found.alarms:
            post(alerts.webhook, {"text": f"Whycart: {found.sentence}", "kind": "drift", **drift_to_json(found)})
        steps.says(found.sentence)
        return found

    def encode(self, steps: Steps) -> tuple[Vectors, Path]:
        """Turn every text into a vector, and return the folder of the encoder too; the cache keeps both."""
        encoder, vectors, encoded = encode_nodes(
            self.snapshot, self.config.encoder, cache=self.place.cache, progress=self.progress
        )
        folder = exported_encoder(encoder, self.place.cache)
        distinct, now = sum(part.num_distinct for part in encoded), sum(part.num_encoded for part in encoded)
        steps.says(f"{distinct:,} distinct texts, {now:,} encoded now")
        return vectors, folder

    def train(self, steps: Steps, vectors: Vectors) -> tuple[Inherited | None, Decision]:
        """Take over what the live model decided, or fit on the training part and let validation decide."""
        why = ""
        if self.config.incremental:
            found = inherit(self.live, self.snapshot, self.config)
            if isinstance(found, Inherited):
                steps.says(f"nothing is tuned: what {found.measured_by} decided is taken over")
                return found, found.decision
            why = f"; a full run, as {found}"
        if (kept := self._kept(steps, "train")) is not None:
            for name, seconds in kept["seconds"].items():
                self.clock.add(name, seconds)
            return None, decision_from_json(kept["decision"])
        before, learn = self.clock.laps, self.config.learn
        tuned = tune(
            self.snapshot,
            vectors,
            config=learn,
            clock=self.clock,
            split=self.config.split,
            files=self._files("train"),
            progress=self.progress,
        )
        epochs = len(tuned.stage.trained.losses) if tuned.stage.trained else 0
        seconds = {name: took - before.get(name, 0.0) for name, took in self.clock.laps.items()}
        facts = {"decision": decision_to_json(tuned.decision), "seconds": seconds}
        line = f"{len(tuned.stage.kernels)} kernels, network stopped after {epochs} epochs{_went_on(tuned.stage)}{why}"
        self._finished(steps, "train", facts, line)
        return None, tuned.decision

    def look_back(self, steps: Steps, inherited: Inherited) -> Report:
        """Say how well the live model found what users did since it was made; it has not seen that."""
        report, since = inherited.report, inherited.since
        then = report.result(WHOLE).metrics[report.main_metric].mean
        found = "too few users did something since the live model was made to say how well it finds that"
        if since is not None:
            found = since_sentence(since, report.main_metric, then)
        steps.says(found)
        return report

    def evaluate(self, steps: Steps, vectors: Vectors, decision: Decision) -> Report:
        """Rank the test targets, once."""
        if (kept := self._kept(steps, "evaluate")) is not None:
            return report_from_json(kept["report"])
        learn, split = self.config.learn, split_for(self.snapshot, config=self.config.learn, split=self.config.split)
        settings = None if self.live is None else self.live.decision
        rivals = {} if settings is None else {LIVE_SETTINGS: settings.blends[WHOLE]}
        stage, report = measure(
            split,
            decision,
            vectors,
            config=learn,
            clock=self.clock,
            rivals=rivals,
            files=self._files("evaluate"),
            progress=self.progress,
        )
        line = f"{report.sentences()[0]}{_went_on(stage)}"
        self._finished(steps, "evaluate", {"report": report_to_json(report)}, line, report)
        return report

    def fit(self, steps: Steps, vectors: Vectors, decision: Decision, *, encoder: Path, warm: Warm | None) -> Path:
        """Fit on every event there is, and write the model down as a draft."""
        draft = self.place.bundles.draft
        if (draft.is_dir() or self._sealed() is not None) and self._kept(steps, "fit on everything") is not None:
            return draft
        self.place.work.forget("explain")
        learn = self.config.learn
        final, scorer = finish(
            self.snapshot,
            vectors,
            decision,
            config=learn,
            clock=self.clock,
            warm=warm,
            files=self._files("fit on everything"),
            progress=self.progress,
        )
        content = BundleContent(
            snapshot=self.snapshot,
            scorer=scorer.without_idle_kernels(),
            exclude_seen=decision.exclude_seen,
            text_vectors=vectors["Product"],
            network={name: tensor.numpy() for name, tensor in final.trained.weights.items()} if final.trained else {},
            config=describe(self.config),
            packages=package_versions(),
            encoder=encoder,
            events_applied=self.applied.events,
            products_applied=self.applied.products,
            deletions_applied=self.applied.deletions,
            decision=decision,
        )
        write_draft(content, draft)
        line = f"{len(content.scorer.kernels)} kernels carry weight{_went_on(final)}"
        self._finished(steps, "fit on everything", {}, line)
        return draft

    def explain(self, steps: Steps, draft: Path) -> Explained:
        """Measure what the lists rest on and what their reasons are worth, on the model as it is going to be served."""
        if (kept := self._kept(steps, "explain")) is not None:
            reasons = None if kept["reasons"] is None else reasons_from_json(kept["reasons"])
            return Explained(kept["evidence"], kept["card"], reasons)
        bundle, learn, gate = open_draft(draft), self.config.learn, self.config.gate
        overview = make_overview(
            bundle.snapshot, bundle.scorer, exclude_seen=bundle.exclude_seen, seed=learn.train.seed
        )
        card, reasons, line = overview_card(overview), None, "the lists; no reasons, as [gate] reason_users is 0"
        if gate.reason_users:
            ready = prepare(bundle, self.config.reasons)
            reasons = measure_reasons(ready, users=gate.reason_users, n=learn.k, progress=self.progress)
            card, line = card + reasons_card(reasons), reason_sentence(reasons)
        found = Explained(overview_to_json(overview), card, reasons)
        plain = {"evidence": found.evidence, "card": card, "reasons": reasons and reasons_to_json(reasons)}
        self._finished(steps, "explain", plain, line)
        return found

    def judge(self, draft: Path, report: Report, explained: Explained, inherited: Inherited | None) -> Verdict:
        """Hold the model against the limits and against the one that is served."""
        ready = prepare(self._draft_or_sealed(draft), self.config.reasons)
        candidate = Candidate(
            snapshot=self.snapshot, report=report, reasons=explained.reasons, ready=ready, inherited=inherited
        )
        live = None if self.live is None else prepare(self.live, self.config.reasons)
        return judge(candidate, live, self.config.gate)

    def _draft_or_sealed(self, draft: Path) -> Bundle:
        """The model itself, sealed already where an earlier run was killed between sealing and publishing."""
        kept = self._sealed()
        return open_draft(draft) if kept is None else kept

    def _sealed(self) -> Bundle | None:
        kept, bundles = self.place.work.read("seal"), self.place.bundles
        return bundles.load(kept["version"]) if kept is not None and kept["version"] in bundles.versions() else None

    def seal(
        self,
        draft: Path,
        report: Report,
        explained: Explained,
        verdict: Verdict,
        *,
        measured_by: str | None,
        drift: Drift | None,
    ) -> Bundle:
        """Make the bundle; nothing points to it yet."""
        if (kept := self._sealed()) is not None:
            return kept
        measured = report_to_json(report) | {"evidence": explained.evidence, "gate": verdict_to_json(verdict)}
        if drift is not None:
            measured["drift"] = drift_to_json(drift)
        if measured_by is not None:
            measured["measured_by"] = measured_by
        if explained.reasons is not None:
            measured["reasons"] = reasons_to_json(explained.reasons)
        card = model_card(report, self.snapshot, self.config, further=explained.card + gate_card(verdict))
        bundles = self.place.bundles
        bundle = bundles.load(seal(draft, bundles.folder, report=measured, card=card, key=bundles.key).name)
        self.place.work.write("seal", {"version": bundle.version})
        return bundle

    @property
    def _training(self) -> Path | None:
        """Where the state of the training that is under way is kept, until its step is finished."""
        return self.place.work.folder("training")

    def _files(self, step: str) -> TrainingFiles:
        """What the training of a step writes while it is under way."""
        curves = self.place.curves
        return TrainingFiles(self._training, None if curves is None else curves / step.replace(" ", "-"))

    def _kept(self, steps: Steps, name: str) -> dict[str, Any] | None:
        """What an earlier run of the same job wrote down when it finished a step."""
        kept = self.place.work.read(name)
        if kept is not None:
            steps.says(f"{kept['line']} (by the run before, which was interrupted)")
        return kept

    def _finished(
        self, steps: Steps, name: str, facts: Mapping[str, Any], line: str, report: Report | None = None
    ) -> None:
        self.place.work.write(name, {**facts, "line": line})
        if self._training is not None:
            shutil.rmtree(self._training, ignore_errors=True)
        steps.says(line, report)
