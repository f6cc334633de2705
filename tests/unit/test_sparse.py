"""Products over a fixed pattern against loops, also where places repeat until there are more entries than places."""

import pytest
import torch

from gnn.sparse import Pattern, Segments


def random_pattern(num_rows: int, num_columns: int, num_entries: int) -> tuple[Pattern, list[int]]:
    """A pattern whose places may repeat, and the row of each entry."""
    rng = torch.Generator().manual_seed(num_entries)
    row = torch.randint(0, num_rows, (num_entries,), generator=rng).sort().values
    column = torch.randint(0, num_columns, (num_entries,), generator=rng, dtype=torch.int32)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(row, minlength=num_rows).cumsum(0)])
    return Pattern(indptr.int(), column, num_columns), row.tolist()


@pytest.mark.parametrize("num_entries", [7, 12, 13, 60])
def test_dot_products_and_sums_are_those_of_a_loop(num_entries: int) -> None:
    pattern, row = random_pattern(3, 4, num_entries)
    left, right, entry = torch.randn(3, 5), torch.randn(4, 5), torch.randn(num_entries)
    column = pattern.column.tolist()

    dots, sums = pattern.dots(left, right), pattern.multiply(entry, right)

    expected = torch.stack([left[i] @ right[j] for i, j in zip(row, column, strict=True)])
    added = torch.zeros(3, 5)
    for i, j, weight in zip(row, column, entry, strict=True):
        added[i] += weight * right[j]
    torch.testing.assert_close(dots, expected)
    torch.testing.assert_close(sums, added)


def test_runs_are_added_up_and_their_largest_is_found() -> None:
    segments = Segments.of(torch.tensor([0, 2, 3, 6], dtype=torch.int32))
    entry = torch.tensor([1.0, 2.0, -5.0, 4.0, -1.0, 0.5])

    assert [3.0, -5.0, 3.5] == segments.add(entry).tolist()
    assert [2.0, -5.0, 4.0] == segments.largest(entry).tolist()
