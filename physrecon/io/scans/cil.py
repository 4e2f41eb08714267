"""Acquisition data of CIL, the Core Imaging Library, as its NEXUSDataWriter stores them.

`/entry1/tomo_entry/data/data` has an attribute for each axis (`dim0` "angle", "vertical" or
"horizontal") and for the panel; `config` holds vectors of source, detector and axis
(`cil_system.py`).  CIL turns the system by −θ around z, so that with the detector's direction
(cos φ, sin φ) a column is at

    x cos(φ − θ) + y sin(φ − θ) = u,     our angle is φ − θ

(Jørgensen et al., Phil. Trans. R. Soc. A 379, 20200192, 2021)."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from physrecon.errors import DataError
from physrecon.io.hdf5_safety import SafeHDF5, text, where_in_file
from physrecon.io.scans.cil_system import ENTRY, System, cone, number, parallel
from physrecon.io.scans.frames import Frames, Unsqueezed, no_frames
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

AXES = {"angle": "theta", "vertical": "y", "horizontal": "x"}


def read(h5: SafeHDF5, group: str | None) -> ScanReading | None:
    """The scan of a CIL file; None for other files.

    Raises DataError for tilted systems of parallel rays, channels and compressed values."""
    data = h5.dataset(f"{ENTRY}/data/data") if group in (None, "/entry1", ENTRY) else None
    if data is None or text(data.attrs.get("data_type", "")) != "AcquisitionData":
        return None
    where = f"{h5.path.name}: {ENTRY}/data/data"
    detector_stack(data, where)
    _refuse(data, where)
    order = _order(data, where)
    system = _system(h5, data, where, order)
    projections = _frames(data, order, system.mirrored)
    flats, darks = (_reference(h5, f"{kind}_field", projections) for kind in ("flat", "dark"))
    angles = h5.dataset(f"{ENTRY}/config/angles")
    if angles is None:
        raise DataError(f"{where}: expected its angles in {ENTRY}/config/angles, got none.")
    stored = angle_values(angles, f"{where}: angles", len(projections))
    unit = text(angles.attrs.get("angle_unit", ""))
    first = number(angles, "initial_angle", 0.0)
    turned = np.rad2deg(system.phi) if unit.startswith("deg") else system.phi
    return ScanReading(
        kind="CIL",
        projections=projections,
        flats=flats,
        darks=darks,
        angles=turned - first - stored,
        angle_unit=unit,
        center=(projections.shape[2] - 1) / 2 + system.axis / system.pitch,
        row_offset=system.row_offset,
        setup=system.setup,
        notes=system.notes,
        unused=(f"pixel size: CIL stores {system.pitch:g} without a unit of length",),
        no_pixel_size=system.no_pixel_size,
    )


def _refuse(data: h5py.Dataset, where: str) -> None:
    got = ""
    if text(data.attrs.get("geometry", "")) not in ("parallel", "cone"):
        got = f"a {text(data.attrs.get('geometry', '')) or 'system of an old CIL'} geometry"
    elif number(data, "num_channels", 1) != 1:
        got = "several channels"
    elif (number(data, "scale", 1), number(data, "offset", 0)) != (1, 0):
        got = "compressed values (scale and offset)"
    if got:
        raise DataError(
            f"{where}: expected a parallel or cone beam of one channel, uncompressed, got {got}; "
            "reconstruct it with CIL, or write one channel of it with CIL again."
        )


def _system(h5: SafeHDF5, data: h5py.Dataset, where: str, order: str) -> System:
    if text(data.attrs["geometry"]) == "parallel":
        return parallel(h5, data, where)
    names = order.split(":")
    rows, columns = (data.shape[names.index(n)] if n in names else 1 for n in ("y", "x"))
    return cone(h5, data, where, (rows, columns))


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
