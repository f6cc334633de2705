"""Statements that somebody typed: what is let through, what is refused, and how that is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cypher.adhoc import CLAUSES, FORBIDDEN, FUNCTIONS, MAX_CHARACTERS, MAX_DEPTH, read_tokens, reading_query
from cypher.errors import QueryError
from tests.support.attacks import ATTACKS, HARMLESS

ASKED_WITH = ("label", "key", "url", "user")


def params_of(text: str) -> dict[str, str]:
    return {name: "p01" for name in ASKED_WITH if f"${name}" in text}


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 150


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        reading_query(text, params_of(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_reads_is_let_through(text: str) -> None:
    query = reading_query(text, params_of(text))

    assert (text, False) == (query.text, query.writes)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("MATCH (n) SET n.a = 1", "'SET' at 11 is not allowed (as a name it goes into backticks)"),
        ("CALL apoc.load.json('x')", "the procedure 'apoc.load.json' is not allowed; allowed are db.index"),
        ("RETURN apoc.version() AS v", "the function 'apoc.version' at 8 is not allowed"),
        ("CREATE (n)", "begins with MATCH, WITH, UNWIND, CALL or RETURN, this one with 'CREATE'"),
        ("RETURN 1; RETURN 2", "cannot be read at 9: '; RETURN 2'; ask one statement at a time, without ';'"),
        ("RETURN größe", "cannot be read at 10: 'öße'; other letters go into `backticks`"),
        ("RETURN '\\u0041'", "holds no \\u escapes"),
        ("RETURN\x00 1", "no control or invisible characters, got '\\x00' at 7"),
        ("RETURN (1", "ends before its ')'"),
        ("RETURN 1)", "has a ')' too many at 9"),
        ("RETURN " + "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} brackets"),
        ("RETURN " + "1" * MAX_CHARACTERS, f"at most {MAX_CHARACTERS:,} characters"),
        (" \n ", "the statement is empty"),
        ("RETURN $who AS who", "needs the parameter 'who'"),
    ],
)
def test_a_refusal_says_what_and_where(text: str, problem: str) -> None:
    with pytest.raises(QueryError) as refused:
        reading_query(text)

    assert problem in str(refused.value)


def test_a_parameter_that_is_not_used_is_refused() -> None:
    with pytest.raises(QueryError, match=r"has no parameter \$limit"):
        reading_query("RETURN 1 AS one", {"limit": 5})


def test_values_pass_as_they_are() -> None:
    params = {"ids": ["a", "b"], "deep": {"x": [1, None]}, "text": "'; DROP"}
    query = reading_query("RETURN $ids AS ids, $deep AS deep, $text AS text", params)

    assert params == query.check(params)


def test_forbidden_words_are_names_in_backticks_and_after_a_dot() -> None:
    for word in sorted(FORBIDDEN):
        assert reading_query(f"MATCH (n:`{word}`) RETURN n.{word} AS `{word}`").text
        with pytest.raises(QueryError, match="may only read"):
            reading_query(f"MATCH (n) {word.upper()} n")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    refused, tokens = "", []
    try:
        tokens = read_tokens(text)
    except QueryError as error:
        refused = str(error)

    assert (refused == "") == bool(tokens)
    assert [token.text for token in tokens] == [text[token.at : token.at + len(token.text)] for token in tokens]


@given(
    st.sampled_from(sorted(FORBIDDEN)),
    st.text(" \t\r\n", min_size=1, max_size=3),
    st.sampled_from([str.upper, str.title]),
)
def test_a_forbidden_word_is_seen_whatever_stands_around_it(word: str, space: str, cased: object) -> None:
    spelled = cased(word)  # type: ignore[operator]
    for text in (
        f"MATCH (n){space}{spelled}{space}n",
        f"MATCH (n)/*{space}*/{spelled}//{space}\nn",
        f"MATCH (n){spelled}(n)",
    ):
        with pytest.raises(QueryError):
            reading_query(text)


@given(st.from_regex(r"[a-z]{2,9}(\.[a-z]{2,9}){0,2}", fullmatch=True))
def test_a_function_that_is_not_listed_is_refused(name: str) -> None:
    text = f"RETURN abs({name} ('x')) AS x"
    if name in FUNCTIONS | CLAUSES:
        assert reading_query(text).text == text
    else:
        with pytest.raises(QueryError, match=name.partition(".")[0]):
            reading_query(text)
