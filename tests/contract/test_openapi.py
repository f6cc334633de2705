"""The running API does what its OpenAPI document says, asked with random values; `bench.contract` asks more often."""

from pathlib import Path

import psutil
import pytest

from bench.contract import check_contract, main
from tests.support.tiny_bundle import publish_tiny_bundle


def graph_servers() -> set[int]:
    """Processes of graph servers on this machine."""
    return {process.pid for process in psutil.process_iter(["name"]) if "java" in (process.info["name"] or "")}


@pytest.mark.slow
def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    before = graph_servers()

    sent, code, said = check_contract(tmp_path, cases=150, seed=0)

    assert 0 == code, said
    assert sent > 1000
    assert graph_servers() <= before


def test_no_cases_are_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--cases", "0"])
