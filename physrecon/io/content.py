"""The kind of a file, recognised by its first bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

from physrecon.errors import ArgumentError, DataError, MissingInputError, PhysreconError, brief

HDF5 = "an HDF5 file"
TIFF = "a TIFF image"
PNG = "a PNG image"
JPEG = "a JPEG image"
FOLDER = "a folder"
MAGIC = (
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"MATLAB 5.0 MAT-file", "a MATLAB v5 file"),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"\x89PNG", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"CDF", "a netCDF-3 file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data"),
)


@dataclass(frozen=True)
class Content:
    """The kind of a file, as a noun ("a TIFF image"), and its first 512 bytes."""

    kind: str
    head: bytes = b""


def checked_path(where: str, path: Any) -> Path:
    """Raise ArgumentError for what is no path."""
    if not isinstance(path, str | PathLike):
        raise ArgumentError(f"{where}: expected the path of a file, got {brief(path)}")
    return Path(path)


def content_of(path: Path, wanted: str = HDF5) -> Content:
    """The kind of the file at `path`.

    Raises MissingInputError (absent, a device or pipe, no permission)."""
    try:
        if path.is_dir():
            return Content(FOLDER)
        if path.exists() and not path.is_file():
            raise MissingInputError(
                f"{path}: expected {wanted}, got a device or pipe; name a file."
            )
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: expected {wanted}, got none; check the name.") from error
    except OSError as error:
        raise MissingInputError(
            f"{path}: expected a readable file, got {error.strerror}; check its permissions."
        ) from error
    except ValueError as error:  # NUL, or text that the file system cannot spell
        raise MissingInputError(
            f"{str(path)[:60]!r}: expected {wanted}, got a name that no file has; check it."
        ) from error
    return Content(_kind(path, head), head)


def file_and_group(path: str | Path) -> tuple[Path, str | None]:
    """The two parts of `FILE.h5::/group`; None for the second where only a file is named."""
    name, mark, group = str(path).partition("::")
    if not mark or Path(path).exists():
        return Path(path), None
    return Path(name), f"/{group.strip('/')}"


def first_reading(package: str, formats: Iterable[str], *arguments: Any) -> Any:
    """The reading of the first of the formats that recognises the content, or None.

    A format is a module of the package; its `read(*arguments)` returns None for content that is
    not its own."""
    readings = (import_module(f"{package}.{name}").read(*arguments) for name in formats)
    return next((reading for reading in readings if reading is not None), None)


def unrecognised(path: Path, content: Content, wanted: str, advice: str) -> PhysreconError:
    """The error for a file that no reader accepts: MissingInputError (folder) or DataError."""
    if content.kind == FOLDER:
        return MissingInputError(f"{path}: expected {wanted}, got a folder; name a file.")
    return DataError(f"{path}: expected {wanted}, got {content.kind}; {advice}.")


def _kind(path: Path, head: bytes) -> str:
    if not head:
        return "an empty file"
    known = next((name for magic, name in MAGIC if head.startswith(magic)), None)
    if known is not None:
        return known
    import h5py

    # an HDF5 file may start with a user block, as MATLAB v7.3 files do
    return HDF5 if h5py.is_hdf5(path) else "a file of another kind"
