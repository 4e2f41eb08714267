"""A parabola above the variation of an image, voxel by voxel (half-quadratic, lagged diffusivity).

    w h(|∇u|) ≤ w h(|∇x|) + ½ d (|∇u|² − |∇x|²),   d = w / max(|∇x|, δ)

touches at u = x, for h is concave in the square (Geman and Reynolds 1992, Vogel and Oman 1996).
With e = u − x the difference of two neighbours, (e₁ − e₂)² ≤ 2 e₁² + 2 e₂², takes the voxels apart
(De Pierro 1995).  So for w Σ h(|∇u|)

    g = ∇ᵀ(d ∇x),    c = Σ 2 d / h²  over the differences that a voxel has a part in.

|·| and arrays are as in `kernels.gradient_norms`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared
from physrecon.kernels.gradient_norms import STRIP
from physrecon.kernels.stencils import difference, has_last, has_next, shifts, subtract_rows

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@shared
def diffusivity(norm, weight, delta):
    return weight / max(norm, delta)


# ------------------------------------------------------------------------------------------ CPU


@inner
def _weigh(rise, stiff, factor, scale):
    """rise ← d · rise, stiff ← 2 d / h, which is to be divided by h once more."""
    for i in range(rise.size):
        rise[i] *= factor[i]
        stiff[i] = (scale + scale) * factor[i]


@inner
def _flux_row(z, y, x, scales, layout, weight, delta, isotropic, factor, flux, stiff):
    """flux, stiff (3, n) ← d ∇x and 2 d / h on one row, along z, y and x; 0 without a neighbour."""
    n = factor.size
    factor[:] = f4(0)
    for axis in range(3):
        flux[axis], stiff[axis] = f4(0), f4(0)
        if scales[axis] > f4(0) and has_next(z, y, 0, axis, layout, x.shape):
            dz, dy, dx = shifts(axis, layout)
            rise = flux[axis, : n - dx]
            subtract_rows(x[z, y, : n - dx], x[z + dz, y + dy, dx:], scales[axis], rise)
            for i in range(n - dx):
                factor[i] += rise[i] * rise[i]
    if isotropic:
        for i in range(n):
            factor[i] = diffusivity(math.sqrt(factor[i]), weight, delta)
    for axis in range(3):
        if scales[axis] > f4(0) and has_next(z, y, 0, axis, layout, x.shape):
            end = n - shifts(axis, layout)[2]
            rise = flux[axis, :end]
            if not isotropic:
                for i in range(end):
                    factor[i] = diffusivity(abs(rise[i]), weight, delta)
            _weigh(rise, stiff[axis, :end], factor, scales[axis])


@inner
def _gather(flux, flux_before, stiff, stiff_before, scale, gradient, curvature):
    for i in range(gradient.size):
        gradient[i] += difference(flux[i], flux_before[i], scale)
        curvature[i] += (stiff[i] + stiff_before[i]) * scale


@cpu
def _majorise_cpu(scales, layout, weight, delta, isotropic, x, curvature, gradient):
    planes, ny, n = x.shape
    strips = -(-ny // STRIP)
    for task in prange(planes * strips):
        z, first = task // strips, task % strips * STRIP
        factor, none = np.empty(n, x.dtype), np.zeros(n, x.dtype)
        # Of this row and the one before in y, by turns, and of the one before in z.
        flux, stiff = np.zeros((3, 3, n), x.dtype), np.zeros((3, 3, n), x.dtype)
        rule = (scales, layout, weight, delta, isotropic, factor)
        if first > 0:
            k = (first - 1) % 2
            _flux_row(z, first - 1, x, *rule, flux[k], stiff[k])
        for y in range(first, min(first + STRIP, ny)):
            k, last = y % 2, (y + 1) % 2
            g, c = gradient[z, y], curvature[z, y]
            _flux_row(z, y, x, *rule, flux[k], stiff[k])
            if scales[0] > f4(0):
                if has_last(z, y, 0, 0, layout):
                    _flux_row(z - layout[1], y, x, *rule, flux[2], stiff[2])
                _gather(flux[k, 0], flux[2, 0], stiff[k, 0], stiff[2, 0], scales[0], g, c)
            if scales[1] > f4(0):
                _gather(flux[k, 1], flux[last, 1], stiff[k, 1], stiff[last, 1], scales[1], g, c)
            if scales[2] > f4(0):
                dx, p, q = layout[2], flux[k, 2], stiff[k, 2]
                _gather(p[:dx], none[:dx], q[:dx], none[:dx], scales[2], g[:dx], c[:dx])
                _gather(p[dx:], p[: n - dx], q[dx:], q[: n - dx], scales[2], g[dx:], c[dx:])


# ----------------------------------------------------------------------------------------- CUDA


@shared
def _flux_at(z, y, i, along, x, scales, layout, weight, delta, isotropic):
    """d ∇x and 2 d / h of one voxel along one axis; 0 without a neighbour."""
    square = flux = x[z, y, i] * f4(0)
    there = False
    for axis in range(3):
        if scales[axis] > f4(0) and has_next(z, y, i, axis, layout, x.shape):
            dz, dy, dx = shifts(axis, layout)
            rise = difference(x[z, y, i], x[z + dz, y + dy, i + dx], scales[axis])
            square += rise * rise
            if axis == along:
                flux, there = rise, True
    factor = diffusivity(math.sqrt(square) if isotropic else abs(flux), weight, delta)
    return flux * factor, (scales[along] + scales[along]) * factor if there else flux * f4(0)


@gpu
def _majorise_gpu(scales, layout, weight, delta, isotropic, x, curvature, gradient):
    i, y, z = cuda.grid(3)
    if z >= x.shape[0] or y >= x.shape[1] or i >= x.shape[2]:
        return
    g, c = gradient[z, y, i], curvature[z, y, i]
    for axis in range(3):
        if scales[axis] > f4(0):
            rule = (axis, x, scales, layout, weight, delta, isotropic)
            here, stiff = _flux_at(z, y, i, *rule)
            before, stiff_before = here * f4(0), here * f4(0)
            if has_last(z, y, i, axis, layout):
                dz, dy, dx = shifts(axis, layout)
                before, stiff_before = _flux_at(z - dz, y - dy, i - dx, *rule)
            g += difference(here, before, scales[axis])
            c += (stiff + stiff_before) * scales[axis]
    gradient[z, y, i] = g
    curvature[z, y, i] = c


majorise = Twin(_majorise_cpu, _majorise_gpu)
"""(scales, layout, weight, delta, isotropic, x, curvature, gradient): both ← both + their part of
the parabola above w Σ h(|∇u|) at x.  All arrays (planes, ny, n); curvature, gradient written."""
