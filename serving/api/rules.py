"""The routes by which a shop writes its business rules and looks at what they do. What a rule is stands in
`serving.rules`, what is sent in `serving.api.rules_answers`."""

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import Field

from serving.api.admission import needs
from serving.api.conditional import NOT_MODIFIED, known, tag_of, tagged, tags_in
from serving.api.holding import Served
from serving.api.ids import Id, UserId
from serving.api.routes import about, answered, as_json, problems_of, require_json
from serving.api.rules_answers import (
    PreviewAnswer,
    RuleAnswer,
    RuleDeletedAnswer,
    RulesAnswer,
    RuleWrittenAnswer,
    shape_preview,
    shape_rule,
)
from serving.api.services import Services, services_of
from serving.api.values import Body, Device, Time, Where, Whereabouts, Word, to_ms
from serving.arrangement import check_rule
from serving.query import MAX_QUERY
from serving.records import moment_of
from serving.rule_log import KeptRule
from serving.rule_preview import Wanted, preview
from serving.rules import MAX_IDS, MAX_NOTE, MAX_PLACE, MAX_WORDS, Action, Context, ListName, Rule, Weekday

router = APIRouter(prefix="/v1/rules", tags=["rules"], dependencies=[needs("rules")])
RuleName = Annotated[
    str,
    Path(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name.", examples=["spring-tea"]),
]
Hours = Annotated[str, Field(max_length=5, pattern=r"^[0-9]{1,2}-[0-9]{1,2}$")]
Place = Annotated[int, Field(ge=1, le=MAX_PLACE)]
MAX_SHOWN = 100
MAX_TAGS = 1000
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=MAX_TAGS,
        description="`etag` of the rule as it was read: nothing is done if somebody changed it meanwhile.",
        examples=['"0f5b9c6a4e1d3b7c8a2f6e90"'],
    ),
]


class RuleIn(Body):
    """What a rule says; which fields go with which action stands in docs/rules.md."""

    action: Action = Field(examples=["boost"])
    where: Where | None = Field(
        None, alias="filter", description="Products that it is about.", examples=['category = "Tea"']
    )
    product_ids: list[Id] = Field(
        [], max_length=MAX_IDS, description="Products that it is about, instead of a filter.", examples=[[]]
    )
    strength: Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Of a boost or bury; not given: 0.3.", examples=[0.3]
    )
    positions: list[Place] = Field([], max_length=MAX_PLACE, description="Of a pin; 1 is the first.", examples=[[]])
    most: Place | None = Field(None, description="Of a cap: how many products.", examples=[None])
    per: Id | None = Field(
        None, description="Of a cap: `brand`, `category` or a declared kind; null: all together.", examples=[None]
    )
    within: Place | None = Field(None, description="Of a cap: in so many places; not given: 10.", examples=[None])
    lists: list[ListName] = Field(
        [], max_length=10, description="Lists that it changes; empty: all.", examples=[["recommend"]]
    )
    starts_at: Time | None = Field(None, description="ISO 8601; null: at once.", examples=["2026-03-01T00:00:00Z"])
    ends_at: Time | None = Field(None, description="ISO 8601; null: never.", examples=["2026-04-01T00:00:00Z"])
    devices: list[Word] = Field(
        [], max_length=MAX_WORDS, description="Devices that it holds for; empty: all.", examples=[["phone"]]
    )
    places: list[Word] = Field(
        [], max_length=MAX_WORDS, description="Places that it holds for; empty: all.", examples=[["de", "at"]]
    )
    hours: Hours | None = Field(
        None, description="Hours of the day that it holds in, `[lists] time_zone`; null: all day.", examples=["18-23"]
    )
    weekdays: list[Weekday] = Field(
        [], max_length=7, description="Days of the week that it holds on; empty: all.", examples=[["sat", "sun"]]
    )
    note: str = Field("", max_length=MAX_NOTE, description="What it is for.", examples=["Spring campaign"])

    def rule(self, name: str) -> Rule:
        """Return the rule.

        Raises:
            RuleError: fields that do not go together.
        """
        return Rule(
            name=name,
            action=self.action,
            where=self.where,
            product_ids=tuple(dict.fromkeys(self.product_ids)),
            strength=self.strength,
            positions=tuple(self.positions),
            most=self.most,
            per=self.per,
            within=self.within,
            lists=tuple(dict.fromkeys(self.lists)),
            starts_at_ms=None if self.starts_at is None else to_ms(self.starts_at),
            ends_at_ms=None if self.ends_at is None else to_ms(self.ends_at),
            devices=tuple(dict.fromkeys(self.devices)),
            places=tuple(dict.fromkeys(self.places)),
            hours=self.hours,
            weekdays=tuple(dict.fromkeys(self.weekdays)),
            note=self.note,
        )


