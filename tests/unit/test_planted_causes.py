"""Of a shop whose every event has a known cause: is the planted cause among the reasons that are shown?"""

from dataclasses import replace

import pytest

from bench.planted import SIZE, Outcome, judge, recovery, share_by_cause, shuffled
from kg.sources.generated import GeneratedShop, generated_shop
from tests.support.bundles import quick_gate, train_small_shop


@pytest.fixture(scope="module")
def shop() -> GeneratedShop:
    return generated_shop(**SIZE, seed=3)


@pytest.fixture(scope="module")
def outcomes(shop: GeneratedShop, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return list(judge(train_small_shop(tmp_path_factory.mktemp("planted"), shop=shop).bundle, shop))


def test_most_recommendations_have_a_planted_cause(outcomes: list[Outcome], shop: GeneratedShop) -> None:
    assert len(outcomes) > 0.8 * 10 * shop.tables.nodes["User"].num_rows


def test_a_planted_cause_is_among_the_shown_reasons(outcomes: list[Outcome]) -> None:
    assert recovery(outcomes) >= 0.9, share_by_cause(outcomes)


def test_a_planted_cause_is_seldom_shown_when_the_graph_is_dealt_anew(
    shop: GeneratedShop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same users and degrees, but what was planted is gone: a reason that still names it would be an accident."""
    dealt = replace(shop, report=replace(shop.report, tables=shuffled(shop.tables, seed=3)))
    bundle = train_small_shop(tmp_path_factory.mktemp("control"), shop=dealt, gate=quick_gate(tolerance=1.0)).bundle

    outcomes = list(judge(bundle, shop))

    assert len(outcomes) > 300
    assert recovery(outcomes, graph_only=True) < 0.1, share_by_cause(outcomes)
