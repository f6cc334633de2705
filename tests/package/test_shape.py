"""The size of modules, what `__init__` files hold, and what imports load."""

import ast
import functools
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("cypher", "encoders", "gnn", "kg", "serving")
MODULES = sorted(path for room in (*ROOMS, "tests", "bench") for path in (ROOT / room).rglob("*.py"))
PRODUCT = [path for path in MODULES if path.relative_to(ROOT).parts[0] in ROOMS]
LIMIT, LIMIT_HARD = 400, 500
"""Lines of a module: up to the first is the rule, the second is never passed."""
LONGER: frozenset[str] = frozenset()
"""Modules that may be longer than LIMIT, each a decision."""
DOORS = {"serving/client/__init__.py"}
"""Packages that programs of others import from, each a decision: they name what is for them, and hold nothing else."""
FUNCTION_LIMIT = 40
LEARNING = ("torch", "torch_geometric", "sentence_transformers", "transformers")
ONLINE = (
    *("serving.settings", "serving.cli.main", "serving.cli.explain", "serving.api.app"),
    *("serving.recommend", "serving.explain"),
)
"""Modules of the online path."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_not_too_long(path: Path) -> None:
    limit = LIMIT_HARD if name_of(path) in LONGER or path not in PRODUCT else LIMIT

    num_lines = len(path.read_text(encoding="utf-8").splitlines())

    assert num_lines <= limit


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_no_function_is_too_long(path: Path) -> None:
    too_long = [
        f"{node.name}: {_body_lines(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _body_lines(node) > FUNCTION_LIMIT
    ]

    assert [] == too_long


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [path for path in PRODUCT if path.name == "__init__.py"], ids=name_of)
def test_an_init_file_holds_a_docstring_and_nothing_else(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body[1:]
    if name_of(path) in DOORS:
        *imports, names = body
        assert {ast.ImportFrom} == {type(one) for one in imports}
        assert "__all__ = [" == ast.unparse(names)[:11]
        body = []

    assert [] == body


def test_every_package_is_in_the_package_list() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]

    found = {".".join(path.parent.relative_to(ROOT).parts) for path in PRODUCT if path.name == "__init__.py"}

    assert found == set(listed)


def test_the_online_path_loads_no_learning_library_and_neither_draws_nor_fits_trees() -> None:
    loaded = loaded_by(*ONLINE)  # together they load what each of them does

    assert set() == {*LEARNING, "sklearn", "matplotlib"} & {*loaded}
    assert {*ONLINE} <= {*loaded}


def test_the_api_loads_nothing_that_asks_other_servers() -> None:
    clients = {"requests", "httpx", "aiohttp", "urllib3", "huggingface_hub", "fsspec"}
    loaded = loaded_by("serving.api.app")

    assert set() == clients & {name.partition(".")[0] for name in loaded}
    assert [] == [name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]


def test_the_client_loads_httpx_and_nothing_else_that_is_large() -> None:
    loaded = loaded_by("serving.client")
    rooms = [name for name in loaded if name.partition(".")[0] in ROOMS]

    large = {
        "numpy",
        "pandas",
        "pyarrow",
        "neo4j",
        "pydantic",
        "fastapi",
        "starlette",
        "uvicorn",
        "faiss",
        "onnxruntime",
    }
    assert set() == {name.partition(".")[0] for name in loaded} & {*LEARNING, *large}
    assert {"serving", "serving.client"} == {".".join(name.split(".")[:2]) for name in rooms}
    assert "httpx" in loaded


@pytest.mark.parametrize("room", ["cypher", "kg"])
def test_the_graph_rooms_load_no_learning_library(room: str) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in PRODUCT
        if path.relative_to(ROOT).parts[0] == room and path.name != "__init__.py"
    ]

    assert [] == [name for name in LEARNING if name in loaded_by(*modules)]


def test_the_help_page_loads_no_library_for_numbers() -> None:
    script = (
        "import sys\nfrom serving.cli.main import main\ntry: main(['--help'])\nfinally: print('loaded', *sys.modules)"
    )

    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False, text=True)

    loaded = {module.partition(".")[0] for module in run.stdout.rpartition("loaded")[2].split()}
    assert "typer" in loaded
    assert set() == loaded & {*LEARNING, "numpy", "pandas", "scipy", "neo4j", "fastapi", "faiss"}


@functools.cache
def loaded_by(*modules: str) -> list[str]:
    """Return the names of all modules that importing these loads in a fresh interpreter."""
    code = f"import json, sys\nimport {', '.join(modules)}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout)
    return names


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its signature and docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1
