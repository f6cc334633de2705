"""Paging through a list that stays whole while models and histories change: a cursor knows what was shown.

A cursor is text that holds a mark of every product of the pages before, so no page repeats one and nothing is kept on
the server. A mark is the CRC-32 of the id (ISO 3309): two products of a catalogue of 50,000 share one with a chance of
1 in 86,000 each, and then the second is left out of the pages after the first.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import UInt32

from cypher.errors import InputError

MAX_SHOWN = 1000
"""Most products that the pages of a list show together."""
MAX_CHARACTERS = 4 + MAX_SHOWN * 4 * 4 // 3
"""Longest cursor."""
_VERSION = "1"
_TEXT = re.compile(rf"{_VERSION}(?:[A-Za-z0-9_-]{{4}})*[A-Za-z0-9_-]{{0,3}}")


def mark_of(product_id: str) -> int:
    """Return the mark of a product."""
    return zlib.crc32(product_id.encode())


def marks_of(product_ids: Iterable[str]) -> UInt32[np.ndarray, " product"]:
    """Return the marks of products."""
    return np.fromiter(map(mark_of, product_ids), dtype=np.uint32)


def write_cursor(shown: Sequence[int]) -> str | None:
    """Return the cursor of the page after these products, None where the list ends with them.

    Args:
        shown: marks of all products so far, in order.
    """
    if not shown or len(shown) >= MAX_SHOWN:
        return None
    held = np.array(shown, dtype="<u4").tobytes()
    return _VERSION + base64.urlsafe_b64encode(held).rstrip(b"=").decode()


def read_cursor(text: str) -> tuple[int, ...]:
    """Return the marks that a cursor holds.

    Raises:
        InputError: no answer came with such a cursor.
    """
    wrong = f"the cursor {text[:40]!r} came with no answer; send next_cursor as it came, or none for the first page"
    if not _TEXT.fullmatch(text) or len(text) > MAX_CHARACTERS:
        raise InputError(wrong)
    padded = text[len(_VERSION) :] + "=" * (-len(text[len(_VERSION) :]) % 4)
    try:
        held = base64.urlsafe_b64decode(padded)
    except binascii.Error as err:
        raise InputError(wrong) from err
    if not held or len(held) % 4 or len(held) // 4 > MAX_SHOWN:
        raise InputError(wrong)
    return tuple(np.frombuffer(held, dtype="<u4").tolist())
