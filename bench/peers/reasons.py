"""`python -m bench.peers.reasons FOLDER`: the explanation paths of Whycart and of path models, measured alike.

The lists of peers are those that `python -m bench.peers` left for the same folder, split and seed. Whycart is fitted
anew, its lists are made by the code that answers requests. Every figure of paths is computed by
`serving.path_metrics` and held against hopwise's own metric classes; NDCG is by Whycart's evaluator.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from bench.peers.__main__ import read_split
from bench.peers.agreement import compare_with_hopwise
from bench.peers.environments import make_environment
from bench.peers.models import find_peer
from bench.peers.score import rank_lists, read_lists, score_lists
from bench.peers.walks import Lists, interaction_times, node_degrees, path_tables, read_walks
from bench.peers.whycart import explained_lists, fit_bundle
from gnn.measure import intervals
from gnn.split import DataSplit
from serving.path_metrics import PathMeasure, PathTables, measure_paths, share_explained
from serving.quality import commit

WHYCART = "whycart"
LIBRARY = "hopwise"
MODELS = (WHYCART, "hopwise:PGPR", "hopwise:CAFE")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the paths of the models asked for; return the exit code: 2 when a peer's lists are not there."""
    options = _parser().parse_args(argv)
    data, home = options.folder.resolve(), options.environments.resolve()
    split = read_split(options.folder, name=options.split, seed=options.seed, relations=options.relations)
    work = home / "runs" / f"{data.name}-{options.split}-{options.seed}-{options.relations}"
    names = options.models.split(",")
    for name in names:
        if name != WHYCART and not (_scratch(work, name) / "paths.json").is_file():
            print(f"there are no paths of {name} in {work}; run `python -m bench.peers` with --models {name} first")
            return 2
    results = _begin(options, split)
    tables, python = path_tables(split.train_valid), make_environment(LIBRARY, home)
    for name in names:
        scratch = _scratch(work, name)
        if name == WHYCART:
            bundle = fit_bundle(split, scratch, seed=options.seed, reuse=options.reuse)
            start = time.perf_counter()
            found = explained_lists(bundle, split.test.users.tolist(), k=options.k)
            lists, paths = (split.test.users, found.products), found.paths
            about = {
                "fit": {name: bundle.report.get(name) for name in ("commit", "fit_s")},
                "ms_per_list": round(1000 * (time.perf_counter() - start) / len(split.test.users), 2),
                "commit": commit(),
            }
        else:
            lists = read_lists(scratch / "lists.npz")
            paths = read_walks(scratch / "paths.json", k=options.k, lists=_by_user(*lists))
            about = read_report(scratch)
        measured = measure_lists(lists, paths, split=split, tables=tables, k=options.k)
        agreement = compare_with_hopwise(
            paths,
            times=interaction_times(split.train_valid),
            degrees=node_degrees(split.train_valid),
            tables=tables,
            python=python,
            scratch=scratch,
        )
        results["models"][name] = {**measured, "agreement": agreement, "about": about}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(_line(name, measured), flush=True)
    return 0


def measure_lists(
    lists: tuple[Int[np.ndarray, " user"], Int[np.ndarray, "user k"]],
    paths: Lists,
    *,
    split: DataSplit,
    tables: PathTables,
    k: int,
) -> dict[str, Any]:
    """Return NDCG, recall and hit rate of some lists and the measures of their paths, with 95% intervals over users."""
    users, products = lists
    scored = score_lists(rank_lists(split.test, users, products), [k])
    lengths = (products[:, :k] >= 0).sum(axis=1).tolist()
    listed = {f"User:{user}": int(length) for user, length in zip(users.tolist(), lengths, strict=True)}
    measures = {**measure_paths(paths, tables), "explained": share_explained(paths, listed)}
    return {
        "metrics": scored["metrics"],
        "paths": {name: interval(measure) for name, measure in measures.items()},
        "num_paths": sum(map(len, paths.values())),
        "types": path_types(paths),
    }


def interval(measure: PathMeasure) -> dict[str, float]:
    """Return a measure with its 95% bootstrap interval over users, the weights of users drawn with them."""
    centre = measure.mean
    values = centre + (measure.total - centre * measure.weight) / measure.weight.mean()
    (found,) = intervals({"value": values}).values()
    return {"mean": centre, "low": found.low, "high": found.high}


def path_types(paths: Lists) -> dict[str, int]:
    """Return how many paths are of each type, the most frequent first."""
    counts: dict[str, int] = {}
    for path in (path for of_user in paths.values() for path in of_user):
        counts[path.relations[-1]] = counts.get(path.relations[-1], 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def read_report(scratch: Path) -> dict[str, Any]:
    """Return what a driver said of its run."""
    report = json.loads((scratch / "report.json").read_text(encoding="utf-8"))
    return {name: report[name] for name in ("epochs", "tuned", "phases", "hyper_parameters", "versions")}


def _begin(options: argparse.Namespace, split: DataSplit) -> dict[str, Any]:
    """Return what the results say before any model; models of an earlier run on the same events are kept."""
    results: dict[str, Any] = {
        "data": options.folder.resolve().name,
        "split": split.name,
        "seed": options.seed,
        "relations": options.relations,
        "snapshot": split.train_valid.hash,
        "num_users": len(split.test.users),
        "num_products": split.train_valid.num_nodes("Product"),
        "k": options.k,
    }
    models: dict[str, Any] = {}
    if options.json.is_file():
        earlier = json.loads(options.json.read_text(encoding="utf-8"))
        if all(earlier.get(name) == value for name, value in results.items()):
            models = earlier["models"]
    return {**results, "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "models": models}


def _by_user(users: Int[np.ndarray, " user"], products: Int[np.ndarray, "user k"]) -> Mapping[int, Sequence[int]]:
    return dict(zip(users.tolist(), products.tolist(), strict=True))


def _scratch(work: Path, name: str) -> Path:
    return work / (name if name == WHYCART else find_peer(name).name.replace(":", "-"))


def _line(name: str, found: Mapping[str, Any]) -> str:
    figures = {**found["metrics"], **found["paths"]}
    return f"{name}: " + " ".join(f"{metric} {at['mean']:.4f}" for metric, at in figures.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.reasons", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="an input folder of Whycart")
    parser.add_argument("--split", default="random", choices=("random", "given", "leave-one-out", "temporal"))
    parser.add_argument("--seed", type=int, default=0, help="of the split and of the models")
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--relations", default="all", help="all, none, or names with commas")
    parser.add_argument("--k", type=int, default=10, help="length of the lists")
    parser.add_argument("--reuse", action="store_true", help="take Whycart's fit of an earlier run on the same events")
    parser.add_argument("--environments", type=Path, default=Path(".peers"), help="folder of the peers' environments")
    parser.add_argument("--json", type=Path, required=True, help="file for the results; models in it are kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
