"""The routes that ask the graph: queries of the catalogue by name, and statements that only read."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cypher.catalogue import Query, load_for_people, queries_for_people, query_facts
from cypher.errors import InputError
from kg.answers import with_times
from kg.ask import ROWS, Asked, ask, collect
from serving.api.admission import needs
from serving.api.conditional import NOT_MODIFIED, known, tag_of, tagged
from serving.api.routes import about, as_json, problems_of, require_json
from serving.api.services import services_of

MOST_ROWS = 10_000
router = APIRouter(prefix="/v1/graph", tags=["graph"], dependencies=[needs("cypher")])


class ColumnOut(BaseModel):
    """A column of an answer."""

    name: str = Field(examples=["buyers"])
    type: str = Field(description="str, int, float, bool, time, list[str] or any.", examples=["int"])
    unit: str = Field(description="What its numbers count, where the name does not say it.", examples=["days"])


class RowsAnswer(BaseModel):
    """Rows of the graph."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[7.9])
    columns: list[ColumnOut]
    rows: list[dict[str, Any]] = Field(description="In the order of the query; times are ISO 8601.")
    cut: str = Field(description="Why rows are missing; empty when none is.", examples=[""])


class QueryOut(BaseModel):
    """A query of the catalogue."""

    name: str = Field(examples=["co_purchased"])
    topic: str = Field(examples=["products"])
    description: str = Field(examples=["Products most often bought by users who bought this one."])
    params: dict[str, Any] = Field(description="Type, default and unit by name.")
    returns: dict[str, str] = Field(description="Type by column.")
    units: dict[str, str] = Field(description="What the numbers of a column count, where its name does not say it.")
    uses: str = Field(description="Where it starts and how far it goes.", examples=["constraint product_id; two hops"])
    heavy: bool = Field(description="Whether it reads a large part of the graph.")
    example: dict[str, str] = Field(description="Parameters to try on the generated shop.")


class QueriesAnswer(BaseModel):
    """The catalogue of queries."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[1.2])
    queries: list[QueryOut]


class NamedBody(BaseModel):
    """Parameters of a query of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    params: dict[str, Any] = Field(
        default_factory=dict,
        max_length=50,
        description="By name, as GET /v1/graph/queries lists them.",
        examples=[{"product_id": "p0034", "limit": 5}],
    )


class CypherBody(BaseModel):
    """A statement that only reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cypher: str = Field(
        min_length=1,
        max_length=10_000,
        description="One statement. It may only read: no clause that writes, and only listed functions.",
        examples=["MATCH (p:Product) WHERE p.price < $most RETURN p.title AS title, p.price AS price LIMIT 10"],
    )
    params: dict[str, Any] = Field(
        default_factory=dict, max_length=100, description="Values by name.", examples=[{"most": 5}]
    )
    rows: int = Field(ROWS, ge=1, le=MOST_ROWS, description="Most rows of the answer.", examples=[100])


NamePath = Annotated[
    str,
    Path(max_length=100, description="Name of a query.", examples=["co_purchased"]),
]


@router.get(
    "/queries",
    summary="The queries of the catalogue",
    response_model=QueriesAnswer,
    responses=NOT_MODIFIED | problems_of(422, 503),
)
def list_named(request: Request) -> Response:
    """Return the named queries with their parameters, columns and units."""
    tag = tag_of("queries")  # they come with the release
    if (same := known(request, tag)) is not None:
        return same
    found = [query_facts(query) for query in queries_for_people()]
    return tagged(as_json(about(request) | {"queries": found}), tag)


@router.get(
    "/queries/{name}",
    summary="Ask a query of the catalogue",
    response_model=RowsAnswer,
    responses=problems_of(404, 422, 503),
)
def ask_by_address(request: Request, name: NamePath) -> Response:
    """Answer a named query; its parameters are those of the address."""
    given = request.query_params
    for key in given:
        if len(given.getlist(key)) > 1:
            raise InputError(f"the parameter {key[:100]!r} is given more than once; give it once")
    return _named(request, name, dict(given), typed=False)


@router.post(
    "/queries/{name}",
    summary="Ask a query of the catalogue",
    response_model=RowsAnswer,
    responses=problems_of(400, 404, 408, 413, 415, 422, 503),
    dependencies=[Depends(require_json)],
)
def ask_by_body(request: Request, name: NamePath, body: NamedBody) -> Response:
    """Answer a named query; its parameters are in the body."""
    return _named(request, name, body.params, typed=True)


@router.post(
    "/query",
    summary="Ask a Cypher statement that only reads",
    response_model=RowsAnswer,
    responses=problems_of(400, 408, 413, 415, 422, 503),
    dependencies=[Depends(require_json)],
)
def ask_cypher(request: Request, body: CypherBody) -> Response:
    """Answer a statement of the caller: bounded in rows, bytes and time, and refused unless it only reads."""
    with services_of(request).graph.store() as store:
        found = ask(store, body.cypher, body.params, rows=body.rows)
    columns = [{"name": name, "type": "any", "unit": ""} for name in found.columns]
    return _answered(request, columns, found)


def _named(request: Request, name: str, params: Mapping[str, Any], *, typed: bool) -> Response:
    query = load_for_people(name)
    checked = query.check(params, typed=typed)
    with services_of(request).graph.store() as store:
        found = collect(query, store.stream(query, checked), rows=MOST_ROWS)
    columns = [{"name": name, "type": kind, "unit": query.units.get(name, "")} for name, kind in query.returns.items()]
    return _answered(request, columns, Asked(found.columns, _in_iso(query, found.rows), found.cut))


def _in_iso(query: Query, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = [name for name, kind in query.returns.items() if kind == "time"]
    timed = with_times(query, rows)
    return [{**row, **{name: str(row[name].isoformat()) for name in times if row[name] is not None}} for row in timed]


def _answered(request: Request, columns: list[dict[str, str]], found: Asked) -> Response:
    return as_json(about(request) | {"columns": columns, "rows": found.rows, "cut": found.cut})
