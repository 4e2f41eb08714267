"""What tomoscan, the acquisition program of the Advanced Photon Source, leaves in `/process`.

The groups of `/process/acquisition` hold the settings of a scan: `rotation` its first angle, the
step and the number of views; `dark_fields` and `flat_fields` the level that stands for frames which
were not taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physrecon.io import units
from physrecon.io.hdf5_safety import SafeHDF5
from physrecon.io.scans.frames import Frames, level_frame, no_frames

ACQUISITION = "/process/acquisition"


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
        notes = [f"angles: from rotation_start and rotation_step of {ACQUISITION}: {first}, …"]
        if self.count not in (None, views):
            notes.append(f"angles: num_angles is {self.count}, the file has {views} views")
        return found, tuple(notes)


def rotation(h5: SafeHDF5) -> Rotation | None:
    """The rotation that was set, or None if the file does not state it."""
    group = f"{ACQUISITION}/rotation"
    start, step, count = (
        h5.dataset(f"{group}/{name}") for name in ("rotation_start", "rotation_step", "num_angles")
    )
    first, by, views = units.number(start), units.number(step), units.number(count)
    if first is None or not by:
        return None
    total = None if views is None else int(views)
    return Rotation(first, by, units.stated(step) or units.stated(start), total)


def constant(h5: SafeHDF5, kind: str, projections: Frames) -> tuple[Frames, tuple[str, ...]]:
    """One frame of the level that stands for "dark" or "flat" frames, and a note; else none."""
    path = f"{ACQUISITION}/{kind}_fields/{kind}_field_value"
    level = units.number(h5.dataset(path))
    if not level or level < 0:
        return no_frames(projections), ()
    note = f"{kind}s: none; the constant {kind}_field_value = {level:g} stands for them"
    return level_frame(level, projections), (note,)
