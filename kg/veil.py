"""What is taken out of tables before anybody looks at them: ids of users, e-mail addresses, phone numbers.

It works on tables as they stand in their files, so that whatever is made of them later (ids of events, messages about
bad rows, the quarantine file) holds no more than the graph does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from kg.privacy import Secret
from kg.raw import RawTable
from kg.schema import GraphSchema
from kg.values import text_values

EMAIL, PHONE = "[e-mail]", "[phone]"
_EMAIL = r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}"
_MAYBE_PHONE = r"(?:\d[\s().\-/]*){6}\d"
"""What every phone number matches; the few texts that do are looked at closely."""
_IDS = frozenset({"event_id", "user_id", "product_id", "brand_id", "category_id", "from_id", "to_id", "parent_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Veil:
    """What is hidden."""

    secret: Secret | None = None
    """Makes pseudonyms of users; None: they keep their ids."""
    scrub: bool = False
    """Whether e-mail addresses and phone numbers are replaced in texts."""
    phone_region: str | None = None
    """Country whose phone numbers are known without a prefix; None: numbers with + alone."""

    def over(self, raws: Mapping[str, RawTable], schema: GraphSchema) -> dict[str, RawTable]:
        """Return the tables with everything hidden that is to be.

        Args:
            raws: by name, as they stand in their files.
            schema: says which relations have users at their ends.
        """
        veiled = dict(raws)
        if self.secret is not None:
            veiled = {name: self._with_pseudonyms(raw, schema) for name, raw in veiled.items()}
        if self.scrub:
            keys = _IDS | {kind.key for kind in schema.nodes.values()}
            veiled = {name: _over_texts(raw, keys, self._scrubbed) for name, raw in veiled.items()}
        return veiled

    def _with_pseudonyms(self, raw: RawTable, schema: GraphSchema) -> RawTable:
        if "user_id" in raw.table.column_names:
            raw = _with_column(raw, "user_id", self._pseudonyms(text_values(raw, "user_id")))
        if raw.name != "relations" or "relation" not in raw.table.column_names:
            return raw
        relation = text_values(raw, "relation")
        for end, column in (("source", "from_id"), ("target", "to_id")):
            names = [name for name, kind in schema.relations.items() if getattr(kind, end) == "User"]
            if names and column in raw.table.column_names:
                ids = text_values(raw, column)
                of_user = pc.is_in(relation, value_set=pa.array(names))
                raw = _with_column(raw, column, pc.if_else(of_user, self._pseudonyms(ids), ids))
        return raw

    def _pseudonyms(self, ids: pa.Array) -> pa.Array:
        secret = self.secret
        distinct = ids.dictionary_encode()
        if secret is None:
            return ids
        names = [secret.pseudonym(user_id) for user_id in distinct.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(distinct.indices)

    def _scrubbed(self, texts: pa.Array) -> pa.Array:
        texts = pc.replace_substring_regex(texts, pattern=_EMAIL, replacement=EMAIL)
        maybe = pc.match_substring_regex(texts, pattern=_MAYBE_PHONE).fill_null(False)
        if not pc.any(maybe).as_py():
            return texts
        close = [self._without_phones(text) for text in texts.filter(maybe).to_pylist()]
        return pc.replace_with_mask(texts, maybe, pa.array(close, texts.type))

    def _without_phones(self, text: str) -> str:
        kept, done = [], 0
        for match in phonenumbers.PhoneNumberMatcher(text, self.phone_region):
            kept += [text[done : match.start], PHONE]
            done = match.end
        return "".join([*kept, text[done:]])


def _over_texts(raw: RawTable, keys: frozenset[str], change: Callable[[pa.Array], pa.Array]) -> RawTable:
    """Return a table with its columns of texts changed; ids and lists are left alone."""
    for name in raw.table.column_names:
        kind = raw.table[name].type
        if name not in keys and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            column = raw.table[name].combine_chunks()
            texts = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
            raw = _with_column(raw, name, change(texts))
    return raw


def _with_column(raw: RawTable, name: str, column: pa.Array) -> RawTable:
    place = raw.table.column_names.index(name)
    return replace(raw, table=raw.table.set_column(place, name, column))
