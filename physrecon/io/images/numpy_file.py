"""Read arrays of NumPy: `.npy`, and `.npz`, a zip archive of them.

Headers are read by NumPy's own parser, which evaluates literals only; pickled objects are refused.
An array without compression is read in parts, at its place in the archive."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import NUMPY, ZIP, Content
from physrecon.io.file_array import FileArray
from physrecon.io.images.stored_image import StoredImage, parsing, unnamed_axes
from physrecon.sizes import format_bytes

LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a member: signature, bytes of its name and extra
BOMB_SIZE, BOMB_RATIO = 1 << 30, 1100  # bytes, compression ratio; a member above both is refused


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    length: int  # bytes before the array


def read(path: Path, content: Content, dataset: str | None) -> StoredImage | None:
    """The array in a .npy or .npz file; None for other files.

    Raises DataError if there is none, or if there are several and none is named.  Holds an array
    that is compressed."""
    if content.kind == NUMPY:
        with parsing(path, "NumPy"), path.open("rb") as file:
            return _image(path, 0, _header(file)).with_named_axes()
    if content.kind != ZIP:
        return None
    with parsing(path, "NumPy"), zipfile.ZipFile(path) as archive:
        members = {
            member.filename.removesuffix(".npy"): (member, _header_of(archive, member))
            for member in archive.infolist()
            if member.filename.endswith(".npy")
        }
        images = {name: at for name, (_, at) in members.items() if 2 <= len(at.shape) <= 5}
        name = (dataset or "").strip("/") or next(iter(images), "")
        if name not in members or (dataset is None and len(images) != 1):
            raise DataError(
                f"{path}: expected one array of 2 to 5 dimensions, got "
                f"{', '.join(f'{n} {at.shape}' for n, (_, at) in members.items()) or 'none'}; "
                f"name one as {path.name}::/NAME."
            )
        member, header = members[name]
        if member.compress_type == zipfile.ZIP_STORED:
            image = _image(path, _begin(path, member), header)
        else:
            values = _unpacked(path, archive, member)
            axes = unnamed_axes(values.ndim)
            image = StoredImage.of_values(path, "numpy", axes, values)
    return image.as_part().with_named_axes()


def values(path: Path, content: Content, name: str | None) -> NDArray[Any] | None:
    """A whole array of any dimensions; None for other files.  Raises DataError."""
    if content.kind == NUMPY:
        with parsing(path, "NumPy"):
            return np.load(path, allow_pickle=False)
    if content.kind != ZIP:
        return None
    with parsing(path, "NumPy"), zipfile.ZipFile(path) as archive:
        names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
        wanted = (name or "").strip("/") or (names[0] if len(names) == 1 else "")
        if wanted not in names:
            raise DataError(
                f"{path}: expected one of the arrays {', '.join(names) or '(none)'}, got "
                f"{name or 'no name'}; name it as {path.name}::/NAME."
            )
        return _unpacked(path, archive, archive.getinfo(f"{wanted}.npy"))


def _header(file: IO[bytes]) -> _Header:
    version = npy.read_magic(file)
    parse = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = parse(file)
    return _Header(shape, fortran, dtype, file.tell())


def _header_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Header:
    with archive.open(member) as file:
        return _header(file)


def _image(path: Path, begin: int, header: _Header) -> StoredImage:
    """The array after a header that is at byte `begin`; the first axis is the fastest in Fortran's
    order."""
    axes = unnamed_axes(len(header.shape))
    step = -1 if header.fortran else 1
    if header.dtype.kind not in "iuf":
        raise DataError(f"{path}: expected an array of real numbers, got {header.dtype}.")
    array = FileArray(path, begin + header.length, header.shape[::step], header.dtype)
    return StoredImage.of_plain("numpy", axes[::step], array)


def _begin(path: Path, member: zipfile.ZipInfo) -> int:
    """The byte of the archive at which a stored member begins."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        signature, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise DataError(f"{path}: expected {member.filename} in the archive, got a broken list.")
    return member.header_offset + LOCAL_HEADER.size + name + extra


def _unpacked(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.file_size > max(BOMB_SIZE, BOMB_RATIO * member.compress_size):
        raise DataError(
            f"{path}: expected an array that {format_bytes(member.compress_size)} can hold, got "
            f"{format_bytes(member.file_size)}; if you trust it, save it with numpy.savez."
        )
    header = _header_of(archive, member)
    declared = header.length + int(np.prod(header.shape, dtype=object)) * header.dtype.itemsize
    if declared > member.file_size:
        raise DataError(f"{path}: expected {declared} bytes in {member.filename}, got fewer.")
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)
