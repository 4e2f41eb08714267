"""A few slices of a parallel beam: their blocks, and the kernels that resample in registers.

Views cross the slices along x or along y.  The former are projected from the slices as they are,
the latter from the transposed ones; going back, the sums of the former, transposed, are what the
sums of the latter begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.geometry.view_tables import FEWEST_BITS, ViewTable
from physrecon.kernels import _resample, parallel_slices
from physrecon.kernels._lanes import lanes
from physrecon.kernels.parallel_slices import BLOCK, PAD, SPAN

Pieces = Callable[[int, int], Iterator[slice]]

FEW = 8  # slices; more share their weights in `kernels.parallel_beam`
# Weights of the kernels are whole numbers: this factor, on the way in and on the way out, is their
# unit.  Divided so, it costs neither large data nor small ones their range.
ROOT = np.float32(2.0 ** (-FEWEST_BITS / 2))
CLOSEST, FURTHEST = 0.5, 2.9  # units between rays: at most four in a voxel
TWO, THREE = (0, 1), (0, 1, 2)  # registers of a window
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
    """The pair of one table on at most FEW float32 slices.

    shape: (ny, nx, columns).  free: where blocks are kept between calls, one set of them."""

    def __init__(
        self, table: ViewTable, shape: tuple[int, int, int], free: list[tuple[int, Any]]
    ) -> None:
        self.table, self.shape, self._free = table, shape, free
        self._steps, self._origins, _ = table.lowered(np.float32)

    def block_shapes(self, slices: int) -> list[tuple[int, int, int]]:
        """Shapes of the slices, of the transposed ones, and of the projections."""
        ny, nx, columns = self.shape
        lines = [(-(-ny // BLOCK) * BLOCK, nx), (-(-nx // BLOCK) * BLOCK, ny)]
        lines.append((len(self.table.order), columns))
        return [(n, slices, -(-length // SPAN) * SPAN + 2 * PAD) for n, length in lines]

    def project(self, x: NDArray[Any], out: NDArray[Any], pieces: Pieces) -> None:
        """out (views, slices, columns) ← A x, x (slices, ny, nx).

        pieces: function of the number of items and the work of each; slices of one launch each."""
        parts = TWO if self.table.rows[:, 3].max(initial=0.0) <= DENSE else THREE
        slices, (ny, nx, columns) = len(x), self.shape
        blocks, (*images, sino) = self._blocks(slices)
        for image, lines in zip(images, (x.transpose(1, 0, 2), x.transpose(2, 0, 1)), strict=True):
            np.multiply(lines, ROOT, out=_inside(image, lines))
        for (steps, origins), image, rays, size in self._halves(images, sino):
            for views in pieces(len(steps), slices * ny * nx):
                part, some = (steps[views], origins[views]), _registers(rays[views])
                shape = (slices, *size, columns)
                parallel_slices.project(part, shape, parts, image.reshape(-1), some)
        for row, view, length in zip(sino, self.table.order, self._lengths(), strict=True):
            np.multiply(row[:, PAD : PAD + columns], length, out=out[view])
        self._free.append((slices, blocks))

    def backproject(self, y: NDArray[Any], out: NDArray[Any], pieces: Pieces) -> None:
        """out (slices, ny, nx) ← Aᵀ y, y (views, slices, columns)."""
        taps = self.table.taps
        parts = TWO if taps <= 2 else THREE
        slices, (ny, nx, columns) = len(out), self.shape
        blocks, (*images, sino) = self._blocks(slices)
        inside = _inside(sino, y)
        for row, view, length in zip(inside, self.table.order, self._lengths(), strict=True):
            np.multiply(y[view], length, out=row)
        upright = images[0][:ny, :, PAD : PAD + nx]
        turned = images[1][:nx, :, PAD : PAD + ny]
        for (steps, origins), image, rays, (minors, majors) in self._halves(images, sino):
            more = image is images[1]
            if more:
                turned[...] = upright.transpose(2, 1, 0)
            ladder = parallel_slices.make_ladder(steps, _resample.LANES, taps)
            work = slices * len(steps) * minors * BLOCK
            for lines in pieces(-(-majors // BLOCK), work):
                here, shape = (lines.start, lines.stop), (slices, minors, columns)
                table, voxels = (steps, origins), _registers(image)
                some = table, ladder, shape, here, more, parts
                parallel_slices.backproject(*some, rays.reshape(-1), voxels)
        np.multiply(turned, ROOT, out=out.transpose(2, 0, 1))
        self._free.append((slices, blocks))

    def _halves(self, images: list[NDArray[Any]], sino: NDArray[Any]) -> Iterator[Any]:
        """((steps, origins), image, projections, (minors, majors)) of the views with minor axis x,
        then of those with y."""
        ny, nx, _ = self.shape
        for image, size, views in zip(
            images,
            ((nx, ny), (ny, nx)),
            (slice(self.table.split), slice(self.table.split, None)),
            strict=True,
        ):
            yield (self._steps[views], self._origins[views]), image, sino[views], size

    def _lengths(self) -> NDArray[np.float32]:
        return self.table.rows[:, 4].astype(np.float32) * ROOT

    def _blocks(self, slices: int) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """(blocks for reuse, those of this table); a block of more views fits."""
        shapes = self.block_shapes(slices)
        last, blocks = arrays.taken(self._free, (None, []))
        if last != slices or len(blocks[2]) < shapes[2][0]:
            blocks = [np.zeros(shape, np.float32) for shape in shapes]
        return blocks, [*blocks[:2], blocks[2][: shapes[2][0]]]


def _inside(block: NDArray[Any], lines: NDArray[Any]) -> NDArray[Any]:
    """The part of a block that takes `lines`; what is beyond them becomes zero."""
    count, _, length = lines.shape
    block[:, :, PAD + length : -PAD] = 0
    return block[:count, :, PAD : PAD + length]


def _registers(block: NDArray[Any]) -> Any:
    """A block as a flat array of registers."""
    return block.reshape(-1).view(lanes(block.dtype, _resample.LANES))
