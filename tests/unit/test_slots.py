"""Places that are kept for new products."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnn.score import top_products
from serving.errors import ConfigError
from serving.slots import ListsConfig, with_new


def listed(scores: list[float], new: list[int], *, every: int, k: int) -> tuple[list[int], set[int]]:
    values, flags = np.array(scores), np.isin(np.arange(len(scores)), new)
    ranked = top_products(values, np.ones(len(scores), dtype=bool), k=k)
    found, kept = with_new(ranked, values, new=flags, every=every)
    return found.tolist(), kept


def test_every_so_manyth_place_is_the_best_new_products() -> None:
    scores = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5]

    assert ([0, 1, 8, 2, 3, 9], {8, 9}) == listed(scores, [8, 9], every=3, k=6)
    assert ([0, 1, 2, 3, 4, 5], set()) == listed(scores, [8, 9], every=0, k=6)
    assert ([0, 1], set()) == listed(scores, [8, 9], every=3, k=2)


def test_no_place_is_kept_where_a_new_product_came_as_far_by_itself() -> None:
    assert ([0, 1, 2, 3, 4, 6], {6}) == listed([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0], [1, 6], every=3, k=6)


def test_where_new_products_run_out_the_list_goes_on() -> None:
    assert ([0, 3, 1, 2], {3}) == listed([9.0, 8.0, 7.0, 1.0, 5.0], [3], every=2, k=4)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=30),
    st.sets(st.integers(0, 29)),
    st.integers(1, 8),
    st.integers(1, 30),
    st.integers(0, 29),
)
def test_a_page_is_a_part_of_the_whole_list(scores: list[float], new: set[int], every: int, k: int, cut: int) -> None:
    new = {row for row in new if row < len(scores)}
    whole, kept = listed(scores, sorted(new), every=every, k=k)
    part, _ = listed(scores, sorted(new), every=every, k=min(k, cut + 1))

    assert len(whole) == len(set(whole)) == min(k, len(scores))
    assert kept <= new
    assert whole[: len(part)] == part
    for place in range(every, len(whole) + 1, every):
        assert new <= set(whole) | kept or any(row in new for row in whole[place - every : place])


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="new_every must be 0 or more, got -1"):
        ListsConfig(new_every=-1)
