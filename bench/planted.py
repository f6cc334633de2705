"""`python -m bench.planted`: is the cause that was planted into a generated shop among the reasons that are shown?

Every event of the generated shop has a known cause. The control is the same shop with all its edges and events dealt
anew, degrees kept: what was planted is gone from the graph, so a reason that still names it is worth nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import numpy as np
import pyarrow as pa

from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.snapshot import build_snapshot
from kg.sources.generated import GeneratedShop, generated_shop
from kg.tables import Tables
from serving.answer import Item, Path, Reason, RecommendRequest
from serving.gate.config import GateConfig
from serving.history import NoEvents
from serving.ready import prepare
from serving.recommend import recommend
from serving.retrain import Place, retrain
from serving.retrain_config import RetrainConfig

PATHS = 3
"""Paths asked for, as the API gives by default."""
SIZE = {"products": 600, "brands": 30, "users": 400, "events": 14_000}
"""Of the generated shop."""


@dataclass(frozen=True)
class Truth:
    """What was planted, by id."""

    brands: dict[str, set[str]]
    """Brands each user sticks to."""
    leaves: dict[str, set[str]]
    """Categories each user has a taste for."""
    partners: dict[str, set[str]]
    """Products that call for a product, by the product that is called for."""
    bought: dict[str, set[str]]
    """What each user bought."""
    brand_of: dict[str, str]
    leaf_of: dict[str, str]
    popular: set[str]
    """The twentieth of the catalogue that most users bought."""


def truth_of(shop: GeneratedShop) -> Truth:
    """Read the truth off the causes of the events.

    Only events have causes; a recommendation has one when what was planted into this very user would produce it:

    - brand: its brand is one the user sticks to, that is, some event of this user was caused by it;
    - complement: the user bought a product whose planted complement it is;
    - taste: its category is one the user has a taste for, that is, some event of this user was caused by it;
    - popularity: none of these, and it is among the twentieth of the catalogue that most users bought.
    """
    wanted: dict[str, dict[str, set[str]]] = {"brand": defaultdict(set), "taste": defaultdict(set)}
    bought, partners = defaultdict(set), defaultdict(set)
    for row in shop.causes.to_pylist():
        if row["cause"] in wanted:
            wanted[row["cause"]][row["user_id"]].add(row["because_id"])
        if row["type"] == "bought":
            bought[row["user_id"]].add(row["product_id"])
    for row in shop.complements.to_pylist():
        partners[row["to_id"]].add(row["from_id"])
    edges = {
        name: {row["from_id"]: row["to_id"] for row in shop.tables.edges[name].to_pylist()}
        for name in ("MADE_BY", "IN_CATEGORY")
    }
    fans = Counter(product for products in bought.values() for product in products)
    num_popular = shop.tables.nodes["Product"].num_rows // 20
    popular = {product for product, _ in sorted(fans.items(), key=lambda pair: (-pair[1], pair[0]))[:num_popular]}
    return Truth(wanted["brand"], wanted["taste"], partners, bought, edges["MADE_BY"], edges["IN_CATEGORY"], popular)


def causes_of(truth: Truth, user: str, product: str) -> dict[str, set[str]]:
    """Return what was planted that makes this user want this product: ids of nodes by kind of cause."""
    found = {
        "brand": truth.brands[user] & {truth.brand_of[product]},
        "complement": truth.bought[user] & truth.partners[product],
        "taste": truth.leaves[user] & {truth.leaf_of[product]},
    }
    found = {cause: ids for cause, ids in found.items() if ids}
    return found or ({"popularity": set()} if product in truth.popular else {})


def is_shown(item: Item, cause: str, ids: set[str]) -> bool:
    """Return whether a cause is among the reasons of an item."""
    if cause == "popularity":
        return Reason.POPULAR_FALLBACK in item.reasons
    return any(_says(path, cause, ids) for path in item.paths)


def _says(path: Path, cause: str, ids: set[str]) -> bool:
    if cause == "complement":
        # The bought product itself must lead here by what people do or by a relation, not by a shared brand.
        return path.nodes[1].id in ids and all(node.type in ("User", "Product") for node in path.nodes)
    label = {"brand": "Brand", "taste": "Category"}[cause]
    return any(node.type == label and node.id in ids for node in path.nodes)


@dataclass(frozen=True)
class Outcome:
    """One recommendation that has a planted cause."""

    user: str
    product: str
    rank: int
    causes: dict[str, set[str]]
    shown: tuple[str, ...]
    item: Item


def judge(bundle: Bundle, shop: GeneratedShop, *, n: int = 10) -> Iterator[Outcome]:
    """Recommend to every user and compare the reasons with the truth."""
    ready, truth = prepare(bundle), truth_of(shop)
    for user in bundle.snapshot.ids("User"):
        answer = recommend(ready, NoEvents(), RecommendRequest(user_id=user, n=n, paths=PATHS))
        for item in answer.items:
            causes = causes_of(truth, user, item.product_id)
            if causes:
                shown = tuple(cause for cause, ids in causes.items() if is_shown(item, cause, ids))
                yield Outcome(user, item.product_id, item.rank, causes, shown, item)


def share_by_cause(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return how often each kind of cause is shown where it is there."""
    there = Counter(cause for outcome in outcomes for cause in outcome.causes)
    shown = Counter(cause for outcome in outcomes for cause in outcome.shown)
    return {cause: shown[cause] / there[cause] for cause in sorted(there)}


