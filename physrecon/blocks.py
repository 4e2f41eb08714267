"""Cut work into slabs under a byte budget: pure arithmetic, no arrays.

A slab is a run of detector rows that is read, reconstructed and written in one go.  With `a` bytes
a row and `b` bytes whatever the number of rows, a budget of `m` bytes holds ⌊(m − b)/a⌋ rows."""

from __future__ import annotations

import math
import re

from physrecon.errors import ArgumentError

LANES = 16  # kernels handle the slices of a slab in vectors: whole vectors waste no lane
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def slabs(count: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover range(count) in order."""
    if count < 0 or size < 1:
        raise ArgumentError(
            f"slabs: expected count >= 0 and size >= 1, got count {count}, size {size}"
        )
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def slab_rows(budget_bytes: int, bytes_per_row: int, fixed_bytes: int, rows: int) -> int:
    """How many of `rows` fit into the budget, a multiple of 16 when it can be.

    Raises ArgumentError when not even one row fits."""
    fits = (budget_bytes - fixed_bytes) // bytes_per_row
    if fits < 1:
        need = format_bytes(fixed_bytes + bytes_per_row)
        raise ArgumentError(
            f"memory: expected at least {need} for one row, got "
            f"{format_bytes(budget_bytes)}; raise --memory"
        )
    if fits >= rows:
        return max(rows, 1)
    return fits // LANES * LANES or fits


def parse_slices(text: str) -> slice:
    """`a:b`, `a:`, `:b` or one row `a` as a slice of rows.  Raises ArgumentError."""
    start, colon, stop = text.partition(":")
    try:
        first = int(start) if start.strip() or not colon else 0
        last = (int(stop) if stop.strip() else None) if colon else first + 1
    except ValueError:
        first, last = -1, None
    if first < 0 or (last is not None and last <= first):
        raise ArgumentError(f"slices: expected a:b with 0 <= a < b, got {text!r}")
    return slice(first, last)


def parse_bytes(text: str | int) -> int:
    """Bytes from `4GB` (10⁹), `512MiB` (2²⁰) or a plain number.  Raises ArgumentError."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?)(i?)b?\s*", str(text), re.IGNORECASE)
    size = 0
    if match:
        number, unit, binary = match.groups()
        size = round(float(number) * (1024 if binary else 1000) ** _UNITS[unit.lower()])
    if size < 1:
        raise ArgumentError(f"memory: expected a size such as 4GB or 512MB, got {str(text)!r}")
    return size


def format_bytes(size: float) -> str:
    """Bytes for people: three digits and a decimal unit."""
    power = min(int(math.log10(max(size, 1)) // 3), 5)
    number = size / 1000**power
    digits = 0 if power == 0 or number >= 100 else 1 if number >= 10 else 2
    return f"{number:.{digits}f} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"
