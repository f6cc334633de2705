"""JSON into the classes of answers.

What a newer server says beyond them is passed over. Whether a number is a number is not checked.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from serving.client.errors import UnexpectedAnswer

Answer = TypeVar("Answer")
_Read = Callable[[Any, str], Any]
"""Makes a value of JSON; the text says where in the answer it stands."""


def read(kind: type[Answer], value: object, *, of: str) -> Answer:
    """Return JSON as an instance of a class of answers.

    Args:
        kind: the class.
        value: what JSON said.
        of: what answered, for errors: `GET /v1/runs`.

    Raises:
        UnexpectedAnswer: a field is missing, or is no table or list where one is foreseen.
    """
    wanted: Any = kind
    answer: Answer = _reader(wanted)(value, of)
    return answer


@functools.cache
def _reader(kind: Any) -> _Read:
    if is_dataclass(kind):
        return _object_reader(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is list:
        return functools.partial(_list, _reader(inner[0]))
    if origin is dict:
        return functools.partial(_table, _reader(inner[1]))
    if origin in (Union, UnionType):
        return _optional(inner)
    return _as_it_is


def _object_reader(kind: Any) -> _Read:
    types = get_type_hints(kind)
    plan = [
        (one.name, one.name.removesuffix("_"), _reader(types[one.name]), one.default is MISSING) for one in fields(kind)
    ]

    def build(value: Any, place: str) -> Any:
        given = _as_table(value, place)
        found: dict[str, Any] = {}
        for name, key, reader, is_needed in plan:
            if key in given:
                one = given[key]
                found[name] = one if reader is _as_it_is else reader(one, f"{place}, {key}")
            elif is_needed:
                raise UnexpectedAnswer(f"{place} lacks the field {key}; is the server older than this client?")
        return kind(**found)

    return build


def _optional(options: tuple[Any, ...]) -> _Read:
    """Of a value that may be null, or is one of several plain ones."""
    readers = {_reader(one) for one in options if one is not NoneType}
    if readers == {_as_it_is}:
        return _as_it_is
    (reader,) = readers
    return lambda value, place: None if value is None else reader(value, place)


def _as_it_is(value: Any, place: str) -> Any:
    """A text, number or the like; nothing is looked at."""
    return value


def _list(reader: _Read, value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnexpectedAnswer(f"{place} is {type(value).__name__}, and a list was foreseen")
    return value if reader is _as_it_is else [reader(one, place) for one in value]


def _table(reader: _Read, value: Any, place: str) -> dict[str, Any]:
    return {name: reader(one, place) for name, one in _as_table(value, place).items()}


def _as_table(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnexpectedAnswer(f"{place} is {type(value).__name__}, and a table was foreseen")
    return value
