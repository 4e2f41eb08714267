"""Numbers of fewer bits than float32: value = slope · stored + offset.

Integers take the range from the least to the largest value of the whole volume, or one that is
stated; the values beyond it are counted.  Rounding is off by slope / 2 at most.  float16 has no
offset, and a slope other than 1, a power of two, only where its own range would lose values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError
from physrecon.sizes import parse_range

BLOCK = 1 << 22  # values converted at a time
LEAST_PEAK = 2.0**-5  # of float16 without a slope: a thousandth of it has ten bits still
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class StoredType:
    """The type of stored values, and the range of values that integers stand for.

    limits: (low, high); None is that of the volume."""

    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    limits: tuple[float, float] | None = None

    @property
    def plain(self) -> bool:
        """Whether values are stored as they are."""
        return self.dtype == np.float32

    def coded(self, blocks: Iterable[NDArray[Any]]) -> Coding:
        """How the values of all blocks are stored.  Raises DataError for NaN and infinity."""
        low, high, below, above, count = math.inf, -math.inf, 0, 0, 0
        for block in blocks:
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            count += block.size
            if self.limits is not None:
                below += int(np.count_nonzero(block < self.limits[0]))
                above += int(np.count_nonzero(block > self.limits[1]))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(f"{self.dtype}: expected finite values, got {low} to {high}")
        if self.dtype.kind == "f":
            peak = max(abs(low), abs(high))
            fits = peak == 0 or LEAST_PEAK <= peak <= LARGEST or self.plain
            slope = 1.0 if fits else 2.0 ** math.floor(math.log2(peak))
            return Coding(self.dtype, slope, 0.0)
        first, last = self.limits or (low, high)
        steps = np.iinfo(self.dtype).max
        slope = (last - first) / steps if last > first else 1.0
        return Coding(self.dtype, slope, first, below, above, count)


@dataclass(frozen=True)
class Coding:
    """value = slope · stored + offset.  below, above: of `count` values, those beyond the range."""

    dtype: np.dtype[Any]
    slope: float
    offset: float
    below: int = 0
    above: int = 0
    count: int = 0

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """The numbers to store."""
        if self.dtype.kind == "f":
            return (values / np.float32(self.slope)).astype(self.dtype)
        out = np.empty(values.shape, self.dtype)
        flat, into = np.ascontiguousarray(values).reshape(-1), out.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            some = (flat[start : start + BLOCK].astype(np.float64) - self.offset) / self.slope
            into[start : start + BLOCK] = np.clip(np.rint(some), 0, np.iinfo(self.dtype).max)
        return out

    def facts(self, unit: str) -> dict[str, str]:
        """The scale in words, by name; and what was clipped."""
        if self.dtype == np.float32:
            return {}
        value = f"{self.slope:.9g} × stored" if self.slope != 1 else "stored"
        value += f" {'+-'[self.offset < 0]} {abs(self.offset):.9g}" if self.offset else ""
        texts = {"stored": f"{self.dtype}, value = {value} in {unit}"}
        if self.below or self.above:
            texts["clipped"] = (
                f"{self.below} values below and {self.above} above the range, of {self.count}"
            )
        return texts


def stored_type(dtype: str, limits: str | None) -> StoredType:
    """The type of a name and of a range LO:HI."""
    return StoredType(np.dtype(dtype), None if limits is None else parse_range(limits))


def check_stored(path: Path, format: str, dtype: np.dtype[Any]) -> None:
    """Raise ArgumentError for a type that the format lacks."""
    if format == "mrc" and dtype == np.uint8:
        raise ArgumentError(f"{path}: expected uint16, float16 or float32 for MRC, got uint8")
    if format == "tiff" and dtype == np.float16:
        raise ArgumentError(
            f"{path}: expected uint8, uint16 or float32 for one TIFF, got float16; write a folder "
            "with --format tiff, .h5 or .mrc"
        )


def in_parts(values: NDArray[Any], most: int = BLOCK) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first plane, planes) of an array, a few at a time."""
    step = max(1, most // max(math.prod(values.shape[1:]), 1))
    for start in range(0, len(values), step):
        yield start, values[start : start + step]
