"""Which layout foreign files are in: the ones that many people have are known, others are guessed by names and values.

A layout gives `[[input]]` entries (`kg.foreign_entry`) as plain values. Only the first rows of each file are
read, but for the types of events where a layout leaves them to the shop.
"""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kg.errors import TableError
from kg.gorse_layout import find_gorse
from kg.guess import guess_entries
from kg.personalize_layout import find_personalize
from kg.sample import Entry, Found, Kind, Sample, take_sample

_OF_FILE: Sequence[str] = ("file", "names", "delimiter", "encoding", "explode")
"""Words of an entry that are about the file, whatever is read of it."""
_U_ITEM = ["item", "title", "date", "video_date", "url", *(f"genre{number}" for number in range(19))]


@dataclass(frozen=True, slots=True)
class Guess:
    """What files seem to be."""

    layout: str
    """In words: `MovieLens`."""
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = field(default=())
    """What to look at, because it was guessed or because nothing was found."""
    kinds: tuple[Kind, ...] = field(default=())
    """What entries name that is not built in, so that it has to be declared."""


def recognise(paths: Sequence[Path]) -> Guess:
    """Return what files seem to be, all in one folder.

    Raises:
        TableError: a file cannot be read, they lie in several folders, or nothing of a shop was found in them.
    """
    folders = {path.absolute().parent for path in paths}
    if len(folders) > 1:
        raise TableError("the files lie in several folders; put them into one, as whycart.toml stands beside them")
    samples = [take_sample(path) for path in paths]
    for name, find in _LAYOUTS.items():
        found = [one for sample in samples for one in find(sample, samples)]
        if found:
            return _guess(name, found, samples)
    entries, guessed = guess_entries(samples)
    if not entries:
        names = ", ".join(sample.name for sample in samples)
        raise TableError(
            f"no column of {names} looks like users and products; write [[input]] by hand, see docs/foreign-files.md"
        )
    return Guess(
        "no layout that is known: guessed", tuple(_with_products(entries)), (*guessed, *_notes(entries, samples))
    )


def _guess(layout: str, found: Sequence[Found], samples: Sequence[Sample]) -> Guess:
    entries = [one for one in found if isinstance(one, dict)]
    kinds = {one.section: one for one in found if isinstance(one, Kind)}
    notes = (*(one for one in found if isinstance(one, str)), *_notes(entries, samples))
    return Guess(layout, tuple(_with_products(entries)), notes, tuple(kinds.values()))


