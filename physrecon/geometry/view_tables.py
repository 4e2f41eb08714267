"""A scan and a grid as one table for the kernels: numbers in float64, places in whole steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam

# log2 of the steps of a place in one unit.  What lies within two units is exact in the dtype.
FRACTION_BITS = {np.dtype(np.float32): 23, np.dtype(np.float64): 48}
FEWEST_BITS = 23
SPARE_BITS = 3  # of int64, for sums of places
NARROW = 60  # units; distances within four times of that fit into int32 with those bits


@dataclass(frozen=True, eq=False)
class ViewTable:
    """A scan and the plane of a grid as the kernels of `parallel_beam` read them.

    On an axis of its own for every view, voxel (major j, minor i) stands at
    (center + along·(i - ic) + across·(j - jc)) and ray u at spacing·(u - uc); their weight is
    max(0, 1 - distance)·length.  rows: (views, 5) float64, center, along, across, spacing and
    length.  middle: (views, 3) int64, whole numbers (ic, jc, uc) near the middle of the grid.
    split: number of views with minor axis x, which come first.  order: (views,) index in the scan
    of the view of each row."""

    rows: NDArray[np.float64]
    middle: NDArray[np.int64]
    split: int
    order: NDArray[np.int64]

    @property
    def taps(self) -> int:
        """Maximum number of rays of one view through a voxel."""
        return math.ceil(2 / self.rows[:, 3].min(initial=2.0))

    def lowered(self, dtype: Any) -> tuple[NDArray[Any], NDArray[np.int64], int]:
        """(steps (views, 3), origins (views,), bits) in units of 2^-bits.

        Voxel (j, i) stands at origin + along·i + across·j, ray u at spacing·u; steps are along,
        across and spacing.  They are whole numbers, so every kernel sees the same distances.  Their
        rounding is zero in the middle of the grid and grows outwards.

        Raises ArgumentError if the axis is too far away for whole numbers of 64 bits."""
        (center, *_), steps = self.rows.T, self.rows[:, 1:4]
        reach = float(np.abs(steps * self.middle).sum(1).max(initial=1.0))
        bits = min(FRACTION_BITS[np.dtype(dtype)], 62 - SPARE_BITS - math.frexp(reach)[1])
        if bits < FEWEST_BITS:
            raise ArgumentError(
                f"ParallelBeam.center: expected an axis near the detector, got {reach:.3g} columns"
            )
        places = np.rint(np.ldexp(steps, bits)).astype(np.int64)
        i, j, u = self.middle.T
        origin = np.rint(np.ldexp(center, bits)).astype(np.int64)
        origin += places[:, 2] * u - places[:, 0] * i - places[:, 1] * j
        furthest = (self.taps + 2) * self.rows[:, 3].max(
            initial=0.0
        )  # ray that a voxel is asked for
        narrow = bits == FEWEST_BITS and furthest < NARROW
        return places.astype(np.int32 if narrow else np.int64), origin, bits


def view_table(scan: ParallelBeam, grid: Grid) -> ViewTable:
    """The table of a scan and a grid, with the weights of Joseph (1982).

    Rows are sorted by direction, whatever the order of the scan: the rays of adjacent rows meet in
    the cache."""
    columns, split, order, middle = _columns(scan, grid)
    at, along, across = columns.T
    reach = np.abs(along)  # columns that a voxel spans: a ray one voxel away has weight 0
    x_minor, angles = np.arange(len(order)) < split, scan.radians[order]
    _, dy, dx = grid.pitch
    length = np.where(x_minor, dy, dx) / np.abs(np.where(x_minor, np.cos(angles), np.sin(angles)))
    rows = np.stack([at / reach, np.sign(along), across / reach, 1 / reach, length], axis=1)
    return ViewTable(rows, middle, split, order)


def interpolation_table(scan: ParallelBeam, grid: Grid, weights: NDArray[np.float64]) -> ViewTable:
    """The table for filtered backprojection: voxels take linearly interpolated columns.

    A voxel wider than a column takes a mean of columns, with triangular weights of its width.
    weights: (views,) factor of each view."""
    columns, split, order, middle = _columns(scan, grid)
    width = max(1.0, max(grid.pitch[1:]) / scan.column_pitch)
    spacing = np.full(len(order), 1 / width)
    rows = np.column_stack([columns / width, spacing, weights[order] / width])
    return ViewTable(rows, middle, split, order)


def _columns(
    scan: ParallelBeam, grid: Grid
) -> tuple[NDArray[np.float64], int, NDArray[np.int64], NDArray[np.int64]]:
    """((views, 3) in detector columns, split, order, middle) of a table.

    Voxel (j, i) lies at column uc + at + along·(i - ic) + across·(j - jc)."""
    _, dy, dx = grid.pitch
    _, iy, ix = grid.origin
    ny, nx = grid.shape[1:]
    angles = scan.radians
    cos, sin = np.cos(angles), np.sin(angles)
    x_minor = np.abs(sin) * dy <= np.abs(cos) * dx
    direction = np.mod(angles + np.where(x_minor, np.pi / 2, 0), np.pi)
    order = np.lexsort((direction, ~x_minor))
    cos, sin, x_minor = cos[order], sin[order], x_minor[order]

    step_x, step_y = cos * dx / scan.column_pitch, sin * dy / scan.column_pitch
    at = cast(float, scan.center) + step_x * (nx // 2 - ix) + step_y * (ny // 2 - iy)
    nearest = np.rint(at)
    middle = np.column_stack(
        [np.where(x_minor, nx // 2, ny // 2), np.where(x_minor, ny // 2, nx // 2), nearest]
    )
    along, across = np.where(x_minor, step_x, step_y), np.where(x_minor, step_y, step_x)
    columns = np.column_stack([at - nearest, along, across])
    return columns, int(x_minor.sum()), order, middle.astype(np.int64)
