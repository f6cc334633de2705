"""docs/shops.md is done step by step: folders, keys, two processes for two shops, and a request to each."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.cli.main import main
from serving.settings import load_settings
from serving.shops import read_shops
from tests.support.tiny_bundle import publish_tiny_bundle

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "shops.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
LINES = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
COMMAND = "import sys; from serving.cli.main import main; sys.exit(main())"
OF_SHOPS = {"WHYCART_HOME", "WHYCART_CONFIG"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in OF_SHOPS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_in_folders(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Run the lines `cd FOLDER && whycart ...`, and return what the last one in each folder printed first."""
    said = {}
    for line in LINES:
        if found := re.fullmatch(r"(mkdir (?P<new>\w+) && )?cd (?P<folder>\w+) && whycart (?P<words>.+)", line):
            folder = place / found["folder"]
            if found["new"]:
                folder.mkdir()
            monkeypatch.chdir(folder)
            with pytest.raises(SystemExit, match="0"):
                main(shlex.split(found["words"]))
            said[found["folder"]] = capsys.readouterr().out.splitlines()[0]
    monkeypatch.chdir(place)
    return said


@pytest.fixture
def serving(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Give address and keys of the API that the page starts, on a free port."""
    keys = run_in_folders(place, monkeypatch, capsys)
    for folder in keys:
        publish_tiny_bundle(place / folder / ".whycart" / "bundles")
        file = place / folder / "whycart.toml"
        text = file.read_text(encoding="utf-8")  # no graph server is started for this
        text = re.sub(r"# uri = .*", 'uri = "bolt://127.0.0.1:1"', text)
        file.write_text(re.sub(r"# database = .*", f'database = "{folder}"', text), encoding="utf-8")
    (line,) = [line for line in LINES if line.startswith("whycart serve")]
    words = [*shlex.split(line)[1:], "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name not in OF_SHOPS}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        env=environment | {"PYTHONPATH": str(ROOT)},
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().removeprefix("serving at "), keys
    finally:
        process.terminate()
        assert 0 == process.wait(timeout=30)
        process.stdout.close()


def ask(address: str, key: str, body: Any = None) -> Any:
    """Return the answer to a request with a key; a body is posted."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    sent = urllib.request.Request(address, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.urlopen(sent, timeout=20) as answer:
        return json.load(answer)


def test_every_step_of_the_page_works(serving: tuple[str, dict[str, str]]) -> None:
    address, keys = serving
    asked = [re.fullmatch(r'curl -H "X-API-Key: \$(\w+)" http://127.0.0.1:8000(/\S+)', line) for line in LINES]
    paths = {found[1].lower(): found[2] for found in asked if found}
    event = {"events": [{"user_id": "u1", "product_id": "p02", "type": "bought"}]}

    def used(shop: str) -> list[int]:
        return [ask(address + paths[shop], keys[shop])["events_used"] for _ in range(4)]  # the processes take turns

    before = (used("north"), used("south"))
    assert 1 == ask(f"{address}/v1/events", keys["north"], event)["accepted"]

    assert ([5] * 4, [5] * 4) == before
    assert ([6] * 4, [5] * 4) == (used("north"), used("south"))  # what the north was told the south does not know


def test_the_table_of_the_page_names_the_same_shops(place: Path) -> None:
    (text,) = [block for kind, block in BLOCKS if kind == "toml"]
    for name in tomllib.loads(text)["serve"]["shops"]:
        (place / name).mkdir()
        (place / name / "whycart.toml").touch()
    (place / "whycart.toml").write_text(text, encoding="utf-8")

    settings = load_settings(folder=place)

    assert ["north", "south"] == [shop.name for shop in read_shops(settings.serve.shops)]
    assert 2 == settings.serve.workers


def test_the_page_is_linked() -> None:
    for page in ("README.md", "docs/keys.md", "docs/api.md", "SECURITY.md"):
        assert "shops.md" in (ROOT / page).read_text(encoding="utf-8")