def _with_products(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries, and then products of events, as a list of products is seldom complete; what it says comes first."""
    yield from entries
    for entry in entries:
        if entry["table"] == "events":
            kept: Entry = {name: entry[name] for name in _OF_FILE if name in entry}
            yield kept | {"table": "products", "columns": {"product_id": entry["columns"]["product_id"]}}


def _notes(entries: Sequence[Entry], samples: Sequence[Sample]) -> Iterator[str]:
    tables = {entry["table"] for entry in entries}
    if "events" not in tables:
        yield "no file holds events (who did what with which product): add one, as a shop without events learns nothing"
    used = {name for entry in entries for name in (entry["file"], *(other["file"] for other in entry.get("join", ())))}
    for sample in samples:
        if not any(fnmatch.fnmatch(sample.name, name) for name in used):
            yield f"{sample.name} is not used: nothing in it was recognised"


# Layouts that many people have. Each gives what is found in one file, seen beside the others.


def _movielens(sample: Sample, _: Sequence[Sample]) -> Iterator[Entry]:
    if sample.has("userId", "movieId", "rating", "timestamp"):
        yield sample.base() | _rated("userId", "movieId", "rating", "timestamp")
    elif sample.has("movieId", "title", "genres"):
        columns = {"product_id": "movieId", "title": "title", "categories": "genres"}
        yield sample.base() | {"table": "products", "columns": columns, "split": {"categories": "|"}}
    elif sample.name in ("ratings.dat", "u.data"):
        names = {"names": ["user", "item", "rating", "time"]}
        yield sample.base() | names | _rated("user", "item", "rating", "time")
    elif sample.name == "movies.dat":
        columns = {"product_id": "item", "title": "title", "categories": "genres"}
        names = {"names": ["item", "title", "genres"]}
        yield sample.base() | names | {"table": "products", "columns": columns, "split": {"categories": "|"}}
    elif sample.name == "u.item":
        yield sample.base() | {
            "names": _U_ITEM,
            "table": "products",
            "columns": {"product_id": "item", "title": "title"},
        }


def _amazon(sample: Sample, _: Sequence[Sample]) -> Iterator[Entry]:
    if sample.has("reviewerID", "asin", "overall"):
        yield sample.base() | _rated("reviewerID", "asin", "overall", "unixReviewTime")
    elif sample.has("user_id", "parent_asin", "rating"):
        yield sample.base() | _rated("user_id", "parent_asin", "rating", "timestamp")
    elif not sample.has_header and sample.frame.shape[1] == 4 and sample.name.lower().startswith("ratings_"):
        names = {"names": ["user", "item", "rating", "time"]}
        yield sample.base() | names | _rated("user", "item", "rating", "time")
    elif sample.has("asin", "title") or sample.has("parent_asin", "title"):
        yield from _amazon_products(sample)


def _amazon_products(sample: Sample) -> Iterator[Entry]:
    key = "parent_asin" if sample.has("parent_asin") else "asin"
    known = {"title": "title", "brand": "brand", "store": "brand", "price": "price"}
    columns = {"product_id": key} | {ours: theirs for theirs, ours in known.items() if sample.has(theirs)}
    entry: Entry = sample.base() | {"table": "products", "columns": columns}
    if "price" in columns:
        entry["number"] = ["price"]
    listed = next((name for name in ("categories", "category") if sample.has(name)), None)
    if listed is not None:
        columns["categories"] = listed
        entry["chain"] = ["categories"]
    yield entry
    relations = {"also_buy": "ALSO_BOUGHT", "also_view": "ALSO_VIEWED", "bought_together": "BOUGHT_TOGETHER"}
    for theirs, ours in relations.items():
        if sample.has(theirs):
            ends = {"from_id": key, "to_id": theirs}
            entry = sample.base() | {"table": "relations", "explode": theirs, "columns": ends}
            yield entry | {"set": {"relation": ours}, "known": True}


def _retailrocket(sample: Sample, others: Sequence[Sample]) -> Iterator[Entry]:
    if sample.has("timestamp", "visitorid", "event", "itemid"):
        columns = {"user_id": "visitorid", "product_id": "itemid", "type": "event", "at": "timestamp"}
        words = {"type": {"view": "viewed", "addtocart": "carted", "transaction": "bought"}}
        yield sample.base() | {"table": "events", "columns": columns, "words": words}
    elif sample.has("timestamp", "itemid", "property", "value"):
        parts = [other.name for other in others if other.has("timestamp", "itemid", "property", "value")]
        if sample.name != parts[0]:
            return
        name = sample.name if len(parts) == 1 else re.sub(r"\d+(?=\.)", "*", sample.name)
        yield sample.base() | {
            "file": name,
            "table": "products",
            "columns": {"product_id": "itemid", "categories": "value"},
            "where": {"property": "categoryid"},
            "latest": {"of": "itemid", "by": "timestamp"},
            "split": {"categories": "|"},
        }
    elif sample.has("categoryid", "parentid"):
        yield sample.base() | {
            "table": "categories",
            "columns": {"category_id": "categoryid", "parent_id": "parentid"},
        }


def _instacart(sample: Sample, others: Sequence[Sample]) -> Iterator[Entry]:
    if sample.has("order_id", "product_id", "add_to_cart_order"):
        orders = next(
            (other.name for other in others if other.has("order_id", "user_id", "order_number")), "orders.csv"
        )
        columns = {"user_id": "user_id", "product_id": "product_id", "position": "order_number"}
        join = [{"file": orders, "on": "order_id"}]
        yield sample.base() | {"table": "events", "join": join, "columns": columns, "set": {"type": "bought"}}
    elif sample.has("product_id", "product_name", "aisle_id", "department_id"):
        beside = {"aisle": ("aisle_id", "aisle"), "department": ("department_id", "department")}
        join, path = [], []
        for column, names in sorted(beside.items(), reverse=True):
            other = next((one.name for one in others if one.has(*names) and not one.has("product_id")), None)
            if other is not None:
                join.append({"file": other, "on": names[0]})
                path.append(column)
        columns = {"product_id": "product_id", "title": "product_name"}
        found: Entry = sample.base() | {"table": "products", "columns": columns}
        yield found | ({"join": join, "paths": {"categories": path}} if join else {})


def _shopify(sample: Sample, _: Sequence[Sample]) -> Iterator[Entry]:
    if not sample.has("Handle", "Title", "Vendor"):
        return
    known = {
        "title": "Title",
        "description": "Body (HTML)",
        "brand": "Vendor",
        "price": "Variant Price",
        "image_url": "Image Src",
        "available": "Status",
    }
    columns = {"product_id": "Handle"} | {ours: theirs for ours, theirs in known.items() if sample.has(theirs)}
    entry: Entry = sample.base() | {"table": "products", "columns": columns}
    kind = next(
        (name for name in ("Product Category", "Type") if sample.has(name) and sample.frame[name].notna().any()), ""
    )
    if kind:
        columns["categories"] = kind
        entry["split"] = {"categories": "|"}
    if "description" in columns:
        entry["plain"] = ["description"]
    if "available" in columns:
        # Rows after the first of a product have no status: nothing, and not "not available".
        entry["words"] = {"available": {"active": "true", "draft": "false", "archived": "false"}}
        entry["optional"] = ["available"]
    yield entry


def _ga4(sample: Sample, _: Sequence[Sample]) -> Iterator[Entry]:
    if not sample.has("event_name", "event_timestamp", "items"):
        return
    columns = {
        "user_id": "user_id" if sample.has("user_id") and sample.frame["user_id"].notna().all() else "user_pseudo_id",
        "product_id": "items.item_id",
        "type": "event_name",
        "at": "event_timestamp",
        "quantity": "items.quantity",
    }
    words = {"type": {"view_item": "viewed", "add_to_cart": "carted", "purchase": "bought"}}
    base = sample.base() | {"explode": "items"}
    yield base | {"table": "events", "columns": columns, "words": words, "unit": {"at": "us"}}
    of_product = {"product_id": "items.item_id", "title": "items.item_name", "brand": "items.item_brand"}
    levels = [f"items.item_category{number or ''}" for number in (0, 2, 3)]
    of_product["price"] = "items.price"
    yield base | {"table": "products", "columns": of_product, "paths": {"categories": levels}}


def _rated(user: str, product: str, value: str, at: str) -> Entry:
    columns = {"user_id": user, "product_id": product, "value": value, "at": at}
    return {"table": "events", "columns": columns, "set": {"type": "rated"}}


_LAYOUTS: Mapping[str, Callable[[Sample, Sequence[Sample]], Iterator[Found]]] = {
    "Amazon reviews": _amazon,
    "MovieLens": _movielens,
    "RetailRocket": _retailrocket,
    "Instacart": _instacart,
    "Shopify product export": _shopify,
    "GA4 events export": _ga4,
    "Gorse": find_gorse,
    "Amazon Personalize": find_personalize,
}
"""In this order; the first one that knows any of the files is taken."""
EVERY_LAYOUT = tuple(_LAYOUTS)
"""Names of the layouts that are known."""
