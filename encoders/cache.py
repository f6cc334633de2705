"""Vectors kept on disk across runs, by the hash of the text and of everything that shapes its vector.

One folder a model and setting; in it chunk files that are written once, named by the hash of their content, and renamed
into place. So processes may share the folder, and a file that was cut off or changed is noticed, dropped and made anew.
This module keeps vectors; it does not decide which texts exist and never removes old ones.
"""

import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from safetensors import SafetensorError
from safetensors.numpy import load, save

from encoders.config import EncodeReport
from encoders.encode import Encoded, TextEncoder, distinct_texts, spread, unknown_share
from encoders.errors import VectorCacheError
from kg.progress import Progress, silent

logger = logging.getLogger(__name__)
CHUNK_TEXTS = 8192
"""Texts a chunk file holds at most; what an interrupted run loses."""
_KEY_BYTES = 16
_STALE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class VectorCache:
    """A folder of cached vectors."""

    folder: Path
    """Made when something is first written."""

    def read(self, encoder: TextEncoder, texts: Sequence[str]) -> tuple[Encoded, Bool[np.ndarray, " text"]]:
        """Return what is known of cleaned, distinct texts, and which of them are known; the others' rows are zeros.

        A damaged file is removed with a warning.

        Raises:
            VectorCacheError: the folder cannot be read.
        """
        found = np.zeros(len(texts), np.bool_)
        vectors = np.zeros((len(texts), encoder.dim), np.float32)
        counts = np.zeros((len(texts), 2), np.int32)
        wanted = {_key(text): row for row, text in enumerate(texts)}
        try:
            for keys, chunk_vectors, chunk_counts in _chunks(self._place(encoder), encoder.dim):
                hits = [(wanted[key], row) for row, key in enumerate(_split(keys)) if key in wanted]
                if hits:
                    here, there = np.array(hits, np.int64).T
                    vectors[here], counts[here], found[here] = chunk_vectors[there], chunk_counts[there], True
        except OSError as err:
            raise VectorCacheError(f"cached vectors in {self.folder} cannot be read: {err}") from err
        return Encoded(vectors, counts[:, 0], counts[:, 1]), found

    def write(self, encoder: TextEncoder, texts: Sequence[str], *, encoded: Encoded) -> None:
        """Keep the vectors of cleaned, distinct texts.

        Raises:
            VectorCacheError: the folder cannot be written.
        """
        keys = np.frombuffer(b"".join(map(_key, texts)), np.uint8).reshape(len(texts), _KEY_BYTES)
        counts = np.stack([encoded.num_tokens, encoded.num_unknown], axis=1)
        content = save({"keys": keys, "vectors": np.ascontiguousarray(encoded.vectors), "counts": counts})
        place = self._place(encoder)
        target = place / f"{_digest(content)}.safetensors"
        part = place / f"{secrets.token_hex(8)}.part"
        try:
            place.mkdir(parents=True, exist_ok=True)
            _drop_stale_parts(place)
            part.write_bytes(content)
            os.replace(part, target)
        except OSError as err:
            raise VectorCacheError(
                f"vectors cannot be kept in {self.folder}: {err}; free space or name another folder"
            ) from err
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _place(self, encoder: TextEncoder) -> Path:
        """The configured precision counts, not the one a trial chose: `auto` must not encode twice."""
        name = f"{encoder.fingerprint}/{encoder.tokenizer.max_tokens}/{encoder.config.precision}"
        return self.folder / hashlib.sha256(name.encode()).hexdigest()[:32]


def encode_cached(
    encoder: TextEncoder, texts: Sequence[str], *, cache: VectorCache, progress: Progress = silent
) -> tuple[Float32[np.ndarray, "text dim"], EncodeReport]:
    """Return one unit vector a text, in the order given, reading only texts whose vector is not kept yet.

    Vectors are kept chunk by chunk, so that an interrupted run loses little.

    Raises:
        EncodingError: the model gave a number that is not finite.
        VectorCacheError: the folder cannot be read or written.
    """
    started = time.perf_counter()
    distinct, positions = distinct_texts(encoder, texts)
    known, found = cache.read(encoder, distinct)
    missing = np.flatnonzero(~found)
    for first in range(0, len(missing), CHUNK_TEXTS):
        rows = missing[first : first + CHUNK_TEXTS]
        new = [distinct[row] for row in rows]
        step = _shifted(progress, first, len(missing))
        encoded = encoder.encode_distinct(new, progress=step)
        cache.write(encoder, new, encoded=encoded)
        known.vectors[rows] = encoded.vectors
        known.num_tokens[rows], known.num_unknown[rows] = encoded.num_tokens, encoded.num_unknown
    report = EncodeReport(
        num_texts=len(texts),
        num_distinct=len(distinct),
        num_encoded=len(missing),
        num_cached=len(distinct) - len(missing),
        unknown_share=unknown_share(known.num_tokens, known.num_unknown),
        precision=(encoder.precision or "fp32") if len(missing) else None,
        took_s=time.perf_counter() - started,
    )
    facts = {"num_texts": report.num_texts, "num_encoded": report.num_encoded, "num_cached": report.num_cached}
    logger.info("texts encoded", extra=facts | {"took_s": report.took_s})
    return spread(known.vectors, positions), report


def _shifted(progress: Progress, offset: int, whole: int) -> Progress:
    def report(step: str, done: int, total: int | None) -> None:
        progress(step, offset + done, whole)

    return report


def _chunks(place: Path, dim: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield keys, vectors and counts of each sound file, by file name."""
    for path in sorted(place.glob("*.safetensors")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        parts = _parse(content, dim) if _digest(content) == path.stem else None
        if parts is None:
            logger.warning("a file of cached vectors is damaged and is made anew: %s", path)
            path.unlink(missing_ok=True)
            continue
        yield parts


def _parse(content: bytes, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    try:
        parts = load(content)
    except SafetensorError:
        return None
    if set(parts) != {"keys", "vectors", "counts"} or parts["vectors"].shape[1:] != (dim,):
        return None
    return parts["keys"], parts["vectors"], parts["counts"]


def _split(keys: np.ndarray) -> Iterator[bytes]:
    raw = keys.tobytes()
    return (raw[at : at + _KEY_BYTES] for at in range(0, len(raw), _KEY_BYTES))


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _drop_stale_parts(place: Path) -> None:
    """Remove what processes that were killed while writing left behind."""
    for part in place.glob("*.part"):
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()
        except FileNotFoundError:
            continue
