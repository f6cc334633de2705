"""What a comparison says in plain sentences: the same words on the terminal, on the page and in the documents.

Reads the JSON of the bench, so that it can be said again later; it knows no other form.
"""

from collections.abc import Mapping
from typing import Any

MAIN = "ndcg"
"""The metric that decides."""


def main_k(result: Mapping[str, Any]) -> int:
    """Return the cut-off that tables and sentences are about: the deepest one."""
    return int(result["k"][-1])


def main_metric(result: Mapping[str, Any]) -> str:
    """Return the metric that decides, at the cut-off that tables are about."""
    return f"{MAIN}@{main_k(result)}"


def setting_sentence(result: Mapping[str, Any]) -> str:
    """Return one line on what was measured and how."""
    again = "left out" if result["exclude_seen"] else "may be recommended again"
    seeds = len(result["seeds"])
    of_what = f"{seeds} splits" if result["split"] == "random" and seeds > 1 else f"{seeds} seed{'s' * (seeds > 1)}"
    relations = ", ".join(result["relations"]) or "none"
    return (
        f"{result['data']}, {result['split']} split, {of_what}, {result['num_users']:,} test users, "
        f"{result['num_products']:,} products, products of the history {again}, relations between products: {relations}"
    )


def difference_sentences(result: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each paired difference on the main metric, the strongest rival first."""
    metric = main_metric(result)
    models = result["models"]
    found = [(pair.split("-", 1), differences[metric]) for pair, differences in result["paired"].items()]
    found.sort(key=lambda entry: -models[entry[0][1]]["metrics"][metric]["mean"])
    return [
        _sentence(subject, rival, metric, value, [models[name]["metrics"][metric]["mean"] for name in (subject, rival)])
        for (subject, rival), value in found
    ]


def _sentence(subject: str, rival: str, metric: str, value: Mapping[str, float], means: list[float]) -> str:
    ratio = f" ({means[0] / means[1] - 1:+.1%})" if means[1] else ""
    interval = f"{value['diff']:+.4f} [{value['low']:+.4f}, {value['high']:+.4f}]"
    return f"{subject} {verb(value)} {rival} on {metric}: {means[0]:.4f} against {means[1]:.4f}{ratio}, {interval}"


def verb(value: Mapping[str, float]) -> str:
    """Return what a paired difference says about the first of the two."""
    if value["low"] > 0:
        return "beats"
    return "is below" if value["high"] < 0 else "is level with"
