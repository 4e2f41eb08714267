"""Where things are: the grid of voxels and the scan that looks at it.

Conventions (docs/architecture.md draws them).  Volume (z, y, x), projections (view, row, column).
The origin is the centre of the array, (n - 1)/2.  At angle θ the ray through column u satisfies

    x cos θ + y sin θ = (u - center) · pixel_size

so views turn source and detector counter-clockwise seen from +z while the object stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError

ANGLE_UNITS = ("deg", "rad")


def _lengths(where: str, value: Any, count: int) -> tuple[float, ...]:
    """`count` positive finite lengths from one number or `count` of them."""
    lengths: tuple[Any, ...] = (value,) * count if np.ndim(value) == 0 else tuple(value)
    if len(lengths) != count or not all(np.isfinite(v) and v > 0 for v in lengths):
        raise ArgumentError(
            f"{where}: expected one positive length or {count} of them, got {value!r}"
        )
    return tuple(float(v) for v in lengths)


def _shape(where: str, value: Sequence[int], names: str) -> tuple[int, ...]:
    shape = tuple(value)
    if len(shape) != len(names.split(", ")) or not all(int(n) == n and n >= 0 for n in shape):
        raise ArgumentError(f"{where}: expected ({names}) of whole numbers >= 0, got {value!r}")
    return tuple(int(n) for n in shape)


@dataclass(frozen=True)
class Grid:
    """A box of voxels centred on the origin.

    shape: (nz, ny, nx).  voxel_size: one length, or (z, y, x), in the unit of the user's choice."""

    shape: tuple[int, int, int]
    voxel_size: float | tuple[float, float, float] = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape("Grid.shape", self.shape, "nz, ny, nx"))
        pitch = _lengths("Grid.voxel_size", self.voxel_size, 3)
        object.__setattr__(self, "voxel_size", pitch)

    @property
    def pitch(self) -> tuple[float, float, float]:
        """Voxel size along (z, y, x)."""
        return self.voxel_size  # type: ignore[return-value]

    def axis(self, which: int) -> NDArray[np.float64]:
        """Coordinates of the voxel centres along axis 0 (z), 1 (y) or 2 (x)."""
        n = self.shape[which]
        return np.asarray((np.arange(n) - (n - 1) / 2) * self.pitch[which])

    def with_slices(self, count: int) -> Grid:
        """The same plane with `count` slices."""
        return replace(self, shape=(count, *self.shape[1:]))


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
        shape = _shape("ParallelBeam.detector_shape", self.detector_shape, "rows, columns")
        pixel = _lengths("ParallelBeam.pixel_size", self.pixel_size, 2)
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


@dataclass(frozen=True, eq=False)
class ViewTable:
    """A scan and the plane of a grid, lowered to what `kernels.parallel_beam` reads.

    rows: (views, 9) float64, the columns named there.  split: how many views, the first ones, have
    minor axis x.  order: (views,) which view of the scan each row is.  taps: most rays that cross a
    voxel in one view."""

    rows: NDArray[np.float64]
    split: int
    order: NDArray[np.int64]
    taps: int


STEEPEST = 1e6  # lines per neighbour, where a ray runs along the major axis


def view_table(scan: ParallelBeam, grid: Grid) -> ViewTable:
    """Where each view sees the voxels, with the weights of Joseph (1982).

    Neighbouring rows are views of neighbouring direction, whatever the order of the scan, so that
    their rays meet in the cache."""
    _, ny, nx = grid.shape
    _, dy, dx = grid.pitch
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
            cast(float, scan.center) - step_x * (nx - 1) / 2 - step_y * (ny - 1) / 2,
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
    """The same views for filtered backprojection: voxels take linearly interpolated columns.

    A voxel wider than a column takes the mean of as many columns, with triangular weights.
    weights: (views,) factor of each view."""
    table = view_table(scan, grid)
    width = max(1.0, max(grid.pitch[1:]) / scan.column_pitch)
    rows = table.rows.copy()
    rows[:, 3], rows[:, 4], rows[:, 5] = 1 / width, 1, weights[table.order] / width
    return ViewTable(rows, table.split, table.order, math.ceil(2 * width))
