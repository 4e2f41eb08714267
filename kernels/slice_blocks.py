"""Blocks of a slice for the kernels of registers: how they lie in memory, and copies into them.

Lines of the image, (line, PAD + minor voxels + PAD), lie along the minor axis of the views; those
of views, (view, PAD + columns + PAD), along the detector, and are *turned* where the columns fall
along the minor axis.  Those that are read are zero but for what lies between the pads; all are
`padded` long."""

from __future__ import annotations

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, shared
from physrecon.kernels._lanes import lanes

SPAN = 64  # numbers in four of the longest registers
# Zeros on both sides of a line: rays that are summed together, of which one still touches it, and a
# window; behind a row of the detector, rays of its last registers that it does not have.
PAD = 192
BLOCK = 8  # lines of the image whose voxels are summed together; registers of rays that are
TILE = 16  # sides of a tile that is transposed: whole cache lines
OCTET = lanes(np.int32, BLOCK)  # a number for each line or register of a block
REALS = lanes(np.float32, BLOCK)


@shared
def padded(length):
    """Numbers of a line in memory: an odd number of cache lines, for all sets of the cache."""
    return ((-(-length // SPAN) * SPAN + 2 * PAD) // 16 | 1) * 16


@cpu
def _take_cpu(stack, order, turned, factors, block):
    for v in prange(len(order)):
        row, line, length = stack[order[v]], block[v], stack.shape[1]
        for u in range(length):
            line[PAD + u] = factors[v] * row[length - 1 - u if turned[v] else u]
        line[PAD + length :] = 0


@cpu
def _give_cpu(block, order, turned, factors, stack):
    for v in prange(len(order)):
        line, row, length = block[v], stack[order[v]], stack.shape[1]
        for u in range(length):
            row[u] = factors[v] * line[PAD + (length - 1 - u if turned[v] else u)]


@cpu
def _transpose_cpu(source, factor, target):
    height, width = target.shape
    for tile in prange(-(-height // TILE)):
        for left in range(0, width, TILE):
            for i in range(tile * TILE, min((tile + 1) * TILE, height)):
                for j in range(left, min(left + TILE, width)):
                    target[i, j] = factor * source[j, i]


take = Twin(_take_cpu, None)
"""(stack, order, turned, factors, block): block[v, PAD + u] = factors[v] · stack[order[v], u], with
u counted from the other end where turned[v]; zero behind."""

give = Twin(_give_cpu, None)
"""(block, order, turned, factors, stack): the transpose; stack is written."""

transpose = Twin(_transpose_cpu, None)
"""(source, factor, target): target[i, j] = factor · source[j, i]."""
