"""What every test folder shares: the option that turns a missing requirement into a failure, and one trained model."""

import os

import pytest

from gnn.bundle import Bundle

# As the command line does: threads that spin while they wait take the cores from those that work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--require=NAME`; see tests.support.needs."""
    parser.addoption(
        "--require",
        action="append",
        default=[],
        choices=("neo4j", "local", "gpu", "browser", "node"),
        help="fail instead of skip when this cannot be had; may be given several times",
    )


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Give the bundle of the small generated shop, trained once a run; nobody writes into its folder."""
    from tests.support.bundles import train_small_shop

    return train_small_shop(tmp_path_factory.mktemp("small")).bundle
