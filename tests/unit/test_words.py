"""The words of products: tf-idf against loops, what counts as a word, and neighbours against the naive cosine."""

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.words import nearest_words, word_matrix
from kg.schema import GraphSchema, declare
from kg.snapshot import Snapshot, build_snapshot
from tests.worlds import make_tables

TITLES = [
    "Green tea, loose leaf",
    "Green tea in bags",
    "Black tea in bags",
    "Loose leaf black tea, 100g",
    "Espresso beans 100g",
    "Espresso beans, dark",
    "A mug",
    "Dark chocolate",
]
FILLER = [f"unlike{number} anything{number}" for number in range(72)]
"""Products that share no word with any other: among eighty, a word of eight is still one of few."""


def shop(
    titles: list[str | None], *, brands: dict[int, str] | None = None, schema: GraphSchema | None = None, **more: Any
) -> Snapshot:
    """Return a shop of products with titles; `brands` names the brand of some, `more` gives further columns."""
    kinds = schema or GraphSchema()
    products = [f"p{number:03d}" for number in range(len(titles))]
    nodes: dict[str, list[dict[str, Any]]] = {
        "Product": [
            {"product_id": key, "title": title} | {name: column[row] for name, column in more.items()}
            for row, (key, title) in enumerate(zip(products, titles, strict=True))
        ],
        "Brand": [{"brand_id": name.lower(), "name": name} for name in sorted(set((brands or {}).values()))],
    }
    edges = {"MADE_BY": [(products[row], name.lower()) for row, name in (brands or {}).items()]}
    return build_snapshot(make_tables(kinds, nodes, edges=edges, events=[]))


def slow_terms(text: str) -> list[str]:
    """Words and pairs of neighbouring words; a letter or a digit is what Python says it is."""
    words = "".join(sign if sign.isalnum() else " " for sign in text.lower()).split()
    return [*words, *(f"{first} {second}" for first, second in pairwise(words))]


def slow_vectors(texts: list[str]) -> list[dict[str, float]]:
    """Tf-idf by the textbook of scikit-learn: (1 + log tf) * (1 + log((1 + n) / (1 + df))), rows of length 1."""
    counts = [Counter(slow_terms(text)) for text in texts]
    among = Counter(term for count in counts for term in count)
    known = {term for term, df in among.items() if 2 <= df <= max(0.1 * len(texts), 2)}
    vectors = []
    for count in counts:
        weights = {
            term: (1 + math.log(times)) * (1 + math.log((1 + len(texts)) / (1 + among[term])))
            for term, times in count.items()
            if term in known
        }
        length = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
        vectors.append({term: weight / length for term, weight in weights.items()})
    return vectors


def slow_cosine(texts: list[str]) -> np.ndarray:
    vectors = slow_vectors(texts)
    return np.array(
        [[sum(value * right.get(term, 0.0) for term, value in left.items()) for right in vectors] for left in vectors]
    )


@pytest.mark.parametrize("texts", [TITLES, TITLES + FILLER, ["tea tea tea", "tea", "tea cake", *FILLER]])
def test_the_words_of_two_products_are_as_alike_as_the_naive_cosine_says(texts: list[str]) -> None:
    words = word_matrix(shop(list(texts)))

    np.testing.assert_allclose(slow_cosine(texts), (words @ words.T).toarray(), atol=1e-6)
    assert len({term for vector in slow_vectors(texts) for term in vector}) == words.shape[1]


def test_every_row_has_length_one_or_is_empty() -> None:
    words = word_matrix(shop([*TITLES, *FILLER]))

    lengths = np.sqrt(np.asarray(words.power(2).sum(axis=1)).ravel())
    assert {0.0, 1.0} == set(np.round(lengths, 5).tolist())
    assert np.float32 == words.dtype


def test_html_entities_are_the_signs_they_stand_for() -> None:
    words = word_matrix(shop(["Marks &amp; co caf&eacute;", "marks & co café", "quot amp eacute", *FILLER]))

    cosine = (words @ words.T).toarray()
    assert pytest.approx(1.0) == cosine[0, 1]
    assert 0.0 == cosine[0, 2]


