"""The scan of a fan beam: slices that know nothing of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from physrecon.geometry.grid import Grid
from physrecon.geometry.point_source import PointSource
from physrecon.geometry.rays import Rays
from physrecon.geometry.turning_scan import SlicewiseScan


@dataclass(frozen=True, eq=False, repr=False)
class FanBeam(PointSource, SlicewiseScan):
    """Rays from a source to a detector in the plane of each slice, turning about the z axis.

    Row r sees slice r only, from a source at its own height: a stack of fans.  Source and detector
    turn as those of `ConeBeam`.

    Args:
        angles: (views,) in `angle_unit`, any order, sign or range.
        detector_shape: (rows, columns).
        angle_unit: "deg" or "rad"; there is no default.
        pixel_size: one length or (row pitch, column pitch) on the detector, in the unit of all
            lengths here; by default 1.  Rows are not magnified.
        center: detector column on which the axis of rotation is projected, counted from 0; by
            default the middle, (columns - 1)/2.
        row_offset: rows from the height z = 0 to the middle of the detector; by default 0.
        source_origin: distance from the source to the axis of rotation.
        source_detector: distance from the source to the detector.
        detector: "flat", or "curved": an arc about the source, with columns of equal angles.
    Raises:
        ArgumentError: for numbers that are not finite, lengths that are not > 0, and a detector
            nearer to the source than the axis.

    Example:
        >>> scan = pr.FanBeam(np.arange(0, 360, 2), (4, 65), angle_unit="deg", pixel_size=0.2,
        ...                   source_origin=50, source_detector=100)
        >>> scan.default_grid().pitch
        (0.2, 0.1, 0.1)
    """

    def default_grid(self, width: int | None = None) -> Grid:
        """One slice per row, voxels of a column / magnification along y and x about the axis.

        width: voxels along y and x; None is the number of columns.  Where the axis is off the
        middle a full turn sees more: `scan.default_grid(scan.turn_width)`."""
        rows, columns = self.detector_shape
        dz, dx = self.row_pitch, self.column_pitch / self.magnification
        across = columns if width is None else width
        return Grid((rows, across, across), (dz, dx, dx), (self.row_offset * dz, 0.0, 0.0))

    def rays(self) -> Rays:
        """The rays of the middle row; for other rows the source moves with the row, by v."""
        z, b, u = np.moveaxis(self._frames(), 1, 0)
        height = self.row_offset * self.row_pitch * z
        behind = self.source_detector - self.source_origin
        return Rays(
            height - self.source_origin * b, height + behind * b, self.column_pitch * u,
            self.row_pitch * z, cast(float, self.center), (self.detector_shape[0] - 1) / 2,
            self.bend,
        )  # fmt: skip
