"""`python -m bench.cold --home .whycart`: what becomes of products that came after the model was learned.

Ranking: some products of the published bundle's snapshot that have events are held out, with their events; kernels are
built on the rest and joined with the bundle's blend, and the held-out products come in as newcomers do. Of those that a
user had, how many are among the user's 20 best of the held-out products, and how many of these reach the 20 best of
all? Beside it: without stand-ins in the space of what users do, single kernels, and chance.

Arrival: `whycart serve` with two processes on the bundle; products are posted one at a time, and all surfaces are
asked in turn, over new connections, until ten answers of each in a row hold the product.
"""

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from bench.figures import commit_name, processor_name
from bench.serving import COMMAND, running
from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from gnn.config import KernelConfig
from gnn.kernels import build_kernels, build_priors
from gnn.newcomers import Newcomers
from gnn.score import Blend, Scorer, scorer_of, top_products, user_history
from gnn.stopwatch import Stopwatch
from kg import local_server
from kg.kernels import EmbeddingKernel
from kg.snapshot import Edges, Snapshot, select_events
from serving.api.cards import Cards
from serving.cli.output import print_table

K = 20
MIN_EVENTS = 5
"""Events of a product that may be held out."""
SHARE = 0.05
MAX_USERS = 600
BOUND_S = 60.0
IN_A_ROW = 10
WARM_UP_S = 10.0
"""What the first product is given, which is not counted: it has the local graph server started."""
PAUSE_S = 0.02
"""Between two questions: the one who waits should not be the load."""


def hold_out(snapshot: Snapshot, *, seed: int) -> tuple[Snapshot, Snapshot, Int[np.ndarray, " product"]]:
    """Return the snapshot without some products, the same with them at its end, and their rows before."""
    num = snapshot.num_nodes("Product")
    eligible = np.flatnonzero(np.bincount(snapshot.events.product, minlength=num) >= MIN_EVENTS)
    held = np.sort(np.random.default_rng(seed).choice(eligible, int(len(eligible) * SHARE), replace=False))
    keep = np.ones(num, dtype=bool)
    keep[held] = False
    order = np.r_[np.flatnonzero(keep), held]
    place = np.empty(num, dtype=np.int32)
    place[order] = np.arange(num, dtype=np.int32)
    seen = select_events(snapshot, keep[snapshot.events.product])
    events = replace(seen.events, product=place[seen.events.product])
    table = snapshot.nodes["Product"].take(pa.array(order)).combine_chunks()
    last = num - len(held)
    grown = replace(
        seen,
        nodes={**snapshot.nodes, "Product": table},
        events=events,
        edges={name: _moved(snapshot, name, place, last=num) for name in snapshot.edges},
    )
    small = replace(
        grown,
        nodes={**snapshot.nodes, "Product": table.slice(0, last).combine_chunks()},
        edges={name: _moved(snapshot, name, place, last=last) for name in snapshot.edges},
    )
    return small, grown, held


def _moved(snapshot: Snapshot, name: str, place: Int[np.ndarray, " product"], *, last: int) -> Edges:
    """Edges with products at their new rows, those of products below a row only."""
    kind, edges = snapshot.schema.relation(name), snapshot.edges[name]
    ends, keep = [], np.ones(len(edges), dtype=bool)
    for label, rows in ((kind.source, edges.source), (kind.target, edges.target)):
        moved = place[rows] if label == "Product" else rows
        keep &= (moved < last) | (label != "Product")
        ends.append(moved)
    source, target = (end[keep] for end in ends)
    order = np.lexsort((target, source))
    at, weight = (None if part is None else part[keep][order] for part in (edges.at_ms, edges.weight))
    return Edges(source[order], target[order], at, weight)


