"""One plain file of a volume that is kept in slabs, for programs without virtual datasets."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.errors import OutputError
from physrecon.io import atomic_file
from physrecon.io.hdf5_safety import SafeHDF5
from physrecon.io.output.hdf5_file import new_hdf5
from physrecon.io.volumes.layout import empty_array, lay_out, stored_bytes
from physrecon.io.volumes.volume import open_volume

BLOCK = 1 << 26  # bytes held at a time


def pack(volume: str | Path, path: str | Path, overwrite: bool = False) -> Path:
    """Copy a volume into one file with all that it states; returns its path.

    Raises DataError if slabs are missing, OutputError, WriteError.  Holds 64 MB."""
    path = Path(path)
    with open_volume(volume) as v:
        if path.exists() and path.samefile(volume):
            raise OutputError(
                f"{path}: expected another file than the volume, got the same; choose a new name"
            )
        atomic_file.check_new_file(path, overwrite)
        atomic_file.check_writable(path.parent)
        atomic_file.check_space(path, stored_bytes(v.shape, v.dtype))
        step = max(1, BLOCK // (math.prod(v.shape[1:]) * v.dtype.itemsize))
        with atomic_file.write_errors(path, kept=""), new_hdf5(path) as file:
            data = lay_out(
                file,
                lambda group: empty_array(group, v.shape, v.dtype),
                _coordinates(Path(volume), v.shape, v.voxel_size),
                v.voxel_size,
                v.length_unit,
                v.configuration,
            )
            unit = f"1/{v.length_unit or 'pixel'}"
            data.attrs["units"] = unit
            data.parent["title"] = f"attenuation [{unit}]"
            for start in range(0, v.shape[0], step):
                cancellation_point()
                data[start : start + step] = v[start : start + step]
    return path


def _coordinates(
    volume: Path, shape: tuple[int, ...], voxel_size: tuple[float, ...]
) -> dict[str, NDArray[np.float64]]:
    """The coordinates of a volume of ours, or those of a volume with 0 in its middle."""
    found: dict[str, NDArray[np.float64]] = {}
    with SafeHDF5(volume) as h5:
        for name, n, size in zip("zyx", shape, voxel_size, strict=True):
            node = h5.dataset(f"/entry/reconstruction/results/{name}")
            found[name] = (np.arange(n, dtype=np.float64) - (n - 1) / 2) * size
            if node is not None and node.shape == (n,):
                found[name] = np.asarray(node[()], np.float64)
    return found
