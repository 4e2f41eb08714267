"""The rotation axis of a parallel-beam scan, by methods that check each other.

`axis_estimators` finds candidates from the views: opposite views, consistency of all views, and the
path of the centre of mass.  `axis_sweep` reconstructs the slice about each of them, and about more
columns.  A candidate is dropped if the slice about another one is better with either half of the
views.  The column is the median of the rest, weighted by their precision; the ± covers them all."""

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
    by_opposites,
    harmonics,
    many_opposites,
    opposite_views,
)
from physrecon.preprocess.axis_sweep import MOST_ROWS, SAME, Slices, Sweep
from physrecon.preprocess.coverage import cut_off_edges

Array = NDArray[np.float64]

MOST_VIEWS, MOST_GROUPS = 361, 8
# Columns by which a method may err without noise: with the whole object, cut off, in a short turn.
BIAS: dict[str, tuple[float, ...]] = {
    "opposite views": (0.03, 0.04, 0.04),
    "seam": (0.06, 0.1, 0.1),
    "consistency": (0.03, 0.3),
    "mass": (0.03, 0.0, 0.1),
    "slice": (0.1, 0.2, 0.3),
}
MISSING = 1.0  # column of bias of the consistency for each radian that a short turn lacks
UNEVEN = 1e-3  # of the detector: bias of the mass by a background that is not quite zero
LEAST_TURN = np.deg2rad(145)  # that consistency needs: harmonics fit anything on less
# Columns, the smallest ±.  A slow drift of the object looks like another axis in a half turn.
LEAST, LEAST_HALF_TURN = 0.1, 0.25
SIGMAS = 2.5  # standard errors that the ± covers
SEEN = 0.5  # correlation of two mean views that show an object; less is noise
UNKNOWN = 0.05  # of the detector; an axis that is not known better is not known


@dataclass(frozen=True)
class Estimate:
    """Column of the axis by one method, its standard error by noise, and its bias [columns]."""

    column: float
    noise: float
    bias: float

    @property
    def error(self) -> float:
        return float(np.hypot(self.noise, self.bias))


@dataclass(frozen=True)
class Center:
    """Position of the rotation axis.

    column: 0-based detector column, known to ± uncertainty.  methods: column by each method that
    could be used.  dropped: the methods that the slice refutes.  notes: sentences for the user.
    roll: of the detector of a cone beam, ± roll_uncertainty, in the angle unit of the scan; None
    where it is not told."""

    column: float
    uncertainty: float
    methods: dict[str, float]
    dropped: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    roll: float | None = None
    roll_uncertainty: float | None = None


def axis_of_parallel(line_integrals: ArrayLike, angles_rad: ArrayLike) -> Center:
    """The axis of a parallel beam, as of `find_center`; angles_rad (views,) in any order.

    Adjacent rows are summed into at most 8 groups.  A method's result is the median of its
    estimates for the groups, weighted by content: rows of air do not count."""
    sinograms, angles = average_views(*_checked(line_integrals, angles_rad))
    rows = _Rows(*_with_object(_groups(sinograms)), angles)
    found = rows.estimates()
    slices = Slices(rows.fullest(), angles, rows.cut_off)
    candidates = {name: e.column for name, e in found.items()}
    apart = max(candidates.values()) - min(candidates.values())
    # no slice knows better than all the pairs of a full turn
    trusted = "opposite views" if rows.wide else None
    dropped = slices.refuted(candidates, trusted) if apart > SAME else []
    least = max(LEAST, 2 * found["opposite views"].noise) if rows.wide else LEAST_HALF_TURN
    if not rows.wide and not rows.short:
        best, error = slices.fine(_settled(found, dropped)[0])
        found["slice"] = Estimate(best, error, rows.bias("slice"))
        least = max(least, error)
    column, uncertainty = _settled(found, dropped)
    uncertainty = max(uncertainty, least)
    rows.refuse_out_of_range(column, found)
    methods = {name: e.column for name, e in found.items()}
    if uncertainty > max(UNKNOWN * rows.width, 2.0):
        told = ", ".join(f"{name} {c:.1f}" for name, c in methods.items())
        raise DataError(
            f"find_center: expected views that tell the axis, got {told}; give the column of the "
            "axis with --center"
        )
    return Center(column, uncertainty, methods, tuple(dropped), rows.notes(column))


def sweep_about(line_integrals: ArrayLike, angles_rad: ArrayLike, column: float) -> Sweep:
    """How the slice of the fullest row looks about columns near one, for a picture."""
    sinograms, angles = average_views(*_checked(line_integrals, angles_rad))
    rows = _Rows(*_with_object(_groups(sinograms)), angles)
    return Slices(rows.fullest()[:1], angles, rows.cut_off).sweep(column)


def _settled(found: dict[str, Estimate], dropped: list[str]) -> tuple[float, float]:
    """The median column, weighted by precision, and a ± that covers every estimate."""
    kept = [e for name, e in found.items() if name not in dropped] or [*found.values()]
    weights = np.array([e.error for e in kept]) ** -2.0
    column = _weighted_median([e.column for e in kept], weights)
    apart = max(abs(e.column - column) - e.noise for e in kept)
    return column, float(max(SIGMAS * min(e.error for e in kept), apart))


