"""From a query text to a unit vector in the API process: ONNX Runtime and the tokenizer, no torch.

This module opens what `encoders.onnx.export_onnx` wrote; it does not train, cache or download anything.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from jaxtyping import Float32

from encoders.errors import EncoderModelError
from encoders.tokens import TextTokenizer

FORMAT = 1
"""Version of the folder; another one is refused."""
MODEL_FILE, TOKENIZER_FILE, SETTINGS_FILE = "model.onnx", "tokenizer.json", "encoder.json"
_BATCH = 32


class QueryEncoder:
    """An exported text model. One instance may be used by several threads at once."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: TextTokenizer, *, dim: int) -> None:
        self.dim = dim
        """Numbers in a vector."""
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = frozenset(entry.name for entry in session.get_inputs())

    @classmethod
    def open(cls, folder: Path, *, num_threads: int = 2) -> "QueryEncoder":
        """Return the encoder of an exported folder.

        Args:
            folder: what `export_onnx` wrote.
            num_threads: threads one text may use; they sleep between texts.

        Raises:
            EncoderModelError: a file is missing, damaged or of another format version.
        """
        settings = _settings(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            (folder / MODEL_FILE).read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = TextTokenizer.from_text(
            (folder / TOKENIZER_FILE).read_text(encoding="utf-8"),
            max_tokens=settings["max_tokens"],
            pad_id=settings["pad_id"],
            unknown_id=settings["unknown_id"],
        )
        return cls(session, tokenizer, dim=settings["dim"])

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "text dim"]:
        """Return one unit vector a text, in the order given; zeros for a text without tokens."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        rows = self._tokenizer.tokenize([self._tokenizer.clean(text) for text in texts])
        order = np.argsort(-rows.lengths, kind="stable")
        order = order[rows.num_tokens[order] > 0]
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            ids, mask = self._tokenizer.pad(rows, batch)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            fed = {name: value for name, value in inputs.items() if name in self._inputs}
            vectors[batch] = self._session.run(None, fed)[0]
        return vectors


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS_FILE
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise EncoderModelError(f"{folder} holds no exported text model: {err}") from err
    except ValueError as err:
        raise EncoderModelError(f"{path} is damaged: {err}; export the text model again") from err
    version = settings.get("format")
    if version != FORMAT:
        raise EncoderModelError(f"{path} has format {version!r}, this version reads {FORMAT}; export the model again")
    absent = {"dim", "max_tokens", "pad_id", "unknown_id", "sha256"} - set(settings)
    if absent:
        raise EncoderModelError(f"{path} lacks {', '.join(sorted(absent))}; export the text model again")
    for name in (MODEL_FILE, TOKENIZER_FILE):
        _check_file(folder / name, settings["sha256"].get(name))
    return settings


def _check_file(path: Path, expected: str | None) -> None:
    try:
        actual = sha256_of(path)
    except OSError as err:
        raise EncoderModelError(f"the exported text model is incomplete: {err}; export it again") from err
    if actual != expected:
        raise EncoderModelError(f"{path} was changed after its export; export the text model again")
