"""Every test that SECURITY.md names is there, and every risk has one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if line.startswith("| API")]


def test_every_risk_has_a_test_that_is_there() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", code))
    named = [re.findall(r"`(test_\w+)`", row) for row in ROWS]

    assert 10 == len(ROWS)
    assert all(named)
    assert set() == {name for names in named for name in names} - defined
