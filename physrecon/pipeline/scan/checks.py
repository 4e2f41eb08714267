"""Checks of a scan against its description, before hours of work.

A wrong unit of the angles, counts taken for line integrals or an axis out of sight give a
meaningless volume without any error."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physrecon.analytic.view_weights import HALF_TURN, missing_wedge
from physrecon.errors import ArgumentError, DataError
from physrecon.io import Scan
from physrecon.jobs.scan_job import ScanJob

NEAR = 0.01  # of a half turn; a span this near to π is no accident
FEW = 10  # views; so few may have wide gaps
HALF_MISSING = 90.0  # degrees; so much is told of few views, too
MOST_TURNS = 4
NEAR_AIR = 0.2  # of the transmission or the line integral of air
MOST_INTEGRAL = 50.0  # e⁻⁵⁰ of the beam is beyond any measurement
REACH = 0.5 + math.sqrt(0.5)  # half the detector and half the diagonal of the slice, in widths


def scan_warnings(job: ScanJob, scan: Scan) -> list[str]:
    """Warnings about the scan as the job describes it.

    Raises ArgumentError or DataError if it cannot be right."""
    if job.center != "auto":
        check_center("center", float(job.center), scan.shape[2])
    direct = "fbp" if scan.beam_kind == "parallel" else "fdk"
    return [*angle_warnings(scan.angles, scan.angle_unit, direct), *_kind_warnings(job, scan)]


def angle_warnings(angles: NDArray[np.float64], unit: str, direct: str = "fbp") -> list[str]:
    """Warnings about the angles: a span that does not fit their unit, or a single direction.

    direct: the method of filtered backprojection for the beam."""
    views, span = len(angles), float(np.ptp(angles))
    spans = (span, span * views / max(views - 1, 1))  # with the end of the range, and without it
    found = []
    turns = [n for n in (1, 2) for s in spans if abs(s / (n * np.pi) - 1) < NEAR]
    if unit == "deg" and views > FEW and turns:
        found.append(
            f"angles: {views} views within {span:.4g}°, which is {'π' if turns[0] == 1 else '2π'}; "
            "if they are radians, pass --angle-unit rad"
        )
    if unit == "rad" and span > MOST_TURNS * 2 * np.pi:
        found.append(
            f"angles: {views} views over {span:.4g} rad, which is {span / 2 / np.pi:.3g} turns; "
            "if they are degrees, pass --angle-unit deg"
        )
    radians = np.deg2rad(angles) if unit == "deg" else angles
    if one_direction(radians):
        seen = "a single view" if views == 1 else f"all {views} views look along one line"
        found.append(f"angles: {seen}; the volume will show streaks, not slices")
    elif not found:
        wedge, between = missing_wedge(radians)
        missing, ends = np.rad2deg(wedge), np.rad2deg(between)
        if wedge >= HALF_TURN:
            found.append(
                f"angles: all {views} views look along nearly one line; the volume will show "
                "streaks, not slices"
            )
        elif missing and (views > FEW or missing > HALF_MISSING):
            found.append(
                f"angles: a wedge of {missing:.3g}° is missing, no view looks between "
                f"{ends[0]:.4g}° and {ends[1]:.4g}°; edges along it are blurred, and values of "
                f"{direct} are right on average only"
            )
    return found


def one_direction(radians: NDArray[np.float64]) -> bool:
    """Whether all views look along the same line, forth or back."""
    return bool(np.abs(np.exp(2j * radians) - np.exp(2j * radians[0])).max() < 1e-3)


def check_center(where: str, center: float, columns: int) -> None:
    """Raise ArgumentError for an axis so far off that no ray crosses any slice."""
    middle, reach = (columns - 1) / 2, REACH * columns
    if not abs(center - middle) < reach:
        raise ArgumentError(
            f"{where}: expected an axis that the {columns} columns can see, {middle - reach:.0f} … "
            f"{middle + reach:.0f}, got {center:g}; give the column of the axis, counted from 0"
        )


def _kind_warnings(job: ScanJob, scan: Scan) -> list[str]:
    """Warnings about data that are said to be no counts; DataError if they are for certain."""
    if not (job.line_integrals or job.transmission):
        return []
    name = "line integrals" if job.line_integrals else "transmission"
    other = "transmission" if job.line_integrals else "line integrals"
    flag, other_flag = (f"--{kind.replace(' ', '-')}" for kind in (name, other))
    views, rows, columns = scan.shape
    lines = np.stack([scan.projections[view, rows // 2] for view in {0, views // 2, views - 1}])
    lines = np.where(np.isfinite(lines), lines, np.nan).astype(np.float64)
    values = lines[np.isfinite(lines)]
    usual = float(np.median(values)) if values.size else 0.0
    flats, whole = len(scan.flats), np.dtype(scan.dtype).kind in "iu"
    if flats and (whole or usual > MOST_INTEGRAL):
        raise DataError(
            f"{scan.path.name}: expected {name} for {flag}, got values around "
            f"{usual:.4g} and {flats} flats, which are counts; drop {flag}"
        )
    if flats:
        return [
            f"{name}: the file holds {flats} flats, as for raw counts; "
            f"drop {flag} unless the data are {'' if job.transmission else '-log of '}"
            "transmissions already"
        ]
    if usual > MOST_INTEGRAL:
        return [
            f"{name}: a median of {usual:.4g} is more than any beam gets through; if the "
            f"data are counts, drop {flag}"
        ]
    some = max(1, columns // 50)
    edge = _median(np.concatenate([lines[:, :some], lines[:, -some:]], axis=1))
    inside = _median(lines[:, columns // 4 : -(columns // 4) or None])
    air = 1.0 if job.line_integrals else 0.0  # what air is in the other kind of data
    if abs(edge - air) < NEAR_AIR and (inside - edge) * (0.5 - air) > NEAR_AIR / 4:
        return [
            f"{name}: values of {edge:.3g} at the edges of the detector and {inside:.3g} inside "
            f"look like {other}, and the volume would be inverted; pass {other_flag} instead"
        ]
    return []


def _median(values: NDArray[np.float64]) -> float:
    found = values[np.isfinite(values)]
    return float(np.median(found)) if found.size else math.nan
