"""A scan and a grid as one float64 table for the kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam


@dataclass(frozen=True, eq=False)
class ViewTable:
    """A scan and the plane of a grid as the table that `kernels.parallel_beam` reads.

    rows: (views, 9) float64, with the columns named there.  split: number of views with minor axis
    x, which come first.  order: (views,) index in the scan of the view of each row.  taps: maximum
    number of rays of one view through a voxel."""

    rows: NDArray[np.float64]
    split: int
    order: NDArray[np.int64]
    taps: int


STEEPEST = 1e6  # limit of `rise`, lines per neighbour: infinite for rays along the major axis


def view_table(scan: ParallelBeam, grid: Grid) -> ViewTable:
    """The table of a scan and a grid, with the weights of Joseph (1982).

    Rows are sorted by direction, whatever the order of the scan: the rays of adjacent rows meet in
    the cache."""
    _, dy, dx = grid.pitch
    _, iy, ix = grid.origin
    angles = scan.radians
    cos, sin = np.cos(angles), np.sin(angles)
    x_minor = np.abs(sin) * dy <= np.abs(cos) * dx
    direction = np.mod(angles + np.where(x_minor, np.pi / 2, 0), np.pi)
    order = np.lexsort((direction, ~x_minor))
    cos, sin, x_minor = cos[order], sin[order], x_minor[order]

    step_x, step_y = cos * dx / scan.column_pitch, sin * dy / scan.column_pitch
    along, across = np.where(x_minor, step_x, step_y), np.where(x_minor, step_y, step_x)
    minor_pitch, major_pitch = np.where(x_minor, dx, dy), np.where(x_minor, dy, dx)
    with np.errstate(divide="ignore"):
        rise = np.clip(-along / across, -STEEPEST, STEEPEST)
    rows = np.stack(
        [
            along,
            across,
            cast(float, scan.center) - step_x * ix - step_y * iy,
            scan.column_pitch / minor_pitch,
            1 / np.where(x_minor, np.abs(cos), np.abs(sin)),
            major_pitch,
            1 / along,
            -across / along,
            rise,
        ],
        axis=1,
    )
    # Rays are whole columns apart, and a voxel is crossed by those nearer than |along| columns.
    taps = math.ceil(2 * np.abs(along).max(initial=0.5))
    return ViewTable(rows, int(x_minor.sum()), order, taps)


def interpolation_table(scan: ParallelBeam, grid: Grid, weights: NDArray[np.float64]) -> ViewTable:
    """The table for filtered backprojection: voxels take linearly interpolated columns.

    A voxel wider than a column takes a mean of columns, with triangular weights of its width.
    weights: (views,) factor of each view."""
    table = view_table(scan, grid)
    width = max(1.0, max(grid.pitch[1:]) / scan.column_pitch)
    rows = table.rows.copy()
    rows[:, 3], rows[:, 4], rows[:, 5] = 1 / width, 1, weights[table.order] / width
    return ViewTable(rows, table.split, table.order, math.ceil(2 * width))
