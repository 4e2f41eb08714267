"""Reconstructed volumes, read lazily: our own, and any 3-D `/exchange/data` or `/data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import checked_path
from physrecon.io.hdf5_kind import VOLUME
from physrecon.io.hdf5_safety import SafeHDF5, damage_reported, text
from physrecon.io.nxdata import steps
from physrecon.io.opened import Closing, LazyArray, UnchangedFiles, undone_by
from physrecon.io.units import LENGTHS, length_unit, printed
from physrecon.io.volumes.slabs import whole_volume


class Volume(Closing, LazyArray):
    """An open volume (z, y, x), read when indexed; a context manager.

    Numbers with a scale, and float16, are read as the values that they stand for, float32.
    voxel_size: (z, y, x) in `length_unit` (None: pixels).
    configuration: the resolved job and its input, text by name."""

    def __init__(self, h5: SafeHDF5, data: h5py.Dataset) -> None:
        self._h5 = h5
        self._data = data
        self.path = h5.path
        self.shape: tuple[int, int, int] = data.shape
        self._scale = _scale(data)
        self.dtype = data.dtype.newbyteorder("=") if self._scale is None else np.dtype(np.float32)
        self.sources = len(h5.sources)
        self._files = UnchangedFiles({*h5.files, *h5.sources})
        pitch, unit = _voxel_size(h5, data)
        if pitch.size != 3 or pitch.dtype.kind not in "iuf" or not (pitch > 0).all():
            raise DataError(
                f"{h5.path.name}: expected three voxel sizes, got {pitch}; correct the file."
            )
        self.voxel_size: tuple[float, float, float] = tuple(map(float, pitch))  # type: ignore[assignment]
        self.length_unit: str | None = unit or None
        self.configuration = _configuration(h5)

    def __repr__(self) -> str:
        size, unit = " × ".join(f"{v:g}" for v in self.voxel_size), printed(self.length_unit)
        return f"Volume {self.path.name}: {self.shape} {self.dtype}, voxels of {size} {unit}"

    def close(self) -> None:
        self._h5.close()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part, as NumPy would index it.  Raises DataError if the file is damaged, and
        ReadError if it has changed since it was opened."""
        try:
            with self._files.while_read():
                values = self._data[key]
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{self.path}: expected readable data, got {error}; run the job again "
                "with --overwrite."
            ) from error
        if self._scale is None:
            return values
        slope, offset = self._scale
        return np.asarray(values * slope + offset, np.float32)


def open_volume(path: str | Path, allow_root: str | Path | None = None) -> Volume:
    """Open a volume of physrecon, or any file with a 3-D `/exchange/data` or `/data`.

    Args:
        path: the file.
        allow_root: a further folder in which linked files are accepted; by default none.
    Returns:
        Volume: an array (z, y, x) that is read when it is indexed; a context manager.
    Raises:
        MissingInputError: no such file.
        DataError: a damaged file or a missing slab.

    Example:
        >>> import h5py
        >>> with h5py.File("volume.h5", "w") as file:
        ...     file["data"] = np.zeros((3, 5, 7))
        >>> with pr.open_volume("volume.h5") as volume:
        ...     volume.shape, volume[1].shape, volume.voxel_size
        ((3, 5, 7), (5, 7), (1.0, 1.0, 1.0))
    """
    h5 = SafeHDF5(checked_path("open_volume", path), allow_root)
    with undone_by(h5.close):
        with damage_reported(h5.path):
            for place in (VOLUME, "/exchange/data", "/data"):
                data = whole_volume(h5, place)
                if data is not None and data.ndim == 3 and data.dtype.kind in "iuf":
                    return Volume(h5, data)
        raise DataError(
            f"{h5.path.name}: expected a volume in {VOLUME}, /exchange/data or /data, got none; "
            "see what the file is with `physrecon info`."
        )


def _scale(data: h5py.Dataset) -> tuple[float, float] | None:
    """(slope, offset) of an array that states them, as netCDF does; else None."""
    given = [data.attrs.get(name) for name in ("scale_factor", "add_offset")]
    if given == [None, None]:
        return (1.0, 0.0) if data.dtype == np.float16 else None
    numbers = [np.ravel(default if v is None else v) for v, default in zip(given, (1, 0))]  # noqa: B905
    if not all(v.size == 1 and v.dtype.kind in "iuf" and np.isfinite(v[0]) for v in numbers):
        raise DataError(
            f"{data.file.filename}: expected numbers for scale_factor and add_offset, got {given}; "
            "correct the file."
        )
    return float(numbers[0][0]), float(numbers[1][0])


def _voxel_size(h5: SafeHDF5, data: h5py.Dataset) -> tuple[NDArray[Any], str]:
    """(z, y, x) and their unit: as stated with the array, or from its coordinates."""
    if "voxel_size" in data.attrs:
        return np.ravel(data.attrs["voxel_size"]), text(data.attrs.get("length_unit", ""))
    along, _ = steps(h5, data, range(3))
    found = {length_unit(unit) for _, unit in along.values()}
    if len(along) < 3 or len(found) != 1 or not found <= LENGTHS.keys():
        return np.ones(3), ""
    return np.array([along[axis][0] for axis in range(3)]), found.pop()


def _configuration(h5: SafeHDF5) -> dict[str, str]:
    group = h5.find("/entry/reconstruction/configuration")
    if not isinstance(group, h5py.Group):
        return {}
    members = {name: h5.child(group, name) for name in group}
    strings = {
        name: h5.sound(node, name)
        for name, node in members.items()
        if isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype) and node.size == 1
    }
    return {name: str(node.asstr()[()]) for name, node in strings.items()}
