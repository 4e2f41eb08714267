"""Data Exchange, the tomography format of the Advanced Photon Source.

De Carlo et al., J. Synchrotron Rad. 21, 1224 (2014): `/exchange/data` with the attribute `axes`
("theta:y:x" or another order), `data_white`, `data_dark`, and `theta` with its `units`.  The format
has no field for the rotation axis; a scalar `/exchange/center` (0-based column) is used for it.
`geometry/translation/distances` of source and detector are counted from the sample; files of ours
state more (`kept_setup.py`).
What a file lacks, the program that acquired it may have left in `/process` (`tomoscan.py`)."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io import units
from physrecon.io.hdf5_safety import SafeHDF5, text, where_in_file
from physrecon.io.scans import tomoscan
from physrecon.io.scans.diverging import Diverging, Pixel, diverging
from physrecon.io.scans.frames import AXES, ROW_FIRST, THETA_FIRST, Frames, Unsqueezed, no_frames
from physrecon.io.scans.kept_setup import read_setup
from physrecon.io.scans.reading import ScanReading, angle_values, detector_stack

DETECTION = "/measurement/instrument/detection_system/objective"
DETECTOR = "/measurement/instrument/detector"
GROUP = "/exchange"
THETA_LAST = "y:x:theta"
SAMPLE_COLUMNS = 64  # of flats, looked at where their order is open
UNLIKE = 2.0  # ratio of variances above which frames are those of the other order


def read(h5: SafeHDF5, group: str | None) -> ScanReading | None:
    """The scan in `/exchange`, or in another group of its layout; None if the file has none.

    Raises DataError."""
    where = group or GROUP
    if not where.startswith(GROUP):
        return None
    data = h5.dataset(f"{where}/data")
    if data is None:
        return None
    detector_stack(data, f"{h5.path.name}: {where}/data")
    angles = _Angles(h5, where)
    projections, notes = _projections(h5, f"{where}/data", data, angles.count)
    values, reason = angles.read(len(projections))
    of_sample, of_detector, unused = _pixel_sizes(h5)
    source, camera = (_distance(h5, name) for name in ("source", "detector"))
    kept = read_setup(h5)
    if kept is not None:
        rays = Diverging(of_detector, kept[0])
    else:
        columns = projections.shape[2]
        rays = diverging(h5.path.name, columns, source, camera, of_detector, of_sample)
    flats, flat_notes = _reference(h5, f"{where}/data_white", projections, "projections")
    usual = flats if len(flats) else projections
    darks, dark_notes = _reference(h5, f"{where}/data_dark", usual, "flats")
    flats, flat_level = tomoscan.frames_or_level(h5, "flat", flats, projections)
    darks, dark_level = tomoscan.frames_or_level(h5, "dark", darks, projections)
    beam, beam_notes, beam_unused = tomoscan.beam(h5, len(projections), len(flats))
    return ScanReading(
        kind="Data Exchange",
        projections=projections,
        flats=flats,
        darks=darks,
        angles=values,
        angle_unit=angles.unit,
        pixel_size=rays.pixel_size,
        setup=rays.setup,
        center=units.number(h5.dataset(f"{where}/center")),
        row_offset=0.0 if kept is None else kept[1],
        beam=beam,
        notes=(
            *(*notes, *angles.notes, *rays.notes, *flat_notes, *dark_notes),
            *(*flat_level, *dark_level, *beam_notes),
        ),
        unused=(*unused, *rays.unused, *beam_unused, *_other_groups(h5, where)),
        no_angles=reason,
        no_pixel_size=rays.no_pixel_size,
    )


class _Angles:
    """The angles that the file states, or the start and the step of its acquisition.

    count: their number, None if it is open."""

    def __init__(self, h5: SafeHDF5, group: str) -> None:
        self._where = f"{h5.path.name}: {group}/theta"
        self._stored = h5.dataset(f"{group}/theta")
        self._motion = None if self._stored is not None else tomoscan.rotation(h5)
        self.notes: tuple[str, ...] = ()
        if self._stored is not None:
            self.count, self.unit = self._stored.size, units.stated(self._stored)
        elif self._motion is not None:
            self.count, self.unit = self._motion.count, self._motion.unit
        else:
            self.count, self.unit = None, ""

    def read(self, views: int) -> tuple[NDArray[np.float64] | None, str]:
        """(the angles of the views, "") or (None, the reason for none)."""
        if self._motion is not None:
            angles, self.notes = self._motion.angles(views)
            return angles, ""
        if self._stored is None:
            return None, f"{self._where}: expected the angles of {views} views, got none; add them."
        try:
            return angle_values(self._stored, self._where, views), ""
        except DataError as error:
            return None, str(error)


def _stated_order(data: h5py.Dataset, where: str) -> str | None:
    """The order of axes that the attribute `axes` states, or None.

    Colons, commas or a list separate the names; "theta_white" is an axis theta."""
    stated = ":".join(text(part) for part in np.ravel(data.attrs.get("axes", "")))
    parts = stated.strip("[]() ").replace(",", ":").replace(" ", ":").split(":")
    names = [name.split("_")[0].lower() for name in parts if name]
    if data.ndim == 2 and len(names) == 3:  # a sinogram, whose row is no axis
        names = [name for name in names if name != "y"]
    if not names:
        return None
    fits = len(names) == len(set(names)) == data.ndim and {"x"} <= set(names) <= set(AXES)
    if not fits:
        raise DataError(f"{where}: expected axes theta:y:x or y:theta:x, got {stated!r}.")
    return ":".join(names)


def _projections(
    h5: SafeHDF5, path: str, data: h5py.Dataset, count: int | None
) -> tuple[Frames, tuple[str, ...]]:
    """The projections, and a note where the number of angles decided on their order."""
    where = f"{h5.path.name}: {path}"
    stated = _stated_order(data, where)
    if data.ndim == 2:
        return _sinogram(data, where, stated, count)
    order = stated or THETA_FIRST
    notes: tuple[str, ...] = ()
    if stated is None and count is not None and data.shape[0] != count in data.shape:
        order = (ROW_FIRST, THETA_LAST)[data.shape.index(count) - 1]
        notes = (f"projections: stored as {order}, by the number of angles",)
    return _all_frames(data, data, order), notes


def _sinogram(
    data: h5py.Dataset, where: str, stated: str | None, count: int | None
) -> tuple[Frames, tuple[str, ...]]:
    order = stated or ("theta:x" if count in (None, data.shape[0]) else "x:theta")
    views = data.shape[order.split(":").index("theta")] if "theta" in order else None
    if views is None or count not in (None, views):
        raise DataError(
            f"{where}: expected a stack of projections, 3-D, or one sinogram of {count} views, "
            f"got shape {data.shape}."
        )
    full = order.replace(":", ":y:")
    note = f"projections: one sinogram, stored as {order}, is one row of the detector"
    return _all_frames(data, Unsqueezed(data, 1), full), (note,)


def _all_frames(data: h5py.Dataset, stack: Any, order: str) -> Frames:
    count = stack.shape[order.split(":").index("theta")]
    return Frames(stack, np.arange(count), order, where_in_file(data))


def _reference(h5: SafeHDF5, path: str, model: Frames, name: str) -> tuple[Frames, tuple[str, ...]]:
    """Flats or darks, zero frames if there are none, and a note where their order was open.

    model: the frames, called `name`, whose order they follow unless they state their own."""
    data = h5.dataset(path)
    if data is None or not data.size:
        return no_frames(model), ()
    where = f"{h5.path.name}: {path}"
    stated = _stated_order(data, where)
    fitting = [f for f in _readings(data, stated, model.order) if f.shape[1:] == model.shape[1:]]
    if not fitting or data.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: expected frames of {model.shape[1]} rows × {model.shape[2]} "
            f"columns like the projections, got shape {data.shape} of {data.dtype}."
        )
    first, *others = fitting
    if not others or data.ndim < 3:
        return first, ()
    taken = _of_like_frames(first, others[0])
    if taken is first and taken.order == THETA_FIRST:  # as the format has it
        return first, ()
    reason = f"as the {name} are" if taken is first else "for its frames are alike"
    return taken, (f"{path.rpartition('/')[2]}: taken as {taken.order}, {reason}",)


def _readings(data: h5py.Dataset, stated: str | None, order: str) -> list[Frames]:
    """The frames in a dataset of 1 to 3 axes, in all orders that are possible, likely ones first.

    A list is the flat of a sinogram; a matrix is one image, or such a list for each frame."""
    if data.ndim == 3:
        orders = [stated] if stated else list(dict.fromkeys((order, THETA_FIRST, ROW_FIRST)))
        return [_all_frames(data, data, each) for each in orders]
    if data.ndim == 2 and "theta" in (stated or ""):
        return [_all_frames(data, Unsqueezed(data, 1), str(stated).replace(":", ":y:"))]
    if data.ndim == 2:
        image = _all_frames(data, Unsqueezed(data, 0), f"theta:{stated or 'y:x'}")
        return [image, _all_frames(data, Unsqueezed(data, 1), THETA_FIRST)]
    return [_all_frames(data, Unsqueezed(data, 0, 1), THETA_FIRST)] if data.ndim == 1 else []


def _of_like_frames(first: Frames, second: Frames) -> Frames:
    """Which of two readings of as many frames as rows has frames that are alike.

    Frames of one kind repeat the pattern of the pixels, and its rows do not.  The mean of every
    row is divided out before, so that a drift of the beam is no pattern."""
    middle = max(0, first.shape[2] // 2 - SAMPLE_COLUMNS // 2)
    values = first[:, :, middle : middle + SAMPLE_COLUMNS].astype(np.float64)
    values -= values.mean(axis=2, keepdims=True)
    between_frames, between_rows = (float(values.var(axis=axis).mean()) for axis in (0, 1))
    return second if between_frames > UNLIKE * between_rows else first


def _pixel_sizes(h5: SafeHDF5) -> tuple[Pixel | None, Pixel | None, tuple[str, ...]]:
    """(the pixel size at the sample, that on the detector before its lens, a fact not used).

    The stated resolution is that at the sample, pitch / magnification of the lens the other."""
    names = [f"{DETECTION}/resolution", *(f"{DETECTOR}/{x}pixel_size" for x in ("", "x_", "y_"))]
    resolution, square, column, row = (units.length(h5.dataset(name)) for name in names)
    at_sample = units.pixel_size(resolution, resolution)
    pixel = units.pixel_size(row or square, column or square)
    magnification = units.number(h5.dataset(f"{DETECTION}/magnification")) or 1.0
    if pixel is not None and magnification > 0:
        (row_pitch, column_pitch), unit = pixel
        pixel = ((row_pitch / magnification, column_pitch / magnification), unit)
    else:
        pixel = None
    if at_sample or pixel:
        return at_sample, pixel, ()
    stated = [name for name in names if h5.find(name) is not None]
    return None, None, tuple(units.unknown_length(h5.find(name), name) for name in stated[:1])


def _distance(h5: SafeHDF5, name: str) -> float | None:
    """How far from the sample a part of the instrument stands in m; None where it is not stated.

    The format has metres where no unit is stated."""
    data = h5.dataset(f"/measurement/instrument/{name}/geometry/translation/distances")
    if data is None or data.size != 3 or data.dtype.kind not in "iuf":
        return None
    unit = units.length_unit(units.stated(data) or "m")
    far = float(np.linalg.norm(np.ravel(data[()]).astype(np.float64)))
    return far * units.LENGTHS[unit] if unit in units.LENGTHS and np.isfinite(far) else None


def _other_groups(h5: SafeHDF5, taken: str) -> tuple[str, ...]:
    others = [
        f"/{name}"
        for name in h5.file
        if isinstance(name, str) and f"/{name}".startswith(GROUP) and f"/{name}" != taken
    ]
    held = [name for name in others if h5.find(f"{name}/data") is not None]
    choose = f"choose with {h5.path.name}::{held[0]}" if held else ""
    return (f"scans in {', '.join(held)}; {choose}",) if held else ()
