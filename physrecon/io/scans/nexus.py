"""NeXus: NXtomo, and raw beamline files that carry an image key.

`image_key` beside a 3-D detector dataset gives the kind of each frame: 0 projection, 1 flat,
2 dark, 3 invalid (NeXus application definition NXtomo).  Rotation angles are stored for all frames,
or for the projections only."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io import units
from physrecon.io.hdf5_safety import BadLink, SafeHDF5, object_id, text, where_in_file
from physrecon.io.scans.frames import Frames
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

PROJECTION, FLAT, DARK = 0, 1, 2
ANGLE_NAME = re.compile(r"rotation_angle|theta|omega|rot_angle")


def read(h5: SafeHDF5) -> ScanReading | None:
    """The scan of a NeXus file; None if it has neither NXtomo nor an image key."""
    nodes = dict(h5.walk())
    definitions = {p: n for p, n in nodes.items() if p.endswith("/definition")}
    tomo = [p.rpartition("/")[0] for p, n in definitions.items() if h5.string(n, p) == "NXtomo"]
    keys = [p for p in nodes if p.endswith("/image_key")]
    entries = tuple(f"{entry}/" for entry in tomo)
    keys.sort(key=lambda p: (not p.startswith(entries), "/instrument/" not in p))
    if not keys:
        if not tomo:
            return None
        raise DataError(
            f"{h5.path.name}: expected an image_key beside the detector data of "
            f"{tomo[0]} (NXtomo), got none; add it: 0 projection, 1 flat, 2 dark, 3 invalid."
        )
    found = {p: _detector(h5, nodes, p) for p in keys}
    usable = [p for p in keys if isinstance(found[p], h5py.Dataset)]
    if not usable:
        raise found[keys[0]]
    group = usable[0].rpartition("/")[0]
    reading = _reading(h5, nodes, group, h5.sound(found[usable[0]], f"{group} data"))
    notes = [*reading.notes]
    others = len({object_id(found[p]) for p in usable}) - 1
    if others:
        notes.append(f"detector: {group} taken, {others} more have an image_key")
    if f"{group}/x_rotation_axis_pixel_position" in nodes:
        notes.append(
            "rotation axis: x_rotation_axis_pixel_position is not used, because writers count it "
            "from the edge or from the middle; give it with --center"
        )
    kind = "NXtomo" if usable[0].startswith(entries) else "NeXus (image_key)"
    return replace(reading, kind=kind, notes=(*notes, *_link_notes(nodes)))


def _detector(h5: SafeHDF5, nodes: dict[str, Any], key_path: str) -> Any:
    """The 3-D dataset that an image key describes, or a DataError with the reason for none."""
    group = key_path.rpartition("/")[0]
    key = nodes[key_path]
    beside = {p: n for p, n in nodes.items() if p.rpartition("/")[0] == group and p != key_path}
    if not isinstance(key, h5py.Dataset):
        return key if isinstance(key, DataError) else DataError(f"{key_path}: not a dataset.")
    stacks = {p: n for p, n in beside.items() if isinstance(n, h5py.Dataset) and n.ndim == 3}
    for stack in (stacks.get(f"{group}/data"), *stacks.values()):
        if stack is not None and stack.shape[0] == key.size:
            return stack
    if stacks:
        path, stack = next(iter(stacks.items()))
        return DataError(
            f"{h5.path.name}: expected one image_key per frame in {path}, "
            f"got {key.size} for {stack.shape[0]} frames."
        )
    broken = beside.get(f"{group}/data")
    if isinstance(broken, DataError):
        return broken
    return DataError(f"{h5.path.name}: expected 3-D detector data beside {key_path}, got none.")


def _reading(h5: SafeHDF5, nodes: dict[str, Any], group: str, data: h5py.Dataset) -> ScanReading:
    where = f"{h5.path.name}: {group}/image_key"
    detector_stack(data, f"{h5.path.name}: {group}")
    key = h5.sound(nodes[f"{group}/image_key"], f"{group}/image_key")[()].ravel()
    projection, flat, dark = (np.flatnonzero(key == kind) for kind in (PROJECTION, FLAT, DARK))
    if not projection.size:
        raise DataError(f"{where}: expected some frames of key 0 (projections), got none.")
    left_out = len(key) - projection.size - flat.size - dark.size
    angles, unit = _angles(h5, nodes, group, data, projection)
    return ScanReading(
        kind="NeXus",
        projections=Frames(data, projection, where=where_in_file(data)),
        flats=Frames(data, flat, where=where_in_file(data)),
        darks=Frames(data, dark, where=where_in_file(data)),
        angles=angles,
        angle_unit=unit,
        pixel_size=_pixel_size(h5, _entry(nodes, group), group),
        flat_positions=np.searchsorted(projection, flat) / projection.size,
        notes=(f"frames: {left_out} marked invalid are left out",) if left_out else (),
    )


def _entry(nodes: dict[str, Any], group: str) -> str:
    """The nearest NXentry or NXsubentry above a detector group."""
    parts = group.split("/")
    above = ["/".join(parts[:n]) for n in range(len(parts) - 1, 1, -1)]
    for path in above:
        if text(nodes[path].attrs.get("NX_class", "")) in ("NXentry", "NXsubentry"):
            return path
    return above[-1] if above else ""


def _angles(
    h5: SafeHDF5,
    nodes: dict[str, Any],
    group: str,
    data: h5py.Dataset,
    projection: NDArray[np.intp],
) -> tuple[NDArray[np.float64], str]:
    """(angles of the projections, their stated unit).

    Searched for where NXtomo puts them, then beside the detector data, then anywhere by name."""
    entry = _entry(nodes, group)
    official = [f"{entry}/sample/rotation_angle", f"{entry}/data/rotation_angle"]
    path = next((p for p in official if isinstance(nodes.get(p), h5py.Dataset)), None)
    path = path or _named_angle(h5, nodes, data, len(projection))
    angles = angle_values(
        h5.sound(nodes[path], path),
        f"{h5.path.name}: {path}",
        len(projection),
        frames=data.shape[0],
    )
    if len(angles) == data.shape[0]:
        angles = angles[projection]
    return angles, text(nodes[path].attrs.get("units", ""))


def _named_angle(h5: SafeHDF5, nodes: dict[str, Any], data: h5py.Dataset, views: int) -> str:
    """Path of the one dataset that looks like the rotation angle of every frame or view."""
    candidates = {
        path: node
        for path, node in nodes.items()
        if ANGLE_NAME.search(path.lower())
        and isinstance(node, h5py.Dataset)
        and node.dtype.kind in "iuf"
        and node.shape in ((data.shape[0],), (views,))
    }
    beside = {p.rpartition("/")[0] for p, n in nodes.items() if _same(n, data)}
    near = {p: n for p, n in candidates.items() if p.rpartition("/")[0] in beside}
    chosen = near or candidates
    if len({object_id(node) for node in chosen.values()}) == 1:
        return next(iter(chosen))
    if chosen:
        got = f"{len(chosen)}: {', '.join(sorted(chosen)[:4])}"
    else:
        broken = [p for p, n in nodes.items() if ANGLE_NAME.search(p) and isinstance(n, BadLink)]
        got = f"a broken link at {broken[0]}" if broken else "none"
    raise DataError(
        f"{h5.path.name}: expected one list of rotation angles for {data.shape[0]} frames or "
        f"{views} projections, got {got}; store it as sample/rotation_angle with its units."
    )


def _same(node: Any, data: h5py.Dataset) -> bool:
    return isinstance(node, h5py.Dataset) and object_id(node) == object_id(data)


def _pixel_size(h5: SafeHDF5, entry: str, detector: str) -> tuple[tuple[float, float], str] | None:
    """Pixel size at the sample if the file states it, else that of the detector."""
    for group in (f"{entry}/sample", detector):
        row, column = (
            units.length(h5.dataset(f"{group}/{axis}_pixel_size")) for axis in ("y", "x")
        )
        pixel = units.pixel_size(row, column)
        if pixel is not None:
            return pixel
    return None


def _link_notes(nodes: dict[str, Any]) -> list[str]:
    broken = [node for node in nodes.values() if isinstance(node, DataError)]
    outside = sum(getattr(node, "outside", False) for node in broken)
    notes = []
    if len(broken) > outside:
        notes.append(f"links: {len(broken) - outside} lead to data that are not here (not needed)")
    if outside:
        notes.append(f"links: {outside} lead out of the scan's folder and were not followed")
    return notes
