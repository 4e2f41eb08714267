"""Detectors whose columns are parallel to the axis z: the fast kernels, and what they ask for.

Volume and projections are copied with the slices, or the rows, innermost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.kernels import cone_beam, cone_beam_back, ray_columns, stacking, voxel_lines
from physrecon.kernels._lanes import lanes
from physrecon.kernels._lines import LANES
from physrecon.kernels.vector_beam import COLUMN, INVERSE, POINT, ROW, WAY

Detector = tuple[float, float, float, bool]
Pitches = tuple[int, int, int]  # of lines, of their rows, and, in registers, of columns

UPRIGHT = 1e-9  # voxels by which the ends of a column may lie beside each other
NEAREST = 0.02  # depth, 1 at the middle of the grid, of the nearest voxel
SMALLEST, LARGEST = 1 / 6, 6.0  # voxels between rows: others would need ever wider windows
STACK = 128  # slices of fans that are taken at a time
LAUNCH = 1 << 33  # voxels taken in one launch: about a second on two cores
HELD = 1 << 28  # bytes of projections, about, in one launch
SKEW, PERIOD = 96, 1024  # numbers by which rows of lines pass a multiple of a period: for all sets


def suits(
    table: NDArray[Any], fans: NDArray[Any], detector: Detector, rows: int, shape: tuple[int, ...],
    stack: bool,
) -> bool:  # fmt: skip
    """Whether the kernels take these views of a grid of this shape.

    stack: of fans, whose rows keep to their slices."""
    if not len(table) or 0 in shape or not len(fans) or not rows:
        return False
    nearest, steps = _depths(table, detector, shape)
    if nearest < NEAREST:
        return False
    if stack:
        return True
    aside = np.abs(table[:, ROW + 1 : ROW + 3]).max() * rows
    if aside > UPRIGHT or steps[0] < SMALLEST or steps[1] > LARGEST:
        return False
    # Rays that are steeper cross planes of z: they belong to the general kernels.
    less, fan = (0 * fans.T if detector[3] else fans.T)[:, None]
    z, y, x = (table[:, [WAY + i]] * (1 + less) + table[:, [COLUMN + i]] * fan for i in range(3))
    ends = [0.0] if detector[3] else [-detector[1], rows - 1 - detector[1]]
    widest = np.maximum(np.abs(x), np.abs(y))
    return all(bool((np.abs(z + table[:, [ROW]] * r) < widest).all()) for r in ends)


def _depths(
    table: NDArray[Any], detector: Detector, shape: tuple[int, ...]
) -> tuple[float, tuple[float, float]]:
    """(depth of the nearest corner of a grid, (least, greatest) distance of rows in it)."""
    if detector[3]:
        up = table[:, ROW]
        return 1.0, (float(up.min()), float(up.max()))
    ends = [(-1.0, float(n)) for n in shape]
    box = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    ways = box - table[:, None, POINT : POINT + 3] + table[:, None, WAY : WAY + 3]
    inverse = table[:, INVERSE : INVERSE + 9].reshape(-1, 3, 3)
    depth, along, _ = np.moveaxis(np.einsum("vij,vpj->vpi", inverse, ways), -1, 0)
    far = np.hypot(depth, along * detector[2]).max(1)
    up = table[:, ROW]
    return float(depth.min()), (float((up * depth.min(1)).min()), float((up * far).max()))


class UprightLines:
    """The pair of one table on the CPU.

    shape: (nz, ny, nx).  rows: of the detector; of a stack of fans one per slice."""

    def __init__(
        self, table: NDArray[Any], fans: NDArray[Any], detector: Detector,
        shape: tuple[int, int, int], rows: int, pitch: tuple[float, ...], stack: bool,
    ) -> None:  # fmt: skip
        self.table, self.fans, self.detector, self.shape = table, fans, detector, shape
        self.rows, self.pitch, self.stack = rows, pitch, stack
        _, (least, most) = (0.0, (1.0, 1.0)) if stack else _depths(table, detector, shape)
        reach = max(LANES * most, LANES / least) + 8 * max(most, 1 / least)
        self.pad = 0 if stack else _padded(math.ceil(reach) + 2 * LANES)

    def project(self, x: NDArray[Any], out: NDArray[Any]) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""
        for part in self._parts():
            shape, pitches = self._layout(part)
            voxels = self._lines(x.dtype, pitches)
            stacking.pack(x[part].transpose(1, 0, 2), *self._order(x), self._block(voxels, pitches))
            for views in self._pieces(shape, x.dtype):
                courses, columns = self._courses(views), self._columns(views, pitches, x.dtype)
                some = self.table[views], self.detector, courses, shape, pitches, self.stack
                chunk = cone_beam.views_per_chunk(len(courses))
                cone_beam.project(*some, chunk, voxels, _registers(columns))
                rays = columns, *self._rows(part), courses, *self._place(pitches)
                ray_columns.unpack(*rays, out[views])

    def backproject(self, y: NDArray[Any], out: NDArray[Any]) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""
        like = _registers(np.empty(0, y.dtype))
        for part in self._parts():
            shape, pitches = self._layout(part)
            voxels = self._lines(y.dtype, pitches)
            for views in self._pieces(shape, y.dtype):
                courses, columns = self._courses(views), self._columns(views, pitches, y.dtype)
                rays = *self._rows(part), courses, *self._place(pitches)
                ray_columns.pack(y[views], *rays, columns)
                some = self.table[views], self.detector, courses, shape, pitches, self.stack
                cone_beam_back.backproject(*some, columns, like, voxels)
            self._give(voxels, pitches, out[part])

    def interpolate(self, y: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]) -> None:
        """out ← Σ_v weights[v] / depth² · y[v] where the voxel is seen."""
        for part in self._parts():
            shape, pitches = self._layout(part)
            voxels = self._lines(y.dtype, pitches)
            first, count = self._rows(part)
            for views in self._pieces(shape, y.dtype):
                columns, here = self._columns(views, pitches, y.dtype), weights[views]
                block = columns[self.pad :][: len(here) * len(self.fans) * pitches[2] * LANES]
                block = block.reshape(len(here), len(self.fans), -1)
                order, ones = np.arange(len(here)), np.ones(len(here), y.dtype)
                stacking.pack(y[views][:, first : first + count], order, ones, block)
                some = self.table[views], here, self.detector, shape, pitches, self.stack
                voxel_lines.backproject(*some, columns, _registers(voxels))
            self._give(voxels, pitches, out[part])

    def _give(self, voxels: NDArray[Any], pitches: Pitches, out: NDArray[Any]) -> None:
        block = self._block(voxels, pitches)
        stacking.unpack(block, *self._order(out), out.transpose(1, 0, 2))

    def _order(self, near: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(order, factors) of the rows of lines, for `stacking`."""
        ny = self.shape[1]
        return np.arange(ny), np.ones(ny, near.dtype)

    def _block(self, voxels: NDArray[Any], pitches: Pitches) -> NDArray[Any]:
        """The lines as (y, x, z)."""
        _, ny, nx = self.shape
        rows = voxels[self.pad : self.pad + ny * pitches[1]].reshape(ny, pitches[1])
        return rows[:, : nx * pitches[0]].reshape(ny, nx, pitches[0])

    def _rows(self, part: slice) -> tuple[int, int]:
        """(first, number) of the rows that belong to slices."""
        return (part.start, part.stop - part.start) if self.stack else (0, self.rows)

    def _place(self, pitches: Pitches) -> tuple[Any, ...]:
        return self.stack, self.pitch, pitches[2], self.pad

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held within a call besides x and y."""
        part = next(self._parts(), slice(0, 0))
        shape, pitches = self._layout(part)
        views = next(self._pieces(shape, np.dtype(f"f{itemsize}")), slice(0, 0))
        count = (views.stop - views.start) * len(self.fans)
        lines = shape[1] * pitches[1] * itemsize
        return lines + count * (pitches[2] * LANES * itemsize + 8 * cone_beam.COURSE)

    def _parts(self) -> Iterator[slice]:
        size = STACK if self.stack else max(self.shape[0], 1)
        for start in range(0, self.shape[0], size):
            yield slice(start, min(start + size, self.shape[0]))

    def _layout(self, part: slice) -> tuple[tuple[int, ...], Pitches]:
        """(shape for the kernels, pitches)."""
        _, ny, nx = self.shape
        nz = part.stop - part.start
        rows = nz if self.stack else self.rows
        line = _padded(nz) + self.pad
        row = nx * line + (SKEW - nx * line) % PERIOD
        column = (_padded(rows) + self.pad) // LANES
        return (nz, ny, nx, rows, len(self.fans), self.pad), (line, row, column)

    def _pieces(self, shape: tuple[int, ...], dtype: Any) -> Iterator[slice]:
        """Views of about a second's work; Python handles signals only between launches."""
        nz, ny, nx, rows, columns, pad = shape
        view = columns * (_padded(rows) + pad)
        work, held = view * max(ny, nx), view * np.dtype(dtype).itemsize
        batch = cone_beam_back.BATCH
        each = max(min(LAUNCH // work, HELD // held) // batch, 1) * batch
        for start in range(0, len(self.table), each):
            yield slice(start, min(start + each, len(self.table)))

    def _lines(self, dtype: Any, pitches: Pitches) -> NDArray[Any]:
        return np.zeros(self.pad + self.shape[1] * pitches[1] + self.pad + LANES, dtype)

    def _courses(self, views: slice) -> NDArray[Any]:
        table = self.table[views]
        courses = np.empty((len(table), len(self.fans), cone_beam.COURSE))
        cone_beam.courses(table, self.fans, self.detector, courses)
        return courses

    def _columns(self, views: slice, pitches: Pitches, dtype: Any) -> NDArray[Any]:
        """Memory for the columns of views: zeros."""
        count = (views.stop - views.start) * len(self.fans) * pitches[2]
        return np.zeros((count + 1) * LANES + 2 * self.pad, dtype)


def _padded(count: int) -> int:
    return -(-count // LANES) * LANES


def _registers(numbers: NDArray[Any]) -> NDArray[Any]:
    return numbers.view(lanes(numbers.dtype, LANES))
