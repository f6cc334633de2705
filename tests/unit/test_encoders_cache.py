"""Vectors kept across runs: nothing is encoded twice, and damage costs time only."""

import logging
import os
import time

import numpy as np
import pytest

from encoders.cache import VectorCache, encode_cached
from encoders.config import EncoderConfig
from encoders.encode import TextEncoder
from encoders.errors import VectorCacheError
from tests.support.text_encoder import text_encoder

TEXTS = ["whole milk", "red potatoes", "", "whole milk", "牛奶", "bath tissue"]


@pytest.fixture(scope="module")
def encoder():
    return text_encoder()


@pytest.fixture
def cache(tmp_path):
    return VectorCache(tmp_path / "vectors")


def _files(cache):
    return sorted(cache.folder.rglob("*.safetensors"))


def test_a_second_run_encodes_nothing(encoder, cache):
    first, _ = encode_cached(encoder, TEXTS, cache=cache)
    second, report = encode_cached(encoder, TEXTS, cache=VectorCache(cache.folder))

    assert (report.num_encoded, report.num_cached, report.precision) == (0, 4, None)
    assert np.array_equal(first, second)


def test_cached_vectors_are_those_of_the_encoder(encoder, cache):
    encode_cached(encoder, TEXTS[:2], cache=cache)

    vectors, _ = encode_cached(encoder, TEXTS, cache=cache)

    assert np.abs(vectors - encoder.encode(TEXTS)).max() < 1e-5


def test_only_new_texts_are_encoded(encoder, cache):
    encode_cached(encoder, TEXTS, cache=cache)

    _, report = encode_cached(encoder, [*TEXTS, "green tea"], cache=cache)

    assert (report.num_encoded, report.num_cached) == (1, 4)


def test_the_share_of_unknown_tokens_survives_in_the_cache(encoder, cache):
    _, first = encode_cached(encoder, TEXTS, cache=cache)
    _, second = encode_cached(encoder, TEXTS, cache=cache)

    assert second.unknown_share == first.unknown_share > 0


@pytest.mark.parametrize("settings", [{"max_tokens": 8}, {"precision": "bf16"}])
def test_another_setting_does_not_read_these_vectors(encoder, cache, settings):
    encode_cached(encoder, TEXTS, cache=cache)
    other = TextEncoder(encoder.model, EncoderConfig(**{"precision": "fp32", "device": "cpu"} | settings))

    _, report = encode_cached(other, TEXTS, cache=cache)

    assert report.num_cached == 0


@pytest.mark.parametrize("damage", [lambda raw: raw[:-7], lambda raw: raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]])
def test_a_damaged_file_is_made_anew_with_a_warning(encoder, cache, caplog, damage):
    expected, _ = encode_cached(encoder, TEXTS, cache=cache)
    [path] = _files(cache)
    path.write_bytes(damage(path.read_bytes()))

    with caplog.at_level(logging.WARNING, logger="encoders.cache"):
        vectors, report = encode_cached(encoder, TEXTS, cache=cache)
    _, again = encode_cached(encoder, TEXTS, cache=cache)

    assert "damaged" in caplog.text
    assert (report.num_encoded, again.num_encoded) == (4, 0)
    assert np.array_equal(vectors, expected)


def test_an_interrupted_run_keeps_what_it_had(encoder, cache, monkeypatch):
    monkeypatch.setattr("encoders.cache.CHUNK_TEXTS", 2)

    def interrupt(step, done, total):
        if done > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_cached(encoder, TEXTS, cache=cache, progress=interrupt)
    _, report = encode_cached(encoder, TEXTS, cache=cache)

    assert (report.num_encoded, report.num_cached) == (2, 2)


def test_progress_counts_over_all_chunks(encoder, cache, monkeypatch):
    monkeypatch.setattr("encoders.cache.CHUNK_TEXTS", 3)
    seen = []

    encode_cached(encoder, TEXTS, cache=cache, progress=lambda step, done, total: seen.append((done, total)))

    assert seen == [(3, 4), (4, 4)]


def test_two_writers_of_the_same_texts_leave_one_file(encoder, cache):
    encoded = encoder.encode_distinct(["milk", "tea"])

    cache.write(encoder, ["milk", "tea"], encoded=encoded)
    cache.write(encoder, ["milk", "tea"], encoded=encoded)

    assert len(_files(cache)) == 1


def test_leftovers_of_a_killed_writer_are_removed_after_a_day(encoder, cache):
    encode_cached(encoder, ["milk"], cache=cache)
    old, young = (_files(cache)[0].with_name(name) for name in ("old.part", "young.part"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * 24 * 3600))

    encode_cached(encoder, ["tea"], cache=cache)

    assert (old.exists(), young.exists()) == (False, True)


def test_a_folder_that_cannot_be_written_is_named(encoder, tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(VectorCacheError, match="cannot be kept"):
        encode_cached(encoder, ["milk"], cache=VectorCache(tmp_path / "file"))


def test_no_text_writes_nothing(encoder, cache):
    vectors, _ = encode_cached(encoder, ["", " "], cache=cache)

    assert not vectors.any()
    assert not _files(cache)
