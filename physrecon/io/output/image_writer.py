"""Write images: TIFF with voxel sizes for Fiji and napari, HDF5 in the layout of volumes.

A file is allocated under a temporary name when its first plane is written, filled plane by plane in
any order, synced, and renamed last.  A file named OUT is therefore complete, whatever was killed
when."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon import arrays
from physrecon.errors import ArgumentError, OutputError, PhysreconError
from physrecon.io import atomic_file
from physrecon.io.images.image import BLOCK
from physrecon.io.images.labels import Labels
from physrecon.io.lock import Lock
from physrecon.io.opened import Closing, undone_by
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.output.piece_folder import discard, slab_folder
from physrecon.io.volumes.layout import stored_bytes

TIFF, HDF5 = (".tif", ".tiff"), (".h5", ".hdf5")
DIRECTORY = 1024  # bytes of a TIFF directory per plane, at most


class Sink(Protocol):
    """An allocated file whose planes are filled in."""

    def put(self, index: tuple[int, ...], start: int, planes: NDArray[Any]) -> None:
        """Write planes (n, ny, nx) of a frame, the first at `start`.  Raises OSError."""

    def finish(self) -> None:
        """Sync the file and close it.  Raises OSError."""

    def close(self) -> None:
        """Close a file that is to be discarded."""


class ImageWriter(Closing):
    """Writes an image frame by frame or plane by plane; a context manager that locks OUT.

    path: OUT; its suffix chooses TIFF (.tif, .tiff, .ome.tif) or HDF5 (.h5, .hdf5).
    shape, axes: leading axes, then those of "ZYX".  voxel_size: one length, or one per spatial
    axis, in `length_unit` (None: pixels).  description: text stored in the file.
    ome: write OME-TIFF.  By default ImageJ's own TIFF is used if it suffices (8 and 16 bit and
    float32, time, channels, less than 4 GB), because it opens without Bio-Formats.
    labels: of channels, times and values, as `Image.labels` of the image that this one is made of.

    OUT is unchanged unless `finish` returns.  Holds no plane.  Raises OutputError if OUT exists and
    `overwrite` is not given, is being written by another run, or cannot be written; WriteError if
    the disk is full or fails; ArgumentError for an image that the format cannot hold."""

    def __init__(
        self,
        path: str | Path,
        shape: Sequence[int],
        dtype: DTypeLike,
        axes: str,
        voxel_size: float | Sequence[float] | None = None,
        length_unit: str | None = None,
        description: str = "",
        overwrite: bool = False,
        ome: bool = False,
        labels: Labels | None = None,
    ) -> None:
        self.path = Path(path)
        layout = ImageLayout.checked(
            self.path, shape, dtype, axes, voxel_size, length_unit, description
        )
        self.layout = replace(layout, labels=labels or Labels())
        self._written = np.zeros((*self.layout.leading, self.layout.depth), bool)
        self._make = self._format(ome)
        self._lock = Lock(self.path)
        with undone_by(self._lock.release):
            self._check_target(overwrite)
            self._replaces = overwrite
            self._temporary: Path | None = None
            self._sink: Sink | None = None
            self._closed = False

    def describe(
        self, description: str, scale: tuple[float, float] = (1.0, 0.0), unit: str = ""
    ) -> None:
        """Set the text stored in the file, before its first plane is written.

        scale: (slope, offset) of the values that stored numbers stand for, in `unit`."""
        if self._sink is not None:
            raise PhysreconError(f"{self.path}: expected a description before any plane, got one")
        self.layout = replace(self.layout, description=description, scale=scale, value_unit=unit)

    def write(self, index: Sequence[int], frame: ArrayLike) -> None:
        """Write one frame; index: () without leading axes."""
        values = np.asarray(frame)
        planes = values if len(self.layout.frame_axes) == 3 else values[None]
        self.write_planes(index, slice(0, self._written.shape[-1]), planes)

    def write_planes(self, index: Sequence[int], planes: slice, values: ArrayLike) -> None:
        """Write the planes (n, ny, nx) of a frame.  Raises ArgumentError, WriteError.

        Holds a copy of them if their dtype differs from the file's."""
        index = tuple(int(i) for i in index)
        rows = range(*planes.indices(self._written.shape[-1]))
        array = np.asarray(values)
        leading = self.layout.leading
        expected = (len(rows), *self.layout.shape[-2:])
        inside = len(index) == len(leading) and all(
            0 <= i < n for i, n in zip(index, leading, strict=True)
        )
        if not inside or array.shape != expected or rows.step != 1 or self._closed:
            raise ArgumentError(
                f"ImageWriter.write_planes: expected planes {expected} of an open file for an "
                f"index below {leading}, got {array.shape} for {index}, {planes}."
            )
        if self._sink is None:
            self._sink = self._open_sink()
        with atomic_file.write_errors(self.path, kept=""):
            values = array.astype(self.layout.dtype, order="C", copy=False)
            self._sink.put(index, rows.start, values)
        self._written[index][rows.start : rows.stop] = True

    def finish(self) -> None:
        """Sync the file and rename it to OUT.

        Raises PhysreconError if a plane is missing, WriteError."""
        missing = int(self._written.size - np.count_nonzero(self._written))
        if missing or self._sink is None:
            raise PhysreconError(
                f"{self.path}: expected all {self._written.size} planes, got none for {missing}; "
                "write them before finish()."
            )
        sink, self._sink, self._closed = self._sink, None, True
        with atomic_file.write_errors(self.path, kept=""):
            sink.finish()
            atomic_file.rename_durably(self._temporary or self.path, self.path)
            if self._replaces:
                discard(slab_folder(self.path))  # of the replaced volume

    def close(self) -> None:
        """Close the file; an unfinished one is removed."""
        self._closed = True
        try:
            if self._sink is not None:
                self._sink.close()
                self._sink = None
            with contextlib.suppress(OSError):
                if self._temporary is not None:
                    self._temporary.unlink(missing_ok=True)
        finally:
            self._lock.release()

    def _format(self, ome: bool) -> Any:
        """The function that makes the empty file.  Raises OutputError, ArgumentError."""
        name = self.path.name.lower()
        if name.endswith(HDF5):
            from physrecon.io.output.hdf5_file import Hdf5Sink

            return lambda path: Hdf5Sink(path, self.layout)
        if name.endswith(TIFF):
            from physrecon.io.output.tiff_file import TiffLayout, TiffSink

            ome = ome or name.endswith(tuple(f".ome{suffix}" for suffix in TIFF))
            layout = TiffLayout.of(self.path, self.layout, ome)
            return lambda path: TiffSink(path, self.layout, layout)
        raise OutputError(
            f"{self.path}: expected a name that ends in .tif, .ome.tif or .h5, got "
            f"{self.path.suffix or 'none'}; other formats would round or lose the values."
        )

    def _check_target(self, overwrite: bool) -> None:
        atomic_file.check_new_file(self.path, overwrite)
        atomic_file.check_writable(self.path.parent)
        atomic_file.remove_temporary(self.path.parent, self.path.name)
        atomic_file.check_space(
            self.path, image_bytes(self.path, self.layout.shape, self.layout.dtype)
        )

    def _open_sink(self) -> Sink:
        with atomic_file.write_errors(self.path, kept=""):
            self._temporary = temporary = atomic_file.new_temporary(self.path)
            with undone_by(lambda: temporary.unlink(missing_ok=True)):
                return self._make(temporary)


