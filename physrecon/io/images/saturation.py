"""Count bad values of an image in one pass: NaN, infinities, saturation.

An overexposed sensor gives its largest number, 2^bits − 1, for all brighter light.  The largest
value of an image is saturated if it is such a number and occurs more than once, or if it is the
largest number of an integer dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = {2**bits - 1: bits for bits in (8, 10, 12, 14, 16)}
PIECE = 1 << 22  # values examined at a time; bounds the size of the masks


@dataclass(frozen=True)
class Defects:
    """Counts of bad values among `size`: nan, infinite, saturated (those at `level`)."""

    size: int
    nan: int = 0
    infinite: int = 0
    saturated: int = 0
    level: int | None = None

    def lines(self) -> list[str]:
        """One sentence per kind of defect found."""
        found = [(self.nan, "NaN"), (self.infinite, "infinite")]
        lines = [f"{name}: {count} of {self.size} values" for count, name in found if count]
        if self.level is not None:
            bits = LEVELS.get(self.level)
            name = f"{bits}-bit saturation" if bits else "saturation"
            lines.append(f"{name}: {self.saturated} of {self.size} values are {self.level}")
        return lines


def defects(array: Any) -> Defects:
    """Count the bad values of an image.  Holds one piece of it.

    array: anything with shape, ndim, dtype and `[…]`, in memory or on the disk."""
    nan = infinite = at_top = 0
    top = -math.inf
    for piece in _pieces(array):
        if piece.dtype.kind == "f":
            nan += int(np.count_nonzero(np.isnan(piece)))
            infinite += int(np.count_nonzero(np.isinf(piece)))
            piece = piece[np.isfinite(piece)]
        highest = piece.max() if piece.size else -math.inf
        if highest > top:
            top, at_top = highest, 0
        if highest == top:
            at_top += int(np.count_nonzero(piece == highest))
    kind, size = np.dtype(array.dtype), math.prod(array.shape)
    full = kind.kind in "iu" and top == np.iinfo(kind).max
    if full or (top in LEVELS and at_top > 1):
        return Defects(size, nan, infinite, at_top, int(top))
    return Defects(size, nan, infinite)


def _pieces(array: Any) -> Iterator[NDArray[Any]]:
    """Yield an array in pieces of about PIECE values, cut along its leading axes."""
    row = math.prod(array.shape[1:])
    if array.ndim > 2 and row > PIECE:
        for i in range(array.shape[0]):
            yield from _pieces(array[i])
        return
    step = max(1, PIECE // row)
    for start in range(0, array.shape[0], step):
        yield np.asarray(array[start : start + step])
