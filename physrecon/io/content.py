"""The kind of a file, recognised by its first bytes."""

from __future__ import annotations

import re
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
FITS = "a FITS image"
MRC = "an MRC image"
MATLAB = "a MATLAB v5 file"
NUMPY = "a NumPy array"
ZIP = "a zip archive"
FOLDER = "a folder"
XTEKCT = "a text of settings of Nikon"
SETTINGS = "a text of settings"
SIMPLE_ITK = (
    'write it as TIFF: pip install SimpleITK; python -c "import SimpleITK as s; '
    "s.WriteImage(s.ReadImage('{path}'), '{stem}.tif')\""
)
ZARR = (
    'write it as NumPy: pip install zarr; python -c "import numpy, zarr; '
    "numpy.save('{stem}.npy', zarr.open('{source}')[:])\""
)
# (offset, first bytes, kind, a way in for one that is not read).
MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", HDF5, ""),
    (0, b"MATLAB 5.0 MAT-file", MATLAB, ""),
    (0, b"II*\0", TIFF, ""),
    (0, b"MM\0*", TIFF, ""),
    (0, b"II+\0", TIFF, ""),
    (0, b"MM\0+", TIFF, ""),
    (0, b"\x89PNG", PNG, ""),
    (0, b"\xff\xd8\xff", JPEG, ""),
    (0, b"SIMPLE  =", FITS, ""),
    (208, b"MAP ", MRC, ""),
    (0, b"\x93NUMPY", NUMPY, ""),
    (0, b"PK\x03\x04", ZIP, ""),
    (0, b"[XTekCT]", XTEKCT, ""),
    (0, b"[System]", SETTINGS, ""),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it with gunzip"),
    (0, b"CDF", "a netCDF-3 file", "write it as HDF5: nccopy -k nc4 {path} {stem}.h5"),
    (0, b"ObjectType", "a MetaImage file (MHA)", SIMPLE_ITK),
    (0, b"NDims", "a MetaImage file (MHA)", SIMPLE_ITK),
    (0, b"NRRD000", "an NRRD file", SIMPLE_ITK),
    (344, b"n+1\0", "a NIfTI file", SIMPLE_ITK),
    (344, b"ni1\0", "a NIfTI file", SIMPLE_ITK),
    (0, b"# vtk DataFile", "a VTK file", SIMPLE_ITK),
    (0, b"<VTKFile", "a VTK XML file", "save it as TIFF in ParaView"),
    (128, b"DICM", "a DICOM file", SIMPLE_ITK),
    (0, b"ZISRAWFILE", "a CZI file of Zeiss", "open it in Fiji and save it as TIFF"),
    (0, b"\xd0\xcf\x11\xe0", "an OLE file (TXRM and XRM of Zeiss, OIB)", "export it as TIFF"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the data", "run `git lfs pull`"),
)
WAYS_IN = {kind: way for *_, kind, way in MAGIC if way} | {
    "a Zarr array": ZARR.replace("{source}", "{path}"),
    "a Zarr group": ZARR.replace("{source}", "{path}/0"),  # the full size, in OME-Zarr
}


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
            return Content(_kind_of_folder(path))
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
    """The error for a file that no reader accepts: MissingInputError (folder) or DataError.

    advice: for a file of a kind that has no way in of its own."""
    if content.kind == FOLDER:
        return MissingInputError(f"{path}: expected {wanted}, got a folder; name a file.")
    way = WAYS_IN.get(content.kind, advice).format(path=path, stem=path.stem)
    return DataError(f"{path}: expected {wanted}, got {content.kind}; {way}.")


def _kind_of_folder(path: Path) -> str:
    if (path / ".zarray").is_file():
        return "a Zarr array"
    if (path / "zarr.json").is_file():
        with (path / "zarr.json").open("rb") as file:
            head = file.read(1 << 16)
        return "a Zarr array" if re.search(rb'"node_type"\s*:\s*"array"', head) else "a Zarr group"
    return "a Zarr group" if (path / ".zgroup").is_file() else FOLDER


def _kind(path: Path, head: bytes) -> str:
    if not head:
        return "an empty file"
    head = head.removeprefix(b"\xef\xbb\xbf")
    if head.startswith(b"<?xml"):
        head = head.partition(b"?>")[2].lstrip()
    for offset, magic, kind, _ in MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    import h5py

    # an HDF5 file may start with a user block, as MATLAB v7.3 files do
    return HDF5 if h5py.is_hdf5(path) else "a file of another kind"
