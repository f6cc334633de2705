"""Says what a test needs and does not find: a skip, or a failure under `--require=NAME`."""

from typing import NoReturn

import pytest


def missing(config: pytest.Config, name: str, *, why: str) -> NoReturn:
    """Skip the test that asks, or fail it when the command line requires what is missing.

    Args:
        config: the run's configuration, `request.config`.
        name: what is missing, as `--require` spells it: `neo4j`.
        why: what was looked for and not found, and what to install.
    """
    if name in config.getoption("--require"):
        pytest.fail(f"{name} is required and missing: {why}", pytrace=False)
    pytest.skip(f"{name} is missing: {why}")
