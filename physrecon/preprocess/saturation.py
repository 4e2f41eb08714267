"""The largest number of a detector: stated, or seen as a plateau in its data.

A camera that clips gives one number for all brighter light.  The greatest value of a row of the
detector is such a number if far more values are there than at those just below, in several
columns, although the data are noisy: noise would spread them.  Values without noise, as those of
simulated air, and the repeating values of few counts make no plateau."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOPS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))  # largest numbers of detectors
SEVERAL = 8  # values of a row at such a number; one may be there by chance
COLUMNS = 3  # at the number; a pixel that is stuck is one
BELOW = 8  # different values below the number that are compared with it
TIMES = 3  # more values than at any of these
LEVELS = 16  # different values of a row; few counts, or a phantom of two greys, have fewer
VIEWS = 64  # that are looked at
REACH = 1 << 16  # grey values below the number that are looked at
NOISE = 0.75  # grey values between two frames; rounding alone makes less
ROUGH = 0.75  # of second differences at a distance of 2 those at 1; smooth data have a quarter


def saturation_levels(
    counts: NDArray, flats: NDArray, darks: NDArray, given: float | None = None
) -> NDArray[np.float64]:
    """The value at which each row is saturated (rows,), infinity if none is seen.

    counts (views, rows, columns), flats and darks (n, rows, columns).  given: the largest number of
    the detector; None: the largest of an integer dtype, 2^bits - 1 of 8, 10, 12, 14 or 16 bits
    where several values of a row are at it and none above, or a plateau."""
    levels = np.full(counts.shape[1], np.inf if given is None else float(given))
    for row in range(len(levels) if given is None else 0):
        stacks = [counts[:, row], *([flats[:, row]] if len(flats) else [])]
        top = max(float(np.fmax.reduce(stack, axis=None)) for stack in stacks)
        number = sum(int(np.count_nonzero(stack == top)) for stack in stacks)
        full = counts.dtype.kind in "iu" and top == np.iinfo(counts.dtype).max
        if full or (
            number >= SEVERAL
            and (top in TOPS or _plateau(stacks, top, darks[:, row] if len(darks) else None))
        ):
            levels[row] = top
    return levels


def saturated_values(
    frames: NDArray, levels: ArrayLike, used: NDArray[np.bool_] | None = None
) -> int:
    """Number of values of frames (n, rows, columns) at or above the levels of their rows.

    used: mask of the values that count."""
    total = 0
    for row, level in enumerate(np.broadcast_to(levels, frames.shape[1:2])):
        if np.isfinite(level) and len(frames):
            at = frames[:, row] >= level
            total += int(np.count_nonzero(at if used is None else at & used[:, row]))
    return total


def _plateau(stacks: list[NDArray], top: float, darks: NDArray | None) -> bool:
    """Whether the greatest value of the views and flats of a row, (n, columns) each, is clipped."""
    stacks = [stacks[0][:: max(1, len(stacks[0]) // VIEWS)], *stacks[1:]]
    columns = np.logical_or.reduce([(stack == top).any(axis=0) for stack in stacks])
    if np.count_nonzero(columns) < COLUMNS:
        return False
    found = np.concatenate([stack[np.isfinite(stack)] for stack in stacks])
    away = top - found.astype(np.float64)
    if not (away == np.rint(away)).all():
        return False
    frequency = np.bincount(away[away < REACH].astype(np.intp))
    below = frequency[np.flatnonzero(frequency)[1:]]
    if len(below) < LEVELS or frequency[0] < max(SEVERAL, 1 + TIMES * below[:BELOW].max()):
        return False
    return _noisy(stacks, top, darks)


def _noisy(stacks: list[NDArray], top: float, darks: NDArray | None) -> bool:
    """Whether values below the top differ by noise: from frame to frame, or in the views."""
    of_flats = _between_frames(stacks[1], top) if len(stacks) > 1 else None
    if of_flats is not None:
        return of_flats > NOISE
    of_darks = None if darks is None else _between_frames(darks, top)
    if of_darks is not None and of_darks > NOISE:
        return True
    views = stacks[0].astype(np.float64)
    views[~(views < top)] = np.nan
    return min(_roughness(views), _roughness(views.T)) > ROUGH


def _between_frames(frames: NDArray, top: float) -> float | None:
    """Median difference of the first and the last frame (n, columns) at the same brightness; None
    if they have too few values below the top."""
    first, last = frames[0].astype(np.float64), frames[-1].astype(np.float64)
    good = (first < top) & (last < top)
    if len(frames) < 2 or np.count_nonzero(good) < LEVELS:
        return None
    ratio = np.median(first[good]) / max(float(np.median(last[good])), 1e-30)
    return float(np.median(np.abs(first[good] - ratio * last[good])))


def _roughness(values: NDArray[np.float64]) -> float:
    """Second differences of neighbours, relative to those of every other value; 0 if unknown."""
    sizes = []
    for step in (1, 2):
        ends = slice(None, -2 * step), slice(step, -step), slice(2 * step, None)
        a, b, c = (values[:, end] for end in ends)
        second = np.abs(a - 2 * b + c)
        second = second[np.isfinite(second)]
        sizes.append(float(np.median(second)) if second.size >= LEVELS else 0.0)
    return sizes[0] / sizes[1] if sizes[0] > 2 * NOISE and sizes[1] > 0 else 0.0
