"""The width of the slices: does the detector see the whole object, and with what does it see it?

An object that the detector cuts off lifts the values of all slices.  Opposite views of a full turn
complete what one edge cuts off (half acquisition).  What no view sees needs --padding edge in fbp,
and a grid wider than the detector in iterative methods."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physrecon.analytic.view_weights import FULL_TURN, full_turn, missing_wedge
from physrecon.catalog import DIRECT
from physrecon.errors import DataError
from physrecon.io import Scan
from physrecon.io.scans.setup import TurningGeometry
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.scan.resolve import axis_of, sample
from physrecon.preprocess.coverage import cut_off_edges, object_reach
from physrecon.preprocess.rotation_axis import Center

VIEWS = 48  # that are looked at; few, so that a plan reads little
FAINT = 0.05  # of the fullest row; a row with less holds next to nothing


@dataclass(frozen=True)
class Coverage:
    """What a few views of a few rows show.

    left, right: the edge of the detector cuts the object off.  turn: a full turn of views.
    center: column of the axis, given or that of `axis`, which is searched only if the width depends
    on it; None if it does not.  reach: columns from the axis up to which the object may reach."""

    left: bool
    right: bool
    turn: bool
    center: float | None = None
    axis: Center | None = None
    reach: float = 0.0

    @property
    def cut_off(self) -> bool:
        return self.left or self.right

    def completed(self, geometry: TurningGeometry) -> bool:
        """Whether opposite views see all that the edges cut off."""
        if not self.turn or self.center is None:
            return False
        middle = (geometry.shape[2] - 1) / 2
        return self.left != self.right and (self.center < middle) == self.left


def look(job: ScanJob, scan: Scan) -> Coverage | None:
    """The coverage of the whole scan, so that a part of it has the same slices; None if no row
    can be read or corrected, which is said when the data are read in earnest."""
    geometry = scan.geometry
    if scan.beam_kind in ("tilted", "helical"):
        return None  # of their views most end in the object, along the axis
    some = np.unique(np.linspace(0, len(geometry) - 1, VIEWS).astype(int))
    try:
        y, radians = sample(job, scan, slice(0, scan.shape[1]), some)
    except DataError:
        return None
    content = y.mean(axis=0).var(axis=1)
    rows = [y[:, r] for r in np.flatnonzero(content > FAINT * content.max())]
    cut = [cut_off_edges(row) for row in rows]
    left, right = (any(edge) for edge in zip(*cut, strict=True)) if cut else (False, False)
    found = Coverage(left, right, full_turn(geometry.radians))
    if not found.cut_off or not (found.turn or job.method not in DIRECT):
        return found
    axis, center = None, 0.0
    if job.center != "auto":
        center = float(job.center)
    else:
        axis = axis_of(job, scan)
        center = round(axis.column, 2)
    cut_rows = [row for row, edge in zip(rows, cut, strict=True) if any(edge)]
    reach = max(object_reach(row, radians, center) for row in cut_rows)
    return Coverage(left, right, found.turn, center, axis, reach)


def width(job: ScanJob, scan: Scan, found: Coverage | None) -> int:
    """Voxels of a slice along y and x."""
    columns = scan.shape[2]
    if job.width != "auto":
        return int(job.width)
    if found is None or found.center is None:
        return columns
    geometry = scan.geometry.with_center(found.center)
    wide = geometry.turn_width if found.turn else columns
    if job.method not in DIRECT and not found.completed(geometry):
        more = math.ceil(found.reach - (columns - 1) / 2)
        wide = max(wide, columns + 2 * more)
    return wide


def coverage_warnings(job: ScanJob, scan: Scan, found: Coverage | None) -> list[str]:
    """A sentence if the detector cuts the object off: what follows, and what was chosen."""
    if found is None or not found.cut_off:
        return []
    sides = [side for side, cut in (("left", found.left), ("right", found.right)) if cut]
    seen = f"detector: the object is cut off at the {' and the '.join(sides)} edge"
    n, chosen = width(job, scan, found), "" if job.width == "auto" else " (given)"
    size = f"slices are {n} × {n} voxels{chosen}"
    if found.completed(scan.geometry):
        told = [f"{seen}; opposite views of the full turn complete it (half acquisition); {size}"]
        missing, ends = missing_wedge(scan.geometry.radians, FULL_TURN)
        if missing:
            first, last = np.rad2deg(ends)
            told.append(
                f"angles: no view looks between {first:.4g}° and {last:.4g}°, and half acquisition "
                "needs the full turn: values are wrong along the rays of the long side that are "
                "missing"
            )
        return told
    if job.method not in DIRECT:
        if n <= scan.shape[2]:
            return [f"{seen}; values are too high unless --width gives its outside room; {size}"]
        return [f"{seen}; its outside has room, as {size}; values are approximate"]
    if job.padding == "zero":
        return [f"{seen}; values are too high: pass --padding edge; {size}"]
    return [f"{seen}; values are approximate, with --padding edge; {size}"]
