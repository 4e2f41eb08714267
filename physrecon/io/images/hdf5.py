"""Images in HDF5: a result of physrecon, a named dataset, or the only dataset of the file.

Axes come from the NXdata group around the dataset (`signal`, `axes`); voxel sizes from its
attributes `voxel_size` and `length_unit`, from `element_size_um` (ImageJ, ilastik), or from the
coordinates in the NXdata group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import HDF5, Content
from physrecon.io.hdf5_kind import VOLUME, is_matlab
from physrecon.io.hdf5_safety import SafeHDF5, damage_reported, object_id, text, where_in_file
from physrecon.io.images.labels import CHANNELS, TIMES, Labels
from physrecon.io.images.stored_image import UNNAMED, Key, StoredImage
from physrecon.io.nxdata import axis_names, steps
from physrecon.io.opened import read_errors, undone_by
from physrecon.io.volumes.slabs import configuration, whole_volume


def read(path: Path, content: Content, dataset: str | None) -> StoredImage | None:
    """The image in a dataset of an HDF5 file; None for other files.

    Raises DataError if there is none, or if there are several and none is named."""
    if content.kind != HDF5:
        return None
    h5 = SafeHDF5(path)
    with undone_by(h5.close), damage_reported(path):
        data = _dataset(h5, dataset)
        image = (
            StoredImage(
                path,
                "hdf5",
                _axes(data),
                data.shape,
                data.dtype,
                lambda key: _read(data, key),
                h5.close,
                files=frozenset({*h5.files, *h5.sources}),
            )
            .as_part()
            .with_named_axes()
        )
        if data.name == VOLUME:
            image = image.with_description(configuration(h5).get("description", ""))
        sizes = _stated_lengths(data, path, [name for name in image.axes if name in "ZYX"])
        if not sizes:
            along = {i: name for i, name in enumerate(image.axes) if name in "ZYX"}
            found, notes = steps(h5, data, list(along))
            sizes = {along[axis]: length for axis, length in found.items()}
            image = image.with_notes(*notes)
        return replace(image.with_lengths(sizes), labels=_labels(data))


def _labels(data: h5py.Dataset) -> Labels:
    """The unit of the values; channels and times as `io.output.hdf5_file` writes them."""
    channels: tuple[dict[str, str], ...] = ()
    times: tuple[float, ...] = ()
    if CHANNELS in data.attrs and "C" in (axes := _axes(data)):
        names = [text(name) for name in np.ravel(data.attrs[CHANNELS])]
        fits = len(names) == data.shape[axes.index("C")]
        channels = tuple({"Name": name} for name in names) if fits else ()
    if TIMES in data.attrs and "T" in (axes := _axes(data)):
        seconds = np.ravel(data.attrs[TIMES])
        fits = seconds.dtype.kind == "f" and len(seconds) == data.shape[axes.index("T")]
        times = tuple(map(float, seconds)) if fits else ()
    return Labels(channels, times, value_unit=text(data.attrs.get("units", "")))


def layout_axes(h5: SafeHDF5) -> str:
    """The axes of a result of physrecon, "ZYX" or "TCYX"; "" for other files."""
    data = h5.find(VOLUME)
    return _axes(data) if isinstance(data, h5py.Dataset) else ""


def _dataset(h5: SafeHDF5, name: str | None) -> h5py.Dataset:
    if name is None and isinstance(h5.find(VOLUME), h5py.Dataset):
        name = VOLUME
    if name is not None:
        found = whole_volume(h5, name)
        if found is None:
            have = "; ".join(list(arrays_in(h5))[:8]) or "none"
            raise DataError(f"{h5.path.name}: expected a dataset {name}, got {have}.")
        return found
    candidates = arrays_in(h5)
    if len(candidates) != 1:
        have = f"{len(candidates)}: {'; '.join(list(candidates)[:8])}" if candidates else "none"
        raise DataError(
            f"{h5.path.name}: expected one dataset of 2 to 5 dimensions, got {have}; "
            f"name one as {h5.path.name}::/PATH."
        )
    ((line, data),) = candidates.items()
    return h5.sound(data, line.split(" ")[0])


def arrays_in(h5: SafeHDF5) -> dict[str, h5py.Dataset]:
    """Arrays that could be images, each once, by "path (shape) dtype"."""
    found: dict[tuple[int, int], tuple[str, h5py.Dataset]] = {}
    for path, node in h5.walk():
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "iuf":
            continue
        if 2 <= node.ndim <= 5 and node.size:
            name = node.name if node.file == h5.file else path  # its own path rather than a link's
            found.setdefault(object_id(node), (f"{name} {node.shape} {node.dtype}", node))
    lists = {key for key, (_, node) in found.items() if node.size == max(node.shape)}
    few = len(lists) < len(found)  # lists of MATLAB are arrays of two axes
    return dict(one for key, one in found.items() if not (few and key in lists))


def _axes(data: h5py.Dataset) -> str:
    """Axis letters from the dataset's NXdata group, else unnamed axes and Y, X for the last two."""
    names = axis_names(data)
    if names and all(len(n) == 1 and n.isalpha() for n in names):
        return "".join(names).upper()
    real = [i for i, n in enumerate(data.shape) if n > 1]
    real = real if len(real) >= 2 else list(range(data.ndim))
    row, column = real[-2:][:: -1 if is_matlab(data) else 1]
    return "".join("Y" if i == row else "X" if i == column else UNNAMED for i in range(data.ndim))


def _stated_lengths(
    data: h5py.Dataset, path: Path, space: list[str]
) -> dict[str, tuple[float, str]]:
    name = "voxel_size" if "voxel_size" in data.attrs else "element_size_um"
    if name not in data.attrs:
        return {}
    count, sizes = len(space), np.ravel(data.attrs[name])
    if sizes.size < count or sizes.dtype.kind not in "iuf" or not (sizes > 0).all():
        raise DataError(
            f"{path.name}: expected {count} positive numbers in {name}, got {sizes}; "
            "correct the file."
        )
    unit = "um" if name == "element_size_um" else text(data.attrs.get("length_unit", ""))
    return {a: (float(v), unit) for a, v in zip("ZYX"[-count:], sizes[-count:], strict=True)}


def _read(data: h5py.Dataset, key: Key) -> NDArray[Any]:
    with read_errors(where_in_file(data)):
        return np.asarray(data[key])
