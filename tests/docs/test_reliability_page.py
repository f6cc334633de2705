"""docs/reliability.md: every test and measurement it names is there."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_test_it_names_is_there() -> None:
    files = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)

    assert len(files) >= 10
    assert [] == [file for file in files if not (ROOT / file).is_file()]


def test_every_measurement_it_names_is_there() -> None:
    modules = set(re.findall(r"`python -m (bench\.\w+)`", PAGE))

    assert {"bench.kills", "bench.publishes"} <= modules
    assert all(importlib.util.find_spec(name) is not None for name in modules)


def test_the_page_is_linked() -> None:
    assert "reliability.md" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
