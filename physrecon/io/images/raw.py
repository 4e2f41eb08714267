"""Raw binary files: an array without a header, whose shape and type the user states.

`FILE::180,16,256:uint16` names 180 × 16 × 256 numbers, the last axis fastest, little-endian.
`FILE::180,16,256:>float32:1024` is big-endian and begins after 1024 bytes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from physrecon.errors import ArgumentError, DataError
from physrecon.io.content import Content
from physrecon.io.file_array import FileArray
from physrecon.io.images.stored_image import StoredImage, unnamed_axes

TYPES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32"}
TYPES |= {"f2": "float16", "f4": "float32", "f8": "float64"}
STATED = re.compile(r"/?(\d{1,9}(?:,\d{1,9}){1,4}):([<>]?)(\w+)(?::(\d{1,15}))?")


def read(path: Path, content: Content, dataset: str | None) -> StoredImage | None:
    """The array that `dataset` states; None if it states none.

    Raises ArgumentError for another type, DataError unless the file has just that size."""
    stated = STATED.fullmatch(dataset or "")
    if stated is None:
        return None
    shape = tuple(int(n) for n in stated[1].split(","))
    name = TYPES.get(stated[3], stated[3])
    if name not in TYPES.values() or 0 in shape:
        raise ArgumentError(
            f"{path}: expected a shape and one of {', '.join(TYPES.values())}, got {dataset}"
        )
    dtype = np.dtype((stated[2] or "<") + np.dtype(name).str[1:])
    begin, size = int(stated[4] or 0), path.stat().st_size
    left = size - begin - math.prod(shape) * dtype.itemsize
    if left > 0 and stated[4] is None:
        raise DataError(
            f"{path}: expected {size - left} bytes for {shape} {name}, got {size}; correct the "
            f"shape, or skip a header: ::{stated[1]}:{stated[2]}{name}:{left}"
        )
    axes = unnamed_axes(len(shape))
    image = StoredImage.of_plain("raw", axes, FileArray(path, begin, shape, dtype))
    said = [f"raw: {left} bytes after the array are not used"] * (left > 0)
    return image.as_part().with_notes(*said).with_named_axes()
