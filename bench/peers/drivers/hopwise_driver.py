"""Runs one path model of hopwise on exported files: TransE, then the walker stopped by validation, then rankings.

`python hopwise_driver.py REQUEST.json`, in hopwise's own environment; it imports nothing of Whycart.
Path models of hopwise read the embeddings they walk by from files that another program writes; here they get them from
the TransE of hopwise, trained just before. As with RecBole, interactions with products that no triple names are kept.
"""

import json
import platform
import sys
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
    for name, stop_early in (("tune", True), ("final", False)):
        with measured(f"{name} embeddings", phases) as phase:
            trainer, _ = fit(request, "TransE", name, epochs=epochs["embeddings"], stop_early=stop_early)
            weights = embeddings(trainer.model)
            epochs["embeddings"] = phase["epochs"] = best_epoch(trainer)
        with measured(name, phases) as phase:
            trainer, data = fit(
                request, request["model"], name, epochs=epochs["paths"], weights=weights, stop_early=stop_early
            )
            epochs["paths"] = phase["epochs"] = best_epoch(trainer)
        if stop_early:
            valid = float(trainer.best_valid_score)
    with measured("rank", phases):
        users, products = rank(trainer, data, k=request["k"])
    np.savez(request["lists"], users=users, products=products)
    report = {
        "phases": phases,
        "epochs": epochs["paths"],
        "valid": {request["params"]["valid_metric"]: valid},
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
    trainer.fit(train, judge, saved=True, show_progress=False)
    checkpoint = torch.load(trainer.saved_model_file, map_location="cpu", weights_only=False)
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint["other_parameter"])
    return trainer, test


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
def rank(trainer: Any, data: Any, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the test users and their best products by score, products of their history left out; -1 in the padding."""
    tokens = data._dataset.field2id_token
    trainer.model.eval()
    users, products = [], []
    for interaction, history, _, _ in data:
        scores = trainer.model.full_sort_predict(interaction)
        scores = scores[0] if isinstance(scores, tuple) else scores
        scores[:, 0] = -np.inf
        if history is not None:
            scores[history] = -np.inf
        best, place = torch.topk(scores, min(k, scores.shape[1]), dim=1)
        products.append(np.where(np.isfinite(best.numpy()), tokens["item_id"][place.numpy()], "-1").astype(np.int64))
        users.append(tokens["user_id"][interaction["user_id"].numpy()].astype(np.int64))
    return np.concatenate(users), np.concatenate(products)


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