def rank_newcomers(bundle: Bundle, *, seed: int) -> dict[str, Any]:
    """Return how well held-out products are ranked, by what ranks them."""
    small, grown, held = hold_out(bundle.snapshot, seed=seed)
    known = small.num_nodes("Product")
    keep = np.ones(bundle.snapshot.num_nodes("Product"), dtype=bool)
    keep[held] = False
    vectors = np.asarray(bundle.text_vectors)
    kernels = build_kernels(small, vectors[keep], config=KernelConfig(), clock=Stopwatch())
    priors = build_priors(small, config=KernelConfig())
    targets = _targets(bundle.snapshot, held, seed=seed)
    rows = []

    def measure(name: str, blend: Blend, *, has_stand_ins: bool = True) -> None:
        base = bundle.revised(small, scorer_of(blend, kernels, priors), vectors[keep])
        joined = Newcomers(base).join(grown, vectors[held]).scorer
        scorer = joined if has_stand_ins else _without_stand_ins(joined, known)
        rows.append({"by": name, **_figures(scorer, small, targets, known=known)})

    measure("the model", bundle.scorer.blend)
    measure("without stand-ins", bundle.scorer.blend, has_stand_ins=False)
    for name in ("text", "words", "brand", "category_3", "smooth"):
        if any(kernel.name == name for kernel in kernels):
            measure(f"{name} alone", _alone(bundle.scorer.blend, name))
    chance = float(np.mean([min(K, len(held)) / len(held)] * len(targets)))
    rows.append({"by": "chance", "recall": chance, "low": chance, "high": chance, "in_top": None})
    return {"num_products": known, "num_held_out": len(held), "num_users": len(targets), "k": K, "rows": rows}


def _targets(snapshot: Snapshot, held: Int[np.ndarray, " product"], *, seed: int) -> dict[int, Int[np.ndarray, " _"]]:
    """Held-out products by user, counted from 0."""
    events = snapshot.events
    there = np.isin(events.product, held)
    users = np.unique(events.user[there])
    users = np.random.default_rng(seed).choice(users, min(MAX_USERS, len(users)), replace=False)
    return {
        int(user): np.searchsorted(held, np.unique(events.product[there & (events.user == user)])) for user in users
    }


def _figures(
    scorer: Scorer, small: Snapshot, targets: Mapping[int, Int[np.ndarray, " _"]], *, known: int
) -> dict[str, float]:
    recall, in_top = [], 0
    for user, wanted in targets.items():
        scores = scorer.score(user_history(small, user, now_ms=small.last_time or 0))
        new = scores[known:]
        best = top_products(new, _all(new), k=K)
        recall.append(len(np.intersect1d(best, wanted)) / min(K, len(wanted)))
        in_top += int((top_products(scores, _all(scores), k=K) >= known).sum())
    half = 1.96 * float(np.std(recall)) / len(recall) ** 0.5
    mean = float(np.mean(recall))
    return {"recall": mean, "low": mean - half, "high": mean + half, "in_top": in_top / len(targets)}


def _all(scores: Float[np.ndarray, " product"]) -> Bool[np.ndarray, " product"]:
    return np.ones(len(scores), dtype=bool)


def _without_stand_ins(scorer: Scorer, known: int) -> Scorer:
    kernels = []
    for kernel in scorer.kernels:
        if isinstance(kernel, EmbeddingKernel):
            query, target = kernel.query.copy(), kernel.target.copy()
            query[known:], target[known:] = 0.0, 0.0
            mass = kernel.mass
            kernel = EmbeddingKernel(kernel.name, query, target)
            vars(kernel)["mass"] = mass
        kernels.append(kernel)
    return Scorer(tuple(kernels), scorer.priors, scorer.blend)


def _alone(blend: Blend, name: str) -> Blend:
    weights = np.ones((1, len(blend.decays)))
    return replace(blend, kernels=(name,), weights=weights)


