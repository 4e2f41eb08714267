"""Filtered backprojection by Fourier transforms.

    x(r) = Σ_θ w_θ Σ_k H(f_k) Y_θ(f_k) e^(2πi f_k r · θ)

is the transpose of reading the transform of a slice at polar points (`PolarTransform`).  Between
the samples of a filtered view it takes what their bandwidth says, where the direct sum takes a
straight line."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.operators.projection.fourier import PolarTransform, transfer

ACCURACY = 1e-4
SLICES = 16  # that are weighted and extended at a time


def backproject_by_transforms(
    y: Any,
    scan: ParallelBeam,
    grid: Grid,
    response: NDArray[np.float64],
    weights: NDArray[np.float64],
    prepared: Any,
    out: Any,
) -> None:
    """out ← the sum over views of their rows, convolved with `response` and times `weights`.

    scan: with all the columns that `prepared` makes of some rows of y.  response: (bins,) of a
    transform that is so long that shadows do not meet."""
    length = 2 * (len(response) - 1)
    one = slice(0, 1)
    transform = _transform(scan.part(one), grid.part(one), length, ACCURACY)
    factors = transfer(scan, grid, length, voxels=False) * response * weights[:, None]
    for start in range(0, out.shape[0], SLICES):
        cancellation_point()
        part = slice(start, min(start + SLICES, out.shape[0]))
        transform.backproject(prepared(y[:, part]), factors, out[part])


@lru_cache(maxsize=1)
def _transform(scan: ParallelBeam, grid: Grid, length: int, accuracy: float) -> PolarTransform:
    """That of the last scan is kept: its points take as long as several slices."""
    return PolarTransform(scan, grid, length, accuracy)
