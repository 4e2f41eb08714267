"""Rows and columns of a sensor that are off, by the image alone.

Behind a blur neighbouring lines are alike, so a line is predicted by the cubic through its four
neighbours.  One that is off differs from its prediction by more than others do, and all along."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PIECES = 12  # of a line, whose differences are compared
SPREADS = 10.0  # by which the mean difference of a line is off, of lines and of its pieces
BORDER = 2.0  # factor on these for the outer lines, which a straight line expects worse
USUAL, GAUSS = 80, 1.2816  # percentile of lines that are sound, and where a Gaussian has it
MIN_LINES, MIN_LENGTH = 24, 24  # fewer tell nothing
RECOIL = 0.4  # of a difference, the opposite one of both neighbours at least
ALIKE = 1e-6  # relative, of two means
DIM = 1e-3  # of the brightest piece; a gain is not read from darker ones


def odd_lines(image: Any) -> dict[int, dict[int, float]]:
    """axis → index along it of a line that is off → how much, of an image (ny, nx).

    In standard deviations of the mean of a line.  The image is finite."""
    y = np.asarray(image, np.float64)
    found = {axis: _odd(np.moveaxis(y, axis, 0)) for axis in (0, 1)}
    return {axis: lines for axis, lines in found.items() if lines}


def _odd(y: Array) -> dict[int, float]:
    if y.shape[0] < MIN_LINES or y.shape[1] < MIN_LENGTH:
        return {}
    expected = _from_neighbours(y)
    # of white noise in units of its deviation: 1 + 34/36 within, more at the border
    size = np.full(len(y), np.sqrt(1 + 34 / 36))
    size[[1, -2]], size[[0, -1]] = np.sqrt(1.5), np.sqrt(6)
    off = (y - expected) / size[:, None]
    signed = off.mean(1)
    means = np.abs(signed)
    signed = np.where(means > 0, signed, np.finfo(float).tiny)
    usual = float(np.percentile(means, USUAL)) / GAUSS
    usual = max(usual, ALIKE * float(means.max()), np.finfo(float).tiny)
    starts = np.linspace(0, y.shape[1], PIECES, endpoint=False).astype(int)
    pieces, light = np.add.reduceat(off, starts, 1), np.add.reduceat(np.abs(expected), starts, 1)
    steady = np.maximum(_steadiness(pieces), _steadiness(pieces / (light + DIM * light.max())))
    most = np.full(len(y), SPREADS)
    most[[0, 1, -2, -1]] *= BORDER
    odd = (means > most * usual) & (steady > most)
    # a line that is off makes its neighbours look so by about two thirds, the other way
    around = np.pad(signed, 1, mode="reflect")
    odd &= np.maximum(around[:-2] / signed, around[2:] / signed) < -RECOIL
    wide = np.pad(means, 2)
    largest = np.max([wide[k : k + len(y)] for k in range(5)], axis=0)
    # of two at the border both are named: neither is sure
    first = odd & (means > (1 - ALIKE) * largest)
    return {int(i): float(means[i] / usual) for i in np.flatnonzero(first)}


def _from_neighbours(y: Array) -> Array:
    """What each line is by its neighbours: by a cubic, at the border by a straight line."""
    p = np.empty_like(y)
    p[2:-2] = (4 * (y[1:-3] + y[3:-1]) - (y[:-4] + y[4:])) / 6
    p[1], p[-2] = (y[0] + y[2]) / 2, (y[-3] + y[-1]) / 2
    p[0], p[-1] = 2 * y[1] - y[2], 2 * y[-2] - y[-3]
    return p


def _steadiness(pieces: Array) -> Array:
    """The mean of the pieces of each line in its own standard deviations."""
    spread = pieces.std(1, ddof=1) / np.sqrt(pieces.shape[1])
    return np.abs(pieces.mean(1)) / np.maximum(spread, np.finfo(float).tiny)