def recovery(outcomes: Sequence[Outcome], *, graph_only: bool = False) -> float:
    """Return the share of recommendations with a planted cause that show one.

    Args:
        outcomes: of `judge`.
        graph_only: leave out those whose only cause is popularity, which is no path and survives a shuffle.
    """
    asked = [one for one in outcomes if not graph_only or set(one.causes) != {"popularity"}]
    return sum(bool(set(one.shown) - ({"popularity"} if graph_only else set())) for one in asked) / max(1, len(asked))


def shuffled(tables: Tables, *, seed: int) -> Tables:
    """Return tables with the ends of all edges but the category tree, and the products of all events, dealt anew."""
    rng = np.random.default_rng(seed)
    edges = {name: table if name == "CHILD_OF" else _dealt(table, "to_id", rng) for name, table in tables.edges.items()}
    return replace(tables, edges=edges, events=_dealt(tables.events, "product_id", rng))


def _dealt(table: pa.Table, column: str, rng: np.random.Generator) -> pa.Table:
    place = table.column_names.index(column)
    order = pa.array(rng.permutation(table.num_rows))
    return table.set_column(place, table.schema.field(column), table[column].take(order))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure some shops with their controls; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.planted", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many shops")
    parser.add_argument("--json", type=FilePath, required=True, help="file for the results")
    options = parser.parse_args(argv)
    rows = []
    for seed in range(options.seeds):
        shop = generated_shop(**SIZE, seed=seed)
        with tempfile.TemporaryDirectory() as room:
            real = list(judge(_learn(shop.tables, FilePath(room) / "real"), shop))
            control = list(judge(_learn(shuffled(shop.tables, seed=seed), FilePath(room) / "control"), shop))
        rows.append(
            {
                "seed": seed,
                "recommendations": len(real),
                "recovery": recovery(real),
                "recovery_graph": recovery(real, graph_only=True),
                "by_cause": share_by_cause(real),
                "control": recovery(control),
                "control_graph": recovery(control, graph_only=True),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
    result = {"size": SIZE, "paths": PATHS, "commit": commit.stdout.strip(), "shops": rows}
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _learn(tables: Tables, room: FilePath) -> Bundle:
    # The gate would rightly refuse a model of a shop without sense.
    config = RetrainConfig(gate=GateConfig(tolerance=1.0))
    return retrain(build_snapshot(tables), Place(BundleStore(room / "bundles"), room / "cache"), config=config).bundle


if __name__ == "__main__":
    sys.exit(main())
