"""`whycart snapshot`, `encode`, `train` and `evaluate`: learning, step by step.

The learning is `gnn.learn`'s; here it is said where the input comes from, and the answers are told. All of it as one
job is `serving.cli.retrain`'s, published models are looked after by `serving.cli.models`.
"""

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import torch
import typer

from cypher.errors import InputError
from encoders.config import EncoderConfig, EncodeReport
from gnn.config import FuseConfig, KernelConfig, LearnConfig, ModelConfig, TrainConfig
from gnn.learn import Tuned, Vectors, measure, tune
from gnn.measure import Measured
from gnn.report import Report, report_to_json
from gnn.split import SplitName
from gnn.stopwatch import Stopwatch
from gnn.train import TrainingFiles
from kg.operators import OperatorConfig
from kg.progress import Progress
from kg.snapshot import Snapshot, build_snapshot
from kg.snapshot_files import save_snapshot
from kg.store import GraphStore
from serving.alert_config import AlertConfig
from serving.cli.output import print_json, print_table, progress_bars, say
from serving.cli.reasons import evaluate_reasons
from serving.cli.times import parse_time
from serving.cli.training import tell_profile, tell_tuned, training_files, tuned_facts
from serving.folder_input import read_input
from serving.gate.config import GateConfig
from serving.graph_input import snapshot_of_graph
from serving.job_config import JobConfig
from serving.node_vectors import encode_nodes
from serving.publish_config import PublishConfig
from serving.reason_config import read_reasons
from serving.retrain_config import RetrainConfig
from serving.settings import Settings, load_settings

EVALUATION = "evaluation.json"
"""File in the home folder that the latest evaluation is written to."""

