"""From texts to token ids, the same for training and for the online path. Loads no torch.

This module does not choose a model: the tokenizer comes from the model folder or from an exported encoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64
from tokenizers import Tokenizer

CHUNK = 8192
"""Texts tokenized at a time; bounds the memory of the tokenizer's own objects."""
CHARS_PER_TOKEN = 32
"""Characters read for each token kept; a longer text is cut first, so that its cost is bounded."""


@dataclass(frozen=True, slots=True)
class TokenRows:
    """The token ids of several texts, one after the other."""

    ids: Int32[np.ndarray, " token"]
    """Ids of all texts, special tokens included."""
    starts: Int64[np.ndarray, " bound"]
    """Where each text starts in `ids`, and at last where the last one ends."""
    num_tokens: Int32[np.ndarray, " text"]
    """Tokens of each text, special ones left out."""
    num_unknown: Int32[np.ndarray, " text"]
    """Those of them that the tokenizer does not know."""

    @property
    def lengths(self) -> Int64[np.ndarray, " text"]:
        """Tokens of each text, special ones included."""
        return np.diff(self.starts)


class TextTokenizer:
    """A fast tokenizer that cuts texts to a number of tokens and pads batches on the right."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, *, pad_id: int, unknown_id: int | None) -> None:
        self.max_tokens = max_tokens
        """Tokens of a text that are kept, special ones included."""
        self.pad_id = pad_id
        """Id that fills up shorter texts of a batch."""
        self.unknown_id = unknown_id
        """Id that stands for what the tokenizer does not know; None: it knows everything."""
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._num_special = self._tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def from_text(cls, definition: str, *, max_tokens: int, pad_id: int, unknown_id: int | None) -> "TextTokenizer":
        """Return the tokenizer whose definition is the text of a `tokenizer.json`."""
        return cls(Tokenizer.from_str(definition), max_tokens, pad_id=pad_id, unknown_id=unknown_id)

    @property
    def definition(self) -> str:
        """The tokenizer as the text of a `tokenizer.json`."""
        text: str = self._tokenizer.to_str()
        return text

    def clean(self, text: str) -> str:
        """Return the text as it is tokenized: blanks made one, cut to a bounded length, broken characters replaced."""
        head = " ".join(text.split())[: self.max_tokens * CHARS_PER_TOKEN]
        return head.encode("utf-8", "replace").decode("utf-8")

    def tokenize(self, texts: Sequence[str]) -> TokenRows:
        """Return the ids of cleaned texts, in the order given."""
        rows = [np.zeros(0, np.int32)]
        for first in range(0, len(texts), CHUNK):
            batch = self._tokenizer.encode_batch_fast(list(texts[first : first + CHUNK]))
            rows.extend(np.asarray(encoding.ids, np.int32) for encoding in batch)
        lengths = np.array([len(row) for row in rows[1:]], np.int64)
        unknown = [0 if self.unknown_id is None else int((row == self.unknown_id).sum()) for row in rows[1:]]
        return TokenRows(
            ids=np.concatenate(rows),
            starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
            num_tokens=np.maximum(lengths - self._num_special, 0).astype(np.int32),
            num_unknown=np.array(unknown, np.int32),
        )

    def pad(
        self, rows: TokenRows, which: Int64[np.ndarray, " batch"]
    ) -> tuple[Int64[np.ndarray, "batch token"], Int64[np.ndarray, "batch token"]]:
        """Return the ids of some texts filled up to the longest, and the mask that is 1 where there is a token."""
        lengths = rows.lengths[which]
        mask = (np.arange(lengths.max(initial=0)) < lengths[:, None]).astype(np.int64)
        ids = np.full(mask.shape, self.pad_id, np.int64)
        for row, text in enumerate(which):
            ids[row, : lengths[row]] = rows.ids[rows.starts[text] : rows.starts[text + 1]]
        return ids, mask
