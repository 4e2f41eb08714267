"""Vector updates and sums of iterative solvers, fused: each goes through memory once.

A vector is seen as (outer, slices, inner), the slices lying in the middle: a volume is (1, nz,
ny·nx), projections (views, rows, columns) are so already.  Every slice has its own numbers.  Sums
leave as `partial` (sums · outer, slices, pieces) and are added up by the caller in a fixed order:
the pieces of a line depend neither on threads nor on other slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared

if TYPE_CHECKING:
    from numba import cuda

f4, f8 = np.float32, np.float64
PIECE = 4096  # elements of one partial sum on the CPU: they fit the L1 cache with their partners
STRIDE = 64  # terms of one partial sum on CUDA: few, for they are summed in the dtype of the data
SMALL = 1 << 15  # elements below which waking the threads takes longer than the work


def pieces(length: int, on_gpu: bool) -> int:
    """Partial sums that a line of so many elements leaves."""
    return max(-(-length // (STRIDE if on_gpu else PIECE)), 1)


def by_size(wide: Callable[..., None], small: Callable[..., None]) -> Callable[..., None]:
    """Threads for large vectors (the first argument) only; both give the same bits."""

    def run(*args: Any) -> None:
        (small if args[0].size < SMALL else wide)(*args)

    return run


@shared
def _within(value, lower, upper):
    """The nearest value of an interval; NaN stays NaN."""
    return lower if value < lower else (upper if value > upper else value)


# ⟨a, b⟩ ---------------------------------------------------------------------------------------


@inner
def _dot_piece(k, a, b, partial):
    _, slices, count = partial.shape
    o, s, c = k // (slices * count), k // count % slices, k % count
    p, q = a[o, s, c * PIECE : (c + 1) * PIECE], b[o, s, c * PIECE : (c + 1) * PIECE]
    total = 0.0
    for i in range(p.size):
        total += f8(p[i]) * f8(q[i])
    partial[o, s, c] = total


@cpu
def _dot_wide(a, b, partial):
    for k in prange(partial.size):
        _dot_piece(np.int64(k), a, b, partial)


@inner
def _dot_small(a, b, partial):
    for k in range(partial.size):
        _dot_piece(k, a, b, partial)


@gpu
def _dot_gpu(a, b, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    total = a[o, s, c] * b[o, s, c]
    for i in range(c + count, a.shape[2], count):
        total += a[o, s, i] * b[o, s, i]
    partial[o, s, c] = total


# ‖a − b‖² -------------------------------------------------------------------------------------


@inner
def _distance_piece(k, a, b, partial):
    _, slices, count = partial.shape
    o, s, c = k // (slices * count), k // count % slices, k % count
    p, q = a[o, s, c * PIECE : (c + 1) * PIECE], b[o, s, c * PIECE : (c + 1) * PIECE]
    total = 0.0
    for i in range(p.size):
        difference = f8(p[i]) - f8(q[i])
        total += difference * difference
    partial[o, s, c] = total


@cpu
def _distance_wide(a, b, partial):
    for k in prange(partial.size):
        _distance_piece(np.int64(k), a, b, partial)


@inner
def _distance_small(a, b, partial):
    for k in range(partial.size):
        _distance_piece(k, a, b, partial)


@gpu
def _distance_gpu(a, b, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    difference = a[o, s, c] - b[o, s, c]
    total = difference * difference
    for i in range(c + count, a.shape[2], count):
        difference = a[o, s, i] - b[o, s, i]
        total += difference * difference
    partial[o, s, c] = total


# y ← b y + a x,  and ‖y‖² ---------------------------------------------------------------------


@inner
def _combine_piece(k, y, b, a, x, active, partial):
    _, slices, count = partial.shape
    o, s, c = k // (slices * count), k // count % slices, k % count
    p, q = y[o, s, c * PIECE : (c + 1) * PIECE], x[o, s, c * PIECE : (c + 1) * PIECE]
    total = 0.0
    if active[s]:
        old, new = b[s], a[s]
        for i in range(p.size):
            value = old * p[i] + new * q[i]
            p[i] = value
            total += f8(value) * f8(value)
    else:
        for i in range(p.size):
            total += f8(p[i]) * f8(p[i])
    partial[o, s, c] = total


@cpu
def _combine_wide(y, b, a, x, active, partial):
    for k in prange(partial.size):
        _combine_piece(np.int64(k), y, b, a, x, active, partial)


@inner
def _combine_small(y, b, a, x, active, partial):
    for k in range(partial.size):
        _combine_piece(k, y, b, a, x, active, partial)


@gpu
def _combine_gpu(y, b, a, x, active, partial):
    c, s, o = cuda.grid(3)
    outer, slices, count = partial.shape
    if o >= outer or s >= slices or c >= count:
        return
    total = f4(0)
    for i in range(c, y.shape[2], count):
        value = b[s] * y[o, s, i] + a[s] * x[o, s, i] if active[s] else y[o, s, i]
        y[o, s, i] = value
        total += value * value
    partial[o, s, c] = total


# x ← P(x + t d),  ‖x − previous x‖² and ‖x‖² --------------------------------------------------


@inner
def _step_piece(k, x, t, d, bounds, active, partial):
    outer, slices, count = x.shape[0], partial.shape[1], partial.shape[2]
    o, s, c = k // (slices * count), k // count % slices, k % count
    p, q = x[o, s, c * PIECE : (c + 1) * PIECE], d[o, s, c * PIECE : (c + 1) * PIECE]
    moved = 0.0
    size = 0.0
    if active[s]:
        step, lower, upper = t[s], bounds[0], bounds[1]
        for i in range(p.size):
            value = _within(p[i] + step * q[i], lower, upper)
            change = f8(value) - f8(p[i])
            p[i] = value
            moved += change * change
            size += f8(value) * f8(value)
    else:
        for i in range(p.size):
            size += f8(p[i]) * f8(p[i])
    partial[o, s, c] = moved
    partial[outer + o, s, c] = size


@cpu
def _step_wide(x, t, d, bounds, active, partial):
    for k in prange(partial.size // 2):
        _step_piece(np.int64(k), x, t, d, bounds, active, partial)


@inner
def _step_small(x, t, d, bounds, active, partial):
    for k in range(partial.size // 2):
        _step_piece(k, x, t, d, bounds, active, partial)


@gpu
def _step_gpu(x, t, d, bounds, active, partial):
    c, s, o = cuda.grid(3)
    outer = x.shape[0]
    if o >= outer or s >= partial.shape[1] or c >= partial.shape[2]:
        return
    moved = f4(0)
    size = f4(0)
    for i in range(c, x.shape[2], partial.shape[2]):
        value = x[o, s, i]
        if active[s]:
            value = _within(value + t[s] * d[o, s, i], bounds[0], bounds[1])
            change = value - x[o, s, i]
            x[o, s, i] = value
            moved += change * change
        size += value * value
    partial[o, s, c] = moved
    partial[outer + o, s, c] = size


dot = Twin(by_size(_dot_wide, _dot_small), _dot_gpu)
"""(a, b, partial): sums of a · b.  a, b (outer, slices, inner) · partial (outer, slices, pieces),
float64 on the CPU, written."""

distance = Twin(by_size(_distance_wide, _distance_small), _distance_gpu)
"""(a, b, partial): sums of (a − b)²; as `dot`."""

combine = Twin(by_size(_combine_wide, _combine_small), _combine_gpu)
"""(y, b, a, x, active, partial): y ← b y + a x in the active slices, and sums of y² in all.
b, a (slices,) in the dtype of y · active (slices,) bool · y, partial written."""

step = Twin(by_size(_step_wide, _step_small), _step_gpu)
"""(x, t, d, bounds, active, partial): x ← x + t d, held within bounds, in the active slices.
t (slices,), bounds (2,) in the dtype of x · partial (2 outer, slices, pieces): sums of the squared
change, then sums of x²; x, partial written."""
