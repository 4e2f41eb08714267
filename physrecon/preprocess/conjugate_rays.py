"""The rotation axis of a fan or a cone beam, from rays that are measured twice.

With the axis on column c, the ray of column u has the fan angle γ(u - c).  The ray (β, γ) and its
conjugate (β + π - 2γ, -γ), in column 2c - u of another view, are one line, in the plane of the
source.  For every column c the rays of all views are compared with their conjugates, interpolated
between views and columns; the axis is where the overlap is explained best, and within that where
the mean square of the difference is least.

A full turn measures every ray twice.  A short scan (a half turn and the fan) measures some twice,
and these tell the axis less well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from physrecon import arrays
from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError, DataError, brief
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
LEAST_SHARE = 0.01  # of all rays that must have a conjugate


def find_fan_center(line_integrals: ArrayLike, scan: FanBeam | ConeBeam) -> Center:
    """Find the column of the rotation axis of a fan or cone beam, and how well it is known.

    A cone beam is compared in the plane of its source alone, so its row_offset must be right within
    a few rows.  A roll of the detector moves the column by as much as the plane is off the middle
    row; `pr.align` with free=("center", "roll") finds both.

    Args:
        line_integrals: (views, rows, columns), finite.
        scan: their geometry; its center is not used.
    Returns:
        Center: column and ±, as of `find_center`.
    Raises:
        ArgumentError: for another kind of scan or shape.
        DataError: NaN, no object, no rays that are measured twice, or an axis that these views do
            not tell.

    Example:
        >>> scan = pr.FanBeam(np.arange(0, 360, 4), (1, 65), angle_unit="deg", pixel_size=0.5,
        ...                   source_origin=40, source_detector=80, center=33.4)
        >>> x = np.zeros((1, 65, 65), np.float32)
        >>> x[0, 20:30, 25:50] = 1
        >>> found = pr.find_fan_center(pr.Projector(scan) @ x, scan.with_center(32))
        >>> round(found.column, 1), found.uncertainty < 0.5
        (33.4, True)
    """
    sinogram, angles, turn = _plane(line_integrals, scan)
    columns = sinogram.shape[1]
    if np.ptp(sinogram) == 0:
        raise DataError("find_fan_center: expected views that show an object, got constant ones")
    factor = -(-columns // COARSE)
    small = sinogram[:, : columns // factor * factor].reshape(len(angles), -1, factor).mean(axis=2)
    search = np.arange(0.0, small.shape[1] - 0.5, 0.5)
    gain = _compare(small, angles, turn * factor, search, _gain)[0]
    if not np.isfinite(gain).any():
        raise DataError(
            "find_fan_center: expected rays that two views measure, got none; scan a full turn, or "
            "give the column of the axis with --center"
        )
    first = search[int(np.nanargmax(gain))] * factor + (factor - 1) / 2
    reach = max(NEAR, 2.0 * factor)
    trial = first + np.arange(-reach, reach + FINE_STEP / 2, FINE_STEP)
    total, sectors = _compare(sinogram, angles, turn, trial, _likeness)
    column = trial[0] + FINE_STEP * peak(total)
    known = [trial[0] + FINE_STEP * peak(s) for s in sectors if np.isfinite(s).all()]
    noise = float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 2 else NEAR
    uncertainty = max(SIGMAS * float(np.hypot(noise, BIAS)), LEAST)
    if not 0 < peak(total) < len(trial) - 1 or uncertainty > max(UNKNOWN * columns, 2.0):
        raise DataError(
            f"find_fan_center: expected views that tell the axis, got {METHOD} {column:.1f} ± "
            f"{uncertainty:.1f}; give the column of the axis with --center"
        )
    return Center(float(column), uncertainty, {METHOD: float(column)}, (), _notes(sinogram, known))


def _notes(sinogram: Array, known: list[float]) -> list[str]:
    notes = []
    if len(known) < SECTORS:
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


def _plane(line_integrals: ArrayLike, scan: Any) -> tuple[Array, Array, float]:
    """((views, columns) in the plane of the source, angles in order, fan angle of a column).

    The fan angle is negative on a curved detector, whose columns have equal ones."""
    if not isinstance(scan, FanBeam | ConeBeam):
        raise ArgumentError(
            f"find_fan_center.scan: expected a FanBeam or a ConeBeam, got {brief(scan)}; of "
            "parallel beams pr.find_center finds the axis"
        )
    y = arrays.plain("find_fan_center(line_integrals)", line_integrals)
    if y.shape != scan.shape or min(y.shape[0] - 3, y.shape[1], y.shape[2] - 7) < 1:
        raise ArgumentError(
            f"find_fan_center: expected line integrals {scan.shape}, of at least 4 views and 8 "
            f"columns, got {y.shape}"
        )
    rows = np.arange(y.shape[1])
    chosen = np.ones(len(rows), bool)
    if isinstance(scan, ConeBeam):
        chosen = np.abs(rows - scan.axis_row) <= max(PLANE * len(rows), 0.75)
        if not chosen.any():
            raise DataError(
                "find_fan_center: expected rows in the plane of the source, got row "
                f"{scan.axis_row:.1f} of {len(rows)}; check row_offset, or give the center"
            )
    mean = y[:, chosen].mean(axis=1, dtype=np.float64, keepdims=True)
    if not np.isfinite(mean).all():
        raise DataError("find_fan_center: expected finite line integrals, got NaN or inf")
    views, angles = average_views(mean, scan.radians)
    order = np.argsort(angles, kind="stable")
    turn = scan.column_pitch / scan.source_detector
    smooth = gaussian_filter1d(
        views[order, 0], max(1.0, y.shape[2] / 320), axis=1, mode="nearest"
    )  # fmt: skip
    return smooth, angles[order], -turn if scan.bend else turn


def _compare(
    sinogram: Array, angles: Array, turn: float, trial: Array, score: Any
) -> tuple[Array, Array]:
    """Score of every column of the axis, of all views (n,) and of sectors of them (SECTORS, n)."""
    views, columns = sinogram.shape
    step = max(-(-views // MOST_VIEWS), 1)
    first = np.arange(0, views, step)
    sums = np.zeros((3, SECTORS, len(trial)))
    sector = np.arange(len(first)) * SECTORS // len(first)
    for k, center in enumerate(trial):
        cancellation_point()
        seen, p, q = _pairs(sinogram, angles, turn, center, first)
        mean = [(v * seen).sum() / max(seen.sum(), 1) for v in (p, q)]
        p, q = (p - mean[0]) * seen, (q - mean[1]) * seen
        each = (seen.sum(1), (p * p + q * q).sum(1), ((p - q) ** 2).sum(1))
        for total, number in zip(sums, each, strict=True):
            total[:, k] = np.bincount(sector, number, SECTORS)
    least = max(LEAST_OVERLAP * LEAST_SHARE * len(first) * columns, 1)
    whole = score(*sums.sum(axis=1), len(first) * columns, least)
    return whole, np.stack(
        [score(*sums[:, s], len(first) * columns, least) for s in range(SECTORS)]
    )


def _gain(count: Array, energy: Array, rest: Array, rays: int, least: float) -> Array:
    """How much of the overlap is explained, as in `by_opposites`; NaN without one."""
    floor = FAINT * energy.max() * count / rays + 1e-300
    return np.where(count > least, count * np.log((energy + floor) / (rest + floor)), np.nan)


def _likeness(count: Array, energy: Array, rest: Array, rays: int, least: float) -> Array:
    return np.where(count > least, -rest / np.maximum(count, 1), np.nan)


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
    seen = (gap > 0) & (gap <= WIDEST_GAP) & (other >= 0) & (other <= columns - 1)

    def at(view: NDArray[np.intp]) -> Array:
        return (1 - part) * sinogram[view, left] + part * sinogram[view, left + 1]

    conjugate = (1 - share) * at(before) + share * at(behind)
    return seen.astype(np.float64), sinogram[first], np.where(seen, conjugate, 0.0)
