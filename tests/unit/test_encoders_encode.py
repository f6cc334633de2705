"""Texts to vectors with the model that comes as a package, and the exported form of it."""

import json
import logging
import socket

import numpy as np
import pytest

from encoders.config import EncoderConfig
from encoders.encode import TextEncoder, encode_with_report
from encoders.errors import EncoderConfigError, EncoderModelError
from encoders.onnx import export_onnx
from encoders.query import MODEL_FILE, SETTINGS_FILE, TOKENIZER_FILE, QueryEncoder
from tests.support.text_encoder import text_encoder

TITLES = ["whole milk one gallon", "skimmed milk", "bath tissue 12 rolls", "red potatoes 5 lb", "AA batteries"]
TEXTS = [*TITLES, "", "   ", "有机全脂牛奶 一升装", "long " * 3000, "x" * 500, "\ud800 broken", "naïve café №5"]


@pytest.fixture(scope="module")
def encoder():
    return text_encoder()


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(encoder, folder)
    return folder


def test_near_texts_have_near_vectors(encoder):
    milk, skimmed, tissue = encoder.encode(TITLES[:3])

    assert milk @ skimmed > milk @ tissue + 0.2


def test_vectors_have_length_one_and_empty_texts_are_zero(encoder):
    lengths = np.linalg.norm(encoder.encode(TEXTS), axis=1)

    expected = [0.0 if not text.strip() else 1.0 for text in TEXTS]
    assert lengths == pytest.approx(expected, abs=1e-5)


def test_vectors_do_not_depend_on_order_or_company(encoder):
    order = np.random.default_rng(0).permutation(len(TEXTS))
    together = encoder.encode(TEXTS)

    shuffled = encoder.encode([TEXTS[row] for row in order])
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])

    assert np.abs(shuffled - together[order]).max() < 1e-5
    assert np.abs(alone - together).max() < 1e-5


def test_the_same_texts_in_another_order_give_the_same_bits(encoder):
    assert np.array_equal(encoder.encode(TITLES[::-1])[::-1], encoder.encode(TITLES))


def test_no_text_gives_no_row(encoder):
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_identical_texts_are_encoded_once(encoder):
    _, report = encode_with_report(encoder, ["milk", "milk ", "tea", "", "milk"])

    assert (report.num_texts, report.num_distinct, report.num_encoded) == (5, 2, 2)


def test_progress_ends_at_the_number_of_distinct_texts(encoder):
    seen = []

    encoder.encode([*TITLES, TITLES[0]], progress=lambda step, done, total: seen.append((step, done, total)))

    assert seen[-1] == ("encode", len(TITLES), len(TITLES))


def test_a_foreign_script_is_warned_about(encoder, caplog):
    with caplog.at_level(logging.WARNING, logger="encoders.encode"):
        _, report = encode_with_report(encoder, ["新疆红枣 一公斤", "苹果手机充电器"])

    assert report.is_mostly_foreign
    assert "tokens are unknown" in caplog.text


def test_plain_english_is_not_warned_about(encoder, caplog):
    with caplog.at_level(logging.WARNING, logger="encoders.encode"):
        _, report = encode_with_report(encoder, TITLES)

    assert report.unknown_share == 0.0
    assert not caplog.records


def test_bf16_vectors_point_the_same_way(encoder):
    half = TextEncoder(encoder.model, EncoderConfig(precision="bf16", device="cpu"))

    cosines = (half.encode(TITLES) * encoder.encode(TITLES)).sum(axis=1)

    assert cosines.min() > 0.998


def test_few_texts_are_not_worth_a_trial(encoder):
    undecided = TextEncoder(encoder.model, EncoderConfig(device="cpu"))

    _, report = encode_with_report(undecided, TITLES)

    assert (undecided.precision, report.precision) == (None, "fp32")


def test_many_texts_settle_the_number_format(encoder, monkeypatch):
    monkeypatch.setattr("encoders.encode.TRIAL_TEXTS", 4)
    monkeypatch.setattr("encoders.encode._has_bf16_units", lambda device: True)
    undecided = TextEncoder(encoder.model, EncoderConfig(device="cpu"))

    undecided.encode(TITLES)

    assert undecided.precision in {"fp32", "bf16"}


def test_opening_the_default_model_asks_no_other_host(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    assert TextEncoder.open(EncoderConfig(device="cpu")).dim == 384


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such-folder", "../models/bert"])
def test_a_model_folder_that_is_not_there_is_named(name):
    with pytest.raises(EncoderModelError, match="neither a folder that exists nor a hub name"):
        TextEncoder.open(EncoderConfig(model=name, device="cpu"))


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(EncoderModelError, match="cannot be opened"):
        TextEncoder.open(EncoderConfig(model=str(tmp_path), device="cpu"))


def test_cuda_without_a_device_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(EncoderConfigError, match="no CUDA device"):
        TextEncoder.open(EncoderConfig(device="cuda"))


def test_exported_vectors_equal_the_torch_vectors(encoder, exported):
    there, here = QueryEncoder.open(exported).encode(TEXTS), encoder.encode(TEXTS)

    told = np.linalg.norm(here, axis=1) > 0
    assert (there * here).sum(axis=1)[told].min() >= 0.999
    assert not there[~told].any()


def test_an_exported_model_encodes_no_text(exported):
    assert QueryEncoder.open(exported).encode([]).shape == (0, 384)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE, SETTINGS_FILE])
def test_a_missing_file_of_an_export_is_refused(exported, tmp_path, name):
    for path in exported.iterdir():
        if path.name != name:
            (tmp_path / path.name).symlink_to(path)

    with pytest.raises(EncoderModelError, match=name):
        QueryEncoder.open(tmp_path)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_a_changed_file_of_an_export_is_refused(exported, tmp_path, name):
    for path in exported.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes((exported / name).read_bytes()[:-1])

    with pytest.raises(EncoderModelError, match="changed after its export"):
        QueryEncoder.open(tmp_path)


def test_an_export_of_another_format_is_refused(exported, tmp_path):
    settings = json.loads((exported / SETTINGS_FILE).read_text())
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(settings | {"format": 99}))

    with pytest.raises(EncoderModelError, match="format 99"):
        QueryEncoder.open(tmp_path)
