"""Brands: from the brand names or brand ids in product rows to brand nodes and MADE_BY edges.

Does not read files; a table of brands, when there is one, comes in checked.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from kg.slugs import slug_id


def brand_names(table: pa.Table) -> dict[str, str]:
    """Return the brand id by name of a checked table of brands; of several brands with one name the first id counts."""
    if "name" not in table.column_names:
        return {}
    pairs = zip(table["name"].to_pylist(), table["brand_id"].to_pylist(), strict=True)
    ids: dict[str, str] = {}
    for name, brand_id in sorted((name, brand_id) for name, brand_id in pairs if name is not None):
        ids.setdefault(name, brand_id)
    return ids


def brand_edges(products: pa.Table, *, known: Mapping[str, str]) -> tuple[pa.Table, pa.Table]:
    """Return the MADE_BY edges and the brands that products name.

    A product with a brand_id has that brand; one with only a brand name has the brand of that name, whose id is made
    from the name when no table of brands gives one.

    Args:
        products: product_id with brand and brand_id, each possibly null.
        known: brand id by name from the table of brands.

    Returns:
        A table of edges (from_id, to_id) and a table of brands (brand_id, name) without repeats; of several names
        for one id the most frequent counts, among equals the first in alphabetical order.
    """
    names, ids = products["brand"].combine_chunks(), products["brand_id"].combine_chunks()
    distinct = names.dictionary_encode()
    derived = [known.get(name) or slug_id([name]) for name in distinct.dictionary.to_pylist()]
    brand_ids = pc.coalesce(ids, pa.array(derived, pa.string()).take(distinct.indices))
    edges = pa.table({"from_id": products["product_id"].combine_chunks(), "to_id": brand_ids})
    edges = edges.filter(brand_ids.is_valid())
    counts = pa.table({"id": brand_ids, "name": names}).group_by(["id", "name"]).aggregate([([], "count_all")])
    votes: dict[str, Counter[str | None]] = defaultdict(Counter)
    for row in counts.to_pylist():
        if row["id"] is not None:
            votes[row["id"]][row["name"]] += row["count_all"]
    chosen = {brand_id: _winner(votes[brand_id]) for brand_id in sorted(votes)}
    brands = pa.table({"brand_id": pa.array(chosen, pa.string()), "name": pa.array(list(chosen.values()), pa.string())})
    return edges, brands


def _winner(votes: Mapping[str | None, int]) -> str | None:
    named = [(-count, name) for name, count in votes.items() if name is not None]
    return min(named)[1] if named else None
