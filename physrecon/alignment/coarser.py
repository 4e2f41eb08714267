"""A scan in larger pixels: it converges from further away, in a fraction of the time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.geometry.grid import Grid
from physrecon.geometry.tilted_beam import TiltedBeam


def coarser(scan: Any, factor: int) -> Any:
    """The scan in pixels of `factor` × `factor`; pixels that fill none are left out."""
    rows, columns = (n // factor for n in scan.shape[1:])
    cut = scan.part(slice(0, rows * factor))
    return replace(
        cut,
        detector_shape=(rows, columns),
        pixel_size=(scan.row_pitch * factor, scan.column_pitch * factor),
        center=(scan.center - (factor - 1) / 2) / factor,
        row_offset=cut.row_offset / factor,
    )


def binned(y: NDArray[Any], factor: int) -> NDArray[Any]:
    """Means of `factor` × `factor` pixels of (views, rows, columns)."""
    views, *shape = y.shape
    rows, columns = (n // factor for n in shape)
    blocks = y[:, : rows * factor, : columns * factor]
    blocks = blocks.reshape(views, rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float64).astype(y.dtype))


def taller(grid: Grid, slices: int) -> Grid:
    """The grid with more slices below and above."""
    nz, ny, nx = grid.shape
    return replace(grid, shape=(nz + 2 * slices, ny, nx))


def with_shifts(scan: Any) -> Any:
    """The scan as one whose detector can move in every view."""
    if not scan.separable:
        return scan
    return TiltedBeam(
        scan.angles, scan.detector_shape, angle_unit=scan.angle_unit, pixel_size=scan.pixel_size,
        center=scan.center, row_offset=scan.row_offset,
    )  # fmt: skip
