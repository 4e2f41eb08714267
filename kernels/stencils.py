"""Differences of neighbouring voxels and their exact transpose, minus the divergence.

    (∂x)[i] = (x[i + 1] − x[i]) / h,    0 at the far end (Neumann)
    (∂ᵀp)[i] = (p[i − 1] − p[i]) / h,   p being 0 before the first and at the far end

An array is seen as (planes, ny, n).  `scales` holds 1/h along z, y and x, 0 where no difference is
taken.  `layout` (depth, jump, stride): the next voxel along z is `jump` planes on, of which each
`depth` belong together, along y one row on, along x `stride` elements on.  Component k of a
gradient is planes k·planes to (k + 1)·planes; components come in the order z, y, x."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@shared
def difference(near, far, scale):
    return (far - near) * scale


@shared
def along(component, scales):
    """The axis, 0, 1 or 2 for z, y or x, of a component."""
    for axis in range(3):
        if scales[axis] > f4(0):
            if component == 0:
                return axis
            component -= 1
    return 3


@shared
def count(scales):
    """Number of axes along which there are differences."""
    return int(scales[0] > f4(0)) + int(scales[1] > f4(0)) + int(scales[2] > f4(0))


@shared
def has_next(z, y, i, axis, layout, shape):
    """Whether the voxel has a neighbour ahead along the axis."""
    if axis == 0:
        return z // layout[1] % layout[0] + 1 < layout[0]
    return y + 1 < shape[1] if axis == 1 else i + layout[2] < shape[2]


@shared
def has_last(z, y, i, axis, layout):
    """Whether the voxel has a neighbour behind along the axis."""
    if axis == 0:
        return z // layout[1] % layout[0] > 0
    return y > 0 if axis == 1 else i >= layout[2]


@shared
def shifts(axis, layout):
    """From a voxel to the next along the axis: planes, rows, elements."""
    return (
        layout[1] if axis == 0 else 0,
        1 if axis == 1 else 0,
        layout[2] if axis == 2 else 0,
    )


# ------------------------------------------------------------------------------------------ CPU


@inner
def subtract_rows(near, far, scale, out):
    for i in range(out.size):
        out[i] = difference(near[i], far[i], scale)


@inner
def take_between(out, near, far, scale):
    """out ← out − (far − near) scale"""
    for i in range(out.size):
        out[i] -= difference(near[i], far[i], scale)


@inner
def take(out, far, scale):
    for i in range(out.size):
        out[i] -= far[i] * scale


@cpu
def _gradient_cpu(scales, layout, x, out):
    planes, ny, n = x.shape
    for row in prange(planes * ny):
        z, y = row // ny, row % ny
        k = z
        for axis in range(3):
            if scales[axis] == f4(0):
                continue
            dz, dy, dx = shifts(axis, layout)
            if has_next(z, y, 0, axis, layout, x.shape):
                end = n - dx
                near, far = x[z, y, :end], x[z + dz, y + dy, dx:]
                subtract_rows(near, far, scales[axis], out[k, y, :end])
            else:
                end = 0
            out[k, y, end:] = f4(0)
            k += planes


@cpu
def _adjoint_cpu(scales, layout, p, out):
    planes, ny, n = out.shape
    for row in prange(planes * ny):
        z, y = row // ny, row % ny
        here = out[z, y]
        here[:] = f4(0)
        k = z
        for axis in range(3):
            scale = scales[axis]
            if scale == f4(0):
                continue
            dz, dy, dx = shifts(axis, layout)
            last = axis == 2 or has_last(z, y, 0, axis, layout)
            next_ = has_next(z, y, 0, axis, layout, out.shape)
            if axis == 2:
                if next_:
                    take(here[: n - dx], p[k, y, : n - dx], scale)
                    take(here[dx:], p[k, y, : n - dx], -scale)
            elif last and next_:
                take_between(here, p[k - dz, y - dy], p[k, y], scale)
            elif next_:
                take(here, p[k, y], scale)
            elif last:
                take(here, p[k - dz, y - dy], -scale)
            k += planes


# ----------------------------------------------------------------------------------------- CUDA


@gpu
def _gradient_gpu(scales, layout, x, out):
    i, y, k = cuda.grid(3)
    if k >= out.shape[0] or y >= out.shape[1] or i >= out.shape[2]:
        return
    z, axis = k % x.shape[0], along(k // x.shape[0], scales)
    here = x[z, y, i]
    far = here
    if has_next(z, y, i, axis, layout, x.shape):
        dz, dy, dx = shifts(axis, layout)
        far = x[z + dz, y + dy, i + dx]
    out[k, y, i] = difference(here, far, scales[axis])


@gpu
def _adjoint_gpu(scales, layout, p, out):
    i, y, z = cuda.grid(3)
    planes = out.shape[0]
    if z >= planes or y >= out.shape[1] or i >= out.shape[2]:
        return
    total = p[z, y, i] * f4(0)
    k = z
    for axis in range(3):
        if scales[axis] > f4(0):
            dz, dy, dx = shifts(axis, layout)
            near = far = p[k, y, i] * f4(0)
            if has_next(z, y, i, axis, layout, out.shape):
                far = p[k, y, i]
            if has_last(z, y, i, axis, layout):
                near = p[k - dz, y - dy, i - dx]
            total -= difference(near, far, scales[axis])
            k += planes
    out[z, y, i] = total


gradient = Twin(_gradient_cpu, _gradient_gpu)
"""(scales, layout, x, out): forward differences.  x (planes, ny, n) · out (d·planes, ny, n),
written · scales (z, y, x) in the dtype of x."""

adjoint = Twin(_adjoint_cpu, _adjoint_gpu)
"""(scales, layout, p, out): the transpose of `gradient`.  out (planes, ny, n), written."""
