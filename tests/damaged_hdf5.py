"""HDF5 files damaged in single bytes, at the places where HDF5 itself fails."""

from __future__ import annotations

import struct
from pathlib import Path

OBJECT = 16  # bytes of the head of a global heap, and of an object in it


def replaced(path: Path, at: int, value: bytes) -> Path:
    """The file with other bytes at one place."""
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


def heap_of(content: bytes) -> int:
    return content.index(b"GCOL")


def endless_heap(path: Path) -> Path:
    """Give the free space of the first global heap the size 0: HDF5 never gets past it."""
    content = path.read_bytes()
    at = heap_of(content) + OBJECT
    while struct.unpack_from("<H", content, at) != (0,):
        (size,) = struct.unpack_from("<Q", content, at + 8)
        at += OBJECT + -(-size // 8) * 8
    return replaced(path, at + 8, bytes(8))


def long_text(path: Path, text: str, said: int) -> Path:
    """Say that a text in a global heap has `said` bytes."""
    content = path.read_bytes()
    heap = content.rindex(b"GCOL", 0, content.index(text.encode()))
    at = content.index(struct.pack("<IQ", len(text), heap))
    return replaced(path, at, struct.pack("<I", said))


def many_axes(path: Path, rank: int) -> Path:
    """Say that the first hyperslab in the mapping of a virtual dataset has `rank` axes."""
    content = path.read_bytes()
    at = content.index(struct.pack("<III", 2, 1, 0), heap_of(content))
    return replaced(path, at + 16, struct.pack("<I", rank))


def cyclic_index(path: Path, axes: int) -> Path:
    """Let the index of the chunks of a dataset contain itself."""
    content = path.read_bytes()
    at = content.index(b"TREE\1\1")  # of chunks, above the leaves
    key = 8 + 8 * (axes + 1)
    return replaced(path, at + 24 + key, struct.pack("<Q", at))
