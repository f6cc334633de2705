"""Runs one model of RecBole on exported files: fit and stop by validation, fit again on all of it, write rankings.

`python recbole_driver.py REQUEST.json`, in RecBole's own environment; it imports nothing of Whycart.
Three things in RecBole are replaced because they do not work or lose data, none of them part of a model:
the scatter of KGIN (torch_scatter is not installable), the initial graph of KGAT (dgl is not either; same values), and
the dropping of interactions with products that no triple names (which also shifts the bounds of a given split).
"""

import json
import platform
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import recbole
import scipy.sparse as sp
import torch
from costs import measured, peak_rss_mb
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataset.kg_dataset import KnowledgeBasedDataset
from recbole.model.knowledge_aware_recommender.kgat import KGAT
from recbole.utils import get_model, get_trainer, init_logger, init_seed

COLUMNS = {"inter": ["user_id", "item_id"], "item": ["item_id"]}
KG_COLUMNS = {"kg": ["head_id", "relation_id", "tail_id"], "link": ["item_id", "entity_id"]}
PARAMETERS = (
    *("embedding_size", "kg_embedding_size", "n_layers", "layers", "context_hops", "n_factors", "aggregator_type"),
    *("learning_rate", "train_batch_size", "stopping_step", "reg_weight", "sim_regularity", "temperature", "ind"),
    *("mess_dropout", "mess_dropout_rate", "node_dropout_rate", "kg_reverse_r"),
)
"""Settings that go into the report where a model has them."""
USERS_A_BATCH = 256
"""Users that are ranked together; RecBole's default comes to one or two at a time."""


def main() -> None:
    """Run the request given on the command line."""
    request = json.loads(Path(sys.argv.pop()).read_text(encoding="utf-8"))  # RecBole reads what is left there
    patch_recbole()
    torch.set_num_threads(request["threads"])
    phases: list[dict[str, Any]] = []
    with measured("tune", phases) as phase:
        trainer, data = fit(request, "tune", epochs=request["epochs"], stop_early=True)
        phase["epochs"] = len(trainer.train_loss_dict)
        best = phase["best_epoch"] = phase["epochs"] - trainer.cur_step
        valid = trainer.best_valid_score
    with measured("final", phases) as phase:
        trainer, data = fit(request, "final", epochs=best, stop_early=False)
        phase["epochs"] = len(trainer.train_loss_dict)
    with measured("rank", phases):
        users, products = rank(trainer, data, k=request["k"])
    np.savez(request["lists"], users=users, products=products)
    report = {
        "phases": phases,
        "epochs": best,
        "valid": {request["params"]["valid_metric"]: float(valid)},
        "hyper_parameters": model_parameters(trainer.config, request),
        "peak_rss_mb": peak_rss_mb(),
        "versions": {"python": platform.python_version(), "recbole": recbole.__version__, "torch": torch.__version__},
    }
    Path(request["report"]).write_text(json.dumps(report), encoding="utf-8")


def fit(request: dict[str, Any], name: str, *, epochs: int, stop_early: bool) -> tuple[Any, Any]:
    """Return the trainer with the fitted model (its best epoch when stopped early), and the test data."""
    settings = {
        "data_path": request["data"],
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {**COLUMNS, **(KG_COLUMNS if request["knowledge"] else {})},
        "seed": request["seed"],
        "epochs": epochs,
        "use_gpu": False,
        "show_progress": False,
        "checkpoint_dir": request["scratch"],
        "eval_batch_size": USERS_A_BATCH * request["num_products"],
        **request["params"],
    }
    config = Config(model=request["model"], dataset=name, config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    train, valid, test = data_preparation(config, create_dataset(config))
    init_seed(config["seed"] + 1, config["reproducibility"])
    model = get_model(config["model"])(config, train._dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.fit(train, valid if stop_early else None, saved=True, show_progress=False)
    checkpoint = torch.load(trainer.saved_model_file, map_location="cpu", weights_only=False)
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint["other_parameter"])
    return trainer, test


@torch.no_grad()
def rank(trainer: Any, data: Any, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the test users and their best products by score, products of their history left out; -1 in the padding."""
    dataset = data._dataset
    user_tokens, item_tokens = (dataset.field2id_token[name] for name in ("user_id", "item_id"))
    trainer.model.eval()
    trainer.tot_item_num, trainer.item_tensor = dataset.item_num, dataset.get_item_feature()
    users, products = [], []
    for batch in data:
        interaction, scores, _, _ = trainer._full_sort_batch_eval(batch)
        best, place = torch.topk(scores, min(k, scores.shape[1]), dim=1)
        found = item_tokens[place.numpy()]
        products.append(np.where(np.isfinite(best.numpy()), found, "-1").astype(np.int64))
        users.append(user_tokens[interaction["user_id"].numpy()].astype(np.int64))
    return np.concatenate(users), np.concatenate(products)


def model_parameters(config: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return what the model was made and trained with: what was asked for and RecBole's defaults for this model."""
    known = config.final_config_dict
    return {name: known[name] for name in sorted({*request["params"], *PARAMETERS}) if known.get(name) is not None}


def patch_recbole() -> None:
    """Replace what keeps models from running on exported files."""
    scatter = types.ModuleType("torch_scatter")
    scatter.scatter_mean = scatter_mean
    sys.modules["torch_scatter"] = scatter
    KnowledgeBasedDataset._filter_link = keep_all_interactions
    graph = KnowledgeBasedDataset.ckg_graph
    KnowledgeBasedDataset.ckg_graph = lambda self, form="coo", value_field=None: (
        None if form == "dgl" else graph(self, form=form, value_field=value_field)
    )
    KGAT.init_graph = initial_graph


def scatter_mean(src: torch.Tensor, index: torch.Tensor, dim_size: int, dim: int = 0) -> torch.Tensor:
    """Return the mean of the rows of `src` that share an index, as torch_scatter does."""
    total = torch.zeros(dim_size, *src.shape[1:], dtype=src.dtype).index_add(dim, index, src)
    count = torch.bincount(index, minlength=dim_size).clamp(min=1).to(src.dtype)
    return total / count.unsqueeze(1)


def keep_all_interactions(dataset: Any) -> None:
    """Forget links of products or entities that do not occur, and keep the interactions of every product."""
    items, entities = dataset._get_rec_item_token(), dataset._get_entity_token()
    for item, entity in list(dataset.item2entity.items()):
        if item not in items or entity not in entities:
            del dataset.item2entity[item], dataset.entity2item[entity]


def initial_graph(model: KGAT) -> torch.Tensor:
    """Return the sum over relations of each relation's row-normalised adjacency, which dgl would be asked for."""
    size, total = tuple(model.matrix_size), sp.csr_matrix(tuple(model.matrix_size))
    heads, tails, relations = (part.cpu().numpy() for part in (model.all_hs, model.all_ts, model.all_rs))
    for relation in range(1, model.n_relations):
        chosen = relations == relation
        edges = sp.csr_matrix((np.ones(chosen.sum()), (heads[chosen], tails[chosen])), shape=size)
        degree = np.asarray(edges.sum(axis=1)).ravel()
        total = total + sp.diags(1.0 / np.where(degree > 0, degree, 1.0)) @ edges
    found = total.tocoo()
    index = torch.from_numpy(np.vstack([found.row, found.col]).astype(np.int64))
    return torch.sparse_coo_tensor(index, torch.from_numpy(found.data).float(), size).to(model.device)


if __name__ == "__main__":
    main()
