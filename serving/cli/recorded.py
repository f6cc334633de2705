"""Recorded lists on a terminal: keeping one, and showing one again with what it was made from."""

import time
from functools import partial
from typing import Any

from serving.api.recorded import shape_record
from serving.audit_config import AuditConfig
from serving.cli.items import open_ready, stamp_since
from serving.cli.output import print_json, print_table, say
from serving.events import EventLog
from serving.model_store import open_models
from serving.records import Record, RecordLog
from serving.replay import replay
from serving.settings import Settings


def record_list(settings: Settings, record: Record) -> bool:
    """Keep a list that is printed, and delete what has expired; return whether lists are kept at all."""
    config = settings.section("audit", AuditConfig)
    with RecordLog.open(settings.state, config) as records:
        records.expire()
        if config.enabled:
            records.add([record])
    return config.enabled


def explain_list(settings: Settings, list_id: str, *, replayed: bool, as_json: bool) -> None:
    """Print a list that was answered before, and what it was made from.

    Args:
        settings: of the project.
        list_id: its recommendation_id.
        replayed: whether to compute it again and compare.
        as_json: whether to print JSON as the API does.
    """
    started = time.perf_counter()
    with (
        RecordLog.open(settings.state, settings.section("audit", AuditConfig)) as records,
        EventLog.open(settings.state, settings.secret_file) as log,
    ):
        record = records.find(list_id)
        again = None
        if replayed:
            again = replay(record, log, open_models(settings), open_bundle=partial(open_ready, settings))
        shown = shape_record(record, record.logged(log), replay=again, stamp=stamp_since(started))
    if as_json:
        print_json(shown)
    else:
        _tell(shown)


def _tell(shown: dict[str, Any]) -> None:
    print_table(("list", shown["recommendation_id"]), _facts(shown))
    rows = [
        (item["rank"], _name(item), item["score"], ", ".join(item["reasons"]), ", ".join(_path_texts(item)[:1]))
        for item in shown["items"]
    ]
    say("")
    print_table(("rank", "product", "score", "reasons", "strongest path"), rows)
    for item in shown["items"]:
        for text in _path_texts(item)[1:]:
            say(f"{item['rank']}. {text}")
    if shown["replay"] is not None:
        say("")
        _tell_replay(shown["replay"])


def _facts(shown: dict[str, Any]) -> list[tuple[str, str]]:
    events, request = shown["events"], shown["request"]
    user = "a session" if shown["user_id"] is None else shown["user_id"]
    asked = {"n": request["n"], "offset": request["offset"]} | request["filter"]
    session = [f"{event['type']} {event['product_id']}" for event in request.get("session", ())]
    logged = [f"{event['type']} {event['product_id']} at {event['at']}" for event in events["logged"]]
    return [
        ("answered", shown["at"]),
        ("kind", shown["kind"]),
        ("for", request["product_id"] if shown["kind"] == "similar" else user),
        ("asked", ", ".join(f"{name} {value}" for name, value in asked.items() if value not in (None, []))),
        ("model", shown["model_version"]),
        ("graph", shown["graph_version"]),
        ("events used", f"{events['used']} (event log {events['after']} to {events['until']})"),
        *(("after the model", line) for line in logged),
        *(("in the session", line) for line in session),
        ("removed", ", ".join(f"{cause} {number}" for cause, number in shown["removed"].items())),
    ]


def _name(item: dict[str, Any]) -> str:
    title = item["metadata"]["title"]
    return f"{title} ({item['product_id']})" if title else str(item["product_id"])


def _path_texts(item: dict[str, Any]) -> list[str]:
    return [f"{path['contribution']:+.4f} {path['text']}" for path in item["paths"]]


def _tell_replay(again: dict[str, Any]) -> None:
    say(again["detail"])
    rows = [
        (entry["rank"], *(_place(entry[side]) for side in ("recorded", "replayed"))) for entry in again["differences"]
    ]
    if rows:
        print_table(("rank", "recorded", "computed again"), rows)


def _place(place: dict[str, Any] | None) -> str:
    return "nothing" if place is None else f"{place['product_id']} ({place['score']:.6g})"
