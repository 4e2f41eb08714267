"""Helpers of all models: checks of parameters, and means over pixels.

The mean of a radial function over a pixel is a Gauss–Legendre sum over points within it.  The
centre is the middle of pixel n//2, so one quadrant determines the other three."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError

Array = NDArray[np.float64]
Lengths = float | Sequence[float]

MOST_VOXELS = 1 << 32  # of a PSF; beyond, a shape is a slip of the pen
MOST_POINTS = 100  # within a pixel along an axis


@dataclass(frozen=True)
class Range:
    """The values of a parameter for which its formula holds in float64: low < value <= high."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low < value <= self.high

    def __str__(self) -> str:
        return f"above {self.low:g} and at most {self.high:g}"


POSITIVE = Range(0.0, math.inf)
VOXEL = Range(1e-100, 1e100)  # squares of lengths neither under- nor overflow
VOXELS = Range(1e-4, 1e6)  # lengths relative to the voxel


class DoesNotFit(ArgumentError):
    """A blur that is too wide for its shape.

    narrower: the error with the advice to narrow the blur only.  least: the shape it would fit."""

    def __init__(self, narrower: str, least: tuple[int, ...]) -> None:
        super().__init__(f"{narrower}, or a shape of at least {least}")
        self.narrower, self.least = narrower, least


def checked_shape(where: str, shape: Sequence[int], ndim: int | None = None) -> tuple[int, ...]:
    """`shape` as a tuple of positive integers, `ndim` of them unless that is None."""
    try:
        sizes = tuple(int(n) for n in shape)
        whole = sizes == tuple(shape)
    except (TypeError, ValueError, OverflowError):
        sizes, whole = (), False
    if not whole or not sizes or min(sizes) < 1 or len(sizes) != (ndim or len(sizes)):
        many = "" if ndim is None else f"{ndim} "
        raise ArgumentError(
            f"{where}(shape): expected {many}positive integers, got {_short(shape)}"
        )
    if math.prod(sizes) > MOST_VOXELS:
        raise ArgumentError(
            f"{where}(shape): expected at most {MOST_VOXELS:.2g} voxels, got {_short(shape)}; give "
            "a smaller shape"
        )
    return sizes


def number(where: str, name: str, value: Any, within: Range = POSITIVE) -> float:
    """`value` as a finite float within a range."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not (found in within and math.isfinite(found)):
        limits = within if within.high < math.inf else f"above {within.low:g}"
        raise ArgumentError(f"{where}({name}): expected a number {limits}, got {_short(value)}")
    return found


def per_axis(
    where: str, name: str, value: Lengths, ndim: int, within: Range = POSITIVE
) -> tuple[float, ...]:
    """Numbers within a range, one per axis, from one for all or from `ndim` of them."""
    values = [value] * ndim if np.ndim(value) == 0 else list(value)  # type: ignore[arg-type]
    if len(values) != ndim:
        raise ArgumentError(f"{where}({name}): expected 1 or {ndim} numbers, got {_short(value)}")
    return tuple(number(where, name, v, within) for v in values)


def checked_length(
    where: str, name: str, value: Any, voxel_size: Sequence[float], within: Range = VOXELS
) -> float:
    """A positive length that is within a range along every axis, in voxels."""
    found = number(where, name, value)
    for pitch in voxel_size:
        if found / pitch not in within:
            raise ArgumentError(
                f"{where}({name}): expected a length {within} voxels, got {found:g} for voxels of "
                f"{pitch:g}; give both in one unit"
            )
    return found


def whole_points(where: str, oversampling: int) -> int:
    """Points within a pixel along an axis."""
    whole = isinstance(oversampling, int | np.integer)
    if not whole or not 1 <= oversampling <= MOST_POINTS:
        raise ArgumentError(
            f"{where}(oversampling): expected an integer from 1 to {MOST_POINTS}, got "
            f"{_short(oversampling)}"
        )
    return int(oversampling)


def _short(value: Any) -> str:
    """A wrong value for an error, shortened if it is long."""
    text = repr(value) if not isinstance(value, int) or value.bit_length() < 200 else "a huge one"
    return text if len(text) <= 60 else f"{text[:50]}…"


def from_center(n: int) -> NDArray[np.int64]:
    """Indices counted from n//2."""
    return np.arange(n) - n // 2


def normalized(psf: Array) -> Array:
    """The PSF divided by its sum.  Raises ArgumentError if that is not a positive number."""
    total = float(psf.sum())
    if not 0 < total < math.inf:
        raise ArgumentError(
            f"psf: expected parameters that give some light, got a sum of {total:g}; look at them "
            "and at their units"
        )
    return psf / total


def mean_over_pixels(
    radial: Callable[[Array], Array], shape: Sequence[int], pixel: Sequence[float], points: int
) -> Array:
    """Means of radial(r) over the pixels of a centred plane, points² points in each.

    shape, pixel (y, x).  `radial` takes distances (…,) and may return (…, planes); the result is
    shape, or (planes, *shape)."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    nodes, weights = nodes / 2, weights / 2
    y, x = (np.arange(n // 2 + 1) for n in shape)
    quadrant = sum(
        wy * wx * radial(np.hypot((y + ty)[:, None] * pixel[0], (x + tx) * pixel[1]))
        for ty, wy in zip(nodes, weights, strict=True)
        for tx, wx in zip(nodes, weights, strict=True)
    )
    planes = np.moveaxis(np.asarray(quadrant), (0, 1), (-2, -1))
    rows, columns = (np.abs(from_center(n)) for n in shape)
    return planes[..., rows[:, None], columns]
