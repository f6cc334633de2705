"""The words of the products: what a title says literally, beside what the encoder makes of its meaning.

Shades, sizes and product lines differ by a word that a sentence vector hardly notices. Words and pairs of words are
weighted by tf-idf; one that only one product has says nothing about others, one that a tenth of them have says little.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from sklearn.feature_extraction.text import TfidfVectorizer

from kg.kernels import NeighbourKernel
from kg.operators import top_k_product
from kg.snapshot import Snapshot

_TOKEN = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]")
"""A run of letters and digits, or one Chinese character; pairs of neighbours make the words of Chinese."""
_MAX_SHARE = 0.1
_MAX_CHARS = 1000


def word_matrix(snapshot: Snapshot) -> sp.csr_array:
    """Return how much each word says about each product; rows of length 1, [product word], float32.

    The text is what the schema declares as a product's text, and the names of its brands.

    Returns:
        A matrix without columns when no two products share a word.
    """
    found = WordModel.fit(snapshot)
    return sp.csr_array((snapshot.num_nodes("Product"), 0), dtype=np.float32) if found is None else found.matrix


@dataclass(frozen=True, slots=True)
class WordModel:
    """How much each word says, learned from the products of one snapshot."""

    matrix: sp.csr_array
    """Of those products; rows of length 1, [product word], float32."""
    vectoriser: TfidfVectorizer

    @classmethod
    def fit(cls, snapshot: Snapshot) -> "WordModel | None":
        """Learn from a snapshot; None when no two products share a word."""
        texts = _texts(snapshot)
        vectoriser = _vectoriser(len(texts))
        try:
            return cls(sp.csr_array(vectoriser.fit_transform(texts)), vectoriser)
        except ValueError:  # nothing is left: no text, or no word that two products share
            return None

    def of_later(self, snapshot: Snapshot) -> sp.csr_array:
        """Return the same of the products that a larger snapshot has at its end: [product word], float32."""
        return sp.csr_array(self.vectoriser.transform(_texts(snapshot)[self.matrix.shape[0] :]))


def _vectoriser(num_texts: int) -> TfidfVectorizer:
    return TfidfVectorizer(
        tokenizer=_tokens,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 2),
        min_df=2,
        max_df=max(_MAX_SHARE, 2.0 / max(1, num_texts)),
        sublinear_tf=True,
        dtype=np.float32,
    )


def nearest_words(words: sp.csr_array, boost: Float[np.ndarray, " product"], *, top_k: int = 100) -> NeighbourKernel:
    """Return the products with the most words in common: the square of their cosine, times a boost of the candidate.

    Args:
        words: what `word_matrix` returns.
        boost: factor of each candidate, for example a power of its popularity.
        top_k: entries kept a row.
    """
    cosine = top_k_product(words, sp.csr_array(words.T), top_k=top_k)
    squared = sp.csr_array(cosine.power(2) @ sp.diags_array(boost.astype(np.float32)), dtype=np.float32)
    return NeighbourKernel("words", squared)


def _texts(snapshot: Snapshot) -> list[str]:
    table = snapshot.nodes["Product"]
    columns = [name for name in snapshot.schema.nodes["Product"].text if name in table.column_names]
    texts = [""] * table.num_rows
    for name in columns:
        texts = _joined(texts, table[name].to_pylist())
    brands = snapshot.nodes["Brand"]
    if "name" in brands.column_names:
        names, edges = brands["name"].to_pylist(), snapshot.edges["MADE_BY"]
        for product, brand in zip(edges.source.tolist(), edges.target.tolist(), strict=True):
            texts[product] = f"{texts[product]} {names[brand] or ''}"
    return texts


def _joined(texts: Iterable[str], values: Iterable[object]) -> list[str]:
    return [
        f"{text} {'' if value is None else str(value)[:_MAX_CHARS]}" for text, value in zip(texts, values, strict=True)
    ]


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(html.unescape(text).lower())
