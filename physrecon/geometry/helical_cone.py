"""The scan of a cone beam whose source turns on a helix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import checked_numbers
from physrecon.geometry.point_source import ConeScan


@dataclass(frozen=True, eq=False, repr=False)
class HelicalCone(ConeScan):
    """A cone beam that rises along the z axis as it turns.

    State `rise` or `heights`.  All else is as for `ConeBeam`.

    Args:
        angles, detector_shape, angle_unit, pixel_size, center: as for `ConeBeam`.
        row_offset, source_origin, source_detector, detector: as for `ConeBeam`.
        roll, pitch, yaw, source_offset, shifts: as for `ConeBeam`.
        rise: way of source and detector along z in a full turn; at angle 0 they are at z = 0, so
            angles must go on beyond a turn.
        heights: (views,) z of source and detector in every view.
    Raises:
        ArgumentError: as for `ConeBeam`, and unless one of `rise` and `heights` is given.

    Example:
        >>> scan = pr.HelicalCone([0, 180, 360], (8, 32), angle_unit="deg", source_origin=50,
        ...                       source_detector=100, rise=6)
        >>> scan.rays().source[:, 0].tolist(), scan[1:].default_grid().center[0]
        ([0.0, 3.0, 6.0], 4.5)
    """

    per_view: ClassVar[tuple[str, ...]] = (*ConeScan.per_view, "heights")

    rise: float | None = field(default=None, kw_only=True)
    heights: ArrayLike | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.rise is None) == (self.heights is None):
            raise ArgumentError(
                "HelicalCone.rise: expected either rise or heights, got "
                f"{'none' if self.rise is None else 'both'}; state one of them"
            )
        if self.rise is not None:
            self._set(rise=self._number("rise"))
        else:
            made = f"one finite z for each of {self.shape[0]} views"
            where = "HelicalCone.heights"
            self._set(heights=checked_numbers(where, self.heights, (self.shape[0],), made))

    def _heights(self) -> Any:
        turns = self.radians / (2 * np.pi)
        z = np.asarray(self.heights) if self.rise is None else turns * self.rise
        return np.stack([z, 0 * z, 0 * z], axis=-1)

    def _more(self) -> tuple[str, ...]:
        low, high = self._heights_seen()
        return (*super()._more(), f"heights of the source: {low:g} to {high:g}")
