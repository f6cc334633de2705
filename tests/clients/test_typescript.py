"""The TypeScript client: written from docs/openapi.json, compiled, and run with node against an API that listens.

Needs node, and what `make test-clients` installs into clients/typescript/node_modules; nothing is fetched from here.
"""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.api.app import create_app
from serving.client.exchange import DEFAULT_URL
from serving.events import EventLog
from serving.keys import KeyLog
from tests.support.api import until
from tests.support.listening import listening
from tests.support.needs import missing
from tests.support.tiny_bundle import publish_tiny_bundle

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```ts\n(.*?)```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)
PRINTED = """\
list true u1 true
session 2
events 1 [ 'ts-1' ]
id a/b ü?
queries true
metrics true
error undefined 422 true
refused [ 404, 'urn:whycart:problem:unknown-product' ]
without a key 401
silent TimeoutError
"""


@pytest.fixture(scope="module")
def tools(request: pytest.FixtureRequest) -> Path:
    """The folder of what npm installed."""
    folder = CLIENT / "node_modules"
    if shutil.which("node") is None:
        missing(request.config, "node", why="no node on PATH; install Node.js 20.3 or later")
    if not (folder / "typescript").is_dir():
        missing(
            request.config, "node", why="clients/typescript/node_modules is not there; 'make test-clients' fills it"
        )
    return folder


@pytest.fixture(scope="module")
def project(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application's folder, with the client built and installed in it."""
    folder = tmp_path_factory.mktemp("application")
    package = folder / "node_modules" / "whycart-client"
    package.mkdir(parents=True)
    shutil.copy(CLIENT / "package.json", package)
    for entry in tools.iterdir():
        (folder / "node_modules" / entry.name).symlink_to(entry)
    compiled(tools, "-p", str(CLIENT), "--outDir", str(package / "dist"))
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and key of an API."""
    state = tmp_path_factory.mktemp("state") / "state.db"
    with KeyLog.open(state) as keys:
        key = keys.create("shop", ["read", "write", "cypher"], now_ms=int(time.time() * 1000)).text
    app = create_app(publish_tiny_bundle(tmp_path_factory.mktemp("bundles")), EventLog.open(state))
    with listening(app) as address:
        assert until(lambda: httpx.get(f"{address}/health/ready").status_code == 200)
        yield address, key


def compiled(tools: Path, *arguments: str) -> None:
    command = ["node", str(tools / "typescript" / "bin" / "tsc"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert 0 == done.returncode, done.stdout + done.stderr


def ran(project: Path, tools: Path, program: str) -> str:
    """Compile a program strictly, run it, and return what it printed."""
    (project / "program.ts").write_text(program, encoding="utf-8")
    lib = ["--lib", "ES2023,DOM", "--target", "ES2022", "--module", "NodeNext"]
    compiled(tools, "--strict", "--noUncheckedIndexedAccess", *lib, str(project / "program.ts"))
    done = subprocess.run(["node", "program.js"], cwd=project, capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_an_application_is_compiled_and_answered(project: Path, tools: Path, api: tuple[str, str]) -> None:
    text = (Path(__file__).parent / "application.ts").read_text(encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        program = text.replace('"URL"', json.dumps(api[0])).replace('"KEY"', json.dumps(api[1]))
        printed = ran(project, tools, program.replace('"SILENT"', json.dumps(silent_url)))

    assert PRINTED == printed


@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_of_the_page_prints_what_it_says(
    program: str, printed: str, project: Path, tools: Path, api: tuple[str, str]
) -> None:
    assert DEFAULT_URL in program

    text = program.replace(DEFAULT_URL, api[0]).replace("process.env.WHYCART_API_KEY", json.dumps(api[1]))

    assert printed == ran(project, tools, text)


def test_every_program_of_the_page_is_run() -> None:
    assert PAGE.count("```ts\n") == len(PROGRAMS) > 0


def test_the_types_are_those_of_the_document(tools: Path, tmp_path: Path) -> None:
    script = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))["scripts"]["generate"]
    name, *arguments = script.replace("src/api.ts", str(tmp_path / "api.ts")).split()
    command = ["node", str(tools / name / "bin" / "cli.js"), *arguments]
    subprocess.run(command, cwd=CLIENT, capture_output=True, check=True, timeout=60)

    written = (CLIENT / "src" / "api.ts").read_text(encoding="utf-8")
    assert (tmp_path / "api.ts").read_text(encoding="utf-8") == written, "run 'make openapi'"
