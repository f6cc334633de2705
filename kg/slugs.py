"""Ids made from names: readable, the same on every machine, different for different names.

This module does not know what is named.
"""

import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

_SLUG_LIMIT = 120
_DIGEST_BYTES = 4


def slug_id(names: Sequence[str]) -> str:
    """Return the id of a name, or of a path of names from the root.

    The readable part keeps letters and digits of every script. Names whose readable part says less than the name
    (other case, signs, length) get a short hash of the exact names behind it, so that two names never share an id.

    Example:
        >>> slug_id(["Hair Care", "Combs"])
        'hair-care/combs-41d8af39'
        >>> slug_id(["combs"])
        'combs'
    """
    slug = "/".join(_slug(name) for name in names)
    exact = "/".join(names)
    if slug == exact and len(slug) <= _SLUG_LIMIT and len(names) == 1:
        return slug
    digest = blake2b("\x1f".join(names).encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{slug[:_SLUG_LIMIT].rstrip('-/')}-{digest}"


def _slug(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = "".join(sign if sign.isalnum() else " " for sign in folded).split()
    return "-".join(words) or "x"
