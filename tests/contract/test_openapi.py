"""The running API does what its OpenAPI document says, asked with random values; `bench.contract` asks more often."""

from pathlib import Path

import pytest

from bench.contract import check_contract, main
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.mark.slow
def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")

    sent, code, said = check_contract(tmp_path, cases=150, seed=0)

    assert 0 == code, said
    assert sent > 1000


def test_no_cases_are_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--cases", "0"])
