"""Read FITS, the format of astronomy: images without compression.

FITS Standard 4.0 (2018): a header of 80-byte cards in blocks of 2880 bytes states BITPIX, NAXIS and
NAXISn, the first axis fastest; big-endian data follow.  Values are BZERO + BSCALE · stored, where
BZERO = 2^(n−1) makes unsigned integers; the stored BLANK is NaN.  A file may hold several images:
`FILE.fits::/1` names the first extension, `FILE.fits::/SCI` that of the name EXTNAME."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import FITS, Content
from physrecon.io.file_array import FileArray
from physrecon.io.images.labels import Labels
from physrecon.io.images.stored_image import Key, StoredImage, parsing, unnamed_axes

BLOCK, CARD = 2880, 80
MOST_BLOCKS, MOST_IMAGES = 1000, 1000  # of one header, of one file
TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
VALUE = re.compile(r"\s*('(?:[^']|'')*'|[^/]*)")  # of a card, before its comment


@dataclass(frozen=True)
class _Unit:
    """A header and data unit.  begin: byte of its data.  size: bytes of its data."""

    number: int
    header: dict[str, str]
    begin: int
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Slowest axis first."""
        return tuple(_number(self.header, f"NAXIS{i}") for i in range(self.naxis, 0, -1))

    @property
    def naxis(self) -> int:
        return _number(self.header, "NAXIS")

    @property
    def name(self) -> str:
        return self.header.get("EXTNAME", "")

    @property
    def is_image(self) -> bool:
        kind = self.header.get("XTENSION", "IMAGE")
        return kind == "IMAGE" and self.naxis >= 2 and min(self.shape) > 0


def read(path: Path, content: Content, dataset: str | None) -> StoredImage | None:
    """An image of a FITS file; None for other files.

    Raises DataError if there is none, or if there are several and none is named."""
    if content.kind != FITS:
        return None
    with parsing(path, "FITS"):
        units = list(_units(path))
        unit = _chosen(path, units, dataset)
        array = FileArray(path, unit.begin, unit.shape, TYPES[_number(unit.header, "BITPIX")])
        image = StoredImage.of_plain("fits", unnamed_axes(unit.naxis), array)
        image = _scaled(unit.header, array, image).as_part().with_named_axes()
        image = replace(image, labels=Labels(value_unit=unit.header.get("BUNIT", "").strip()))
    others = [u.name or str(u.number) for u in units if u.is_image and u is not unit]
    said = f"images: {unit.name or unit.number} is read; also here: {', '.join(others[:8])}"
    return image.with_notes(*[said] * bool(others))


def _chosen(path: Path, units: list[_Unit], wanted: str | None) -> _Unit:
    """The image that is named, or the first one."""
    images = [unit for unit in units if unit.is_image]
    name = (wanted or "").strip("/")
    found = [u for u in images if name in ("", str(u.number)) or name.upper() == u.name.upper()]
    if found:
        return found[0]
    if any(unit.header.get("ZIMAGE") == "T" for unit in units):
        raise DataError(f"{path}: expected an image, got a compressed one; unpack it with funpack.")
    have = ", ".join(f"{u.number} {u.name} {u.shape}" for u in images) or "none"
    raise DataError(f"{path}: expected an image {name or 'of two or more axes'}, got {have}.")


def _scaled(header: dict[str, str], array: FileArray, image: StoredImage) -> StoredImage:
    """The image with BZERO, BSCALE and BLANK applied."""
    zero, scale = float(header.get("BZERO", 0)), float(header.get("BSCALE", 1))
    stored, native = array.dtype, array.dtype.newbyteorder("=")
    blank = int(header["BLANK"]) if "BLANK" in header and stored.kind != "f" else None
    if zero == 0 and scale == 1 and blank is None:
        return image
    half = 2 ** (8 * stored.itemsize - 1)
    sign = {("i", half): "u", ("u", -half): "i"}.get((stored.kind, zero))
    if sign and scale == 1 and blank is None:
        whole = np.dtype(f"{sign}{stored.itemsize}")
        top = np.array(half, f"u{stored.itemsize}")  # adding 2^(n−1) flips the highest bit
        return image.with_values(
            whole, lambda key: (array[key].astype(native).view(top.dtype) ^ top).view(whole)
        )
    real = np.dtype(np.float32 if stored.itemsize <= 2 or stored == ">f4" else np.float64)

    def values(key: Key) -> NDArray[Any]:
        raw = array[key]
        found = (raw * np.float64(scale) + zero).astype(real)
        return found if blank is None else np.where(raw == blank, real.type(np.nan), found)

    return image.with_values(real, values)


def _units(path: Path) -> Iterator[_Unit]:
    """Yield the headers of a file, whose data are all inside it."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        for number in range(MOST_IMAGES):
            file.seek(at)
            header = _header(file)
            if header is None:
                if number == 0:
                    raise DataError(f"{path}: expected a FITS header, got one without an end.")
                return
            naxis, bits = _number(header, "NAXIS"), _number(header, "BITPIX")
            axes = [_number(header, f"NAXIS{i}") for i in range(1, naxis + 1)]
            if bits not in TYPES or not 0 <= naxis <= 999 or min(axes, default=0) < 0:
                raise DataError(f"{path}: expected a sound FITS header, got BITPIX {bits}, {axes}.")
            count = math.prod(axes) if axes else 0
            more = _number(header, "PCOUNT", 0), _number(header, "GCOUNT", 1)
            data = abs(bits) // 8 * more[1] * (more[0] + count)
            begin = file.tell()
            if data < 0 or begin + data > size:
                raise DataError(
                    f"{path}: expected {begin + data} bytes for the image {number} of {axes[::-1]},"
                    f" got {size}; copy it again from the source."
                )
            yield _Unit(number, header, begin, data)
            at = begin + -(-data // BLOCK) * BLOCK
            if at >= size:
                return


def _header(file: Any) -> dict[str, str] | None:
    """The values of a header by keyword, without quotes; None if it has no end."""
    found: dict[str, str] = {}
    for _ in range(MOST_BLOCKS):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            return None
        cards = [block[i : i + CARD].decode("ascii", "replace") for i in range(0, BLOCK, CARD)]
        for card in cards:
            key = card[:8].strip()
            if key == "END":
                return found
            if card[8:10] == "= ":
                value = VALUE.match(card[10:])
                found.setdefault(key, value[1].strip().strip("'").strip() if value else "")
    return None


def _number(header: dict[str, str], key: str, default: int | None = None) -> int:
    if key not in header and default is not None:
        return default
    return int(header[key])
