"""Mapped arrays are plain read-only arrays, and their memory can be let go without losing them."""

from pathlib import Path

import numpy as np
import pytest

from kg.files import load_array, release_pages


@pytest.mark.parametrize("shape", [(5,), (3, 4), (0,)])
def test_a_mapped_array_is_a_plain_array_that_cannot_be_written(shape: tuple[int, ...], tmp_path: Path) -> None:
    written = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.save(tmp_path / "a.npy", written)

    mapped = load_array(tmp_path / "a.npy")

    assert (np.ndarray, False) == (type(mapped), mapped.flags.writeable)
    np.testing.assert_array_equal(written, mapped)


def test_an_array_whose_pages_were_let_go_is_read_again(tmp_path: Path) -> None:
    written = np.arange(100_000)
    np.save(tmp_path / "a.npy", written)
    mapped = load_array(tmp_path / "a.npy")
    part = mapped[10:20]

    release_pages(mapped)
    release_pages(part)
    release_pages(written)

    np.testing.assert_array_equal(np.arange(100_000), mapped)
    assert list(range(10, 20)) == part.tolist()
    assert 100_000 == len(set(written.tolist()))
