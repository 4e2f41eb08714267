"""A series of image files as one stack: one plane a file, or files that are stacks themselves.

The first file states shape and type; the others are compared with it when they are read.  Of files
without compression only the wanted rows are read, of others whole planes are unpacked each time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.errors import DataError, MissingInputError
from physrecon.io.file_array import FileArray
from physrecon.io.images.image import Image, open_image
from physrecon.io.opened import numbers

SUFFIXES = (
    *(".tif", ".tiff", ".png", ".jpg", ".jpeg", ".fits", ".fit", ".fts"),
    *(".mrc", ".mrcs", ".st", ".ali", ".npy"),
)


class ImageSeries:
    """The stack (n, rows, columns) in some files, in their order; files are open while they are
    read.

    in_parts: whether rows are read without the rest of a plane.
    voxel_size: (row, column) in `length_unit`.  Raises MissingInputError, DataError."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        self._arrays: dict[int, FileArray] = {}  # of files that were read before
        with open_image(files[0]) as first:
            self.in_parts, self.dtype = first.in_parts, first.dtype
            self.voxel_size, self.length_unit = first.voxel_size[-2:], first.length_unit
            self.format, self.notes = first.format, tuple(first.notes)
            self._plane = first.shape[-2:]
            counts = [_planes(first)]
        if counts[0] == 1:
            counts = [1] * len(files)
        for path in files[len(counts) :]:
            with open_image(path) as image:
                counts.append(_planes(image))
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self.shape = (int(self._starts[-1]), *self._plane)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Read rising slices.  Raises DataError for a file unlike the first."""
        sizes = zip(key, self.shape, strict=True)
        wanted, *inner = (numbers(slice(*each.indices(n))) for each, n in sizes)
        out = np.empty((len(wanted), *map(len, inner)), self.dtype)
        part = tuple(slice(each.start, each.stop, each.step) for each in inner)
        files = np.searchsorted(self._starts, wanted, side="right") - 1
        for place, (number, file) in enumerate(zip(wanted, files.tolist(), strict=True)):
            cancellation_point()
            array = self._arrays.get(file)
            plane = number - int(self._starts[file])
            if array is not None:
                out[place] = array[(*(plane,) * (len(array.shape) == 3), *part)]
                continue
            with open_image(self.files[file]) as image:
                self._check(image, int(self._starts[file + 1] - self._starts[file]))
                if image.plain is not None:
                    self._arrays[file] = image.plain
                out[place] = image[(*(plane,) * (image.ndim == 3), *part)]
        return out

    def _check(self, image: Image, planes: int) -> None:
        if (_planes(image), image.shape[-2:], image.dtype) != (planes, self._plane, self.dtype):
            raise DataError(
                f"{image.path}: expected an image of {self._plane} {self.dtype} as in "
                f"{self.files[0].name}, got {image.shape} {image.dtype}; leave that file out."
            )


def _planes(image: Image) -> int:
    """The number of planes of an image.  Raises DataError if it is coloured."""
    if image.ndim > 3 or {"C", "S"} & {*image.axes}:
        raise DataError(
            f"{image.path}: expected a grey image or a stack of them, got {image.axes} "
            f"{image.shape}; save one channel."
        )
    return image.shape[0] if image.ndim == 3 else 1


def series_in(folder: Path) -> dict[str, list[Path]]:
    """The series of image files in a folder, by their names with # for the number.

    The files of a series are in the order of their numbers, the last ones in their names.  Raises
    MissingInputError if the folder cannot be read."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in members(folder):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            stem = re.fullmatch(r"(.*?)(\d+)(\D*)", path.stem)
            name = f"{stem[1]}#{stem[3]}{path.suffix}" if stem else path.name
            found.setdefault(name, []).append((int(stem[2]) if stem else 0, path))
    return {name: [path for _, path in sorted(files)] for name, files in found.items()}


def members(folder: Path) -> list[Path]:
    """The files and folders in a folder, sorted, without hidden ones.  Raises MissingInputError."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise MissingInputError(
            f"{folder}: expected a readable folder, got {error.strerror}; check its permissions."
        ) from error


def chosen_series(folder: Path, name: str | None) -> list[Path]:
    """The files of the only series in a folder, or of the one that is named.

    Raises DataError if there is none, or several and none is named."""
    known = series_in(folder)
    files = known.get((name or "").strip("/")) if name else None
    if files is None and len(known) == 1 and not name:
        (files,) = known.values()
    if files is None:
        have = ", ".join(f"{key} ({len(some)})" for key, some in [*known.items()][:8]) or "none"
        raise DataError(
            f"{folder}: expected one series of numbered images, got {have}; name one as "
            f"'{folder}::{next(iter(known), 'image_#.tif')}'."
        )
    return files
