"""Check TIFF files that may be malicious, damaged or cut short.

A TIFF file is a chain of directories (IFD), one per plane.  Their tags state the positions of their
values and of the plane's bytes.  tifffile reads a broken file as far as it can and leaves zeros for
the rest, so the whole file is checked before anything is read:

    the chain ends in 0 without a loop,   offset + bytes ≤ file size for every tag and plane,
    sizes and positions are whole numbers,
    uncompressed bytes = declared bytes,   no plane above 1 GiB is compressed over 1100 : 1."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from physrecon.errors import DataError
from physrecon.sizes import format_bytes

MAX_TAGS = 4096  # tags in one directory
SIZES = {2: 1, 3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
# Tags of the layout, which tifffile believes to be whole: width, length, bits, compression,
# photometric, samples, planar, predictor, extra samples, sample format; strips and tiles.
LAYOUT = {256, 257, 258, 259, 262, 277, 284, 317, 338, 339, 273, 278, 279, 322, 323, 324, 325}
WHOLE = {1, 3, 4, 6, 8, 9, 13, 16, 17, 18}  # types of a tag: integers, positions
BOMB_SIZE, BOMB_RATIO = 1 << 30, 1100  # bytes, compression ratio; a plane above both is a bomb


def check_chain(path: Path) -> None:
    """Raise DataError unless the chain of directories ends and all their values are in the file.

    Raises struct.error for a file that is no TIFF."""
    size = path.stat().st_size
    seen: set[int] = set()
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        count, entry, pointer = (
            struct.Struct(order + formats)
            for formats in (("Q", "HHQQ", "Q") if big else ("H", "HHII", "I"))
        )
        (offset,) = pointer.unpack(head[8:16] if big else head[4:8])
        while offset:
            if offset in seen or not offset < size:
                got = "a chain of pages in a ring" if offset in seen else f"one cut at {size} bytes"
                raise truncated(path, f"an end after {len(seen)} pages, got {got}")
            file.seek(offset)
            (tags,) = count.unpack(file.read(count.size))
            raw = file.read(entry.size * min(tags, MAX_TAGS) + pointer.size)
            if len(raw) != entry.size * tags + pointer.size:
                raise truncated(path, f"a directory of page {len(seen)}, got a broken one")
            for tag, kind, number, place in entry.iter_unpack(raw[: -pointer.size]):
                if tag in LAYOUT and kind not in WHOLE:
                    raise DataError(
                        f"{path.name}: expected a whole number in tag {tag} of page {len(seen)}, "
                        f"got one of type {kind}; copy the file again from the source."
                    )
                stored = number * SIZES.get(kind, 1)
                if stored > pointer.size:
                    check_extent(path, place + stored, size)
            seen.add(offset)
            (offset,) = pointer.unpack(raw[-pointer.size :])


def check_page(path: Path, number: int, page: Any, size: int) -> None:
    """Raise DataError unless all bytes that the page declares are in the file."""
    if page is None or not page.dataoffsets or 0 in page.dataoffsets or 0 in page.databytecounts:
        raise DataError(
            f"{path.name}: expected all planes, got none for plane {number}, which would read as "
            "zeros; copy the file again or wait until it is written."
        )
    stored = sum(page.databytecounts)
    last = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False)))
    check_extent(path, last, size)
    declared = page.size * page.keyframe.bitspersample // 8
    if page.keyframe.compression == 1 and stored < declared:
        raise truncated(path, f"{declared} bytes in plane {number}, got {stored}")
    if declared > max(BOMB_SIZE, BOMB_RATIO * stored):
        raise DataError(
            f"{path.name}: expected a plane that its {format_bytes(stored)} can hold, got one "
            f"declared as {format_bytes(declared)}; if you trust the file, save it uncompressed."
        )


def check_extent(path: Path, end: int, size: int) -> None:
    if end > size:
        raise truncated(path, f"{end} bytes for the declared shape, got {size}")


def truncated(path: Path, what: str) -> DataError:
    return DataError(
        f"{path}: expected a whole TIFF file with {what}; copy it again from the source."
    )
