"""The rotation axis of a parallel-beam scan, by three methods that check each other.

`axis_estimators` explains them: correlation of opposite views, consistency of the whole sinogram,
and the path of the centre of mass.  This module prepares rows and views for them and compares their
results."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon import arrays
from physrecon.analytic.view_weights import full_turn
from physrecon.errors import ArgumentError, DataError
from physrecon.preprocess.axis_estimators import (
    by_consistency,
    by_correlation,
    by_mass,
    harmonics,
    opposite_views,
)
from physrecon.preprocess.coverage import cut_off_edges

Array = NDArray[np.float64]

MOST_VIEWS, MOST_GROUPS = 361, 8


@dataclass(frozen=True)
class Center:
    """Position of the rotation axis.

    column: 0-based detector column.  methods: column by each method that could be used.
    agreement: largest distance between two methods [columns], NaN with a single one.
    agrees: several methods, all within one column.  notes: sentences for the user."""

    column: float
    methods: dict[str, float]
    agreement: float
    agrees: bool
    notes: list[str] = field(default_factory=list)


def find_center(line_integrals: ArrayLike, angles_rad: ArrayLike) -> Center:
    """Find the detector column of the rotation axis, in the middle half of the detector.

    line_integrals (views, rows, columns) or (views, columns), finite; angles_rad (views,) in any
    order and range.  Adjacent rows are summed into at most 8 groups.  A method's result is the
    median of its estimates for the groups, weighted by content: rows of air do not count.  The
    column is the median of the three methods, that of mass without opposite views, or that of
    correlation if the object is wider than the detector.  Views of a full turn that the detector
    cuts off (half acquisition) are searched from edge to edge: correlation finds the place, and
    consistency the column.
    ArgumentError: shapes.  DataError: NaN, no object in any row, views of one direction only, or a
    result outside the middle half.

    >>> angles = np.deg2rad(np.arange(0, 360, 10))
    >>> middle = 16.5 + 6 * np.cos(angles)[:, None, None]  # a disc goes round column 16.5
    >>> y = np.sqrt(np.maximum(4**2 - (np.arange(33) - middle) ** 2, 0))
    >>> center = pr.find_center(y, angles)
    >>> round(center.column, 1), center.agrees
    (16.5, True)
    """
    sinograms, angles = average_views(*_checked(line_integrals, angles_rad))
    width = sinograms.shape[2]
    groups = _groups(sinograms)
    content = np.array([_content(g) for g in groups])
    if not content.max() > 0:
        raise DataError(
            "find_center: expected an object that varies along the detector, got constant views; "
            "give the column of the axis instead"
        )
    # a group far emptier than the fullest holds only noise
    seen = content > 0.05 * content.max()
    groups, content = [g for g, fit in zip(groups, seen, strict=True) if fit], content[seen]
    cut_off = any(cut_off_edges(reduce(np.add, groups)))
    opposite = opposite_views(angles)
    wide = cut_off and opposite is not None and full_turn(angles)

    columns = {}
    if opposite is not None:
        found = [by_correlation(g, *opposite, wide) for g in groups]
        columns["correlation"] = _weighted_median(found, content)
    # an axis off the middle half, with opposite views that complete each other
    off = columns["correlation"] if wide and _off(columns["correlation"], width) > 0 else None
    bases = harmonics(angles)
    found = [by_consistency(g, bases, cut_off, off) for g in groups]
    columns["consistency"] = _weighted_median(found, content)
    if not cut_off:
        columns["mass"] = _weighted_median([by_mass(g, angles) for g in groups], content)

    if off is not None:
        column, notes = columns["consistency"], [_half_acquisition(columns["consistency"], width)]
    else:
        column = _chosen(columns, cut_off)
        _refuse_out_of_range(column, width, columns)
        notes = _notes(angles, width, columns, opposite is None, cut_off, wide)
    apart = max(columns.values()) - min(columns.values()) if len(columns) > 1 else np.nan
    return Center(column, columns, float(apart), bool(apart <= 1.0), notes)


def _chosen(columns: dict[str, float], cut_off: bool) -> float:
    """The column of the axis from those of the methods."""
    if cut_off:  # opposite views still match where they overlap
        return columns.get("correlation", columns["consistency"])
    return float(np.median([*columns.values()])) if len(columns) > 2 else columns["mass"]


def _off(column: float, width: int) -> float:
    """Columns by which an axis lies outside the middle half of the detector; negative inside."""
    return abs(column - (width - 1) / 2) - width / 4


def _refuse_out_of_range(column: float, width: int, columns: dict[str, float]) -> None:
    """Raise DataError for an axis outside the searched columns."""
    middle, reach = (width - 1) / 2, width / 4 + 1
    if not _off(column, width) <= 1:
        answers = ", ".join(f"{name} {found:.2f}" for name, found in columns.items())
        raise DataError(
            f"find_center: expected an axis in the middle half of the detector, columns "
            f"{middle - reach:.0f} to {middle + reach:.0f}, got {answers}; check the unit of the "
            "angles, and give the column of the axis with --center"
        )


def _half_acquisition(column: float, width: int) -> str:
    shared = 2 * min(column, width - 1 - column) + 1
    return (
        "the axis is off the middle half of the detector (half acquisition), found from the "
        f"{max(shared, 0):.0f} columns that opposite views share; look at the slice"
    )


def _notes(
    angles: Array, width: int, columns: dict[str, float], short: bool, cut_off: bool, wide: bool
) -> list[str]:
    notes = []
    if short:
        notes.append(
            f"the views cover {np.rad2deg(_coverage(angles)):.0f}° of a half turn and hold no "
            "opposite pair, so the axis is less certain; look at the slice"
        )
    if cut_off:
        notes.append(
            "the object reaches the edge of the detector, so the axis is less certain; "
            "look at the slice"
        )
    if not wide and any(_off(c, width) > -1 for c in columns.values()):
        notes.append(
            "a method ended at the limit of the search, which is the middle half of the detector; "
            "give the column of the axis if it lies outside"
        )
    return notes


def _checked(line_integrals: ArrayLike, angles_rad: ArrayLike) -> tuple[NDArray, Array]:
    sinograms = arrays.plain("find_center(line_integrals)", line_integrals)
    angles = arrays.floats("find_center(angles_rad)", angles_rad)
    if sinograms.ndim == 2:
        sinograms = sinograms[:, np.newaxis]
    if sinograms.ndim != 3 or angles.shape != sinograms.shape[:1]:
        raise ArgumentError(
            "find_center: expected line integrals (views, rows, columns) and as many angles, got "
            f"shapes {sinograms.shape} and {angles.shape}"
        )
    if len(angles) < 4 or sinograms.shape[1] < 1 or sinograms.shape[2] < 8:
        raise ArgumentError(
            "find_center: expected at least 4 views, 1 row and 8 columns, got shape "
            f"{sinograms.shape}; give the column of the axis instead"
        )
    if np.abs(np.exp(2j * angles) - np.exp(2j * angles[0])).max() < 1e-3:
        raise DataError(
            "find_center: expected views of different directions, got one direction "
            f"{len(angles)} times; check the angles, or give the column of the axis with --center"
        )
    return sinograms, angles


def average_views(line_integrals: NDArray, angles_rad: Array) -> tuple[NDArray, Array]:
    """Means of views adjacent in angle, at most 361 of them, and their angles.

    (views, rows, columns), float32 for float32, and (views,) in radians.  They suffice to
    find the axis, in a fraction of the memory."""
    turned = np.mod(angles_rad, 2 * np.pi)
    members = _neighbours(turned)
    dtype = np.result_type(line_integrals, np.float32)
    means = np.empty((len(members), *line_integrals.shape[1:]), dtype=dtype)
    for mean, some in zip(means, members, strict=True):
        mean[...] = line_integrals[some].mean(axis=0, dtype=np.float64)
    return means, turned[members].mean(axis=1)


def _neighbours(turned: Array) -> NDArray:
    """Indices (n, views) of groups of views adjacent in angle, [0, 2π); n is at most 361."""
    order = np.argsort(turned, kind="stable")
    size = -(-len(turned) // MOST_VIEWS)
    members = order[: len(order) // size * size].reshape(-1, size)
    spread = turned[members[:, -1]] - turned[members[:, 0]]
    # views on both sides of a gap in the scan must not be averaged
    return members[spread <= 3 * np.median(spread)]


def _groups(sinograms: NDArray) -> list[Array]:
    """Sums of adjacent rows, line integrals of a thicker slice: each (views, columns)."""
    rows = sinograms.shape[1]
    bounds = np.linspace(0, rows, min(MOST_GROUPS, rows) + 1).astype(int)
    groups = [sinograms[:, a:b].sum(axis=1, dtype=np.float64) for a, b in pairwise(bounds)]
    if not all(np.isfinite(g).all() for g in groups):
        raise DataError("find_center: expected finite line integrals, got NaN or inf; repair first")
    return groups


def _content(group: Array) -> float:
    """Amount of object in a group: the variance of its mean view, where noise averages out."""
    return float(group.mean(axis=0).var())


def _weighted_median(values: list[float], weights: Array) -> float:
    order = np.argsort(values)
    v, w = np.asarray(values)[order], weights[order]
    return float(np.interp(0.5, (np.cumsum(w) - w / 2) / w.sum(), v))


def _coverage(angles: Array) -> float:
    """The covered part of a half turn [rad]: π less the excess of the widest gap over a step."""
    turned = np.sort(np.mod(angles, np.pi))
    gaps = np.diff(np.append(turned, turned[0] + np.pi))
    return float(np.pi - max(gaps.max() - np.median(gaps), 0.0))
