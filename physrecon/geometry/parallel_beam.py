"""The scan of a parallel beam.

Conventions (docs/architecture.md draws them).  Volume (z, y, x), projections (view, row, column).
The origin is the centre of the array, (n - 1)/2.  At angle θ the ray through column u satisfies

    x cos θ + y sin θ = (u - center) · pixel_size

With rising θ, source and detector turn counter-clockwise seen from +z; the object is at rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.foreign import floats
from physrecon.geometry.grid import Grid, checked_lengths, checked_shape, run_of

ANGLE_UNITS = ("deg", "rad")
SAME_ROW = 1e-6  # rows or columns; places that differ by less are equal but for rounding


@dataclass(frozen=True, eq=False, repr=False)
class ParallelBeam:
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

    separable: ClassVar[bool] = True

    angles: ArrayLike
    detector_shape: tuple[int, int]
    angle_unit: str = field(kw_only=True)
    pixel_size: float | tuple[float, float] = 1.0
    center: float | None = None
    row_offset: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.angle_unit not in ANGLE_UNITS:
            raise ArgumentError(
                f'ParallelBeam.angle_unit: expected "deg" or "rad", got {self.angle_unit!r}'
            )
        angles = floats("ParallelBeam.angles", self.angles)
        if angles.ndim != 1 or not np.isfinite(angles).all():
            raise ArgumentError(
                "ParallelBeam.angles: expected a finite 1-D array, got "
                f"shape {angles.shape} with {np.count_nonzero(~np.isfinite(angles))} non-finite"
            )
        angles.flags.writeable = False
        shape = checked_shape("ParallelBeam.detector_shape", self.detector_shape, "rows, columns")
        pixel = checked_lengths("ParallelBeam.pixel_size", self.pixel_size, 2)
        middle = (shape[1] - 1) / 2
        center = floats("ParallelBeam.center", middle if self.center is None else self.center)
        if center.ndim or not np.isfinite(center):
            raise ArgumentError(
                f"ParallelBeam.center: expected a finite column, got {brief(self.center)}"
            )
        offset = floats("ParallelBeam.row_offset", self.row_offset)
        if offset.ndim or not np.isfinite(offset):
            raise ArgumentError(
                f"ParallelBeam.row_offset: expected a finite number, got {brief(self.row_offset)}"
            )
        for name, value in (
            ("angles", angles),
            ("detector_shape", shape),
            ("pixel_size", pixel),
            ("center", float(center)),
            ("row_offset", float(offset)),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        angles, (rows, columns) = np.asarray(self.angles), self.detector_shape
        span = f" from {angles[0]:g} to {angles[-1]:g} {self.angle_unit}" if len(angles) else ""
        offset = f", {self.row_offset:g} rows off the middle" if self.row_offset else ""
        return (
            f"ParallelBeam: {len(angles)} views{span}\n"
            f"  detector: {rows} rows × {columns} columns of {self.row_pitch:g} × "
            f"{self.column_pitch:g}{offset}\n  axis of rotation: column {self.center:g}"
        )

    @property
    def radians(self) -> NDArray[np.float64]:
        """The angles in radians."""
        angles = np.asarray(self.angles)
        return np.asarray(np.deg2rad(angles) if self.angle_unit == "deg" else angles)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the projections: (views, rows, columns)."""
        return (len(self.angles), *self.detector_shape)  # type: ignore[arg-type]

    @property
    def column_pitch(self) -> float:
        return self.pixel_size[1]  # type: ignore[index]

    @property
    def row_pitch(self) -> float:
        return self.pixel_size[0]  # type: ignore[index]

    @property
    def turn_width(self) -> int:
        """Voxels of a pixel across the disc that the rays of a full turn reach.

        An odd number for an odd number of columns, so that a wider grid keeps the voxels."""
        columns, center = self.detector_shape[1], cast(float, self.center)
        reach = max(center, columns - 1 - center)
        return columns + 2 * max(0, math.ceil(reach - (columns - 1) / 2 - SAME_ROW))

    def default_grid(self, width: int | None = None) -> Grid:
        """One slice per row, one voxel per pixel, `width` voxels along y and x about the axis.

        width: None is the number of columns; `turn_width` holds all that a full turn sees."""
        rows, columns = self.detector_shape
        pitch = (self.row_pitch, self.column_pitch, self.column_pitch)
        shape = (rows, *(columns if width is None else width,) * 2)
        return Grid(shape, pitch, (self.row_offset * self.row_pitch, 0.0, 0.0))

    def part(self, rows: slice) -> ParallelBeam:
        """Adjacent rows, at their own heights.  Raises ArgumentError for a step."""
        count, columns = self.detector_shape
        start, stop = run_of("ParallelBeam.part", rows, count)
        offset = self.row_offset + (start + stop - count) / 2
        return replace(self, detector_shape=(stop - start, columns), row_offset=offset)

    def rows_seen(self, grid: Grid, slices: slice) -> slice:
        """The detector rows that these slices of a grid reach."""
        start, stop = run_of("ParallelBeam.rows_seen", slices, grid.shape[0])
        first = self.first_row_seen(grid)
        low, high = np.clip([math.floor(first + start), math.ceil(first + stop)], 0, self.shape[1])
        return slice(int(low), int(high) if start < stop else int(low))

    def first_row_seen(self, grid: Grid) -> float:
        """The row that sees slice 0 of a grid; may be fractional or beyond the detector."""
        first = (self.detector_shape[0] - 1) / 2 - self.row_offset - grid.origin[0]
        near = round(first)
        return near if abs(first - near) < SAME_ROW else first

    def with_center(self, center: float) -> ParallelBeam:
        return replace(self, center=center)

    def __getitem__(self, views: Any) -> ParallelBeam:
        """The scan with these views only: an int, a slice, a mask or an array of indices."""
        return replace(self, angles=np.atleast_1d(np.asarray(self.angles)[views]))

    def __len__(self) -> int:
        return self.shape[0]

    def _key(self) -> tuple[Any, ...]:
        state = {**vars(self), "angles": np.asarray(self.angles).tobytes()}
        return tuple(state.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParallelBeam) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())
