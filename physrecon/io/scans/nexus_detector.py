"""How the camera of a NeXus scan is mounted, and what else its file tells of the geometry.

A detector's group `transformations` turns it in the laboratory.  A rotation R by 180° mirrors its
image: columns run in reverse where R reverses the horizontal axis across the beam, rows where it
reverses the vertical one.  Files of the McStas coordinates of NeXus have x horizontal, y vertical
and z along the beam; nxtomo before version 3 (its files of version < 2) had x along the beam, y
horizontal and z vertical.  Files before version 1.3 state `x_flipped` (columns) and `y_flipped`.
Both readers and viewers of the ESRF undo the mirror when they read a frame, and so do we."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.io import units
from physrecon.io.hdf5_safety import text
from physrecon.io.scans.nexus_entries import Detector

Index = NDArray[np.intp]

MCSTAS_VERSION = 2.0  # of the layout of nxtomo, since when its files use McStas coordinates
TILT = (
    1e-4  # sine of the angle between an axis of the detector and of the laboratory, told above it
)
MOVED = 0.5  # pixels; a translation that varies by less moves no ray to another pixel


@dataclass(frozen=True)
class Mount:
    """Whether the camera stores rows and columns in reverse; notes, and facts that are not used."""

    rows_reversed: bool
    columns_reversed: bool
    notes: tuple[str, ...]
    unused: tuple[str, ...]


def mount(detector: Detector) -> Mount:
    """How the file says that the camera is mounted."""
    rotation, unused = _rotation(detector)
    if rotation is None:
        columns, rows = (
            detector.flag(f"{detector.group}/{name}") for name in ("x_flipped", "y_flipped")
        )
    else:
        axes = [0, 1] if _is_mcstas(detector) else [1, 2]  # across the beam, and up
        columns, rows = (bool(rotation[axis, axis] < 0) for axis in axes)
        off = np.abs(rotation[axes] * (1 - np.eye(3)[axes])).max()
        if off > TILT:
            tilt = np.rad2deg(np.arcsin(min(off, 1)))
            unused.append(f"transformations: they tilt the detector by {tilt:.4g}°")
    ways = ["left to right"] * columns + ["top to bottom"] * rows
    note = f"detector: frames are mirrored {' and '.join(ways)}, as the file states; undone"
    return Mount(rows, columns, (note,) * bool(ways), tuple(unused))


def unused(detector: Detector, views: Index, left_right: bool) -> Iterator[str]:
    """Yield the facts on the geometry that a beam around one axis does not use."""
    entry, group = detector.entry, detector.group
    field = detector.word(f"{group}/field_of_view").lower()
    halves = [p for p in detector.nodes if p.startswith(entry) and p.endswith("/half_acquisition")]
    if field == "half" or any(map(detector.flag, halves)):
        yield "field of view: half, so the rotation axis is near an edge of the detector"
    columns = detector.data.shape[-1]
    for name in ("x_rotation_axis_pixel_position", "estimated_cor_from_motor"):
        at = units.number(detector.dataset(f"{group}/{name}"))
        if at is not None:
            yield (
                f"rotation axis: {name} = {at:.6g}, because writers count it from the middle or "
                f"from the edge: column {_column(at + (columns - 1) / 2, columns, left_right)} or "
                f"{_column(at, columns, left_right)}; give --center"
            )
    yield from _motion(detector, views)


def _column(stored: float, columns: int, left_right: bool) -> str:
    return f"{columns - 1 - stored if left_right else stored:.6g}"


def _is_mcstas(detector: Detector) -> bool:
    """Whether y is the vertical axis.  NeXus says so; old files of nxtomo have z vertical."""
    attrs = detector.nodes[detector.entry].attrs if detector.entry in detector.nodes else {}
    stated = text(attrs.get("NeXus_Coordinate_System", "")).lower()
    if stated:
        return stated != "esrf"
    version = np.ravel(attrs.get("version", MCSTAS_VERSION))
    is_number = version.size == 1 and version.dtype.kind in "iuf"
    return not is_number or float(version[0]) >= MCSTAS_VERSION


def _rotation(detector: Detector) -> tuple[NDArray[np.float64] | None, list[str]]:
    """(product of the detector's rotations, None if there are none; facts that are not used).

    Rotations by 180° around the axes commute, so that their order does not matter."""
    total: NDArray[np.float64] | None = None
    unused: list[str] = []
    for path, node in detector.nodes.items():
        if not path.startswith(f"{detector.group}/") or not isinstance(node, h5py.Dataset):
            continue
        if text(node.attrs.get("transformation_type", "")).lower() != "rotation":
            continue
        values, vector = detector.values(path), np.ravel(node.attrs.get("vector", ()))
        if values is None or not np.isfinite(values).all():
            continue
        radians = units.unit_of_angles(units.stated(node)) == "rad"
        if np.ptp(values) or vector.size != 3 or vector.dtype.kind not in "iuf":
            unused.append(f"transformations: {path}, a rotation that varies")
            continue
        angle = float(values[0]) if radians else np.deg2rad(float(values[0]))
        turn = _turn(vector.astype(np.float64), angle)
        total = turn if total is None else total @ turn
    return total, unused


def _turn(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """The matrix of a rotation around an axis (Rodrigues)."""
    norm = float(np.linalg.norm(axis))
    if not norm:
        return np.eye(3)
    x, y, z = axis / norm
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _metres(detector: Detector, path: str) -> NDArray[np.float64] | None:
    """Lengths at a path in metres, None unless they have a known unit."""
    node = detector.dataset(path)
    unit = units.length_unit(units.stated(node)) if node is not None else ""
    return np.ravel(node[()]) * units.LENGTHS[unit] if node and unit in units.LENGTHS else None


def _pixel(detector: Detector) -> float | None:
    """The pitch of the columns in metres."""
    for group in (f"{detector.entry}/sample", detector.group):
        pitch = _metres(detector, f"{group}/x_pixel_size")
        if pitch is not None and pitch.size == 1 and pitch[0] > 0:
            return float(pitch[0])
    return None


def _motion(detector: Detector, views: Index) -> Iterator[str]:
    """Translations of the sample that vary over the projections."""
    pixel = _pixel(detector)
    for axis in "xyz":
        path = f"{detector.entry}/sample/{axis}_translation"
        at = _metres(detector, path)
        if at is None or at.size not in (detector.frames, views.size):
            continue
        span = float(np.ptp(at[views] if at.size == detector.frames else at))
        if np.isfinite(span) and span > MOVED * (pixel or 0):
            yield f"{axis}_translation: the sample moves by {span * 1e3:.4g} mm over the views"


def distances(detector: Detector) -> tuple[float | None, float | None]:
    """(distance from the sample to the source, to the detector) in m; None where unknown.

    NeXus counts them along the beam, so that the source's is negative."""
    paths = (f"{detector.entry}/instrument/source/distance", f"{detector.group}/distance")
    found = (_metres(detector, path) for path in paths)
    known = [
        each if each is not None and each.size and not np.ptp(each) else None for each in found
    ]
    source, camera = (
        float(each[0]) if each is not None and np.isfinite(each[0]) else None for each in known
    )
    return source, camera
