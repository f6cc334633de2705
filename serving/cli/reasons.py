"""`whycart evaluate --reasons`: the reasons of the published model, measured and told."""

import contextlib
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kg.store import GraphStore
from serving.cli.items import open_ready
from serving.cli.output import print_json, print_table, progress_bars, say
from serving.graph_ledger import claims_not_in_graph
from serving.ledger import Claim
from serving.ready import Ready
from serving.reason_quality import measure_reasons, reason_rows, reason_sentence, reasons_to_json
from serving.reason_stability import agreement
from serving.settings import Settings

REASONS = "reasons.json"
"""File in the home folder that the latest figures are written to."""


def evaluate_reasons(
    settings: Settings,
    *,
    users: int,
    n: int,
    in_graph: bool,
    against: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the reasons of the published model and print what came out.

    Args:
        settings: of the project.
        users: how many users at most.
        n: items of each list.
        in_graph: ask the live graph too whether every path is there.
        against: version of another model whose reasons are compared; None: none.
        out: file for the JSON; None: REASONS in the home folder.
        as_json: print JSON instead of a table.

    Raises:
        BundleError: no model is published, or there is no such version.
        GraphConnectionError: the graph is asked and does not answer.
    """
    ready = open_ready(settings)
    other = None if against is None else open_ready(settings, against)
    with progress_bars(wanted=not as_json) as progress, contextlib.ExitStack() as stack:
        store = stack.enter_context(GraphStore.open(settings.graph)) if in_graph else None
        asked = None if store is None else _reader(store, ready)
        report = measure_reasons(ready, users=users, n=n, also_false=asked, progress=progress)
        agrees = None if other is None else agreement(ready, other, users=users, n=n, progress=progress)
    snapshot = ready.bundle.snapshot
    facts = {
        "model_version": ready.bundle.version,
        "snapshot": snapshot.hash,
        "num_products": snapshot.num_nodes("Product"),
        "num_events": len(snapshot.events),
        "relations": {name: len(edges) for name, edges in sorted(snapshot.edges.items()) if len(edges)},
        "graph": None if store is None else f"{store.server.product} {store.server.version}",
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "reasons": reasons_to_json(report),
    }
    if agrees is not None:
        facts["against"] = {"model_version": against, **asdict(agrees)}
    file = out or settings.home / REASONS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(facts)
        return
    print_table(("figure", "value", "meaning"), reason_rows(report))
    say(reason_sentence(report))
    if in_graph:
        say(f"the graph at {settings.graph.uri or settings.graph.folder} was asked for each of the paths, in Cypher")
    if agrees is not None:
        say(
            f"against {against}: {agrees.products:.1%} of the items are the same, of those {agrees.first:.1%} have the "
            f"same first reason and share {agrees.jaccard:.1%} of all reasons"
        )
    say(f"model {ready.bundle.version}, {report.num_users:,} users; written to {file}")


def _reader(store: GraphStore, ready: Ready) -> Callable[[Sequence[Claim]], Sequence[Claim]]:
    """Ask the graph for every path; events after those that the model knows are not counted."""
    snapshot = ready.bundle.snapshot
    has_clock = snapshot.order == "clock" and len(snapshot.events)
    until_ms = int(snapshot.events.time.max()) if has_clock else None
    return functools.partial(claims_not_in_graph, store, snapshot.schema, bounds=ready.reasons, until_ms=until_ms)
