"""`python -m bench.openapi`: the OpenAPI document as it is frozen in docs/openapi.json, and what may change of it.

Clients are built on the document. What one of them may send must stay welcome, and what it may read must stay there:
an address, a parameter, a field or a value that is taken may be added, not taken away. The file is written anew only if
nothing breaks, or with `--break`, which belongs into a new version of the API.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gnn.bundles import BundleStore
from serving.api.app import create_app
from serving.events import EventLog

FILE = Path("docs/openapi.json")
Schema = Mapping[str, Any]
_LOWER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_HIGHER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")


def current_document() -> dict[str, Any]:
    """Return the document of the API as the code has it, without the version of the package."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(BundleStore(Path(folder)), EventLog.open(Path(folder) / "state.db"))
        document: dict[str, Any] = json.loads(json.dumps(asyncio.run(_document_of(app))))
    document["info"]["version"] = "1"
    return document


async def _document_of(app: FastAPI) -> dict[str, Any]:
    async with app.router.lifespan_context(app):
        return app.openapi()


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Return what a client of the old document could no longer do or read, one sentence each; empty: nothing."""
    found: list[str] = []
    for path, routes in old["paths"].items():
        for method, before in routes.items():
            place = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                found.append(f"{place} is gone")
                continue
            found += _sent(_Place(place, old, new), before, after)
            found += _read(_Place(place, old, new), before, after)
    return found


class _Place:
    """Where in both documents a comparison stands."""

    def __init__(self, name: str, old: Schema, new: Schema, seen: frozenset[str] = frozenset()) -> None:
        self.name, self.old, self.new, self.seen = name, old, new, seen

    def below(self, name: str, schema: Schema) -> "_Place":
        reference = str(schema.get("$ref", ""))
        return _Place(f"{self.name}, {name}", self.old, self.new, self.seen | {reference} if reference else self.seen)


def _sent(place: _Place, before: Schema, after: Schema) -> Iterator[str]:
    """What is sent: parameters and body."""
    old = {(one["in"], one["name"]): one for one in before.get("parameters", ())}
    new = {(one["in"], one["name"]): one for one in after.get("parameters", ())}
    for key, one in old.items():
        if key not in new:
            yield f"{place.name}: the parameter {key[1]} is no longer taken"
        else:
            yield from _narrowed(place.below(key[1], one["schema"]), one["schema"], new[key]["schema"])
    for key, one in new.items():
        if one.get("required") and not old.get(key, {}).get("required"):
            yield f"{place.name}: the parameter {key[1]} has become required"
    bodies = [_content(one.get("requestBody", {})) for one in (before, after)]
    if bodies[0] is None and bodies[1] is not None:
        yield f"{place.name}: a body has become required"
    if bodies[0] is not None and bodies[1] is not None:
        yield from _narrowed(place.below("body", bodies[0]), bodies[0], bodies[1])


def _read(place: _Place, before: Schema, after: Schema) -> Iterator[str]:
    """What is read: the bodies of answers."""
    for status, answer in before["responses"].items():
        old, new = _content(answer), _content(after["responses"].get(status, {}))
        if old is not None and new is None and status in after["responses"]:
            yield f"{place.name}: the answer {status} has lost its body"
        elif old is not None and new is not None:
            yield from _lost(place.below(f"answer {status}", old), old, new)


def _content(part: Schema) -> Schema | None:
    return next((one.get("schema", {}) for one in part.get("content", {}).values()), None)


def _narrowed(place: _Place, before: Schema, after: Schema) -> Iterator[str]:
    """Where what was welcome is no longer so."""
    if before.get("$ref") in place.seen and before.get("$ref") and place.name.count(",") > 8:  # it holds itself
        return
    old, new = _resolved(place.old, before), _resolved(place.new, after)
    if gone := _types(place.old, before) - _types(place.new, after):
        yield f"{place.name}: {', '.join(sorted(gone))} is no longer taken"
    yield from _tightened(place, old, new)
    properties = new.get("properties", {})
    for name, one in old.get("properties", {}).items():
        if name in properties:
            yield from _narrowed(place.below(name, one), one, properties[name])
        elif new.get("additionalProperties") is False:
            yield f"{place.name}: the field {name} is no longer taken"
    for name in sorted({*new.get("required", ())} - {*old.get("required", ())}):
        yield f"{place.name}: the field {name} has become required"
    if "items" in old and "items" in new:
        yield from _narrowed(place.below("each", old["items"]), old["items"], new["items"])


def _tightened(place: _Place, old: Schema, new: Schema) -> Iterator[str]:
    """Limits and values of one schema."""
    for name in (*_LOWER, *_HIGHER, "pattern"):
        if (limit := new.get(name)) is not None and limit != (was := old.get(name)):
            tighter = was is None or name == "pattern" or (limit < was if name in _LOWER else limit > was)
            if tighter:
                yield f"{place.name}: {name} is {limit} now, was {'open' if was is None else was}"
    if "enum" in new and (lost := set(map(str, old.get("enum", ()))) - set(map(str, new["enum"]))):
        yield f"{place.name}: the values {', '.join(sorted(lost))} are no longer taken"


def _lost(place: _Place, before: Schema, after: Schema) -> Iterator[str]:
    """Where what could be read is no longer there."""
    if before.get("$ref") in place.seen and before.get("$ref") and place.name.count(",") > 8:  # it holds itself
        return
    old, new = _resolved(place.old, before), _resolved(place.new, after)
    if more := _types(place.new, after) - _types(place.old, before):
        yield f"{place.name}: may be {', '.join(sorted(more))} now"
    properties, required = new.get("properties", {}), {*new.get("required", ())}
    for name, one in old.get("properties", {}).items():
        if name not in properties:
            yield f"{place.name}: the field {name} is gone"
            continue
        if name in old.get("required", ()) and name not in required:
            yield f"{place.name}: the field {name} may be left out now"
        yield from _lost(place.below(name, one), one, properties[name])
    if "items" in old and "items" in new:
        yield from _lost(place.below("each", old["items"]), old["items"], new["items"])
    if isinstance(one := old.get("additionalProperties"), Mapping) and isinstance(
        other := new.get("additionalProperties"), Mapping
    ):
        yield from _lost(place.below("each", one), one, other)


def _resolved(document: Schema, schema: Schema) -> Schema:
    """A schema by its reference; of one that may be null the other part."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null" and ("type" in one or "$ref" in one)]
    return _resolved(document, options[0]) if len(options) == 1 else schema


def _types(document: Schema, schema: Schema) -> set[str]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema and "type" not in schema:
        return set[str]().union(*(_types(document, one) for one in schema["anyOf"]))
    return {str(schema["type"])} if "type" in schema else set()


def render(document: Schema) -> str:
    """Return the document as the file has it."""
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file; return the exit code: 1 where that would break clients."""
    parser = argparse.ArgumentParser(prog="python -m bench.openapi", description="Freeze the OpenAPI document.")
    parser.add_argument("--file", type=Path, default=FILE, help="where it is frozen")
    parser.add_argument("--break", action="store_true", dest="may_break", help="write it although clients break")
    options = parser.parse_args(argv)
    new = current_document()
    old = json.loads(options.file.read_text(encoding="utf-8")) if options.file.exists() else {"paths": {}}
    found = breaking_changes(old, new)
    for line in found:
        sys.stderr.write(f"{line}\n")
    if found and not options.may_break:
        sys.stderr.write(f"{len(found)} changes would break clients; {options.file} stays as it was\n")
        return 1
    options.file.write_text(render(new), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
