"""`python -m bench.peers FOLDER`: other people's recommenders on the split that `whycart bench quality` makes.

The split, the seed and the graph are the same, and Whycart's evaluator scores their rankings. Each peer is tuned like
Whycart's models: stopped by validation, then fitted anew on train and validation for as many epochs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.peers.environments import make_environment
from bench.peers.export import write_peer_files
from bench.peers.models import PEERS, find_peer
from bench.peers.run import PeerFailed, run_peer, score_peer
from gnn.config import LearnConfig
from gnn.split import DataSplit, SplitName, repeat_share, split_snapshot
from kg.reader import read_folder, read_splits
from kg.snapshot import Snapshot, build_snapshot
from serving.quality import keep_relations


def main(argv: Sequence[str] | None = None) -> int:
    """Run the peers; return the exit code: 1 when one failed, the others are measured all the same."""
    options = _parser().parse_args(argv)
    settings = dict(_setting(text) for text in options.set)
    peers = [replace(peer, params={**peer.params, **settings}) for peer in map(find_peer, options.models.split(","))]
    if untunable := [peer.name for peer in peers if peer.embeddings is None and not options.tune]:
        print(f"--no-tune is for path models; {', '.join(untunable)} cannot go without validation")
        return 2
    peers = [
        replace(peer, tune=options.tune, embedding_epochs=options.embedding_epochs or peer.embedding_epochs)
        for peer in peers
    ]
    cutoffs = tuple(int(k) for k in options.k.split(","))
    split = read_split(options.folder, name=options.split, seed=options.seed, relations=options.relations)
    home, data = options.environments.resolve(), options.folder.resolve()
    work = home / "runs" / f"{data.name}-{options.split}-{options.seed}-{options.relations}"
    write_peer_files(split, work / "data")
    results = _begin(options, split, cutoffs)
    failed = 0
    for peer in peers:
        print(f"{peer.name} ...", flush=True)
        python = make_environment(peer.library, home)
        scratch = work / peer.name.replace(":", "-")
        limits = {"seed": options.seed, "threads": options.threads, "epochs": options.epochs}
        try:
            report = run_peer(peer, python, data=work / "data", scratch=scratch, **limits)
        except PeerFailed as err:
            failed += 1
            print(f"{peer.name} failed: {err}", flush=True)
            continue
        results["models"][peer.name] = report | score_peer(scratch, split.test, cutoffs=cutoffs)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results) + "\n", encoding="utf-8")
        print(_line(peer.name, results["models"][peer.name]), flush=True)
    return int(failed > 0)


def read_split(folder: Path, *, name: SplitName, seed: int, relations: str) -> DataSplit:
    """Return the split of an input folder, the same that `whycart bench quality` makes of it."""
    snapshot = build_snapshot(keep_relations(read_folder(folder).tables, relations))
    given = read_splits(folder) if name == "given" else None
    return split_snapshot(snapshot, name=name, share=LearnConfig().share, seed=seed, given=given)


def _begin(options: argparse.Namespace, split: DataSplit, cutoffs: Sequence[int]) -> dict[str, Any]:
    """Return what the results say before any model; models of an earlier run of the same comparison are kept."""
    seen: Snapshot = split.train_valid
    results: dict[str, Any] = {
        "data": options.folder.resolve().name,
        "split": split.name,
        "seed": options.seed,
        "relations": options.relations,
        "num_users": seen.num_nodes("User"),
        "num_products": seen.num_nodes("Product"),
        "num_train": len(split.train.events),
        "num_valid": len(split.valid.user),
        "num_test": len(split.test.user),
        "test_pairs_in_history": repeat_share(seen, split.test),
        "most_epochs": options.epochs,
        "k": list(cutoffs),
        "users": [seen.ids("User")[user] for user in split.test.users],
    }
    models: dict[str, Any] = {}
    if options.json.is_file():
        earlier = json.loads(options.json.read_text(encoding="utf-8"))
        models = earlier.pop("models", {}) if {**earlier, "models": None} == {**results, "models": None} else {}
    return {**results, "models": models}


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def _line(name: str, found: dict[str, Any]) -> str:
    shown = " ".join(f"{metric} {at['mean']:.4f}" for metric, at in found["metrics"].items())
    return (
        f"{name}: {shown}; {found['epochs']} epochs, {found['cpu_s']:.0f} CPU s, {found['wall_s']:.0f} s, "
        f"{found['peak_rss_mb']:.0f} MB"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="an input folder of Whycart")
    parser.add_argument("--split", default="random", choices=("random", "given", "leave-one-out", "temporal"))
    parser.add_argument("--seed", type=int, default=0, help="of the split and of the peers")
    parser.add_argument("--models", default=",".join(peer.name for peer in PEERS), help="comma-separated")
    parser.add_argument("--relations", default="all", help="all, none, or names with commas")
    parser.add_argument("--k", default="5,10,20", help="cut-offs, comma-separated")
    parser.add_argument("--epochs", type=int, help="at most; default: each peer's own limit")
    parser.add_argument("--embedding-epochs", type=int, help="of the TransE of path models, at most")
    parser.add_argument(
        "--no-tune", dest="tune", action="store_false", help="fit path models at once, for as many epochs as allowed"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a hyper-parameter")
    parser.add_argument("--threads", type=int, default=1, help="that a peer may use for arithmetic")
    parser.add_argument("--environments", type=Path, default=Path(".peers"), help="folder of the peers' environments")
    parser.add_argument("--json", type=Path, required=True, help="file for the results; models in it are kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
