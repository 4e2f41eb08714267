"""Removal of ring artefacts from line integrals, row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

RINGS = ("sort",)


def remove_rings(values: NDArray, size: int | None = None) -> None:
    """Remove the stripes that cause rings from line integrals (views, rows, columns), in place.

    Each column of a sinogram is sorted by value.  Neighbours then hold the same quantile of nearly
    the same distribution, and a deviating column stands out at any height.  A median over `size`
    columns corrects it, and the values return to their views.  Stripes up to size/2 wide are
    removed; the default of 5 to 21, a hundredth of the detector, spares the structure near the
    axis.  Vo, Atwood, Drakopoulos 2018, Optics Express 26, 28396, algorithm 3."""
    size = size or min(max(values.shape[2] // 100, 5), 21) | 1
    for row in range(values.shape[1]):
        sinogram = values[:, row]
        order = np.argsort(sinogram, axis=0, kind="stable")
        ranked = np.take_along_axis(sinogram, order, axis=0)
        for quantile in ranked:  # line by line: SciPy's filter of one dimension is 5 times faster
            quantile[:] = median_filter(quantile, size)
        np.put_along_axis(sinogram, order, ranked, axis=0)
