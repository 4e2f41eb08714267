"""What fan and cone beams have in common: a source at a distance, and a detector behind the axis.

In the frame of a view (z, b, u) the source stands at (0, -source_origin, 0) and the detector, at
the column `center` and the height of the source, at (0, source_detector - source_origin, 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike

from physrecon.errors import ArgumentError, brief
from physrecon.geometry.grid import Grid
from physrecon.geometry.rays import Rays
from physrecon.geometry.turning_scan import TurningScan, detector_frame

DETECTORS = ("flat", "curved")


@dataclass(frozen=True, eq=False, repr=False)
class PointSource(TurningScan):
    """A scan from a source at a distance; `ConeBeam` explains the arguments."""

    source_origin: float = field(kw_only=True)
    source_detector: float = field(kw_only=True)
    detector: str = field(default="flat", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        self._set(
            source_origin=self._length("source_origin"),
            source_detector=self._length("source_detector"),
        )
        if self.source_detector < self.source_origin:
            raise ArgumentError(
                f"{name}.source_detector: expected at least source_origin = "
                f"{self.source_origin:g}, got {self.source_detector:g}; it is the distance from "
                "the source, so add source_origin if yours is from the axis"
            )
        if not isinstance(self.detector, str) or self.detector not in DETECTORS:
            raise ArgumentError(
                f'{name}.detector: expected "flat" or "curved", got {brief(self.detector)}'
            )

    @property
    def magnification(self) -> float:
        """Of what lies on the axis of rotation."""
        return self.source_detector / self.source_origin

    @property
    def bend(self) -> float:
        """Angle between the columns of a curved detector in radians; 0 if it is flat."""
        return self.column_pitch / self.source_detector if self.detector == "curved" else 0.0

    def _more(self) -> tuple[str, ...]:
        return (
            f"source: {self.source_origin:g} from the axis, {self.source_detector:g} from a "
            f"{self.detector} detector",
            *filter(None, [self.displaced]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class ConeScan(PointSource):
    """A scan by a cone of rays; `ConeBeam` explains the arguments."""

    separable: ClassVar[bool] = False
    per_view: ClassVar[tuple[str, ...]] = ("angles", "source_offset", "shifts")

    roll: float = field(default=0.0, kw_only=True)
    pitch: float = field(default=0.0, kw_only=True)
    yaw: float = field(default=0.0, kw_only=True)
    source_offset: ArrayLike = field(default=(0.0, 0.0, 0.0), kw_only=True)
    shifts: ArrayLike = field(default=(0.0, 0.0, 0.0), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        self._set(**{turn: self._number(turn) for turn in ("roll", "pitch", "yaw")})
        self._set(source_offset=self._shifts("source_offset"), shifts=self._shifts("shifts"))
        for turn in ("pitch", "yaw"):
            if not abs(self._radians(getattr(self, turn))) < np.pi / 2:
                raise ArgumentError(
                    f"{name}.{turn}: expected less than a quarter of a turn, got "
                    f"{getattr(self, turn):g} {self.angle_unit}"
                )
        if self.detector == "curved" and (self.pitch or self.yaw or np.any(self.source_offset)):
            raise ArgumentError(
                f"{name}.detector: expected the source on the axis of a curved detector, got pitch,"
                ' yaw or source_offset; use detector="flat", or shifts for both together'
            )
        if not (np.asarray(self.source_offset)[..., 1] < self.source_detector).all():
            raise ArgumentError(
                f"{name}.source_offset: expected a source before the detector, got "
                f"{np.max(np.asarray(self.source_offset)[..., 1]):g} along the beam"
            )

    def default_grid(self, width: int | None = None) -> Grid:
        """The grid that the detector sees: voxels of a pixel / magnification about the axis.

        width: voxels along y and x; None is the number of columns.  Where the axis is off the
        middle a full turn sees more: `scan.default_grid(scan.turn_width)`."""
        rows, columns = self.detector_shape
        dz, dx = self.row_pitch / self.magnification, self.column_pitch / self.magnification
        low, high = self._heights_seen()
        slices = rows + math.ceil((high - low) / dz - 1e-9)
        across = columns if width is None else width
        middle = (low + high) / 2 + self.row_offset * dz
        return Grid((slices, across, across), (dz, dx, dx), (middle, 0.0, 0.0))

    def rows_seen(self, grid: Grid, slices: slice) -> slice:
        """Detector rows that hold all rays through these slices of a grid, in any view."""
        return self.rays().rows_seen(grid, slices, self.detector_shape[0])

    def rays(self) -> Rays:
        """The rays in world units."""
        shift = np.asarray(self.shifts) + self._heights()
        offset = shift + np.asarray(self.source_offset)
        before = np.array([0.0, -self.source_origin, 0.0])
        behind = np.array([0.0, self.source_detector - self.source_origin, 0.0])
        z, _, u = detector_frame(*map(self._radians, (self.roll, self.pitch, self.yaw)))
        return Rays(
            self._world(before + offset), self._world(behind + shift),
            self._world(self.column_pitch * u), self._world(self.row_pitch * z),
            cast(float, self.center), self.axis_row, self.bend,
        )  # fmt: skip

    def _heights(self) -> Any:
        """(z, b, u) that raise source and detector, of all views or (views, 3)."""
        return np.zeros(3)

    def _heights_seen(self) -> tuple[float, float]:
        """Lowest and highest z of the source."""
        z = self._heights()[..., 0]
        return (float(np.min(z)), float(np.max(z))) if np.size(z) else (0.0, 0.0)
