"""The geometry doctor: what is wrong with the stated geometry of a scan, from the data alone.

A fault is a changed geometry that explains one small row of the scan better than the stated one by
a clear margin; the axis is free in both.  Views that repeat or miss are seen between neighbours
first, and frames whose axes are exchanged by their sums: a row of the detector sees as much of the
object in every view, a column does not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.errors import ArgumentError, brief
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.preprocess.neighbour_views import missing_views, noise_of, repeats, varies
from physrecon.preprocess.small_rows import (
    FINE,
    Array,
    Scan,
    SmallRow,
    Source,
    fan_of,
    middle_row,
    with_fan,
)

COLUMNS, VIEWS = 48, 48  # of the small row, at most
MARGIN = 0.8  # residual of a named geometry, of that of the stated one
GAP_MARGIN = 0.93  # the same, of views that miss
AXIS_MARGIN = 0.93  # the same, of another axis
AXIS_BINS = 1.0  # columns of the small row, by which an axis is elsewhere
SIDE_BINS = 1.5  # by which an axis is on the other side of the middle
SUMS = 2.5  # the sums of rows vary as many times more than those of columns, if exchanged
LEAST_TURN, MOST_TURN = 75.0, 1500.0  # degrees, of a scan
FAN_MARGIN = 0.9  # residual of other distances, of that of other angles, which are likelier
MIRROR = (
    "sense of rotation and a mirrored detector cannot be decided from parallel rays; your picture "
    "may be mirrored"
)
OTHER_SENSE = "--rotation with the other sense"
MIRROR_Z = "whether rows run up or down cannot be decided; the volume may be upside down"


@dataclass(frozen=True)
class Fault:
    """name: unit, span, rotation, mirrored, distances, transposed, axis, repeats or missing.

    ratio: residual with the fault mended, of that of the stated geometry; between: the same of the
    even and of the odd views; of repeated views see `Repetition`.  mend: options of the command
    line, or what to do."""

    name: str
    evidence: str
    mend: str
    ratio: float = 0.0
    between: tuple[float, float] = (0.0, 0.0)

    @property
    def sure(self) -> str:
        return "sure" if max(self.ratio, *self.between) < MARGIN else "likely"


@dataclass(frozen=True)
class Diagnosis:
    """column: of the axis, in the geometry that explains the data, within `within`; None if they
    tell none.

    residuals: geometry → the part of the data that it leaves unexplained.

    Example:
        >>> scan = pr.ParallelBeam(np.arange(0, 180, 4), (1, 48), angle_unit="deg")
        >>> found = pr.check_geometry(np.zeros(scan.shape, np.float32), scan)
        >>> found.faults, found.undecided[-1]
        ((), 'the views do not change by more than noise, so angles and sense cannot be decided')
    """

    faults: tuple[Fault, ...]
    undecided: tuple[str, ...]
    column: float | None = None
    within: float = 0.0
    residuals: dict[str, float] = field(default_factory=dict)


def check_geometry(line_integrals: ArrayLike, scan: Scan, center: float | None = None) -> Diagnosis:
    """Tell from the data what is wrong with the stated geometry.

    Args:
        line_integrals: (views, rows, columns), finite.
        scan: their stated geometry.
        center: stated column of the axis; None if none is stated.
    Raises:
        ArgumentError: for another kind of scan or shape.

    Example:
        >>> scan = pr.ParallelBeam(np.arange(0, 180, 4), (1, 48), angle_unit="deg")
        >>> x = np.zeros((1, 48, 48), np.float32)
        >>> x[0, 10:20, 15:40] = 1
        >>> wrong = pr.ParallelBeam(np.arange(0, 360, 8), (1, 48), angle_unit="deg")
        >>> [f.name for f in pr.check_geometry(pr.Projector(scan) @ x, wrong).faults]
        ['span']
    """
    if not isinstance(scan, ParallelBeam | FanBeam | ConeBeam):
        raise ArgumentError(
            f"check_geometry.scan: expected a parallel, fan or cone beam, got {brief(scan)}"
        )
    y = arrays.plain("check_geometry(line_integrals)", line_integrals)
    if y.shape != scan.shape or min(y.shape[0] - 7, y.shape[2] - 15) < 1:
        raise ArgumentError(
            f"check_geometry: expected line integrals {scan.shape}, of at least 8 views and 16 "
            f"columns, got {y.shape}"
        )
    undecided = [MIRROR] if isinstance(scan, ParallelBeam) else []
    if y.shape[1] > 1:
        undecided.append(MIRROR_Z)
        if exchanged := transposed(y):
            return Diagnosis((exchanged,), tuple(undecided))
    row = y[:, middle_row(scan)]
    small = SmallRow.of(row, scan, COLUMNS)
    noise = noise_of(row) / np.sqrt(small.together)
    if not varies(small.y, noise):
        undecided.append(
            "the views do not change by more than noise, so angles and sense cannot be decided"
        )
        return Diagnosis((), tuple(undecided))
    return _Doctor(small, noise, center).diagnosis(tuple(undecided))


def transposed(y: Array) -> Fault | None:
    """The fault of frames (views, rows, columns) whose rows are columns; None if there is none.

    Sums along both axes tell it."""
    spread = []
    for axis in (2, 1):
        sums = y.mean(axis=axis)
        spread.append(float(sums.std(axis=0).mean() / max(abs(float(sums.mean())), 1e-30)))
    if spread[0] < SUMS * spread[1]:
        return None
    return Fault(
        "transposed",
        f"from view to view, sums of detector rows vary by {spread[0]:.2g} and of columns by "
        f"{spread[1]:.2g} of their mean; about an upright axis those of rows are alike",
        "--axes theta:x:y (of an array), or turn the frames by 90°",
        min(spread[1] / spread[0], 1.0),
        (spread[1] / spread[0],) * 2,
    )


class _Doctor:
    def __init__(self, small: SmallRow, noise: float, center: float | None) -> None:
        self.whole, self.noise = small, noise
        self.stated = None if center is None else small.bin_of(center)
        self.step = max(len(small.y) // VIEWS, 1)
        self.row = small.every(self.step)
        self.residuals: dict[str, float] = {}

    def diagnosis(self, undecided: tuple[str, ...]) -> Diagnosis:
        radians: Array = np.asarray(self.whole.scan.radians, np.float64)
        found: dict[str, tuple[float, float, Array]] = {}
        found["stated"] = (*self._best(radians), radians)
        for name, other in self._others(radians).items():
            found[name] = (*self._best(other), other)
        self.residuals |= {name: value[0] for name, value in found.items()}
        least = min(found, key=lambda name: found[name][0])
        stated, axis = found["stated"][:2]
        residual, best, angles = found[least]
        far = self.row.source(axis)
        if far is not None:
            self.residuals["distances"] = far.residual
        if far is not None and far.residual < min(FAN_MARGIN * residual, MARGIN * stated):
            fault = self._diverging(far, radians, axis, stated)
            return self._found((fault,), undecided, axis)
        faults: list[Fault] = []
        if least != "stated" and residual < MARGIN * stated:
            faults.append(self._named(least, radians, angles, (residual, stated), (best, axis)))
            axis = best
        else:
            angles = radians
        faults += self._between_views(angles, axis)
        if not faults and (moved := self._moved(radians, axis)):
            faults.append(moved)
        return self._found(tuple(faults), undecided, axis)

    def _found(
        self, faults: tuple[Fault, ...], undecided: tuple[str, ...], axis: float
    ) -> Diagnosis:
        column, within = self.whole.column_of(axis), self.whole.together / 2
        return Diagnosis(faults, undecided, column, within, dict(self.residuals))

    def _best(self, radians: Array) -> tuple[float, float]:
        return self.row.best(radians[:: self.step], stated=self.stated)

    def _others(self, radians: Array) -> dict[str, Array]:
        """Angles that would be right if a fault were there."""
        turn = np.degrees(np.ptp(radians)) * len(radians) / (len(radians) - 1)
        others = {
            "radians": np.degrees(radians), "degrees": np.radians(radians),
            "twice": 2 * radians, "half": radians / 2,
        }  # fmt: skip
        factor = {"radians": np.degrees(1), "degrees": np.radians(1), "twice": 2, "half": 0.5}
        least = {"twice": LEAST_TURN, "half": 2 * LEAST_TURN}
        likely = {
            name: angles for name, angles in others.items()
            if least.get(name, LEAST_TURN) <= turn * factor[name] <= MOST_TURN
            and (name not in least or turn * factor[name] < 800)
        }  # fmt: skip
        if not isinstance(self.whole.scan, ParallelBeam):
            likely["reversed"] = -radians
        return likely

    def _diverging(self, found: Source, radians: Array, axis: float, stated: float) -> Fault:
        fan, sense = found.fan, found.sense
        scan = with_fan(self.whole.scan, fan)
        other = replace(self.whole, scan=scan)
        between = self._ratio((sense * radians, radians), (axis, axis), other)
        columns = scan.source_detector / scan.column_pitch * self.whole.together
        about = f"{float(f'{columns:.2g}'):g}"
        angle, before = np.degrees([fan, fan_of(self.whole.scan)])
        was = f"one of {before:.2g}°" if before else "parallel rays"
        return Fault(
            "distances",
            f"rays of a fan of about {angle:.2g}° explain the data better than {was}: residual "
            f"{found.residual:.2g}, not {stated:.2g}",
            f"--source-detector, about {about} columns of the detector as the data tell, and "
            "--source-origin, which they do not tell"
            + ("" if sense > 0 else f"; and {OTHER_SENSE}"),
            found.residual / stated, between,
        )  # fmt: skip

    def _ratio(
        self, angles: tuple[Array, Array], centers: tuple[float, float],
        other: SmallRow | None = None,
    ) -> Any:  # fmt: skip
        """Residual of the first by that of the second, of the even and of the odd views.

        other: the row with the distances of the first, if they differ."""
        ratios, rows = [], (other or self.whole, self.whole)
        for first in (0, 1):
            every = slice(first * self.step, None, 2 * self.step)
            a, b = (
                SmallRow(row.y[every], row.scan[every], row.together).residual(r[every], c, FINE)
                for row, r, c in zip(rows, angles, centers, strict=True)
            )
            ratios.append(a / max(b, 1e-12))
        return tuple(ratios)

    def _named(
        self, name: str, stated: Array, angles: Array, residual: tuple[float, float],
        centers: tuple[float, float],
    ) -> Fault:  # fmt: skip
        ratio = residual[0] / residual[1]
        between = self._ratio((angles, stated), centers)
        explained = f"explains the data better: residual {residual[0]:.2g}, not {residual[1]:.2g}"
        if name in ("radians", "degrees"):
            unit = {"radians": "rad", "degrees": "deg"}
            return Fault(
                "unit", f"the angles read as {name} {explained}",
                f"--angle-unit {unit[name]}, with --angles if the file states the other unit",
                ratio, between,
            )  # fmt: skip
        if name in ("twice", "half"):
            return Fault(
                "span", f"{name} the span of the angles {explained}", options_of(angles),
                ratio, between,
            )  # fmt: skip
        middle = (self.row.y.shape[1] - 1) / 2
        off = None if self.stated is None else self.stated - middle
        found = centers[0] - middle
        if off is None or abs(off) < SIDE_BINS or abs(found) < SIDE_BINS:
            said = ", or the detector is mirrored, which the axis does not tell"
            kind = "rotation"
        else:
            kind = "rotation" if found * off > 0 else "mirrored"
            side = "where it is stated" if kind == "rotation" else "on the other side of the middle"
            said = f", and the axis is {side}"
        column = self.whole.column_of(centers[0])
        mend = OTHER_SENSE
        if kind == "mirrored":
            mend = (
                f"{OTHER_SENSE} and --center {column:.1f}, and reverse x of the "
                "volume (volume[:, :, ::-1]), which is mirrored; or reverse the columns of "
                "projections, flats and darks before (frames[:, :, ::-1])"
            )
        return Fault(kind, f"the other sense of rotation {explained}{said}", mend, ratio, between)

    def _between_views(self, angles: Array, axis: float) -> list[Fault]:
        """Faults that neighbouring views show."""
        row = SmallRow(self.whole.y, replace(self.whole.scan, angles=angles), self.whole.together)
        if (found := repeats(row, axis, self.noise)) is not None:
            other = found.radians
            repeated = np.ptp(other) > np.ptp(angles)
            words = "the last view repeats the first" if repeated else (
                "the last view does not repeat the first, as the angles state"
            )  # fmt: skip
            mend = options_of(other) + (
                f", or --exclude-views {len(other) - 1} with it" if repeated else ""
            )
            return [Fault("repeats", words, mend, found.ratio, found.between)]
        gap = missing_views(row, axis, self.noise)
        if gap is None or gap.ratio > GAP_MARGIN:
            return []
        between = self._ratio((gap.radians, angles), (axis, axis))
        return [
            Fault(
                "missing",
                f"views {gap.view} and {gap.view + 1} differ {gap.jump:.1f} times as much as "
                f"neighbours do; about {gap.count} views miss between them",
                f"--angles FILE, with {np.degrees(gap.radians[gap.view]):.2f} and "
                f"{np.degrees(gap.radians[gap.view + 1]):.2f} degrees for these two, in steps of "
                f"{np.degrees(gap.step):.4g}",
                gap.ratio, between,
            )
        ]  # fmt: skip

    def _moved(self, radians: Array, axis: float) -> Fault | None:
        if self.stated is None or abs(self.stated - axis) < AXIS_BINS:
            return None
        residual = [self.row.residual(radians[:: self.step], c, FINE) for c in (axis, self.stated)]
        ratio = residual[0] / residual[1]
        if ratio > AXIS_MARGIN:
            return None
        column = self.whole.column_of(axis)
        return Fault(
            "axis",
            f"an axis in column {column:.1f} explains the data better: residual {residual[0]:.2g}, "
            f"not {residual[1]:.2g}",
            f"--center {column:.1f} (± {self.whole.together / 2:g}; `find-center` tells it finer)",
            ratio,
            self._ratio((radians, radians), (axis, self.stated)),
        )  # fmt: skip


def options_of(radians: Array) -> str:
    """The options that give angles in equal steps."""
    first, last = np.degrees(radians[0]), np.degrees(radians[-1])
    return f"--angles {first:.6g}..{last:.6g}/{len(radians)} --angle-unit deg"
