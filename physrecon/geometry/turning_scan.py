"""What all scans have in common whose views are angles of rotation about the z axis.

The frame of a view is (z, b, u): b is the direction of the beam, (-sin θ, cos θ) in (x, y), and u
that of the columns, (cos θ, sin θ).  At angle 0 it is (z, y, x)."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.foreign import floats
from physrecon.geometry.grid import Grid, checked_lengths, checked_numbers, checked_shape, run_of

ANGLE_UNITS = ("deg", "rad")
SAME_ROW = 1e-6  # rows or columns; places that differ by less are equal but for rounding
VIEWS_IN_REPR = 8  # of a scan that is shown as the call that makes it


class Value:
    """Equality, hash and text of frozen dataclasses that hold arrays.

    Of up to 8 views the text is the call that makes the scan, else a summary."""

    def _key(self) -> tuple[Any, ...]:
        state = [getattr(self, f.name) for f in fields(cast(Any, self))]
        return tuple((v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in state)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == cast(Value, other)._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        if len(cast(Any, self)) > VIEWS_IN_REPR:
            return self._summary()
        given = []
        for f in fields(cast(Any, self)):
            value = getattr(self, f.name)
            text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
            if f.default is MISSING:
                given.append(f"{f.name}={text}" if f.kw_only else text)
            elif text != repr(f.default):
                given.append(f"{f.name}={text}")
        return f"{type(self).__name__}({', '.join(given)})"

    def _summary(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class TurningScan(Value):
    """A scan of one view per angle; `ParallelBeam` explains the arguments."""

    per_view: ClassVar[tuple[str, ...]] = ("angles",)  # fields of one entry a view

    angles: ArrayLike
    detector_shape: tuple[int, int]
    angle_unit: str = field(kw_only=True)
    pixel_size: float | tuple[float, float] = 1.0
    center: float | None = None
    row_offset: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.angle_unit, str) or self.angle_unit not in ANGLE_UNITS:
            raise ArgumentError(
                f'{name}.angle_unit: expected "deg" or "rad", got {brief(self.angle_unit)}'
            )
        angles = floats(f"{name}.angles", self.angles)
        if angles.ndim != 1 or not np.isfinite(angles).all():
            raise ArgumentError(
                f"{name}.angles: expected a finite 1-D array, got "
                f"shape {angles.shape} with {np.count_nonzero(~np.isfinite(angles))} non-finite"
            )
        angles.flags.writeable = False
        shape = checked_shape(f"{name}.detector_shape", self.detector_shape, "rows, columns")
        middle = (shape[1] - 1) / 2 if self.center is None else self.center
        self._set(
            angles=angles,
            detector_shape=shape,
            pixel_size=checked_lengths(f"{name}.pixel_size", self.pixel_size, 2),
            center=float(checked_numbers(f"{name}.center", middle, made="a finite column")),
            row_offset=self._number("row_offset"),
        )

    def _set(self, **checked: Any) -> None:
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _number(self, name: str) -> float:
        return float(checked_numbers(f"{type(self).__name__}.{name}", getattr(self, name)))

    def _length(self, name: str) -> float:
        value, where = getattr(self, name), f"{type(self).__name__}.{name}"
        if isinstance(value, str):
            raise ArgumentError(
                f"{where}: expected a number in the unit of all lengths, got {brief(value)}; give "
                "it without its unit"
            )
        number = checked_numbers(where, value, made="one positive length")
        if number <= 0:
            raise ArgumentError(f"{where}: expected one positive length, got {brief(value)}")
        return float(number)

    def _shifts(self, name: str) -> Any:
        """(z, b, u) of all views, or (views, 3)."""
        value, where = getattr(self, name), f"{type(self).__name__}.{name}"
        views = len(cast(Any, self.angles))
        numbers = floats(where, value)
        each = numbers.ndim == 2 or not numbers.size
        shape = (views, 3) if each else (3,)
        made = f"finite (z, beam, u), or one for each of {views} views"
        numbers = checked_numbers(where, value, shape, made)
        return numbers if each else tuple(numbers.tolist())

    def _summary(self) -> str:
        angles, (rows, columns) = np.asarray(self.angles), self.detector_shape
        span = f" from {angles[0]:g} to {angles[-1]:g} {self.angle_unit}" if len(angles) else ""
        offset = f", {self.row_offset:g} rows off the middle" if self.row_offset else ""
        return "\n  ".join([
            f"{type(self).__name__}: {len(angles)} views{span}",
            f"detector: {rows} rows × {columns} columns of {self.row_pitch:g} × "
            f"{self.column_pitch:g}{offset}",
            f"axis of rotation: column {self.center:g}",
            *self._more(),
        ])  # fmt: skip

    def _more(self) -> tuple[str, ...]:
        """Further lines of the text."""
        return ()

    @property
    def displaced(self) -> str:
        """What turns or moves the detector or the source, in words; "" of an upright one."""
        said = []
        for name in ("tilt", "roll", "pitch", "yaw"):
            if angle := getattr(self, name, 0.0):
                said.append(f"{name} {angle:g} {self.angle_unit}")
        for name in ("source_offset", "shifts"):
            vectors = np.asarray(getattr(self, name, 0.0))
            if vectors.any():
                one = ", ".join(f"{v:g}" for v in np.ravel(vectors)[:3])
                said.append(f"{name} of every view" if vectors.ndim > 1 else f"{name} ({one})")
        return ", ".join(said)

    @property
    def radians(self) -> NDArray[np.float64]:
        """The angles in radians."""
        return self._radians(self.angles)

    def _radians(self, angles: Any) -> NDArray[np.float64]:
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

    @property
    def axis_row(self) -> float:
        """The row at the height z = 0; may be fractional or beyond the detector."""
        return (self.detector_shape[0] - 1) / 2 - self.row_offset

    def _frames(self) -> NDArray[np.float64]:
        """(views, 3, 3) the vectors z, b and u of every view, each (z, y, x)."""
        cos, sin, zero = np.cos(self.radians), np.sin(self.radians), np.zeros(self.shape[0])
        z, b, u = (zero + 1, zero, zero), (zero, cos, -sin), (zero, sin, cos)
        return np.stack([np.stack(vector, axis=-1) for vector in (z, b, u)], axis=1)

    def _world(self, vectors: Any) -> NDArray[np.float64]:
        """(views, 3) in (z, y, x) of vectors (3,) or (views, 3) in the frame of each view."""
        local = np.broadcast_to(np.asarray(vectors, np.float64), (self.shape[0], 3))
        return np.asarray((local[:, None] @ self._frames())[:, 0])

    def part(self, rows: slice) -> Self:
        """Adjacent rows, at their own heights.  Raises ArgumentError for a step."""
        count, columns = self.detector_shape
        start, stop = run_of(f"{type(self).__name__}.part", rows, count)
        offset = self.row_offset + (start + stop - count) / 2
        return replace(self, detector_shape=(stop - start, columns), row_offset=offset)

    def with_center(self, center: float) -> Self:
        return replace(self, center=center)

    def __getitem__(self, views: Any) -> Self:
        """The scan with these views only: an int, a slice, a mask or an array of indices."""
        chosen = np.atleast_1d(np.arange(self.shape[0])[views])
        held = {name: getattr(self, name) for name in self.per_view}
        many = {n: v for n, v in held.items() if isinstance(v, np.ndarray)}
        return replace(self, **{n: v[chosen] for n, v in many.items()})

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, eq=False, repr=False)
class SlicewiseScan(TurningScan):
    """A scan whose row r sees slice r only, whatever the pitches."""

    separable: ClassVar[bool] = True

    def rows_seen(self, grid: Grid, slices: slice) -> slice:
        """The detector rows that these slices of a grid reach."""
        start, stop = run_of(f"{type(self).__name__}.rows_seen", slices, grid.shape[0])
        first = self.first_row_seen(grid)
        low, high = np.clip([math.floor(first + start), math.ceil(first + stop)], 0, self.shape[1])
        return slice(int(low), int(high) if start < stop else int(low))

    def first_row_seen(self, grid: Grid) -> float:
        """The row that sees slice 0 of a grid; may be fractional or beyond the detector."""
        first = self.axis_row - grid.origin[0]
        near = round(first)
        return near if abs(first - near) < SAME_ROW else first


def detector_frame(roll: Any, pitch: Any, yaw: Any) -> Any:
    """(3, 3) vectors (rows, normal, columns) of a tilted detector in the frame (z, b, u).

    Roll turns the columns to the rows about the beam, then pitch leans higher rows away from the
    source about the columns, and yaw leans higher columns away from it about z.  In radians."""
    (cr, cp, cy), (sr, sp, sy) = (f([roll, pitch, yaw]) for f in (np.cos, np.sin))
    rolled = np.array([[cr, 0, -sr], [0, 1, 0], [sr, 0, cr]])
    pitched = np.array([[cp, sp, 0], [-sp, cp, 0], [0, 0, 1]])
    yawed = np.array([[1, 0, 0], [0, cy, -sy], [0, sy, cy]])
    return rolled @ pitched @ yawed
