"""The fast kernels of detectors whose columns are parallel to the axis z, and what they ask for.

Volume and projections are copied with the slices, or the rows, innermost.  `UprightLines` is the
pair of a cone beam, `FanStack` that of a stack of fans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.kernels import (
    cone_beam,
    cone_beam_back,
    fan_beam,
    ray_columns,
    stacking,
    voxel_lines,
)
from physrecon.kernels._lanes import lanes
from physrecon.kernels._lines import LANES
from physrecon.kernels.ray_courses import COLUMN, INVERSE, POINT, ROW, WAY

Detector = tuple[float, float, float, bool]
Pitches = tuple[int, int, int]  # of lines, of their rows, and of columns

UPRIGHT = 1e-9  # voxels by which the ends of a column may lie beside each other
NEAREST = 0.02  # depth, 1 at the middle of the grid, of the nearest voxel
SMALLEST, LARGEST = 1 / 6, 6.0  # voxels between rows: others would need ever wider windows
STACK = 128  # slices of fans that are taken at a time
ABREAST = 8  # of them in a register; few slices fill a longer one badly
LAUNCH = 1 << 33  # voxels taken in one launch: about a second on two cores
HELD = 1 << 26  # bytes of projections, about, in one launch
SKEW, PERIOD = 96, 1024  # numbers by which rows of lines pass a multiple of a period: for all sets


def suits(
    table: NDArray[Any], fans: NDArray[Any], detector: Detector, shape: tuple[int, ...], rows: int
) -> bool:
    """Whether `UprightLines` takes these views of a grid of this shape: one slice fills no
    register."""
    if not suits_fans(table, fans, detector, shape) or shape[0] == 1 or not rows:
        return False
    _, steps = _depths(table, detector, shape)
    aside = np.abs(table[:, ROW + 1 : ROW + 3]).max() * rows
    if aside > UPRIGHT or steps[0] < SMALLEST or steps[1] > LARGEST:
        return False
    # Rays that are steeper cross planes of z: they belong to the general kernels.
    less, fan = (0 * fans.T if detector[3] else fans.T)[:, None]
    z, y, x = (table[:, [WAY + i]] * (1 + less) + table[:, [COLUMN + i]] * fan for i in range(3))
    ends = [0.0] if detector[3] else [-detector[1], rows - 1 - detector[1]]
    widest = np.maximum(np.abs(x), np.abs(y))
    return all(bool((np.abs(z + table[:, [ROW]] * r) < widest).all()) for r in ends)


def suits_lines(
    table: NDArray[Any], fans: NDArray[Any], detector: Detector, shape: tuple[int, ...]
) -> bool:
    """Whether `UprightLines.interpolate` takes parallel rays: voxels of an upright line lie in one
    column of the detector, at a step that is not far from 1."""
    if not (detector[3] and len(table)) or 0 in shape or not len(fans):
        return False
    aside = np.abs(table[:, INVERSE + 3]).max() * shape[0]
    steps = np.concatenate([table[:, ROW], table[:, INVERSE + 6]])
    return bool(aside <= UPRIGHT and steps.min() >= SMALLEST and steps.max() <= LARGEST)


def suits_fans(
    table: NDArray[Any], fans: NDArray[Any], detector: Detector, shape: tuple[int, ...]
) -> bool:
    """Whether `FanStack` takes these views: all voxels lie before the sources."""
    if not len(table) or 0 in shape or not len(fans):
        return False
    return _depths(table, detector, shape)[0] >= NEAREST


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


class _Lines:
    """What both have in common.

    shape: (nz, ny, nx).  pitch: lengths of a voxel along z, y, x.  pad: zeros between lines.
    lanes: slices of a register."""

    def __init__(
        self, table: NDArray[Any], fans: NDArray[Any], detector: Detector,
        shape: tuple[int, int, int], pitch: tuple[float, ...], pad: int, lanes: int,
    ) -> None:  # fmt: skip
        self.table, self.fans, self.detector = table, fans, detector
        self.shape, self.pitch, self.pad, self.lanes = shape, pitch, pad, lanes

    def _pitches(self, slices: int, rows: int) -> Pitches:
        line = padded(slices, self.lanes) + self.pad
        row = self.shape[2] * line
        return line, row + (SKEW - row) % PERIOD, padded(rows, self.lanes) + self.pad

    def _pieces(
        self, pitches: Pitches, itemsize: int, part: slice = slice(None)
    ) -> Iterator[slice]:
        """Views of about a second's work; Python handles signals only between launches."""
        view = len(self.fans) * pitches[2]
        work, held = view * max(self.shape[1:]), view * itemsize
        batch = cone_beam_back.BATCH
        each = max(min(LAUNCH // work, HELD // held) // batch, 1) * batch
        first, last, _ = part.indices(len(self.table))
        for start in range(first, last, each):
            yield slice(start, min(start + each, last))

    def _bytes(self, pitches: Pitches, itemsize: int) -> int:
        views = next(self._pieces(pitches, itemsize), slice(0, 0))
        columns = (views.stop - views.start) * len(self.fans)
        held = columns * (pitches[2] * itemsize + 8 * cone_beam.COURSE)
        return self.shape[1] * pitches[1] * itemsize + held

    def _lines(self, dtype: Any, pitches: Pitches) -> NDArray[Any]:
        """Memory for the lines of the volume: zeros."""
        return np.zeros(self.shape[1] * pitches[1] + 2 * self.pad + self.lanes, dtype)

    def _columns(self, views: slice, pitches: Pitches, dtype: Any) -> NDArray[Any]:
        """Memory for the columns of views: zeros."""
        count = (views.stop - views.start) * len(self.fans) * pitches[2]
        return np.zeros(count + self.lanes + 2 * self.pad, dtype)

    def _registers(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """A flat array as registers; what does not fill one is left out."""
        whole = numbers[: len(numbers) // self.lanes * self.lanes]
        return whole.view(lanes(numbers.dtype, self.lanes))

    def _courses(self, views: slice) -> NDArray[Any]:
        table = self.table[views]
        courses = np.empty((len(table), len(self.fans), cone_beam.COURSE))
        cone_beam.courses(table, self.fans, self.detector, courses)
        return courses

    def _take_volume(self, x: NDArray[Any], pitches: Pitches) -> NDArray[Any]:
        lines = self._lines(x.dtype, pitches)
        stacking.pack(x.transpose(1, 0, 2), *self._order(x), self._block(lines, pitches))
        return lines

    def _give_volume(self, lines: NDArray[Any], pitches: Pitches, out: NDArray[Any]) -> None:
        block = self._block(lines, pitches)
        stacking.unpack(block, *self._order(out), out.transpose(1, 0, 2))

    def _take_pixels(self, y: NDArray[Any], views: slice, pitches: Pitches) -> NDArray[Any]:
        """The columns of y as they are."""
        columns = self._columns(views, pitches, y.dtype)
        count = len(y) * len(self.fans) * pitches[2]
        block = columns[self.pad : self.pad + count].reshape(len(y), len(self.fans), -1)
        stacking.pack(y, np.arange(len(y)), np.ones(len(y), y.dtype), block)
        return columns

    def _order(self, near: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(order, factors) of the rows of lines, for `stacking`."""
        return np.arange(self.shape[1]), np.ones(self.shape[1], near.dtype)

    def _block(self, lines: NDArray[Any], pitches: Pitches) -> NDArray[Any]:
        """The lines as (y, x, z)."""
        _, ny, nx = self.shape
        rows = lines[self.pad : self.pad + ny * pitches[1]].reshape(ny, pitches[1])
        return rows[:, : nx * pitches[0]].reshape(ny, nx, pitches[0])


class UprightLines(_Lines):
    """The pair of a cone beam, or any other, on the CPU.  rows: of the detector."""

    def __init__(
        self, table: NDArray[Any], fans: NDArray[Any], detector: Detector,
        shape: tuple[int, int, int], rows: int, pitch: tuple[float, ...],
    ) -> None:  # fmt: skip
        _, (least, most) = _depths(table, detector, shape)
        reach = math.ceil(2 * LANES * max(most, 1 / least)) + 2 * LANES
        super().__init__(table, fans, detector, shape, pitch, padded(reach, LANES), LANES)
        self.rows = rows
        self._spans = self._pitches(shape[0], rows)
        self._sizes = (*shape, rows, len(fans), self.pad)

    def project(self, x: NDArray[Any], out: NDArray[Any]) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""
        spans, lines = self._spans, self._take_volume(x, self._spans)
        for views in self._pieces(spans, x.itemsize):
            courses, columns = self._courses(views), self._columns(views, spans, x.dtype)
            chunk = cone_beam.views_per_chunk(len(courses))
            some = self.table[views], self.detector, courses, self._sizes, spans
            cone_beam.project(*some, chunk, lines, self._registers(columns))
            rays = columns, 0, self.rows, courses, self.pitch, spans[2], self.pad
            ray_columns.unpack(*rays, out[views])

    def backproject(self, y: NDArray[Any], out: NDArray[Any]) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""
        spans, like = self._spans, self._registers(np.empty(0, y.dtype))
        lines = self._lines(y.dtype, spans)
        for views in self._pieces(spans, y.itemsize):
            courses, columns = self._courses(views), self._columns(views, spans, y.dtype)
            rays = 0, self.rows, courses, self.pitch, spans[2], self.pad
            ray_columns.pack(y[views], *rays, columns)
            some = self.table[views], self.detector, courses, self._sizes, spans
            cone_beam_back.backproject(*some, columns, like, lines)
        self._give_volume(lines, spans, out)

    def interpolate(
        self, y: NDArray[Any], weights: NDArray[Any], out: NDArray[Any], origin: tuple[int, int],
        part: slice,
    ) -> None:  # fmt: skip
        """out ← Σ_v weights[v] / distance² · y[v] where the voxel is seen.

        weights: (views, 1), or (views, slices of out).  part: the views of y, adjacent.
        origin: (slice, row) with which out and y begin."""
        low = origin[0] // LANES * LANES  # registers of the whole volume
        above = origin[0] - low
        slices, rows = above + out.shape[0], y.shape[1]
        spans = self._pitches(slices, rows)
        sizes = (slices, *self.shape[1:], rows, len(self.fans), self.pad)
        lines, first = self._lines(y.dtype, spans), part.indices(len(self.table))[0]
        common, shares, counted = _shares(weights, above, padded(slices, LANES))
        for views in self._pieces(spans, y.itemsize, part):
            here = slice(views.start - first, views.stop - first)
            columns = self._take_pixels(y[here], views, spans)
            much = common[here], None if shares is None else shares[here].ravel(), counted[here]
            some = self.table[views], *much, self.detector, sizes, (low, origin[1])
            voxel_lines.backproject(*some, spans, columns, self._registers(lines))
        block = self._block(lines, spans)[:, :, above:]
        stacking.unpack(block, *self._order(out), out.transpose(1, 0, 2))

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held within a call besides x and y."""
        return self._bytes(self._spans, itemsize)


def _shares(weights: NDArray[Any], above: int, numbers: int) -> tuple[Any, Any, NDArray[np.int64]]:
    """(weights, shares, spans) of views for `voxel_lines`, from (views, 1) or (views, slices).

    above: numbers of the lines before the first slice."""
    registers = numbers // LANES
    if weights.shape[1] == 1:
        return weights[:, 0].copy(), None, np.tile([0, registers], (len(weights), 1))
    shares = np.zeros((len(weights), numbers), weights.dtype)
    shares[:, above : above + weights.shape[1]] = weights
    counts = np.any(shares.reshape(len(weights), registers, LANES) != 0, axis=2)
    last = registers - counts[:, ::-1].argmax(1)
    spans = np.stack([counts.argmax(1), np.where(counts.any(1), last, 0)], axis=1)
    return np.ones(len(weights), weights.dtype), shares, spans


class FanStack(_Lines):
    """The pair of a stack of fans on the CPU, some slices at a time."""

    def __init__(
        self, table: NDArray[Any], fans: NDArray[Any], detector: Detector,
        shape: tuple[int, int, int], pitch: tuple[float, ...],
    ) -> None:  # fmt: skip
        super().__init__(
            table, fans, detector, shape, (0.0, *pitch[1:]), 0, ABREAST if shape[0] > 1 else 1
        )

    def project(self, x: NDArray[Any], out: NDArray[Any]) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""
        for part, sizes, spans in self._parts():
            lines = self._take_volume(x[part], spans)
            for views in self._pieces(spans, x.itemsize):
                courses, columns = self._courses(views), self._columns(views, spans, x.dtype)
                chunk = cone_beam.views_per_chunk(len(courses))
                some = self.table[views], self.detector, courses, sizes, spans[:2]
                fan_beam.project(*some, chunk, lines, self._registers(columns))
                rays = columns, part.start, sizes[0], courses, self.pitch, spans[2], 0
                ray_columns.unpack(*rays, out[views])

    def backproject(self, y: NDArray[Any], out: NDArray[Any]) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""
        like = self._registers(np.empty(0, y.dtype))
        for part, sizes, spans in self._parts():
            lines = self._lines(y.dtype, spans)
            for views in self._pieces(spans, y.itemsize):
                courses, columns = self._courses(views), self._columns(views, spans, y.dtype)
                rays = part.start, sizes[0], courses, self.pitch, spans[2], 0
                ray_columns.pack(y[views], *rays, columns)
                some = self.table[views], self.detector, courses, sizes, spans[:2]
                fan_beam.backproject(*some, columns, like, lines)
            self._give_volume(lines, spans, out[part])

    def interpolate(self, y: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]) -> None:
        """out ← Σ_v weights[v] / depth² · y[v] where the voxel is seen."""
        for part, sizes, spans in self._parts():
            lines = self._lines(y.dtype, spans)
            for views in self._pieces(spans, y.itemsize):
                columns = self._take_pixels(y[views][:, part], views, spans)
                some = self.table[views], weights[views], self.detector, sizes, spans[:2]
                fan_beam.interpolate(*some, columns, self._registers(lines))
            self._give_volume(lines, spans, out[part])

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held within a call besides x and y."""
        return max((self._bytes(spans, itemsize) for _, _, spans in self._parts()), default=0)

    def _parts(self) -> Iterator[tuple[slice, tuple[int, int, int, int], Pitches]]:
        """Slices that are taken together, the sizes for the kernels, and the pitches."""
        slices, ny, nx = self.shape
        for start in range(0, slices, STACK):
            part = slice(start, min(start + STACK, slices))
            count = part.stop - part.start
            yield part, (count, ny, nx, len(self.fans)), self._pitches(count, count)


def padded(count: int, unit: int) -> int:
    """The next multiple of a unit."""
    return -(-count // unit) * unit
