"""The strain of a vector field, its symmetric gradient, and the exact transpose.

    e_aa = ∂_a w_a,   e_ab = (∂_b w_a + ∂_a w_b) / √2,   backward differences

Only differences of live numbers count: w_a has none at the far end of axis a, where the gradient
has none.  So the strain of the gradient of an affine x is zero, at the edges as well.  √2 makes |e|
the Frobenius norm of the symmetric matrix.  Arrays are as in `kernels.stencils`; the components of
a strain come in the order zz, yy, xx, zy, zx, yx."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared
from physrecon.kernels.stencils import along, count, difference, has_last, has_next, shifts, take

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@shared
def pair(c, d, components):
    """The component of the strain that the components c and d of a field share."""
    return c if c == d else components - 1 + c + d


@shared
def strains(z, y, i, a, b, layout, shape):
    """Whether (∂_b w_a)[z, y, i] counts: there is one behind, and w_a is live."""
    return has_last(z, y, i, b, layout) and has_next(z, y, i, a, layout, shape)


@shared
def strain_scale(scale, c, d):
    """1/h, over √2 beside the diagonal, in the precision of 1/h."""
    return scale if c == d else math.sqrt(f4(0.5) * scale * scale)


@inner
def _span(z, y, a, b, layout, shape):
    """The elements first:last of row (z, y) in which (∂_b w_a) counts."""
    stride, n = layout[2], shape[2]
    first = stride if b == 2 else 0
    last = n - stride if a == 2 else n
    # What a row has in common shows in any element that has neighbours.
    counts = (b == 2 or has_last(z, y, 0, b, layout)) and (
        a == 2 or has_next(z, y, 0, a, layout, shape)
    )
    return (first, last) if counts and first < last else (0, 0)


@inner
def _add(near, far, scale, out):
    for i in range(out.size):
        out[i] += difference(near[i], far[i], scale)


@inner
def add_strain_row(z, y, scales, layout, shape, w, factor, rows):
    """rows (components of the strain, n) ← rows + factor · strain of w on row (z, y)"""
    planes = shape[0]
    components = w.shape[0] // planes
    for c in range(components):
        a = along(c, scales)
        for d in range(components):
            b = along(d, scales)
            first, last = _span(z, y, a, b, layout, shape)
            if first == last:
                continue
            dz, dy, dx = shifts(b, layout)
            k = c * planes + z
            near, far = w[k - dz, y - dy, first - dx : last - dx], w[k, y, first:last]
            scale = factor * strain_scale(scales[b], c, d)
            _add(near, far, scale, rows[pair(c, d, components), first:last])


@inner
def add_stress_row(c, z, y, scales, layout, shape, e, row):
    """row ← row + component c of the transpose of the strain, of e, on row (z, y)"""
    planes = shape[0]
    a, components = along(c, scales), count(scales)
    for d in range(components):
        b = along(d, scales)
        dz, dy, dx = shifts(b, layout)
        scale = strain_scale(scales[b], c, d)
        k = pair(c, d, components) * planes + z
        first, last = _span(z, y, a, b, layout, shape)
        if first < last:
            take(row[first:last], e[k, y, first:last], -scale)
        if b == 2 or has_next(z, y, 0, b, layout, shape):
            first, last = _span(z + dz, y + dy, a, b, layout, shape)
            if first < last:
                ahead = e[k + dz, y + dy, first:last]
                take(row[first - dx : last - dx], ahead, scale)


@cpu
def _strain_cpu(scales, layout, w, out):
    planes, ny, n = w.shape
    components = count(scales)
    planes //= components
    for row in prange(planes * ny):
        z, y = row // ny, row % ny
        rows = np.zeros((out.shape[0] // planes, n), w.dtype)
        add_strain_row(z, y, scales, layout, (planes, ny, n), w, scales[2] * f4(0) + f4(1), rows)
        for k in range(rows.shape[0]):
            out[k * planes + z, y] = rows[k]


@cpu
def _stress_cpu(scales, layout, e, out):
    planes, ny, n = out.shape
    components = count(scales)
    planes //= components
    for row in prange(planes * components * ny):
        k, y = row // ny, row % ny
        out[k, y] = f4(0)
        add_stress_row(k // planes, k % planes, y, scales, layout, (planes, ny, n), e, out[k, y])


# ------------------------------------------------------------------------------------------- CUDA


@shared
def strain_at(z, y, i, e, components, planes, scales, layout, shape, w):
    """Component e of the strain of w at a voxel."""
    total = w[z, y, i] * f4(0)
    for c in range(components):
        a = along(c, scales)
        for d in range(components):
            b = along(d, scales)
            if pair(c, d, components) == e and strains(z, y, i, a, b, layout, shape):
                dz, dy, dx = shifts(b, layout)
                k = c * planes + z
                scale = strain_scale(scales[b], c, d)
                total += difference(w[k - dz, y - dy, i - dx], w[k, y, i], scale)
    return total


@shared
def stress_at(c, z, y, i, components, planes, scales, layout, shape, e):
    """Component c of the transpose of the strain, of e, at a voxel."""
    total = e[z, y, i] * f4(0)
    a = along(c, scales)
    for d in range(components):
        b = along(d, scales)
        dz, dy, dx = shifts(b, layout)
        k = pair(c, d, components) * planes + z
        here = ahead = total * f4(0)
        if strains(z, y, i, a, b, layout, shape):
            here = e[k, y, i]
        if has_next(z, y, i, b, layout, shape) and strains(
            z + dz, y + dy, i + dx, a, b, layout, shape
        ):
            ahead = e[k + dz, y + dy, i + dx]
        total -= difference(here, ahead, strain_scale(scales[b], c, d))
    return total


@gpu
def _strain_gpu(scales, layout, w, out):
    i, y, k = cuda.grid(3)
    if k >= out.shape[0] or y >= out.shape[1] or i >= out.shape[2]:
        return
    components = count(scales)
    planes = w.shape[0] // components
    shape = (planes, w.shape[1], w.shape[2])
    z, e = k % planes, k // planes
    out[k, y, i] = strain_at(z, y, i, e, components, planes, scales, layout, shape, w)


@gpu
def _stress_gpu(scales, layout, e, out):
    i, y, k = cuda.grid(3)
    if k >= out.shape[0] or y >= out.shape[1] or i >= out.shape[2]:
        return
    components = count(scales)
    planes = out.shape[0] // components
    shape = (planes, out.shape[1], out.shape[2])
    z, c = k % planes, k // planes
    out[k, y, i] = stress_at(c, z, y, i, components, planes, scales, layout, shape, e)


strain = Twin(_strain_cpu, _strain_gpu)
"""(scales, layout, w, out): the strain.  w (d·planes, ny, n) · out (d(d + 1)/2·planes, ny, n),
written."""

stress = Twin(_stress_cpu, _stress_gpu)
"""(scales, layout, e, out): the transpose of `strain`.  out (d·planes, ny, n), written."""
