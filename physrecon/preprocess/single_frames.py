"""Values of a single dark or flat that its neighbours and the views contradict, such as zingers.

Of one frame no median is robust.  A value is left out if it is clearly off its neighbours in the
row, and if the transmission of its pixel, averaged over the views, is off that of the columns
beside it with the value, and is not without.  A hot pixel is hot in the views, too, and stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from physrecon.preprocess.frame_outliers import FAR, ROUNDING, SIGMA, count_step

Array = NDArray[np.float64]

NEIGHBOURS = 11  # columns of a row
VIEWS = 64  # that are compared
LEAST = 0.05  # transmission that is compared; the noise of less is too large
BESIDE = 3  # columns to either side
CLEARER = 2.5  # times nearer to the columns beside it without the value


def contradicted_darks(counts: NDArray, flat: NDArray, dark: NDArray) -> NDArray[np.bool_]:
    """Mask of the wrong values of a dark (rows, columns); `beside` replaces them.

    counts (views, rows, columns); flat (rows, columns)."""
    return _contradicted(counts, flat, dark, of_dark=True)


def contradicted_flats(counts: NDArray, flat: NDArray, dark: NDArray) -> NDArray[np.bool_]:
    """Mask of the wrong values of a flat (rows, columns)."""
    return _contradicted(counts, flat, dark, of_dark=False)


def beside(frame: NDArray) -> Array:
    """The median of the columns around each pixel of a frame (rows, columns)."""
    finite = np.where(np.isfinite(frame), frame, 0).astype(np.float64)
    around: Array = median_filter(finite, (1, NEIGHBOURS), mode="mirror")
    return around


def _contradicted(
    counts: NDArray, flat: NDArray, dark: NDArray, of_dark: bool
) -> NDArray[np.bool_]:
    wrong = np.zeros(dark.shape, bool)
    frame = dark if of_dark else flat - dark
    around = beside(frame)
    some = counts[np.unique(np.linspace(0, len(counts) - 1, VIEWS).astype(int))]
    for row in range(len(frame)):
        away = frame[row] - around[row]
        step = count_step(frame[row])
        limit = FAR * SIGMA * np.median(np.abs(away[np.isfinite(away)])) if away.size else 0
        limit = limit + FAR**2 / 4 * step + ROUNDING * np.abs(around[row])
        with np.errstate(invalid="ignore"):
            off = np.abs(away) > limit
        if not off.any() or off.sum() > off.size // NEIGHBOURS:
            continue
        for column in np.flatnonzero(off).tolist():
            place = row, column
            views = some[:, row].astype(np.float64)
            if of_dark:
                other = flat[place] - around[place], around[place]
            else:
                other = around[place], dark[place]
            given = flat[place] - dark[place], dark[place]
            wrong[place] = _is_off(
                views, flat[row] - dark[row], dark[row], off, column, given, other
            )
    return wrong


def _is_off(
    views: Array,
    gain: Array,
    dark: Array,
    off: NDArray[np.bool_],
    column: int,
    given: tuple[float, float],
    other: tuple[float, float],
) -> bool:
    """Whether (gain, dark) `given` contradict the columns beside a column and `other` do not.

    views (n, columns)."""
    good = np.flatnonzero(~off & (gain > 0))
    left, right = good[good < column][-BESIDE:], good[good > column][:BESIDE]
    near = [*left, *right]
    if len(left) != len(right) or not near or other[0] <= 0:
        return False
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = ((views[:, near] - dark[near]) / gain[near]).mean(axis=1)
        seen = np.isfinite(usual) & (usual > LEAST)
        if np.count_nonzero(seen) < 3:
            return False
        ratios = [((views[seen, column] - d) / g) / usual[seen] - 1 for g, d in (given, other)]
    means = [abs(float(ratio.mean())) for ratio in ratios]
    noise = float(ratios[0].std()) / np.sqrt(np.count_nonzero(seen))
    return means[0] > max(CLEARER * noise, ROUNDING) and CLEARER * means[1] < means[0]
