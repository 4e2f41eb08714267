"""The engine of a parallel beam: kernels on stacks of any height, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from physrecon import arrays
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.turning_scan import SlicewiseScan
from physrecon.geometry.view_tables import ViewTable, view_table

if TYPE_CHECKING:
    from physrecon.operators.projection.few_slices import FewSlices

WIDTHS = (1, 4, 16, 32, 64)  # slices in a block; kernels are compiled for each width
LAUNCH = 1 << 35  # weights applied in one launch: about a second on two cores
PAGE = 4096  # bytes; addresses so far apart share a set of the L1 cache
STAGGER = 7 / 16  # fraction of a page between neighbouring lines: puts them into different sets


def block_widths(slices: int) -> Iterator[tuple[int, int]]:
    """(slices, width of their block) that cover a stack: full blocks, then the narrowest to fit."""
    while slices > 0:
        width = next((w for w in WIDTHS if w >= slices), WIDTHS[-1])
        yield min(slices, width), width
        slices -= width


def staggered(length: int, row_bytes: int) -> int:
    """`length` padded so that lines of rows of `row_bytes` bytes do not compete for cache sets."""
    line = arrays.CACHE_LINE
    if row_bytes < line:
        return (-(-length * row_bytes // line) | 1) * line // row_bytes  # an odd number of lines
    period = max(PAGE // row_bytes, 1)
    return length + (int(period * STAGGER) - length) % period


class ParallelEngine:
    """The two kernels of a parallel beam on stacks of any height, block by block.

    table: weights of voxels in views; None: the method of Joseph.  Raises ArgumentError unless the
    grid has one slice for each detector row, at its height.  Holds the table, made on first use,
    and one pair of blocks between calls."""

    nonnegative = True
    slices: tuple[int, int] | None = (0, 1)

    def __init__(self, scan: ParallelBeam, grid: Grid, table: ViewTable | None = None) -> None:
        check_rows("Projector", scan, grid)
        self.scan, self.grid, self._table = scan, grid, table
        self.columns = scan.shape[2]
        self.ny, self.nx = grid.shape[1:]
        self._lowered: dict[Any, Any] = {}
        self._free: list[tuple[Any, Any, Any]] = []
        self._few_free: list[tuple[int, Any]] = []

    @cached_property
    def table(self) -> ViewTable:
        return view_table(self.scan, self.grid) if self._table is None else self._table

    @cached_property
    def _few(self) -> FewSlices:
        from physrecon.operators.projection.few_slices import FewSlices

        return FewSlices(self.table, (self.ny, self.nx, self.columns), self._few_free)

    @property
    def independent_columns(self) -> int:
        """`taps`, the maximum number of rays of a view through one voxel."""
        return self.table.taps

    def work_bytes(self, itemsize: int) -> int:
        """Bytes of a pair of blocks of the greatest width in use, and of those of a slice alone."""
        near = np.empty(0, np.float32 if itemsize == 4 else np.float64)
        widths = [width for _, width in self._parts(near, self.grid.shape[0])]
        width = max(widths, default=0)
        lengths = self._lengths(width * itemsize) if width else (0, 0)
        few = self._few.block_shapes() if 0 in widths else []
        wide = (self.ny * lengths[0] + self.scan.shape[0] * lengths[1]) * width
        return (wide + sum(map(math.prod, few))) * itemsize

    def project(self, x: Any, out: Any) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""
        from physrecon.kernels import parallel_beam, stacking

        table, order, lengths, lines = self._tables(x)
        chunk = parallel_beam.views_per_chunk(len(self.table.order))
        for part, width in self._parts(x, x.shape[0]):
            if not width:
                self._few.project(x[part][0], out[:, part][:, 0], partial(self._pieces, unit=1))
                continue
            kept, volume, sino = self._blocks(x, width)
            stacking.pack(x[part].transpose(1, 0, 2), *lines, volume)
            shape = self._shape(volume, sino)
            for views in self._pieces(shape[3], shape[0] * self.nx * width, parallel_beam.GROUP):
                split = min(max(self.table.split - views.start, 0), views.stop - views.start)
                some = (*shape[:3], views.stop - views.start, *shape[4:])
                few, rays = _some_views(table, views), _rows(sino[views])
                parallel_beam.project(few, split, some, chunk, lengths, _rows(volume), rays)
            stacking.unpack(sino, order, lengths, out[:, part])
            self._free.append(kept)

    def backproject(self, y: Any, out: Any) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""
        from physrecon.kernels import parallel_beam, stacking

        table, order, lengths, lines = self._tables(y)
        taps = min(self.table.taps, self.columns)
        for part, width in self._parts(y, y.shape[1]):
            if not width:
                self._few.backproject(y[:, part][:, 0], out[part][0], partial(self._pieces, unit=1))
                continue
            kept, volume, sino = self._blocks(y, width)
            stacking.pack(y[:, part], order, lengths, sino)
            shape, split = self._shape(volume, sino), self.table.split
            rays, voxels = _rows(sino), _rows(volume)
            for part_y in self._pieces(self.ny, shape[3] * self.nx * width, parallel_beam.TILE):
                here = (part_y.start, part_y.stop)
                parallel_beam.backproject(table, split, shape, taps, here, lengths, rays, voxels)
            stacking.unpack(volume, *lines, out[part].transpose(1, 0, 2))
            self._free.append(kept)

    def share_memory(self, other: ParallelEngine) -> None:
        """Share the blocks of an engine of the same grid and columns; views may differ."""
        self._free, self._few_free = other._free, other._few_free

    def _parts(self, near: Any, slices: int) -> Iterator[tuple[slice, int]]:
        """(slices, width of their block); 0: their own kernels take them."""
        from physrecon.operators.projection import few_slices

        few, start = few_slices.lanes_here(near) and few_slices.suits(self.table), 0
        for count, width in block_widths(slices):
            if few and count <= few_slices.FEW:  # one by one: each then finds its lines in L2
                yield from ((slice(n, n + 1), 0) for n in range(start, start + count))
            else:
                yield slice(start, start + count), width
            start += count

    @staticmethod
    def _pieces(count: int, work: int, unit: int) -> Iterator[slice]:
        """Cut `count` items of `work` steps each into launches of about a second, in whole units.

        Python handles signals only between launches."""
        size = max(LAUNCH // (max(work, 1) * unit), 1) * unit
        for start in range(0, count, size):
            yield slice(start, min(start + size, count))

    def _shape(self, volume: Any, sino: Any) -> tuple[int, ...]:
        return (self.ny, self.nx, volume.shape[1], sino.shape[0], self.columns, sino.shape[1])

    def _blocks(self, near: Any, width: int) -> tuple[Any, Any, Any]:
        """(record for reuse, block of volume, block of projections).

        Memory of the last call is reused if it fits; projections of more views fit too."""
        key = (arrays.is_device(near), near.dtype, width)
        last, volume, sino = arrays.taken(self._free, (None, None, None))
        views = self.scan.shape[0]
        line, ray_line = self._lengths(width * near.dtype.itemsize)
        if last != key:
            volume = arrays.like(near, (self.ny, line, width))
        if last != key or sino.shape[0] < views:
            sino = arrays.like(near, (views, ray_line, width))
        return (key, volume, sino), volume, sino[:views]

    def _lengths(self, row_bytes: int) -> tuple[int, int]:
        """Padded lengths of a line of voxels and of a row of the detector."""
        return staggered(self.nx, row_bytes), staggered(self.columns, row_bytes)

    def _tables(self, near: Any) -> tuple[Any, Any, Any, Any]:
        """(table, order of views, lengths of rays, (order, factors) of lines) on the machine and in
        the dtype of `near`."""
        key = (arrays.is_device(near), near.dtype)
        if key not in self._lowered:
            device = "cuda" if key[0] else "cpu"
            steps, origins, bits = self.table.lowered(near.dtype)
            lengths, ones = self.table.rows[:, 4].astype(near.dtype), np.ones(self.ny, near.dtype)
            tables = (steps, origins, self.table.order, lengths, np.arange(self.ny), ones)
            here = [arrays.to_device(t, device) for t in tables]
            self._lowered[key] = ((here[0], here[1], bits), here[2], here[3], (here[4], here[5]))
        return cast(tuple[Any, Any, Any, Any], self._lowered[key])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_free": [], "_few_free": [], "_lowered": {}}


def _some_views(table: tuple[Any, Any, int], views: slice) -> tuple[Any, Any, int]:
    steps, origins, bits = table
    return steps[views], origins[views], bits


def _rows(block: Any) -> Any:
    """A block in the form that its machine's kernels take: on the CPU, a flat array of lanes."""
    if arrays.is_device(block):
        return block
    from physrecon.kernels._lanes import lanes

    return block.view(lanes(block.dtype, block.shape[2])).reshape(-1)


def check_rows(where: str, scan: SlicewiseScan, grid: Grid) -> None:
    """Raise ArgumentError unless slice r is at the height of row r: the beam is not tilted."""
    if scan.shape[1] != grid.shape[0]:
        raise ArgumentError(
            f"{where}: expected a grid of {scan.shape[1]} slices, one per detector row, "
            f"got {grid.shape[0]}; use scan.default_grid() or grid.part"
        )
    if first := scan.first_row_seen(grid):
        raise ArgumentError(
            f"{where}: expected slices at the heights of the detector rows, got the first "
            f"{first:g} rows from there; cut scan.part and grid.part alike"
        )
