"""The page on quality, written from the JSON files of `whycart bench quality`: no figure of it is typed by hand.

It measures nothing itself; the files are made with the command that each of them holds.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.quality_words import difference_sentences, main_k, setting_sentence

METRICS = ("ndcg", "recall", "hit")
INTRO = """\
# Quality

Every table is one run of `whycart bench quality`, with the default configuration unless the command says otherwise:
tuned on validation, the test part ranked once, every product of the catalogue a candidate unless the published split
prescribes the candidates. In brackets 95% bootstrap intervals over users. `python -m bench --only quality` writes this
page from the JSON files in [quality/](quality/).
"""


def quality_page(files: Sequence[Path]) -> str:
    """Return the page on some results as Markdown, a section each, in the order of the files."""
    parts = [section(json.loads(file.read_text(encoding="utf-8")), file.stem) for file in files]
    return "\n".join([INTRO, *parts])


def section(result: Mapping[str, Any], name: str) -> str:
    """Return the section of one result.

    Args:
        result: the JSON of the command.
        name: what to call it.
    """
    lines = [f"## {name}", f"{setting_sentence(result)}.", "", *_table(result), ""]
    lines += [f"- {sentence}." for sentence in difference_sentences(result)]
    slices = _slices(result)
    lines += ["", *slices] if slices else []
    seeds, ks = (", ".join(map(str, result[key])) for key in ("seeds", "k"))
    lines += [
        "",
        f"`{result['command']}`; k {ks}, seeds {seeds}, commit {result['commit']}, {result['made_at']}, "
        f"{result['wall_s']:,.0f} s.",
        "",
    ]
    return "\n".join(lines)


def _table(result: Mapping[str, Any]) -> list[str]:
    metrics = [f"{name}@{k}" for k in result["k"] for name in METRICS]
    best = {metric: max(model["metrics"][metric]["mean"] for model in result["models"].values()) for metric in metrics}
    lines = [
        f"| model | {' | '.join(metrics)} | fit s | ms a user | MiB |",
        f"|---|{'---:|' * (len(metrics) + 3)}",
    ]
    for name, model in result["models"].items():
        cells = [
            _cell(model["metrics"][metric], best[metric], metric == f"ndcg@{main_k(result)}") for metric in metrics
        ]
        costs = f"{model['fit_s']:,.1f} | {model['score_ms_per_user']:.2f} | {model['peak_rss_mb']:,.0f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {costs} |")
    return lines


def _cell(value: Mapping[str, float], best: float, with_interval: bool) -> str:
    """One figure; bold where no model has a better one."""
    text = f"**{value['mean']:.4f}**" if value["mean"] == best else f"{value['mean']:.4f}"
    return f"{text} [{value['low']:.4f}, {value['high']:.4f}]" if with_interval else text


def _slices(result: Mapping[str, Any]) -> list[str]:
    """The main metric on parts of the targets."""
    metric, models = f"ndcg@{main_k(result)}", result["models"]
    counts: dict[str, int] = {}
    for model in models.values():
        for part, values in model["slices"].items():
            counts[part] = max(counts.get(part, 0), values["num_users"])
    if not counts:
        return []
    headings = [f"{part} ({count:,})" for part, count in counts.items()]
    lines = [f"{metric} by slice (users in it):", "", f"| model | {' | '.join(headings)} |"]
    lines.append(f"|---|{'---:|' * len(counts)}")
    for name, model in models.items():
        cells = [f"{model['slices'][part][metric]['mean']:.4f}" if part in model["slices"] else "" for part in counts]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
