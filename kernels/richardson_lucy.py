"""The multiplicative updates of counts, fused: each goes through memory once.

An iteration of expectation and maximisation minimises, at every voxel,

    a u − e log u + g (u − x) + ½ c (u − x)²,   e = x F,  F = Aᵀ(y / (A x + b)),  a = Aᵀ 1

with g and c of a prior (0 without one): u = e / a, or the positive root of a quadratic.  Arrays are
seen as in `kernels.vectors`, a as (1 | outer, 1 | slices, inner), and g and c have no element where
there is no prior.  Sums leave as partial sums, (2 outer, slices, pieces)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner
from physrecon.kernels.vectors import PIECE, by_size

if TYPE_CHECKING:
    from numba import cuda

f4, f8 = np.float32, np.float64
LEAST = f4(2**-126)  # a sum of less has no reciprocal in float32: no datum sees the voxel


@inlined
def within(value, lower, upper):
    """The nearest value of an interval; NaN stays NaN."""
    return lower if value < lower else (upper if value > upper else value)


@inlined
def likeliest(x, factor, column):
    """The minimum without a prior; x where no datum sees the voxel.

    F ≥ 0 but for the rounding of a transform, and what it leaves below 0 is noise of that size: its
    magnitude keeps x ≥ 0, and from 0, where x would have to stay."""
    return x if column < LEAST else x * abs(factor) / column


@inlined
def with_prior(x, factor, column, gradient, curvature):
    """The minimum with a prior: the root of  c u² + (a + g − c x) u − e  without cancellation.

    Where no datum sees the voxel F is rounding, which a weak prior would let grow."""
    e = x * abs(factor) if column >= LEAST else f4(0)
    b = column + gradient - curvature * x
    s = abs(b) + math.sqrt(b * b + f4(4) * curvature * e)
    far = s / (curvature + curvature) if curvature > f4(0) else x
    near = (e + e) / s
    return far if b < LEAST else near


@inlined
def beyond(z, before, alpha):
    """z + α (z − before), and at least half of z: what is not zero does not become zero."""
    ahead = z + alpha * (z - before)
    least = f4(0.5) * z
    return least if ahead < least else ahead


@inner
def _place(k, column, partial):
    """Of piece k: outer, slice, piece, its elements, and where the numbers of a are."""
    outer, slices, count = partial.shape[0] // 2, partial.shape[1], partial.shape[2]
    o, s, c = k // (slices * count), k // count % slices, k % count
    u, v = min(o, column.shape[0] - 1), min(s, column.shape[1] - 1)
    return outer, o, s, c, c * PIECE, (c + 1) * PIECE, u, v


@inner
def _solve(x, column, gradient, curvature, lower, upper, factor):
    """factor ← u on one piece; `gradient` without elements stands for no prior."""
    if gradient.size == 0:
        for i in range(x.size):
            factor[i] = within(likeliest(x[i], factor[i], column[i]), lower, upper)
    else:
        for i in range(x.size):
            u = with_prior(x[i], factor[i], column[i], gradient[i], curvature[i])
            factor[i] = within(u, lower, upper)


# x ← u,  ‖u − x‖² and ‖u‖² ---------------------------------------------------------------------


@inner
def _multiply_piece(k, x, factor, column, gradient, curvature, bounds, active, partial):
    outer, o, s, c, i, j, u, v = _place(k, column, partial)
    p, q, a = x[o, s, i:j], factor[o, s, i:j], column[u, v, i:j]
    moved = 0.0
    size = 0.0
    if active[s]:
        if gradient.size == 0:
            g, h = gradient[0, 0, :0], curvature[0, 0, :0]
        else:
            g, h = gradient[o, s, i:j], curvature[o, s, i:j]
        _solve(p, a, g, h, bounds[0], bounds[1], q)
        for n in range(p.size):
            change = f8(q[n]) - f8(p[n])
            p[n] = q[n]
            moved += change * change
            size += f8(q[n]) * f8(q[n])
    else:
        for n in range(p.size):
            size += f8(p[n]) * f8(p[n])
    partial[o, s, c] = moved
    partial[outer + o, s, c] = size


@cpu
def _multiply_wide(x, factor, column, gradient, curvature, bounds, active, partial):
    for k in prange(partial.size // 2):
        _multiply_piece(
            np.int64(k), x, factor, column, gradient, curvature, bounds, active, partial
        )


@inner
def _multiply_small(x, factor, column, gradient, curvature, bounds, active, partial):
    for k in range(partial.size // 2):
        _multiply_piece(k, x, factor, column, gradient, curvature, bounds, active, partial)


@inlined
def _solve_at(o, s, i, x, factor, column, gradient, curvature, bounds):
    """u of one voxel."""
    u, v = min(o, column.shape[0] - 1), min(s, column.shape[1] - 1)
    value, a = x[o, s, i], column[u, v, i]
    if gradient.size == 0:
        new = likeliest(value, factor[o, s, i], a)
    else:
        new = with_prior(value, factor[o, s, i], a, gradient[o, s, i], curvature[o, s, i])
    return within(new, bounds[0], bounds[1])


@gpu
def _multiply_gpu(x, factor, column, gradient, curvature, bounds, active, partial):
    c, s, o = cuda.grid(3)
    outer, count = x.shape[0], partial.shape[2]
    if o >= outer or s >= partial.shape[1] or c >= count:
        return
    moved = f4(0)
    size = f4(0)
    for i in range(c, x.shape[2], count):
        value = x[o, s, i]
        if active[s]:
            value = _solve_at(o, s, i, x, factor, column, gradient, curvature, bounds)
            change = value - x[o, s, i]
            x[o, s, i] = value
            moved += change * change
        size += value * value
    partial[o, s, c] = moved
    partial[outer + o, s, c] = size


# F ← u,  last ← u − x,  ⟨u − x, last⟩ and ‖u − x‖² ---------------------------------------------


@inner
def _propose_piece(k, x, factor, column, gradient, curvature, bounds, active, last, partial):
    outer, o, s, c, i, j, u, v = _place(k, column, partial)
    p, q, a, d = x[o, s, i:j], factor[o, s, i:j], column[u, v, i:j], last[o, s, i:j]
    along = 0.0
    length = 0.0
    if active[s]:
        if gradient.size == 0:
            g, h = gradient[0, 0, :0], curvature[0, 0, :0]
        else:
            g, h = gradient[o, s, i:j], curvature[o, s, i:j]
        _solve(p, a, g, h, bounds[0], bounds[1], q)
        for n in range(p.size):
            change = q[n] - p[n]
            along += f8(change) * f8(d[n])
            length += f8(change) * f8(change)
            d[n] = change
    partial[o, s, c] = along
    partial[outer + o, s, c] = length


@cpu
def _propose_wide(x, factor, column, gradient, curvature, bounds, active, last, partial):
    for k in prange(partial.size // 2):
        _propose_piece(
            np.int64(k), x, factor, column, gradient, curvature, bounds, active, last, partial
        )


@inner
def _propose_small(x, factor, column, gradient, curvature, bounds, active, last, partial):
    for k in range(partial.size // 2):
        _propose_piece(k, x, factor, column, gradient, curvature, bounds, active, last, partial)


@gpu
def _propose_gpu(x, factor, column, gradient, curvature, bounds, active, last, partial):
    c, s, o = cuda.grid(3)
    outer, count = x.shape[0], partial.shape[2]
    if o >= outer or s >= partial.shape[1] or c >= count:
        return
    along = f4(0)
    length = f4(0)
    if active[s]:
        for i in range(c, x.shape[2], count):
            value = _solve_at(o, s, i, x, factor, column, gradient, curvature, bounds)
            change = value - x[o, s, i]
            along += change * last[o, s, i]
            length += change * change
            factor[o, s, i] = value
            last[o, s, i] = change
    partial[o, s, c] = along
    partial[outer + o, s, c] = length


# x ← z + α (z − before),  before ← z,  ‖change of x‖² and ‖x‖² ---------------------------------


@inner
def _extrapolate_piece(k, x, z, alpha, bounds, active, before, partial):
    outer, o, s, c, i, j, _, _ = _place(k, x, partial)
    p, q, w = x[o, s, i:j], z[o, s, i:j], before[o, s, i:j]
    moved = 0.0
    size = 0.0
    if active[s]:
        more, lower, upper = alpha[s], bounds[0], bounds[1]
        for n in range(p.size):
            value = within(beyond(q[n], w[n], more), lower, upper)
            change = f8(value) - f8(p[n])
            w[n] = q[n]
            p[n] = value
            moved += change * change
            size += f8(value) * f8(value)
    else:
        for n in range(p.size):
            size += f8(p[n]) * f8(p[n])
    partial[o, s, c] = moved
    partial[outer + o, s, c] = size


@cpu
def _extrapolate_wide(x, z, alpha, bounds, active, before, partial):
    for k in prange(partial.size // 2):
        _extrapolate_piece(np.int64(k), x, z, alpha, bounds, active, before, partial)


@inner
def _extrapolate_small(x, z, alpha, bounds, active, before, partial):
    for k in range(partial.size // 2):
        _extrapolate_piece(k, x, z, alpha, bounds, active, before, partial)


@gpu
def _extrapolate_gpu(x, z, alpha, bounds, active, before, partial):
    c, s, o = cuda.grid(3)
    outer, count = x.shape[0], partial.shape[2]
    if o >= outer or s >= partial.shape[1] or c >= count:
        return
    moved = f4(0)
    size = f4(0)
    for i in range(c, x.shape[2], count):
        value = x[o, s, i]
        if active[s]:
            new = z[o, s, i]
            value = within(beyond(new, before[o, s, i], alpha[s]), bounds[0], bounds[1])
            change = value - x[o, s, i]
            before[o, s, i] = new
            x[o, s, i] = value
            moved += change * change
        size += value * value
    partial[o, s, c] = moved
    partial[outer + o, s, c] = size


multiply = Twin(by_size(_multiply_wide, _multiply_small), _multiply_gpu)
"""(x, factor, column, gradient, curvature, bounds, active, partial): x ← u in the active slices.
x, factor (F, used up) (outer, slices, inner) · column (1 | outer, 1 | slices, inner) · gradient,
curvature as x or without elements · bounds (2,) in the dtype of x · active (slices,) bool ·
partial: sums of the squared change, then of x²; x, partial written."""

propose = Twin(by_size(_propose_wide, _propose_small), _propose_gpu)
"""(x, factor, column, gradient, curvature, bounds, active, last, partial): F ← u, last ← u − x in
the active slices.  partial: sums of (u − x) · last as it was, then of (u − x)²."""

extrapolate = Twin(by_size(_extrapolate_wide, _extrapolate_small), _extrapolate_gpu)
"""(x, z, alpha, bounds, active, before, partial): x ← z + α (z − before), held within bounds and at
least ½ z, then before ← z, in the active slices.  alpha (slices,) in the dtype of x · partial as of
`multiply`."""
