"""From the cells of a column to typed values: texts, ids, numbers, flags and times, a whole column at once.

Every function takes the checks of a table and refuses there the rows whose cell does not fit; what it returns has a
null for those. Which columns a table must have, and what they refer to, is not decided here.
"""

import html

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kg.errors import TableError
from kg.problems import RowChecks
from kg.raw import RawTable

ID_LIMIT = 200
"""Most characters an id may have."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_PLAIN_INTEGER = r"^-?(0|[1-9]\d{0,17})$"
_PLAIN_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
_ISO_TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?\s?(Z|z|[+-]\d\d(:?\d\d)?)?)?$"
_FLAGS = {"true": True, "t": True, "yes": True, "y": True, "1": True} | {
    "false": False,
    "f": False,
    "no": False,
    "n": False,
    "0": False,
}
_SECONDS_BELOW = 1e11
"""Epoch numbers below this are seconds (the year 5138), the others milliseconds (1973 and later)."""
_EARLIEST_MS = -2_208_988_800_000
_LATEST_MS = 7_258_118_400_000


def text_values(raw: RawTable, name: str) -> pa.Array:
    """Return a column as texts without space around them; empty means null, and so does a column that is not there.

    Raises:
        TableError: the column holds lists, records or bytes.
    """
    if name not in raw.table.column_names:
        return pa.nulls(raw.table.num_rows, pa.string())
    column = raw.table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise TableError(
            f"{raw.file}: column {name!r} holds {column.type}; a property is a text, a number, a time or true/false"
        )
    text = pc.utf8_trim_whitespace(_as_text(column))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def unescape(texts: pa.Array) -> pa.Array:
    """Return the texts with HTML entities (`&amp;`) replaced by the characters they stand for."""
    coded = pc.match_substring(texts, "&").fill_null(False)
    if not coded.true_count:
        return texts
    plain = [html.unescape(text) for text in texts.filter(coded).to_pylist()]
    return pc.replace_with_mask(texts, coded, pa.array(plain, pa.string()))


def check_ids(checks: RowChecks, name: str, *, required: bool = True) -> pa.Array:
    """Return a column of ids: texts without control characters, of at most ID_LIMIT characters."""
    ids = text_values(checks.raw, name)
    if required and ids.null_count:
        checks.refuse(mask_of(ids.is_null()), column=name, reason="is empty; an id is required")
    distinct = ids.dictionary_encode()
    control = _rows_of(distinct, pc.match_substring_regex(distinct.dictionary, r"\p{Cc}"))
    checks.refuse(control, column=name, reason="holds a control character; an id is one line of plain text")
    long = _rows_of(distinct, pc.greater(pc.utf8_length(distinct.dictionary), ID_LIMIT))
    checks.refuse(long, column=name, reason=f"is longer than the {ID_LIMIT} characters an id may have")
    return ids


def check_numbers(checks: RowChecks, name: str, *, minimum: float | None = None) -> pa.Array:
    """Return a column of finite float64 numbers, refusing those below the minimum; null stays null."""
    given = _numeric(checks.raw, name)
    cells = text_values(checks.raw, name) if given is None else given
    numbers = _parse_numbers(cells) if given is None else given
    filled = numbers.to_numpy(zero_copy_only=False)
    present = mask_of(cells.is_valid())
    finite = np.isfinite(filled)
    checks.refuse(present & ~finite, column=name, reason="must be a finite number such as 12.5 or 1e3")
    if minimum is not None:
        low = present & finite & (filled < minimum)
        checks.refuse(low, column=name, reason=f"must be at least {minimum:g}")
    return pa.array(filled, pa.float64(), mask=~(present & finite))


def check_integers(checks: RowChecks, name: str) -> pa.Array:
    """Return a column of int64 numbers; a float without a fraction counts as one, null stays null."""
    numbers = check_numbers(checks, name)
    filled = numbers.fill_null(0.0).to_numpy(zero_copy_only=False)
    broken = (filled != np.floor(filled)) | (np.abs(filled) > 2**53)
    checks.refuse(broken, column=name, reason="must be a whole number")
    return pa.array(np.where(broken, 0, filled).astype(np.int64), mask=mask_of(numbers.is_null()) | broken)


def check_flags(checks: RowChecks, name: str) -> pa.Array:
    """Return a column of flags: true, yes, 1 or false, no, 0 in any case; null stays null."""
    texts = text_values(checks.raw, name).dictionary_encode()
    known = [_FLAGS.get(text.lower()) for text in texts.dictionary.to_pylist()]
    flags = pa.array(known, pa.bool_()).take(texts.indices)
    unknown = mask_of(pc.and_(texts.is_valid(), flags.is_null()))
    checks.refuse(unknown, column=name, reason="must be true or false (also yes, no, 1, 0)")
    return flags


def check_times(checks: RowChecks, name: str, *, seconds: bool | None = None) -> pa.Array:
    """Return a column of times as int64 epoch milliseconds UTC.

    ISO 8601 texts (without a zone: UTC) and epoch numbers are understood; whether numbers are seconds or milliseconds
    is given by `seconds`, or decided by the middle one of the column where that is None. Times outside the years 1900
    to 2199 are refused.
    """
    times = _clock(checks.raw, name, seconds)
    if times is None:
        texts = text_values(checks.raw, name)
        times, present = _parse_times(texts, seconds), mask_of(texts.is_valid())
    else:
        present = mask_of(checks.raw.table[name].is_valid())
    broken = present & np.isnan(times)
    checks.refuse(
        broken, column=name, reason="must be an ISO 8601 time such as 2025-03-01T12:00:00Z, or epoch (milli)seconds"
    )
    known = ~np.isnan(times)
    filled = np.where(known, times, 0.0)
    outside = known & ((filled < _EARLIEST_MS) | (filled >= _LATEST_MS))
    checks.refuse(outside, column=name, reason="is outside the years 1900 to 2199 (epoch seconds or milliseconds?)")
    return pa.array(filled.astype(np.int64), mask=~known | outside)


def epoch_counts(raw: RawTable, name: str) -> tuple[int, int]:
    """Return how many cells of a column of times are epoch numbers, and how many of those would be seconds."""
    numbers = _numeric(raw, name)
    filled = _floats(_parse_numbers(text_values(raw, name)) if numbers is None else numbers)
    finite = filled[np.isfinite(filled)]
    return len(finite), int((np.abs(finite) < _SECONDS_BELOW).sum())


def has_values(raw: RawTable, name: str) -> bool:
    """Return whether any cell of a column holds something; not so where there is no such column."""
    texts = text_values(raw, name)
    return bool(texts.null_count < len(texts))


def property_type(raw: RawTable, name: str) -> pa.DataType | None:
    """Return the type that `check_property` gives a column, None where no cell holds anything."""
    if _is_floating(raw, name):
        return pa.float64()
    return _narrowest(text_values(raw, name).unique().drop_null())


def check_property(checks: RowChecks, name: str, *, kind: pa.DataType | None = None) -> pa.Array:
    """Return a column nobody declared, of a given type or with the narrowest type that fits all its values.

    The same values get the same type from every file format: flags when all are true or false, else whole numbers,
    else numbers, else texts. Texts with a leading zero or plus are texts.
    """
    if _is_floating(checks.raw, name) and kind in (None, pa.float64()):
        return check_numbers(checks, name)
    texts = text_values(checks.raw, name)
    if kind is None:
        kind = _narrowest(texts.unique().drop_null())
    if kind == pa.bool_():
        return pc.equal(pc.utf8_lower(texts), "true")
    if kind is not None and kind != pa.string():
        return texts.cast(kind)
    return texts if name.endswith("url") else unescape(texts)


def _is_floating(raw: RawTable, name: str) -> bool:
    return name in raw.table.column_names and pa.types.is_floating(raw.table[name].type)


def _narrowest(values: pa.Array) -> pa.DataType | None:
    if not len(values):
        return None
    if pc.all(pc.is_in(pc.utf8_lower(values), pa.array(["true", "false"]))).as_py():
        return pa.bool_()
    if pc.all(pc.match_substring_regex(values, _PLAIN_INTEGER)).as_py():
        return pa.int64()
    numbers = pc.all(pc.match_substring_regex(values, _PLAIN_NUMBER)).as_py()
    if numbers and pc.all(pc.is_finite(values.cast(pa.float64()))).as_py():
        return pa.float64()
    return pa.string()


def mask_of(flags: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return Arrow flags as a numpy mask; null counts as False."""
    mask: np.ndarray = flags.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _as_text(column: pa.Array) -> pa.Array:
    kinds = pa.types
    if kinds.is_timestamp(column.type):
        naive = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
        return pc.strftime(naive, format="%Y-%m-%dT%H:%M:%SZ" if column.type.tz else "%Y-%m-%dT%H:%M:%S")
    if kinds.is_floating(column.type):
        filled = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        whole = np.isfinite(filled) & (filled == np.floor(filled)) & (np.abs(filled) < 2**53)
        whole_text = pa.array(np.where(whole, filled, 0).astype(np.int64)).cast(pa.string())
        return pc.if_else(pa.array(whole), whole_text, column.cast(pa.float64()).cast(pa.string()))
    return column.cast(pa.string())


