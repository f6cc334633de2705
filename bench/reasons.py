"""The page on reasons, written from the JSON files of `whycart evaluate --reasons`, `python -m bench.stability`,
`python -m bench.planted` and `python -m bench.peers.reasons`.

It measures nothing itself; no figure of it is typed by hand.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.reason_quality import MEANS

MEASURES = ("LIR", "SEP", "LID", "SED", "PTD", "PTC", "PPT", "explained")
TYPES_SHOWN = 6
INTRO = """\
# Reasons

Whether reasons exist, whether they move what they explain, and whether they find what was planted; then Whycart's paths
beside those of path models. What a reason is stands in [../reasons.md](../reasons.md). `python -m bench --only reasons`
writes this page from the JSON files in [reasons/](reasons/).
"""
PEERS = """\
The path beside each product of a list, of Whycart and of path models of hopwise, on the same split, the same graph and
lists of the same length; NDCG by Whycart's evaluator. In brackets 95% bootstrap intervals over users; bold: no model
has more.

The measures are those of Balloccu et al. (SIGIR 2022) as hopwise computes them, from 0 to 1; the formulas are in
`serving/path_metrics.py`:

- LIR: how recent the product of the history is that the path starts at.
- SEP: how popular the entity is that the path passes last, before the recommended product.
- LID, SED: how many different products of the history, and last entities, a list has a path.
- PTD, PTC: how many different last relations a list has a path; 1 minus the chance that two of its paths share one.
- PPT: how many different sequences of relations a list has a path, 7 at most.
- explained: share of the listed products that have a path; those without do not count elsewhere.

More is not always better: a good reason may be old, or rest on something rare. What to know of the figures:

- As in hopwise there are two kinds of shared entities, users and all else, so that products stand among brands and
  actors; degrees are those of the graph that all models walk, users' choices included.
- Of each product only the first path counts; for Whycart that is the one shown first.
- Whycart never names another user. Its path over users has the mean popularity of those who chose both products, and
  all such paths of a list have one shared entity together. A path of a peer names one user.
- Equal times and equal degrees get different values, in the order of the table, as in hopwise; here that is by row.
- Where PGPR finds fewer paths than it lists products, it hands out paths that end at other products. Here a path counts
  only for the product that it ends at.
