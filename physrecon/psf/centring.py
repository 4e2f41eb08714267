"""A measured PSF moved so that its light balances on the middle voxel, to fractions of a voxel.

Whatever a PSF is off its centre, the image comes out shifted the other way; where its edges are
known (a frame, voxels that are not negative) half a voxel already costs sharpness."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon.errors import DataError
from physrecon.psf.background import checked
from physrecon.psf.grids import Array


def centered(psf: Any) -> Array:
    """The PSF (rows, columns) or (planes, rows, columns), its centre of mass on n // 2; float64.

    Moved by a factor in the Fourier transform, which keeps its width; what is then negative is cut
    off.  Take the background off before (`without_background`): it pulls the centre to the middle.
    Light that leaves on one side comes in on the other: a PSF needs an empty margin as wide as the
    shift.  ArgumentError: rank.  DataError: NaN, or no light.

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
    """Where the light balances, in voxels from the first; negative values do not count.

    >>> pr.psf.center_of_mass(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 3.0]]))
    [1.0, 1.75]
    """
    light = np.maximum(array, 0)
    along = (
        light.sum(tuple(i for i in range(light.ndim) if i != axis)) for axis in range(light.ndim)
    )
    return [float(sums @ np.arange(len(sums)) / sums.sum()) for sums in along]
