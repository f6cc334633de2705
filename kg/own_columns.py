"""Columns that a shop named itself: which are columns of ours, which become properties, which are left out."""

import re
from collections.abc import Collection, Mapping

from kg.guess import columns_of
from kg.sample import plain_name

OF_PRODUCTS = ("title", "description", "brand", "price", "image_url")
"""Columns of ours that a shop may have under a name of its own."""
_PROPERTY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TAKEN = ("user_id", "product_id", "brand_id", "categories", "created_at", "available")
"""Names that mean something here, and so are no properties of any kind of value."""
_PERSONAL = "name firstname lastname fullname username email mail emailaddress phone phonenumber mobile telephone"
_PERSONAL += " address street birthday dateofbirth birthdate password ipaddress"
"""What says who a user is; nobody needs it to recommend."""


def own_columns(paths: Mapping[str, str], known: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Return what to read of columns that a shop named, and the names that are left out.

    Args:
        paths: by name, where it stands: `GENDER` in `GENDER`, `colour` in `Labels.colour`.
        known: columns of ours that may be among them by the names that they have elsewhere; the others become
            properties.

    Returns:
        Column of the file by column of ours; names that cannot be a property, or are taken.
    """
    named = {theirs: ours for ours, theirs in columns_of(paths).items() if ours in known}
    columns = {ours: paths[theirs] for theirs, ours in named.items()}
    left = []
    for name, path in paths.items():
        if name in named:
            continue
        ours = property_name(name)
        if ours is None or ours in columns or ours in _TAKEN:
            left.append(name)
        else:
            columns[ours] = path
    return columns, left


def property_name(name: str) -> str | None:
    """Return a name as one of a property, `AGE_GROUP` as `age_group`; None where it has no letter of ours."""
    found = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
    return found if _PROPERTY.fullmatch(found) else None


def is_personal(name: str) -> bool:
    """Return whether a column of users says who they are, going by its name."""
    return plain_name(name) in _PERSONAL.split()
