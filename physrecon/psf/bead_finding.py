"""Find beads in an image, and select those that are fit for averaging.

A bead is a local maximum above the noise in the image, smoothed by a Gaussian half as wide as the
beads.  Its centre is the vertex of a parabola through the logarithm of the smoothed image.  This is
exact for Gaussian beads; for others it is the same point of every bead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.psf.background import clipped_mean
from physrecon.psf.grids import Array

FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian of σ = 1
FAINT = 0.25  # of a brighter bead's maximum: fainter peaks in its box are its rings, tails or noise
ODD_BRIGHTNESS, ODD_SIZE = (
    math.log(2.5),
    math.log(1.7),
)  # logarithms of ratios to the median that are always tolerated
HOT = 4.0  # a voxel is hot if it is so many times brighter than all its neighbours
ODD = 5.0  # robust standard deviations; a bead further from the median is rejected


@dataclass(frozen=True)
class Beads:
    """Beads found in an image.

    centers (count, ndim) [voxels]; heights (count,) of the smoothed image; reasons (count,): why a
    bead is rejected, "" if it is fit; width (ndim,): full width at half maximum [voxels]."""

    centers: Array
    heights: Array
    reasons: list[str]
    width: Array


def find_beads(
    image: Array, raw_maximum: float, shape: tuple[int, ...] | None, threshold: float
) -> Beads:
    """Find the beads of `image`, whose background is 0.  raw_maximum: its saturation level."""
    width = typical_width(image)
    half = np.asarray(shape or default_shape(image.shape, width)) // 2
    smooth, peaks = maxima(image, width, threshold)
    peaks = distinct(peaks, smooth[tuple(peaks.T)], width, half)
    centers = np.array([p + _top(smooth, p) for p in peaks]).reshape(-1, image.ndim)
    heights = smooth[tuple(peaks.T)]
    reasons = [""] * len(peaks)

    def reject(bad: Any, reason: str) -> None:
        for i in np.flatnonzero(bad):
            reasons[i] = reasons[i] or reason

    last = np.array(image.shape) - 1
    reject(((centers < width) | (centers > last - width)).any(axis=1), "at the border")
    cores = [_around(image, p, width) for p in peaks]
    reject(np.array([core.max() >= raw_maximum for core in cores], bool), "saturated")
    near = (np.abs(peaks[:, None] - peaks) <= half).all(axis=2)
    reject(near.sum(axis=1) > 1, "too close to another")
    sizes = np.array([core.sum() ** 2 / (core**2).sum() for core in cores])
    fit = np.array([not reason for reason in reasons], bool)
    reject(_odd(sizes, fit, ODD_SIZE), "of another size")
    reject(_odd(heights, fit, ODD_BRIGHTNESS), "of another brightness")
    return Beads(centers, heights, reasons, width)


def typical_width(image: Array) -> Array:
    """Full width at half maximum of the brightest spot, along each axis [voxels]."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(image, 1.0)
    widened = full_width(smooth, np.unravel_index(smooth.argmax(), image.shape))
    return np.sqrt(np.maximum(widened**2 - FWHM**2, FWHM**2 / 4))


def full_width(image: Array, peak: Sequence[Any]) -> Array:
    """Full width at half the value at `peak`, along each axis."""
    widths = []
    for axis, place in enumerate(peak):
        others: tuple[Any, ...] = (*peak[:axis], slice(None), *peak[axis + 1 :])
        line = image[others]
        half = line[place] / 2
        widths.append(sum(_way_down(side, half) for side in (line[place:], line[place::-1])))
    return np.array(widths)


def _way_down(line: Array, half: float) -> float:
    """Distance at which a line falls to `half`, or its length if it does not."""
    below = np.flatnonzero(line < half)
    if not below.size:
        return len(line) - 0.5
    i = int(below[0])
    return i - (half - line[i]) / (line[i - 1] - line[i])


def without_hot_voxels(image: Array, noise: float) -> tuple[Array, int]:
    """(image, number of hot voxels), with hot voxels replaced by their brightest neighbour.

    The image of a point, if sampled well, is nowhere HOT times brighter than all neighbours."""
    from scipy.ndimage import maximum_filter

    others = np.ones((3,) * image.ndim, np.bool_)
    others[(1,) * image.ndim] = False
    around = maximum_filter(image, footprint=others, mode="mirror")
    hot = image > HOT * np.maximum(around, 0) + 2 * HOT * noise
    return np.where(hot, around, image), int(np.count_nonzero(hot))


def default_shape(stack: tuple[int, ...], width: Array) -> tuple[int, ...]:
    """Twice the width on either side of the centre, at most the size of the stack."""
    wanted = 2 * np.ceil(2 * width).astype(int) + 1
    return tuple(min(int(w), (n - 1) // 2 * 2 + 1) for w, n in zip(wanted, stack, strict=True))


def maxima(image: Array, width: Array, threshold: float) -> tuple[Array, NDArray[np.intp]]:
    """(smoothed image, local maxima (count, ndim) above the noise, brightest first)."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    smooth = gaussian_filter(image, width / FWHM / 2)
    level, noise = clipped_mean(smooth)
    size = tuple(int(w) // 2 * 2 + 1 for w in width)
    found = smooth > max(level + threshold * noise, 1e-9 * smooth.max())
    found &= smooth == maximum_filter(smooth, size)
    peaks = np.argwhere(found)
    return smooth, peaks[np.argsort(-smooth[found], kind="stable")]


def distinct(
    peaks: NDArray[np.intp], heights: Array, width: Array, half: NDArray[np.int64]
) -> NDArray[np.intp]:
    """The peaks, brightest first, that are not part of a brighter one."""
    kept: list[int] = []
    for i, (peak, height) in enumerate(zip(peaks, heights, strict=True)):
        apart = np.abs(peaks[kept] - peak)
        same = (apart < width / 2).all(axis=1)
        shadow = (apart <= half).all(axis=1) & (height < FAINT * heights[kept])
        if not (same | shadow).any():
            kept.append(i)
    return peaks[kept]


def _top(smooth: Array, peak: NDArray[np.intp]) -> Array:
    """Offset of the maximum from the voxel `peak`: vertex of a parabola through logarithms."""
    shift = np.zeros(len(peak))
    for axis, (place, n) in enumerate(zip(peak, smooth.shape, strict=True)):
        if 0 < place < n - 1:
            line = smooth[(*peak[:axis], slice(place - 1, place + 2), *peak[axis + 1 :])]
            left, middle, right = np.log(np.maximum(line, 1e-3 * line[1]))
            bend = 2 * middle - left - right
            shift[axis] = (right - left) / (2 * bend) if bend > 0 else 0.0
    return shift


def _around(image: Array, peak: NDArray[np.intp], reach: Array) -> Array:
    size = np.ceil(reach).astype(int)
    return image[tuple(slice(max(p - r, 0), p + r + 1) for p, r in zip(peak, size, strict=True))]


def _odd(values: Array, fit: NDArray[np.bool_], tolerated: float) -> NDArray[np.bool_]:
    """Mask of fit beads whose logarithm is far from the median of all fit beads.

    Far is more than `tolerated` and more than ODD robust standard deviations."""
    logs = np.log(np.maximum(values, 1e-300))
    if not fit.any():
        return fit
    away = np.abs(logs - np.median(logs[fit]))
    return fit & (away > max(tolerated, ODD * 1.4826 * float(np.median(away[fit]))))
