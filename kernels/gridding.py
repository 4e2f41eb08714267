"""Between a spectrum on a grid and its values at any points: interpolation and its transpose.

The value at a point is the sum of the `taps` × `taps` cells around it, with weights that are the
product of one along each axis; the window they are taken from is the caller's.  A row of cells,
`_lanes`, holds the real and the imaginary part of every slice, side by side, so the weights of a
point, which are read once, serve all of them in registers.

Going back, a tile of cells owns the points whose first cell lies in it, in their order.  Tiles of
one colour of four share no cell; the colours follow each other.  So no two threads write to one
cell, and sums do not depend on their number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined
from physrecon.kernels._lanes import add_row, load, store, zero
from physrecon.kernels._registers import alike, fused, turned

if TYPE_CHECKING:
    from numba import cuda

COLOURS = 4
TILE = 16  # cells of a side, of the places of the first cells of points; at least as many as taps


@cpu
def _lay_cpu(directions, frequencies, scales, size, window, cells, weights):
    views, bins, taps = len(directions), len(frequencies), weights.shape[1] // 2
    beta = window[0]
    for v in prange(views):
        for k in range(bins):
            p = v * bins + k
            up = directions[v, 1] * frequencies[k] * scales[0] * size[0]
            across = directions[v, 0] * frequencies[k] * scales[1] * size[1]
            across -= math.floor(across / size[1]) * size[1]
            cells[p, 2] = 1
            if across > 0.5 * size[1]:  # the other half of the grid: the conjugate
                across, up, cells[p, 2] = size[1] - across, -up, -1
            up -= math.floor(up / size[0]) * size[0]
            for axis in range(2):
                at = up if axis == 0 else across
                first = math.ceil(at - 0.5 * taps)
                cells[p, axis] = np.int32(first) + taps
                for i in range(taps):
                    z = 2 * (first + i - at) / taps
                    inside = 1 - z * z
                    value = math.exp(beta * (math.sqrt(inside) - 1)) if inside > 0 else 0.0
                    weights[p, axis * taps + i] = value


@inlined
def _value(p, cells, weights, pitch, grid):
    """The row of cells at point p."""
    taps = weights.shape[1] // 2
    first = np.int64(cells[p, 0]) * pitch + np.int64(cells[p, 1])
    even, odd = zero(grid), zero(grid)
    for i in range(taps):
        row, here = weights[p, i], first + i * pitch
        for j in range(0, taps, 2):
            even = add_row(even, row * weights[p, taps + j], grid, here + j)
            odd = add_row(odd, row * weights[p, taps + j + 1], grid, here + j + 1)
    return even + odd


@cpu
def _interpolate_cpu(cells, weights, factors, views, pitch, grid, values):
    each = len(cells) // views
    for v in prange(views):
        for p in range(v * each, (v + 1) * each):
            total = _value(p, cells, weights, pitch, grid)
            real, imaginary = factors[p, 0], factors[p, 1]
            sign = weights.dtype.type(cells[p, 2])
            store(values, p, turned(total, real, sign * real, -sign * imaginary, imaginary))


@cpu
def _spread_cpu(cells, weights, factors, order, starts, tiles, pitch, values, grid):
    taps = weights.shape[1] // 2
    for colour in range(COLOURS):
        for n in prange(tiles[colour], tiles[colour + 1]):
            for k in range(starts[n], starts[n + 1]):
                p = order[k]
                real, imaginary = factors[p, 0], factors[p, 1]
                sign = weights.dtype.type(cells[p, 2])
                value = turned(load(values, p), real, sign * real, imaginary, -sign * imaginary)
                first = np.int64(cells[p, 0]) * pitch + np.int64(cells[p, 1])
                for i in range(taps):
                    row = value * weights[p, i]
                    for j in range(taps):
                        here = first + i * pitch + j
                        weight = alike(row, weights[p, taps + j])
                        store(grid, here, fused(weight, row, load(grid, here)))


@cpu
def _place_cpu(slices, tall, wide, middle, block):
    count, ny, nx = slices.shape
    for y in prange(ny):
        for b in range(nx):
            at = b - middle if b >= middle else b - middle + block.shape[1]
            factor = tall[y] * wide[b]
            for s in range(count):
                block[y, at, s] = factor * slices[s, y, b]
            for s in range(count, block.shape[2]):
                block[y, at, s] = 0


@cpu
def _collect_cpu(block, tall, wide, middle, slices):
    count, ny, nx = slices.shape
    for y in prange(ny):
        for b in range(nx):
            at = b - middle if b >= middle else b - middle + block.shape[1]
            factor = tall[y] * wide[b]
            for s in range(count):
                slices[s, y, b] = factor * block[y, at, s]


@gpu
def _place_gpu(slices, tall, wide, middle, block):
    s, at, y = cuda.grid(3)
    count, ny, nx = slices.shape
    if y >= ny or at >= block.shape[1] or s >= count:
        return
    b = at + middle if at < nx - middle else at + middle - block.shape[1]
    if 0 <= b < nx:
        block[y, at, s] = tall[y] * wide[b] * slices[s, y, b]


@gpu
def _collect_gpu(block, tall, wide, middle, slices):
    b, y, s = cuda.grid(3)
    count, ny, nx = slices.shape
    if y >= ny or b >= nx or s >= count:
        return
    at = b - middle if b >= middle else b - middle + block.shape[1]
    slices[s, y, b] = tall[y] * wide[b] * block[y, at, s]


@gpu
def _interpolate_gpu(cells, weights, factors, views, pitch, grid, values):
    """grid, values: (cells, 1, 2 slices) and (points, 1, 2 slices)."""
    lane, beside, p = cuda.grid(3)
    if p >= values.shape[0] or beside > 0 or lane >= values.shape[2]:
        return
    taps = weights.shape[1] // 2
    first = cells[p, 0] * pitch + cells[p, 1]
    mine, other = weights.dtype.type(0), weights.dtype.type(0)
    for i in range(taps):
        for j in range(taps):
            weight = weights[p, i] * weights[p, taps + j]
            here = first + i * pitch + j
            mine += weight * grid[here, 0, lane]
            other += weight * grid[here, 0, lane ^ 1]
    sign = weights.dtype.type(cells[p, 2])
    real, imaginary = factors[p, 0], factors[p, 1]
    if lane % 2:
        values[p, 0, lane] = sign * real * mine + imaginary * other
    else:
        values[p, 0, lane] = real * mine - sign * imaginary * other


@gpu
def _spread_gpu(cells, weights, factors, order, starts, tiles, pitch, values, grid):
    """A thread owns a slice of a cell, and takes what the points of the tiles around it give."""
    lane, column, row = cuda.grid(3)
    if row >= grid.shape[0] or column >= grid.shape[1] or lane >= grid.shape[2]:
        return
    taps = weights.shape[1] // 2
    total = weights.dtype.type(0)
    wide = (grid.shape[1] + TILE - 1) // TILE
    for tall_tile in range(max(row - taps + 1, 0) // TILE, row // TILE + 1):
        for wide_tile in range(max(column - taps + 1, 0) // TILE, column // TILE + 1):
            n = tiles[COLOURS + 1 + tall_tile * wide + wide_tile]
            for k in range(starts[n], starts[n + 1]):
                p = order[k]
                i, j = row - cells[p, 0], column - cells[p, 1]
                if 0 <= i < taps and 0 <= j < taps:
                    sign = weights.dtype.type(cells[p, 2])
                    real, imaginary = factors[p, 0], factors[p, 1]
                    mine, other = values[p, 0, lane], values[p, 0, lane ^ 1]
                    if lane % 2:
                        value = sign * real * mine - sign * imaginary * other
                    else:
                        value = real * mine + imaginary * other
                    total += weights[p, i] * weights[p, taps + j] * value
    grid[row, column, lane] = total


lay = Twin(_lay_cpu, None)
"""(directions, frequencies, scales, size, window, cells, weights): the cells and the weights of
polar points, written.

