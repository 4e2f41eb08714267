"""Between stacks of slices as users hold them and blocks with the slices innermost.

`pack`: block[a, b, s] = factors[a] · stack[order[a], s, b];  `unpack` is its transpose.
Projections (view, row, column) are such stacks as they are, volumes (z, y, x) seen through a
transpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

PATCH = 16  # numbers in a cache line of float32: a patch is read and written in whole lines


@cpu
def _pack_cpu(stack, order, factors, block):
    lines, slices, length = stack.shape
    for a in prange(lines):
        source, factor = stack[order[a]], factors[a]
        for s0 in range(0, slices, PATCH):
            for b0 in range(0, length, PATCH):
                for s in range(s0, min(s0 + PATCH, slices)):
                    for b in range(b0, min(b0 + PATCH, length)):
                        block[a, b, s] = factor * source[s, b]
        for b in range(length):
            for s in range(slices, block.shape[2]):
                block[a, b, s] = 0


@cpu
def _unpack_cpu(block, order, factors, stack):
    lines, slices, length = stack.shape
    for a in prange(lines):
        target, factor = stack[order[a]], factors[a]
        for s0 in range(0, slices, PATCH):
            for b0 in range(0, length, PATCH):
                for s in range(s0, min(s0 + PATCH, slices)):
                    for b in range(b0, min(b0 + PATCH, length)):
                        target[s, b] = factor * block[a, b, s]


@gpu
def _pack_gpu(stack, order, factors, block):
    s, b, a = cuda.grid(3)
    if a >= stack.shape[0] or b >= stack.shape[2] or s >= block.shape[2]:
        return
    block[a, b, s] = factors[a] * stack[order[a], s, b] if s < stack.shape[1] else f4(0)


@gpu
def _unpack_gpu(block, order, factors, stack):
    b, s, a = cuda.grid(3)
    if a >= stack.shape[0] or b >= stack.shape[2] or s >= stack.shape[1]:
        return
    stack[order[a], s, b] = factors[a] * block[a, b, s]


pack = Twin(_pack_cpu, _pack_gpu)
"""(stack, order, factors, block): stack (lines, slices, length), any strides · order (lines,)
int64 · factors (lines,) · block (lines, ≥ length, ≥ slices), written; slices that the stack does
not have become zero."""

unpack = Twin(_unpack_cpu, _unpack_gpu)
"""(block, order, factors, stack): the transpose; stack is written."""
