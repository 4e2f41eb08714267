"""The rays of a scan in world units: what every geometry lowers to.

Pixel (r, c) of a view lies at

    S + cos γ (C - S) + (sin γ / bend) u + (r - row) v,   γ = (c - column) · bend

which is C + (c - column) u + (r - row) v on a flat detector, bend = 0.  S is the source and C the
point of the detector at (row, column).  Parallel rays have a direction in place of S."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid, checked_numbers, corners

Vectors = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Rays:
    """Source, detector and its steps in every view; vectors are (z, y, x) in world units.

    Args:
        source: (views, 3) places of the source; of parallel rays their unit direction.
        centre: (views, 3) the point of the detector at `column` and `row`.
        u: (views, 3) step from column to column.
        v: (views, 3) step from row to row.
        column: column of `centre`; may be fractional or outside the detector.
        row: row of `centre`.
        bend: angle between columns on a cylinder about the line through the source along v, in
            radians; 0 on a flat detector.
        parallel: whether `source` is a direction.

    Example:
        >>> rays = pr.ParallelBeam([0, 90], (1, 3), pixel_size=0.5, angle_unit="deg").rays()
        >>> rays.points([0], [0, 1, 2])[1, 0].round(2).tolist()  # (z, y, x): columns run along y
        [[0.0, -0.5, -0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]
    """

    source: Vectors
    centre: Vectors
    u: Vectors
    v: Vectors
    column: float
    row: float
    bend: float = 0.0
    parallel: bool = False

    def __len__(self) -> int:
        return len(self.centre)

    def __getitem__(self, views: Any) -> Rays:
        """The rays of these views only: an int, a slice, a mask or an array of indices."""
        chosen = np.atleast_1d(np.arange(len(self))[views])
        vectors = {name: getattr(self, name)[chosen] for name in ("source", "centre", "u", "v")}
        return replace(self, **vectors)

    @property
    def axis(self) -> Vectors:
        """(views, 3) from the source to `centre`; of parallel rays their unit direction."""
        return self.source if self.parallel else self.centre - self.source

    def points(self, rows: ArrayLike, columns: ArrayLike) -> Vectors:
        """(views, rows, columns, 3) places of pixels; rows and columns may be fractional."""
        along = np.atleast_1d(np.asarray(columns, np.float64)) - self.column
        up = np.atleast_1d(np.asarray(rows, np.float64)) - self.row
        if self.bend:
            near, along = np.cos(along * self.bend), np.sin(along * self.bend) / self.bend
            line = self.source[:, None] + near[:, None] * self.axis[:, None]
        else:
            line = self.centre[:, None]
        line = line + along[:, None] * self.u[:, None]
        return np.asarray(line[:, None] + up[:, None, None] * self.v[:, None, None])

    def directions(self, rows: ArrayLike, columns: ArrayLike) -> Vectors:
        """(views, rows, columns, 3) unit vectors of the rays from the source to pixels."""
        points = self.points(rows, columns)
        if self.parallel:
            return np.broadcast_to(self.source[:, None, None], points.shape)
        ways = points - self.source[:, None, None]
        return np.asarray(ways / np.linalg.norm(ways, axis=-1, keepdims=True))

    def pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """(views, points, 2) the row and the column on which points (count, 3) are projected.

        Raises ArgumentError for a point beside or behind a source."""
        depth, along, up = np.moveaxis(self._coordinates(np.asarray(points, np.float64)), -1, 0)
        if self.parallel:
            depth = np.ones_like(depth)
        elif (depth <= 0).any():
            raise ArgumentError(
                "Rays.pixels: expected points between source and detector, got "
                f"{np.count_nonzero(depth <= 0)} beside or behind a source"
            )
        if self.bend:
            turn = np.arctan2(along * self.bend, depth)
            columns, depth = turn / self.bend, np.hypot(depth, along * self.bend)
        else:
            columns = along / depth
        return np.stack([self.row + up / depth, self.column + columns], axis=-1)

    def rows_seen(self, grid: Grid, slices: slice, count: int) -> slice:
        """The rows out of `count` that hold all rays through these slices of a grid.

        All rows if a source is in their box or beside it."""
        box = corners(grid, slices)
        if not box.size or not len(self) or not count:
            return slice(0, 0)
        depth, along, up = np.moveaxis(self._coordinates(box), -1, 0)
        if self.parallel:
            rows = up
        elif (depth <= 0).any():
            return slice(0, count)
        elif self.bend:  # the distance from the source is least between corners: bounded by depth
            far = np.hypot(depth, along * self.bend).max(1)
            rows = up[:, None] / np.stack([depth.min(1), far], axis=1)[:, :, None]
        else:
            rows = up / depth
        first, last = np.clip([self.row + rows.min(), self.row + rows.max()], -2, count)
        low, high = np.clip([math.floor(first), math.floor(last) + 2], 0, count)
        return slice(int(low), int(high))

    def table(self, grid: Grid) -> NDArray[np.float64]:
        """(views, 12) S, C, u and v, each (z, y, x), in indices of a grid.

        S and C are places, u and v are steps; the direction of parallel rays is a step too."""
        steps = [vector / grid.pitch for vector in (self.source, self.centre, self.u, self.v)]
        steps[1] = steps[1] + grid.origin
        if not self.parallel:
            steps[0] = steps[0] + grid.origin
        return np.concatenate(steps, axis=1)

    def moved(self, rotation: ArrayLike, shift: ArrayLike = (0.0, 0.0, 0.0)) -> Rays:
        """The rays after the motion p → rotation · p + shift of source and detector.

        rotation: (3, 3) acts on (z, y, x).  Raises ArgumentError for what is no rotation."""
        turn = checked_numbers("Rays.moved.rotation", rotation, (3, 3))
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-9) or np.linalg.det(turn) < 0:
            raise ArgumentError("Rays.moved.rotation: expected a rotation, got another matrix")
        way = checked_numbers("Rays.moved.shift", shift, (3,))
        source, centre, u, v = (
            vector @ turn.T for vector in (self.source, self.centre, self.u, self.v)
        )
        source = source if self.parallel else source + way
        return replace(self, source=source, centre=centre + way, u=u, v=v)

    def _coordinates(self, points: Vectors) -> Vectors:
        """(views, points, 3) of points in the basis (axis, u, v).

        The origin is the source, or `centre` for parallel rays."""
        basis = np.stack([self.axis, self.u, self.v], axis=-1)
        start = self.centre if self.parallel else self.source
        ways = points[None] - start[:, None]
        return np.asarray(np.moveaxis(np.linalg.solve(basis, np.moveaxis(ways, -1, 1)), 1, -1))
