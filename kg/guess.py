"""What the columns of unknown files are, by their names and their values.

Names are compared without case, spaces and marks. Everything found here is a guess: `whycart init` writes it down with
comments, and `whycart validate` says whether it holds.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from kg.event_words import TYPES
from kg.sample import Entry, Sample, plain_name, texts_of

_USER = "user id, user, userid, customer id, customerid, client id, member id, household id, visitor id, visitorid, "
_USER += "user pseudo id, buyer id, shopper id, reviewer id, account id, customer, email, uid"
_PRODUCT = "product id, product, item id, item, itemid, sku, asin, article id, stock code, stockcode, variant sku, "
_PRODUCT += "lineitem sku, goods id, offer id, book id, movie id, isbn, product code, gtin, ean, iid, pid"
_NAMES: Mapping[str, str] = {
    "user_id": _USER,
    "product_id": _PRODUCT,
    "at": "timestamp, at, time, datetime, date, event time, created at, created, order date, invoice date, "
    "purchase date, t dat, unix review time, review time, transaction date, ts, ordered at",
    "type": "event type, event, action, behavior, behaviour, type, interaction, event name, activity",
    "quantity": "quantity, qty, units, count, lineitem quantity, amount of items",
    "value": "rating, score, stars, overall, value, review score",
    "event_id": "event id, eventid, transaction line id",
    "title": "title, name, product name, item name, product title, prod name, productname, description short",
    "description": "description, long description, detail desc, body, product description, details, text",
    "brand": "brand, vendor, manufacturer, store, brand name, maker, producer, label",
    "price": "price, unit price, unitprice, list price, sale price, retail price, variant price",
    "categories": "categories, category, genres, department, product type, product category, category name, "
    "category code, google product category, product group name, section name",
    "image_url": "image url, image, image src, img, picture, image link, thumbnail",
    "available": "available, in stock, availability, is active",
    "created_at": "created at, launch date, release date, first seen, published at",
}
"""Names that columns of ours have elsewhere, the likeliest first."""
_EVENTS = ("user_id", "product_id", "at", "type", "quantity", "value", "event_id")
_PRODUCTS = (
    "product_id",
    "title",
    "description",
    "brand",
    "price",
    "categories",
    "image_url",
    "available",
    "created_at",
)
_FORMATS = (
    *(
        f"{day}{clock}"
        for day in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d")
        for clock in (" %H:%M:%S", " %H:%M", "")
    ),
    *("%Y%m%d", "%m %d, %Y", "%b %d, %Y", "%Y-%m-%d %H:%M:%S UTC"),
)
"""Ways to write a time that are not ISO 8601; where day and month cannot be told apart the day comes first."""
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:?\d\d(:?\d\d([.,]\d+)?)?\s?(Z|z|[+-]\d\d(:?\d\d)?)?)?$"


def guess_entries(samples: Sequence[Sample]) -> tuple[list[Entry], list[str]]:
    """Return entries for what looks like events and products, and notes on what was guessed or left out."""
    entries: list[Entry] = []
    notes: list[str] = []
    for sample in samples:
        found = columns_of(sample.frame.columns)
        if "product_id" not in found:
            continue
        if "user_id" in found:
            entries.append(_events(sample, found, notes))
        # When, in a table of events, is when something was done, and no property of a product.
        of_product = [name for name in _PRODUCTS if name != "created_at" or "user_id" not in found]
        described = {name: found[name] for name in of_product if name in found}
        if len(described) > 1:
            entries.append(_products(sample, described))
    return sorted(entries, key=lambda entry: entry["table"] != "products"), notes


def columns_of(columns: Iterable[object]) -> dict[str, str]:
    """Return which columns of a file are which of ours, by their names: column of the file by column of ours."""
    plain = {plain_name(str(name)): str(name) for name in columns}
    found: dict[str, str] = {}
    for ours, names in _NAMES.items():
        for name in names.split(", "):
            theirs = plain.get(plain_name(name))
            if theirs is not None and theirs not in found.values():
                found[ours] = theirs
                break
    return found


def _events(sample: Sample, found: Mapping[str, str], notes: list[str]) -> Entry:
    columns = {name: found[name] for name in _EVENTS if name in found}
    entry: Entry = sample.base() | {"table": "events", "columns": columns}
    if "type" in columns:
        words = _words(sample.frame[columns["type"]])
        if words:
            entry["words"] = {"type": words}
            left = sorted(set(texts_of(sample.frame[columns["type"]])) - set(words))
            if left:
                notes.append(
                    f"{sample.name}: rows with {columns['type']} {', '.join(left[:5])} are left out; see words"
                )
        else:
            columns.pop("type")
    if "type" not in columns:
        entry["set"] = {"type": "rated" if "value" in columns else "bought"}
        notes.append(f"{sample.name}: every row counts as {entry['set']['type']}, as no column says what was done")
    if "at" in columns:
        entry |= _time(sample, columns["at"], notes)
    return entry


def _products(sample: Sample, columns: dict[str, str]) -> Entry:
    entry: Entry = sample.base() | {"table": "products", "columns": columns}
    if "price" in columns and any(re.search(r"[^0-9.\-]", text) for text in texts_of(sample.frame[columns["price"]])):
        entry["number"] = ["price"]
    if "description" in columns and any("<" in text for text in texts_of(sample.frame[columns["description"]])):
        entry["plain"] = ["description"]
    if "categories" in columns:
        texts = list(texts_of(sample.frame[columns["categories"]]))
        mark = next((mark for mark in ("|", ";", ",") if any(mark in text for text in texts)), "|")
        entry["split"] = {"categories": mark}
    return entry


def _words(values: "pd.Series[Any]") -> dict[str, str]:
    known = {name: ours for ours, names in TYPES.items() for name in names.split()}
    found = {
        text: known.get(text.strip().lower().replace(" ", "_").replace("-", "_"))
        for text in sorted(set(texts_of(values)))
    }
    return {text: ours for text, ours in found.items() if ours is not None}


def _time(sample: Sample, column: str, notes: list[str]) -> Entry:
    """How a time is written, where ours are not written so."""
    texts = list(texts_of(sample.frame[column]))
    numbers = [float(text) for text in texts if re.fullmatch(r"\d+(\.\d+)?", text)]
    if len(numbers) == len(texts) and numbers and not all(len(text) == 8 for text in texts):
        middle = sorted(numbers)[len(numbers) // 2]
        unit = "ns" if middle > 1e17 else "us" if middle > 1e14 else ""
        return {"unit": {"at": unit}} if unit else {}
    if all(re.fullmatch(_ISO, text) for text in texts):
        return {}
    for form in _FORMATS:
        moments = pd.to_datetime(pd.Series(texts), format=form, errors="coerce", utc=True)
        if texts and moments.notna().all():
            if form.startswith(("%d/%m", "%m/%d")):
                notes.append(
                    f"{sample.name}: {column} is read as {form}; say otherwise if the first number is not that"
                )
            return {"format": {"at": form}}
    notes.append(f"{sample.name}: how {column} is written was not found out; say it with format")
    return {}
