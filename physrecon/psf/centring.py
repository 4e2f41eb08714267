"""Shift a measured PSF so that its centre of mass is the middle voxel, to fractions of a voxel.

An off-centre PSF shifts the restored image the opposite way.  Where edges of the image are known (a
frame, voxels that are not negative) half a voxel already costs sharpness."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon.errors import DataError
from physrecon.psf.background import checked
from physrecon.psf.grids import Array


def centered(psf: Any) -> Array:
    """The PSF (rows, columns) or (planes, rows, columns), its centre of mass on n // 2; float64.

    The shift is a phase factor in the Fourier transform, which keeps the width; negative values are
    then set to 0.  Subtract the background first (`without_background`): it biases the centre
    towards the middle.  The shift is periodic: the PSF needs an empty margin as wide as the shift.
    ArgumentError: rank.  DataError: NaN, or no light.

    >>> psf = np.zeros((11, 11))
    >>> psf[3:8, 4:9] = pr.psf.gaussian((5, 5), sigma=0.8)  # its middle is at (5, 6)
    >>> [round(c, 2) for c in pr.psf.center_of_mass(pr.psf.centered(psf))]
    [5.0, 5.0]
    """
    from scipy.fft import fftn, ifftn
    from scipy.ndimage import fourier_shift

    array = checked("centered", psf)
    total = float(array.sum())
    if not total > 0:
        raise DataError(f"centered(psf): expected light, got a sum of {total:g}; check the file")
    shift = [n // 2 - m for n, m in zip(array.shape, center_of_mass(array), strict=True)]
    return np.maximum(ifftn(fourier_shift(fftn(array), shift)).real, 0)


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
