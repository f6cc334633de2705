"""The routes that tell what the retraining did. What a run is stands in `serving.runs`."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serving.api.admission import needs
from serving.api.conditional import NOT_MODIFIED, known, tag_of, tagged
from serving.api.ids import Id
from serving.api.routes import about, as_json, problems_of
from serving.api.services import services_of
from serving.runs import Outcome, Run, alarms_of, run_facts

router = APIRouter(prefix="/v1", tags=["operation"])
RunPath = Annotated[Id, Path(description="Id of a run, or how it begins.", examples=["20260131T030000Z-4be1c2"])]


class RunsQuery(BaseModel):
    """How many runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int = Field(20, ge=1, le=1000, description="How many of the latest.", examples=[20])


class RunStepOut(BaseModel):
    """A step that was finished."""

    name: str = Field(examples=["train"])
    took_s: float = Field(examples=[41.7])
    line: str = Field(description="What came out of it.", examples=["7,204 texts, all met before"])


class RunOut(BaseModel):
    """A run of the retraining."""

    run_id: str = Field(examples=["20260131T030000Z-4be1c2"])
    started_at: str = Field(examples=["2026-01-31T03:00:00Z"])
    ended_at: str | None = Field(description="null: it is under way, or its process died.")
    took_s: float = Field(examples=[412.0])
    outcome: Outcome = Field(examples=["published"])
    sentence: str = Field(
        description="Verdict of the gate, or error.", examples=["NDCG@10 .4662 is not below any baseline"]
    )
    version: str | None = Field(description="The model it made.", examples=["20260131T030650Z-1a2b3c4d"])
    alarms: list[str] = Field(description="What it saw of the live model's days that should wake somebody.")
    snapshot: str | None = Field(description="Hash of what it learned from.", examples=["9f86d081884c7d65"])
    data: str | None = Field(description="Input folder; null: the graph.")
    host: str = Field(examples=["shop-1"])
    pid: int = Field(examples=[4711])
    steps: list[RunStepOut]


class RunsAnswer(BaseModel):
    """The latest runs."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[1.2])
    runs: list[RunOut] = Field(description="The newest first.")


class RunAnswer(RunOut):
    """One run with its settings."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[1.2])
    config: dict[str, Any] = Field(description="Every setting it was told.")


@router.get(
    "/runs",
    summary="What the retraining did lately",
    response_model=RunsAnswer,
    responses=NOT_MODIFIED | problems_of(422, 503),
    dependencies=[needs("admin")],
)
def list_runs(request: Request, query: Annotated[RunsQuery, Query()]) -> Response:
    """Return the latest runs of the retraining, the newest first."""
    runs = services_of(request).runs.all(limit=query.n)
    tag = _tag(request, *runs)
    if (same := known(request, tag)) is not None:
        return same
    return tagged(as_json(about(request) | {"runs": [_told(request, run) for run in runs]}), tag)


@router.get(
    "/runs/{run_id}",
    summary="One run of the retraining",
    response_model=RunAnswer,
    responses=NOT_MODIFIED | problems_of(404, 422, 503),
    dependencies=[needs("admin")],
)
def show_run(request: Request, run_id: RunPath) -> Response:
    """Return a run with its steps and its settings."""
    run = services_of(request).runs.find(run_id)
    tag = _tag(request, run)
    if (same := known(request, tag)) is not None:
        return same
    return tagged(as_json(about(request) | _told(request, run) | {"config": run.config}), tag)


def _tag(request: Request, *runs: Run) -> str:
    """What is told of runs follows from their records and from which reports are still there, which never change."""
    bundles = services_of(request).current.bundles
    there = {*bundles.versions()} if runs else set()
    return tag_of("runs", [(run, run.version in there) for run in runs])


def _told(request: Request, run: Run) -> dict[str, Any]:
    return run_facts(run) | {"alarms": alarms_of(services_of(request).current.bundles.report_of(run.version))}
