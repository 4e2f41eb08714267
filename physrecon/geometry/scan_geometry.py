"""The protocol of all scan geometries."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

from physrecon.geometry.grid import Grid
from physrecon.geometry.rays import Rays


class ScanGeometry(Protocol):
    """Positions of source and detector in every view: a frozen value.

    separable: row r sees slice r alone, so slabs are independent problems."""

    separable: ClassVar[bool]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the projections: (views, rows, columns)."""

    def default_grid(self, width: int | None = None) -> Grid:
        """The grid that the detector sees, at its resolution, `width` voxels along y and x."""

    def __getitem__(self, views: Any) -> Self:
        """The scan with these views only."""

    def part(self, rows: slice) -> Self:
        """Adjacent detector rows, at their own heights."""

    def rows_seen(self, grid: Grid, slices: slice) -> slice:
        """The detector rows that these slices of a grid reach."""

    def with_center(self, center: float) -> Self:
        """The scan whose axis of rotation is projected on another column."""

    def rays(self) -> Rays:
        """The rays in world units; of a stack of fans those of the middle row."""
