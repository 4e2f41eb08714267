"""The engines of rays of any direction: one pair of kernels for all geometries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.errors import ArgumentError
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.rays import Rays
from physrecon.geometry.scan_geometry import ScanGeometry
from physrecon.operators.projection.parallel_beam import check_rows

if TYPE_CHECKING:
    from physrecon.operators.projection.upright_lines import FanStack, UprightLines

LAUNCH = 1 << 30  # voxels taken in one launch: a second or two on two cores
DEEP = 64  # slices of a launch at least: a multiple of the blocks of the kernel
THIN = 1e-9  # of |way| |u| |v|: so flat a triple of vectors makes no image


class VectorEngine:
    """The kernels of `vector_beam` for the rays of a scan and a grid.

    Detector and source may stand anywhere; voxels behind the source are not seen.  Rays are
    computed in float64 on the CPU, in the dtype of the data on CUDA.  Raises ArgumentError where a
    detector is seen edge on.  Holds the table."""

    nonnegative = True
    slices: tuple[int, int] | None = None

    def __init__(self, scan: ScanGeometry, grid: Grid) -> None:
        self.scan, self.grid = scan, grid
        self._here: dict[Any, Any] = {}

    @cached_property
    def _lowered(self) -> tuple[NDArray[np.float64], tuple[float, float, float, bool]]:
        rays = self.scan.rays()
        return view_table(rays, self.grid), (rays.column, rays.row, rays.bend, rays.parallel)

    @cached_property
    def _share(self) -> NDArray[np.float64]:
        """(views,) how far the detector of the table stands on the way to that of the scan."""
        rays, (table, detector) = self.scan.rays(), self._lowered
        if detector[3]:
            return np.ones(len(table))
        way = (rays.centre - rays.source) / self.grid.pitch
        return np.asarray(np.linalg.norm(table[:, 3:6], axis=1) / np.linalg.norm(way, axis=1))

    @cached_property
    def independent_columns(self) -> int:
        """m: two rays of one view that are m or more columns apart share no voxel."""
        table, _ = self._lowered
        steps = np.linalg.norm(table[:, 6:9], axis=1)
        return math.ceil(2 * math.sqrt(3) / steps.min(initial=2.0)) if len(table) else 1

    @cached_property
    def _upright(self) -> UprightLines | None:
        """The faster kernels, if they take these rays."""
        from physrecon.operators.projection.upright_lines import UprightLines, suits

        some = *self._fans(), self.grid.shape, self.scan.shape[1]
        return UprightLines(*some, self.grid.pitch) if suits(*some) else None

    @cached_property
    def _lines(self) -> UprightLines | None:
        """Those that interpolate, if they take these rays."""
        from physrecon.operators.projection.upright_lines import UprightLines, suits_lines

        some = *self._fans(), self.grid.shape
        if self._upright or not suits_lines(*some):
            return self._upright
        return UprightLines(*some, self.scan.shape[1], self.grid.pitch)

    def _fans(self) -> tuple[NDArray[np.float64], NDArray[np.float64], Any]:
        """(table, fans, detector) in float64."""
        table, detector = self._lowered
        return table, fans_of(self.scan.shape[2], detector[0], detector[2]), detector

    def project(self, x: Any, out: Any) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""
        from physrecon.kernels import vector_beam

        if not arrays.is_device(x) and self._upright:
            self._upright.project(x, out)
            return
        table, fans, detector, pitch = self._numbers(x)
        for views in self._pieces():
            vector_beam.project(table[views], fans, detector, pitch, x, out[views])

    def backproject(self, y: Any, out: Any) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""
        from physrecon.kernels import vector_beam

        if not arrays.is_device(y) and self._upright:
            self._upright.backproject(y, out)
            return
        out[...] = 0
        table, fans, detector, pitch = self._numbers(y)
        for first, slices, views in self._blocks():
            some = table[views], fans, detector, pitch, first
            vector_beam.backproject(*some, y[views], out[slices])

    def interpolate(
        self, y: Any, weights: NDArray[np.float64], depth: float, out: Any,
        origin: tuple[int, int] = (0, 0), part: slice = slice(None),
    ) -> None:  # fmt: skip
        """out ← Σ_v weights[v] / U² · y[v] where the voxel is seen; U its distance from the source,
        1 at 1 / depth of the way to the detector, and of parallel rays everywhere.

        weights: (views,), or (views, slices of out).  origin: (slice, row) of grid and scan with
        which out and y begin; y holds all rows that the slices of out need.  part: the views of
        the scan, adjacent, that y and weights hold.  A slice is the same, bit for bit, whatever is
        computed beside it."""
        from physrecon.kernels import voxel_driven

        seen = self._seen(weights, depth, y, part)
        if not arrays.is_device(y) and self._lines:
            self._lines.interpolate(y, seen, out, origin, part)
            return
        out[...] = 0
        table, _, detector, _ = self._numbers(y)
        table = table[part]
        here = arrays.to_device(seen, "cuda" if arrays.is_device(y) else "cpu")
        for views in self._pieces(table.shape[0]):
            some = table[views], detector, origin, here[views]
            voxel_driven.backproject(*some, y[views], out)

    def _seen(
        self, weights: NDArray[np.float64], depth: float, near: Any, part: slice = slice(None)
    ) -> NDArray[Any]:
        """(views, 1) or (views, slices) weights for a depth of 1 at the detector of the table."""
        many = weights.reshape(len(weights), -1)
        return np.asarray(many / (self._share[part, None] * depth) ** 2, near.dtype)

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held besides x and y, for elements of `itemsize` bytes."""
        held = self._upright.work_bytes(itemsize) if self._upright else 0
        return self.scan.shape[0] * 21 * 8 + held

    def share_memory(self, other: VectorEngine) -> None:
        """There is none to share."""

    def _pieces(self, count: int | None = None) -> Iterator[slice]:
        """Views of about a second's work; Python handles signals only between launches."""
        views, rows, columns = self.scan.shape
        views = views if count is None else count
        each = max(LAUNCH // max(rows * columns * max(self.grid.shape), 1), 1)
        for start in range(0, views, each):
            yield slice(start, min(start + each, views))

    def _blocks(self) -> Iterator[tuple[int, slice, slice]]:
        """(first slice, slices, views): pieces of about a second's work, of many views each, since
        the sums of a piece are added to the volume."""
        (views, _, _), (slices, *plane) = self.scan.shape, self.grid.shape
        lines = max(math.prod(plane), 1)
        deep = max(LAUNCH // (lines * max(views, 1)) // DEEP, 1) * DEEP
        each = max(LAUNCH // (lines * min(deep, slices)), 1) if slices else 1
        for first in range(0, slices, deep):
            for start in range(0, views, each):
                part = slice(first, min(first + deep, slices))
                yield first, part, slice(start, min(start + each, views))

    def _numbers(self, near: Any) -> tuple[Any, Any, Any, Any]:
        """(table, fans, detector, pitch) on the machine of `near`, in the type for rays there."""
        device = arrays.is_device(near)
        kind = np.dtype(near.dtype if device else np.float64).type
        if (device, kind) not in self._here:
            table, (column, row, bend, parallel) = self._lowered
            tables = (table, fans_of(self.scan.shape[2], column, bend))
            place = "cuda" if device else "cpu"
            there = [arrays.to_device(t.astype(kind), place) for t in tables]
            detector = (kind(column), kind(row), kind(bend), parallel)
            pitch = tuple(map(kind, self.grid.pitch))
            self._here[device, kind] = (*there, detector, pitch)
        return cast(tuple[Any, Any, Any, Any], self._here[device, kind])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_here": {}}


class FanEngine:
    """The same for a stack of fans: the rays of a row stay in its slice.

    Raises ArgumentError unless the grid has one slice at the height of each row.  Holds the table;
    one row of the projections within a call."""

    nonnegative = True
    slices: tuple[int, int] | None = (0, 1)

    def __init__(self, scan: FanBeam, grid: Grid) -> None:
        check_rows("Projector", scan, grid)
        first = slice(0, 1)
        self._one = VectorEngine(scan.part(first), grid.part(first))
        self._shape, self._grid = scan.shape, grid

    @cached_property
    def _stack(self) -> FanStack | None:
        """The faster kernels, if they take these rays."""
        from physrecon.operators.projection.upright_lines import FanStack, suits_fans

        some = *self._one._fans(), self._grid.shape
        return FanStack(*some, self._grid.pitch) if suits_fans(*some) else None

    @property
    def independent_columns(self) -> int:
        """m: two rays of one view that are m or more columns apart share no voxel."""
        return self._one.independent_columns

    def project(self, x: Any, out: Any) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""
        if not arrays.is_device(x) and self._stack:
            self._stack.project(x, out)
            return
        for r in range(x.shape[0]):
            row = self._row(out)
            self._one.project(x[r : r + 1], row)
            out[:, r : r + 1] = row

    def backproject(self, y: Any, out: Any) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""
        if not arrays.is_device(y) and self._stack:
            self._stack.backproject(y, out)
            return
        for r in range(out.shape[0]):
            row = self._row(y)
            row[...] = y[:, r : r + 1]
            self._one.backproject(row, out[r : r + 1])

    def interpolate(self, y: Any, weights: NDArray[np.float64], depth: float, out: Any) -> None:
        """As `VectorEngine.interpolate`."""
        if not arrays.is_device(y) and self._stack:
            self._stack.interpolate(y, self._one._seen(weights, depth, y)[:, 0].copy(), out)
            return
        for r in range(out.shape[0]):
            row = self._row(y)
            row[...] = y[:, r : r + 1]
            self._one.interpolate(row, weights, depth, out[r : r + 1])

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held besides x and y, for elements of `itemsize` bytes."""
        views, _, columns = self._shape
        row = views * columns * itemsize
        held = self._stack.work_bytes(itemsize) if self._stack else row
        return views * 21 * 8 + held

    def share_memory(self, other: FanEngine) -> None:
        """There is none to share."""

    def _row(self, near: Any) -> Any:
        views, _, columns = self._shape
        return arrays.like(near, (views, 1, columns))


def fans_of(columns: int, middle: float, bend: float) -> NDArray[np.float64]:
    """(columns, 2) cos − 1 and sin / bend of the angle of a column; 0 and its distance if flat."""
    away = np.arange(columns) - middle
    if not bend:
        return np.stack([0 * away, away], axis=1)
    return np.stack([-2 * np.sin(away * bend / 2) ** 2, np.sin(away * bend) / bend], axis=1)


def view_table(rays: Rays, grid: Grid) -> NDArray[np.float64]:
    """(views, 21): point, way, column, row and the inverse, as `kernels.vector_beam` reads them.

    The detector is moved along its rays to the middle of the grid, where few digits say where it
    is, however far source and detector stand."""
    table = rays.table(grid)
    source, centre, u, v = (table[:, i : i + 3].copy() for i in (0, 3, 6, 9))
    middle = (np.array(grid.shape) - 1) / 2
    if rays.parallel:
        way = source
        share = ((middle - centre) * way).sum(1) / (way * way).sum(1)
        centre += share[:, None] * way
    else:
        way = centre - source
        share = ((middle - source) * way).sum(1) / (way * way).sum(1)
        share = np.where(share > 0, share, 1.0)[:, None]
        way, u, v = share * way, share * u, share * v
        centre = source + way
    basis = np.stack([way, u, v], axis=2)
    sizes = np.linalg.norm(basis, axis=1).prod(axis=1)
    thin = np.abs(np.linalg.det(basis)) <= THIN * sizes
    if thin.any():
        raise ArgumentError(
            "Projector: expected rays that cross the detector, got a detector seen edge on in view "
            f"{int(np.argmax(thin))}; check source, detector and steps"
        )
    inverse = np.linalg.inv(basis).reshape(len(table), 9)
    return np.concatenate([centre, way, u, v, inverse], axis=1)
