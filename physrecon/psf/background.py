"""The constant background that a camera adds to a measured PSF, and its removal.

The level is the mean of the border after kappa–sigma clipping: values further than three standard
deviations from the mean are dropped until none is left.  It is a mean, not a median, because the
level may lie between coarse grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon.errors import ArgumentError, DataError
from physrecon.foreign import plain
from physrecon.psf.grids import Array

KAPPA, ROUNDS = 3.0, 50  # clipping limit in standard deviations; clippings at most


def clipped_mean(values: Array) -> tuple[float, float]:
    """(mean, standard deviation) of `values` without outliers."""
    kept = values.ravel()
    for _ in range(ROUNDS):
        mean, deviation = kept.mean(), kept.std()
        inside = np.abs(kept - mean) <= KAPPA * deviation + 1e-12 * abs(mean)
        if inside.all():
            break
        kept = kept[inside]
    return float(kept.mean()), float(kept.std())


def border(array: Array) -> Array:
    """The outermost pixels of the last two axes, in all planes.

    The first and last plane as a whole are not border: light out of focus is no background."""
    depth = [max(1, n // 32) for n in array.shape[-2:]]
    inside = np.ones(array.shape[-2:], np.bool_)
    inside[tuple(slice(d, n - d) for d, n in zip(depth, array.shape[-2:], strict=True))] = False
    return array[..., inside]


def checked(where: str, psf: Any) -> Array:
    array = np.asarray(plain(f"{where}(psf)", psf), np.float64)
    if array.ndim not in (2, 3) or not array.size:
        raise ArgumentError(f"{where}(psf): expected 2 or 3 dimensions, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{where}(psf): expected finite numbers, got NaN or infinity; fill them")
    return array


def background_level(psf: Any) -> float:
    """The constant background of a measured PSF (rows, columns) or (planes, rows, columns).

    A clipped mean of the outermost 1/32 of rows and columns, in the unit of psf.  It is too high if
    the PSF itself reaches the border.  ArgumentError: rank.  DataError: NaN.

    >>> pr.psf.background_level(3 + pr.psf.gaussian((65, 65), sigma=2))
    3.0
    """
    return clipped_mean(border(checked("background_level", psf)))[0]


def without_background(psf: Any, level: float | str = "auto") -> Array:
    """A measured PSF minus a constant, negative values set to 0; float64, not normalised.

    psf (rows, columns) or (planes, rows, columns).  level: in the unit of psf, or "auto", which is
    `background_level(psf)`.  ArgumentError: rank, level.  DataError: NaN, or nothing above.

    >>> pr.psf.without_background(np.array([[3.0, 3.0, 2.0], [3.0, 7.0, 3.0]]), level=3).tolist()
    [[0.0, 0.0, 0.0], [0.0, 4.0, 0.0]]
    """
    array = checked("without_background", psf)
    if isinstance(level, str):
        if level != "auto":
            raise ArgumentError(
                f"without_background(level): expected a number or 'auto', got {level!r}"
            )
        level = background_level(array)
    if not np.isfinite(level):
        raise ArgumentError(f"without_background(level): expected a finite number, got {level!r}")
    left = np.maximum(array - level, 0)
    if not left.any():
        raise DataError(
            f"without_background(psf): expected values above the background {level:g}, got a "
            f"maximum of {array.max():g}; give a lower level"
        )
    return left
