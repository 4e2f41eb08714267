"""A few slices of a parallel beam, one by one: blocks, and the kernels that resample in registers.

Views cross the slice along x or along y.  The former are projected from the slice as it is, the
latter from the transposed one; going back, the sums of the former, transposed, are what the sums of
the latter begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.geometry.view_tables import FEWEST_BITS, ViewTable
from physrecon.kernels import _resample, parallel_slices, parallel_slices_back, slice_blocks
from physrecon.kernels._lanes import lanes
from physrecon.kernels.slice_blocks import BLOCK, PAD
from physrecon.operators.projection.slice_plans import Plan, back_plan, forward_plan

Pieces = Callable[[int, int], Iterator[slice]]

FEW = 8  # slices; more share their weights in `kernels.parallel_beam`
# Weights of the kernels are whole numbers: these factors, of voxels and of rays, are their unit.
# Divided so, it costs neither large data nor small ones their range.
VOXEL = np.float32(0.5 ** (FEWEST_BITS // 2))
RAY = np.float32(2.0**-FEWEST_BITS / VOXEL)
CLOSEST, FURTHEST = 0.5, 2.9  # units between rays: at most four in a voxel
ONE, TWO, THREE = (0,), (0, 1), (0, 1, 2)  # registers of a window
DENSE = 1.6  # units between rays of a register that a window of two registers holds


def suits(table: ViewTable) -> bool:
    """Whether the kernels take these views."""
    along, spacing = np.abs(table.rows[:, 1]), table.rows[:, 3]
    fits = (spacing >= CLOSEST) & (spacing <= FURTHEST) & (along <= 2 * spacing)
    return bool(fits.all()) and (table.taps > 2 or bool((along <= spacing).all()))


def lanes_here(near: Any) -> int:
    """Lanes of the registers for an array: 0 if these kernels do not take it."""
    if arrays.is_device(near) or near.dtype != np.float32:
        return 0
    return _resample.LANES


class FewSlices:
    """The pair of one table on a single float32 slice.

    shape: (ny, nx, columns).  free: where blocks are kept between calls, one set of them."""

    def __init__(self, table: ViewTable, shape: tuple[int, int, int], free: list[Any]) -> None:
        self.table, self.shape, self._free = table, shape, free
        self._steps, self._origins, _ = table.lowered(np.float32)
        self._lengths = table.rows[:, 4].astype(np.float32) * RAY
        self._turned = table.rows[:, 1] < 0
        self._plans: dict[tuple[str, int, bool], Plan] = {}

    def block_shapes(self) -> list[tuple[int, int]]:
        """Shapes of the slice, of the transposed one, and of the projections."""
        ny, nx, columns = self.shape
        lines = [(-(-ny // BLOCK) * BLOCK, nx), (-(-nx // BLOCK) * BLOCK, ny)]
        lines.append((len(self.table.order), columns))
        return [(n, slice_blocks.padded(length)) for n, length in lines]

    def project(self, x: NDArray[Any], out: NDArray[Any], pieces: Pieces) -> None:
        """out (views, columns) ← A x, x (ny, nx).

        pieces: function of the number of items and the work of each; slices of one launch each."""
        parts = TWO if self.table.rows[:, 3].max(initial=0.0) <= DENSE else THREE
        ny, nx, columns = self.shape
        blocks, upright, turned, sino = self._blocks()
        np.multiply(x, VOXEL, out=_inside(upright, ny, nx))
        slice_blocks.transpose(x, VOXEL, _inside(turned, nx, ny))
        for half, image, (minors, majors) in ((False, upright, (nx, ny)), (True, turned, (ny, nx))):
            (plan, rungs), rays = self._plan("forward", half), sino[self._half(half)]
            chunk, lanes = parallel_slices.views_per_chunk(len(plan)), _resample.LANES
            for views in pieces(len(plan), ny * nx):
                some = rungs.reshape(-1, 3 * lanes)[views].reshape(-1)
                shape, voxels = (minors, majors, columns), image.reshape(-1)
                here = _registers(rays[views])
                parallel_slices.project(plan[views], some, shape, chunk, parts, voxels, here)
        slice_blocks.give(sino, self.table.order, self._turned, self._lengths, out)
        self._free.append(blocks)

    def backproject(self, y: NDArray[Any], out: NDArray[Any], pieces: Pieces) -> None:
        """out (ny, nx) ← Aᵀ y, y (views, columns)."""
        parts = ONE if self.table.taps <= 2 else THREE
        ny, nx, columns = self.shape
        blocks, upright, turned, sino = self._blocks()
        slice_blocks.take(y, self.table.order, self._turned, self._lengths, sino)
        for half, image, (minors, majors) in ((False, upright, (nx, ny)), (True, turned, (ny, nx))):
            if half:
                inside = upright[:ny, PAD : PAD + nx]
                slice_blocks.transpose(inside, np.float32(1), turned[:nx, PAD : PAD + ny])
            (plan, rungs), rays = self._plan("back", half), sino[self._half(half)].reshape(-1)
            if not half and len(plan) == 0:
                image[:] = 0  # no view writes what the other half begins with
            for lines in pieces(-(-majors // BLOCK), len(plan) * minors * BLOCK):
                here, voxels = (lines.start, lines.stop), _registers(image)
                some = plan, rungs, (minors, columns), here, half, parts
                parallel_slices_back.backproject(*some, rays, voxels)
        slice_blocks.transpose(turned[:nx, PAD : PAD + ny], VOXEL, out)
        self._free.append(blocks)

    def _half(self, half: bool) -> slice:
        """The views with minor axis x, or those with y."""
        return slice(self.table.split, None) if half else slice(self.table.split)

    def _plan(self, direction: str, half: bool) -> Plan:
        lanes, views = _resample.LANES, self._half(half)
        key = (direction, lanes, half)
        if key not in self._plans:
            steps, origins = self._steps[views], self._origins[views]
            if direction == "forward":
                self._plans[key] = forward_plan(steps, origins, self.shape[2], lanes)
            else:
                self._plans[key] = back_plan(steps, origins, lanes, self.table.taps)
        return self._plans[key]

    def _blocks(self) -> tuple[Any, Any, Any, Any]:
        """(blocks for reuse, slice, transposed slice, projections); a block of more views fits."""
        shapes = self.block_shapes()
        blocks = arrays.taken(self._free, None)
        if blocks is None or len(blocks[2]) < shapes[2][0]:
            blocks = [np.zeros(shape, np.float32) for shape in shapes]
        return blocks, blocks[0], blocks[1], blocks[2][: shapes[2][0]]


def _inside(block: NDArray[Any], lines: int, length: int) -> NDArray[Any]:
    """The part of a block that takes a slice; what is beyond it becomes zero."""
    block[:, PAD + length :] = 0
    return block[:lines, PAD : PAD + length]


def _registers(block: NDArray[Any]) -> Any:
    """A block as a flat array of registers."""
    return block.reshape(-1).view(lanes(block.dtype, _resample.LANES))
