"""Texts a second are measured for every number format, on the same texts, and vectors stay near."""

import json
from pathlib import Path

from bench.encoder import distinct_titles, main
from kg.input_folder import write_folder
from tests.worlds import tiny_shop


def test_every_format_is_timed_beside_the_plain_encoder(tmp_path: Path) -> None:
    out = tmp_path / "encoder.json"

    code = main(["--texts", "20", "--rounds", "1", "--device", "cpu", "--json", str(out)])

    found = json.loads(out.read_text())
    assert (0, 20) == (code, found["num_texts"])
    assert {"plain", "fp32", "bf16"} == set(found["texts_per_s"])
    assert found["min_cosine"]["fp32"] > 0.9999
    assert found["ratio"] == found["texts_per_s"][found["chosen"]] / found["texts_per_s"]["plain"]


def test_texts_of_a_folder_are_the_sentences_of_its_products(tmp_path: Path) -> None:
    write_folder(tiny_shop(), tmp_path)

    texts = distinct_titles(100, tmp_path)

    assert len(texts) == len(set(texts)) > 1
