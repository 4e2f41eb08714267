"""The primal-dual iteration of the proximal map of total variation.

    prox(f) = argmin_u  ½ ‖u − f‖² + r Σ |∇u|,   lower ≤ u ≤ upper

`step` is one iteration of Chambolle & Pock (2011) on the saddle point of ½‖u − f‖² + ⟨∇u, p⟩ with
|p| ≤ r, over-relaxed (Condat 2013), in one pass over memory: of a voxel it reads 2 + d numbers and
writes 1 + d.  Arrays are as in `kernels.stencils`, the differentiated axes last, without jump or
stride: each `depth` planes are a problem with a radius r of its own.  p is zero at the far ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared
from physrecon.kernels.gradient_norms import (
    shrink_row,
    shrinkage,
    within,
)
from physrecon.kernels.stencils import count, difference, has_last, has_next, shifts

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

STRIP, SLAB = 16, 16  # rows and planes that one thread takes at a time: its rows stay in L2
SMALL = 1 << 14  # elements below which waking the threads takes longer than the work


@shared
def overshoot(old, new, more):
    return new + more * (new - old)


@shared
def descend(u, f, slope, steps, bounds):
    """prox of τ (½ ‖· − f‖² + bounds) at u − τ slope.  steps: τ, σ, θ, ρ − 1, 1 / (1 + τ)"""
    return within((u + steps[0] * (f - slope)) * steps[4], bounds)


# ------------------------------------------------------------------------- rows, CPU


@inner
def _row_before(p, k, z, y, axis, layout, zeros):
    """The row of component k before (z, y) along z or y, zeros if there is none."""
    if not has_last(z, y, 0, axis, layout):
        return zeros
    return p[k - 1, y] if axis == 0 else p[k, y - 1]


@inner
def slope_row(z, y, planes, p, scales, layout, zeros, slope):
    """slope ← (∇ᵀp)[z, y]"""
    pz, pz_before, py, py_before, px = zeros, zeros, zeros, zeros, zeros
    k = z
    if scales[0] > f4(0):
        pz, pz_before = p[k, y], _row_before(p, k, z, y, 0, layout, zeros)
        k += planes
    if scales[1] > f4(0):
        py, py_before = p[k, y], _row_before(p, k, z, y, 1, layout, zeros)
        k += planes
    if scales[2] > f4(0):
        px = p[k, y]
    sz, sy, sx = scales
    slope[0] = (
        difference(pz[0], pz_before[0], sz)
        + difference(py[0], py_before[0], sy)
        + difference(px[0], f4(0), sx)
    )
    for i in range(1, slope.size):
        slope[i] = (
            difference(pz[i], pz_before[i], sz)
            + difference(py[i], py_before[i], sy)
            + difference(px[i], px[i - 1], sx)
        )


@inner
def _descend_row(u, f, slope, steps, bounds, new):
    for i in range(u.size):
        new[i] = descend(u[i], f[i], slope[i], steps, bounds)


@inner
def overshoot_row(u, new, steps, ahead, out):
    """ahead ← new + θ (new − u),  out ← new + (ρ − 1) (new − u)"""
    theta, more = steps[2], steps[3]
    for i in range(u.size):
        ahead[i] = overshoot(u[i], new[i], theta)
        out[i] = overshoot(u[i], new[i], more)


@inner
def _climb_row(p, near, far, rise, out, square):
    """out ← p + rise (far − near);  square ← square + out²"""
    for i in range(out.size):
        value = p[i] + difference(near[i], far[i], rise)
        out[i] = value
        square[i] += value * value


@inner
def _relax_row(p, factor, more, out):
    for i in range(out.size):
        out[i] = overshoot(p[i], factor[i] * out[i], more)


@inner
def _relax_clipped_row(p, radius, more, out):
    box = (-radius, radius)
    for i in range(out.size):
        out[i] = overshoot(p[i], within(out[i], box), more)


# ------------------------------------------------------------------------------ step, CPU


@inner
def _primal_rows(z, first, last, own, scales, layout, steps, bounds, f, u, p, rows, ahead, u_out):
    """Rows first:last of plane z of `ahead`; those before `own` are written to u_out too."""
    planes = u.shape[0]
    for y in range(first, last):
        slope_row(z, y, planes, p, scales, layout, rows[0], rows[1])
        _descend_row(u[z, y], f[z, y], rows[1], steps, bounds, rows[2])
        out = u_out[z, y] if y < own else rows[3]
        overshoot_row(u[z, y], rows[2], steps, ahead[y - first], out)


@inner
def _dual_row(z, y, scales, layout, steps, radius, isotropic, here, far_z, far_y, p, square, out):
    """p ← p + ρ (P(p + σ ∇ahead) − p) on one row."""
    planes, ny, n = p.shape[0], p.shape[1], p.shape[2]
    components = count(scales)
    planes //= components
    sigma, more = steps[1], steps[3]
    square[:] = f4(0)
    k = z
    if scales[0] > f4(0):
        if z % layout[0] + 1 < layout[0]:
            _climb_row(p[k, y], here, far_z, sigma * scales[0], out[k, y], square)
        else:
            out[k, y] = f4(0)
        k += planes
    if scales[1] > f4(0):
        if y + 1 < ny:
            _climb_row(p[k, y], here, far_y, sigma * scales[1], out[k, y], square)
        else:
            out[k, y] = f4(0)
        k += planes
    if scales[2] > f4(0):
        end = n - 1
        rise = sigma * scales[2]
        _climb_row(p[k, y, :end], here[:end], here[1:], rise, out[k, y, :end], square[:end])
        out[k, y, end] = f4(0)
    if isotropic:
        shrink_row(square, radius)
    for c in range(components):
        k = z + c * planes
        if isotropic:
            _relax_row(p[k, y], square, more, out[k, y])
        else:
            _relax_clipped_row(p[k, y], radius, more, out[k, y])


@inner
def _dual_rows(z, first, last, scales, layout, steps, radius, isotropic, ahead, p, square, out):
    ny = p.shape[1]
    here, next_plane = ahead[z % 2], ahead[(z + 1) % 2]
    for y in range(first, last):
        far_y = here[min(y + 1, ny - 1) - first]
        _dual_row(
            *(z, y, scales, layout, steps, radius, isotropic),
            *(here[y - first], next_plane[y - first], far_y, p, square, out),
        )


@inner
def _step_task(
    task, scales, layout, steps, bounds, radius, active, isotropic, f, u, p, p_out, u_out
):
    """Some planes and rows of a problem, plane by plane; `ahead` holds this one and the next."""
    ny, n, depth = u.shape[1], u.shape[2], layout[0]
    strips, slabs = -(-ny // STRIP), -(-depth // SLAB)
    problem = task // (slabs * strips)
    if not active[problem]:
        return
    end = (problem + 1) * depth
    low = problem * depth + task // strips % slabs * SLAB
    high = min(low + SLAB, end)
    first = task % strips * STRIP
    last = min(first + STRIP, ny)
    ahead, rows = np.empty((2, STRIP + 1, n), u.dtype), np.zeros((4, n), u.dtype)
    dual = (scales, layout, steps, radius[problem], isotropic, ahead, p, rows[1], p_out)
    for z in range(low, min(high + 1, end)):
        own = last if z < high else first
        _primal_rows(
            *(z, first, min(last + 1, ny), own, scales, layout, steps, bounds, f, u, p),
            *(rows, ahead[z % 2], u_out),
        )
        if z > low:
            _dual_rows(z - 1, first, last, *dual)
    if high == end:
        _dual_rows(high - 1, first, last, *dual)


@inner
def _tasks(layout, u):
    depth = layout[0]
    return u.shape[0] // depth * -(-depth // SLAB) * -(-u.shape[1] // STRIP)


@cpu
def _step_wide(scales, layout, steps, bounds, radius, active, isotropic, f, u, p, p_out, u_out):
    for task in prange(_tasks(layout, u)):
        _step_task(
            *(np.int64(task), scales, layout, steps, bounds, radius, active, isotropic),
            *(f, u, p, p_out, u_out),
        )


@inner
def _step_small(scales, layout, steps, bounds, radius, active, isotropic, f, u, p, p_out, u_out):
    for task in range(_tasks(layout, u)):
        _step_task(
            *(task, scales, layout, steps, bounds, radius, active, isotropic),
            *(f, u, p, p_out, u_out),
        )


def _step_cpu(*args: Any) -> None:
    """Threads for large problems only; both ways give the same bits."""
    (_step_small if args[-1].size < SMALL else _step_wide)(*args)


# --------------------------------------------------------------------------- step, CUDA


@shared
def slope_at(z, y, i, planes, p, scales, layout):
    """(∇ᵀp)[z, y, i]"""
    total = p[z, y, i] * f4(0)
    k = z
    for axis in range(3):
        if scales[axis] > f4(0):
            dz, dy, dx = shifts(axis, layout)
            before = total * f4(0)
            if has_last(z, y, i, axis, layout):
                before = p[k - dz, y - dy, i - dx]
            total += difference(p[k, y, i], before, scales[axis])
            k += planes
    return total


@shared
def _ahead_at(z, y, i, scales, layout, steps, bounds, f, u, p):
    slope = slope_at(z, y, i, u.shape[0], p, scales, layout)
    old = u[z, y, i]
    new = descend(old, f[z, y, i], slope, steps, bounds)
    return new, overshoot(old, new, steps[2])


@gpu
def _step_gpu(scales, layout, steps, bounds, radius, active, isotropic, f, u, p, p_out, u_out):
    i, y, z = cuda.grid(3)
    planes, problem = u.shape[0], z // layout[0]
    if z >= planes or y >= u.shape[1] or i >= u.shape[2] or not active[problem]:
        return
    new, here = _ahead_at(z, y, i, scales, layout, steps, bounds, f, u, p)
    u_out[z, y, i] = overshoot(u[z, y, i], new, steps[3])
    square = new * f4(0)
    k = z
    for axis in range(3):
        if scales[axis] > f4(0):
            value = new * f4(0)
            if has_next(z, y, i, axis, layout, u.shape):
                dz, dy, dx = shifts(axis, layout)
                at = (z + dz, y + dy, i + dx)
                _, far = _ahead_at(*at, scales, layout, steps, bounds, f, u, p)
                value = p[k, y, i] + difference(here, far, steps[1] * scales[axis])
            p_out[k, y, i] = value
            square += value * value
            k += planes
    factor, box = shrinkage(square, radius[problem]), (-radius[problem], radius[problem])
    for k in range(z, p.shape[0], planes):
        value = p_out[k, y, i]
        value = factor * value if isotropic else within(value, box)
        p_out[k, y, i] = overshoot(p[k, y, i], value, steps[3])


step = Twin(_step_cpu, _step_gpu)
"""(scales, layout, steps, bounds, radius, active, isotropic, f, u, p, p_out, u_out): one iteration
of the active problems.  steps: τ, σ, θ, ρ − 1, 1 / (1 + τ) · radius, active (problems,) · f, u
(planes, ny, n) · p (d·planes, ny, n) · u_out, p_out, written."""
