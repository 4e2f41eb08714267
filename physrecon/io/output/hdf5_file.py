"""Write HDF5: an image in the layout of volumes, filled plane by plane on the disk.

HDF5 crashes on a full disk (see `atomic_file`), so it writes to a file object that never raises.
The object keeps the first error and drops further writes; the error is raised afterwards."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.io.atomic_file import remove_abandoned, replacing, write_all
from physrecon.io.images.labels import CHANNELS, TIMES
from physrecon.io.opened import undone_by
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.sealed_file import HEADER, seal
from physrecon.io.volumes.layout import empty_array, lay_out


@contextmanager
def new_hdf5(path: Path, sealed: bool = False, label: str = "") -> Iterator[h5py.File]:
    """Yield an HDF5 file that appears at `path` if the block succeeds.  Raises OSError.

    sealed: with its checksum and the label in front (`sealed_file`)."""
    remove_abandoned(path)
    with replacing(path) as temporary:
        with _Disk(temporary) as disk:
            with h5py.File(disk, "w", userblock_size=HEADER if sealed else 0) as file:
                yield file
            disk.check()
        if sealed:
            seal(temporary, label)


class Hdf5Sink:
    """An HDF5 file with one dataset, open for writing in place of an empty file."""

    def __init__(
        self,
        path: Path,
        image: ImageLayout,
        axes: dict[str, NDArray[np.float64]] | None = None,
        texts: dict[str, str] | None = None,
    ) -> None:
        """axes: coordinates by name; None has 0 in the middle.  texts: stored by name."""
        self._disk = _Disk(path)
        with undone_by(self._disk.close):
            self._file = h5py.File(self._disk, "w")
        with undone_by(self.close):  # HDF5 must not flush into a closed disk at exit
            pitch = dict(zip(image.frame_axes, image.voxel_size, strict=True))
            axes = axes or {
                name.lower(): _coordinates(n, pitch.get(name))
                for name, n in zip(image.axes, image.shape, strict=True)
            }
            self._data = lay_out(
                self._file,
                lambda group: empty_array(group, image.shape, image.dtype),
                axes,
                image.voxel_size,
                image.length_unit,
                texts or ({"description": image.description} if image.description else {}),
            )
            if image.scale != (1, 0):  # as netCDF and xarray have it
                self._data.attrs["scale_factor"], self._data.attrs["add_offset"] = image.scale
            if unit := image.value_unit or image.labels.value_unit:
                self._data.attrs["units"] = unit
            if "C" in image.axes and image.labels.names:
                self._data.attrs[CHANNELS] = list(image.labels.names)
            if "T" in image.axes and image.labels.times:
                self._data.attrs[TIMES] = image.labels.times
            self._flat = len(image.frame_axes) == 2
            self._disk.check()

    def put(self, index: tuple[int, ...], start: int, planes: NDArray[Any]) -> None:
        if self._flat:
            self._data[index] = planes[0]
        else:
            self._data[(*index, slice(start, start + len(planes)))] = planes
        self._disk.check()

    def finish(self) -> None:
        with self._disk:
            self._file.close()
            self._disk.check()
            os.fsync(self._disk.fileno())

    def close(self) -> None:
        """Close both.  HDF5 would write to a file that it holds open when the program ends, when
        the file object is gone: a crash."""
        with self._disk:
            self._file.close()


def _coordinates(count: int, pitch: float | None) -> NDArray[np.float64]:
    """Coordinates of voxels, 0 in the middle; 0, 1, … along an axis that is not spatial."""
    numbers = np.arange(count, dtype=np.float64)
    return numbers if pitch is None else (numbers - (count - 1) / 2) * pitch


class _Disk(io.RawIOBase):
    """A file that reports success to HDF5 and keeps its first error for `check`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", buffering=0)
        self._error: OSError | None = None

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def write(self, piece: Any) -> int:
        content = memoryview(piece).cast("B")
        try:
            if self._error is None:
                write_all(self._file, content)
        except OSError as error:
            self._error = error
        return len(content)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()
