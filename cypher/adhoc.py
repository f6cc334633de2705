"""Cypher that somebody typed: read word by word, and refused unless all of it can only read.

Functions, procedures and first words are allowed by name, and everything else of their kind is refused; words that
write are refused wherever they stand as words. This is the first of several locks: the graph is asked in read mode,
with an account that can only read where the server knows one, and Neo4j itself must call the statement a reading one
before it is run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cypher.catalogue import Param, Query
from cypher.errors import QueryError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAX_CHARACTERS = 10_000
MAX_DEPTH = 60
"""Most brackets inside each other."""
CLAUSES = _words(
    """
    match optional where with return unwind union call order skip limit offset by asc ascending desc descending
    distinct as and or xor not in is null true false contains starts ends case when then else end exists count
    collect all any none single reduce shortest shortestpath allshortestpaths groups paths path group walk trail
    acyclic yield using index scan join on normalized nan infinity inf typed nfc nfd nfkc nfkd
    """
)
"""Words of the language that only read."""
FORBIDDEN = _words(
    """
    create merge set delete detach nodetach remove drop load foreach alter grant revoke deny show terminate start
    stop use insert profile explain cypher transactions commit rollback enable rename dryrun deallocate reallocate
    recover csv fieldterminator periodic
    """
)
"""Words of the language that write, leave the graph or run something else; as a name they go into backticks."""
FUNCTIONS = _words(
    """
    abs acos all allreduce any asin atan atan2 avg ceil char_length character_length coalesce collect cos cosh cot
    coth count date date.truncate date.realtime date.statement date.transaction datetime datetime.fromepoch
    datetime.fromepochmillis datetime.truncate degrees duration duration.between duration.indays duration.inmonths
    duration.inseconds e elementid endnode exists exp floor haversin head isempty isnan keys labels last left length
    localdatetime localdatetime.truncate localtime localtime.truncate log log10 lower ltrim max min nodes none
    normalize nullif percentilecont percentiledisc pi point point.distance point.withinbbox properties radians rand
    range reduce relationships replace reverse right round rtrim sign sin single sinh size split sqrt startnode
    stdev stdevp substring sum tail tan tanh time time.truncate timestamp toboolean tobooleanlist tobooleanornull
    tofloat tofloatlist tofloatornull tointeger tointegerlist tointegerornull tolower tostring tostringlist
    tostringornull toupper trim btrim type upper valuetype shortestpath allshortestpaths vector.similarity.cosine
    vector.similarity.euclidean
    """
)
"""Functions that compute from what they are given and from the graph, and from nothing else."""
PROCEDURES = frozenset({"db.labels", "db.relationshiptypes", "db.propertykeys", "db.index.fulltext.querynodes"})
"""Procedures that only look."""
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<comment>//[^\n\r]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<param>\$[A-Za-z_]\w*|\$\d+|\$`(?:[^`]|``)+`)
    |(?P<number>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<mark><=|>=|<>|=~|\.\.|\+=|\|\||::|[-+*/%^=<>()\[\]{},.:|&!?])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_OPENING, _CLOSING = {"(": ")", "[": "]", "{": "}"}, frozenset(")]}")
_FIRST = frozenset({"match", "optional", "with", "unwind", "call", "return"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement."""

    kind: str
    """`word`, `quoted` (in backticks), `string`, `param`, `number` or `mark`."""
    text: str
    at: int
    """Position in the statement, from 0."""


def reading_query(text: str, params: Mapping[str, Any] | None = None) -> Query:
    """Return a statement as a query that may be asked for reading.

    Args:
        text: one Cypher statement.
        params: values of its parameters, by name without the `$`.

    Raises:
        QueryError: the statement is too long, cannot be read, or holds a word, function or procedure that is not on the
            lists above; or a parameter is not given.
    """
    given = dict(params or {})
    tokens = read_tokens(text)
    _check_nesting(tokens)
    _check_words(tokens)
    wanted = {token.text[1:].strip("`") for token in tokens if token.kind == "param"}
    if missing := sorted(wanted - set(given)):
        raise QueryError(f"the statement needs the parameter {missing[0]!r}; give it as {missing[0]}=VALUE")
    if unknown := sorted(set(given) - wanted):
        raise QueryError(f"the statement has no parameter ${unknown[0]}; remove it or use it")
    return Query(
        name="your statement",
        path="your statement",
        text=text,
        params={name: Param(name, "any") for name in sorted(wanted)},
        returns={},
        units={},
        description="A statement that somebody typed.",
        uses="",
        example={},
        writes=False,
    )


