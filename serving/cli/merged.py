"""How `whycart validate` and `whycart ingest` tell which products were merged."""

from collections.abc import Mapping, Sequence
from typing import Any

from kg.merge_rule import MergeRule
from kg.merging import MergedProduct
from serving.cli.output import say

_EXAMPLES = 3
_MOST_OTHERS = 5


def merged_facts(products: Sequence[MergedProduct], rule: MergeRule | None) -> Mapping[str, Any] | None:
    """Return what was merged as JSON knows it; None where no rule asks for it."""
    if rule is None:
        return None
    return {
        "num_products": _num_products(products),
        "num_kept": len(products),
        "examples": [{"kept": one.kept, "others": list(one.others)} for one in products[:_EXAMPLES]],
    }


def tell_merged(products: Sequence[MergedProduct], rule: MergeRule | None, *, num_away: int = 0) -> None:
    """Print what was merged for people.

    Args:
        products: that were merged.
        rule: by which; None: nothing is said.
        num_away: products of the graph that were merged away and can no longer be had since.
    """
    if rule is None:
        return
    same = ", ".join(rule.same)
    if not products:
        say(f"no products were merged: none have the same {same} ([merge.products])")
    else:
        shown = "; ".join(f"{one.kept} (also {_listed(one.others)})" for one in products[:_EXAMPLES])
        say(
            f"{_num_products(products):,} products with the same {same} were merged into {len(products):,}, "
            f"for example {shown}"
        )
    if num_away:
        noun = "product" if num_away == 1 else "products"
        say(f"{num_away:,} {noun} of the graph that were merged into others are no longer available; history stays")


def _num_products(products: Sequence[MergedProduct]) -> int:
    return sum(1 + len(one.others) for one in products)


def _listed(others: Sequence[str]) -> str:
    more = len(others) - _MOST_OTHERS
    return ", ".join(others[:_MOST_OTHERS]) + (f" and {more:,} more" if more > 0 else "")