def test_the_words_of_chinese_are_pairs_of_neighbouring_signs() -> None:
    """红茶 (black tea) is in both, although no space stands around it; 茶红 is another word."""
    words = word_matrix(shop(["大红茶", "红茶杯", "茶红", *FILLER]))

    cosine = (words @ words.T).toarray()
    assert cosine[0, 1] > cosine[0, 2] > 0
    assert cosine[0, 1] > cosine[1, 2] > 0


def test_case_and_underscores_make_no_other_word() -> None:
    words = word_matrix(shop(["Dark_Roast", "dark ROAST", *FILLER]))

    assert pytest.approx(1.0) == (words @ words.T).toarray()[0, 1]


def test_the_brand_and_every_declared_text_are_read() -> None:
    schema = declare(GraphSchema(), {"graph": {"nodes": {"Product": {"text": ["title", "notes"]}}}}, where="test")
    titles = ["one", "two", "three", "four", *FILLER]
    notes = [None, "smoky", "smoky", None, *[None] * len(FILLER)]

    words = word_matrix(shop(titles, brands={0: "Acme", 1: "Acme"}, schema=schema, notes=notes))

    cosine = (words @ words.T).toarray()
    assert 0 < cosine[0, 1] < 1, "by the brand"
    assert 0 < cosine[1, 2] < 1, "by the notes"
    assert 0.0 == cosine[0, 2]


def test_a_word_that_many_products_have_says_nothing() -> None:
    titles = [f"tea {'strong' if number < 5 else ''} unlike{number}" for number in range(60)]
    words = word_matrix(shop(titles))

    cosine = (words @ words.T).toarray()

    assert pytest.approx(1.0) == cosine[0, 1]
    assert (0.0, 0.0) == (cosine[0, 30], cosine[30, 31])


@pytest.mark.parametrize("titles", [[None, None, None], ["one", "two", "three"], ["", " ", "!?"], []], ids=str)
def test_without_a_word_that_two_products_share_there_is_no_column(titles: list[str | None]) -> None:
    words = word_matrix(shop(titles))

    assert ((len(titles), 0), np.float32) == (words.shape, words.dtype)


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    words = word_matrix(shop(["start " + "x" * 1000 + " end", "start", "end", *FILLER]))

    cosine = (words @ words.T).toarray()
    assert cosine[0, 1] > 0
    assert 0.0 == cosine[0, 2]


@pytest.mark.parametrize("top_k", [1, 3, 100])
def test_the_nearest_words_are_those_of_the_squared_naive_cosine_times_the_boost(top_k: int) -> None:
    texts = TITLES + FILLER
    boost = np.random.default_rng(0).random(len(texts)).astype(np.float32) + 0.5
    cosine = slow_cosine(texts)
    np.fill_diagonal(cosine, 0.0)

    kernel = nearest_words(word_matrix(shop(list(texts))), boost, top_k=top_k)

    found = kernel.matrix.toarray()
    assert ("words", np.float32) == (kernel.name, kernel.matrix.dtype)
    for row, near in enumerate(cosine):
        assert min(top_k, int((near > 0).sum())) == int((found[row] > 0).sum())
        strongest = sorted(near.tolist(), reverse=True)[:top_k]
        kept = [near[column] for column in np.flatnonzero(found[row])]
        np.testing.assert_allclose(strongest[: len(kept)], sorted(kept, reverse=True), atol=1e-6)
        for column in np.flatnonzero(found[row]):
            assert pytest.approx(near[column] ** 2 * boost[column], rel=1e-4) == found[row, column]


def test_products_without_words_have_no_neighbours() -> None:
    kernel = nearest_words(sp.csr_array((4, 0), dtype=np.float32), np.ones(4, dtype=np.float32))

    assert ((4, 4), 0) == (kernel.matrix.shape, kernel.matrix.nnz)
