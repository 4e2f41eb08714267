"""The box of voxels.

Volume (z, y, x); the origin is the centre of the array, (n - 1)/2, unless `center` shifts the
box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, brief
from physrecon.foreign import check_plain, floats


def checked_lengths(where: str, value: Any, count: int) -> tuple[float, ...]:
    """`count` positive finite lengths from one number or `count` of them."""
    check_plain(where, value)
    lengths = floats(where, value)
    lengths = np.repeat(lengths, count) if lengths.ndim == 0 else lengths
    if lengths.shape != (count,) or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ArgumentError(
            f"{where}: expected one positive length or {count} of them, got {brief(value)}"
        )
    return tuple(lengths.tolist())


def run_of(where: str, part: slice, count: int) -> tuple[int, int]:
    """(start, stop) of a slice without gaps within range(count)."""
    start, stop, step = part.indices(count)
    if step != 1:
        raise ArgumentError(f"{where}: expected neighbours in order, got {part}; use step 1")
    return start, max(start, stop)


def checked_shape(where: str, value: Sequence[int], names: str) -> tuple[int, ...]:
    shape = floats(where, value)
    if shape.shape != (len(names.split(", ")),) or not ((shape >= 0) & (shape % 1 == 0)).all():
        raise ArgumentError(
            f"{where}: expected ({names}) of whole numbers >= 0, got {brief(value)}"
        )
    return tuple(int(n) for n in shape)


def checked_numbers(
    where: str, value: Any, shape: tuple[int, ...] = (), made: str = ""
) -> NDArray[np.float64]:
    """Finite numbers of one shape in memory that is read only; `made` names them."""
    numbers = floats(where, value)
    numbers = numbers.reshape(shape) if not numbers.size and 0 in shape else numbers
    if numbers.shape != shape or not np.isfinite(numbers).all():
        made = made or (f"finite numbers of shape {shape}" if shape else "a finite number")
        raise ArgumentError(f"{where}: expected {made}, got {brief(value)}")
    numbers.flags.writeable = False
    return numbers


def corners(grid: Grid, slices: slice) -> NDArray[np.float64]:
    """(8, 3) corners of the box that adjacent slices and a voxel around them fill.

    It holds all points to which these voxels are interpolated.  (0, 3) of no voxel."""
    start, stop = run_of("Grid.corners", slices, grid.shape[0])
    if start == stop or 0 in grid.shape:
        return np.empty((0, 3))
    ends = ((start - 1, stop), (-1, grid.shape[1]), (-1, grid.shape[2]))
    index = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray((index - grid.origin) * grid.pitch)


@dataclass(frozen=True)
class Grid:
    """A box of voxels.

    Args:
        shape: (nz, ny, nx).
        voxel_size: one length, or (z, y, x), in the unit of your choice; by default 1.
        center: (z, y, x) of the centre of the box, in that unit; by default on the axis of
            rotation, at the middle of the detector.
    Raises:
        ArgumentError: for a shape that is not three whole numbers, and lengths that are not > 0.

    Example:
        >>> grid = pr.Grid((1, 3, 5), voxel_size=0.1)
        >>> grid.axis(2).round(2).tolist()  # x of the voxels' centres, 0 on the axis of rotation
        [-0.2, -0.1, 0.0, 0.1, 0.2]
    """

    shape: tuple[int, int, int]
    voxel_size: float | tuple[float, float, float] = 1.0
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", checked_shape("Grid.shape", self.shape, "nz, ny, nx"))
        pitch = checked_lengths("Grid.voxel_size", self.voxel_size, 3)
        object.__setattr__(self, "voxel_size", pitch)
        center = tuple(np.ravel(floats("Grid.center", self.center)).tolist())
        if len(center) != 3 or not np.isfinite(center).all():
            raise ArgumentError(f"Grid.center: expected finite (z, y, x), got {brief(self.center)}")
        object.__setattr__(self, "center", center)

    @property
    def pitch(self) -> tuple[float, float, float]:
        """Voxel size along (z, y, x)."""
        return self.voxel_size  # type: ignore[return-value]

    @property
    def origin(self) -> tuple[float, float, float]:
        """Index (z, y, x) of the point (0, 0, 0); may be fractional or outside the box."""
        z, y, x = (
            (n - 1) / 2 - center / pitch
            for n, center, pitch in zip(self.shape, self.center, self.pitch, strict=True)
        )
        return z, y, x

    def axis(self, which: int) -> NDArray[np.float64]:
        """Coordinates of the voxel centres along axis 0 (z), 1 (y) or 2 (x)."""
        n = self.shape[which]
        return np.asarray((np.arange(n) - (n - 1) / 2) * self.pitch[which] + self.center[which])

    def part(self, slices: slice) -> Grid:
        """Adjacent slices, at their own heights.  Raises ArgumentError for a step."""
        start, stop = run_of("Grid.part", slices, self.shape[0])
        z, y, x = self.center
        z += (start + stop - self.shape[0]) / 2 * self.pitch[0]
        return replace(self, shape=(stop - start, *self.shape[1:]), center=(z, y, x))
