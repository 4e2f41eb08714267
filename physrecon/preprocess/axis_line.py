"""The rotation axis of a parallel beam as a line over the rows of the detector.

A detector that is turned about the beam by the angle ρ sees the axis in the column

    c(r) = center + (r - row of the origin) · tan ρ · row pitch / column pitch

The axis is found in single rows, and the line by weighted least squares; rows that disagree with
the others count less (Huber, Robust Statistics, 1981)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.preprocess.rotation_axis import SIGMAS, Center

FEWEST = 4  # rows that make a line
ROUNDS, LINEAR = 20, 1.3  # of reweighting; standard errors beyond which a row counts less
LEAST = 0.02  # columns, the standard error of a row at least


@dataclass(frozen=True)
class AxisLine:
    """center: column at the height of the origin, ± center_error.  roll: of the detector in the
    angle unit of the scan, as of `TiltedBeam`, ± roll_error.  drift: columns from the first row of
    the detector to the last.  rows: that tell the axis."""

    center: float
    center_error: float
    roll: float
    roll_error: float
    drift: float
    rows: int

    @property
    def leans(self) -> bool:
        """Whether the data tell that the axis is not upright."""
        return abs(self.roll) > self.roll_error


def axis_line(rows: Sequence[int], axes: Sequence[Center], scan: ParallelBeam) -> AxisLine:
    """The line through the axes that were found in some rows.  Raises DataError for too few."""
    if len(rows) < FEWEST:
        raise DataError(
            f"find-center: expected {FEWEST} rows that tell the axis, got {len(rows)}; give the "
            "roll of the detector with --roll, or leave --per-row-center out"
        )
    columns = np.array([axis.column for axis in axes])
    errors = np.maximum(np.array([axis.uncertainty for axis in axes]) / SIGMAS, LEAST)
    ways = np.stack([np.ones(len(rows)), np.array(rows) - scan.axis_row], axis=1)
    line, covariance = _robust_line(ways, columns, errors)
    turn = float(scan.column_pitch / scan.row_pitch)
    roll = np.arctan(line[1] * turn)
    error = SIGMAS * np.sqrt(covariance[1, 1]) * turn * np.cos(roll) ** 2
    unit = np.rad2deg(1.0) if scan.angle_unit == "deg" else 1.0
    return AxisLine(
        float(line[0]), float(SIGMAS * np.sqrt(covariance[0, 0])), float(roll * unit),
        float(error * unit), float(line[1] * (scan.shape[1] - 1)), len(rows),
    )  # fmt: skip


def _robust_line(
    ways: NDArray[np.float64], y: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(coefficients, their covariance) of y = ways @ coefficients."""
    weights = errors**-2.0
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(ways.T * weights @ ways)
        line = inverse @ (ways.T * weights @ y)
        away = y - ways @ line
        # the errors of rows have a common part, which a line takes: their spread counts
        scale = max(1.4826 * float(np.median(np.abs(away / errors))), 0.1)
        weights = errors**-2.0 * np.minimum(
            1.0, LINEAR * scale / np.maximum(np.abs(away / errors), 1e-12)
        )
    spread = float(np.sum(weights * away**2) / (len(y) - 2))
    return line, np.asarray(inverse * max(spread, 0.1**2), np.float64)
