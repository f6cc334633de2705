"""Kernels on disk: one folder each, npy arrays that are memory-mapped when read. Nothing is pickled."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from kg.errors import SnapshotError
from kg.files import load_array, save_array
from kg.kernels import EmbeddingKernel, EntityKernel, HabitKernel, Kernel, NeighbourKernel


def save_kernel(kernel: Kernel, folder: Path) -> None:
    """Write a kernel and the sums of its rows as a new folder."""
    folder.mkdir(parents=True)
    about: dict[str, Any] = {"name": kernel.name, "type": type(kernel).__name__}
    if isinstance(kernel, NeighbourKernel):
        _save_matrix(kernel.matrix, folder / "matrix")
    elif isinstance(kernel, EntityKernel):
        about |= {"relation": kernel.relation, "label": kernel.label}
        _save_matrix(kernel.left, folder / "left")
        _save_matrix(kernel.right, folder / "right")
    elif isinstance(kernel, EmbeddingKernel):
        save_array(folder / "query.npy", kernel.query)
        save_array(folder / "target.npy", kernel.target)
    elif isinstance(kernel, HabitKernel):
        about |= {"num_products": kernel.num_products}
    else:
        raise TypeError(f"no file format for {type(kernel).__name__}")
    save_array(folder / "mass.npy", kernel.mass)
    (folder / "kernel.json").write_text(json.dumps(about, sort_keys=True), encoding="utf-8")


def load_kernel(folder: Path) -> Kernel:
    """Return the kernel of a folder, its arrays memory-mapped.

    Raises:
        SnapshotError: the folder holds no kernel, or one of a type that this program does not know.
    """
    try:
        about = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as err:
        raise SnapshotError(f"{folder} does not hold a kernel: {err}") from err
    kernel = _load(about, folder)
    # The row sums are a cached property; what was saved beside the kernel spares every reader the work.
    kernel.__dict__["mass"] = load_array(folder / "mass.npy")
    return kernel


def _load(about: dict[str, Any], folder: Path) -> Kernel:
    name = about["name"]
    match about["type"]:
        case "NeighbourKernel":
            return NeighbourKernel(name, _load_matrix(folder / "matrix"))
        case "EntityKernel":
            left, right = _load_matrix(folder / "left"), _load_matrix(folder / "right")
            return EntityKernel(name, about["relation"], about["label"], left, right)
        case "EmbeddingKernel":
            return EmbeddingKernel(name, load_array(folder / "query.npy"), load_array(folder / "target.npy"))
        case "HabitKernel":
            return HabitKernel(about["num_products"], name)
    raise SnapshotError(f"{folder} holds a kernel of the unknown type {about['type']!r}; use the program that wrote it")


def _save_matrix(matrix: sp.csr_array, stem: Path) -> None:
    for part in ("indptr", "indices", "data"):
        save_array(stem.with_name(f"{stem.name}.{part}.npy"), getattr(matrix, part))
    save_array(stem.with_name(f"{stem.name}.shape.npy"), np.array(matrix.shape))


def _load_matrix(stem: Path) -> sp.csr_array:
    indptr, indices, data, shape = (
        load_array(stem.with_name(f"{stem.name}.{part}.npy")) for part in ("indptr", "indices", "data", "shape")
    )
    return sp.csr_array((data, indices, indptr), shape=(int(shape[0]), int(shape[1])))