directions: (views, 2) cosine and sine of the direction · frequencies: (bins,) [1/length] · scales:
lengths of a voxel along y and x · size: rows and columns of the whole grid · window: (β,) of
exp(β (√(1 - z²) - 1)), z from -1 to 1 over the taps · cells, weights: as for `interpolate`, of a
grid with a margin of taps cells."""

interpolate = Twin(_interpolate_cpu, _interpolate_gpu)
"""(cells, weights, factors, views, pitch, grid, values): values at points, written.

cells: (points, 3) int32, row and column of the first cell of a point, and -1 if the conjugate of
what is there is its value, else 1 · weights: (points, 2 taps), along the rows and the columns ·
factors: (points, 2), the complex number by which a value is multiplied · views: parts of the
points that threads share · pitch: cells of a row of the grid · grid, values: flat arrays of rows of
2 slices, real and imaginary parts in turn; on the GPU (cells, 1, 2 slices)."""

spread = Twin(_spread_cpu, _spread_gpu)
"""(cells, weights, factors, order, starts, tiles, pitch, values, grid): the transpose, as real
numbers; on the CPU it is added to grid, on the GPU (rows, columns, 2 slices) written.

order: the points by tiles · starts: (tiles + 1,) where those of a tile begin in it · tiles: the
first tile of each colour and the last one's end, then the number of each tile, row by row."""

place = Twin(_place_cpu, _place_gpu)
"""(slices, tall, wide, middle, block): block[y, x - middle, s] = tall[y] wide[x] slices[s, y, x],
columns before `middle` at the end of a row; what no column takes is left alone.

slices (slices, ny, nx), any strides · tall (ny,), wide (nx,) · block (ny, length, ≥ slices)."""

collect = Twin(_collect_cpu, _collect_gpu)
"""(block, tall, wide, middle, slices): the transpose of `place`; slices is written."""
