"""Write MRC2014 (see `images/mrc.py`): a header of 1024 bytes and one array, little-endian.

Lengths are in ångström; 0 states that they are unknown, as are the extremes and the mean of values
that are written one after the other (dmax < dmin)."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError
from physrecon.io.atomic_file import write_all
from physrecon.io.description import divided
from physrecon.io.images.mrc import HEADER, LABELS, MODES
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.units import LENGTHS

LABEL = b"physrecon"
FIRST = (b"physrecon ", b"asked ", b"method ")  # of the labels


class MrcSink:
    """An MRC file whose planes are written in place."""

    def __init__(self, path: Path, image: ImageLayout) -> None:
        check_mrc(path, image)
        self._dtype = image.dtype.newbyteorder("<")
        self._plane = math.prod(image.shape[-2:]) * image.dtype.itemsize
        self._file = path.open("r+b", buffering=0)
        write_all(self._file, memoryview(_header(image)))

    def put(self, index: tuple[int, ...], start: int, planes: NDArray[Any]) -> None:
        self._file.seek(HEADER + start * self._plane)
        little = np.ascontiguousarray(planes, self._dtype)
        write_all(self._file, little.reshape(-1).view(np.uint8).data)

    def finish(self) -> None:
        with self._file:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()  # unbuffered: nothing is left to be written


def check_mrc(path: Path, image: ImageLayout) -> None:
    """Raise ArgumentError unless MRC can hold the image."""
    if image.axes != "ZYX" or image.dtype.str[1:] not in MODES.values():
        raise ArgumentError(
            f"{path}: expected a stack of {', '.join(MODES.values())} for MRC, got {image.axes} of "
            f"{image.dtype}; write HDF5 (.h5)."
        )


def _header(image: ImageLayout) -> bytes:
    head = bytearray(HEADER)
    mode = next(number for number, kind in MODES.items() if kind == image.dtype.str[1:])
    counts = image.shape[::-1]
    scale = LENGTHS[image.length_unit] / LENGTHS["angstrom"] if image.length_unit else 0.0
    cell = (n * size * scale for n, size in zip(counts, image.voxel_size[::-1], strict=True))
    struct.pack_into("<4i", head, 0, *counts, mode)
    struct.pack_into("<3i", head, 28, *counts)
    struct.pack_into("<6f", head, 40, *cell, 90.0, 90.0, 90.0)
    struct.pack_into("<3i3f", head, 64, 1, 2, 3, 0.0, -1.0, -2.0)
    struct.pack_into("<i", head, 88, 1)  # space group of a volume
    struct.pack_into("<i", head, 108, 20141)  # version of the format
    head[208:216] = b"MAP \x44\x44\0\0"
    labels = _labels(image)
    struct.pack_into("<fi", head, 216, -1.0, len(labels))
    for at, label in zip(LABELS, labels, strict=False):
        head[at : at + len(label)] = label
    return bytes(head)


def _labels(image: ImageLayout) -> list[bytes]:
    """What stored numbers mean, then the lines about a result that fit a label, those that
    identify it first."""
    slope, offset = image.scale
    scaled = f"value = {slope:.9g} * stored + {offset:.9g} {image.value_unit}".strip()
    about = divided(image.description)[1] or image.description
    lines = about.partition("\n\n")[0].replace("±", "+-").replace("×", "*").splitlines()
    texts = [line.encode("ascii", "replace") for line in lines]
    fit = [text for text in texts if 0 < len(text) <= 80]
    fit.sort(key=lambda text: not text.startswith(FIRST))
    stored = [scaled.encode("ascii", "replace")[:80]] * (image.scale != (1, 0))
    return [*stored, *(fit or [LABEL])][: len(LABELS)]
