"""The NeXus group NXdata around an array: names of its axes, and steps from their coordinates.

nabu, the reconstruction of the ESRF, writes no coordinates; its steps are in its configuration."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from physrecon.io.hdf5_safety import SafeHDF5, text

EVEN = 1e-3  # of a step, by which the coordinates of an even axis may be off: those in float32 are


def axis_names(data: h5py.Dataset) -> list[str]:
    """A name per axis of the signal of an NXdata group; [] if the group states none.

    They are stated by the group (`signal`, `axes`), or in older files by the array ("y:x")."""
    group = data.parent
    names = [text(name) for name in np.ravel(group.attrs.get("axes", ()))]
    if text(group.attrs.get("signal", "")) != data.name.rpartition("/")[2]:
        names = text(data.attrs.get("axes", "")).strip("[]").replace(",", ":").split(":")
    return names if len(names) == data.ndim and any(names) else []


def steps(
    h5: SafeHDF5, data: h5py.Dataset, axes: Sequence[int]
) -> tuple[dict[int, tuple[float, str]], list[str]]:
    """((step, unit) of the given axes of an array, notes).

    Steps are those of even coordinates, else those of nabu.  A step is positive; coordinates that
    fall or are not even are noted."""
    found: dict[int, tuple[float, str]] = {}
    notes: list[str] = []
    for axis, name in enumerate(axis_names(data)):
        node = h5.child(data.parent, name) if axis in axes and name not in ("", ".") else None
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "iuf":
            continue
        if node.shape != (data.shape[axis],) or node.size < 2:
            continue
        at = np.asarray(h5.sound(node, name)[()], np.float64)
        step = (at[-1] - at[0]) / (at.size - 1)
        off = np.abs(at - np.linspace(at[0], at[-1], at.size)).max()
        if not np.isfinite(step) or step == 0 or not off <= EVEN * abs(step):
            notes.append(f"voxel size: the coordinates {name} are not even, not used")
            continue
        if step < 0:
            notes.append(f"coordinates {name} fall: the array is taken as stored, not turned")
        found[axis] = (abs(float(step)), text(node.attrs.get("units", "")))
    return found or _nabu_steps(h5, data, axes), notes


def _nabu_steps(
    h5: SafeHDF5, data: h5py.Dataset, axes: Sequence[int]
) -> dict[int, tuple[float, str]]:
    """The voxel size (z, y, x) that nabu states for `results/data`, a number for all in old files.

    It lies in `configuration/processing_options/reconstruction` beside `results`."""
    found: dict[int, tuple[float, str]] = {}
    group = data.parent.parent
    for name in ("voxel_size_cm", "pixel_size_cm"):
        node = h5.child(group, f"configuration/processing_options/reconstruction/{name}")
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "iuf" or data.ndim != 3:
            continue
        sizes = np.ravel(h5.sound(node, name)[()])
        if sizes.size in (1, 3) and (np.isfinite(sizes) & (sizes > 0)).all():
            each = np.broadcast_to(sizes, 3)
            return {axis: (float(each[axis]), "cm") for axis in axes}
    return found
