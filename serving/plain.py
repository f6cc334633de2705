"""Plain text: one line without signs that steer a terminal or a page, and short ways to say a long title.

Nothing is escaped here: who writes text into HTML, SQL or a shell escapes it there.
"""

import re
import unicodedata

_STEERING = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Signs without a shape: bidirectional marks, overrides and isolates, soft hyphens, tags, halves of surrogate pairs."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ELLIPSIS = "…"
_JOINERS = "\u200d\ufe0e\ufe0f"


def plain(text: str) -> str:
    """Return text on one line: control characters become spaces, several spaces one, steering signs disappear.

    Example:
        >>> plain("Green\\ttea\\u202e")
        'Green tea'
    """
    if text.isprintable() and "  " not in text and text == text.strip():
        return text  # most are: a printable text has none of these signs
    return " ".join(_STEERING.sub("", _CONTROL.sub(" ", text)).split())


def shorten(text: str, most: int) -> str:
    """Return text of at most so many characters: cut after a word where there is one, and marked by an ellipsis.

    Args:
        text: on one line.
        most: characters of the result, the ellipsis included; at least 1.

    Example:
        >>> shorten("Loose leaf black tea", 12)
        'Loose leaf…'
    """
    if len(text) <= most:
        return text
    end = most - len(_ELLIPSIS)
    space = text.rfind(" ", 0, end + 1)
    if 2 * space > end:
        end = space
    while end and (unicodedata.combining(text[end]) or text[end] in _JOINERS or text[end - 1] == _JOINERS[0]):
        end -= 1
    return text[:end].rstrip(" ,;:.-–—") + _ELLIPSIS
