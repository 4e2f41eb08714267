"""Where the light of a measured PSF is: in the middle, in the corner as FFTs have it, or off both.

An off-centre PSF shifts the restored image the opposite way.  Where edges of the image are known (a
frame, voxels that are not negative) half a voxel already costs sharpness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from physrecon.errors import DataError
from physrecon.psf.background import checked
from physrecon.psf.grids import Array

DARK = 0.25  # of the range of values; the middle of a file in FFT order is darker
ONE_SIDED = 0.05  # light on one side of index 0, relative to the other
COMPACT = 0.25  # of the variance of the light, if it is as compact as only FFT order explains
LOST = 1e-4  # of the light; less may leave one border and come in at the other


def centered(psf: Any) -> Array:
    """The PSF (rows, columns) or (planes, rows, columns), its centre of mass on n // 2; float64.

    The shift is a phase factor in the Fourier transform, which keeps the width; negative values are
    then set to 0.  Subtract the background first (`without_background`): it biases the centre
    towards the middle.  The shift is periodic: the PSF needs an empty margin as wide as the shift.
    A PSF in FFT order, its peak in the corner, needs `np.fft.fftshift` instead.
    ArgumentError: rank.  DataError: NaN, or no light.

    >>> psf = np.zeros((11, 11))
    >>> psf[3:8, 4:9] = pr.psf.gaussian((5, 5), sigma=0.8)  # its middle is at (5, 6)
    >>> [round(c, 2) for c in pr.psf.center_of_mass(pr.psf.centered(psf))]
    [5.0, 5.0]
    """
    array = checked("centered", psf)
    total = float(array.sum())
    if not total > 0:
        raise DataError(f"centered(psf): expected light, got a sum of {total:g}; check the file")
    return np.maximum(_shifted(array, to_middle(array)), 0)


def center_of_mass(array: Array) -> list[float]:
    """The centre of mass, in voxels from the first; negative values count as 0.

    >>> pr.psf.center_of_mass(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 3.0]]))
    [1.0, 1.75]
    """
    light = np.maximum(array, 0)
    along = (
        light.sum(tuple(i for i in range(light.ndim) if i != axis)) for axis in range(light.ndim)
    )
    return [float(sums @ np.arange(len(sums)) / sums.sum()) for sums in along]


def to_middle(array: Array) -> list[float]:
    """The shift of each axis, in voxels, that moves the centre of mass to n // 2."""
    return [n // 2 - m for n, m in zip(array.shape, center_of_mass(array), strict=True)]


def moved(array: Array, shift: Sequence[float]) -> Array:
    """The PSF moved by fractions of voxels, its centre still n // 2.

    The array grows at both ends of an axis where light would leave it.  What was nowhere negative
    stays so."""
    margins = []
    for axis, s in enumerate(shift):
        lines = np.moveaxis(np.abs(array), axis, 0)
        near = math.ceil(abs(s))
        leaving = lines[-near:] if s > 0 else lines[:near]
        grows = near and leaving.sum() > LOST * lines.sum()
        margins.append((near + 3 * (s != int(s)),) * 2 if grows else (0, 0))
    result = _shifted(np.pad(array, margins), shift)
    return np.maximum(result, 0) if array.min() >= 0 else result


def _shifted(array: Array, shift: Sequence[float]) -> Array:
    """The array shifted by a phase factor in its Fourier transform."""
    from scipy.fft import fftn, ifftn
    from scipy.ndimage import fourier_shift

    if all(s == int(s) for s in shift):
        return np.roll(array, [int(s) for s in shift], tuple(range(array.ndim)))
    return ifftn(fourier_shift(fftn(array), shift)).real


def between_pixels(array: Array) -> list[float]:
    """The shift of each axis that moves a PSF of even size from between two pixels to n // 2.

    Such an axis is symmetric about (n − 1)/2: half a pixel off the middle of FFTs.  Zero for other
    axes, and for all if the light is off in another way."""
    shift = []
    for axis, (n, off) in enumerate(zip(array.shape, to_middle(array), strict=True)):
        line = np.moveaxis(array, axis, 0)
        here = np.abs(line - line[::-1]).sum()
        half = n % 2 == 0 and abs(off - 0.5) < 0.25
        shift.append(0.5 if half and here < np.abs(line[1:] - line[:0:-1]).sum() else 0.0)
        if abs(off - shift[-1]) > 0.25:
            return [0.0] * array.ndim
    return shift


def corner_axes(array: Array) -> tuple[tuple[int, ...], bool]:
    """(axes whose light is around index 0, whether it certainly continues at the other end).

    FFT programs expect a PSF so: `ifftshift` puts its middle in the corner, and what lies before it
    at the far ends.  No axes for a PSF around its middle, or off it as a whole.

    An axis is in that order if `fftshift` makes its light compact.  It is certain if, besides, the
    peak is at index 0, the middle is dark, and there is light on both sides of index 0."""
    light = array - array.min()
    if not light.any():
        return (), True
    peak = [int(p) for p in np.unravel_index(int(light.argmax()), light.shape)]
    near = [min(p, n - p) for p, n in zip(peak, light.shape, strict=True)]
    at_end = tuple(
        a for a, n in enumerate(light.shape) if near[a] <= 1 and near[a] < abs(peak[a] - n // 2)
    )
    lines = [
        (light**2).sum(tuple(i for i in range(light.ndim) if i != a)) for a in range(len(peak))
    ]
    stored = [_variance(line) for line in lines]
    shifted = [_variance(np.fft.fftshift(line)) for line in lines]
    wrapped = tuple(
        a
        for a, (before, after) in enumerate(zip(stored, shifted, strict=True))
        if after < before or (a in at_end and after <= before)
    )
    compact = sum(map(min, stored, shifted)) < COMPACT * sum(stored)
    if not compact and at_end != tuple(a for a, n in enumerate(light.shape) if n > 2):
        return (), True
    axes = wrapped if compact else at_end
    middle = [n // 2 if a in axes else peak[a] for a, n in enumerate(light.shape)]
    block = tuple(slice(max(m - 1, 0), m + 2) for m in middle)
    dark = light[block if min(light.shape) > 6 else tuple(middle)].max() <= DARK * light.max()
    if not dark:
        return (axes, False) if compact else ((), True)
    return axes, axes == at_end and _both_sides([lines[a] for a in axes])


def _both_sides(lines: Sequence[Array]) -> bool:
    """Whether there is light on both sides of index 0 of a line, and of all that are wider."""
    halves = [
        sorted((float(one[1 : (len(one) + 1) // 2].sum()), float(one[len(one) // 2 + 1 :].sum())))
        for one in lines
    ]
    wide = [(less, more) for (less, more), one in zip(halves, lines, strict=True)
            if more > 1e-3 * one[0]]  # fmt: skip
    return bool(wide) and all(less > ONE_SIDED * more for less, more in wide)


def _variance(line: Array) -> float:
    """The variance of the place of light along a line, in voxels²."""
    place = np.arange(len(line)) - line @ np.arange(len(line)) / line.sum()
    return float(line @ place**2 / line.sum())
