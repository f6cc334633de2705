"""The page on serving, written from the figures of `bench.serving`."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("target", "shape", "num_requests", "errors", "requests_per_s", "p50_ms", "p99_ms", "max_ms", "per_cpu_s")
FLOORS = {"recommend": "floor of recommend", "without paths": "floor without paths"}


def serving_page(about: Mapping[str, str], runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures of the API as a Markdown page."""
    found = runs[0]
    lines = [
        "# Serving",
        "",
        f"`make bench`, {about['made_at']}, commit {about['commit']}, {about['processor']}, {found['num_cpus']} CPUs.",
        "",
        f"`GET /v1/recommend/{{user}}?n={found['n']}&explain=paths` on {found['num_products']:,} products, "
        f"{found['answer_bytes']:,} bytes an answer, beside the same without paths ({found['plain_bytes']:,} bytes), "
        "`/v1/similar`, `/v1/explain` of any product, and constant routes of the same framework and size (floor).",
        "",
        "The load generator runs on the same CPUs. An answer is computed afresh from the history, events of a second",
        "ago included, and every path is verified; nothing is precomputed for a user. `per cpu s`: requests in parts",
        "of the CPU seconds of the server's processes. `of floor`: median in parts of the floor's under the same",
        "clients.",
        "",
        "| API processes | " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " | of floor |",
        "|---|" + "---|" * (len(COLUMNS) + 1),
    ]
    for run in runs:
        for load in run["loads"]:
            cells = [_cell(load[name]) for name in COLUMNS]
            lines.append(f"| {run['workers']} | {' | '.join(cells)} | {_of_floor(run, load)} |")
    heading = ("API processes", "ready after s", "bundle MiB", "resident MiB of each process", "own MiB")
    lines += ["", f"| {' | '.join(heading)} |", "|---" * len(heading) + "|"]
    for run in runs:
        resident, own = (", ".join(str(part[kind]) for part in run["memory_mib"]) for kind in ("rss", "uss"))
        lines.append(f"| {run['workers']} | {run['ready_s']} | {run['bundle_mib']} | {resident} | {own} |")
    return "\n".join(lines) + "\n"


def _of_floor(run: Mapping[str, Any], load: Mapping[str, Any]) -> str:
    floors = [
        other["p50_ms"]
        for other in run["loads"]
        if other["target"] == FLOORS.get(load["target"]) and _kind(other) == _kind(load)
    ]
    return f"{load['p50_ms'] / floors[0]:.1f}x" if floors else ""


def _kind(load: Mapping[str, Any]) -> str:
    """The shape of a load without its rate."""
    return str(load["shape"]).partition(",")[0]


def _cell(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