def time_arrivals(home: Path, *, count: int) -> dict[str, Any]:
    """Return the seconds from a post until every process shows the product, by surface."""
    bundle = BundleStore(home / "bundles").current()
    cards, ids = Cards(bundle.snapshot), bundle.snapshot.ids("Product")
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        shutil.copytree(home / "bundles", own / "bundles")
        command = [sys.executable, "-c", COMMAND, "serve", "--port", "0", "--workers", "2"]
        try:
            with running(command, {"WHYCART_HOME": str(own), "WHYCART_GRAPH_FOLDER": str(own / "graph")}) as server:
                ask_once(server.address, "POST", "/v1/products", {"products": [{"product_id": "first"}]})
                time.sleep(WARM_UP_S)
                for number in range(count):
                    like = ids[number * len(ids) // count]
                    product = _product(number, cards.card(like))
                    started = time.perf_counter()
                    ask_once(server.address, "POST", "/v1/products", {"products": [product]})
                    found = _until_shown(server.address, _paths(product, like), product["product_id"], since=started)
                    for surface, took in found.items():
                        seconds.setdefault(surface, []).append(took)
        finally:
            local_server.stop(own / "graph")  # the API starts one for the products and leaves it to others
    rows = [
        {"surface": surface, "median_s": statistics.median(took), "max_s": max(took)}
        for surface, took in seconds.items()
    ]
    return {"num_products": len(ids), "count": count, "processes": 2, "rows": rows}


def _product(number: int, card: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "title": f"{card['title'] or ''} zzarrival{number}",
        "brand": card["brand"],
        "categories": card["categories"],
    }
    return {"product_id": f"arrival-{number}", **{name: value for name, value in fields.items() if value}}


def _paths(product: Mapping[str, Any], like: str) -> dict[str, str]:
    quoted = urllib.parse.quote(like, safe="")
    word = str(product["title"]).rsplit(" ", 1)[-1]
    return {
        "new": "/v1/new?n=500",
        "similar": f"/v1/similar/{quoted}?n=500",  # of popcorns there are hundreds that are as alike
        "search": f"/v1/search?q={word}",
        "kept places of recommend": "/v1/recommend/somebody?n=100&new_every=2",
    }


def _until_shown(
    address: tuple[str, int], paths: Mapping[str, str], product_id: str, *, since: float
) -> dict[str, float]:
    """Ask all surfaces in turn until each has shown the product so many times in a row; when that began."""
    shown, found = dict.fromkeys(paths, 0), dict.fromkeys(paths, BOUND_S)
    while min(shown.values()) < IN_A_ROW and time.perf_counter() - since < BOUND_S:
        for surface, path in paths.items():
            asked = time.perf_counter()
            items = ask_once(address, "GET", path)["items"]
            is_there = any(item["product_id"] == product_id for item in items)
            time.sleep(PAUSE_S)
            shown[surface] = shown[surface] + 1 if is_there else 0
            if shown[surface] == 1:
                found[surface] = asked - since
    return found


def ask_once(address: tuple[str, int], method: str, path: str, body: Any = None) -> Any:
    """Return the answer to one request over a connection of its own; anything but a 200 is an error."""
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text)
    finally:
        connection.close()


def _tables(result: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    ranking, arrival = result["cold"]["ranking"], result["cold"]["arrival"]
    yield (
        ("ranked by", "recall@20", "low", "high", "in top 20 of all"),
        [tuple(row.values()) for row in ranking["rows"]],
    )
    yield ("surface", "median s", "max s"), [tuple(row.values()) for row in arrival["rows"]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 when a product did not come within five seconds."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--count", type=int, default=10, help="products that are posted")
    parser.add_argument("--seed", type=int, default=0, help="draws the products held out and the users")
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    options = parser.parse_args(argv)
    bundle = BundleStore(options.home / "bundles").current()
    ranking = rank_newcomers(bundle, seed=options.seed)
    arrival = time_arrivals(options.home, count=options.count)
    result = {
        "commit": commit_name(),
        "processor": processor_name(),
        "seed": options.seed,
        "cold": {"ranking": ranking, "arrival": arrival},
    }
    for columns, rows in _tables(result):
        print_table(columns, rows)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(any(row["max_s"] >= 5.0 for row in arrival["rows"]))


if __name__ == "__main__":
    sys.exit(main())
