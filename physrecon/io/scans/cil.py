"""Acquisition data of CIL, the Core Imaging Library, as its NEXUSDataWriter stores them.

`/entry1/tomo_entry/data/data` has an attribute for each axis (`dim0` "angle", "vertical" or
"horizontal") and for the panel; `config` holds vectors of source, detector and axis.  CIL turns the
system by −θ around z, so that with the detector's direction (cos φ, sin φ) a column is at

    x cos(φ − θ) + y sin(φ − θ) = u,     our angle is φ − θ

(Jørgensen et al., Phil. Trans. R. Soc. A 379, 20200192, 2021)."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.hdf5_safety import SafeHDF5, text, where_in_file
from physrecon.io.scans.frames import Frames, Unsqueezed, no_frames
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

ENTRY = "/entry1/tomo_entry"
AXES = {"angle": "theta", "vertical": "y", "horizontal": "x"}
STRAIGHT = 1e-4  # by which a component of a unit vector may be off for a parallel beam around z


def read(h5: SafeHDF5, group: str | None) -> ScanReading | None:
    """The scan of a CIL file; None for other files.

    Raises DataError for cone beams, tilted systems, channels and compressed values."""
    data = h5.dataset(f"{ENTRY}/data/data") if group in (None, "/entry1", ENTRY) else None
    if data is None or text(data.attrs.get("data_type", "")) != "AcquisitionData":
        return None
    where = f"{h5.path.name}: {ENTRY}/data/data"
    detector_stack(data, where)
    _refuse(data, where)
    system = _System(h5, data, where)
    projections = _frames(data, _order(data, where), system.mirrored)
    flats, darks = (_reference(h5, f"{kind}_field", projections) for kind in ("flat", "dark"))
    angles = h5.dataset(f"{ENTRY}/config/angles")
    if angles is None:
        raise DataError(f"{where}: expected its angles in {ENTRY}/config/angles, got none.")
    stored = angle_values(angles, f"{where}: angles", len(projections))
    unit = text(angles.attrs.get("angle_unit", ""))
    first = _number(angles, "initial_angle", 0.0)
    turned = np.rad2deg(system.phi) if unit.startswith("deg") else system.phi
    return ScanReading(
        kind="CIL",
        projections=projections,
        flats=flats,
        darks=darks,
        angles=turned - first - stored,
        angle_unit=unit,
        center=(projections.shape[2] - 1) / 2 + system.axis / system.pitch,
        unused=(f"pixel size: CIL stores {system.pitch:g} without a unit of length",),
    )


def _refuse(data: h5py.Dataset, where: str) -> None:
    got = ""
    if text(data.attrs.get("geometry", "")) != "parallel":
        got = f"a {text(data.attrs.get('geometry', '')) or 'system of an old CIL'} geometry"
    elif _number(data, "num_channels", 1) != 1:
        got = "several channels"
    elif (_number(data, "scale", 1), _number(data, "offset", 0)) != (1, 0):
        got = "compressed values (scale and offset)"
    if got:
        raise DataError(
            f"{where}: expected a parallel beam of one channel, uncompressed, got {got}; "
            "reconstruct it with CIL, or write the part that is parallel with CIL again."
        )


def _number(node: h5py.Dataset, name: str, default: float) -> float:
    value = np.ravel(node.attrs.get(name, default))
    return float(value[0]) if value.size == 1 and value.dtype.kind in "iuf" else default


def _order(data: h5py.Dataset, where: str) -> str:
    labels = [text(data.attrs.get(f"dim{axis}", "")) for axis in range(data.ndim)]
    names = [AXES.get(label, "") for label in labels]
    if not {"theta", "x"} <= set(names) <= set(AXES.values()) or len(set(names)) < len(names):
        raise DataError(
            f"{where}: expected the axes angle, vertical and horizontal, got {', '.join(labels)}."
        )
    return ":".join(names)


def _frames(data: h5py.Dataset, order: str, mirrored: tuple[bool, bool]) -> Frames:
    stack: Any = data
    if data.ndim == 2:
        stack, order = Unsqueezed(data, 1), order.replace(":", ":y:")
    count = stack.shape[order.split(":").index("theta")]
    return Frames(stack, np.arange(count), order, where_in_file(data), mirrored)


def _reference(h5: SafeHDF5, name: str, projections: Frames) -> Frames:
    """Flats or darks, which CIL stores like one or several views."""
    data = h5.dataset(f"{ENTRY}/data/{name}/data")
    if data is None or data.ndim not in (2, 3) or data.dtype.kind not in "iuf":
        return no_frames(projections)
    rows = projections.shape[1]
    stack = data if data.ndim == 3 else Unsqueezed(data, 1 if rows == 1 else 0)
    frames = Frames(
        stack, np.arange(stack.shape[0]), where=where_in_file(data), mirrored=projections.mirrored
    )
    if frames.shape[1:] == projections.shape[1:]:
        return frames
    raise DataError(
        f"{h5.path.name}: {name}: expected frames of {rows} rows × {projections.shape[2]} columns "
        f"like the projections, got shape {data.shape}."
    )


class _System:
    """Where detector and axis are.  phi: direction of the columns [rad]; axis: its distance from
    the middle of the detector along them; pitch of the columns, in the same unit.

    Raises DataError unless the beam and the columns are horizontal and the axis is vertical."""

    def __init__(self, h5: SafeHDF5, data: h5py.Dataset, where: str) -> None:
        def vector(name: str, usual: tuple[float, float, float]) -> NDArray[np.float64]:
            found = h5.dataset(f"{ENTRY}/config/{name}")
            values = np.ravel(found[()]) if found is not None else np.array(usual)
            if values.dtype.kind not in "iuf" or values.size not in (2, 3):
                raise DataError(f"{where}: expected a vector in config/{name}, got {values}.")
            return np.pad(values.astype(np.float64), (0, 3 - values.size))

        columns, ray = vector("detector/direction_x", (1, 0, 0)), vector("ray/direction", (0, 1, 0))
        two = text(data.attrs.get("dimension", "")) == "2D"
        up = np.array((0.0, 0, 1)) if two else vector("detector/direction_y", (0, 0, 1))
        axis = np.array((0.0, 0, 1)) if two else vector("rotation_axis/direction", (0, 0, 1))
        off = (columns[2], ray[2], columns @ ray, np.hypot(*up[:2]), np.hypot(*axis[:2]))
        if max(map(abs, off)) > STRAIGHT or axis[2] < 0:
            raise DataError(
                f"{where}: expected a vertical axis and an upright detector, got a tilted system; "
                "reconstruct it with CIL."
            )
        origin = text(data.attrs.get("panel_origin", "bottom-left"))
        self.mirrored = (("top" in origin) != bool(up[2] < 0), "right" in origin)
        self.phi = float(np.arctan2(columns[1], columns[0]))
        away = vector("rotation_axis/position", (0, 0, 0)) - vector("detector/position", (0, 0, 0))
        self.pitch = _number(data, "pixel_size_h", 1.0)
        self.axis = float(away @ columns)