@dataclass
class _Rows:
    """The rows that hold an object, sums of adjacent ones: sinograms (views, columns), content."""

    groups: list[Array]
    content: Array
    angles: Array
    cut_off: bool = field(init=False)

    def __post_init__(self) -> None:
        self.cut_off = any(cut_off_edges(reduce(np.add, self.groups)))
        self.width = self.groups[0].shape[1]
        self.pairs = many_opposites(self.angles)
        self.seam = None if self.pairs else opposite_views(self.angles)

    @property
    def wide(self) -> bool:
        """Opposite views find the axis anywhere."""
        return self.pairs is not None and full_turn(self.angles)

    @property
    def short(self) -> bool:
        return self.pairs is None and self.seam is None

    def fullest(self) -> list[Array]:
        return [self.groups[k] for k in np.argsort(-self.content, kind="stable")[:MOST_ROWS]]

    def bias(self, method: str) -> float:
        if method == "consistency":
            missing = np.pi - _coverage(self.angles) if self.short else 0.0
            return BIAS[method][self.cut_off] + MISSING * float(missing)
        fixed = BIAS[method][2 if self.short else int(self.cut_off)]
        return fixed + UNEVEN * self.width * (method == "mass")

    def estimates(self) -> dict[str, Estimate]:
        """The column by each method that these views allow."""
        groups, found = self.groups, {}
        if self.pairs:
            columns = [by_opposites(g, *self.pairs) for g in groups]
            found["opposite views"] = self._combined(columns, self.bias("opposite views"))
        elif self.seam:
            columns = [by_correlation(g, *self.seam) for g in groups]
            found["opposite views"] = self._combined(columns, self.bias("seam"))
        # an axis off the middle half, with opposite views that complete each other
        off = self.wide and self._off(found["opposite views"].column) > 0
        near = found["opposite views"].column if off else None
        if self.cut_off or not self.short or _coverage(self.angles) > LEAST_TURN:
            bases = harmonics(self.angles)
            columns = [by_consistency(g, bases, self.cut_off, near) for g in groups]
            found["consistency"] = self._combined(columns, self.bias("consistency"))
        if not self.cut_off:
            columns = [by_mass(g, self.angles) for g in groups]
            found["mass"] = self._combined(columns, self.bias("mass"))
        return found

    def _combined(self, found: list[tuple[float, float]], bias: float) -> Estimate:
        """One estimate from those of the groups."""
        columns, errors = np.array(found).T
        column = _weighted_median(list(columns), self.content)
        # a drift is the same in all rows, so their number does not make it less
        noise = max(float(np.median(errors)), 1.25 * float(columns.std()) / len(columns) ** 0.5)
        return Estimate(column, noise, bias)

    def _off(self, column: float) -> float:
        """Columns by which an axis lies outside the middle half; negative inside."""
        return abs(column - (self.width - 1) / 2) - self.width / 4

    def refuse_out_of_range(self, column: float, found: dict[str, Estimate]) -> None:
        """Raise DataError for an axis outside the searched columns."""
        middle, reach = (self.width - 1) / 2, self.width / 4 + 1
        if self.wide or self._off(column) <= 1:
            return
        answers = ", ".join(f"{name} {e.column:.2f}" for name, e in found.items())
        raise DataError(
            f"find_center: expected an axis in the middle half of the detector, columns "
            f"{middle - reach:.0f} to {middle + reach:.0f}, got {answers}; check the unit of the "
            "angles, and give the column of the axis with --center"
        )

    def notes(self, column: float) -> list[str]:
        notes = []
        if self.short:
            notes.append(
                f"the views cover {np.rad2deg(_coverage(self.angles)):.0f}° of a half turn and "
                "hold no opposite pair, so the axis is less certain; look at the slice"
            )
        if self.cut_off and self._off(column) > 0:
            shared = 2 * min(column, self.width - 1 - column) + 1
            notes.append(
                "the axis is off the middle half of the detector (half acquisition), found from "
                f"the {max(shared, 0):.0f} columns that opposite views share; look at the slice"
            )
        elif self.cut_off:
            notes.append(
                "the object reaches the edge of the detector, so the axis is less certain; "
                "look at the slice"
            )
        if not self.wide and self._off(column) > -1:
            notes.append(
                "the axis is at the limit of the search, which is the middle half of the detector; "
                "give its column if it lies outside"
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


def _with_object(groups: list[Array]) -> tuple[list[Array], Array]:
    """The groups that hold an object, and the content of each.  Raises DataError if none does."""
    content = np.array([_content(g) for g in groups])
    fullest = groups[int(content.argmax())]
    # the mean of every second view and that of the others show the same object
    means = [view - view.mean() for view in (fullest[::2].mean(axis=0), fullest[1::2].mean(axis=0))]
    alike = float(means[0] @ means[1])
    if not alike > SEEN * float(np.sqrt((means[0] @ means[0]) * (means[1] @ means[1]))):
        raise DataError(
            "find_center: expected an object that varies along the detector, got constant views or "
            "noise; give the column of the axis instead"
        )
    # a group far emptier than the fullest holds only noise
    seen = content > 0.05 * content.max()
    return [g for g, fit in zip(groups, seen, strict=True) if fit], content[seen]


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
