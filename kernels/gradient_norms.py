"""Norms of gradients: sums of them, their slope, and the balls that belong to them.

    measure   Σ h(|∇x|)                      h(s) = s² / 2δ up to δ, s − δ/2 beyond (Huber 1964)
    flow      x' ← x' + w ∇ᵀ(∇x / max(|∇x|, δ))       the gradient of w · that
    project   q ← the nearest q with |q| ≤ r

|·| is the Euclidean norm over the differences at a voxel; where `isotropic` is false each
difference counts alone.  Arrays are as in `kernels.stencils`.  Sums are left as partial sums of
rows, which the caller adds up in a fixed order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inner, shared
from physrecon.kernels.stencils import difference, has_last, has_next, shifts, subtract_rows

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

BLOCK = 4096  # elements of a field that are projected at a time: they stay in the L1 cache
STRIP = 16  # rows that one thread takes at a time
STRIDE = 64  # terms of one partial sum on CUDA: few, for they are summed in the dtype of the data


def pieces(length: int, on_gpu: bool) -> int:
    """Partial sums that a row of so many elements leaves."""
    return max(-(-length // STRIDE), 1) if on_gpu else 1


@shared
def within(value, bounds):
    """The nearest value of an interval; NaN stays NaN."""
    return bounds[0] if value < bounds[0] else (bounds[1] if value > bounds[1] else value)


@shared
def shrinkage(square, radius):
    """What brings a vector of this square into a ball."""
    return radius / max(radius, math.sqrt(square))


@shared
def huber(norm, delta):
    return norm - delta * f4(0.5) if norm >= delta else norm / delta * norm * f4(0.5)


# ------------------------------------------------------------------------------- rows, CPU


@inner
def shrink_row(square, radius):
    """square ← factor"""
    for i in range(square.size):
        square[i] = shrinkage(square[i], radius)


@inner
def _add_square(near, far, scale, total):
    for i in range(total.size):
        rise = difference(near[i], far[i], scale)
        total[i] += rise * rise


@inner
def _add_norm(near, far, scale, delta, total):
    for i in range(total.size):
        total[i] += huber(abs(difference(near[i], far[i], scale)), delta)


@inner
def add_squares(z, y, x, scales, layout, total):
    """total ← total + |∇x|² on one row"""
    n = total.size
    for axis in range(3):
        if scales[axis] > f4(0) and has_next(z, y, 0, axis, layout, x.shape):
            dz, dy, dx = shifts(axis, layout)
            _add_square(x[z, y, : n - dx], x[z + dz, y + dy, dx:], scales[axis], total[: n - dx])


@inner
def add_norms(z, y, x, scales, layout, delta, total):
    """total ← total + Σ h(difference) on one row"""
    n = total.size
    for axis in range(3):
        if scales[axis] > f4(0) and has_next(z, y, 0, axis, layout, x.shape):
            dz, dy, dx = shifts(axis, layout)
            near, far = x[z, y, : n - dx], x[z + dz, y + dy, dx:]
            _add_norm(near, far, scales[axis], delta, total[: n - dx])


@inner
def _sum_of_norms(square, delta):
    total = 0.0
    for i in range(square.size):
        total += float(huber(math.sqrt(square[i]), delta))
    return total


@inner
def _sum(values):
    total = 0.0
    for i in range(values.size):
        total += float(values[i])
    return total


# ------------------------------------------------------------------------------------ measure


@cpu
def _measure_cpu(scales, layout, channels, delta, isotropic, x, partial):
    groups, ny = partial.shape[0], x.shape[1]
    for row in prange(groups * ny):
        z, y = row // ny, row % ny
        total = np.zeros(x.shape[2], x.dtype)
        for channel in range(channels):
            if isotropic:
                add_squares(z + channel * groups, y, x, scales, layout, total)
            else:
                add_norms(z + channel * groups, y, x, scales, layout, delta, total)
        partial[z, y, 0] = _sum_of_norms(total, delta) if isotropic else _sum(total)


@gpu
def _measure_gpu(scales, layout, channels, delta, isotropic, x, partial):
    c, y, z = cuda.grid(3)
    groups = partial.shape[0]
    if z >= groups or y >= partial.shape[1] or c >= partial.shape[2]:
        return
    total = delta * f4(0)
    for i in range(c, x.shape[2], partial.shape[2]):
        square = delta * f4(0)
        for channel in range(channels):
            plane = z + channel * groups
            for axis in range(3):
                if scales[axis] > f4(0) and has_next(plane, y, i, axis, layout, x.shape):
                    dz, dy, dx = shifts(axis, layout)
                    far = x[plane + dz, y + dy, i + dx]
                    rise = difference(x[plane, y, i], far, scales[axis])
                    square += rise * rise if isotropic else huber(abs(rise), delta)
        total += huber(math.sqrt(square), delta) if isotropic else square
    partial[z, y, c] = total


# --------------------------------------------------------------------------------------- flow


@inner
def _flux_row(z, y, x, scales, layout, weight, delta, isotropic, square, flux):
    """flux (3, n) ← w ∇x / max(|∇x|, δ) on one row, along z, y and x."""
    n = square.size
    square[:] = f4(0)
    for axis in range(3):
        flux[axis] = f4(0)
        if scales[axis] > f4(0) and has_next(z, y, 0, axis, layout, x.shape):
            dz, dy, dx = shifts(axis, layout)
            ahead = flux[axis, : n - dx]
            subtract_rows(x[z, y, : n - dx], x[z + dz, y + dy, dx:], scales[axis], ahead)
            for i in range(n - dx):
                square[i] += ahead[i] * ahead[i]
    for axis in range(3):
        if isotropic:
            for i in range(n):
                flux[axis, i] *= weight / max(delta, math.sqrt(square[i]))
        else:
            for i in range(n):
                flux[axis, i] *= weight / max(delta, abs(flux[axis, i]))


@inner
def _add_slope(here, before, scale, out):
    for i in range(out.size):
        out[i] += difference(here[i], before[i], scale)


@cpu
def _flow_cpu(scales, layout, weight, delta, isotropic, x, out):
    planes, ny, n = x.shape
    strips = -(-ny // STRIP)
    for task in prange(planes * strips):
        z, first = task // strips, task % strips * STRIP
        square, none = np.empty(n, x.dtype), np.zeros(n, x.dtype)
        flux = np.zeros((3, 3, n), x.dtype)  # of this row, the one before in y, the one in z
        if first > 0:
            other = flux[(first - 1) % 2]
            _flux_row(z, first - 1, x, scales, layout, weight, delta, isotropic, square, other)
        for y in range(first, min(first + STRIP, ny)):
            here, last = flux[y % 2], flux[(y + 1) % 2]
            _flux_row(z, y, x, scales, layout, weight, delta, isotropic, square, here)
            if scales[0] > f4(0):
                if has_last(z, y, 0, 0, layout):
                    below, plane = flux[2], z - layout[1]
                    _flux_row(plane, y, x, scales, layout, weight, delta, isotropic, square, below)
                _add_slope(here[0], flux[2, 0], scales[0], out[z, y])
            if scales[1] > f4(0):
                _add_slope(here[1], last[1], scales[1], out[z, y])
            if scales[2] > f4(0):
                dx = layout[2]
                _add_slope(here[2, :dx], none[:dx], scales[2], out[z, y, :dx])
                _add_slope(here[2, dx:], here[2, : n - dx], scales[2], out[z, y, dx:])


@shared
def _flux_at(z, y, i, along, x, scales, layout, weight, delta, isotropic):
    """The component along one axis of w ∇x / max(|∇x|, δ)."""
    square = flux = x[z, y, i] * f4(0)
    for axis in range(3):
        if scales[axis] > f4(0) and has_next(z, y, i, axis, layout, x.shape):
            dz, dy, dx = shifts(axis, layout)
            rise = difference(x[z, y, i], x[z + dz, y + dy, i + dx], scales[axis])
            square += rise * rise
            if axis == along:
                flux = rise
    return flux * weight / max(delta, math.sqrt(square) if isotropic else abs(flux))


@gpu
def _flow_gpu(scales, layout, weight, delta, isotropic, x, out):
    i, y, z = cuda.grid(3)
    if z >= x.shape[0] or y >= x.shape[1] or i >= x.shape[2]:
        return
    total = out[z, y, i]
    for axis in range(3):
        if scales[axis] > f4(0):
            here = _flux_at(z, y, i, axis, x, scales, layout, weight, delta, isotropic)
            before = here * f4(0)
            if has_last(z, y, i, axis, layout):
                dz, dy, dx = shifts(axis, layout)
                at = (z - dz, y - dy, i - dx)
                before = _flux_at(*at, axis, x, scales, layout, weight, delta, isotropic)
            total += difference(here, before, scales[axis])
    out[z, y, i] = total


# ------------------------------------------------------------------------------------ project


@cpu
def _project_cpu(radius, q):
    members, _, n = q.shape
    for block in prange(-(-n // BLOCK)):
        first = block * BLOCK
        last = min(first + BLOCK, n)
        square = np.zeros(last - first, q.dtype)
        for k in range(members):
            row = q[k, 0, first:last]
            for i in range(row.size):
                square[i] += row[i] * row[i]
        shrink_row(square, radius)
        for k in range(members):
            row = q[k, 0, first:last]
            for i in range(row.size):
                row[i] *= square[i]


@gpu
def _project_gpu(radius, q):
    i, y, k = cuda.grid(3)
    if k > 0 or y >= q.shape[1] or i >= q.shape[2]:
        return
    square = radius * f4(0)
    for k in range(q.shape[0]):
        square += q[k, 0, i] * q[k, 0, i]
    factor = shrinkage(square, radius)
    for k in range(q.shape[0]):
        q[k, 0, i] *= factor


measure = Twin(_measure_cpu, _measure_gpu)
"""(scales, layout, channels, delta, isotropic, x, partial): partial sums of h(|∇x|), the norm being
over the channels too.  x (channels·groups, ny, n) · partial (groups, ny, pieces), written."""

flow = Twin(_flow_cpu, _flow_gpu)
"""(scales, layout, weight, delta, isotropic, x, out): out ← out + w ∇ᵀ(∇x / max(|∇x|, δ))."""

project = Twin(_project_cpu, _project_gpu)
"""(radius, q): q (members, 1, n) ← q · r / max(r, |q|), |q| over the members."""