class PreviewBody(Body):
    """A rule, and the list that it is tried on."""

    rule: RuleIn | None = Field(None, description="What it would say; null: as it is kept, whether it holds or not.")
    list_: ListName = Field("recommend", alias="list", description="Which list.", examples=["recommend"])
    user_id: UserId | None = Field(None, description="Of `recommend`; null: nobody in particular.", examples=["u1"])
    product_id: Id | None = Field(None, description="Of `similar` and `bought_together`.", examples=["p01"])
    q: str | None = Field(
        None, min_length=1, max_length=MAX_QUERY, pattern=r"\S", description="Of `search`.", examples=[None]
    )
    n: int = Field(10, ge=1, le=MAX_SHOWN, description="Products of the list.", examples=[5])
    device: Device | None = None
    place: Whereabouts | None = None


@router.get(
    "",
    summary="The business rules of the shop",
    response_model=RulesAnswer,
    responses=NOT_MODIFIED | problems_of(503),
)
def list_rules(request: Request) -> Response:
    """Return every rule with what has become of it, those included that wait or are over."""
    services, now_ms = services_of(request), int(time.time() * 1000)
    kept, served = services.rules.log.all(), services.current.loaded
    graph = None if served is None else served.bundle.snapshot.hash
    tag = tag_of("rules", graph, [(one.version, one.rule.state(now_ms)) for one in kept])
    if (same := known(request, tag)) is not None:
        return same
    return tagged(as_json(about(request) | {"rules": [_shape(services, one) for one in kept]}), tag)


@router.get(
    "/{name}",
    summary="One business rule",
    response_model=RuleAnswer,
    responses=problems_of(404, 422, 503),
)
def read_rule(request: Request, name: RuleName) -> Response:
    """Return a rule with what has become of it; the header `ETag` is the `etag` that `If-Match` takes."""
    services = services_of(request)
    return _one(request, services.rules.log.find(name))


@router.post(
    "/{name}/preview",
    summary="What a rule would do to a list",
    response_model=PreviewAnswer,
    responses=problems_of(400, 404, 408, 413, 415, 422, 503),
    dependencies=[Depends(require_json)],
)
async def preview_rule(request: Request, name: RuleName, body: PreviewBody) -> Response:
    """Return a list without the rule and with it, beside the others that hold now; nothing is written."""
    here = services_of(request)
    rule = here.rules.log.find(name).rule if body.rule is None else _rule(here, body.rule, name)
    here_is = Context(device=body.device, place=body.place)
    wanted = Wanted(
        list=body.list_,
        user_id=body.user_id,
        product_id=body.product_id,
        query=body.q,
        n=body.n,
        context=here_is,
    )

    def find(services: Services, served: Served) -> dict[str, Any]:
        since = services.recent.counts(after=served.bundle.events_applied)
        moment = moment_of(services.log, body.user_id)
        found = preview(served.ready, moment, since, rule, services.holding(wanted.context), wanted)
        return about(request) | shape_preview(found, served.cards)

    return await answered(request, find, is_short=False, user_id=body.user_id)


@router.put(
    "/{name}",
    summary="Write a business rule",
    response_model=RuleWrittenAnswer,
    responses=problems_of(400, 408, 412, 413, 415, 422, 503),
    dependencies=[Depends(require_json)],
)
def write_rule(request: Request, name: RuleName, body: RuleIn, if_match: IfMatch = None) -> Response:
    """Write a rule, in place of the one of its name; every API process goes by it within a second."""
    services, now_ms = services_of(request), int(time.time() * 1000)
    rule = _rule(services, body, name)
    check_rule(services.current.get().ready.shelf, rule)
    created = services.rules.log.put(rule, now_ms=now_ms, expected=_expected(request, if_match))
    services.rules.look_again()
    return _one(request, KeptRule(rule, now_ms), created=created)


@router.delete(
    "/{name}",
    summary="Delete a business rule",
    response_model=RuleDeletedAnswer,
    responses=problems_of(404, 412, 422, 503),
)
def delete_rule(request: Request, name: RuleName, if_match: IfMatch = None) -> Response:
    """Delete a rule; no API process goes by it a second later."""
    services = services_of(request)
    services.rules.log.delete(name, expected=_expected(request, if_match))
    services.rules.look_again()
    return as_json(about(request) | {"name": name})


def _expected(request: Request, if_match: str | None) -> list[str] | None:
    """Versions of which a rule must have one; None: there need be none. A weak tag names none, `*` any."""
    if if_match is None:
        return None
    if if_match.strip() == "*":
        return ["*"]
    return [tag.strip('"') for tag in tags_in(request, "if-match") if not tag.startswith("W/")]


def _rule(services: Services, said: RuleIn, name: str) -> Rule:
    """A rule in plain words."""
    rule = said.rule(name)
    return rule if rule.where is None else replace(rule, where=services.saved.expand(rule.where))


def _one(request: Request, kept: KeptRule, **more: bool) -> Response:
    shaped = _shape(services_of(request), kept)
    response = as_json(about(request) | more | {"rule": shaped})
    response.headers["ETag"] = shaped["etag"]
    return response


def _shape(services: Services, kept: KeptRule) -> dict[str, Any]:
    served = services.current.loaded
    return shape_rule(kept, None if served is None else served.ready.shelf, now_ms=int(time.time() * 1000))
