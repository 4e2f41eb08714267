"""Where things are: the grid of voxels and the scan that looks at it.

Conventions (docs/architecture.md draws them).  Volume (z, y, x), projections (view, row, column).
The origin is the centre of the array, (n - 1)/2.  At angle θ the ray through column u satisfies

    x cos θ + y sin θ = (u - center) · pixel_size

so views turn source and detector counter-clockwise seen from +z while the object stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid, checked_lengths, checked_shape

ANGLE_UNITS = ("deg", "rad")


@dataclass(frozen=True, eq=False)
class ParallelBeam:
    """Parallel rays, one turn about the z axis per view.

    angles: (views,) in `angle_unit` ("deg" or "rad", no default guess), any order, sign or range.
    detector_shape: (rows, columns).  pixel_size: one length or (row pitch, column pitch).
    center: 0-based detector column of the rotation axis, anywhere; None is (columns - 1)/2."""

    angles: ArrayLike
    detector_shape: tuple[int, int]
    angle_unit: str = field(kw_only=True)
    pixel_size: float | tuple[float, float] = 1.0
    center: float | None = None

    def __post_init__(self) -> None:
        if self.angle_unit not in ANGLE_UNITS:
            raise ArgumentError(
                f'ParallelBeam.angle_unit: expected "deg" or "rad", got {self.angle_unit!r}'
            )
        angles = np.array(self.angles, dtype=np.float64)
        if angles.ndim != 1 or not np.isfinite(angles).all():
            raise ArgumentError(
                "ParallelBeam.angles: expected a finite 1-D array, got "
                f"shape {angles.shape} with {np.count_nonzero(~np.isfinite(angles))} non-finite"
            )
        angles.flags.writeable = False
        shape = checked_shape("ParallelBeam.detector_shape", self.detector_shape, "rows, columns")
        pixel = checked_lengths("ParallelBeam.pixel_size", self.pixel_size, 2)
        center = (shape[1] - 1) / 2 if self.center is None else float(self.center)
        if not np.isfinite(center):
            raise ArgumentError(f"ParallelBeam.center: expected a finite column, got {center}")
        for name, value in (
            ("angles", angles),
            ("detector_shape", shape),
            ("pixel_size", pixel),
            ("center", center),
        ):
            object.__setattr__(self, name, value)

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

    def default_grid(self) -> Grid:
        """One slice per row, one voxel per pixel, as wide as the detector."""
        rows, columns = self.detector_shape
        pitch = (self.row_pitch, self.column_pitch, self.column_pitch)
        return Grid((rows, columns, columns), pitch)

    def with_rows(self, count: int) -> ParallelBeam:
        """The same views on a detector of `count` rows (what a slab of the scan sees)."""
        return replace(self, detector_shape=(count, self.detector_shape[1]))

    def with_center(self, center: float) -> ParallelBeam:
        return replace(self, center=center)

    def __getitem__(self, views: Any) -> ParallelBeam:
        """The scan made of some of the views: an int, a slice, a mask or an array of indices."""
        return replace(self, angles=np.atleast_1d(np.asarray(self.angles)[views]))

    def __len__(self) -> int:
        return self.shape[0]

    def _key(self) -> tuple[Any, ...]:
        angles: Any = self.angles
        return (
            angles.tobytes(),
            self.detector_shape,
            self.angle_unit,
            self.pixel_size,
            self.center,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParallelBeam) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())
