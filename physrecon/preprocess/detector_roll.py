"""The roll of the detector of a cone beam, from rays that are measured twice.

Rays in the plane of the source have conjugates, others have not.  That plane meets a detector that
is rolled by ρ about the central ray in the line

    row = row of the source - (column - center) · tan ρ · column pitch / row pitch,

and the views along the right line agree best with their conjugates (`conjugate_rays`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from physrecon.cancellation import cancellation_point
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.preprocess.conjugate_rays import COARSE, compared, place_of_least
from physrecon.preprocess.rotation_axis import SIGMAS, Center, average_views

Array = NDArray[np.float64]

MOST = np.deg2rad(3.0)  # on either side
ROWS, VIEWS = 64, 360  # that are looked at, at most
SMOOTH = 1.0  # rows that are looked at: interpolation between them must not change the noise
LINES = 61  # at most
BIAS = 0.1  # rows at the ends of the detector, without noise
ROUNDS = 4  # of roll and axis in turn
NEAR, STEP = 4, 0.25  # bins about the axis
DOUBT = 1 / 3  # of the largest roll; a less certain one is not told


def rows_for_roll(scan: ConeBeam) -> slice:
    """Some rows about the plane of the source, that hold all lines that are tried."""
    rows, columns = scan.shape[1:]
    reach = np.tan(MOST) * columns / 2 * scan.column_pitch / scan.row_pitch + 2
    first = max(int(np.floor(scan.axis_row - reach)), 0)
    last = min(int(np.ceil(scan.axis_row + reach)) + 1, rows)
    if last - first < 2:
        return slice(0, 0)
    return slice(first, last, -(-(last - first) // ROWS))


def views_for_roll(views: int) -> slice:
    """Some of the views."""
    return slice(0, views, -(-views // VIEWS))


def with_roll(found: Center, band: Any, rows: slice, angles_rad: Any, scan: ConeBeam) -> Center:
    """The axis with the roll of the detector, where the data tell it.

    found: the axis of the row of the source, which leans towards no roll; of a detector that is
    rolled it is found anew.  band: (views, n, columns) of `rows_for_roll`, views of
    `views_for_roll` with their angles."""
    told = _roll(band, rows, angles_rad, scan, found.column)
    if told is None:
        return found
    roll, error, column = told
    unit = np.rad2deg(1.0) if scan.angle_unit == "deg" else 1.0
    found = replace(found, roll=float(roll * unit), roll_uncertainty=float(error * unit))
    if abs(roll) < error:
        return found
    moved = abs(column - found.column)
    methods = dict.fromkeys(found.methods, column)
    return replace(found, column=column, methods=methods, uncertainty=max(found.uncertainty, moved))


def _roll(
    band: Any, rows: slice, angles_rad: Any, scan: ConeBeam, center: float
) -> tuple[float, float, float] | None:
    """(roll, ±) in radians and the column of the axis; None where the data do not tell it."""
    at = np.arange(rows.start, rows.stop, rows.step or 1)
    if len(at) < 2 or not np.isfinite(band).all() or np.ptp(band) == 0:
        return None
    views, angles = average_views(np.asarray(band), angles_rad)
    order = np.argsort(angles, kind="stable")
    columns = views.shape[2]
    factor = -(-columns // COARSE)
    small = views[order][..., : columns // factor * factor]
    small = small.reshape(len(order), len(at), -1, factor).mean(axis=3, dtype=np.float64)
    small = gaussian_filter1d(small, SMOOTH, axis=1, mode="nearest")
    away = (np.arange(small.shape[2]) + 0.5) * factor - 0.5 - center
    lift = away * scan.column_pitch / scan.row_pitch  # rows a radian
    # within the rows, and as far as the one side that is shorter has conjugates
    ends = min(abs(away[0]), abs(away[-1])) * scan.column_pitch / scan.row_pitch
    reach = min(scan.axis_row - at[0], at[-1] - scan.axis_row)
    most = min(float(MOST), float(np.arctan(reach / max(ends, 1.0))))
    step = max(1 / max(ends, 1.0), 2 * most / (LINES - 1))
    trial = step * np.arange(-int(most / step), int(most / step) + 1)
    if reach <= 0 or len(trial) < 3:
        return None
    turn = scan.column_pitch / scan.source_detector * factor
    bin_ = (center + 0.5) / factor - 0.5

    def pairs(roll: float, bins: Array) -> Array:
        line = _line(small, at, scan.axis_row - np.tan(roll) * lift)
        return compared(line, angles[order], -turn if scan.bend else turn / np.cos(roll), bins)

    place = noise = 0.0
    for _ in range(ROUNDS):  # an axis that is found in the row of the source leans to no roll
        sums = np.concatenate([pairs(roll, np.array([bin_])) for roll in trial], axis=2)
        place, noise = place_of_least(sums)
        near = bin_ + STEP * np.arange(-NEAR, NEAR + 1)
        bin_ = float(near[0] + STEP * place_of_least(pairs(trial[0] + step * place, near))[0])
    error = SIGMAS * step * float(np.hypot(noise, BIAS))
    if not 0 < place < len(trial) - 1 or error > DOUBT * most:
        return None
    return float(trial[0] + step * place), error, (bin_ + 0.5) * factor - 0.5


def _line(band: Array, at: NDArray[np.intp], heights: Array) -> Array:
    """(views, columns) of a band at one height a column, linear between its rows `at`."""
    cancellation_point()
    place = np.clip((heights - at[0]) / (at[1] - at[0]), 0, len(at) - 1)
    low = np.minimum(place.astype(int), len(at) - 2)
    part, u = place - low, np.arange(band.shape[2])
    return np.asarray((1 - part) * band[:, low, u] + part * band[:, low + 1, u])
