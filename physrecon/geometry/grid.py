"""The box of voxels.

Volume (z, y, x); the origin is the centre of the array, (n - 1)/2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError


def checked_lengths(where: str, value: Any, count: int) -> tuple[float, ...]:
    """`count` positive finite lengths from one number or `count` of them."""
    lengths: tuple[Any, ...] = (value,) * count if np.ndim(value) == 0 else tuple(value)
    if len(lengths) != count or not all(np.isfinite(v) and v > 0 for v in lengths):
        raise ArgumentError(
            f"{where}: expected one positive length or {count} of them, got {value!r}"
        )
    return tuple(float(v) for v in lengths)


def checked_shape(where: str, value: Sequence[int], names: str) -> tuple[int, ...]:
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
        object.__setattr__(self, "shape", checked_shape("Grid.shape", self.shape, "nz, ny, nx"))
        pitch = checked_lengths("Grid.voxel_size", self.voxel_size, 3)
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