Data = Annotated[
    Path | None, typer.Option("--data", metavar="FOLDER", help="Learn from this input folder instead of the graph.")
]
Cutoff = Annotated[
    str | None, typer.Option("--cutoff", metavar="TIME", help="Use only what was before, such as 2026-01-31T00:00:00Z.")
]
Split = Annotated[
    SplitName | None, typer.Option("--split", help="How to split; not given: by time where events have times.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def snapshot(
    cutoff: Cutoff = None,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where to write it; a new folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cut the graph at a time and write it to disk.

    Example: whycart snapshot --cutoff 2026-01-31T00:00:00Z
    """
    settings, until = load_settings(), parse_time(cutoff)
    with progress_bars(wanted=not as_json) as progress:
        made = read_snapshot(settings, data, cutoff=until, progress=progress)
    folder = out or settings.snapshots / made.hash[:16]
    is_new = out is not None or not folder.exists()
    if is_new:
        save_snapshot(made, folder)
    facts = {"folder": folder, "new": is_new, "hash": made.hash, "cutoff_ms": made.cutoff_ms, "order": made.order}
    counts = {"nodes": {label: made.num_nodes(label) for label in made.nodes}}
    counts["relations"] = {name: len(edges) for name, edges in made.edges.items()}
    if as_json:
        print_json(facts | counts | {"events": len(made.events)})
        return
    rows = [("node", label, number) for label, number in counts["nodes"].items()]
    rows += [("relation", name, number) for name, number in counts["relations"].items() if number]
    print_table(("kind", "name", "rows"), [*rows, ("event", "all types", len(made.events))])
    say(f"snapshot {made.hash[:16]} {'written to' if is_new else 'was there already, in'} {folder}")


def encode(data: Data = None, as_json: AsJson = False) -> None:
    """Turn the text of a snapshot into vectors.

    Texts met before are not read again; 'whycart train' and 'whycart retrain' do the same step themselves.

    Example: whycart encode --data shop
    """
    settings = load_settings()
    use_all_cores()
    with progress_bars(wanted=not as_json) as progress:
        made = read_snapshot(settings, data, cutoff=None, progress=progress)
        config = settings.section("encoder", EncoderConfig)
        encoder, vectors, reports = encode_nodes(made, config, cache=settings.cache, progress=progress)
    by_label = dict(zip(vectors, reports, strict=True))
    if as_json:
        print_json({"dim": encoder.dim, "fingerprint": encoder.fingerprint, "nodes": by_label})
        return
    columns = ("node", "texts", "distinct", "encoded now", "from cache", "unknown tokens", "seconds")
    print_table(columns, [_encode_row(label, report) for label, report in by_label.items()])
    say(f"vectors of {encoder.dim} numbers, kept in {settings.cache}")


def train(
    data: Data = None,
    cutoff: Cutoff = None,
    split: Split = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also say where the time went; on a GPU training waits for every stage.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on a snapshot.

    Fits and tunes, and prints what validation chose. Nothing is measured on test users and nothing is published:
    that is for 'whycart evaluate' and 'whycart retrain'. Killed and run again, the network's training goes on.

    Example: whycart train --data shop --profile
    """
    settings, until = load_settings(), parse_time(cutoff)
    config, files = read_config(settings, split=split, cutoff=until), training_files(settings, "train")
    use_all_cores()
    clock = Stopwatch(exact=profile)
    with progress_bars(wanted=not as_json) as progress:
        with clock.lap("snapshot"):
            made = read_snapshot(settings, data, cutoff=until, progress=progress)
        with clock.lap("encode"):
            _, vectors, _ = encode_nodes(made, config.encoder, cache=settings.cache, progress=progress)
        tuned = _tune(made, vectors, config, clock, files("train"), progress)
    shutil.rmtree(settings.training, ignore_errors=True)
    if as_json:
        print_json(tuned_facts(tuned, clock))
    else:
        tell_tuned(tuned, clock)
        if profile:
            tell_profile(clock)


def evaluate(
    data: Data = None,
    cutoff: Cutoff = None,
    split: Split = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Cut-off of the metrics.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON here instead of into the home folder.")
    ] = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Measure the reasons of the published model; nothing is fitted.")
    ] = False,
    users: Annotated[int, typer.Option("--users", min=1, help="With --reasons: users looked at.")] = 1000,
    in_graph: Annotated[
        bool, typer.Option("--in-graph", help="With --reasons: look every path up in the live graph too.")
    ] = False,
    against: Annotated[
        str | None, typer.Option("--against", metavar="VERSION", help="With --reasons: how far another model agrees.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model beside the baselines.

    Everything is fitted on the past and ranked against what users did next; nothing is published. With --reasons the
    paths of the published model are checked: whether they exist, and whether deleting their events moves what they
    explain.

    Example: whycart evaluate --data shop --k 10
    """
    if reasons:
        evaluate_reasons(
            load_settings(), users=users, n=k or 10, in_graph=in_graph, against=against, out=out, as_json=as_json
        )
        return
    if in_graph or against is not None:
        raise InputError("--in-graph and --against look at reasons; give --reasons too")
    settings, until = load_settings(), parse_time(cutoff)
    config, files = read_config(settings, split=split, cutoff=until, k=k), training_files(settings, "evaluate")
    use_all_cores()
    clock = Stopwatch()
    with progress_bars(wanted=not as_json) as progress:
        made = read_snapshot(settings, data, cutoff=until, progress=progress)
        _, vectors, _ = encode_nodes(made, config.encoder, cache=settings.cache, progress=progress)
        tuned = _tune(made, vectors, config, clock, files("train"), progress)
        _, report = measure(
            tuned.split,
            tuned.decision,
            vectors,
            config=config.learn,
            clock=clock,
            files=files("evaluate"),
            progress=progress,
        )
    shutil.rmtree(settings.training, ignore_errors=True)
    facts = report_to_json(report) | {"snapshot": made.hash, "seconds": clock.laps}
    file = out or settings.home / EVALUATION
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(facts)
        return
    tell_report(report)
    say(f"written to {file}")


def _tune(
    made: Snapshot,
    vectors: Vectors,
    config: RetrainConfig,
    clock: Stopwatch,
    files: TrainingFiles,
    progress: Progress,
) -> Tuned:
    return tune(
        made,
        vectors,
        config=config.learn,
        clock=clock,
        split=config.split,
        files=files,
        progress=progress,
    )


def read_config(
    settings: Settings,
    *,
    split: SplitName | None = None,
    cutoff: datetime | None = None,
    k: int | None = None,
    incremental: bool = False,
) -> RetrainConfig:
    """Return what file, environment and flags say about learning."""
    kernels = {"operators": settings.section("operators", OperatorConfig)}
    parts = {
        "kernels": settings.section("kernels", KernelConfig, parts=kernels),
        "fuse": settings.section("fuse", FuseConfig),
        "model": settings.section("model", ModelConfig),
        "train": settings.section("train", TrainConfig),
    }
    return RetrainConfig(
        encoder=settings.section("encoder", EncoderConfig),
        learn=settings.section("learn", LearnConfig, flags={"k": k}, parts=parts),
        gate=settings.section("gate", GateConfig),
        job=settings.section("job", JobConfig),
        alerts=settings.section("alerts", AlertConfig),
        publish=settings.section("publish", PublishConfig),
        incremental=incremental,
        reasons=read_reasons(settings),
        split=split,
        cutoff=cutoff,
    )


def use_all_cores() -> None:
    """Let torch use every core this process may run on."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))


def tell_report(report: Report, tell: Callable[[str], None] = say) -> None:
    """Print the table of an evaluation and the sentences that sum it up.

    Args:
        report: what was measured.
        tell: prints one line.
    """
    metrics = [f"{name}@{report.k}" for name in ("ndcg", "recall", "hit", "coverage")]
    rows = [
        (row.name, *(_measured(row.metrics[metric]) for metric in metrics), f"{row.fit_s:.1f}") for row in report.models
    ]
    print_table(("model", *metrics, "fit s"), rows)
    again = "left out" if report.exclude_seen else "may be recommended again"
    tell(
        f"{report.split} split, {report.num_users:,} test users, all {report.num_products:,} products ranked, "
        f"products of the history {again}; in brackets 95% intervals over users"
    )
    for sentence in report.sentences():
        tell(sentence)


def read_snapshot(settings: Settings, data: Path | None, *, cutoff: datetime | None, progress: Progress) -> Snapshot:
    """Return the snapshot of an input folder, or of the graph.

    Raises:
        InputError: the graph holds nothing to learn from.
    """
    if data is not None:
        return build_snapshot(read_input(settings, data, progress=progress).report.tables, cutoff=cutoff)
    with GraphStore.open(settings.graph) as store:
        return not_empty(snapshot_of_graph(store, settings.schema, cutoff=cutoff, progress=progress))


def not_empty(made: Snapshot) -> Snapshot:
    """Return the snapshot of a graph.

    Raises:
        InputError: it holds nothing to learn from.
    """
    if not made.num_nodes("Product") or not len(made.events):
        raise InputError("the graph holds no products with events; import a folder first: whycart ingest FOLDER")
    return made


def _encode_row(label: str, report: EncodeReport) -> tuple[object, ...]:
    counts = (report.num_texts, report.num_distinct, report.num_encoded, report.num_cached)
    return (label, *counts, f"{report.unknown_share:.1%}", f"{report.took_s:.1f}")


def _measured(value: Measured) -> str:
    if value.low == value.high:
        return f"{value.mean:.4f}"
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"
