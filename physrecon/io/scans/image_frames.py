"""Images as the frames of a scan."""

from __future__ import annotations

from typing import Any

from numpy import arange
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image
from physrecon.io.scans.frames import THETA_FIRST, Frames, Unsqueezed


class _Planes:
    """An image as a stored stack (n, rows, columns)."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self.shape = image.shape if image.ndim == 3 else (1, *image.shape)
        self.dtype = image.dtype

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        if self._image.ndim == 3:
            return self._image[key]
        return self._image[key[1:]][None][key[0]]


def frames_of(image: Image, axes: str | None = None) -> Frames:
    """The planes of an image as frames.

    axes: the order of its axes, such as "y:theta:x", or "theta:x" for a sinogram; by default the
    last two are rows and columns.  Raises DataError for colours and times, ArgumentError for axes
    that do not fit."""
    if image.ndim > 3 or {"C", "S"} & {*image.axes}:
        raise DataError(
            f"{image.path.name}: expected grey images, one for each view, got {image.axes} "
            f"{image.shape}; save one channel of one scan."
        )
    where = str(image.path)
    if axes is None:
        stack = _Planes(image)
        return Frames(stack, arange(stack.shape[0]), where=where)
    names = axes.split(":")
    if len(names) != image.ndim:
        raise ArgumentError(
            f"axes: expected a name for each axis of {image.shape} in {image.path.name}, got {axes}"
        )
    if len(names) == 2:
        order = f"{names[0]}:y:{names[1]}"
        return Frames(Unsqueezed(image, 1), arange(image.shape[names.index("theta")]), order, where)
    views = image.shape[names.index("theta")]
    return Frames(image, arange(views), axes or THETA_FIRST, where)
