"""What tomoscan, the acquisition program of the Advanced Photon Source, leaves beside the frames.

The groups of `/process/acquisition` hold the settings of a scan: `rotation` its first angle, the
step and the number of views; `dark_fields` and `flat_fields` the level that stands for frames which
were not taken (one frame of zeros is stored then), and the counting time of the flats where it is
not that of the projections."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.io import units
from physrecon.io.hdf5_safety import SafeHDF5, text
from physrecon.io.scans.frames import Frames, level_frame

ACQUISITION = "/process/acquisition"
DETECTOR = "/measurement/instrument/detector"
FLAT_MODES = (  # "Same" or "Different"
    f"{ACQUISITION}/flat_fields/different_flat_exposure",
    f"{DETECTOR}/different_flat_exposure",
)
FLAT_TIMES = (
    f"{ACQUISITION}/flat_fields/flat_exposure_time",
    f"{DETECTOR}/exposure_time_flat",
    f"{DETECTOR}/brightfield_exposure_time",
)


@dataclass(frozen=True)
class Rotation:
    """Angles start + step · k of k = 0 … count − 1; count is None where it is not stated."""

    start: float
    step: float
    unit: str
    count: int | None

    def angles(self, views: int) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """(the angles of the views, notes)."""
        found: NDArray[np.float64] = self.start + self.step * np.arange(views, dtype=np.float64)
        first = ", ".join(f"{angle:.6g}" for angle in found[:3])
        notes = [f"angles: from start and step in {ACQUISITION}/rotation: {first}, …"]
        if self.count not in (None, views):
            notes.append(f"angles: num_angles is {self.count}, the file has {views} views")
        return found, tuple(notes)


def rotation(h5: SafeHDF5) -> Rotation | None:
    """The rotation that was set, or None if the file does not state it."""
    group = f"{ACQUISITION}/rotation"
    start, step = (
        _first(h5, f"{group}/rotation_{name}", f"{group}/{name}") for name in ("start", "step")
    )
    count = h5.dataset(f"{group}/num_angles")
    first, by, views = units.number(start), units.number(step), units.number(count)
    if first is None or not by:
        return None
    total = None if views is None else int(views)
    assert start is not None and step is not None
    return Rotation(first, by, units.stated(step) or units.stated(start), total)


def frames_or_level(
    h5: SafeHDF5, kind: str, frames: Frames, projections: Frames
) -> tuple[Frames, tuple[str, ...]]:
    """The "dark" or "flat" frames, or one frame of the level that stands for them, and a note."""
    level = units.number(h5.dataset(f"{ACQUISITION}/{kind}_fields/{kind}_field_value"))
    if not level or level < 0 or len(frames) > 1 or (len(frames) and frames[:].any()):
        return frames, ()
    note = f"{kind}s: none; the constant {kind}_field_value = {level:g} stands for them"
    return level_frame(level, projections), (note,)


def beam(
    h5: SafeHDF5, views: int, flats: int
) -> tuple[
    tuple[NDArray[np.float64], NDArray[np.float64]] | None, tuple[str, ...], tuple[str, ...]
]:
    """(counts of the open beam in views and flats by their counting times, or None; notes; facts
    that are not used)."""
    of_views = units.number(h5.dataset(f"{DETECTOR}/exposure_time"))
    of_flats = units.number(_first(h5, *FLAT_TIMES))
    if not of_views or not of_flats or min(of_views, of_flats) < 0 or of_views == of_flats:
        return None, (), ()
    mode = _word(_first(h5, *FLAT_MODES)).lower()
    times = f"{of_views:g} for projections, {of_flats:g} for flats"
    if mode == "same" or not flats:
        return None, (), ()
    if not mode:
        return None, (), (f"counting time: {times}, but not that they were taken so",)
    counts = np.full(views, of_views), np.full(flats, of_flats)
    return counts, (f"counting time: counts are divided by it, {times}",), ()


def _first(h5: SafeHDF5, *paths: str) -> h5py.Dataset | None:
    """The dataset at the first of the paths that has one."""
    return next((found for found in map(h5.dataset, paths) if found is not None), None)


def _word(node: h5py.Dataset | None) -> str:
    """The text in a dataset: a string, or the codes of its characters as EPICS writes them."""
    if node is None or not node.size:
        return ""
    values = np.ravel(node[()])
    if values.dtype.kind in "iu":
        return values.astype("u1").tobytes().split(b"\0")[0].decode("latin-1")
    return text(values)
