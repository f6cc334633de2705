"""`python -m bench.encoder`: texts a second of Whycart's encoder beside plain `SentenceTransformer.encode`, in one run.

Both read the same distinct texts to the same length, in turn, and the best round of each counts. The texts are the
titles of a synthetic shop, or with `--data` the sentences of the products of an input folder.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from bench.figures import commit_name, processor_name
from bench.synthetic import synthetic_shop
from encoders.config import EncoderConfig, Precision
from encoders.encode import TextEncoder


def distinct_titles(count: int, data: Path | None) -> list[str]:
    """Return so many distinct texts of products, drawn by a fixed seed; all there are when these are fewer."""
    if data is None:
        shop = synthetic_shop(users=1, products=max(count, 100), purchases=1, edges=3 * max(count, 100), seed=0)
        texts = shop["products"]["title"].to_pylist()
    else:
        from kg.reader import read_folder
        from kg.snapshot import build_snapshot
        from serving.text import node_sentences

        texts = node_sentences(build_snapshot(read_folder(data).tables))["Product"]
    texts = [text for text in dict.fromkeys(texts) if text]
    return [texts[place] for place in np.random.default_rng(0).permutation(len(texts))[:count]]


def compare(encoder: TextEncoder, texts: Sequence[str], *, rounds: int) -> dict[str, Any]:
    """Return texts a second of plain fp32 `encode`, of each number format and of the choice, and how near they are."""
    plain = encoder.model
    plain.max_seq_length = encoder.tokenizer.max_tokens

    def as_is() -> np.ndarray:
        return np.asarray(plain.encode(list(texts), normalize_embeddings=True, show_progress_bar=False))

    def with_format(precision: Precision) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            encoder.precision = precision
            return encoder.encode(texts)

        return run

    encoder.encode(texts)  # the trial decides here
    chosen: Precision = encoder.precision or "fp32"
    ways = {"plain": as_is} | {str(precision): with_format(precision) for precision in get_args(Precision)}
    best, vectors = dict.fromkeys(ways, float("inf")), {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            vectors[name] = way()
            best[name] = min(best[name], time.perf_counter() - start)
    encoder.precision = chosen
    per_s = {name: len(texts) / took for name, took in best.items()}
    cosine = {name: float((vectors["plain"] * found).sum(axis=1).min()) for name, found in vectors.items()}
    return {
        "num_texts": len(texts),
        "chosen": chosen,
        "texts_per_s": per_s,
        "min_cosine": cosine,
        "ratio": per_s[chosen] / per_s["plain"],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 when a vector of the chosen format is not near enough."""
    parser = argparse.ArgumentParser(prog="python -m bench.encoder", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=5000, help="how many at most")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="products of this input folder")
    parser.add_argument("--model", metavar="FOLDER", help="another text model")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    encoder = TextEncoder.open(EncoderConfig(model=options.model, device=options.device))
    found = compare(encoder, distinct_titles(options.texts, options.data), rounds=options.rounds)
    is_gpu = encoder.model.device.type == "cuda"
    about = {"device": torch.cuda.get_device_name() if is_gpu else processor_name(), "commit": commit_name()}
    about |= {"threads": str(torch.get_num_threads()), "torch": torch.__version__}
    for name, value in found["texts_per_s"].items():
        ratio, near = value / found["texts_per_s"]["plain"], found["min_cosine"][name]
        print(f"{name:>6} {value:10,.0f} texts/s  {ratio:5.2f}x  least cosine {near:.5f}")
    print(f"chosen: {found['chosen']}, {found['ratio']:.2f} times plain, {found['num_texts']:,} distinct texts")
    if options.json is not None:
        options.json.write_text(json.dumps({**about, **found}, indent=1) + "\n", encoding="utf-8")
    return int(found["min_cosine"][found["chosen"]] < 0.999)


if __name__ == "__main__":
    sys.exit(main())
