"""How a volume lies in its HDF5 file.

`/entry/reconstruction/results` is NXdata with the volume, its axes and their units, reached from
the root by `default`, so viewers open on it; `/exchange/data` and `/data` are short names of it.
`/entry/reconstruction/configuration` tells how it was made.  Files are built in memory."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.geometry import Grid
from physrecon.store.identify import SLAB_MARK, VOLUME

CHUNK = 1024  # most rows and columns of a chunk: 4 MiB of float32
# Bytes that HDF5 itself takes, measured: for a chunk, for the file of a slab, for that of a volume
CHUNK_OVERHEAD, SLAB_OVERHEAD, FILE_OVERHEAD = 64, 7_700, 14_000


def slab_image(values: NDArray[Any], mark: str) -> io.BytesIO:
    """The file of one slab: `/data` (rows, ny, nx), and the mark that tells whose slab it is."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs[SLAB_MARK] = mark
        store_array(file, values)
    return buffer


def volume_image(
    store: Callable[[h5py.Group], h5py.Dataset],
    grid: Grid,
    length_unit: str | None,
    configuration: dict[str, str],
    middle: float = 0.0,
) -> io.BytesIO:
    """The file of a volume, whose dataset `data` is made by `store(group)`; middle: its z."""
    buffer = io.BytesIO()
    unit = length_unit or "pixel"
    with h5py.File(buffer, "w") as file:
        file.attrs["default"] = "entry"
        file.attrs["creator"] = "physrecon"
        entry = _group(file, "entry", "NXentry", "reconstruction")
        reconstruction = _group(entry, "reconstruction", "NXprocess", "results")
        reconstruction["program"] = "physrecon"
        parameters = _group(reconstruction, "configuration", "NXcollection")
        for name, value in configuration.items():
            parameters[name] = value
        results = _group(reconstruction, "results", "NXdata")
        results.attrs["signal"] = "data"
        results.attrs["axes"] = ["z", "y", "x"]
        data = store(results)
        data.attrs["interpretation"] = "image"
        data.attrs["units"] = f"1/{unit}"
        data.attrs["voxel_size"] = grid.pitch
        data.attrs["length_unit"] = length_unit or ""
        for axis, name in enumerate("zyx"):
            results[name] = grid.axis(axis) + (middle if name == "z" else 0)
            results[name].attrs["units"] = unit
        file["/exchange/data"] = h5py.SoftLink(VOLUME)
        file["/data"] = h5py.SoftLink(VOLUME)
    return buffer


def store_array(group: h5py.Group, values: NDArray[Any]) -> h5py.Dataset:
    """The array as a dataset `data`, uncompressed and with checksums."""
    chunks = (1, *chunk_shape(values.shape[1:]))
    return group.create_dataset("data", data=values, chunks=chunks, fletcher32=True)


def chunk_shape(plane: Sequence[int]) -> tuple[int, ...]:
    """Rows and columns of a chunk: the whole slice, or equal tiles of at most CHUNK.

    HDF5 pads the last tile to full size, so tiles that leave a remainder waste the disk; with n
    along an axis in the fewest equal parts, the padding is below 1/CHUNK of it for each part."""
    return tuple(math.ceil(n / math.ceil(n / CHUNK)) for n in plane)


def stored_bytes(shape: Sequence[int], dtype: DTypeLike, slabs: int = 1) -> int:
    """Bytes on the disk of a volume in so many slabs: data, padding, checksums, axes, tables."""
    tile = chunk_shape(shape[1:])
    chunks = shape[0] * math.prod(math.ceil(n / t) for n, t in zip(shape[1:], tile, strict=True))
    data = chunks * (math.prod(tile) * np.dtype(dtype).itemsize + CHUNK_OVERHEAD)
    return data + 8 * sum(shape) + FILE_OVERHEAD + SLAB_OVERHEAD * (slabs if slabs > 1 else 0)


def store_links(
    group: h5py.Group, grid: Grid, dtype: np.dtype, slabs: Sequence[slice], names: Sequence[str]
) -> h5py.Dataset:
    """A virtual dataset `data` over slab files, relative `names`; a missing one reads as NaN.

    By the low-level calls, because h5py's own would store the date, and a resumed run is to give
    the same bytes as an undisturbed one."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    plist.set_fill_value(np.array(np.nan, dtype))
    for rows, name in zip(slabs, names, strict=True):
        shape = (rows.stop - rows.start, *grid.shape[1:])
        place = h5py.h5s.create_simple(grid.shape)
        place.select_hyperslab((rows.start, 0, 0), shape)
        # HDF5 takes names of sources for printf patterns.
        pattern = name.replace("%", "%%").encode()
        plist.set_virtual(place, pattern, b"data", h5py.h5s.create_simple(shape))
    space = h5py.h5s.create_simple(grid.shape)
    kind = h5py.h5t.py_create(dtype, logical=True)
    return h5py.Dataset(h5py.h5d.create(group.id, b"data", kind, space, plist))


def _group(parent: h5py.Group, name: str, nx_class: str, default: str | None = None) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    if default:
        group.attrs["default"] = default
    return group
