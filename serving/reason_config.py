"""What the shop allows its reasons to say, and in which words."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kg.schema import GraphSchema
from serving.errors import ConfigError, UnknownLanguage
from serving.language import OPEN, REFERENCE, forms, known_languages, match_language, placeholders, read_messages
from serving.plain import plain
from serving.sections import reject_unknown
from serving.settings import Settings

_PLACE = re.compile(r"\{[^{}]*\}|[{}]")
"""A placeholder, or a brace that belongs to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonConfig:
    """Bounds of reasons: what they may name, how many people stand behind them, and the words they are told in."""

    min_supporters: int = 2
    """Other customers that a path over people needs at least; 2 or more."""
    count_from: int = 20
    """Other customers from which on their number is said."""
    max_members_share: float = 0.25
    """A brand, category or other entity with more than this share of the catalogue says too little to be a reason."""
    min_share: float = 0.01
    """Part of an item's score that must rest on a path at least; 0 or more, below 1."""
    never_mention: tuple[str, ...] = ()
    """Categories, by id or name, that no reason says; nor does any name a product in or below them."""
    language: str = REFERENCE
    """Language of reasons where a request names none, as a BCP 47 tag: en, en-GB, zh."""
    wording: Mapping[str, Mapping[str, str | tuple[str, ...]]] = field(default_factory=dict)
    """The shop's own words: a table a language, such as [reasons.wording.en], of texts by message key."""

    def __post_init__(self) -> None:
        if self.min_supporters < 2:
            raise ConfigError(
                f"[reasons] min_supporters must be at least 2, got {self.min_supporters}: a path over one customer "
                "would tell what this customer did"
            )
        if self.count_from < self.min_supporters:
            raise ConfigError(
                f"[reasons] count_from must be at least min_supporters ({self.min_supporters}), got {self.count_from}"
            )
        if not 0 < self.max_members_share <= 1:
            raise ConfigError(
                f"[reasons] max_members_share must be above 0 and at most 1, got {self.max_members_share}"
            )
        if not 0 <= self.min_share < 1:
            raise ConfigError(f"[reasons] min_share must be 0 or more and below 1, got {self.min_share}")
        try:
            match_language(self.language, known_languages())
        except UnknownLanguage as err:
            raise ConfigError(f"[reasons] language: {err}") from err
        _check_wording(self.wording)


def read_reasons(settings: Settings) -> ReasonConfig:
    """Return the section `reasons` of a project, its words for declared kinds checked against those there are.

    Raises:
        ConfigError: a value that cannot be used, or words for an event type or relation that the shop does not have.
    """
    config = settings.section("reasons", ReasonConfig)
    for language, texts in config.wording.items():
        known = {*_keys(settings.schema), *read_messages(REFERENCE)}
        given = [key for key in texts if key.startswith(tuple(OPEN))]
        reject_unknown(given, known, where=f"[reasons.wording.{language}]")
    return config


def _keys(schema: GraphSchema) -> set[str]:
    """Keys that the event types and relations of a shop complete."""
    ends = {start: schema.relations if start == "relation_" else schema.events for start in OPEN}
    return {f"{start}{name.lower()}" for start, names in ends.items() for name in names}


def _check_wording(wording: Mapping[str, Mapping[str, str | tuple[str, ...]]]) -> None:
    if not wording:
        return
    reject_unknown(list(wording), known_languages(), where="[reasons.wording]")
    allowed = {key: set[str]().union(*map(placeholders, texts)) for key, texts in read_messages(REFERENCE).items()}
    for language, texts in wording.items():
        where = f"[reasons.wording.{language}]"
        reject_unknown([key for key in texts if not key.startswith(tuple(OPEN))], list(allowed), where=where)
        there = read_messages(language)
        for key, given in texts.items():
            start = next((start for start in OPEN if key.startswith(start)), "")
            number = len(there.get(key, ("",)))
            _check_text(f"{where} {key}", given, allowed=allowed.get(key, OPEN.get(start, ())), number=number)


def _check_text(where: str, given: str | tuple[str, ...], *, allowed: Collection[str], number: int) -> None:
    """Refuse a text that a sentence cannot be made of.

    Args:
        where: names the key.
        given: one text for every number, or one for each plural form.
        allowed: placeholders that are filled.
        number: plural forms that the message has in its language.
    """
    texts = forms(given)
    if not isinstance(given, str) and len(texts) != number:
        raise ConfigError(
            f"{where} takes one text, or a list of {number} in the order of the plural forms, got {given}"
        )
    for text in texts:
        if not text or text != plain(text):
            raise ConfigError(f"{where} must be one line of text without control characters, got {text!r}")
        for name in _PLACE.findall(text):
            if name.strip("{}") not in allowed or name[0] + name[-1] != "{}":
                shown = ", ".join(f"{{{one}}}" for one in sorted(allowed)) or "none"
                raise ConfigError(f"{where}: unknown placeholder {name}; there are: {shown}")
