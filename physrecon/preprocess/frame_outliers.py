"""Values of flats and darks that differ from the other frames, such as zingers.

A gamma ray that meets the camera during one of 20 darks shifts a mean by hundreds of counts.  A
value is left out where it lies further from the median of the frames than any noise: 8 standard
deviations, found from the frames of its pixel and of its row, and the skewness of few counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FAR = 8.0  # standard deviations; normal noise reaches them in 1 of 10¹⁵ values
SIGMA = 1.4826  # standard deviations in a median absolute deviation of normal noise
ROUNDING = 1e-3  # of the median; smaller differences are not clear
MANY = 25  # counts whose noise is small beside the changes of a beam
ENOUGH = 5  # frames that tell the noise of a pixel


def outlying(frames: NDArray, used: NDArray | None = None) -> NDArray:
    """Mask of the outliers of frames (n, rows, columns); NaN and infinity are none.

    used: for flats, whose brightness may vary from frame to frame, the rows (n, rows) that are
    compared; None for darks.  Of two frames only the brighter can be an outlier, of one none."""
    found = np.zeros(frames.shape, dtype=bool)
    if len(frames) > 1:
        for row in range(frames.shape[1]):
            values = frames[:, row].astype(np.float64)
            if used is not None:
                values[~used[:, row]] = np.nan
            found[:, row] = _of_row(values, used is not None)
    return found


def count_step(values: NDArray) -> float:
    """The step of which values are multiples: 1 for counts, 0 for values without a step.

    Counts that were scaled by a common factor keep their step, if there are 16 different ones."""
    found = np.unique(values[np.isfinite(values)].astype(np.float64))
    if len(found) >= 16:
        step = float(np.diff(found).min())
        if step > 1e-6 * np.abs(found).max() and _multiples(found, step):
            return step
    return 1.0 if found.size and _multiples(found, 1.0) else 0.0


def noise_of_frames(frames: NDArray) -> Array:
    """Standard deviation of the noise in each row of frames (n, rows, columns), (rows,).

    0 for a single frame, or for frames that mostly agree."""
    if len(frames) < 2:
        return np.zeros(frames.shape[1])
    level = np.zeros(frames.shape[1])
    for row in range(len(level)):
        values = frames[:, row].astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        away = np.abs(values - _lower_median(values))
        # the median is one of the frames: its own difference, 0, does not count
        level[row] = SIGMA * _median(np.sort(away, axis=0)[1:])
    return level


def _of_row(values: Array, light: bool) -> NDArray:
    values[~np.isfinite(values)] = np.nan
    if not np.isfinite(values).any():
        return np.zeros(values.shape, bool)
    step, usual = count_step(values), _lower_median(values)
    bright = usual > max(0.1 * np.nanmax(np.append(usual, 0)), MANY * step)
    if light and bright.any():
        ratios = np.array([_median(frame[bright] / usual[bright]) for frame in values])
        values = values / np.where(ratios > 0, ratios, 1)[:, np.newaxis]
        usual = _lower_median(values)
    away = values - usual
    # the median is one of the frames: its own difference, 0, tells nothing
    others = np.sort(np.abs(away), axis=0)[1:]
    noise = SIGMA * _median(others)
    middle = _median(usual)
    brightness = np.maximum(usual / middle, 1) if middle > 0 else 1.0
    spread = noise * np.sqrt(brightness)
    if len(values) >= ENOUGH:
        spread = np.fmax(spread, SIGMA * _medians(others))
    limit = FAR * spread + FAR**2 / 4 * step + ROUNDING * np.abs(usual)
    with np.errstate(invalid="ignore"):
        return away > limit if len(values) < 3 else np.abs(away) > limit


def _multiples(values: Array, step: float) -> bool:
    parts = values / step
    return bool((np.abs(parts - np.rint(parts)) < 0.01).all())


def _median(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0


def _medians(values: Array) -> Array:
    """The upper median over frames (n, columns); NaN are left out."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    return np.take_along_axis(ordered, (count // 2).clip(0, len(values) - 1)[np.newaxis], 0)[0]


def _lower_median(values: Array) -> Array:
    """The lower median over frames (n, columns); NaN are left out."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    middle: Array = np.take_along_axis(ordered, ((count - 1) // 2).clip(0)[np.newaxis], 0)[0]
    return middle
