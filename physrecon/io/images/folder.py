"""A folder of image files, such as the planes of a stack or the frames of a camera."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physrecon.io.content import FOLDER, Content
from physrecon.io.images.series import ImageSeries, chosen_series
from physrecon.io.images.stored_image import ABSENT, UNNAMED, Key, StoredImage
from physrecon.io.opened import numbers

VOLUME_MARK = "volume.json"  # of a volume that is stored as a folder of slices
MOST_MARK = 1 << 20  # bytes


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
    stated = _stated(path)
    description = stated.get("description")
    image = image.with_description(description if isinstance(description, str) else "")
    lengths = _of_volume(stated, image.axes)
    if not lengths and stack.length_unit:
        sizes = zip("YX", stack.voxel_size, strict=True)
        lengths = {name: (size, stack.length_unit) for name, size in sizes}
    return image.with_lengths(lengths)


def _stated(folder: Path) -> dict[str, Any]:
    """What the mark of a volume in slices states; {} without one."""
    try:
        with (folder / VOLUME_MARK).open("rb") as file:
            stated = json.loads(file.read(MOST_MARK))
    except (OSError, ValueError, RecursionError):
        return {}
    return stated if isinstance(stated, dict) else {}


def _of_volume(stated: dict[str, Any], axes: str) -> dict[str, tuple[float, str]]:
    """(size of the voxels, unit) by axis; {} unless both are stated."""
    try:
        sizes, unit = [float(size) for size in stated["voxel_size"]], stated["length_unit"]
    except (ValueError, TypeError, KeyError):
        return {}
    if axes != "ZYX" or len(sizes) != 3 or not isinstance(unit, str):
        return {}
    return {name: (size, unit) for name, size in zip(axes, sizes, strict=True)}
