"""`python -m bench.search --data FOLDER`: whether a search finds the product that it was made from, and in which time.

Searches are made from a catalogue by a fixed seed. `type`: a brand and the name of a product's lowest category, of
products whose brand has at most ten there, as more do not fit into the ten that are looked at. `title`: a brand and the
first words of a title up to a comma, a bracket or a number. Each is asked as it is and with one typing error: a letter
missing, doubled, wrong, or swapped with the next, in a word of four letters at least. A product counts as found when
itself is among the first ten; another one of its brand and type does not count. Nothing is learned: only the catalogue
and, with `--meaning`, vectors of its texts take part.
"""

import argparse
import json
import random
import re
import string
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import commit_name, processor_name
from encoders.config import EncoderConfig
from gnn.bundle import BundleContent, load_bundle, write_bundle
from gnn.score import Blend, Decay, Scorer
from kg.reader import read_folder
from kg.snapshot import Snapshot, build_snapshot
from serving.cli.output import print_table
from serving.node_vectors import encode_nodes, exported_encoder
from serving.ready import Ready, prepare
from serving.search import search
from serving.shelf import Shelf
from serving.terms import terms_of

FIRST = 10
"""Products of an answer that are looked at."""
_FEWEST = 4
"""Letters of a word that gets a typing error."""
_TITLE_WORDS = 5
_CUT = re.compile(r"[,;:(\[\d]| - ")

Query = tuple[str, str]
"""A search, and the id of the product that it was made from."""


def type_queries(shelf: Shelf, draw: random.Random, *, count: int) -> list[Query]:
    """Return searches for a brand and a type."""
    brand, leaf = shelf.of_brand.tocsr(), _leaves(shelf)
    of = [brand.indices[brand.indptr[row] : brand.indptr[row + 1]].tolist() for row in range(brand.shape[0])]
    pairs = {row: (of[row][0], leaf[row]) for row in range(len(of)) if of[row] and leaf[row] is not None}
    common = Counter(pairs.values())
    rows = [row for row, pair in pairs.items() if common[pair] <= FIRST]
    ids = shelf.snapshot.ids("Product")
    found = []
    for row in draw.sample(rows, min(count, len(rows))):
        first, second = pairs[row]
        found.append((f"{shelf.label('Brand', first)} {shelf.label('Category', second or 0)}", ids[row]))
    return found


def title_queries(shelf: Shelf, draw: random.Random, *, count: int) -> list[Query]:
    """Return searches for a brand and the first words of a title."""
    brand, ids = shelf.of_brand.tocsr(), shelf.snapshot.ids("Product")
    found: list[Query] = []
    for row in draw.sample(range(brand.shape[0]), brand.shape[0]):
        nodes = brand.indices[brand.indptr[row] : brand.indptr[row + 1]]
        if len(nodes) and len(found) < count:
            name = shelf.label("Brand", int(nodes[0]))
            own = {term.word for term in terms_of(name)}
            head = _CUT.split(shelf.label("Product", row))[0]
            words = [term.word for term in terms_of(head) if term.word not in own][:_TITLE_WORDS]
            if len(words) > 1:
                found.append((f"{name} {' '.join(words)}", ids[row]))
    return found


def mistyped(text: str, draw: random.Random) -> str:
    """Return a text with one typing error."""
    places = [match for match in re.finditer(r"[^\W\d_]+", text) if len(match.group()) >= _FEWEST]
    if not places:
        return text
    match = draw.choice(places)
    word, at = match.group(), draw.randrange(1, len(match.group()) - 1)
    wrong = draw.choice([letter for letter in string.ascii_lowercase if letter != word[at].lower()])
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    ways = [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[:at] + wrong + word[at + 1 :], swapped]
    new = draw.choice([way for way in ways if way != word])
    return text[: match.start()] + new + text[match.end() :]


def measure(ready: Ready, queries: Sequence[Query]) -> tuple[dict[str, float], list[Query]]:
    """Return how many searches found their product among the first ten and the milliseconds each, and which did not."""
    took, missed = [], []
    for text, product in queries:
        start = time.perf_counter()
        answer = search(ready, text, n=FIRST).answer
        took.append((time.perf_counter() - start) * 1000)
        if product not in {item.product_id for item in answer.items}:
            missed.append((text, product))
    p50, p99 = np.quantile(took, [0.5, 0.99]).tolist()
    found = 1.0 - len(missed) / max(len(queries), 1)
    return {"found": round(found, 4), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}, missed


def ready_of(snapshot: Snapshot, room: Path, *, meaning: bool, cache: Path) -> Ready:
    """Return a bundle of a catalogue without a model."""
    vectors, encoder = np.zeros((snapshot.num_nodes("Product"), 1), dtype=np.float32), None
    if meaning:
        model, of, _ = encode_nodes(snapshot, EncoderConfig(), cache=cache)
        vectors, encoder = of["Product"], exported_encoder(model, cache)
    blend = Blend((), (Decay("rank", 5.0),), np.zeros((0, 1)), (), np.zeros(0))
    scorer = Scorer((), np.zeros((0, len(vectors)), dtype=np.float32), blend)
    content = BundleContent(
        snapshot=snapshot,
        scorer=scorer,
        exclude_seen=False,
        text_vectors=vectors,
        network={},
        report={},
        config={},
        packages={},
        card="",
        encoder=encoder,
        events_applied=0,
    )
    return prepare(load_bundle(write_bundle(content, room)))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="input folder with products, brands and categories")
    parser.add_argument("--queries", type=int, default=200, help="searches of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of products and errors")
    parser.add_argument("--meaning", action="store_true", help="encode the catalogue, and search by meaning too")
    parser.add_argument("--missed", action="store_true", help="print the searches that did not find their product")
    parser.add_argument("--cache", type=Path, default=Path(".whycart/cache"), help="folder of vectors")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    if options.queries < 1:
        parser.error("--queries must be at least 1")
    snapshot = build_snapshot(read_folder(options.data).tables)
    found: dict[str, Any] = {"processor": processor_name(), "commit": commit_name(), "data": options.data.name}
    found |= {"num_products": snapshot.num_nodes("Product"), "seed": options.seed, "meaning": options.meaning}
    ways: dict[str, Callable[..., list[Query]]] = {"type": type_queries, "title": title_queries}
    with tempfile.TemporaryDirectory() as room:
        ready = ready_of(snapshot, Path(room), meaning=options.meaning, cache=options.cache)
        start = time.perf_counter()
        search(ready, "warm", n=FIRST)
        found["first_search_s"] = round(time.perf_counter() - start, 2)
        rows = found["searches"] = []
        for name, make in ways.items():
            queries = make(ready.shelf, random.Random(options.seed), count=options.queries)
            draw = random.Random(options.seed)
            wrong = [(mistyped(text, draw), product) for text, product in queries]
            for errors, asked in ((0, queries), (1, wrong)):
                figures, missed = measure(ready, asked)
                rows.append({"kind": name, "errors": errors, "num_queries": len(asked)} | figures)
                if options.missed:
                    print(*(f"not found: {text} ({product})" for text, product in missed), sep="\n")
    print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _leaves(shelf: Shelf) -> list[int | None]:
    """The lowest category of each product: the one of its categories with fewest products."""
    member, size = shelf.in_category.tocsr(), np.diff(shelf.in_category.indptr)
    found: list[int | None] = []
    for row in range(member.shape[0]):
        nodes = member.indices[member.indptr[row] : member.indptr[row + 1]]
        found.append(int(nodes[np.argmin(size[nodes])]) if len(nodes) else None)
    return found


if __name__ == "__main__":
    sys.exit(main())
