"""What parameters and fields of v1 of the API may be: limits, and types that are checked once."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from serving.answer import Surface
from serving.cursor import MAX_CHARACTERS
from serving.filters import MAX_LENGTH
from serving.slots import MAX_SHOWN

MAX_N = 500
MAX_OFFSET = 100_000
MAX_RANKED = 1000
MAX_PATHS = 10
MAX_EXCLUDED = 100
"""Products that an address may exclude: servers and proxies refuse addresses of more than some ten thousand bytes."""
DEFAULT_PATHS = 3


def _parse_time(given: Any) -> datetime:
    """Return an aware UTC time; one without a zone counts as UTC."""
    wanted = "must be a time in ISO 8601 such as 2026-01-31T12:00:00Z"
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not 8 <= len(given) <= 40:
        raise ValueError(wanted)
    try:
        parsed = datetime.fromisoformat(given)
        return (parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed).astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise ValueError(wanted) from err


Word = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9_]*$")]
Time = Annotated[datetime, PlainValidator(_parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Number = Annotated[float, Field(allow_inf_nan=False)]


Lang = Annotated[
    str, Field(min_length=2, max_length=35, description="BCP 47 tag; not given: the shop's.", examples=["en"])
]
"""Language that reasons are told in; whether there is such a one is not known here."""
Room = Annotated[Surface, Field(description="Whether words are a caption or a full sentence.", examples=["long"])]


Where = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
"""A filter in words; whether it can be read and fits the shop is not known here."""


Diversity = Annotated[
    float,
    Field(ge=0, le=1, description="How much unlike each other the items are to be; 0: not at all.", examples=[0.3]),
]
ShownMost = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_SHOWN,
        description="Times that a product may be shown and not chosen before others come first; 0: no bound.",
        examples=[3],
    ),
]
Mode = Annotated[
    Literal["discover", "again", "both"],
    Field(
        description="`discover`: what the user never had, `again`: only what the user had, `both`.", examples=["both"]
    ),
]


NewEvery = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_N,
        description="One of so many places is kept for a new product; 0: none. Not given: as the shop set it.",
        examples=[10],
    ),
]


Placement = Annotated[
    Word,
    Field(description="Where in the shop the list stands, as the shop calls it; recorded.", examples=["home_top"]),
]


Device = Annotated[
    Word,
    Field(description="What the list is shown on, in a word of the shop's; rules may hold for it.", examples=["phone"]),
]
Whereabouts = Annotated[
    Word,
    Field(description="Where it is asked from, in a word of the shop's; rules may hold for it.", examples=["de"]),
]


Cursor = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        description="`next_cursor` of the page before: what was shown is left out, whatever changed meanwhile.",
        examples=["1AQAAAA"],
    ),
]


class Parameters(BaseModel):
    """Query parameters: texts that are read as what they say; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """A JSON body: types are taken as they are, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def to_ms(at: datetime) -> int:
    """Return an aware time as epoch milliseconds."""
    return int(at.timestamp() * 1000)
