"""A volume or an image as something to look at: slices, pitches and the name of its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import HDF5, content_of
from physrecon.io.images.image import Image, open_image
from physrecon.io.made import parsed, scale_of
from physrecon.io.units import printed
from physrecon.io.volumes.volume import Volume, open_volume

AXES = "zyx"


@dataclass(frozen=True)
class Viewed:
    """The source of a slice, data[(*frame, z, y, x)], its labels, and how it was made.

    configuration: the resolved job and its input, text by name; empty for a foreign file."""

    data: Any
    frame: tuple[int, ...]
    shape: tuple[int, ...]
    pitch: tuple[float, ...]
    unit: str | None
    quantity: str
    row_0_on_top: bool
    configuration: Mapping[str, str] = field(default_factory=dict)


def cut(v: Viewed, axis: str, index: int) -> tuple[NDArray[Any], list[float], tuple[str, str]]:
    """The slice across an axis, its two pitches, and the names of its axes."""
    across = AXES.index(axis)
    image = np.asarray(v.data[(*v.frame, *(slice(None),) * across, index)])
    pitch = [p for i, p in enumerate(v.pitch) if i != across]
    rows, columns = (name for name in AXES if name != axis)
    return image, pitch, (rows, columns)


def middle(v: Viewed, axis: str) -> int:
    return v.shape[AXES.index(axis)] // 2


def open_source(path: str | Path) -> Volume | Image:
    """A volume in HDF5, else an image."""
    if content_of(Path(path)).kind != HDF5:
        return open_image(path)
    try:
        return open_volume(path)
    except DataError as no_volume:
        try:
            return open_image(path)
        except DataError:
            raise no_volume from None


@contextmanager
def open_viewed(path: str | Path) -> Iterator[Viewed]:
    """A volume, or the first frame of an image."""
    with open_source(path) as source:
        yield _of_volume(source) if isinstance(source, Volume) else _of_image(source)


def _of_volume(v: Volume) -> Viewed:
    of_image = "description" in v.configuration  # as deconvolve writes it
    quantity = "grey value" if of_image else f"attenuation [1/{printed(v.length_unit)}]"
    return Viewed(
        v, (), v.shape, v.voxel_size, printed(v.length_unit), quantity, of_image, v.configuration
    )


def _of_image(image: Image) -> Viewed:
    """The first frame of an image, 2-D or 3-D."""
    first, unit = image.frames[0], printed(image.length_unit)
    texts = parsed(image.description)
    slope, offset, value_unit = scale_of(texts)
    data = scaled(image, slope, offset)
    quantity = f"attenuation [{value_unit}]" if value_unit.startswith("1/") else "grey value"
    if len(image.frame_shape) == 3:
        shape, pitch = image.frame_shape, image.voxel_size
        return Viewed(data, first, shape, pitch, unit, quantity, True, texts)
    plane, pitch = np.asarray(data[first])[None], (1.0, *image.voxel_size)
    return Viewed(plane, (), plane.shape, pitch, unit, quantity, True, texts)


def scaled(image: Image, slope: float, offset: float) -> Any:
    """The values that the numbers of an image stand for, as an array that is read when indexed."""
    return image if (slope, offset) == (1, 0) else Scaled(image, slope, offset)


@dataclass(frozen=True)
class Scaled:
    """The values slope · stored + offset, float32, of an array that is read when it is indexed."""

    stored: Any
    slope: float
    offset: float

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.asarray(self.stored[key] * self.slope + self.offset, np.float32)
