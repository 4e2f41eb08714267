"""A folder of image files, such as the planes of a stack or the frames of a camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physrecon.io.content import FOLDER, Content
from physrecon.io.images.series import ImageSeries, chosen_series
from physrecon.io.images.stored_image import ABSENT, UNNAMED, Key, StoredImage
from physrecon.io.opened import numbers


def read(path: Path, content: Content, dataset: str | None) -> StoredImage | None:
    """The series of a folder; None for files.

    dataset: its name, such as "flat_#.tif", if there are several.  Raises DataError."""
    if content.kind != FOLDER:
        return None
    stack = ImageSeries(chosen_series(path, dataset))

    def values(key: Key) -> NDArray[Any]:
        first, rows, columns = (slice(n.start, n.stop, n.step) for n in map(numbers, key))
        part = stack[first, rows, columns]
        return part[tuple(0 if isinstance(k, int) else slice(None) for k in key)]

    image = StoredImage(
        path,
        stack.format,
        (UNNAMED if stack.shape[0] > 1 else ABSENT) + "YX",
        stack.shape,
        stack.dtype,
        values,
        lambda: None,
        notes=stack.notes,
        files=frozenset(stack.files),
        part=True,
    ).with_named_axes()
    lengths = zip("YX", stack.voxel_size, strict=True) if stack.length_unit else ()
    return image.with_lengths({name: (size, str(stack.length_unit)) for name, size in lengths})
