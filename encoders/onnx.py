"""Writes a text model in the form the API reads: network, pooling and normalisation in one ONNX file.

This module needs torch and runs where models are trained; `encoders.query` reads what it writes.
"""

import json
import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.jit._trace import TracerWarning

from encoders.encode import TextEncoder
from encoders.query import FORMAT, MODEL_FILE, SETTINGS_FILE, TOKENIZER_FILE, sha256_of

logger = logging.getLogger(__name__)
_OPSET = 18


def export_onnx(encoder: TextEncoder, folder: Path) -> None:
    """Write `model.onnx`, `tokenizer.json` and `encoder.json`; the settings come last, so half a folder is refused.

    Args:
        encoder: what encoded the nodes; queries then get vectors of the same space.
        folder: made if absent; files of these names are replaced.
    """
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS_FILE).unlink(missing_ok=True)
    _write_network(encoder, folder / MODEL_FILE)
    _write_text(folder / TOKENIZER_FILE, encoder.tokenizer.definition)
    settings = {
        "format": FORMAT,
        "dim": encoder.dim,
        "max_tokens": encoder.tokenizer.max_tokens,
        "pad_id": encoder.tokenizer.pad_id,
        "unknown_id": encoder.tokenizer.unknown_id,
        "fingerprint": encoder.fingerprint,
        "sha256": {name: sha256_of(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
    }
    _write_text(folder / SETTINGS_FILE, json.dumps(settings, indent=2) + "\n")
    size = (folder / MODEL_FILE).stat().st_size
    logger.info("text model exported", extra={"size_bytes": size, "took_s": time.perf_counter() - started})


class _Network(torch.nn.Module):
    """The model with tensors for arguments, which is what an ONNX file can hold."""

    def __init__(self, model: torch.nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *tensors: Int[Tensor, "batch token"]) -> Float[Tensor, "batch dim"]:
        output = self.model(dict(zip(self.names, tensors, strict=True)))["sentence_embedding"]
        return torch.nn.functional.normalize(output, dim=-1)


def _write_network(encoder: TextEncoder, path: Path) -> None:
    names = ["input_ids", "attention_mask"]
    if "token_type_ids" in encoder.model.tokenizer.model_input_names:
        names.append("token_type_ids")
    rows = encoder.tokenizer.tokenize(["an example", "a longer example"])
    example, mask = (
        torch.from_numpy(part).to(encoder.model.device) for part in encoder.tokenizer.pad(rows, np.arange(2))
    )
    tensors = (example, mask, torch.zeros_like(example))[: len(names)]
    part = path.with_name(path.name + ".part")
    with torch.inference_mode(), _quiet_export():
        torch.onnx.export(
            _Network(encoder.model, names).eval(),
            tensors,
            str(part),
            input_names=names,
            output_names=["vector"],
            dynamic_axes={name: {0: "batch", 1: "token"} for name in names} | {"vector": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    os.replace(part, path)


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Silence the notes of the tracing exporter, which is kept because it needs no package beside `onnx`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", TracerWarning)
        warnings.filterwarnings("ignore", message="Exporting aten::index operator", category=UserWarning)
        yield


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
