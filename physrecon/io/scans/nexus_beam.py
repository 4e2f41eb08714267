"""Counts of the open beam, frame by frame: a monitor, and the counting times.

A detector counts c = d + b · T, where T is the transmission and b, the open beam, is the product of
the beam's intensity and the counting time.  NXtomo stores a monitor of the beam in `control/data`
(nxtomo writes the current of the electrons there) and the times in `count_time`.  A monitor with a
unit of current is an intensity; any other is taken as counts in the time of the frame.  A few
values that are no positive numbers are NaN here; `reading.with_whole_beam` fills them."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.io import units
from physrecon.io.hdf5_safety import object_id, text
from physrecon.io.scans.nexus_entries import Detector

Index = NDArray[np.intp]
Values = NDArray[np.float64]

SAME = 1e-6  # relative differences below this are those of rounding
CURRENTS = {"a", "ma", "ua", "µa", "na", "ampere", "amperes", "milliampere", "milliamperes"}


@dataclass(frozen=True)
class Beam:
    """Counts of the open beam in the views and in the flats, in any unit; NaN where unknown.

    None if the file states none, or the same for all."""

    counts: tuple[Values, Values] | None
    notes: tuple[str, ...]
    unused: tuple[str, ...]


def measured(detector: Detector, views: Index, flats: Index, darks: Index) -> Beam:
    """The open beam as the file states it.  views, flats, darks: numbers of these frames."""
    kinds, used = (views, flats), np.concatenate([views, flats])
    notes: list[str] = []
    unused: list[str] = []
    monitor, path, current = _monitor(detector, kinds, unused)
    times = _per_frame(detector, f"{detector.group}/count_time", "counting time", kinds, unused)
    if times is not None and len(darks) and _differ(times[np.concatenate([darks, views])]):
        unused.append(
            f"counting time of the darks, {_range(times[darks])}, where that of the projections is "
            f"{_range(times[views])}: the dark level is not scaled"
        )
    if times is not None and not _differ(times[used]):
        times = None
    open_beam = np.ones(detector.frames)
    if monitor is not None:
        open_beam *= monitor
        notes.append(f"beam monitor: counts are divided by {path}, {_range(monitor[used])}")
    if times is not None and (monitor is None or current):
        open_beam *= times
        notes.append(
            f"counting time: counts are divided by it, {_range(times[views])} for projections, "
            f"{_range(times[flats])} for flats"
        )
    elif times is not None:
        unused.append(f"counting times: the monitor {path} is taken to have counted as long")
    if notes and not len(flats):
        unused.append(
            "beam of the views (monitor, counting times): there are no flats to relate it to"
        )
    if not notes or not len(flats):
        return Beam(None, (), tuple(unused))
    return Beam((open_beam[views], open_beam[flats]), tuple(notes), tuple(unused))


def _monitor(
    detector: Detector, kinds: tuple[Index, Index], unused: list[str]
) -> tuple[Values | None, str, bool]:
    """(the monitor of the frames, its path, whether it is a current); None if it tells nothing.

    What other monitors tell goes to `unused`."""
    path, used = f"{detector.entry}/control/data", np.concatenate(kinds)
    values = _per_frame(detector, path, "beam monitor", kinds, unused)
    seen = {object_id(detector.data)}
    if isinstance(detector.nodes.get(path), h5py.Dataset):
        seen.add(object_id(detector.nodes[path]))
    for other in _other_monitors(detector):
        node = detector.nodes[other]
        if object_id(node) in seen:
            continue
        seen.add(object_id(node))
        found = detector.values(other)
        if found is not None and found.size == detector.frames and _differ(found[used]):
            unused.append(f"beam monitor {other}, {_range(found[used])}; control/data would be")
    if values is None or not _differ(values[used]):
        return None, path, False
    unit = units.stated(detector.nodes[path]).lower()
    return values, path, unit in CURRENTS


def _other_monitors(detector: Detector) -> list[str]:
    """Arrays of further monitors of the entry: NXmonitor groups, and the diode of older files."""
    found = []
    for path, node in detector.nodes.items():
        group, _, name = path.rpartition("/")
        if name != "data" or not path.startswith(f"{detector.entry}/"):
            continue
        attrs = detector.nodes[group].attrs if group in detector.nodes else {}
        monitor = text(attrs.get("NX_class", "")) == "NXmonitor"
        if isinstance(node, h5py.Dataset) and (monitor or group.rpartition("/")[2] == "diode"):
            found.append(path)
    return found


def _per_frame(
    detector: Detector, path: str, name: str, kinds: tuple[Index, Index], unused: list[str]
) -> Values | None:
    """One positive number per frame, or None; what cannot be used goes to `unused`.

    Other numbers are NaN if at least half of the frames of each kind, views and flats, have one."""
    values = detector.values(path)
    if values is None or values.size == 1:
        return None
    if values.size != detector.frames:
        unused.append(f"{name} {path}: {values.size} values for {detector.frames} frames")
        return None
    values = values.astype(np.float64)
    good = np.isfinite(values) & (values > 0)
    if any(2 * np.count_nonzero(good[kind]) < kind.size for kind in kinds):
        used = np.concatenate(kinds)
        bad = np.count_nonzero(~good[used])
        unused.append(f"{name} {path}: {bad} of {used.size} values are no positive numbers")
        return None
    return np.where(good, values, np.nan)


def _differ(values: NDArray) -> bool:
    finite = values[np.isfinite(values)]
    return finite.size > 0 and float(np.ptp(finite)) > SAME * float(np.abs(finite).max())


def _range(values: NDArray) -> str:
    if not np.isfinite(values).any():
        return "unknown"
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return f"{low:.4g}" if high - low <= SAME * abs(high) else f"{low:.4g} to {high:.4g}"
