"""The filter language: which products a list may hold, in words that a shop knows.

    category in ("Tea", "Coffee") and price < 20 and not brand = "Acme"

Text becomes a small tree of frozen values, and a tree becomes text again that means the same. Which products it lets
through is `serving.selection`'s; here nothing is known of a shop.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, v_args

from serving.errors import FilterError

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Value = str | float | bool
"""A text, a number, or true and false."""
MAX_LENGTH = 2000
"""Most characters of a filter."""
MAX_TERMS = 100
"""Most comparisons and values of a filter."""
MAX_DEPTH = 20
"""Most expressions inside one another."""
_GRAMMAR = r"""
    ?start: either
    ?either: both ("or"i both)*
    ?both: unary ("and"i unary)*
    ?unary: "not"i unary -> negate
          | "(" either ")" -> inner
          | term
    ?term: NAME OPERATOR value -> compare
         | NAME "in"i "(" value ("," value)* ")" -> among
         | NAME "not"i "in"i "(" value ("," value)* ")" -> not_among
         | NAME "is"i "missing"i -> missing
         | NAME "is"i "not"i "missing"i -> present
    value: TEXT | NUMBER | FLAG
    FLAG.3: /(true|false)\b/i
    NAME: /(?!(?:and|or|not|in|is|missing|true|false)\b)[a-z][a-z0-9_]{0,62}/i
    OPERATOR: "<=" | ">=" | "!=" | "=" | "<" | ">"
    TEXT: /"(?:[^"\\]|\\["\\])*"/ | /'(?:[^'\\]|\\['\\])*'/
    NUMBER: /[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?/
    %ignore /[ \t\r\n]+/
"""
_EXAMPLE = 'price < 20 and brand = "Acme"'
_WORDS = {
    "NAME": "a property",
    "OPERATOR": "a comparison",
    "TEXT": "a text in quotes",
    "NUMBER": "a number",
    "FLAG": "true or false",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "$END": "the end",
}


@dataclass(frozen=True, slots=True)
class Compare:
    """A property beside a value. A product without the property fits no comparison, `!=` included."""

    name: str
    operator: Operator
    value: Value

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {_print_value(self.value)}"


@dataclass(frozen=True, slots=True)
class Among:
    """A property that has one of some values."""

    name: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.name} in ({', '.join(map(_print_value, self.values))})"


@dataclass(frozen=True, slots=True)
class Missing:
    """A property that a product does not have."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} is missing"


@dataclass(frozen=True, slots=True)
class Not:
    """What a filter does not let through."""

    inner: "Expression"

    def __str__(self) -> str:
        return f"not {_print_inner(self.inner)}"


@dataclass(frozen=True, slots=True)
class Both:
    """Products that every part lets through; two parts at least."""

    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return " and ".join(map(_print_inner, self.parts))


@dataclass(frozen=True, slots=True)
class Either:
    """Products that at least one part lets through; two parts at least."""

    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return " or ".join(map(_print_inner, self.parts))


Expression = Compare | Among | Missing | Not | Both | Either


@functools.lru_cache(maxsize=1024)
def parse_filter(text: str) -> Expression:
    """Return the tree of a filter; `str` of it is the filter again, in one way of writing.

    Raises:
        FilterError: says at which character it cannot be read, and what may stand there.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter may have {MAX_LENGTH:,} characters, this one has {len(text):,}; make it shorter")
    if not text.strip():
        raise FilterError(f"the filter is empty; write one such as {_EXAMPLE}, or leave it out")
    try:
        found = cast(Expression, _parser().parse(text))
    except UnexpectedInput as err:
        raise FilterError(_what_is_wrong(text, err)) from err
    if _depth(found) > MAX_DEPTH:
        raise FilterError(f"parentheses and not may stand {MAX_DEPTH} deep, here they stand deeper; write it flatter")
    if (number := sum(_sizes(found))) > MAX_TERMS:
        raise FilterError(f"a filter may have {MAX_TERMS} comparisons and values, this one has {number}; split it")
    return found


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """Return the parts that must all hold; an expression that is no `and` is its only part."""
    if not isinstance(expression, Both):
        return (expression,)
    return tuple(part for inner in expression.parts for part in conjuncts(inner))


@v_args(inline=True)
class _ToTree(Transformer[Token, Expression]):
    """From lark's tree to ours."""

    def value(self, token: Token) -> Value:
        if token.type == "FLAG":
            return token.lower() == "true"
        if token.type == "NUMBER":
            return float(token)
        quote = token[0]
        return token[1:-1].replace(f"\\{quote}", quote).replace("\\\\", "\\")

    def compare(self, name: Token, operator: Token, value: Value) -> Expression:
        return Compare(name.lower(), cast(Operator, str(operator)), value)

    def among(self, name: Token, *values: Value) -> Expression:
        return Among(name.lower(), values)

    def not_among(self, name: Token, *values: Value) -> Expression:
        return Not(Among(name.lower(), values))

    def missing(self, name: Token) -> Expression:
        return Missing(name.lower())

    def present(self, name: Token) -> Expression:
        return Not(Missing(name.lower()))

    def negate(self, inner: Expression) -> Expression:
        return Not(inner)

    def inner(self, inner: Expression) -> Expression:
        return inner

    def both(self, *parts: Expression) -> Expression:
        return Both(parts)

    def either(self, *parts: Expression) -> Expression:
        return Either(parts)


@functools.cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_ToTree())


def _depth(expression: Expression) -> int:
    """How deep expressions stand inside one another; counted without recursion, as nobody has bounded it yet."""
    deepest, open_ones = 0, [(expression, 1)]
    while open_ones:
        one, depth = open_ones.pop()
        deepest = max(deepest, depth)
        inner = one.parts if isinstance(one, Both | Either) else (one.inner,) if isinstance(one, Not) else ()
        open_ones += [(part, depth + 1) for part in inner]
    return deepest


def _what_is_wrong(text: str, err: UnexpectedInput) -> str:
    """One sentence: where, what stands there, and what may."""
    expected = getattr(err, "accepts", None) or getattr(err, "expected", None) or getattr(err, "allowed", None) or ()
    wanted = sorted({_WORDS.get(name, name.lower()) for name in expected})
    place = getattr(err, "pos_in_stream", None)
    token = text[place] if isinstance(err, UnexpectedCharacters) and place is not None else getattr(err, "token", "")
    if isinstance(err, UnexpectedEOF) or place is None or not token:
        where = f"the filter ends too early, after character {len(text)}"
    else:
        where = f"at character {place + 1} of the filter stands {str(token)[:40]!r}"
    rest = ", ".join(wanted[:-1]) + (" or " if len(wanted) > 1 else "") + (wanted[-1] if wanted else "something else")
    return f"{where}, where {rest} may stand; an example is {_EXAMPLE}"


def _sizes(expression: Expression) -> Iterator[int]:
    if isinstance(expression, Both | Either):
        for part in expression.parts:
            yield from _sizes(part)
    elif isinstance(expression, Not):
        yield from _sizes(expression.inner)
    else:
        yield len(expression.values) if isinstance(expression, Among) else 1


def _print_value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.15f}".rstrip("0").rstrip(".")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _print_inner(expression: Expression) -> str:
    return f"({expression})" if isinstance(expression, Both | Either) else str(expression)