"""


def reasons_page(files: Sequence[Path]) -> str:
    """Return the page on some results as Markdown: models, models trained anew, planted causes, then path models."""
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    measured = [measured_section(found, name) for name, found in results.items() if "reasons" in found]
    planted = [planted_section(found, name) for name, found in results.items() if "shops" in found]
    stable = [stability_section(found, name) for name, found in results.items() if "stability" in found]
    peers = [section(found, name) for name, found in results.items() if "models" in found]
    parts = [*measured, *stable, *planted, *([PEERS] if peers else []), *peers]
    return "\n".join([INTRO, *parts])


def measured_section(result: Mapping[str, Any], name: str) -> str:
    """Return the section of one model whose reasons were measured.

    Args:
        result: the JSON of `whycart evaluate --reasons`.
        name: what to call it.
    """
    found = result["reasons"]
    asked = f"every path looked up in {result['graph']} in Cypher too" if result["graph"] else "no graph server asked"
    known = ", ".join(f"{relation} ({number:,})" for relation, number in result["relations"].items())
    lines = [
        f"## {name}",
        f"{found['num_users']:,} users, {found['num_items']:,} items in lists of {found['n']}, {found['num_paths']:,} "
        f"paths, {asked}; {result['num_products']:,} products, {result['num_events']:,} events, and the model knows "
        f"{known}.",
        "",
        "| figure | value | meaning |",
        "|---|---:|---|",
        *(f"| {figure} | {_plain(found[figure])} | {meaning} |" for figure, meaning in MEANS.items()),
        "",
        f"`whycart evaluate --reasons --users {found['num_users']}{' --in-graph' if result['graph'] else ''}`, model "
        f"{result['model_version']}, {result['made_at']}.",
        "",
    ]
    return "\n".join(lines)


def stability_section(result: Mapping[str, Any], name: str) -> str:
    """Return the section on one shop whose model was trained anew.

    Args:
        result: the JSON of `python -m bench.stability`.
        name: what to call it.
    """
    lines = [
        f"## {name}",
        f"The published model against one trained anew, lists of {result['n']}: items that are in both lists, and of "
        "these those with the same first reason (meta-path and every named node on it), and the reasons that both give "
        "in parts of those that either gives.",
        "",
        "| trained anew with | users | same items | same first reason | reasons in common |",
        "|---|---:|---:|---:|---:|",
    ]
    for how, found in result["stability"].items():
        cells = (f"{found[column]:.3f}" for column in ("products", "first", "jaccard"))
        lines.append(f"| {how} | {found['num_users']:,} | {' | '.join(cells)} |")
    command = f"`python -m bench.stability`, model {result['model_version']}, commit {result['commit']}."
    return "\n".join([*lines, "", command, ""])


def planted_section(result: Mapping[str, Any], name: str) -> str:
    """Return the section on generated shops.

    Args:
        result: the JSON of `python -m bench.planted`.
        name: what to call it.
    """
    size = ", ".join(f"{number:,} {what}" for what, number in result["size"].items())
    columns = ("recovery", "recovery_graph", "control_graph")
    lines = [
        f"## {name}",
        f"Generated shops ({size}) whose every event has a known cause: the share of recommendations with a planted "
        f"cause that show one among {result['paths']} paths and the reason codes; `graph` without those whose only "
        "cause is popularity, which is no path. The control is the same shop with all edges and events dealt anew.",
        "",
        f"| seed | recommendations | {' | '.join(columns)} | brand | complement | taste | popularity |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for shop in result["shops"]:
        causes = [f"{shop['by_cause'][cause]:.3f}" for cause in ("brand", "complement", "taste", "popularity")]
        cells = [f"{shop[column]:.3f}" for column in columns] + causes
        lines.append(f"| {shop['seed']} | {shop['recommendations']:,} | {' | '.join(cells)} |")
    command = f"`python -m bench.planted --seeds {len(result['shops'])}`, commit {result['commit']}."
    return "\n".join([*lines, "", command, ""])


def _plain(value: float | Mapping[str, float]) -> str:
    if isinstance(value, Mapping):
        return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def section(result: Mapping[str, Any], name: str) -> str:
    """Return the section of one result.

    Args:
        result: the JSON of the command.
        name: what to call it.
    """
    k = result["k"]
    lines = [
        f"## {name}",
        f"{result['data']}, {result['split']} split, seed {result['seed']}, lists of {k}, {result['num_users']:,} test "
        f"users, {result['num_products']:,} products.",
        "",
        *_table(result["models"], f"ndcg@{k}"),
        "",
        *(_about(model, found) for model, found in result["models"].items()),
        "",
        *_agreement(result["models"]),
        "",
        f"`python -m bench.peers.reasons {result['data']} --split {result['split']} --seed {result['seed']} --k {k}`, "
        f"{result['made_at']}.",
        "",
    ]
    return "\n".join(lines)


def _table(models: Mapping[str, Any], metric: str) -> list[str]:
    columns = (metric, *MEASURES)
    rows = {name: {**found["metrics"], **found["paths"]} for name, found in models.items()}
    best = {column: max(row[column]["mean"] for row in rows.values()) for column in columns}
    lines = [f"| model | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(_cell(row[column], best[column]) for column in columns)} |")
    return lines


def _cell(value: Mapping[str, float], best: float) -> str:
    text = f"**{value['mean']:.3f}**" if value["mean"] == best else f"{value['mean']:.3f}"
    return f"{text} [{value['low']:.3f}, {value['high']:.3f}]"


def _about(name: str, found: Mapping[str, Any]) -> str:
    """What a model's paths are made of, and how it was fitted."""
    count, about = found["num_paths"], found["about"]
    types = list(found["types"].items())
    shown = [f"{kind} {times / count:.0%}" for kind, times in types[:TYPES_SHOWN]]
    rest = len(types) - TYPES_SHOWN
    shown += [f"{rest} more"] if rest > 0 else []
    if "epochs" in about:
        epochs = {phase["name"]: phase["epochs"] for phase in about["phases"] if "epochs" in phase}
        walk = epochs["final embeddings"]
        tuned = "stopped by validation" if about["tuned"] else f"as asked for by `--no-tune --embedding-epochs {walk}`"
        how = f"{walk} epochs of TransE, then {about['epochs']} of its own, {tuned}"
    else:
        how = f"commit {about['commit']}, {about['ms_per_list']:.0f} ms a list"
    return f"- {name}: {count:,} paths; last relations {', '.join(shown)}; {how}."


def _agreement(models: Mapping[str, Any]) -> list[str]:
    """How far the figures are from those of hopwise's own classes."""
    pairs = [
        (name, abs(at["whycart"] - at["exact"]), abs(at["whycart"] - at["published"]))
        for found in models.values()
        for name, at in found["agreement"].items()
    ]
    exact = max(difference for _, difference, _ in pairs)
    others = max(difference for name, _, difference in pairs if name != "LIR")
    recency = max(difference for name, _, difference in pairs if name == "LIR")
    return [
        f"Given the same paths, hopwise's own metric classes differ by at most {exact:.1e}. As published they differ "
        f"by {others:.1e}, and in LIR by {recency:.1e}: hopwise keeps recencies as 4-byte numbers, and the order of "
        "interactions of the same moment is left to an unstable sort."
    ]
