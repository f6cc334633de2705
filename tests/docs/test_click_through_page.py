"""docs/click-through.md: its program prints what the page says, and so does the command line after it."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.api.app import create_app
from serving.cli.main import main
from serving.client.exchange import DEFAULT_URL
from serving.events import EventLog
from tests.support.api import until
from tests.support.listening import listening
from tests.support.tiny_bundle import publish_tiny_bundle

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "click-through.md").read_text(encoding="utf-8")
((PROGRAM, PRINTED),) = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)
((COMMAND, TABLE),) = re.findall(r"```\n(whycart .*?)\n```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    bundles = publish_tiny_bundle(tmp_path / "bundles")
    with listening(create_app(bundles, EventLog.open(tmp_path / "state.db"))) as address:
        assert until(lambda: httpx.get(f"{address}/health/ready").status_code == 200)
        yield address


def test_the_program_and_the_command_print_what_the_page_says(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM.replace(DEFAULT_URL, url)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (PRINTED, "") == (done.stdout, done.stderr)

    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    with contextlib.suppress(SystemExit):
        main(COMMAND.split()[1:])

    first, *lines = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert re.fullmatch(r"lists from \S+ \S+ to \S+ \S+, with 95% intervals", first)
    assert TABLE.strip().splitlines() == [line for line in lines if line]


def test_the_page_can_be_found() -> None:
    assert "docs/click-through.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "click-through.md" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
