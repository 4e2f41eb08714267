"""Data Exchange, the tomography format of the Advanced Photon Source.

De Carlo et al., J. Synchrotron Rad. 21, 1224 (2014): `/exchange/data` with the attribute `axes`
("theta:y:x" or "y:theta:x"), `data_white`, `data_dark`, and `theta` with its `units`.  The format
has no field for the rotation axis; a scalar `/exchange/center` (0-based column) is used for it."""

from __future__ import annotations

import h5py
import numpy as np

from physrecon.errors import DataError
from physrecon.io import units
from physrecon.io.hdf5_safety import SafeHDF5, text, where_in_file
from physrecon.io.scans.frames import ROW_FIRST, THETA_FIRST, Frames, no_frames
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

DETECTION = "/measurement/instrument/detection_system/objective"
DETECTOR = "/measurement/instrument/detector"


def read(h5: SafeHDF5) -> ScanReading | None:
    """The scan in `/exchange`; None if the file has none.  Raises DataError."""
    data = h5.dataset("/exchange/data")
    if data is None:
        return None
    where = f"{h5.path.name}: /exchange/data"
    detector_stack(data, where)
    order = _stated_order(data, where) or THETA_FIRST
    projections = _all_frames(data, order)
    angles = h5.dataset("/exchange/theta")
    if angles is None:
        raise DataError(
            f"{h5.path.name}: expected the angles in /exchange/theta, got none; "
            "add them with their attribute `units`."
        )
    pixel = _pixel_size(h5)
    return ScanReading(
        kind="Data Exchange",
        projections=projections,
        flats=_reference(h5, "data_white", projections),
        darks=_reference(h5, "data_dark", projections),
        angles=angle_values(angles, f"{h5.path.name}: /exchange/theta", len(projections)),
        angle_unit=text(angles.attrs.get("units", "")),
        pixel_size=pixel,
        center=units.number(h5.dataset("/exchange/center")),
        notes=_notes(h5, pixel is not None),
    )


def _stated_order(data: h5py.Dataset, where: str) -> str | None:
    """The storage order that the attribute `axes` states, or None."""
    axes = text(data.attrs.get("axes", ""))
    if not axes:
        return None
    names = [name.split("_")[0].strip() for name in axes.split(":")]
    order = ":".join(names)
    if order not in (THETA_FIRST, ROW_FIRST):
        raise DataError(f"{where}: expected axes theta:y:x or y:theta:x, got {axes!r}.")
    return order


def _all_frames(data: h5py.Dataset, order: str) -> Frames:
    count = data.shape[1 if order == ROW_FIRST else 0]
    return Frames(data, np.arange(count), order, where_in_file(data))


def _reference(h5: SafeHDF5, name: str, projections: Frames) -> Frames:
    """Flats or darks; zero frames if there are none."""
    data = h5.dataset(f"/exchange/{name}")
    if data is None or data.size == 0:
        return no_frames(projections)
    where = f"{h5.path.name}: /exchange/{name}"
    detector_stack(data, where)
    stated = _stated_order(data, where)
    for order in (stated,) if stated else (THETA_FIRST, ROW_FIRST):
        frames = _all_frames(data, order)
        if frames.shape[1:] == projections.shape[1:]:
            return frames
    raise DataError(
        f"{where}: expected frames of {projections.shape[1]} rows × {projections.shape[2]} "
        f"columns like the projections, got shape {data.shape}."
    )


def _pixel_size(h5: SafeHDF5) -> tuple[tuple[float, float], str] | None:
    """The pixel size at the sample: the stated resolution, else pitch / magnification."""
    resolution = units.length(h5.dataset(f"{DETECTION}/resolution"))
    if resolution is not None:
        return units.pixel_size(resolution, resolution)
    square = units.length(h5.dataset(f"{DETECTOR}/pixel_size"))
    column = units.length(h5.dataset(f"{DETECTOR}/x_pixel_size")) or square
    row = units.length(h5.dataset(f"{DETECTOR}/y_pixel_size")) or square
    pixel = units.pixel_size(row, column)
    magnification = units.number(h5.dataset(f"{DETECTION}/magnification")) or 1.0
    if pixel is None or magnification <= 0:
        return None
    (row_pitch, column_pitch), unit = pixel
    return (row_pitch / magnification, column_pitch / magnification), unit


def _notes(h5: SafeHDF5, has_pixel_size: bool) -> tuple[str, ...]:
    names = [f"{DETECTION}/resolution", *(f"{DETECTOR}/{x}pixel_size" for x in ("", "x_", "y_"))]
    if has_pixel_size or all(h5.find(name) is None for name in names):
        return ()
    return ("pixel size: stated without a known unit of length, so lengths are in pixels",)
