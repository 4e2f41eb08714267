"""The scan of a parallel beam.

Conventions (docs/architecture.md draws them).  Volume (z, y, x), projections (view, row, column).
The origin is the centre of the array, (n - 1)/2.  At angle θ the ray through column u satisfies

    x cos θ + y sin θ = (u - center) · pixel_size

With rising θ, source and detector turn counter-clockwise seen from +z; the object is at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from physrecon.geometry.grid import Grid
from physrecon.geometry.rays import Rays
from physrecon.geometry.turning_scan import SlicewiseScan


@dataclass(frozen=True, eq=False, repr=False)
class ParallelBeam(SlicewiseScan):
    """Parallel rays that turn about the z axis from view to view.

    Row r sees slice r only, whatever the pitches.

    Args:
        angles: (views,) in `angle_unit`, any order, sign or range.
        detector_shape: (rows, columns).
        angle_unit: "deg" or "rad"; there is no default.
        pixel_size: one length or (row pitch, column pitch), in the unit of your choice; by default
            1.  Volumes are then in 1/length.
        center: detector column of the rotation axis, counted from 0, anywhere; by default the
            middle, (columns - 1)/2.
        row_offset: rows from the height z = 0 to the middle of the detector; by default 0.
    Raises:
        ArgumentError: for angles that are not finite numbers on one axis, another shape or unit.

    Example:
        >>> scan = pr.ParallelBeam(np.arange(0, 180, 2), (4, 65), pixel_size=0.1, angle_unit="deg")
        >>> scan.shape, scan.center, scan.default_grid().shape
        ((90, 4, 65), 32.0, (4, 65, 65))
    """

    def default_grid(self, width: int | None = None) -> Grid:
        """One slice per row, one voxel per pixel, `width` voxels along y and x about the axis.

        width: None is the number of columns; `turn_width` holds all that a full turn sees."""
        rows, columns = self.detector_shape
        pitch = (self.row_pitch, self.column_pitch, self.column_pitch)
        shape = (rows, *(columns if width is None else width,) * 2)
        return Grid(shape, pitch, (self.row_offset * self.row_pitch, 0.0, 0.0))

    def rays(self) -> Rays:
        """The rays in world units; the detector stands on the axis of rotation."""
        z, b, u = np.moveaxis(self._frames(), 1, 0)
        return Rays(
            b, np.zeros_like(b), self.column_pitch * u, self.row_pitch * z,
            cast(float, self.center), self.axis_row, parallel=True,
        )  # fmt: skip
