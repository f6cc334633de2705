"""Whycart beside the peers: fitted on the same parts of the events, lists made by the code that answers requests."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from bench.peers.walks import Lists, ShownPaths
from gnn.bundle import Bundle, BundleContent, write_bundle
from gnn.bundles import BundleStore
from gnn.contest import ContestConfig
from gnn.entrants import make_entrants
from gnn.report import WHOLE
from gnn.score import Scorer
from gnn.split import DataSplit, Trial, repeat_share
from serving.answer import RecommendRequest
from serving.cli.learn import read_config
from serving.history import NoEvents
from serving.node_vectors import encode_nodes
from serving.quality import commit
from serving.ready import prepare
from serving.recommend import recommend
from serving.settings import load_settings

NUM_PATHS = 3
"""Paths asked for with each product, as the API does; the first one counts."""


@dataclass(frozen=True, slots=True)
class ExplainedLists:
    """The lists of some users with their paths."""

    products: Int[np.ndarray, "user k"]
    """Product rows, best first; -1 in the padding."""
    paths: Lists
    """The first shown path of each product that has one."""


def fit_bundle(split: DataSplit, folder: Path, *, seed: int, reuse: bool = False) -> Bundle:
    """Tune and fit the whole model as `whycart bench quality` does, and return it as a bundle.

    Args:
        split: the parts; the blend is learned from validation, the rest is fitted on train and validation.
        folder: home of the bundles.
        seed: of everything that is drawn.
        reuse: take the bundle that is there for the same events instead.
    """
    store = BundleStore(folder)
    if reuse and store.current_version() is not None:
        found = store.current()
        if found.snapshot.hash == split.train_valid.hash:
            return found
    start = time.perf_counter()
    settings = load_settings()
    config = read_config(settings)
    _, vectors, _ = encode_nodes(split.train_valid, config.encoder, cache=settings.cache)
    (entrant,) = make_entrants([WHOLE], split, seed=seed, vectors=vectors, config=config.learn)
    exclude_seen = repeat_share(split.train, split.valid) < ContestConfig(models=(WHOLE,)).repeats_from
    chosen = entrant.tune(Trial(split.train, split.valid, exclude_seen))
    scorer = entrant.fit(split.train_valid)
    assert isinstance(scorer, Scorer)
    content = BundleContent(
        snapshot=split.train_valid,
        scorer=scorer,
        exclude_seen=exclude_seen,
        text_vectors=vectors["Product"],
        network={},
        report={"chosen": dict(chosen), "commit": commit(), "fit_s": round(time.perf_counter() - start, 1)},
        config={"seed": seed},
        packages={},
        card="# Whycart on train and validation\n",
        encoder=None,
        events_applied=0,
    )
    store.publish(write_bundle(content, folder).name)
    return store.current()


def explained_lists(bundle: Bundle, users: Sequence[int], *, k: int) -> ExplainedLists:
    """Return what a request of each user is answered with, the history that of the bundle.

    Args:
        bundle: the model.
        users: user rows.
        k: length of the lists.
    """
    ready, snapshot = prepare(bundle), bundle.snapshot
    shown = ShownPaths(snapshot)
    products = np.full((len(users), k), -1, dtype=np.int64)
    paths: Lists = {}
    for place, user in enumerate(users):
        name = snapshot.ids("User")[user]
        answer = recommend(ready, NoEvents(), RecommendRequest(user_id=name, n=k, paths=NUM_PATHS))
        products[place, : len(answer.items)] = [ready.product_row(item.product_id) for item in answer.items]
        paths[f"User:{user}"] = [shown.read(item.paths[0]) for item in answer.items if item.paths]
    return ExplainedLists(products, paths)
