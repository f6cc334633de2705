"""Message catalogues: complete in every language, found by tag, and filled without reading values as templates."""

import gettext
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import UnknownLanguage
from serving.language import (
    REFERENCE,
    Languages,
    fill,
    known_languages,
    match_language,
    placeholders,
    read_catalogue,
    read_messages,
)
from serving.plain import plain, shorten

OTHERS = [tag for tag in known_languages() if tag != REFERENCE]
ENGLISH = read_messages(REFERENCE)


def test_there_are_english_and_chinese() -> None:
    assert {"en", "zh"} <= set(known_languages())


@pytest.mark.parametrize("tag", OTHERS)
def test_every_language_has_every_message_and_no_other(tag: str) -> None:
    there = set(read_messages(tag))

    missing, unknown = sorted(set(ENGLISH) - there), sorted(there - set(ENGLISH))

    assert ([], []) == (missing, unknown)


@pytest.mark.parametrize("tag", OTHERS)
@pytest.mark.parametrize("key", ENGLISH)
def test_every_text_has_the_placeholders_of_the_english_one(key: str, tag: str) -> None:
    """A plural form may leave the number out (`once`), as long as another form has it."""
    texts = read_messages(tag)[key]
    expected = set[str]().union(*map(placeholders, ENGLISH[key]))

    assert expected == set[str]().union(*map(placeholders, texts))
    assert [] == [text for text in texts if expected - placeholders(text) - {"count"}]


@pytest.mark.parametrize("tag", known_languages())
def test_every_counted_message_has_all_plural_forms_of_its_language(tag: str) -> None:
    catalogue = read_catalogue(tag)
    counted = {key for key, texts in ENGLISH.items() if len(texts) > 1}

    assert dict.fromkeys(counted, catalogue.num_plurals) == {
        key: len(catalogue.get(key).string)  # type: ignore[union-attr]  # a test before says that all are there
        for key in counted
    }


@pytest.mark.parametrize("tag", known_languages())
def test_the_plural_rule_of_a_catalogue_is_that_of_its_language(tag: str) -> None:
    """The CLDR's rule, which knows the language and not the file, puts two numbers together where the file does."""
    catalogue = read_catalogue(tag)
    rule, category = gettext.c2py(catalogue.plural_expr), Languages({}).find(tag).locale.plural_form

    together = {(rule(number), category(number)) for number in range(200)}

    assert len(together) == len({form for form, _ in together}) == catalogue.num_plurals


@pytest.mark.parametrize("tag", known_languages())
def test_every_text_is_one_line_of_plain_text(tag: str) -> None:
    texts = [text for forms in read_messages(tag).values() for text in forms]

    assert texts == [plain(text) for text in texts]


@pytest.mark.parametrize(
    ("tag", "found"),
    [("en", "en"), ("EN", "en"), ("en-GB", "en"), ("en_US", "en"), ("zh", "zh"), ("zh-CN", "zh"), ("zh-Hant-TW", "zh")],
)
def test_a_tag_finds_its_language(tag: str, found: str) -> None:
    assert found == match_language(tag, ["en", "zh"])


def test_a_catalogue_with_a_territory_is_found_by_it() -> None:
    assert "pt-BR" == match_language("pt_br", ["en", "pt-BR"])


@pytest.mark.parametrize("tag", ["fr", "fr-CA", "xx-yy", "e", "", "en;zh", "../en", "en-" + "a" * 50, "english please"])
def test_an_unknown_language_is_refused_and_those_there_are_named(tag: str) -> None:
    with pytest.raises(UnknownLanguage, match="there are: en, zh"):
        match_language(tag, ["en", "zh"])


@pytest.mark.parametrize(("tag", "number"), [("en", "1,234,567"), ("en-IN", "12,34,567"), ("en-CH", "1’234’567")])
def test_numbers_are_written_as_the_territory_does(tag: str, number: str) -> None:
    assert f"x {number} times" == Languages({}).find(tag).counted("habit", 1234567, {"you": "x"})


def test_a_territory_nobody_knows_changes_nothing() -> None:
    assert "x 1,000 times" == Languages({}).find("en-ZZ").counted("habit", 1000, {"you": "x"})


def test_words_of_the_shop_reach_only_their_language() -> None:
    languages = Languages({"zh": {"title": "《{title}》"}})

    assert ("Tea", "《Tea》") == tuple(languages.find(tag).text("title", {"title": "Tea"}) for tag in ("en", "zh"))


@pytest.mark.parametrize("value", ["{b}", "{a}", "{}", "%s", "\\1", "{a.__class__}", "{0}"])
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert f"{value} and B" == fill("{a} and {b}", {"a": value, "b": "B"})


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("Green tea", 9, "Green tea"),
        ("Green tea leaves", 10, "Green tea…"),
        ("Green tea leaves", 9, "Green…"),
        ("Green, tea", 8, "Green…"),
        ("Donaudampfschifffahrt", 8, "Donauda…"),
        ("A Donaudampfschifffahrt", 12, "A Donaudamp…"),
        ("东方美人乌龙茶礼盒装", 6, "东方美人乌…"),
        ("caffe\u0301 latte", 6, "caff…"),
        ("x👩\u200d🔬👩\u200d🔬", 5, "x👩\u200d🔬…"),
    ],
)
def test_a_long_title_is_cut(text: str, most: int, expected: str) -> None:
    assert expected == shorten(text, most)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Green \n\t tea\x00 ", "Green tea"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\u202eevil\u202c \u2067x\u2069 \u200ey\u200f\u061c", "evil x y"),
        ("so\u00adft \ufeffmark", "soft mark"),
        ("می\u200cخواهم 👩\u200d🔬 é ﷺ", "می\u200cخواهم 👩\u200d🔬 é ﷺ"),
        ("\ud800half", "half"),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_plain_text_has_no_sign_that_steers(text: str, expected: str) -> None:
    assert expected == plain(text)


@given(
    st.text(alphabet=st.one_of(st.characters(codec="utf-16", exclude_characters="\x7f"), st.sampled_from(" \t\u00a0")))
)
def test_a_text_that_is_plain_is_left_as_it_is(text: str) -> None:
    once = plain(text)

    assert once == plain(once)
    assert once == " ".join(once.split())
    assert not {unicodedata.category(sign) for sign in once} & {"Cc", "Cs", "Zl", "Zp"}
    assert [sign for sign in text if sign.isalnum()] == [sign for sign in once if sign.isalnum()]
