"""Runs one path model of hopwise on exported files: TransE, then the walker stopped by validation, then rankings.

`python hopwise_driver.py REQUEST.json`, in hopwise's own environment; it imports nothing of Whycart.
Where the request asks for no tuning, both are fitted at once for as many epochs as it allows.
Path models of hopwise read the embeddings they walk by from files that another program writes; here they get them from
the TransE of hopwise, trained just before. As with RecBole, interactions with products that no triple names are kept.
"""

import json
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from costs import measured, peak_rss_mb
from hopwise.config import Config
from hopwise.data import create_dataset, data_preparation
from hopwise.data.dataset import KnowledgeBasedDataset
from hopwise.utils import get_model, get_trainer, init_logger, init_seed

COLUMNS = {
    "inter": ["user_id", "item_id"],
    "item": ["item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}
FROM_FILES = ("additional_feat_suffix", "alias_of_user_id", "alias_of_entity_id", "alias_of_relation_id")
BOUGHT = "[UI-Relation]"
PARAMETERS = (
    *("embedding_size", "margin", "learning_rate", "train_batch_size", "stopping_step", "eval_step", "max_acts"),
    *("gamma", "action_dropout", "hidden_sizes", "max_path_len", "beam_search_hop", "weight_factor", "rank_weight"),
    *("sample_size", "topk_candidates", "topk_paths", "kg_reverse_r"),
)
"""Settings that go into the report where a model has them."""
SCORES_A_BATCH = 500_000
"""Users times products that are ranked together: TransE makes a vector of each. The default is 4,096."""


def main() -> None:
    """Run the request given on the command line."""
    request = json.loads(Path(sys.argv.pop()).read_text(encoding="utf-8"))  # hopwise reads what is left there
    KnowledgeBasedDataset._filter_link = keep_all_interactions
    torch.set_num_threads(request["threads"])
    phases: list[dict[str, Any]] = []
    epochs = {"embeddings": request["embedding_epochs"], "paths": request["epochs"]}
    valid = None
    for name, stop_early in (("tune", True), ("final", False)) if request["tune"] else (("final", False),):
        with measured(f"{name} embeddings", phases) as phase:
            trainer, _ = fit(request, "TransE", name, epochs=epochs["embeddings"], stop_early=stop_early)
            weights = embeddings(trainer.model)
            epochs["embeddings"] = phase["epochs"] = best_epoch(trainer)
        if stop_early and request["params"].get("eval_step", 1) >= epochs["paths"]:
            continue  # validated only after its last epoch: nothing is left to decide
        with measured(name, phases) as phase:
            trainer, data = fit(
                request, request["model"], name, epochs=epochs["paths"], weights=weights, stop_early=stop_early
            )
            epochs["paths"] = phase["epochs"] = best_epoch(trainer)
        if stop_early:
            valid = float(trainer.best_valid_score)
    with measured("rank", phases):
        users, products, walks = rank(trainer, data, k=request["k"], num_explained=request["num_explained"])
    np.savez(request["lists"], users=users, products=products)
    Path(request["paths"]).write_text(json.dumps(walks), encoding="utf-8")
    report = {
        "phases": phases,
        "epochs": epochs["paths"],
        "tuned": request["tune"],
        "valid": {} if valid is None else {request["params"]["valid_metric"]: valid},
        "hyper_parameters": parameters(trainer.config, request),
        "peak_rss_mb": peak_rss_mb(),
        "versions": {"python": platform.python_version(), "hopwise": version("hopwise"), "torch": torch.__version__},
    }
    Path(request["report"]).write_text(json.dumps(report), encoding="utf-8")


def fit(
    request: dict[str, Any],
    model_name: str,
    name: str,
    *,
    epochs: int,
    stop_early: bool,
    weights: dict[str, np.ndarray] | None = None,
) -> tuple[Any, Any]:
    """Return the trainer with the fitted model (its best epoch when stopped early), and the test data."""
    own = request["embeddings"] if weights is None else request["params"]
    settings = {**data_settings(request, name, both_ways=own.get("kg_reverse_r", False)), **own, "epochs": epochs}
    if not stop_early:
        settings["eval_step"] = epochs
    config = Config(model=model_name, dataset=name, config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    train, valid, test = data_preparation(config, create_dataset(config))
    if weights is not None:
        train.dataset.get_preload_weight = weights.__getitem__
    init_seed(config["seed"] + 1, config["reproducibility"])
    model = get_model(model_name)(config, train.dataset).to(device=config["device"], dtype=config["weight_precision"])
    trainer = get_trainer(config["MODEL_TYPE"], model_name)(config, model)
    judge = valid if stop_early or weights is None else None  # the trainer of TransE does not end without one
    with suppress(NoLongerBetter):
        trainer.fit(
            train, judge, saved=True, show_progress=False, callback_fn=make_stop(trainer) if stop_early else None
        )
    checkpoint = torch.load(trainer.saved_model_file, map_location="cpu", weights_only=False)
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint["other_parameter"])
    return trainer, test


class NoLongerBetter(Exception):
    """The early stopping of hopwise says enough."""


def make_stop(trainer: Any) -> Callable[[int, float], None]:
    """Return what ends a training after a validation: the trainer of TransE notices that it should, and goes on."""

    def stop(_epoch: int, _score: float) -> None:
        if trainer.cur_step > trainer.stopping_step:
            raise NoLongerBetter

    return stop


def data_settings(request: dict[str, Any], name: str, *, both_ways: bool) -> dict[str, Any]:
    """Return where the files are and what is read of them, and how hopwise is to behave."""
    return {
        **dict.fromkeys(FROM_FILES),
        "preload_weight": None,
        "data_path": request["data"],
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": COLUMNS,
        "path_constraint": patterns(Path(request["data"]) / name / f"{name}.kg", both_ways=both_ways),
        "seed": request["seed"],
        "use_gpu": False,
        "show_progress": False,
        "checkpoint_dir": request["scratch"],
        "eval_batch_size": max(SCORES_A_BATCH, request["num_products"]),
    }


def embeddings(model: Any) -> dict[str, np.ndarray]:
    """Return the vectors of users, entities and relations by the names that path models ask for."""
    return {
        f"{kind}_embedding_id": getattr(model, f"{kind}_embedding").weight.detach().numpy().astype(np.float64)
        for kind in ("user", "entity", "relation")
    }


def patterns(path: Path, *, both_ways: bool) -> list[list[list[str | None]]]:
    """Return the paths that count: from a product of the user along a relation and back to a product.

    Args:
        path: a `.kg` file.
        both_ways: whether relations have a twin for the way back, as CAFE wants them.
    """
    triples = pd.read_csv(path, sep="\t")
    found = [[BOUGHT, BOUGHT, BOUGHT]]
    for end, out, back in (("head_id:token", "", "_r"), ("tail_id:token", "_r", "")):
        at_product = triples[triples[end].str.startswith("Product:")]
        for name in sorted(at_product["relation_id:token"].unique()):
            found.append([BOUGHT, name + out, name + back] if both_ways else [BOUGHT, name, name])
    kinds = ("entity", "user", "entity")
    first, others = found[0], [list(pattern) for pattern in dict.fromkeys(map(tuple, found[1:]))]
    walks = [list(zip(first, kinds, strict=True)), *([(name, "entity") for name in pattern] for pattern in others)]
    return [[[None, "user"], *([name, kind] for name, kind in walk)] for walk in walks]


def best_epoch(trainer: Any) -> int:
    """Return how many epochs the kept model was trained for."""
    return (len(trainer.train_loss_dict) // trainer.eval_step - trainer.cur_step) * trainer.eval_step


@torch.no_grad()
def rank(
    trainer: Any, data: Any, *, k: int, num_explained: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, list[tuple[str, str]]]]]:
    """Return the test users, their best products, and the paths of the first of them.

    Products are ranked by score, those of the history left out; -1 in the padding. A path is a user, a product, and the
    steps from the user to the product: a relation and a node each. A product has one or none.
    """
    dataset = data._dataset
    tokens = dataset.field2id_token
    trainer.model.eval()
    users, products, walks = [], [], []
    for interaction, history, _, _ in data:
        scores, found = trainer.model.explain(interaction)
        scores[:, 0] = -np.inf
        if history is not None:
            scores[history] = -np.inf
        best, place = torch.topk(scores, min(k, scores.shape[1]), dim=1)
        listed = np.where(np.isfinite(best.numpy()), tokens["item_id"][place.numpy()], "-1").astype(np.int64)
        batch = tokens["user_id"][interaction["user_id"].numpy()].astype(np.int64)
        paths = by_end(found, dataset)
        for user, row in zip(batch.tolist(), listed[:, :num_explained].tolist(), strict=True):
            walks += [(user, product, paths[user, product]) for product in row if (user, product) in paths]
        products.append(listed)
        users.append(batch)
    return np.concatenate(users), np.concatenate(products), walks


def by_end(found: list[Any], dataset: Any) -> dict[tuple[int, int], list[tuple[str, str]]]:
    """Return the paths of a batch by user and last product.

    The end of a path is what counts, not the product that hopwise returns beside it: where PGPR finds fewer paths than
    products, those two do not belong together.
    """
    tokens, num_items = dataset.field2id_token, dataset.item_num

    def node(kind: str, row: int) -> str:
        if kind == "user":
            return f"User:{tokens['user_id'][row]}"
        return f"Product:{tokens['item_id'][row]}" if row < num_items else str(tokens["entity_id"][row])

    def relation(name: Any) -> str:
        text = name if isinstance(name, str) else str(tokens["relation_id"][int(name)])
        return "BOUGHT" if text == BOUGHT else text.removesuffix("_r")

    paths = {}
    for _, _, _, path in found:
        steps = [(relation(name), node(kind, int(row))) for name, kind, row in path[1:]]
        (_, _, user), (_, end) = path[0], steps[-1]
        paths[int(tokens["user_id"][int(user)]), int(end.removeprefix("Product:"))] = steps
    return paths


def parameters(config: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return what the model was made and trained with: what was asked for and hopwise's defaults for this model."""
    known = config.final_config_dict
    own = {name: known[name] for name in sorted({*request["params"], *PARAMETERS}) if known.get(name) is not None}
    return {**own, "TransE": request["embeddings"]}


def keep_all_interactions(dataset: Any) -> None:
    """Forget links of products or entities that do not occur, and keep the interactions of every product."""
    items, entities = dataset._get_rec_item_token(), dataset._get_entity_token()
    for item, entity in list(dataset.item2entity.items()):
        if item not in items or entity not in entities:
            del dataset.item2entity[item], dataset.entity2item[entity]


if __name__ == "__main__":
    main()
