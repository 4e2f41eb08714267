"""What a file is, told from its first bytes."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  importing it registers the compression filters

from physrecon.errors import DataError, MissingInputError

MAGIC = (
    (b"MATLAB 5.0 MAT-file", "a MATLAB v5 file"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"II+\0", "a TIFF image"),
    (b"MM\0+", "a TIFF image"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"CDF", "a netCDF-3 file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data"),
)


def head_of(path: Path, wanted: str = "an HDF5 file") -> bytes:
    """The first bytes of a file.  Raises MissingInputError (absent, folder, no permission)."""
    try:
        if path.exists() and not path.is_file():
            kind = "folder" if path.is_dir() else "device or pipe"
            raise MissingInputError(f"{path}: expected {wanted}, got a {kind}; name a file.")
        with path.open("rb") as file:
            return file.read(512)
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: expected {wanted}, got none; check the name.") from error
    except OSError as error:
        raise MissingInputError(
            f"{path}: expected a readable file, got {error.strerror}; check its permissions."
        ) from error


def kind_of(head: bytes) -> str:
    """What a file is, from its first bytes."""
    if not head:
        return "an empty file"
    return next((name for magic, name in MAGIC if head.startswith(magic)), "a file of another kind")


FORMATS = "a TIFF, PNG, JPEG or HDF5 image"


def image_kind(path: Path) -> str:
    """ "tiff", "png", "jpeg" or "hdf5".  Raises MissingInputError, DataError."""
    head = head_of(path, FORMATS)
    known = kind_of(head)
    for name in ("tiff", "png", "jpeg"):
        if f"a {name.upper()} image" == known:
            return name
    if is_hdf5(path):
        return "hdf5"
    raise DataError(f"{path}: expected {FORMATS}, got {known}; convert it.")


def is_hdf5(path: str | Path) -> bool:
    return h5py.is_hdf5(path)
