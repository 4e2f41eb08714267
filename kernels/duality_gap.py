"""How far u and p are from  argmin_u  ½ ‖u − f‖² + r Σ |∇u|,  lower ≤ u ≤ upper.

With |p| ≤ r, v = f − ∇ᵀp and P the projection on the bounds, the primal value of u exceeds the
dual value of p by

    Σ (r |∇u| − ⟨∇u, p⟩)  +  ½ ‖u − v‖² − ½ ‖P(v) − v‖²

for u within the bounds.  No term is negative, so nothing cancels.  Arrays are as in
`kernels.total_variation`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared
from physrecon.kernels.gradient_norms import add_norms, add_squares, within
from physrecon.kernels.stencils import difference, has_next, shifts
from physrecon.kernels.total_variation import SMALL, slope_at, slope_row

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@shared
def slack(u, v, bounds):
    """½ (u − v)² less its smallest value within the bounds."""
    nearest = within(v, bounds) - v
    return f4(0.5) * ((u - v) * (u - v) - nearest * nearest)


@inner
def _add_products(near, far, scale, p, total):
    for i in range(total.size):
        total[i] += difference(near[i], far[i], scale) * p[i]


@inner
def _gap_row(u, f, slope, norm, product, radius, bounds):
    """The sums of a row: gap, primal value and r |u|."""
    gap = 0.0
    primal = 0.0
    size = 0.0
    for i in range(u.size):
        gap += float(radius * norm[i] - product[i] + slack(u[i], f[i] - slope[i], bounds))
        primal += float(radius * norm[i] + f4(0.5) * (u[i] - f[i]) * (u[i] - f[i]))
        size += float(radius * abs(u[i]))
    return gap, primal, size


@inner
def _gap_task(row, scales, layout, bounds, radius, active, isotropic, f, u, p, partial):
    planes, ny, n = u.shape
    z, y = row // ny, row % ny
    if not active[z // layout[0]]:
        return
    rows = np.zeros((4, n), u.dtype)
    slope, norm, product = rows[1], rows[2], rows[3]
    slope_row(z, y, planes, p, scales, layout, rows[0], slope)
    if isotropic:
        add_squares(z, y, u, scales, layout, norm)
        norm[:] = np.sqrt(norm)
    else:
        add_norms(z, y, u, scales, layout, f4(0), norm)
    k = z
    for axis in range(3):
        if scales[axis] > f4(0):
            if has_next(z, y, 0, axis, layout, u.shape):
                dz, dy, dx = shifts(axis, layout)
                near, far = u[z, y, : n - dx], u[z + dz, y + dy, dx:]
                _add_products(near, far, scales[axis], p[k, y, : n - dx], product[: n - dx])
            k += planes
    r = radius[z // layout[0]]
    gap, primal, size = _gap_row(u[z, y], f[z, y], slope, norm, product, r, bounds)
    partial[z, y, 0] = gap
    partial[planes + z, y, 0] = primal
    partial[2 * planes + z, y, 0] = size


@cpu
def _gap_wide(scales, layout, bounds, radius, active, isotropic, f, u, p, partial):
    for row in prange(u.shape[0] * u.shape[1]):
        _gap_task(
            np.int64(row), scales, layout, bounds, radius, active, isotropic, f, u, p, partial
        )


@inner
def _gap_small(scales, layout, bounds, radius, active, isotropic, f, u, p, partial):
    for row in range(u.shape[0] * u.shape[1]):
        _gap_task(row, scales, layout, bounds, radius, active, isotropic, f, u, p, partial)


def _gap_cpu(*args: Any) -> None:
    (_gap_small if args[-2].size < SMALL else _gap_wide)(*args)


@gpu
def _gap_gpu(scales, layout, bounds, radius, active, isotropic, f, u, p, partial):
    c, y, z = cuda.grid(3)
    planes = u.shape[0]
    if z >= planes or y >= u.shape[1] or c >= partial.shape[2]:
        return
    if not active[z // layout[0]]:
        return
    r = radius[z // layout[0]]
    gap = r * f4(0)
    primal = size = gap
    for i in range(c, u.shape[2], partial.shape[2]):
        here = u[z, y, i]
        square = norm = product = r * f4(0)
        k = z
        for axis in range(3):
            if scales[axis] > f4(0):
                if has_next(z, y, i, axis, layout, u.shape):
                    dz, dy, dx = shifts(axis, layout)
                    rise = difference(here, u[z + dz, y + dy, i + dx], scales[axis])
                    square += rise * rise
                    norm += abs(rise)
                    product += rise * p[k, y, i]
                k += planes
        norm = math.sqrt(square) if isotropic else norm
        v = f[z, y, i] - slope_at(z, y, i, planes, p, scales, layout)
        gap += r * norm - product + slack(here, v, bounds)
        primal += r * norm + f4(0.5) * (here - f[z, y, i]) * (here - f[z, y, i])
        size += r * abs(here)
    partial[z, y, c] = gap
    partial[planes + z, y, c] = primal
    partial[2 * planes + z, y, c] = size


gap = Twin(_gap_cpu, _gap_gpu)
"""(scales, layout, bounds, radius, active, isotropic, f, u, p, partial): partial sums of the gap
between the primal value of u and the dual value of p, of the primal value and of r |u|, for u
within the bounds and |p| ≤ r.  Every term of the gap is ≥ 0.  partial (3·planes, ny, pieces)."""
