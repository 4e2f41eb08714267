"""The primal-dual iteration of total generalised variation of second order.

    argmin_{u, w}  ½ ‖u − f‖² + r₁ Σ |∇u − w| + r₀ Σ |E w|,   lower ≤ u ≤ upper

is the saddle point of  ½ ‖u − f‖² + ⟨∇u − w, p⟩ + ⟨E w, q⟩  with |p| ≤ r₁ and |q| ≤ r₀ (Bredies,
Kunisch & Pock 2010).  An iteration of Chambolle & Pock (2011), over-relaxed (Condat 2013), is two
passes over memory, `primal` and `dual`, each in place.  Arrays are as in `kernels.total_variation`;
E is the strain of `kernels.strain`.  p and w are zero at the far ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared
from physrecon.kernels.gradient_norms import shrink_row, shrinkage
from physrecon.kernels.stencils import along, count, difference, has_next, shifts
from physrecon.kernels.strain import add_strain_row, add_stress_row, strain_at, stress_at
from physrecon.kernels.total_variation import (
    SMALL,
    descend,
    overshoot,
    overshoot_row,
    slope_at,
    slope_row,
)

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


# ----------------------------------------------------------------------------------------- CPU


@inner
def _descend_row(u, f, slope, steps, bounds, new):
    for i in range(u.size):
        new[i] = descend(u[i], f[i], slope[i], steps, bounds)


@inner
def _step_row(x, scale, slope, new):
    """new ← x − scale · slope"""
    for i in range(x.size):
        new[i] = x[i] - scale * slope[i]


@inner
def _add_rise(near, far, scale, out):
    for i in range(out.size):
        out[i] += difference(near[i], far[i], scale)


@inner
def _add_square(values, square):
    for i in range(square.size):
        square[i] += values[i] * values[i]


@inner
def _relax_row(old, new, factor, more):
    """old ← factor · new, over-relaxed"""
    for i in range(old.size):
        old[i] = overshoot(old[i], factor[i] * new[i], more)


@inner
def _confine(rows, radius, more, z, y, planes, square, p):
    """p ← P(rows), over-relaxed, on row (z, y) of all components."""
    square[:] = f4(0)
    for c in range(rows.shape[0]):
        _add_square(rows[c], square)
    shrink_row(square, radius)
    for c in range(rows.shape[0]):
        _relax_row(p[c * planes + z, y], rows[c], square, more)


@inner
def _primal_task(row, scales, layout, steps, bounds, active, f, p, q, u, w, w_ahead, u_ahead):
    planes, ny, n = u.shape
    z, y = row // ny, row % ny
    if not active[z // layout[0]]:
        return
    rows = np.zeros((3, n), u.dtype)
    slope, new = rows[1], rows[2]
    slope_row(z, y, planes, p, scales, layout, rows[0], slope)
    _descend_row(u[z, y], f[z, y], slope, steps, bounds, new)
    overshoot_row(u[z, y], new, steps, u_ahead[z, y], u[z, y])
    for c in range(count(scales)):
        k = c * planes + z
        _step_row(rows[0], f4(1), p[k, y], slope)
        add_stress_row(c, z, y, scales, layout, u.shape, q, slope)
        _step_row(w[k, y], steps[5], slope, new)
        overshoot_row(w[k, y], new, steps, w_ahead[k, y], w[k, y])


@cpu
def _primal_wide(scales, layout, steps, bounds, active, f, p, q, u, w, w_ahead, u_ahead):
    for row in prange(u.shape[0] * u.shape[1]):
        rest = (f, p, q, u, w, w_ahead, u_ahead)
        _primal_task(np.int64(row), scales, layout, steps, bounds, active, *rest)


@inner
def _primal_small(scales, layout, steps, bounds, active, f, p, q, u, w, w_ahead, u_ahead):
    for row in range(u.shape[0] * u.shape[1]):
        rest = (f, p, q, u, w, w_ahead, u_ahead)
        _primal_task(row, scales, layout, steps, bounds, active, *rest)


@inner
def _dual_task(row, scales, layout, steps, radii, active, u_ahead, w_ahead, q, p):
    planes, ny, n = u_ahead.shape
    z, y = row // ny, row % ny
    if not active[z // layout[0]]:
        return
    sigma, more, components = steps[1], steps[3], count(scales)
    square = np.empty(n, p.dtype)
    rows = np.empty((components, n), p.dtype)
    for c in range(components):
        k, axis = c * planes + z, along(c, scales)
        _step_row(p[k, y], sigma, w_ahead[k, y], rows[c])
        if has_next(z, y, 0, axis, layout, u_ahead.shape):
            dz, dy, dx = shifts(axis, layout)
            near, far = u_ahead[z, y, : n - dx], u_ahead[z + dz, y + dy, dx:]
            _add_rise(near, far, sigma * scales[axis], rows[c, : n - dx])
    _confine(rows, radii[0, z // layout[0]], more, z, y, planes, square, p)
    rows = np.empty((components * (components + 1) // 2, n), p.dtype)
    for e in range(rows.shape[0]):
        rows[e] = q[e * planes + z, y]
    add_strain_row(z, y, scales, layout, u_ahead.shape, w_ahead, sigma, rows)
    _confine(rows, radii[1, z // layout[0]], more, z, y, planes, square, q)


@cpu
def _dual_wide(scales, layout, steps, radii, active, u_ahead, w_ahead, q, p):
    for row in prange(u_ahead.shape[0] * u_ahead.shape[1]):
        _dual_task(np.int64(row), scales, layout, steps, radii, active, u_ahead, w_ahead, q, p)


@inner
def _dual_small(scales, layout, steps, radii, active, u_ahead, w_ahead, q, p):
    for row in range(u_ahead.shape[0] * u_ahead.shape[1]):
        _dual_task(row, scales, layout, steps, radii, active, u_ahead, w_ahead, q, p)


def _primal_cpu(*args: Any) -> None:
    """Threads for large problems only; both ways give the same bits."""
    (_primal_small if args[-1].size < SMALL else _primal_wide)(*args)


def _dual_cpu(*args: Any) -> None:
    (_dual_small if args[-1].size < SMALL else _dual_wide)(*args)


# ---------------------------------------------------------------------------------------- CUDA


@gpu
def _primal_gpu(scales, layout, steps, bounds, active, f, p, q, u, w, w_ahead, u_ahead):
    i, y, z = cuda.grid(3)
    planes, problem = u.shape[0], z // layout[0]
    if z >= planes or y >= u.shape[1] or i >= u.shape[2] or not active[problem]:
        return
    slope = slope_at(z, y, i, planes, p, scales, layout)
    old = u[z, y, i]
    new = descend(old, f[z, y, i], slope, steps, bounds)
    u_ahead[z, y, i] = overshoot(old, new, steps[2])
    u[z, y, i] = overshoot(old, new, steps[3])
    components = count(scales)
    for c in range(components):
        k = c * planes + z
        slope = stress_at(c, z, y, i, components, planes, scales, layout, u.shape, q) - p[k, y, i]
        old = w[k, y, i]
        new = old - steps[5] * slope
        w_ahead[k, y, i] = overshoot(old, new, steps[2])
        w[k, y, i] = overshoot(old, new, steps[3])


@shared
def _rise_at(c, z, y, i, planes, scales, layout, u, w):
    """Component c of ∇u − w at a voxel."""
    axis, total = along(c, scales), -w[c * planes + z, y, i]
    if has_next(z, y, i, axis, layout, u.shape):
        dz, dy, dx = shifts(axis, layout)
        total += difference(u[z, y, i], u[z + dz, y + dy, i + dx], scales[axis])
    return total


@gpu
def _dual_gpu(scales, layout, steps, radii, active, u_ahead, w_ahead, q, p):
    i, y, z = cuda.grid(3)
    planes, problem = u_ahead.shape[0], z // layout[0]
    if z >= planes or y >= u_ahead.shape[1] or i >= u_ahead.shape[2] or not active[problem]:
        return
    components, shape = count(scales), u_ahead.shape
    square = p[z, y, i] * f4(0)
    for c in range(components):
        rise = _rise_at(c, z, y, i, planes, scales, layout, u_ahead, w_ahead)
        value = p[c * planes + z, y, i] + steps[1] * rise
        square += value * value
    factor = shrinkage(square, radii[0, problem])
    for c in range(components):
        old = p[c * planes + z, y, i]
        rise = _rise_at(c, z, y, i, planes, scales, layout, u_ahead, w_ahead)
        p[c * planes + z, y, i] = overshoot(old, factor * (old + steps[1] * rise), steps[3])
    square *= f4(0)
    for e in range(components * (components + 1) // 2):
        rise = strain_at(z, y, i, e, components, planes, scales, layout, shape, w_ahead)
        value = q[e * planes + z, y, i] + steps[1] * rise
        square += value * value
    factor = shrinkage(square, radii[1, problem])
    for e in range(components * (components + 1) // 2):
        old = q[e * planes + z, y, i]
        rise = strain_at(z, y, i, e, components, planes, scales, layout, shape, w_ahead)
        q[e * planes + z, y, i] = overshoot(old, factor * (old + steps[1] * rise), steps[3])


primal = Twin(_primal_cpu, _primal_gpu)
"""(scales, layout, steps, bounds, active, f, p, q, u, w, w_ahead, u_ahead): the step of u and w.
steps: τ, σ, θ, ρ − 1, 1 / (1 + τ), τ of w · u, w and, extrapolated for `dual`, u_ahead, w_ahead,
written."""

dual = Twin(_dual_cpu, _dual_gpu)
"""(scales, layout, steps, radii, active, u_ahead, w_ahead, q, p): the step of p and q, written.
radii (2, problems): r₁ and r₀."""