def _rows_of(distinct: pa.DictionaryArray, flags: pa.Array) -> np.ndarray:
    """Return the rows whose distinct value has its flag set."""
    if not len(flags) or not pc.any(flags).as_py():
        return np.zeros(len(distinct), dtype=bool)
    return mask_of(flags.take(distinct.indices))


def _numeric(raw: RawTable, name: str) -> pa.Array | None:
    """Return a column whose file format knows numbers as float64, null for any other."""
    if name not in raw.table.column_names:
        return None
    column = raw.table[name]
    kinds = pa.types
    if kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_decimal(column.type):
        return pa.concat_arrays(column.cast(pa.float64(), safe=False).chunks or [pa.array([], pa.float64())])
    return None


def _parse_numbers(texts: pa.Array) -> pa.Array:
    fits = pc.match_substring_regex(texts, _NUMBER)
    return pc.if_else(fits, texts, pa.scalar(None, pa.string())).cast(pa.float64())


def _clock(raw: RawTable, name: str, seconds: bool | None) -> np.ndarray | None:
    """Return a column whose file format knows times, or numbers, as epoch milliseconds; NaN where null."""
    numbers = _numeric(raw, name)
    if numbers is not None:
        return _epoch_ms(numbers.to_numpy(zero_copy_only=False), seconds)
    if name in raw.table.column_names and pa.types.is_temporal(raw.table[name].type):
        column = raw.table[name].cast(pa.timestamp("ms", getattr(raw.table[name].type, "tz", None)), safe=False)
        return _floats(column.cast(pa.int64()))
    return None


def _floats(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    values: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


def _epoch_ms(numbers: np.ndarray, seconds: bool | None) -> np.ndarray:
    if seconds is None:
        finite = numbers[np.isfinite(numbers)]
        seconds = bool(len(finite) and np.median(np.abs(finite)) < _SECONDS_BELOW)
    if seconds:
        numbers = numbers * 1000.0
    return np.where(np.isfinite(numbers), np.floor(numbers), np.nan)


def _parse_times(texts: pa.Array, seconds: bool | None) -> np.ndarray:
    times = _epoch_ms(_floats(_parse_numbers(texts)), seconds)
    iso = pc.match_substring_regex(texts, _ISO_TIME).fill_null(False)
    if iso.true_count:
        parsed = pd.to_datetime(
            pd.Series(texts.filter(iso).to_numpy(zero_copy_only=False)), format="ISO8601", utc=True, errors="coerce"
        )
        naive = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[ms]")
        times[mask_of(iso)] = np.where(np.isnat(naive), np.nan, naive.astype(np.int64).astype(np.float64))
    return times
