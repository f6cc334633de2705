"""The page on speed, written from the JSON files of `python -m bench.attention`, `training`, `retrain`,
`encoder`, `answer`, `cypher`, `diversity`, `search`, `cold`, `soak` and `scale`.

It measures nothing itself; no figure of it is typed by hand.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.soak import figures as soak_figures

INTRO = """\
# Speed

What the attention layer, training, text encoding and an answer cost. Figures of one table come from one run, side by
side; compare ratios, for seconds are those of the machine that is named. `python -m bench --only speed` writes this
page from the JSON files in [speed/](speed/). What a request costs over HTTP stands in [serving.md](serving.md).
"""
ATTENTION = """\
One layer forward and back, every layer on the same edges. "adds loops": the layer as it comes, which adds each node's
edge to itself at every call; the others are given these edges, sorted by target. Bandwidth: the bytes that must move at
the least, three vectors an edge and six a node, in parts of what a large copy reaches.
"""


def speed_page(files: Sequence[Path]) -> str:
    """Return the page on some results as Markdown."""
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    parts = [INTRO]
    for key, title, section in SECTIONS:
        found = {name: result for name, result in results.items() if key in result}
        if found:
            parts += [f"## {title}", "", *(section(result, name) for name, result in found.items())]
    return "\n".join(parts)


def _attention(result: Mapping[str, Any], name: str) -> str:
    shape = f"dim {result['dim']}, {result['heads']} heads, best of {result['rounds'] + 1} rounds"
    columns = ("graph", "nodes", "edges", "layer", "ms", "forward ms", "time", "MiB", "memory", "edges/s", "bandwidth")
    rows = [
        (
            row["graph"],
            f"{row['num_nodes']:,}",
            f"{row['num_edges']:,}",
            row["layer"],
            f"{row['both_ms']:.1f}",
            f"{row['forward_ms']:.1f}",
            f"{row['ratio']:.2f}x",
            f"{row['peak_mib']:,.0f}",
            f"{row['memory_ratio']:.2f}x",
            f"{row['edges_per_s']:,.0f}",
            f"{row['bandwidth_share']:.0%}",
        )
        for row in result["figures"]
    ]
    return _section(name, f"{_machine(result)}, {shape}.\n\n{ATTENTION}", columns, rows)


def _training(result: Mapping[str, Any], name: str) -> str:
    found = result["training"]
    text = (
        f"{_machine(result)}. A synthetic shop: {result['users']:,} users, {result['products']:,} products, "
        f"{result['purchases']:,} purchases, {result['edges']:,} other edges; the network sees {found['num_nodes']:,} "
        f"nodes and {found['num_edges']:,} edges, and {found['examples_per_epoch']:,} of {found['num_examples']:,} "
        "steps of users an epoch."
    )
    rows = [(f"epoch {number}", f"{took:.2f} s") for number, took in enumerate(found["epochs_s"], start=1)]
    rows += [("everything", f"{found['took_s']:.1f} s"), ("CPU", f"{found['cpu_s']:.1f} s")]
    rows.append(("memory of the process", f"{found['peak_rss_mb']:,} MiB"))
    if found["peak_device_mb"] is not None:
        rows.append(("memory of the device", f"{found['peak_device_mb']:,} MiB"))
    if "kernels" in result:
        took = result["kernels"]
        rows.append(("kernels that are not learned", f"{took['took_s']:.1f} s ({took['cpu_s']:.1f} CPU s)"))
        rows += [(f"- {kernel}", f"{seconds:.1f} s") for kernel, seconds in took["laps"].items() if seconds >= 0.05]
    return _section(name, text, ("what", "took"), rows)


def _retrain(result: Mapping[str, Any], name: str) -> str:
    found = result["retrain"]
    text = f"{_machine(result)}. `whycart retrain --data {result['data']}`, from the tables to a published model."
    rows = [
        ("clock", f"{found['wall_s']:,.0f} s"),
        ("CPU", f"{found['cpu_s']:,.0f} s"),
        ("memory", f"{found['peak_rss_mb']:,} MiB"),
    ]
    if "note" in result:
        text += f" {result['note']}"
    return _section(name, text, ("what", "took"), rows)


def _encoder(result: Mapping[str, Any], name: str) -> str:
    plain = result["texts_per_s"]["plain"]
    rows = [
        (way, f"{value:,.0f}", f"{value / plain:.2f}x", f"{result['min_cosine'][way]:.5f}")
        for way, value in result["texts_per_s"].items()
    ]
    text = f"{_machine(result)}. {result['num_texts']:,} distinct texts; chosen by its trial: {result['chosen']}."
    return _section(name, text, ("format", "texts/s", "of plain", "least cosine"), rows)


def _answer(result: Mapping[str, Any], name: str) -> str:
    text = (
        f"{_machine(result)}. In process, one thread, {result['num_users']:,} users, {result['num_products']:,} "
        f"products, {result['num_kernels']} kernels, lists of {result['n']}; milliseconds of processor time. Paths add "
        f"{result['paths_add_ms']:.1f} ms on average, {result['paths_add_at_p99_ms']:.1f} ms at the 99th percentile."
    )
    rows = [(row["step"], f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}") for row in result["steps"]]
    return _section(name, text, ("step", "median ms", "p99 ms"), rows)


def _cypher(result: Mapping[str, Any], name: str) -> str:
    text = (
        f"{_machine(result)}. The same users, one at a time: {result['graph_server']} with the query "
        f"`also_bought_by_similar_users`, beside the API over HTTP. {result['num_users']:,} users, "
        f"{result['num_products']:,} products, {result['num_events']:,} events, lists of {result['n']}; "
        "medians compared."
    )
    rows = [
        (row["target"], f"{row['p50_ms']:,.1f}", f"{row['p99_ms']:,.1f}", f"{row['ratio']:,.0f}x")
        for row in result["cypher_beside"]
    ]
    return _section(name, text, ("answer", "median ms", "p99 ms", "faster"), rows)


def _diversity(result: Mapping[str, Any], name: str) -> str:
    text = (
        f"{_machine(result)}. Lists of {result['n']} for {result['num_users']:,} users, {result['num_products']:,} "
        "products; means over users. Variety: 1 less the mean likeness of the pairs of a list; kept and score: in "
        "parts of the list without diversity."
    )
    columns = ("diversity", "variety", "categories shown", "kept", "score", "ms of the answer")
    rows = [tuple(f"{value:g}" for value in row.values()) for row in result["diversity"]]
    return _section(name, text, columns, rows)


def _search(result: Mapping[str, Any], name: str) -> str:
    how = "by words and meaning" if result["meaning"] else "by words alone"
    text = (
        f"{_machine(result)}. {result['data']}, {result['num_products']:,} products, {how}, seed {result['seed']}. "
        "Searches made from the catalogue: a brand and a type, a brand and the first words of a title; as they are and "
        "with one typing error. Found: the product itself is among the first ten. "
        f"The first search takes {result['first_search_s']} s."
    )
    rows = [
        (row["kind"], str(row["errors"]), str(row["num_queries"]), f"{row['found']:.1%}", *_times(row))
        for row in result["searches"]
    ]
    return _section(name, text, ("search", "errors", "searches", "found", "median ms", "p99 ms"), rows)


def _times(row: Mapping[str, Any]) -> tuple[str, str]:
    return f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"


def _cold(result: Mapping[str, Any], name: str) -> str:
    ranking, arrival = result["cold"]["ranking"], result["cold"]["arrival"]
    text = (
        f"{_machine(result)}. Of {ranking['num_products'] + ranking['num_held_out']:,} products "
        f"{ranking['num_held_out']:,} with events are held out and come in as newcomers (seed {result['seed']}): how "
        f"many of those that a user had are among the user's {ranking['k']} best of them, over {ranking['num_users']} "
        f"users, with 95% intervals; and how many of them stand among the {ranking['k']} best of all products, a user."
    )
    rows = [
        (
            row["by"],
            f"{row['recall']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            "" if row["in_top"] is None else f"{row['in_top']:.2f}",
        )
        for row in ranking["rows"]
    ]
    columns = ("ranked by", f"recall@{ranking['k']} of newcomers", f"newcomers in the {ranking['k']} best of all")
    found = _section(f"{name}: ranking", text, columns, rows)
    text = (
        f"{_machine(result)}. Seconds from `POST /v1/products` until each of {arrival['processes']} processes shows "
        f"the product; {arrival['count']} products one by one, {arrival['num_products']:,} in the catalogue. A "
        "first one, which has the local graph server started, is not counted."
    )
    took = [(row["surface"], f"{row['median_s']:.1f}", f"{row['max_s']:.1f}") for row in arrival["rows"]]
    return found + "\n" + _section(f"{name}: arrival", text, ("surface", "median s", "longest s"), took)


def _soak(result: Mapping[str, Any], name: str) -> str:
    text = (
        f"{_machine(result)}. `whycart serve` with {result['workers']} process(es) on {result['num_cpus']} cores that "
        f"it shares with whoever asks: lists of {result['n']} with paths, an open loop at 70% of the most that closed "
        "loops reached with events coming in, while events come in and the model is exchanged twice; quiet: the same "
        "load alone."
    )
    return _section(name, text, ("what", "figure"), soak_figures(result["soak"]))


def _scale(result: Mapping[str, Any], name: str) -> str:
    sizes, far = result["scale"], result["to"]
    columns = ["stage", *(f"{int(events):,}" for events in sizes), "exponent", f"{far:,} (fitted)"]
    parts = []
    for measure, title in (("cpu_s", "CPU seconds"), ("grown_mb", "MiB that the shop takes at most")):
        slope, end = result[measure]["exponents"], result[measure]["extrapolated"]
        rows = [
            (
                stage,
                *(f"{size[stage][measure]:,.5g}" if stage in size else "" for size in sizes.values()),
                f"{power:.2f}",
                f"{end[stage]:,.0f}",
            )
            for stage, power in slope.items()
        ]
        text = f"{_machine(result)}. {title} by number of events."
        parts.append(_section(f"{name}: {title}", text, columns, rows))
    return "\n".join(parts)


def _section(name: str, text: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"### {name}", "", text, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def _machine(result: Mapping[str, Any]) -> str:
    threads = f", {result['threads']} threads" if "threads" in result else ""
    return f"{result.get('device') or result['processor']}{threads}, commit {result['commit']}"


SECTIONS = (
    ("figures", "The attention layer", _attention),
    ("training", "Training", _training),
    ("retrain", "A whole retraining", _retrain),
    ("texts_per_s", "Text encoding", _encoder),
    ("steps", "An answer", _answer),
    ("cypher_beside", "An answer beside Cypher", _cypher),
    ("diversity", "Varied lists", _diversity),
    ("searches", "Search", _search),
    ("cold", "Cold products", _cold),
    ("soak", "Under load for long", _soak),
    ("scale", "How it grows", _scale),
)
"""Key that tells a kind of result, heading, and what writes it."""
