"""An array with a list of angles: a signal of NXdata, or the one array of a plain HDF5 file.

The axis of the angles is the one that NXdata names, or the one of as many lines as there are
angles.  Of the two others the first is that of the rows; an array of two axes is a sinogram.  Such
files hold no flats: their values are line integrals, or counts whose flats are elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from physrecon.errors import ArgumentError
from physrecon.io import units
from physrecon.io.hdf5_kind import is_bliss, is_matlab
from physrecon.io.hdf5_safety import SafeHDF5, object_id, text, where_in_file
from physrecon.io.nxdata import steps
from physrecon.io.scans.frames import Frames, Unsqueezed, no_frames
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

ANGLE = re.compile(r"angle|theta|omega|phi$|^rot")


@dataclass(frozen=True)
class _Found:
    """An array, its angles, and the axis that they belong to."""

    data: h5py.Dataset
    angles: h5py.Dataset
    axis: int
    names: list[str]
    kind: str
    notes: tuple[str, ...] = ()


def read(h5: SafeHDF5, group: str | None) -> ScanReading | None:
    """The scan in such a file or group; None if it has no angles, or another known content."""
    nodes = {p: n for p, n in h5.walk() if group is None or f"{p}/".startswith(f"{group}/")}
    if is_bliss(h5) or any(path.endswith("/definition") for path in nodes):
        return None
    found = _signal(nodes) or _only_array(nodes)
    if found is None:
        return None
    data = h5.sound(found.data, found.data.name)
    where = f"{h5.path.name}: {data.name}"
    detector_stack(data, where)
    order = _order(found)
    stack = data if data.ndim == 3 else Unsqueezed(data, 1)
    projections = Frames(stack, np.arange(data.shape[found.axis]), order, where_in_file(data))
    sizes, notes = steps(h5, data, [axis for axis in range(data.ndim) if axis != found.axis])
    lengths = [_length(sizes.get(_stored(data, order, axis))) for axis in ("y", "x")]
    h5.sound(found.angles, found.angles.name)
    return ScanReading(
        kind=found.kind,
        projections=projections,
        flats=no_frames(projections),
        darks=no_frames(projections),
        angles=angle_values(found.angles, f"{h5.path.name}: {found.angles.name}", len(projections)),
        angle_unit=units.stated(found.angles),
        pixel_size=units.pixel_size(*lengths),
        notes=(f"projections: {data.name}, stored as {_short(data, order)}", *found.notes, *notes),
    )


def read_array(h5: SafeHDF5, data: h5py.Dataset, axes: str | None) -> ScanReading:
    """The scan in a dataset that the user names, without angles.

    axes: the order of its axes, "theta:y:x" by default.  Raises DataError, ArgumentError."""
    h5.sound(data, data.name)
    where = f"{h5.path.name}: {data.name}"
    detector_stack(data, where)
    usual = "theta:x:y" if is_matlab(data) else "theta:y:x"
    order = axes or (usual if data.ndim == 3 else "theta:x")
    names = order.split(":")
    if len(names) != data.ndim:
        raise ArgumentError(f"axes: expected a name for each axis of {data.shape}, got {order}")
    views = data.shape[names.index("theta")]
    stack = data if data.ndim == 3 else Unsqueezed(data, 1)
    full = order if data.ndim == 3 else order.replace(":", ":y:")
    projections = Frames(stack, np.arange(views), full, where_in_file(data))
    return ScanReading(
        kind="HDF5 (array)",
        projections=projections,
        flats=no_frames(projections),
        darks=no_frames(projections),
        angles=None,
        angle_unit="",
        notes=(f"projections: {data.name}, taken as {order}",),
        no_angles=f"{where}: expected the angles of {views} projections, got an array alone.",
    )


def _signal(nodes: dict[str, Any]) -> _Found | None:
    """The first NXdata group whose signal has an axis of angles."""
    for path, node in nodes.items():
        if not isinstance(node, h5py.Group) or text(node.attrs.get("NX_class", "")) != "NXdata":
            continue
        data = nodes.get(f"{path}/{text(node.attrs.get('signal', ''))}")
        names = [text(name) for name in np.ravel(node.attrs.get("axes", ()))]
        if not isinstance(data, h5py.Dataset) or data.ndim not in (2, 3) or len(names) != data.ndim:
            continue
        for axis, name in enumerate(names):
            angles = nodes.get(f"{path}/{name}")
            fits = getattr(angles, "shape", None) == (data.shape[axis],)
            if fits and _is_angle(angles, name):
                return _Found(data, angles, axis, names, "NXdata")
    return None


def _only_array(nodes: dict[str, Any]) -> _Found | None:
    """The one array of two or three axes, if there is one list of angles for one of them."""
    real = [(p, n) for p, n in nodes.items() if isinstance(n, h5py.Dataset)]
    lists = [n for _, n in real if n.ndim == 1 or (is_matlab(n) and n.size == max(n.shape))]
    arrays = {object_id(n): n for _, n in real if n.ndim in (2, 3) and min(n.shape) > 0}
    arrays = {k: n for k, n in arrays.items() if n.dtype.kind in "iuf" and n not in lists}
    if len(arrays) != 1:
        return None
    (data,) = arrays.values()
    angles = {
        object_id(n): n
        for p, n in real
        if n in lists and n.size in data.shape and _is_angle(n, p.rpartition("/")[2])
    }
    if len(angles) != 1:
        return None
    (found,) = angles.values()
    return _Found(data, found, data.shape.index(found.size), [], "HDF5 (array with angles)")


def _is_angle(node: object, name: str) -> bool:
    if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "iuf":
        return False
    unit = units.stated(node)
    named = ANGLE.search(name.lower()) is not None and not unit
    return named or units.unit_of_angles(unit) is not None


def _order(found: _Found) -> str:
    """The order of the stored axes; a sinogram has its row in the middle."""
    others = ["y", "x"] if found.data.ndim == 3 else ["x"]
    others = others[::-1] if is_matlab(found.data) else others
    rest = [name.lower() for axis, name in enumerate(found.names) if axis != found.axis]
    if sorted(rest) == ["x", "y"]:
        others = rest
    names = [*others[: found.axis], "theta", *others[found.axis :]]
    return ":".join(names) if len(names) == 3 else ":y:".join(names)


def _stored(data: h5py.Dataset, order: str, axis: str) -> int:
    """The number of the stored axis, −1 for the row that a sinogram lacks."""
    names = _short(data, order).split(":")
    return names.index(axis) if axis in names else -1


def _short(data: h5py.Dataset, order: str) -> str:
    return order if data.ndim == 3 else order.replace(":y:", ":")


def _length(step: tuple[float, str] | None) -> tuple[float, str] | None:
    """A step as a length, None unless its unit is known."""
    unit = units.length_unit(step[1]) if step else ""
    return (step[0], unit) if step and unit in units.LENGTHS else None
