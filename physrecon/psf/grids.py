"""Helpers of all models: checks of parameters, and means over pixels.

The mean of a radial function over a pixel is a Gauss–Legendre sum over points within it.  The
centre is the middle of pixel n//2, so one quadrant determines the other three."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError

Array = NDArray[np.float64]
Lengths = float | Sequence[float]


def checked_shape(where: str, shape: Sequence[int], ndim: int | None = None) -> tuple[int, ...]:
    """`shape` as a tuple of positive integers, `ndim` of them unless that is None."""
    try:
        sizes = tuple(int(n) for n in shape)
        whole = sizes == tuple(shape)
    except (TypeError, ValueError):
        sizes, whole = (), False
    if not whole or not sizes or min(sizes) < 1 or len(sizes) != (ndim or len(sizes)):
        many = "" if ndim is None else f"{ndim} "
        raise ArgumentError(f"{where}(shape): expected {many}positive integers, got {shape!r}")
    return sizes


def number(where: str, name: str, value: Any, above: float = 0.0) -> float:
    """`value` as a finite float above a limit."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not (found > above and math.isfinite(found)):
        raise ArgumentError(f"{where}({name}): expected a number above {above:g}, got {value!r}")
    return found


def per_axis(where: str, name: str, value: Lengths, ndim: int) -> tuple[float, ...]:
    """Positive numbers, one per axis, from one for all or from `ndim` of them."""
    values = [value] * ndim if np.ndim(value) == 0 else list(value)  # type: ignore[arg-type]
    if len(values) != ndim:
        raise ArgumentError(f"{where}({name}): expected 1 or {ndim} numbers, got {value!r}")
    return tuple(number(where, name, v) for v in values)


def whole_points(where: str, oversampling: int) -> int:
    if not isinstance(oversampling, int | np.integer) or oversampling < 1:
        raise ArgumentError(
            f"{where}(oversampling): expected a positive integer, got {oversampling!r}"
        )
    return int(oversampling)


def from_center(n: int) -> NDArray[np.int64]:
    """Indices counted from n//2."""
    return np.arange(n) - n // 2


def normalized(psf: Array) -> Array:
    return psf / psf.sum()


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
