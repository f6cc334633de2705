"""The languages that reasons are told in, and the shop's own words.

A language is one message catalogue, `serving/languages/TAG.po`. A message has a key and a text with named placeholders
such as `{count}`; English has every key. Plural rules come from the catalogue, numbers and dates from the CLDR (by
babel). Which message says what is `serving.words`'.
"""

import functools
import importlib.resources
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import babel
from babel.core import UnknownLocaleError
from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from serving.errors import UnknownLanguage

Wording = Mapping[str, Mapping[str, str | tuple[str, ...]]]
"""The shop's own texts: by language, by key; a counted message has one text or one for each plural form."""
REFERENCE = "en"
"""The language that has every key, and that stands in where another has none."""
OPEN = {
    "you_": frozenset({"product", "event"}),
    "because_": frozenset({"product", "event"}),
    "event_": frozenset(),
    "relation_": frozenset({"name"}),
}
"""Beginnings of keys that a shop completes by an event type or relation, and the placeholders these may have."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TAG = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a text with its placeholders filled, in one pass: a value that holds braces stays as it is.

    Example:
        >>> fill("You bought {product}", {"product": "{count} %s"})
        'You bought {count} %s'
    """
    pieces = list(_pieces(template))
    if len(pieces) == 1:
        return template
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        pieces[place] = values.get(name, f"{{{name}}}")
    return "".join(pieces)


@functools.lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[str, ...]:
    """A text cut at its placeholders: text and name in turn, text at both ends."""
    return tuple(_PLACEHOLDER.split(template))


def placeholders(template: str) -> set[str]:
    """Return the names of the placeholders of a text."""
    return set(_PLACEHOLDER.findall(template))


@dataclass(frozen=True, slots=True)
class Language:
    """The messages of one language, and how it writes numbers and dates."""

    tag: str
    """Name of the catalogue: `en`."""
    locale: babel.Locale
    """Conventions for numbers and dates; may have a territory that the catalogue has not."""
    texts: Translations
    own: frozenset[str]
    """Keys that the shop has its own words for."""

    def has(self, key: str) -> bool:
        """Return whether there is a text, be it the English one."""
        return bool(_message(self.texts, key) != key)

    def text(self, key: str, values: Mapping[str, str] | None = None) -> str:
        """Return a message with its placeholders filled."""
        return fill(_message(self.texts, key), values or {})

    def counted(self, key: str, count: int, values: Mapping[str, str]) -> str:
        """Return a message in the plural form of a number, which fills `{count}`."""
        number = _number(count, self.locale)
        return fill(self.texts.ngettext(key, key, count), {**values, "count": number})

    def date(self, at_ms: int) -> str:
        """Return the day, in UTC, of epoch milliseconds in words."""
        return _day(datetime.fromtimestamp(at_ms / 1000, UTC).date(), self.locale)


class Languages:
    """Every language there is, with the shop's own words; made once and then only read."""

    def __init__(self, wording: Wording) -> None:
        """Read the catalogues.

        Args:
            wording: the shop's own texts, checked before by `check_wording`.
        """
        english = _compile(REFERENCE, wording.get(REFERENCE, {}))
        self._languages = {REFERENCE: english}
        for tag in known_languages():
            if tag != REFERENCE:
                language = _compile(tag, wording.get(tag, {}))
                language.texts.add_fallback(english.texts)
                self._languages[tag] = language

    def find(self, tag: str) -> Language:
        """Return the language that answers to a BCP 47 tag: `zh-CN` is told in `zh`, with dates as in China.

        Raises:
            UnknownLanguage: no catalogue fits.
        """
        language = self._languages[match_language(tag, self._languages)]
        return Language(language.tag, _conventions(tag) or language.locale, language.texts, language.own)


def known_languages() -> list[str]:
    """Return the tag of every language that has a catalogue, sorted."""
    names = [entry.name for entry in (importlib.resources.files("serving") / "languages").iterdir()]
    return sorted(name.removesuffix(".po") for name in names if name.endswith(".po"))


def match_language(tag: str, known: Collection[str]) -> str:
    """Return the language of `known` that fits a BCP 47 tag best.

    Raises:
        UnknownLanguage: none fits, or it is no tag.
    """
    found = babel.negotiate_locale([tag.replace("_", "-")], known, sep="-") if _TAG.fullmatch(tag) else None
    if found is None:
        raise UnknownLanguage(f"reasons are not told in language {tag[:40]!r}; there are: {', '.join(sorted(known))}")
    return next(name for name in known if name.casefold() == found.casefold())


def read_catalogue(tag: str) -> Catalog:
    """Return the message catalogue of a language as it is in the package."""
    with (importlib.resources.files("serving") / "languages" / f"{tag}.po").open("rb") as file:
        return read_po(file, locale=tag.replace("-", "_"), abort_invalid=True)


def read_messages(tag: str) -> dict[str, tuple[str, ...]]:
    """Return the texts of every translated message of a language by key, one for each plural form."""
    return {
        forms(message.id)[0]: forms(message.string or "")
        for message in read_catalogue(tag)
        if message.id and not message.fuzzy and all(forms(message.string or ""))
    }


def forms(message: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return the texts of a message, one for each plural form; most have one."""
    return (message,) if isinstance(message, str) else tuple(message)


@functools.lru_cache(maxsize=4096)
def _message(texts: Translations, key: str) -> str:
    """A message of a catalogue, or the key where it has none."""
    return str(texts.gettext(key))


@functools.lru_cache(maxsize=256)
def _conventions(tag: str) -> babel.Locale | None:
    """What the CLDR knows of a tag, None for nothing; looking it up takes longer than many a recommendation."""
    try:
        return babel.Locale.parse(tag.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        return None


@functools.lru_cache(maxsize=4096)
def _number(count: int, locale: babel.Locale) -> str:
    """A whole number as a language writes it."""
    return format_decimal(count, locale=locale)


@functools.lru_cache(maxsize=4096)
def _day(day: date, locale: babel.Locale) -> str:
    """A day as a language writes it."""
    return format_date(day, format="long", locale=locale)


def _compile(tag: str, own: Mapping[str, str | tuple[str, ...]]) -> Language:
    catalogue = read_catalogue(tag)
    for key, given in own.items():
        message = catalogue.get(key)
        if message is None:
            catalogue.add(key, str(given))
        elif message.pluralizable:
            message.string = forms(given) if not isinstance(given, str) else (given,) * catalogue.num_plurals
        else:
            message.string = str(given)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language(tag, babel.Locale.parse(tag, sep="-"), Translations(compiled), frozenset(own))
