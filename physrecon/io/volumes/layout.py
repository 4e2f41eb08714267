"""The HDF5 layout of a volume.

`/entry/reconstruction/results` is NXdata with the volume, its axes and their units; the axes are
HDF5 dimension scales too, which xarray and MATLAB read.  The attributes
`default` lead to it from the root, so viewers open it.  `/exchange/data` and `/data` are short
names of the volume.  `/entry/reconstruction/configuration` holds the resolved job.  Files are built
in memory."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.geometry.grid import Grid
from physrecon.io.hdf5_kind import SLAB_MARK, VOLUME
from physrecon.io.units import LENGTHS
from physrecon.io.volumes.slabs import state_slabs

CHUNK = 1024  # rows and columns of a chunk at most: 4 MiB of float32
# Bytes of HDF5's overhead, measured: per chunk, per file of a slab, per file of a volume
CHUNK_OVERHEAD, SLAB_OVERHEAD, FILE_OVERHEAD = 64, 7_700, 23_000


def slab_image(values: NDArray[Any], mark: str) -> io.BytesIO:
    """The file of one slab: `/data` (rows, ny, nx), and the mark of its job and number."""
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
) -> io.BytesIO:
    """The file of a volume; `store(group)` creates its dataset `data`."""
    buffer = io.BytesIO()
    axes = {name: grid.axis(axis) for axis, name in enumerate("zyx")}
    with h5py.File(buffer, "w") as file:
        unit = f"1/{length_unit or 'pixel'}"
        data = lay_out(file, store, axes, grid.pitch, length_unit, configuration)
        data.attrs["units"] = unit
        data.parent["title"] = f"attenuation [{unit}]"
    return buffer


def lay_out(
    file: h5py.File,
    store: Callable[[h5py.Group], h5py.Dataset],
    axes: dict[str, NDArray[np.float64]],
    voxel_size: Sequence[float],
    length_unit: str | None,
    configuration: dict[str, str],
) -> h5py.Dataset:
    """Fill an empty file and return its dataset `data`, which `store(group)` creates.

    axes: coordinates by name, in the order of the data; those of z, y and x, and `voxel_size` along
    them, are in `length_unit` (None: pixels)."""
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
    results.attrs["axes"] = list(axes)
    data = store(results)
    data.attrs["interpretation"] = "image"
    data.attrs["voxel_size"] = voxel_size
    data.attrs["length_unit"] = length_unit or ""
    for axis, (name, coordinates) in enumerate(axes.items()):
        results[name] = coordinates
        results[name].make_scale(name)
        data.dims[axis].attach_scale(results[name])
        data.dims[axis].label = name
        if name in "zyx":
            results[name].attrs["units"] = length_unit or "pixel"
    if length_unit and len(voxel_size) == 3:  # as nabu states it
        cm = [size * LENGTHS[length_unit] / LENGTHS["cm"] for size in voxel_size]
        parameters["processing_options/reconstruction/voxel_size_cm"] = cm
    file["/exchange/data"] = h5py.SoftLink(VOLUME)
    file["/data"] = h5py.SoftLink(VOLUME)
    return data


def store_array(group: h5py.Group, values: NDArray[Any]) -> h5py.Dataset:
    """The array as a dataset `data`, uncompressed and with checksums."""
    data = empty_array(group, values.shape, values.dtype)
    data[...] = values
    return data


def empty_array(group: h5py.Group, shape: Sequence[int], dtype: DTypeLike) -> h5py.Dataset:
    """A dataset `data` to be filled: chunks within one plane, uncompressed and with checksums."""
    chunks = (1,) * len(shape[:-2]) + chunk_shape(shape[-2:])
    return group.create_dataset("data", shape, dtype, chunks=chunks, fletcher32=True)


def chunk_shape(plane: Sequence[int]) -> tuple[int, ...]:
    """Rows and columns of a chunk: the whole slice, or equal tiles of at most CHUNK.

    HDF5 pads the last tile to full size, so a remainder would waste the disk.  An axis cut into the
    fewest equal tiles is padded by less than one element per tile."""
    return tuple(math.ceil(n / math.ceil(n / CHUNK)) for n in plane)


def stored_bytes(shape: Sequence[int], dtype: DTypeLike, slabs: int = 1) -> int:
    """Bytes on the disk of a volume in `slabs` slabs: data, padding, checksums, axes, tables."""
    plane = shape[-2:]
    tile = chunk_shape(plane)
    tiles = math.prod(math.ceil(n / t) for n, t in zip(plane, tile, strict=True))
    chunks = math.prod(shape[:-2]) * tiles
    data = chunks * (math.prod(tile) * np.dtype(dtype).itemsize + CHUNK_OVERHEAD)
    return data + 8 * sum(shape) + FILE_OVERHEAD + SLAB_OVERHEAD * (slabs if slabs > 1 else 0)


def store_links(
    group: h5py.Group,
    grid: Grid,
    dtype: np.dtype,
    slabs: Sequence[slice],
    names: list[str],
    job: str,
) -> h5py.Dataset:
    """A virtual dataset `data` over the slab files of a job, relative `names`; a missing one reads
    as NaN.

    The high-level call of h5py would store the date.  The low-level calls do not, so a resumed run
    gives the same bytes as an undisturbed one."""
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
    data = h5py.Dataset(h5py.h5d.create(group.id, b"data", kind, space, plist))
    state_slabs(data, names, job)
    return data


def _group(parent: h5py.Group, name: str, nx_class: str, default: str | None = None) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    if default:
        group.attrs["default"] = default
    return group
