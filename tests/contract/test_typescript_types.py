"""clients/typescript holds what docs/openapi.json says; told without node, which tests/clients needs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
WRITTEN = (CLIENT / "src" / "api.ts").read_text(encoding="utf-8")


def test_every_route_is_in_the_types() -> None:
    assert set(DOCUMENT["paths"]) == set(re.findall(r'^    "(/\S+)": \{$', WRITTEN, flags=re.MULTILINE))
    for routes in DOCUMENT["paths"].values():
        for method, route in routes.items():
            assert f'{method}: operations["{route["operationId"]}"];' in WRITTEN


def test_every_field_of_every_shape_is_in_the_types() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        block = re.search(rf"^        {name}: (\{{$.*?^        \}}|[^\n]*;$)", WRITTEN, flags=re.MULTILINE | re.DOTALL)
        assert block is not None, name
        fields = set(re.findall(r"^            (\w+)\??: ", block[1], flags=re.MULTILINE))
        assert set(schema.get("properties", {})) == fields - {"[key: string]"}, f"{name}: run 'make openapi'"
        for value in schema.get("enum", ()):
            assert f'"{value}"' in block[1]


def test_every_parameter_is_in_the_types() -> None:
    for name in _parameters():
        assert re.search(rf"^                \"?{name}\"?\??: ", WRITTEN, flags=re.MULTILINE), name


def _parameters() -> Iterator[str]:
    for routes in DOCUMENT["paths"].values():
        for route in routes.values():
            yield from (one["name"] for one in route.get("parameters", ()))


def test_every_version_is_pinned_and_no_address_is_kept() -> None:
    package: dict[str, Any] = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    versions = {**package["dependencies"], **package["devDependencies"]}

    assert [] == [f"{name} {one}" for name, one in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", one)]
    assert [] == [path.name for path in CLIENT.glob("*lock*")]
    files = [path for path in (*CLIENT.glob("*"), *CLIENT.glob(".*")) if path.is_file()]
    assert [] == [path.name for path in files if "://" in path.read_text(encoding="utf-8")]
    assert "package-lock=false\n" == (CLIENT / ".npmrc").read_text(encoding="utf-8")
