"""Cut work into slabs under a byte budget: pure arithmetic, no arrays.

A slab is a run of detector rows that is read, reconstructed and written in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from physrecon.errors import ArgumentError
from physrecon.sizes import format_bytes

PROGRAM_BYTES = 260 << 20  # the interpreter, its libraries, compiled kernels
F4 = 4  # bytes of a float32
LANES = 16  # kernels handle the slices of a slab in vectors: whole vectors waste no lane


def split_rows(count: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover range(count) in order."""
    if count < 0 or size < 1:
        raise ArgumentError(
            f"split_rows: expected count >= 0 and size >= 1, got count {count}, size {size}"
        )
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def slab_rows(budget: int, peak_bytes: Callable[[int], int], rows: int) -> int:
    """The most of `rows` that a slab can have in a budget of bytes, if possible a multiple of 16.

    peak_bytes(n): bytes that a slab of n rows needs, rising with n.
    Raises ArgumentError if not even one row fits."""
    whole = range(rows // LANES * LANES, 0, -LANES)
    for n in (rows, *whole, *range(min(rows, LANES) - 1, 0, -1)):
        if peak_bytes(n) <= budget:
            return n
    raise ArgumentError(
        f"memory: expected at least {format_bytes(peak_bytes(1))} for one row, got "
        f"{format_bytes(budget)}; raise --memory"
    )


def largest(slabs: Sequence[slice]) -> int:
    """Rows of the largest slab."""
    return max(s.stop - s.start for s in slabs)