def read_tokens(text: str) -> list[Token]:
    """Return the pieces of a statement without space and comments.

    Raises:
        QueryError: it is empty or too long, or holds characters that servers read in different ways.
    """
    if len(text) > MAX_CHARACTERS:
        raise QueryError(f"a statement has at most {MAX_CHARACTERS:,} characters, this one has {len(text):,}")
    if "\\u" in text.lower():
        raise QueryError("a statement holds no \\u escapes; write the character itself, or give it as a parameter")
    if found := _CONTROL.search(text):
        raise QueryError(
            f"a statement holds no control or invisible characters, got {found[0]!r} at {found.start() + 1}"
        )
    tokens = list(_tokens(text))
    if not tokens:
        raise QueryError("the statement is empty; write one such as MATCH (p:Product) RETURN p.title LIMIT 5")
    return tokens


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            hint = (
                "ask one statement at a time, without ';'" if text[at] == ";" else "other letters go into `backticks`"
            )
            raise QueryError(f"the statement cannot be read at {at + 1}: {text[at : at + 20]!r}; {hint}")
        kind = str(found.lastgroup)
        if kind not in ("space", "comment"):
            yield Token(kind, found[0], at)
        at = found.end()


def _check_nesting(tokens: list[Token]) -> None:
    open_marks: list[str] = []
    for token in tokens:
        if token.text in _OPENING and token.kind == "mark":
            open_marks.append(_OPENING[token.text])
            if len(open_marks) > MAX_DEPTH:
                raise QueryError(f"the statement has more than {MAX_DEPTH} brackets inside each other")
        elif token.text in _CLOSING and token.kind == "mark" and (not open_marks or open_marks.pop() != token.text):
            raise QueryError(f"the statement has a {token.text!r} too many at {token.at + 1}")
    if open_marks:
        raise QueryError(f"the statement ends before its {open_marks[-1]!r}")


def _check_words(tokens: list[Token]) -> None:
    if tokens[0].kind != "word" or tokens[0].text.lower() not in _FIRST:
        raise QueryError(
            f"a statement begins with MATCH, WITH, UNWIND, CALL or RETURN, this one with {tokens[0].text!r}"
        )
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.kind in ("word", "quoted"):
            place = _check_name(tokens, place)
        else:
            place += 1


def _check_name(tokens: list[Token], start: int) -> int:
    """Judge a word with all that follows it after dots, and return where the rest begins."""
    end = start + 1
    while end + 1 < len(tokens) and tokens[end].text == "." and tokens[end + 1].kind in ("word", "quoted"):
        end += 2
    name = "".join(token.text.strip("`").lower() for token in tokens[start:end])
    bare = tokens[start].kind == "word" and end == start + 1
    before = tokens[start - 1].text if start else ""
    after = tokens[end].text if end < len(tokens) else ""
    if tokens[start].kind == "word" and tokens[start].text.lower() in FORBIDDEN:
        raise QueryError(
            f"a statement may only read: {tokens[start].text!r} at {tokens[start].at + 1} is not allowed "
            "(as a name it goes into backticks)"
        )
    if before.lower() == "call" and tokens[start - 1].kind == "word":
        if name not in PROCEDURES:
            raise QueryError(f"the procedure {name!r} is not allowed; allowed are {', '.join(sorted(PROCEDURES))}")
    elif after == "(" and not (bare and name in CLAUSES) and name not in FUNCTIONS:
        raise QueryError(
            f"the function {name!r} at {tokens[start].at + 1} is not allowed; it is not one that only reads"
        )
    return end
