"""The rotation axis of a fan or a cone beam, from rays that are measured twice.

With the axis on column c, the ray of column u has the fan angle γ(u - c).  The ray (β, γ) and its
conjugate (β + π - 2γ, -γ), in column 2c - u of another view, are one line, in the plane of the
source.  For every column c the rays of all views are compared with their conjugates, interpolated
between views and columns; the axis is where the overlap is explained best, and within that where
the mean square of the difference is least.

A full turn measures every ray twice, a short scan (a half turn and the fan) some of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from physrecon.cancellation import cancellation_point
from physrecon.errors import DataError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.preprocess.axis_estimators import FAINT, LEAST_OVERLAP, SECTORS, WIDEST_GAP, peak
from physrecon.preprocess.coverage import cut_off_edges
from physrecon.preprocess.rotation_axis import LEAST, SIGMAS, UNKNOWN, Center, average_views

Array = NDArray[np.float64]

METHOD = "conjugate rays"
BIAS = 0.05  # columns, without noise: by interpolation, and by rows off the plane of the source
COARSE = 128  # columns of the first search
NEAR, FINE_STEP = 3.0, 0.25  # columns about the first answer, in steps
MOST_VIEWS = 180  # whose rays are compared; their conjugates may be in any view
PLANE = 0.02  # of the rows of a cone beam on either side of the plane of the source
WIDEST_STEP = np.deg2rad(20)  # between neighbouring views; their interpolation tells less beyond
LEAST_SHARE = 0.01  # of all rays that must have a conjugate


def plane_rows(scan: FanBeam | ConeBeam) -> slice:
    """The rows that hold pairs of rays: those near the plane of the source, or all of a fan.

    Raises DataError for a detector that does not reach the plane."""
    rows = scan.shape[1]
    if isinstance(scan, FanBeam):
        return slice(0, rows)
    near = np.abs(np.arange(rows) - scan.axis_row) <= max(PLANE * rows, 0.75)
    chosen = np.flatnonzero(near)
    if not chosen.size:
        raise DataError(
            "find_center: expected rows in the plane of the source, got row "
            f"{scan.axis_row:.1f} of {rows}; check row_offset, or give the center"
        )
    return slice(int(chosen[0]), int(chosen[-1]) + 1)


def axis_of_plane(plane: Array, angles_rad: Array, scan: FanBeam | ConeBeam) -> Center:
    """The axis from views (views, columns) of the plane of the source, in any order.

    scan: whose pixels, distances and detector are used.  Raises DataError."""
    sinogram, angles, turn = _sorted(plane, angles_rad, scan)
    columns = sinogram.shape[1]
    if np.ptp(sinogram) == 0:
        raise DataError("find_center: expected views that show an object, got constant ones")
    factor = -(-columns // COARSE)
    small = sinogram[:, : columns // factor * factor].reshape(len(angles), -1, factor).mean(axis=2)
    search = np.arange(0.0, small.shape[1] - 0.5, 0.5)
    gain = _gain(*compared(small, angles, turn * factor, search).sum(axis=1))
    if not np.isfinite(gain).any():
        raise DataError(
            "find_center: expected rays that two views measure, got none; scan a full turn, or "
            "give the column of the axis with --center"
        )
    first = search[int(np.nanargmax(gain))] * factor + (factor - 1) / 2
    reach = max(NEAR, 2.0 * factor)
    trial = first + np.arange(-reach, reach + FINE_STEP / 2, FINE_STEP)
    sectors = compared(sinogram, angles, turn, trial)
    place, noise = place_of_least(sectors)
    column = float(trial[0] + FINE_STEP * place)
    uncertainty = max(SIGMAS * float(np.hypot(FINE_STEP * noise, BIAS)), LEAST)
    if not 0 < place < len(trial) - 1 or not uncertainty <= max(UNKNOWN * columns, 2.0):
        raise DataError(
            f"find_center: expected views that tell the axis, got {METHOD} {column:.1f} ± "
            f"{uncertainty:.1f}; give the column of the axis with --center"
        )
    return Center(column, uncertainty, {METHOD: column}, (), _notes(sinogram, angles))


def place_of_least(sectors: Array) -> tuple[float, float]:
    """(index of the best column, its standard error by the jackknife over sectors of views).

    Leaving a sector out weighs it by what it tells: most of the views of a short scan tell
    nothing.  Either ray of a pair may be in another sector, so a sector counts half."""
    total = sectors.sum(axis=1)
    without = [peak(_likeness(*(total - sectors[:, s]))) for s in range(SECTORS)]
    spread = np.sum((np.array(without) - np.mean(without)) ** 2) * (SECTORS - 1) / SECTORS
    return peak(_likeness(*total)), float(np.sqrt(2 * spread))


def _notes(sinogram: Array, angles: Array) -> list[str]:
    notes = []
    if np.diff(angles, append=angles[0] + 2 * np.pi).max() > _widest(angles):
        notes.append(
            "only a part of the rays is measured twice (short scan), so the axis is less certain; "
            "look at the slice"
        )
    if any(cut_off_edges(sinogram)):
        notes.append(
            "the object reaches the edge of the detector, so the axis is less certain; look at the "
            "slice"
        )
    return notes


def _sorted(plane: Array, angles_rad: Array, scan: Any) -> tuple[Array, Array, float]:
    """(smooth views in the order of their angles, the angles, fan angle of a column).

    The fan angle is negative on a curved detector, whose columns have equal ones."""
    if not np.isfinite(plane).all():
        raise DataError("find_center: expected finite line integrals, got NaN or inf")
    views, angles = average_views(plane[:, np.newaxis], angles_rad)
    order = np.argsort(angles, kind="stable")
    turn = scan.column_pitch / scan.source_detector
    width = max(1.0, plane.shape[1] / 320)
    smooth = gaussian_filter1d(views[order, 0], width, axis=1, mode="nearest")
    return smooth, angles[order], -turn if scan.bend else turn


def compared(sinogram: Array, angles: Array, turn: float, trial: Array) -> Array:
    """(4, SECTORS, n) of every column of the axis and sector of the views: number of pairs, their
    energy, the square of their differences, and the number that counts as an overlap."""
    views, columns = sinogram.shape
    step = max(-(-views // MOST_VIEWS), 1)
    first = np.arange(0, views, step)
    sums = np.zeros((4, SECTORS, len(trial)))
    sector = np.arange(len(first)) * SECTORS // len(first)
    for k, center in enumerate(trial):
        cancellation_point()
        seen, p, q = _pairs(sinogram, angles, turn, center, first)
        mean = [(v * seen).sum() / max(seen.sum(), 1) for v in (p, q)]
        p, q = (p - mean[0]) * seen, (q - mean[1]) * seen
        each = (seen.sum(1), (p * p + q * q).sum(1), ((p - q) ** 2).sum(1))
        for total, number in zip(sums, each, strict=False):
            total[:, k] = np.bincount(sector, number, SECTORS)
    rays = np.bincount(sector, minlength=SECTORS) * columns
    sums[3] = np.maximum(LEAST_OVERLAP * LEAST_SHARE * rays, 1)[:, np.newaxis]
    return sums


def _gain(count: Array, energy: Array, rest: Array, least: Array) -> Array:
    """How much of the overlap is explained, as in `by_opposites`; NaN without one."""
    rays = least / (LEAST_OVERLAP * LEAST_SHARE)
    floor = FAINT * energy.max() * count / rays + 1e-300
    return np.where(count > least, count * np.log((energy + floor) / (rest + floor)), np.nan)


def _likeness(count: Array, energy: Array, rest: Array, least: Array) -> Array:
    """Minus the mean square of the difference; least without an overlap."""
    return np.where(count > least, -rest / np.maximum(count, 1), -np.inf)


def _widest(angles: Array) -> float:
    """Radians between views that a ray is interpolated from, at most."""
    step = float(np.median(np.diff(angles)))
    return max(WIDEST_GAP, 1.5 * step if step < WIDEST_STEP else 0.0)


def _pairs(
    sinogram: Array, angles: Array, turn: float, center: float, first: NDArray[np.intp]
) -> tuple[Array, Array, Array]:
    """(whether both are measured, rays, conjugates) of the first views, (n, columns) each."""
    columns = sinogram.shape[1]
    away = np.arange(columns) - center
    fan = np.arctan(away * turn) if turn > 0 else -away * turn
    other = 2 * center - np.arange(columns)
    left = np.clip(np.floor(other).astype(int), 0, columns - 2)
    part = other - left
    beta = np.mod(angles[first][:, None] + np.pi - 2 * fan, 2 * np.pi)
    after = np.searchsorted(angles, beta)
    before, behind = (after - 1) % len(angles), after % len(angles)
    gap = np.mod(angles[behind] - angles[before], 2 * np.pi)
    share = np.mod(beta - angles[before], 2 * np.pi) / np.maximum(gap, 1e-12)
    seen = (gap > 0) & (gap <= _widest(angles)) & (other >= 0) & (other <= columns - 1)

    def at(view: NDArray[np.intp]) -> Array:
        return (1 - part) * sinogram[view, left] + part * sinogram[view, left + 1]

    conjugate = (1 - share) * at(before) + share * at(behind)
    return seen.astype(np.float64), sinogram[first], np.where(seen, conjugate, 0.0)
