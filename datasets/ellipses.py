"""Objects made of ellipses and ellipsoids, whose line integrals are known in closed form.

An ellipsoid with semi-axes (a, b, c) along x, y, z, turned by φ about z and moved to (x₀, y₀, z₀),
has these line integrals along a parallel beam perpendicular to z at angle θ:

    value · (2ab/w) · sqrt(1 - ((z - z₀)/c)² - ((s - s₀)/w)²),    s = x cos θ + y sin θ,
    w² = a² cos²(θ - φ) + b² sin²(θ - φ),    s₀ = x₀ cos θ + y₀ sin θ

(Kak and Slaney 1988, *Principles of Computerized Tomographic Imaging*, §3.1).  An ellipse is the
same with c = ∞: an elliptic cylinder along z.

Lengths are in the unit of the grid and of the scan.  The origin is on the axis of rotation, in the
middle slice.  Values are per unit of length and add up where bodies overlap.  Row iy of a volume is
at y = (iy - (ny - 1)/2)·pitch.  So y grows with the row index: a picture with y pointing up needs
`imshow(volume[z], origin="lower")`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam

Floats = NDArray[np.floating]

_BLOCK = 1 << 16  # rays per block: a few buffers of this size fit the cache


def sub_cells(count: int, supersample: int, pitch: float, center: float | None = None) -> Floats:
    """Coordinates of `supersample` points in each of `count` cells: (count, supersample).

    center: index of the cell at the origin; None is the middle, (count - 1)/2."""
    if int(supersample) != supersample or supersample < 1:
        raise ArgumentError(f"supersample: expected a whole number >= 1, got {supersample!r}")
    middle = (count - 1) / 2 if center is None else center
    points = (np.arange(count * supersample) + 0.5) / supersample - 0.5 - middle
    return (points * pitch).reshape(count, supersample)


def _heights(c: float, z0: float, z: Floats) -> Floats:
    """1 - ((z - z₀)/c)²; one column for a cylinder, whose sub-rows are equal."""
    z = z[..., :1] if np.isinf(c) else z
    return 1 - ((z - z0) / c) ** 2


def _span(hit: Any) -> slice:
    """The smallest slice that contains every True."""
    where = np.flatnonzero(hit)
    return slice(where[0], where[-1] + 1) if where.size else slice(0, 0)


def line_integrals(
    solids: Floats, radians: Floats, z: Floats, u: Floats, dtype: DTypeLike = np.float64
) -> Floats:
    """Line integrals averaged over points of each pixel: (views, rows, columns) of `dtype`.

    solids: (n, 8) as `Ellipsoids.solids`.  z: (rows, m) and u: (columns, k) coordinates of the
    points in rows and columns.  Each body is evaluated only in the box around its shadow."""
    total = np.zeros((len(radians), len(z), len(u)), dtype)
    cos, sin = np.cos(radians), np.sin(radians)
    for value, a, b, c, x0, y0, z0, degrees in solids:
        height = _heights(c, z0, z)
        rows = _span((height > 0).any(axis=1))
        if rows.start == rows.stop:
            continue
        turn = radians - np.deg2rad(degrees)
        width = np.hypot(a * np.cos(turn), b * np.sin(turn))[:, None, None]
        shadow = (x0 * cos + y0 * sin)[:, None, None]
        across = ((u.T - shadow) / width) ** 2  # (views, k, columns)
        columns = _span((across < 1).any(axis=(0, 1)))
        height = height[rows].astype(dtype)
        across = across[..., columns].astype(dtype)
        chord = np.zeros((len(radians), len(height), across.shape[-1]), dtype)
        part = np.empty_like(chord)
        for i in range(height.shape[1]):
            for j in range(across.shape[1]):
                np.subtract(height[:, i, None], across[:, None, j], out=part)
                np.maximum(part, 0, out=part)
                chord += np.sqrt(part, out=part)
        peak = value * 2 * a * b / width / (height.shape[1] * across.shape[1])
        chord *= peak.astype(dtype)
        total[:, rows, columns] += chord
    return total


def _interval_counts(
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    row: NDArray[np.intp],
    shape: tuple[int, int],
    ss: int,
) -> NDArray[Any]:
    """Number of points per pixel in the intervals [low, high) of points of a row.

    An interval is a step up and a step down.  A pixel has `ss` points; a step inside a pixel is
    split between it and the next one.  A cumulative sum fills the interval."""
    ny, nx = shape
    ends = np.concatenate([low, high])
    sign = np.repeat([1.0, -1.0], len(low))
    pixel, inside = np.divmod(ends, ss)
    index = np.tile(row, 2) * (nx + 2) + pixel
    steps = np.bincount(
        np.concatenate([index, index + 1]),
        np.concatenate([sign * (ss - inside), sign * inside]),
        ny * (nx + 2),
    )
    return np.cumsum(steps.reshape(ny, nx + 2), axis=1)[:, :nx]


def _slice_image(solids: Floats, grid: Grid, z: Floats, y: Floats, ss: int) -> Floats:
    """One slice, float64 (ny, nx); z (m,) and y (ny, ss) are coordinates of its points."""
    nx, step = grid.shape[2], grid.pitch[2] / ss
    first = sub_cells(nx, ss, grid.pitch[2], grid.origin[2]).min(initial=np.inf)
    image = np.zeros(grid.shape[1:])
    for value, a, b, c, x0, y0, z0, degrees in solids:
        height = _heights(c, z0, z)
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        width = np.hypot(a * sin, b * cos)  # half the extent along y
        rows = _span((np.abs(y - y0) < width).any(axis=1))
        offset = y[rows] - y0
        # A row intersects an ellipse in one interval, the chord of the view θ = 90°.
        square = height[:, None, None] - (offset / width) ** 2  # (m, rows, ss)
        part, row, sub = np.nonzero(square > 0)
        if not part.size:
            continue
        half = a * b / width * np.sqrt(square[part, row, sub])
        middle = x0 + offset[row, sub] * (a * a - b * b) * sin * cos / width**2
        low = np.ceil((middle - half - first) / step).clip(0, nx * ss).astype(np.int64)
        high = np.floor((middle + half - first) / step + 1).clip(0, nx * ss).astype(np.int64)
        counts = _interval_counts(low, high, row, (len(offset), nx), ss)
        image[rows] += value / (len(height) * ss * ss) * counts
    # Values that cancel (1 - 0.8 - 0.2) leave rounding errors; air shall be exactly zero.
    image[np.abs(image) < 1e-12 * np.abs(solids[:, 0]).max(initial=0.0)] = 0.0
    return image


@dataclass(frozen=True, eq=False)
class Ellipsoids:
    """A sum of ellipsoids.

    table: (n, 8), one row a body: value [1/length], semi-axes a, b, c [length] along x, y, z (inf
    for c is a cylinder), centre x, y, z [length], angle φ [degrees] by which the body is turned
    counter-clockwise about z.  Bodies with a negative value cut holes into others.

    >>> ball = pr.datasets.Ellipsoids([[2, 3, 3, 3, 0, 0, 0, 0]])  # value 2, radius 3
    >>> y = ball.projections(pr.ParallelBeam([0, 90], (9, 9), angle_unit="deg"))
    >>> y.shape, f"{y.max():.0f}"  # 2 over the diameter
    ((2, 9, 9), '12')
    """

    table: ArrayLike

    _COLUMNS: ClassVar[tuple[str, ...]] = ("value", "a", "b", "c", "x", "y", "z", "phi")

    def __post_init__(self) -> None:
        table = np.array(self.table, dtype=np.float64)
        names = self._COLUMNS
        if table.size == 0:
            table = table.reshape(0, len(names))
        if table.ndim != 2 or table.shape[1] != len(names):
            raise ArgumentError(
                f"{type(self).__name__}.table: expected ({', '.join(names)}) in each row, "
                f"got shape {table.shape}"
            )
        axes = [i for i, name in enumerate(names) if name in "abc"]
        bounded = np.delete(table, names.index("c"), axis=1) if "c" in names else table
        if not (np.isfinite(bounded).all() and (table[:, axes] > 0).all()):
            raise ArgumentError(
                f"{type(self).__name__}.table: expected finite numbers and positive semi-axes "
                "(only c may be inf)"
            )
        table.flags.writeable = False
        object.__setattr__(self, "table", table)

    def __len__(self) -> int:
        return len(self.solids)

    @property
    def solids(self) -> Floats:
        """The bodies as rows (value, a, b, c, x, y, z, φ)."""
        return np.asarray(self.table)

    def scaled(self, length: float = 1.0, value: float = 1.0) -> Ellipsoids:
        """The same object with lengths and values multiplied by these factors."""
        factor = [value if n == "value" else 1 if n == "phi" else length for n in self._COLUMNS]
        return replace(self, table=np.asarray(self.table) * factor)

    def fitted(self, grid: Grid) -> Ellipsoids:
        """The object scaled so that length 1 is half the shorter side (y or x) of the grid.

        Spheres remain spheres: a grid with few slices contains the middle of the object."""
        _, ny, nx = grid.shape
        return self.scaled(min(ny * grid.pitch[1], nx * grid.pitch[2]) / 2)

    def volume(
        self, grid: Grid, supersample: int = 4, slices: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Values averaged over supersample³ points of each voxel: (nz, ny, nx) float32.

        slices: slices of the grid to compute, for objects larger than memory.  Slices are computed
        one by one."""
        z, y = (
            sub_cells(grid.shape[axis], supersample, grid.pitch[axis], grid.origin[axis])
            for axis in (0, 1)
        )
        z = z[slices]
        volume = np.empty((len(z), *grid.shape[1:]), np.float32)
        for image, points in zip(volume, z, strict=True):
            cancellation_point()
            image[...] = _slice_image(self.solids, grid, points, y, supersample)
        return volume

    def projections(
        self, scan: ParallelBeam, grid: Grid | None = None, supersample: int = 4
    ) -> NDArray[np.float32]:
        """Exact line integrals, averaged over supersample² points of each pixel: float32
        (views, rows, columns).

        grid: supplies the pitch of the rows if it differs from the detector's; row r always
        measures slice r."""
        pitch = scan.row_pitch if grid is None else grid.pitch[0]
        middle = (scan.detector_shape[0] - 1) / 2 - scan.row_offset
        z = sub_cells(scan.detector_shape[0], supersample, pitch, middle)
        u = sub_cells(scan.detector_shape[1], supersample, scan.column_pitch, scan.center)
        views, rows, columns = scan.shape
        out = np.empty(scan.shape, np.float32)
        high = max(1, _BLOCK // max(1, columns))
        deep = max(1, _BLOCK // max(1, columns * rows))
        for v in range(0, views, deep):
            for r in range(0, rows, high):
                cancellation_point()
                out[v : v + deep, r : r + high] = line_integrals(
                    self.solids, scan.radians[v : v + deep], z[r : r + high], u
                )
        return out


@dataclass(frozen=True, eq=False)
class Ellipses(Ellipsoids):
    """A sum of ellipses, the same in every slice.

    table: (n, 6), one row a body: value [1/length], semi-axes a, b [length] along x, y, centre
    x, y [length], angle φ [degrees] by which the ellipse is turned counter-clockwise.

    >>> disc = pr.datasets.Ellipses([[2, 3, 3, 0, 0, 0]])  # value 2, radius 3
    >>> x = disc.volume(pr.Grid((1, 9, 9)))
    >>> x.shape, float(x[0, 4, 4]), f"{x.sum() / (2 * np.pi * 9):.1f}"
    ((1, 9, 9), 2.0, '1.0')
    """

    _COLUMNS: ClassVar[tuple[str, ...]] = ("value", "a", "b", "x", "y", "phi")

    @property
    def solids(self) -> Floats:
        """The elliptic cylinders as rows (value, a, b, ∞, x, y, 0, φ)."""
        table = np.asarray(self.table)
        return np.insert(table, [3, 5], [np.inf, 0.0], axis=1)
