"""One row of a scan, made small: what geometries explain is compared on it in seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.operators.projection.projector import Projector
from physrecon.preprocess.coverage import USUAL_REACH, cut_off_edges

Array = NDArray[np.floating[Any]]
Scan = ParallelBeam | FanBeam | ConeBeam

COARSE, FINE = 6, 20  # iterations
TINY = 1e-12
# radians under which a source may see the detector, and a factor within which two are alike
FANS, SAME_FAN = (0.1, 0.2, 0.4, 0.8, 1.4), 1.5
ASIDE = 0.17  # of the columns, by which the axis of half an acquisition is off the middle
FULL = 1.9 * np.pi


def middle_row(geometry: Any) -> int:
    """The detector row nearest to the plane of the source; of separable rows the middle one."""
    rows = geometry.shape[1]
    at = rows // 2 if geometry.separable else round(geometry.axis_row)
    return int(np.clip(at, 0, rows - 1))


def as_fan(geometry: FanBeam | ConeBeam) -> FanBeam:
    """The row in the plane of the source, as a fan."""
    return FanBeam(
        geometry.angles, (1, geometry.shape[2]), angle_unit=geometry.angle_unit,
        pixel_size=geometry.pixel_size, center=geometry.center,
        source_origin=geometry.source_origin, source_detector=geometry.source_detector,
        detector=geometry.detector,
    )  # fmt: skip


def fan_of(scan: ParallelBeam | FanBeam) -> float:
    """Radians under which the source sees the detector; 0 for parallel rays."""
    if isinstance(scan, ParallelBeam):
        return 0.0
    part = scan.detector_shape[1] * scan.column_pitch / scan.source_detector
    return part if scan.bend else 2 * float(np.arctan(part / 2))


def with_fan(scan: ParallelBeam | FanBeam, fan: float) -> FanBeam:
    """The same views of a source that sees the detector under `fan` > 0 radians.

    The magnification, which a row does not tell, is kept."""
    bent = isinstance(scan, FanBeam) and bool(scan.bend)
    far = scan.detector_shape[1] * scan.column_pitch / (fan if bent else 2 * np.tan(fan / 2))
    return FanBeam(
        scan.angles, scan.detector_shape, angle_unit=scan.angle_unit, pixel_size=scan.pixel_size,
        center=scan.center, detector="curved" if bent else "flat", source_detector=far,
        source_origin=far / (scan.magnification if isinstance(scan, FanBeam) else 1.0),
    )  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A source that sees the detector under `fan` radians; sense: 1, or -1 for turning the other
    way than stated.  residual: what it leaves."""

    fan: float
    sense: float
    residual: float


@dataclass(frozen=True, eq=False)
class SmallRow:
    """y: line integrals (views, columns), together columns in one.  scan: of one such row."""

    y: Array
    scan: ParallelBeam | FanBeam
    together: int

    @classmethod
    def of(cls, y: Array, scan: Scan, most: int) -> SmallRow:
        """A row (views, columns) with at most `most` columns; the angles are those of `scan`."""
        together = -(-y.shape[1] // most)
        columns = y.shape[1] // together
        small = y[:, : columns * together].reshape(len(y), columns, together).mean(axis=2)
        flat = scan if isinstance(scan, ParallelBeam) else as_fan(scan)
        return cls(
            np.ascontiguousarray(small, np.float32),
            replace(
                flat, angles=scan.radians, angle_unit="rad", detector_shape=(1, columns),
                pixel_size=(scan.row_pitch, scan.column_pitch * together),
                center=(columns - 1) / 2, row_offset=0.0,
            ),
            together,
        )  # fmt: skip

    def every(self, step: int) -> SmallRow:
        return SmallRow(self.y[::step], self.scan[::step], self.together)

    def bin_of(self, column: float) -> float:
        return (column + 0.5) / self.together - 0.5

    def column_of(self, bin: float) -> float:
        return (bin + 0.5) * self.together - 0.5

    def residual(self, radians: Array, center: float, iterations: int) -> float:
        """‖Ax - y‖ / ‖y‖ of a slice x >= 0, after some iterations of accelerated SIRT."""
        cancellation_point()
        scan = replace(self.scan, angles=radians, angle_unit="rad", center=center)
        wide, width = USUAL_REACH if any(cut_off_edges(self.y)) else 1.0, self.y.shape[1]
        aside = abs(center - (width - 1) / 2)
        if aside > ASIDE * width:  # the longer side sees all of the object, in turn
            wide, width = 1.0, int(width + 2 * aside)
        A = Projector(scan, scan.default_grid(int(wide * width)))
        y = self.y[:, None]
        rows = A @ np.ones(A.in_shape, np.float32)
        columns = A.T @ np.ones(y.shape, np.float32)
        rows, columns = (np.where(s > TINY, 1 / np.maximum(s, TINY), 0) for s in (rows, columns))
        x = np.zeros(A.in_shape, np.float32)
        z, t = x, 1.0
        for _ in range(iterations):
            step = z + (columns * (A.T @ (rows * (y - A @ z)))).astype(np.float32)
            new, after = np.maximum(step, 0), (1 + np.sqrt(1 + 4 * t * t)) / 2
            z, x, t = new + np.float32((t - 1) / after) * (new - x), new, after
        return float(np.linalg.norm(A @ x - y) / max(float(np.linalg.norm(y)), TINY))

    def source(self, center: float) -> Source | None:
        """The distance of the source that explains a full turn best, other than the stated one.

        None if that is the stated one, and of less than a turn, which measures no ray twice."""
        radians, stated = self.scan.radians, fan_of(self.scan)
        if float(np.ptp(radians)) < FULL:
            return None
        known = dict[tuple[float, float], float]()

        def at(one: tuple[float, float]) -> float:
            if one not in known:
                row = replace(self, scan=with_fan(self.scan, one[0]))
                known[one] = row.residual(one[1] * radians, center, FINE)
            return known[one]

        best = min(((fan, sense) for fan in FANS for sense in (1.0, -1.0)), key=at)
        for step in (2**0.5, 2**0.25):
            best = min(((best[0] * by, best[1]) for by in (1 / step, 1.0, step)), key=at)
        if stated and 1 / SAME_FAN < best[0] / stated < SAME_FAN:
            return None
        return Source(*best, at(best))

    def best(
        self, radians: Array, center: float | None = None, stated: float | None = None
    ) -> tuple[float, float]:
        """(residual, center): of the center that explains the views best, from bin to half a bin.

        center: where the search begins; None looks over the middle of the detector, over all of it
        for a full turn, and where the axis is stated."""
        columns, known = self.y.shape[1], {}

        def at(c: float) -> float:
            if c not in known:
                known[c] = self.residual(radians, c, COARSE)
            return known[c]

        if center is None:
            middle = (columns - 1) / 2
            most = 9 if float(np.ptp(radians)) > FULL else 3
            steps = middle + np.arange(-most, most + 1) * columns / 20
            tried = [*steps.tolist(), *([] if stated is None else [stated])]
            center, reach = min(tried, key=at), columns / 40
        else:
            reach = columns / 40
        while reach > 0.25:
            center = min((center - reach, center, center + reach), key=at)
            reach /= 2
        return self.residual(radians, center, FINE), center
