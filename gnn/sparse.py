"""Sparse products over a fixed pattern: sums of rows, and dot products where the pattern has an entry.

A pattern is stored once, with 32-bit places: half the memory and twice the speed of 64-bit ones. The products are
PyTorch's own (CSR times dense, and its counterpart that gives the entries), so they run wherever PyTorch does.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int32
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where a sparse matrix has entries; a place may occur twice."""

    indptr: Int32[Tensor, " row_plus_one"]
    """Where the entries of each row start."""
    column: Int32[Tensor, " entry"]
    """Column of each entry."""
    num_columns: int

    @property
    def num_rows(self) -> int:
        """Rows of the matrix."""
        return len(self.indptr) - 1

    def to(self, device: torch.device) -> "Pattern":
        """Return the pattern on another device."""
        return Pattern(self.indptr.to(device), self.column.to(device), self.num_columns)

    def multiply(self, entry: Float[Tensor, " entry"], x: Float[Tensor, "column dim"]) -> Float[Tensor, "row dim"]:
        """Return `out[row] = sum over the entries of the row of entry * x[column]`."""
        return self._matrix(entry) @ x

    def dots(self, left: Float[Tensor, "row dim"], right: Float[Tensor, "column dim"]) -> Float[Tensor, " entry"]:
        """Return the dot product of the two vectors that meet in each entry."""
        if len(self.column) > self.num_rows * self.num_columns:  # repeated places; torch counts them as one too many
            counts = torch.diff(self.indptr)
            return (left.repeat_interleave(counts, dim=0) * right.index_select(0, self.column)).sum(dim=1)
        nothing = left.new_zeros(1).expand(len(self.column)).contiguous()
        found: Tensor = torch.sparse.sampled_addmm(self._matrix(nothing), left, right.T, beta=0.0).values()
        return found

    def _matrix(self, entry: Float[Tensor, " entry"]) -> Tensor:
        size = (self.num_rows, self.num_columns)
        with quiet_csr():
            return torch.sparse_csr_tensor(self.indptr, self.column, entry, size=size, check_invariants=False)


@dataclass(frozen=True, slots=True)
class Segments:
    """Entries that stand in runs; each run is added up."""

    pattern: Pattern
    """One row a run, one column."""

    @classmethod
    def of(cls, indptr: Int32[Tensor, " run_plus_one"]) -> "Segments":
        """Return the segments that start at some places; the last place is the number of entries."""
        column = torch.zeros(int(indptr[-1]), dtype=torch.int32, device=indptr.device)
        return cls(Pattern(indptr, column, 1))

    def to(self, device: torch.device) -> "Segments":
        """Return the segments on another device."""
        return Segments(self.pattern.to(device))

    def add(self, entry: Float[Tensor, " entry"]) -> Float[Tensor, " run"]:
        """Return the sum of each run; always added up in the same order."""
        return self.pattern.multiply(entry, entry.new_ones(1, 1))[:, 0]

    def largest(self, entry: Float[Tensor, " entry"]) -> Float[Tensor, " run"]:
        """Return the largest entry of each run, which must not be empty."""
        return torch.segment_reduce(entry, "max", offsets=self.pattern.indptr.long())


@contextmanager
def quiet_csr() -> Iterator[None]:
    """torch says once a process that CSR is in beta; what is used of it here is tested against PyG's layer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        yield
