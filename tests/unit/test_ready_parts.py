"""What a bundle is made ready from: vectors that lie once in memory, and an encoder that later bundles take over."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from encoders.onnx import export_onnx
from encoders.query import QueryEncoder
from gnn.bundle import Bundle, load_bundle, write_bundle
from kg.kernels import EmbeddingKernel
from serving.bundle_encoder import BundleEncoder
from serving.index import ProductIndex
from tests.support.models import content_of, random_bundle
from tests.support.random_shops import random_snapshot
from tests.support.text_encoder import text_encoder
from tests.support.tiny_bundle import MADE_AT


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "onnx"
    export_onnx(text_encoder(), folder)
    return folder


def bundle_with(encoder: Path | None, room: Path, *, hours: int = 0) -> Bundle:
    content = replace(content_of(random_snapshot(0)), encoder=encoder)
    return load_bundle(write_bundle(content, room / "bundles", now=MADE_AT + timedelta(hours=hours)))


def unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_how_alike_two_products_are_is_the_mean_of_their_cosines(seed: int, tmp_path: Path) -> None:
    bundle = random_bundle(random_snapshot(seed), tmp_path, seed=seed)
    text = np.array(bundle.text_vectors)
    text[3] = 0.0
    bundle = bundle.revised(bundle.snapshot, bundle.scorer, text)
    index = ProductIndex(bundle)
    kernels = {kernel.name: kernel.target for kernel in bundle.scorer.kernels if isinstance(kernel, EmbeddingKernel)}
    cosines = {name: unit(part) @ unit(part).T for name, part in {"text": text, **kernels}.items()}

    everyone = np.arange(len(text))
    assert list(cosines) == list(index.parts)
    for product in everyone:
        expected = np.stack([part[product] for part in cosines.values()]) / len(cosines)
        np.testing.assert_allclose(index.split(product, everyone), expected, atol=1e-6)
        np.testing.assert_allclose(index.similarity(product), expected.sum(axis=0), atol=1e-6)
    found = index.nearest(2, np.ones(len(text), dtype=bool), k=4)
    assert sorted(index.similarity(2), reverse=True)[:4] == pytest.approx(list(index.similarity(2)[found]))


def test_vectors_of_products_lie_once_in_memory(tmp_path: Path) -> None:
    index = ProductIndex(random_bundle(random_snapshot(0), tmp_path))

    whole = index.cosines(np.arange(3))
    assert all(np.shares_memory(part, index.parts["text"].base) for part in index.parts.values())
    np.testing.assert_allclose(whole, sum(part[:3] @ part[:3].T for part in index.parts.values()), atol=1e-6)


def test_an_open_encoder_is_taken_over_by_a_bundle_with_the_same_files(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = BundleEncoder(bundle_with(exported, tmp_path))
    vectors = first.encode(["green tea"])
    second = BundleEncoder(bundle_with(exported, tmp_path, hours=1), first)
    monkeypatch.setattr(QueryEncoder, "open", lambda folder: pytest.fail(f"{folder} is open already"))

    assert vectors is not None
    np.testing.assert_array_equal(vectors, second.encode(["green tea"]))


def test_an_encoder_with_other_files_is_opened_anew(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = BundleEncoder(bundle_with(exported, tmp_path))
    first.encode(["green tea"])
    other = tmp_path / "other"
    other.mkdir()
    for file in exported.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "notes.txt").write_text("another export")
    bundle, opened, really = bundle_with(other, tmp_path, hours=1), [], QueryEncoder.open
    monkeypatch.setattr(QueryEncoder, "open", lambda folder: opened.append(folder) or really(folder))

    assert BundleEncoder(bundle, first).encode(["green tea"]) is not None
    assert [bundle.folder / "encoder"] == opened
    assert BundleEncoder(bundle_with(None, tmp_path, hours=2), first).encode(["green tea"]) is None
