"""Small files of arrays, written by the letter of their formats."""

from __future__ import annotations

import struct


def mrc(path, data, *, cell=(0.0, 0.0, 0.0), extended=b"", order="<", axes=(1, 2, 3), **more):
    """An MRC2014 file of `data` (z, y, x).  more: mode, nz, stamp, flags."""
    mode = {"i1": 0, "u1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}[data.dtype.str[1:]]
    head = bytearray(1024)
    nz, ny, nx = data.shape
    struct.pack_into(f"{order}4i", head, 0, nx, ny, more.get("nz", nz), more.get("mode", mode))
    struct.pack_into(f"{order}3i", head, 28, nx, ny, nz)
    struct.pack_into(f"{order}3f", head, 40, *cell)
    struct.pack_into(f"{order}3i", head, 64, *axes)
    struct.pack_into(f"{order}i", head, 92, len(extended))
    struct.pack_into(f"{order}2i", head, 152, more.get("stamp", 0), more.get("flags", 0))
    head[208:212] = b"MAP "
    head[212:214] = b"\x44\x44" if order == "<" else b"\x11\x11"
    path.write_bytes(bytes(head) + extended + data.astype(data.dtype.newbyteorder(order)).tobytes())
    return path


def fits_unit(data, first="SIMPLE", **cards):
    """A header and data unit.  data: as stored, or None; cards: further ones."""
    bits = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
    shape = () if data is None else data.shape
    stated = {"BITPIX": 8 if data is None else bits[data.dtype.str[1:]], "NAXIS": len(shape)}
    stated |= {f"NAXIS{i}": n for i, n in enumerate(shape[::-1], 1)} | cards
    value = "T" if first == "SIMPLE" else "'IMAGE   '"
    lines = [f"{first:<8}= {value:>20}"]
    for key, number in stated.items():
        text = f"'{number}'" if isinstance(number, str) else str(number)
        lines.append(f"{key:<8}= {text:>20} / a comment")
    lines += ["COMMENT no value here", "END"]
    header = "".join(f"{line:<80}" for line in lines).encode()
    header += b" " * (-len(header) % 2880)
    content = b"" if data is None else data.astype(data.dtype.newbyteorder(">")).tobytes()
    return header + content + b"\0" * (-len(content) % 2880)


def fits(path, *units):
    path.write_bytes(b"".join(units))
    return path
