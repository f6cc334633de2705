"""Text vectors of every node of a snapshot, and the encoder that goes into a bundle; both cached."""

from pathlib import Path

from encoders.cache import VectorCache, encode_cached
from encoders.config import EncoderConfig, EncodeReport
from encoders.encode import TextEncoder
from encoders.onnx import export_onnx
from gnn.learn import Vectors
from kg.progress import Progress, silent
from kg.snapshot import Snapshot
from serving.text import node_sentences

ONNX_READY = "encoder.json"
"""The file that an export writes last."""


def encode_nodes(
    snapshot: Snapshot, config: EncoderConfig, *, cache: Path, progress: Progress = silent
) -> tuple[TextEncoder, Vectors, list[EncodeReport]]:
    """Return the vector of every node's text by label, users apart; texts met before come from the cache."""
    encoder = TextEncoder.open(config)
    store = VectorCache(cache / "vectors")
    vectors, reports = {}, []
    for label, texts in node_sentences(snapshot).items():
        vectors[label], report = encode_cached(encoder, texts, cache=store, progress=progress)
        reports.append(report)
    return encoder, vectors, reports


def exported_encoder(encoder: TextEncoder, cache: Path) -> Path:
    """Return the folder of the encoder in ONNX form, exported once a model."""
    folder = cache / "onnx" / encoder.fingerprint
    if not (folder / ONNX_READY).is_file():
        export_onnx(encoder, folder)
    return folder
