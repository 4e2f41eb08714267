"""Runs of slices and numbers of bytes, from text and to text."""

from __future__ import annotations

import math
import re

from physrecon.errors import ArgumentError

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


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
    """Bytes as text: three digits and a decimal unit."""
    power = min(int(math.log10(max(size, 1)) // 3), 5)
    number = size / 1000**power
    digits = 0 if power == 0 or number >= 100 else 1 if number >= 10 else 2
    return f"{number:.{digits}f} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"
