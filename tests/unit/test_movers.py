"""Products that users turned to and away from: counted beside a naive count, and what is chance is left out."""

from dataclasses import replace

import numpy as np
import pytest

from kg.snapshot import DAY_MS, Snapshot, build_snapshot
from serving.movers import WINDOW_DAYS, movers
from tests.support.bundles import small_shop


@pytest.fixture(scope="module")
def shop() -> Snapshot:
    return build_snapshot(small_shop().tables)


def with_products(shop: Snapshot, new: np.ndarray, chosen: np.ndarray) -> Snapshot:
    """The shop in which the new events are with other products."""
    product = shop.events.product.copy()
    product[new] = chosen.astype(product.dtype)
    return replace(shop, events=replace(shop.events, product=product))


def recent(shop: Snapshot, days: float) -> np.ndarray:
    return np.asarray(shop.events.time > shop.events.time.max() - days * DAY_MS)


def test_a_rise_and_a_fall_are_found_with_their_numbers(shop: Snapshot) -> None:
    new = recent(shop, 30)
    since = shop.events.time[~new].max()
    usual = ~new & (shop.events.time > since - WINDOW_DAYS * DAY_MS)
    before = np.bincount(shop.events.product[usual], minlength=shop.num_nodes("Product"))
    risen, fallen = int(np.argmin(before)), int(np.argmax(before))
    chosen = np.random.default_rng(0).permutation(np.resize(shop.events.product[usual], int(new.sum())))
    chosen[chosen == fallen] = risen

    found = movers(with_products(shop, new, chosen), new)

    assert shop.ids("Product")[risen] == found[0].product_id
    assert shop.ids("Product")[fallen] == found[-1].product_id
    for mover, row in ((found[0], risen), (found[-1], fallen)):
        assert int((chosen == row).sum()) == mover.found
        expected = before[row] / before.sum() * new.sum()
        assert pytest.approx(expected) == mover.expected
        assert pytest.approx((mover.found - expected) / (expected + 1) ** 0.5) == mover.z
    assert "by its share of before" in found[0].sentence


def test_more_of_everything_moves_nothing(shop: Snapshot) -> None:
    new = recent(shop, 30)
    since = shop.events.time[~new].max()
    usual = ~new & (shop.events.time > since - WINDOW_DAYS * DAY_MS)

    assert () == movers(with_products(shop, new, np.resize(shop.events.product[usual], int(new.sum()))), new)


def test_a_product_without_a_past_says_so(shop: Snapshot) -> None:
    new = recent(shop, 30)
    product, strange = shop.events.product.copy(), int(shop.events.product[0])
    product[~new & (product == strange)] = (strange + 1) % shop.num_nodes("Product")
    product[np.flatnonzero(new)[:40]] = strange

    found = movers(replace(shop, events=replace(shop.events, product=product)), new)

    assert shop.ids("Product")[strange] == found[0].product_id
    assert "the first it has" in found[0].sentence
