"""From texts to unit vectors with a BERT model on torch.

Identical texts are read once, batches hold texts of like length, and bf16 is used where it pays.
This module does not keep vectors (`encoders.cache`) and does not run in the API process (`encoders.query`).
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from encoders.config import UNKNOWN_LIMIT, EncoderConfig, EncodeReport, Precision
from encoders.errors import EncoderModelError, EncodingError
from encoders.model import choose_device, open_model
from encoders.tokens import TextTokenizer, TokenRows
from kg.progress import Progress, silent

logger = logging.getLogger(__name__)
TRIAL_TEXTS = 500
"""Texts from which on a trial of both number formats pays for itself."""
TRIAL_GAIN = 1.15
"""How many times faster bf16 must be in the trial; below this fp32's exactness is worth more."""
_TRIAL_SHARE = 16
_BATCH_TOKENS = {"cpu": 512, "cuda": 65536}


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of distinct texts and what the tokenizer made of each."""

    vectors: Float32[np.ndarray, "text dim"]
    """Unit vectors; zeros for a text without tokens."""
    num_tokens: Int32[np.ndarray, " text"]
    """Tokens read of each text."""
    num_unknown: Int32[np.ndarray, " text"]
    """Those of them that the tokenizer does not know."""


class TextEncoder:
    """A BERT model that turns texts into unit vectors. Holds the model and, once tried, the number format that pays."""

    def __init__(self, model: SentenceTransformer, config: EncoderConfig) -> None:
        """Wrap an opened model.

        Raises:
            EncoderModelError: the model has no fast tokenizer.
        """
        self.model = model
        """The network: ids and mask in, `sentence_embedding` out."""
        self.config = config
        """The settings it was opened with."""
        self.tokenizer = _tokenizer(model, config.max_tokens)
        """What cuts texts into ids."""
        self.dim: int = model.get_embedding_dimension() or 0
        """Numbers in a vector."""
        self.precision: Precision | None = None if config.precision == "auto" else config.precision
        """Number format in use; None: not decided, fp32 until a trial says otherwise."""
        self._device = torch.device(model.device)

    @classmethod
    def open(cls, config: EncoderConfig) -> "TextEncoder":
        """Return the encoder for these settings.

        Raises:
            EncoderModelError: the model cannot be found or read.
            EncoderConfigError: the device is not there.
        """
        started = time.perf_counter()
        encoder = cls(open_model(config.model, device=choose_device(config.device)), config)
        facts = {"model": config.model or "default", "dim": encoder.dim, "device": str(encoder._device)}
        logger.info("encoder opened", extra=facts | {"took_s": time.perf_counter() - started})
        return encoder

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, pooling and tokenizer: the same for the same model wherever it lies."""
        digest = hashlib.sha256(self.tokenizer.definition.encode())
        digest.update(repr(self.model).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def encode(self, texts: Sequence[str], *, progress: Progress = silent) -> Float32[np.ndarray, "text dim"]:
        """Return one unit vector a text, in the order given; zeros for an empty text.

        Raises:
            EncodingError: the model gave a number that is not finite.
        """
        vectors, _ = encode_with_report(self, texts, progress=progress)
        return vectors

    def encode_distinct(self, texts: Sequence[str], *, progress: Progress = silent) -> Encoded:
        """Return the vectors of texts that are cleaned and differ, in the order given.

        Raises:
            EncodingError: the model gave a number that is not finite.
        """
        rows = self.tokenizer.tokenize(texts)
        batches = list(_batches(rows, texts, self.config.batch_tokens or _BATCH_TOKENS[self._device.type]))
        self._settle_precision(rows, batches)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        done = len(texts) - sum(map(len, batches))
        with torch.inference_mode(), self._numbers(self.precision):
            for batch in batches:
                vectors[batch] = self._run(rows, batch)
                done += len(batch)
                progress("encode", done, len(texts))
        if not np.isfinite(vectors).all():
            raise EncodingError(f"the text model gave numbers that are not finite ({self.precision=}); use 'fp32'")
        return Encoded(vectors, rows.num_tokens, rows.num_unknown)

    def _run(self, rows: TokenRows, batch: Int64[np.ndarray, " batch"]) -> Float32[np.ndarray, "batch dim"]:
        ids, mask = self.tokenizer.pad(rows, batch)
        inputs = {
            "input_ids": torch.from_numpy(ids).to(self._device),
            "attention_mask": torch.from_numpy(mask).to(self._device),
        }
        if "token_type_ids" in self.model.tokenizer.model_input_names:
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        output = self.model(inputs)["sentence_embedding"].float()
        vectors: np.ndarray[Any, np.dtype[np.float32]] = torch.nn.functional.normalize(output, dim=-1).cpu().numpy()
        return vectors

    def _numbers(self, precision: Precision | None) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=precision == "bf16")

    def _settle_precision(self, rows: TokenRows, batches: list[Int64[np.ndarray, " _"]]) -> None:
        """Decide between fp32 and bf16 on a part of the batches, once, when there are enough texts to matter."""
        if self.precision is not None or len(rows.num_tokens) < TRIAL_TEXTS or not _has_bf16_units(self._device):
            return
        sample = batches[:: max(1, min(_TRIAL_SHARE, len(batches) // 4))][:64]
        took: dict[Precision, float] = {"fp32": float("inf"), "bf16": float("inf")}
        with torch.inference_mode():
            for _ in range(2):
                for precision in took:
                    took[precision] = min(took[precision], self._time(rows, sample, precision=precision))
        self.precision = "bf16" if took["fp32"] > TRIAL_GAIN * took["bf16"] else "fp32"
        facts = {"precision": self.precision, "fp32_s": took["fp32"], "bf16_s": took["bf16"]}
        logger.info("number format of the encoder chosen", extra=facts)

    def _time(self, rows: TokenRows, batches: list[Int64[np.ndarray, " _"]], *, precision: Precision) -> float:
        started = time.perf_counter()
        with self._numbers(precision):
            for batch in batches:
                self._run(rows, batch)
        return time.perf_counter() - started


def encode_with_report(
    encoder: TextEncoder, texts: Sequence[str], *, progress: Progress = silent
) -> tuple[Float32[np.ndarray, "text dim"], EncodeReport]:
    """Return one unit vector a text, in the order given, and what it took.

    Raises:
        EncodingError: the model gave a number that is not finite.
    """
    started = time.perf_counter()
    distinct, positions = distinct_texts(encoder, texts)
    encoded = encoder.encode_distinct(distinct, progress=progress)
    report = EncodeReport(
        num_texts=len(texts),
        num_distinct=len(distinct),
        num_encoded=len(distinct),
        num_cached=0,
        unknown_share=unknown_share(encoded.num_tokens, encoded.num_unknown),
        precision=(encoder.precision or "fp32") if distinct else None,
        took_s=time.perf_counter() - started,
    )
    return spread(encoded.vectors, positions), report


def distinct_texts(encoder: TextEncoder, texts: Sequence[str]) -> tuple[list[str], Int64[np.ndarray, " text"]]:
    """Return the cleaned texts that differ, sorted, and for each given text its position in them.

    An empty text has the position after the last one.
    """
    clean = [encoder.tokenizer.clean(text) for text in texts]
    distinct = sorted(set(clean) - {""})
    position = {text: row for row, text in enumerate(distinct)}
    return distinct, np.array([position.get(text, len(distinct)) for text in clean], np.int64)


def spread(
    vectors: Float32[np.ndarray, "distinct dim"], positions: Int64[np.ndarray, " text"]
) -> Float32[np.ndarray, "text dim"]:
    """Return the vector of each text; a position after the last vector gives zeros."""
    nothing = np.zeros((1, vectors.shape[1]), np.float32)
    rows: np.ndarray[Any, np.dtype[np.float32]] = np.concatenate([vectors, nothing])[positions]
    return rows


def unknown_share(num_tokens: Int32[np.ndarray, " text"], num_unknown: Int32[np.ndarray, " text"]) -> float:
    """Return the share of unknown tokens, in [0, 1], and warn when it is above UNKNOWN_LIMIT; 0 without tokens."""
    share = float(num_unknown.sum(dtype=np.int64) / max(1, num_tokens.sum(dtype=np.int64)))
    if share > UNKNOWN_LIMIT:
        logger.warning(
            "%.0f%% of the tokens are unknown to the tokenizer: the texts are in a language or script that the model "
            "was not trained on; set [encoder] model to one that was",
            100 * share,
            extra={"unknown_share": share},
        )
    return share


def _batches(rows: TokenRows, texts: Sequence[str], batch_tokens: int) -> Iterator[Int64[np.ndarray, " batch"]]:
    """Yield positions of texts that have tokens, longest first, at most `batch_tokens` a batch or a single text."""
    lengths = rows.lengths
    order = sorted(np.flatnonzero(rows.num_tokens).tolist(), key=lambda row: (-lengths[row], texts[row]))
    first = 0
    while first < len(order):
        size = max(1, batch_tokens // int(lengths[order[first]]))
        yield np.array(order[first : first + size], np.int64)
        first += size


def _has_bf16_units(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = torch.cpu.get_capabilities()
    return any(flags.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def _tokenizer(model: SentenceTransformer, max_tokens: int) -> TextTokenizer:
    slow = model.tokenizer
    fast = getattr(slow, "backend_tokenizer", None)
    if not isinstance(fast, Tokenizer):
        raise EncoderModelError(
            f"[encoder] model has no fast tokenizer (it has {type(slow).__name__}); choose one with a tokenizer.json"
        )
    limit = min(max_tokens, model.max_seq_length or max_tokens)
    return TextTokenizer(fast, limit, pad_id=slow.pad_token_id or 0, unknown_id=slow.unk_token_id)
