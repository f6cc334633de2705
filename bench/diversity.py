"""`python -m bench.diversity --home .whycart`: what varied lists cost, and what they give.

For users of the published bundle: how varied a list is (1 less the mean likeness of its pairs), how many categories it
shows, how much of the plain list and of its score is left, and the milliseconds that choosing adds.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import commit_name, processor_name
from gnn.bundles import BundleStore
from serving.answer import RecommendRequest
from serving.cli.output import print_table
from serving.history import NoEvents
from serving.ready import Ready, prepare
from serving.recommend import recommend
from serving.variety import liken

DIVERSITIES = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)


def measure(ready: Ready, users: Sequence[str], *, n: int) -> list[dict[str, float]]:
    """Return one row of means over users for each of DIVERSITIES."""
    ids, rows = ready.bundle.snapshot.ids("Product"), []
    row_of = {key: row for row, key in enumerate(ids)}
    member = ready.shelf.in_category.tocsr()
    plain = {}
    for diversity in DIVERSITIES:
        found = []
        for user in users:
            wish = RecommendRequest(user_id=user, n=n)
            start = time.thread_time()
            items = recommend(ready, NoEvents(), replace(wish, diversity=diversity)).items
            took_ms = (time.thread_time() - start) * 1000
            plain.setdefault(user, items)
            products = np.array([row_of[item.product_id] for item in items], dtype=np.int64)
            pairs = liken(ready, products)[np.triu_indices(len(products), k=1)]
            best = {item.product_id for item in plain[user]}
            found.append(
                (
                    1.0 - float(pairs.mean()) if len(pairs) else 0.0,
                    len(np.unique(member[products].indices)),
                    sum(item.product_id in best for item in items) / max(len(best), 1),
                    sum(item.score for item in items) / max(sum(item.score for item in plain[user]), 1e-12),
                    took_ms,
                )
            )
        variety, categories, kept, score, took_ms = np.mean(found, axis=0).tolist()
        rows.append(
            {
                "diversity": diversity,
                "variety": round(variety, 3),
                "categories": round(categories, 1),
                "kept": round(kept, 3),
                "score": round(score, 3),
                "took_ms": round(took_ms, 2),
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.diversity", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--users", type=int, default=200, help="users asked for")
    parser.add_argument("-n", type=int, default=10, help="products a list")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of users")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    if min(options.users, options.n) < 1:
        parser.error("--users and -n must be at least 1")
    bundle = BundleStore(options.home / "bundles").current()
    known = bundle.snapshot.ids("User")
    users = random.Random(options.seed).sample(known, min(options.users, len(known)))
    found: dict[str, Any] = {"processor": processor_name(), "commit": commit_name(), "n": options.n}
    found |= {"num_users": len(users), "num_products": bundle.snapshot.num_nodes("Product")}
    found["diversity"] = measure(prepare(bundle), users, n=options.n)
    print_table(
        ("diversity", "variety", "categories", "kept", "score", "ms"), [tuple(r.values()) for r in found["diversity"]]
    )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