def write_image(
    path: str | Path,
    array: Any,
    axes: str,
    voxel_size: float | Sequence[float] | None = None,
    length_unit: str | None = None,
    description: str = "",
    overwrite: bool = False,
    ome: bool = False,
    labels: Labels | None = None,
) -> None:
    """Write an array as an image; arguments and errors are those of `ImageWriter`.

    array: anything with shape, dtype and `[…]`, also on the disk.  Holds about 256 MB of it.

    >>> pr.write_image("photo.tif", np.ones((5, 7)), "YX", voxel_size=0.1, length_unit="um")
    >>> with pr.open_image("photo.tif") as image:
    ...     image.axes, image.voxel_size, float(image.read().sum())
    ('YX', (0.1, 0.1), 35.0)
    """
    arrays.check_plain("write_image(array)", array)
    settings = (axes, voxel_size, length_unit, description, overwrite, ome, labels)
    with ImageWriter(path, array.shape, array.dtype, *settings) as out:
        layout = out.layout
        plane = math.prod(layout.shape[-2:]) * layout.dtype.itemsize
        step = max(1, BLOCK // plane)
        for index in np.ndindex(*layout.leading):
            for start in range(0, layout.depth, step):
                planes = slice(start, min(start + step, layout.depth))
                if len(layout.frame_axes) == 3:
                    out.write_planes(index, planes, array[(*index, planes)])
                else:
                    out.write(index, array[(*index, ...)])
        out.finish()


def image_bytes(path: str | Path, shape: Sequence[int], dtype: DTypeLike) -> int:
    """Bytes on the disk of an image written to `path`."""
    if Path(path).name.lower().endswith(HDF5):
        return stored_bytes(shape, dtype)
    return math.prod(shape) * np.dtype(dtype).itemsize + DIRECTORY * math.prod(shape[:-2])
