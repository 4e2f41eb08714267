"""The scan of a parallel beam about an axis that leans along the beam: laminography."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.rays import Rays
from physrecon.geometry.turning_scan import TurningScan, detector_frame


@dataclass(frozen=True, eq=False, repr=False)
class TiltedBeam(TurningScan):
    """Parallel rays that meet the axis of rotation at an angle, and a detector across them.

    With tilt = 0 and roll = 0 the rays are those of `ParallelBeam`.

    Args:
        angles: (views,) in `angle_unit`, any order, sign or range.
        detector_shape: (rows, columns).
        angle_unit: "deg" or "rad", for all angles here; there is no default.
        pixel_size: one length or (row pitch, column pitch); by default 1.
        center: detector column that sees the origin, counted from 0; by default the middle,
            (columns - 1)/2.
        row_offset: rows from the one that sees the origin to the middle of the detector.
        tilt: angle by which the upper end of the axis leans towards the source: rays fall.  At 0
            the axis is upright; the angle of laminography between beam and axis is 90° - tilt.
        roll: angle that turns the columns to the rows, about the ray through the origin.
        shifts: (3,) or (views, 3) displacement (z, b, u) of the detector, in the frame of the view
            as for `ConeBeam`; that of the object is its negative.
    Raises:
        ArgumentError: for numbers that are not finite, another unit, and a tilt of 90° or more.

    Example:
        >>> scan = pr.TiltedBeam([0, 180], (3, 5), angle_unit="deg", tilt=30)
        >>> scan.rays().source.round(3).tolist()  # the directions, (z, y, x)
        [[-0.5, 0.866, 0.0], [-0.5, -0.866, -0.0]]
    """

    separable: ClassVar[bool] = False
    per_view: ClassVar[tuple[str, ...]] = ("angles", "shifts")

    tilt: float = field(default=0.0, kw_only=True)
    roll: float = field(default=0.0, kw_only=True)
    shifts: ArrayLike = field(default=(0.0, 0.0, 0.0), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(tilt=self._number("tilt"), roll=self._number("roll"))
        self._set(shifts=self._shifts("shifts"))
        if not abs(self._radians(self.tilt)) < np.pi / 2:
            raise ArgumentError(
                "TiltedBeam.tilt: expected less than a quarter of a turn, got "
                f"{self.tilt:g} {self.angle_unit}; it is counted from the upright axis"
            )

    def _more(self) -> tuple[str, ...]:
        return (self.displaced or "upright",)

    def default_grid(self, width: int | None = None) -> Grid:
        """One slice per row, one voxel per pixel, about the point that the middle row sees.

        width: voxels along y and x; None is the number of columns."""
        rows, columns = self.detector_shape
        across = columns if width is None else width
        z = self.row_offset * self.row_pitch / float(np.cos(self._radians(self.tilt)))
        pitch = (self.row_pitch, self.column_pitch, self.column_pitch)
        return Grid((rows, across, across), pitch, (z, 0.0, 0.0))

    def rows_seen(self, grid: Grid, slices: slice) -> slice:
        """Detector rows that hold all rays through these slices of a grid, in any view."""
        return self.rays().rows_seen(grid, slices, self.detector_shape[0])

    def rays(self) -> Rays:
        """The rays in world units; the detector stands on the origin."""
        turns = (self._radians(self.roll), self._radians(self.tilt), 0.0)
        v, direction, u = detector_frame(*turns)
        return Rays(
            self._world(direction), self._world(self.shifts), self._world(self.column_pitch * u),
            self._world(self.row_pitch * v), cast(float, self.center), self.axis_row,
            parallel=True,
        )  # fmt: skip
