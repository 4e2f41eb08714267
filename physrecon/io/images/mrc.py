"""Read MRC, the format of electron microscopy: one array after a header of 1024 bytes.

Cheng et al., J. Struct. Biol. 192, 146 (2015), MRC2014: nx, ny, nz, mode at bytes 0 … 15, the
grid mx, my, mz at 28, the lengths of the cell in ångström at 40, the order of the axes at 64, the
bytes of the extended header at 92, the byte order at 212.  A voxel measures cell / grid; 0 states
none."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from physrecon.errors import DataError
from physrecon.io.content import MRC, Content
from physrecon.io.file_array import FileArray
from physrecon.io.images.stored_image import StoredImage

HEADER = 1024  # bytes
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
IMOD = 1146047817  # its mark at byte 152; bit 0 of the next number tells whether mode 0 is signed
LABELS = range(224, HEADER, 80)  # where texts of 80 bytes begin
UNSIGNED_NOTE = "values: 8 bits, taken as unsigned, as IMOD says"


def read(path: Path, content: Content, _dataset: str | None) -> StoredImage | None:
    """The array in an MRC file; None for other files.  Raises DataError."""
    if content.kind != MRC:
        return None
    head = content.head
    order = ">" if head[212] == 0x11 else "<"
    (*shape, mode) = struct.unpack(f"{order}4i", head[:16])
    grid, cell = struct.unpack(f"{order}3i", head[28:40]), struct.unpack(f"{order}3f", head[40:52])
    axes = struct.unpack(f"{order}3i", head[64:76])
    (extended,) = struct.unpack(f"{order}i", head[92:96])
    stamp, flags = struct.unpack(f"{order}2i", head[152:160])
    if mode not in MODES or sorted(axes) != [1, 2, 3] or min(shape) < 1 or extended < 0:
        raise DataError(
            f"{path}: expected an MRC file of real numbers (modes {', '.join(map(str, MODES))}), "
            f"got mode {mode}, shape {tuple(shape)}, axes {axes}; convert it with IMOD or EMAN2."
        )
    dtype = np.dtype(order + MODES[mode])
    notes = []
    if mode == 0 and stamp == IMOD and not flags & 1:
        dtype = np.dtype("u1")
        notes.append(UNSIGNED_NOTE)
    array = FileArray(path, HEADER + extended, shape[::-1], dtype)
    letters = "".join("XYZ"[axis - 1] for axis in axes[::-1])
    sizes = {
        letter: (length / count, "angstrom")
        for letter, length, count in zip("XYZ", cell, grid, strict=True)
        if count > 0 and length > 0 and np.isfinite(length)
    }
    image = StoredImage.of_plain("mrc", letters, array).with_notes(*notes).with_named_axes()
    image = image.with_description(_labels(path))
    return image.with_lengths(sizes) if set(letters) <= sizes.keys() else image


def _labels(path: Path) -> str:
    """The labels of a file, a line each."""
    with path.open("rb") as file:
        head = file.read(HEADER)
    texts = (head[at : at + 80].decode("ascii", "replace").strip(" \0") for at in LABELS)
    return "\n".join(filter(None, texts))
