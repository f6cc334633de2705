"""By what a shop knows that two products are one: `[merge.products]` of `whycart.toml`.

This module reads the declaration; the merging is `kg.merging`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kg.errors import SchemaError
from kg.schema import check_keys

BRAND = "brand"
"""In a rule: what the brand is called that a product is linked to, which is no property of the product itself."""


@dataclass(frozen=True, slots=True)
class MergeRule:
    """When two products are one."""

    same: tuple[str, ...]
    """Properties, or `brand`, in all of which they agree; at least one."""


def read_merge_rule(declaration: Mapping[str, Any], *, where: str) -> MergeRule | None:
    """Return the rule that a parsed `whycart.toml` declares; None when it declares none.

    Args:
        declaration: the parsed file.
        where: the file's name, for error texts.

    Raises:
        SchemaError: a key is unknown, or `same` is no list of properties.
    """
    given = declaration.get("merge", {})
    if not isinstance(given, Mapping):
        raise SchemaError(f"{where}: a rule is written as [merge.products], got merge = {given!r}")
    check_keys(given, ("products",), where=f"{where}: [merge]")
    if "products" not in given:
        return None
    rule, place = given["products"], f"{where}: [merge.products]"
    if not isinstance(rule, Mapping):
        raise SchemaError(f"{place} is a table of keys such as same = ['gtin'], got {rule!r}")
    check_keys(rule, ("same",), where=place)
    same = rule.get("same")
    if not isinstance(same, list) or not same or not all(isinstance(name, str) and name for name in same):
        raise SchemaError(
            f"{place}: same is a list of at least one property of products, such as ['gtin'] or ['title', 'brand'], "
            f"got {same!r}"
        )
    if "product_id" in same:
        raise SchemaError(f"{place}: same names 'product_id', in which no two products agree; name other properties")
    return MergeRule(tuple(dict.fromkeys(same)))
