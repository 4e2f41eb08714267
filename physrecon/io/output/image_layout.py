"""The layout of an image to be written in any format: shape, axes, voxel sizes, description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from physrecon.errors import ArgumentError
from physrecon.io import units
from physrecon.io.images.image import SPACE
from physrecon.io.images.labels import Labels


@dataclass(frozen=True)
class ImageLayout:
    """The layout of an image; made by `checked`.

    shape, axes: leading axes, then those of "ZYX".  voxel_size: along each spatial axis, in
    `length_unit` (None: pixels).  description: text stored in the file.  scale: (slope, offset), a
    value is slope · stored + offset.  value_unit: of the values.  labels: of channels and
    times."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    voxel_size: tuple[float, ...]
    length_unit: str | None = None
    description: str = ""
    scale: tuple[float, float] = (1.0, 0.0)
    value_unit: str = ""
    labels: Labels = field(default_factory=Labels)

    @staticmethod
    def checked(
        path: Path,
        shape: Sequence[int],
        dtype: DTypeLike,
        axes: str,
        voxel_size: float | Sequence[float] | None,
        length_unit: str | None,
        description: str,
    ) -> ImageLayout:
        """The layout of an image for `path`.  voxel_size: one length, or one per spatial axis.

        Raises ArgumentError."""
        unit = None if length_unit is None else units.length_unit(length_unit)
        sizes = _one_for_each(path, voxel_size, _space(axes))
        lengths = tuple(int(n) for n in shape)
        layout = ImageLayout(lengths, np.dtype(dtype), axes, sizes, unit, description)
        layout._check(path)
        return layout

    @property
    def frame_axes(self) -> str:
        """ "YX" or "ZYX"."""
        return _space(self.axes)

    @property
    def leading(self) -> tuple[int, ...]:
        """The lengths of the axes before those of a frame."""
        return self.shape[: -len(self.frame_axes)]

    @property
    def depth(self) -> int:
        """Planes of a frame."""
        return self.shape[-3] if len(self.frame_axes) == 3 else 1

    def _check(self, path: Path) -> None:
        axes, space = self.axes, self.frame_axes
        if space not in ("YX", "ZYX") or not axes.endswith(space) or len(set(axes)) < len(axes):
            raise ArgumentError(
                f'{path}: expected axes that end in "YX" or "ZYX", each once, got {axes!r}.'
            )
        if len(self.shape) != len(axes) or min(self.shape) < 1 or self.dtype.kind not in "iuf":
            raise ArgumentError(
                f"{path}: expected real numbers with a length for each axis of {axes}, got "
                f"shape {self.shape} of {self.dtype}."
            )
        if self.length_unit not in (None, *units.LENGTHS):
            raise ArgumentError(
                f"{path}: expected a unit of length among {', '.join(units.LENGTHS)} or None "
                f"for pixels, got {self.length_unit!r}."
            )


def _space(axes: str) -> str:
    return "".join(name for name in axes if name in SPACE)


def _one_for_each(
    path: Path, voxel_size: float | Sequence[float] | None, space: str
) -> tuple[float, ...]:
    given: Any = 1.0 if voxel_size is None else voxel_size
    sizes = (given,) * len(space) if np.ndim(given) == 0 else tuple(given)
    if len(sizes) != len(space) or not all(np.isfinite(v) and v > 0 for v in sizes):
        raise ArgumentError(
            f"{path}: expected one positive voxel size or one for each of {space}, "
            f"got {voxel_size}."
        )
    return tuple(float(v) for v in sizes)
