"""docs/data-quality.md lists every check with its limits and every rule that a shop can declare."""

import re
import tomllib
from pathlib import Path
from typing import get_args

from kg.declared_checks import Rule, read_checks
from kg.health_checks import CHECKS
from kg.schema import GraphSchema

PAGE = (Path(__file__).parents[2] / "docs" / "data-quality.md").read_text(encoding="utf-8")


def test_every_check_is_in_the_table_with_its_limits() -> None:
    listed = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \| (\d+%) \| (\d*%?) \|$", PAGE, re.MULTILINE)

    expected = [
        (
            f"{check.table}.{check.column}" if check.column else check.table,
            check.name,
            f"{check.warn:.0%}",
            "" if check.fail >= 1 else f"{check.fail:.0%}",
        )
        for check in CHECKS
    ]
    assert expected == listed


def test_every_rule_is_explained() -> None:
    table = PAGE.partition("| rule |")[2]

    assert sorted(get_args(Rule)) == sorted(re.findall(r"`(\w+)", table.partition("\n\n")[0]))


def test_the_example_can_be_read() -> None:
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])

    assert 3 == len(read_checks(example, GraphSchema(), where="page"))
