"""Derivatives of a line integral with respect to the point and the direction of its ray.

Joseph's sum y = ℓ Σ_p V(b_p, c_p) interpolates the volume linearly where the ray crosses plane p:
b_p = b + (p − a) L_b and L_b = d_b / d_a, the same for c.  ℓ is the length between two planes.  So

    ∂y/∂b = ℓ Σ_p V_b        ∂y/∂d_b = (ℓ Σ_p (p − a) V_b + (∂ℓ/∂L_b) Σ_p V) / d_a

with V_b the difference of the neighbours along b.  Neither a motion of the point along the ray nor
a longer direction changes y: ∂y/∂a = −L_b ∂y/∂b − L_c ∂y/∂c, the same for d.  This is exact.
Where a crossing meets the centre of a voxel the sum has a kink; there V_b is the mean of the
differences on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined, shared
from physrecon.kernels.ray_courses import below, course, ray, turned

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32
KINK = f4(1e-7)  # voxels; so near to the centre of a voxel the slopes of both sides count


@shared
def _voxel(volume, axis, plane, m, n):
    """The voxel (m, n) on a plane of an axis; 0 outside."""
    nz, ny, nx = volume.shape
    if axis == 2:
        z, y, x = m, n, plane
    elif axis == 1:
        z, y, x = m, plane, n
    else:
        z, y, x = plane, m, n
    if 0 <= z < nz and 0 <= y < ny and 0 <= x < nx:
        return volume[z, y, x]
    return volume.dtype.type(0)


@shared
def _along_c(volume, axis, plane, m, k, e):
    near = _voxel(volume, axis, plane, m, k)
    return near + e * (_voxel(volume, axis, plane, m, k + 1) - near)


@shared
def _along_b(volume, axis, plane, i, n, d):
    near = _voxel(volume, axis, plane, i, n)
    return near + d * (_voxel(volume, axis, plane, i + 1, n) - near)


@shared
def _slopes(volume, axis, plane, i, k, d, e):
    """(V, V_b, V_c) at (i + d, k + e) on a plane."""
    half, number = volume.dtype.type(0.5), volume.dtype.type
    near, far = _along_c(volume, axis, plane, i, k, e), _along_c(volume, axis, plane, i + 1, k, e)
    left, right = _along_b(volume, axis, plane, i, k, d), _along_b(volume, axis, plane, i, k + 1, d)
    value, slope_b, slope_c = near + d * (far - near), far - near, right - left
    if d < number(KINK):
        slope_b = half * (far - _along_c(volume, axis, plane, i - 1, k, e))
    elif d > number(1) - number(KINK):
        slope_b = half * (_along_c(volume, axis, plane, i + 2, k, e) - near)
    if e < number(KINK):
        slope_c = half * (right - _along_b(volume, axis, plane, i, k - 1, d))
    elif e > number(1) - number(KINK):
        slope_c = half * (_along_b(volume, axis, plane, i, k + 2, d) - left)
    return value, slope_b, slope_c


@shared
def _in_order(axis, a, b, c):
    """(z, y, x) of what has the major axis first."""
    if axis == 2:
        return b, c, a
    return (b, a, c) if axis == 1 else (a, b, c)


@inlined
def _derivatives(volume, view, less, fan, row, detector, pitch):
    """(y, ∂y/∂point, ∂y/∂direction), both (z, y, x): seven numbers; lengths in voxels."""
    axis, first, last, a, b, c, lean_b, lean_c, length = course(
        view, less, fan, row, detector, pitch, (0, 0, 0), volume.shape
    )
    _z, _y, _x, dz, dy, dx = ray(view, less, fan, row, detector)
    along, _db, _dc = turned(axis, dz, dy, dx)
    _own, other, third = turned(axis, *pitch)
    number = volume.dtype.type
    total = slope_b = slope_c = turn_b = turn_c = number(0)
    for plane in range(first, last):
        away = f4(plane) - a
        at_b, at_c = b + away * lean_b, c + away * lean_c
        i, k = below(at_b), below(at_c)
        d, e = number(at_b - f4(i)), number(at_c - f4(k))
        value, here_b, here_c = _slopes(volume, axis, plane, i, k, d, e)
        total += value
        slope_b += here_b
        slope_c += here_c
        turn_b += number(away) * here_b
        turn_c += number(away) * here_c
    step = number(length)
    longer_b = number(lean_b * other * other / length)
    longer_c = number(lean_c * third * third / length)
    slope_b *= step
    slope_c *= step
    turn_b = (step * turn_b + longer_b * total) / number(along)
    turn_c = (step * turn_c + longer_c * total) / number(along)
    lean_1, lean_2 = number(lean_b), number(lean_c)
    slope_a, turn_a = -lean_1 * slope_b - lean_2 * slope_c, -lean_1 * turn_b - lean_2 * turn_c
    pz, py, px = _in_order(axis, slope_a, slope_b, slope_c)
    qz, qy, qx = _in_order(axis, turn_a, turn_b, turn_c)
    return total * step, pz, py, px, qz, qy, qx


@shared
def _differentiate(table, fans, detector, pitch, volume, slopes, sino, v, row, column):
    less, fan = fans[column, 0], fans[column, 1]
    y, pz, py, px, qz, qy, qx = _derivatives(volume, table[v], less, fan, row, detector, pitch)
    sino[v, row, column] = y
    slopes[0, v, row, column] = pz
    slopes[1, v, row, column] = py
    slopes[2, v, row, column] = px
    slopes[3, v, row, column] = qz
    slopes[4, v, row, column] = qy
    slopes[5, v, row, column] = qx


@cpu
def _differentiate_cpu(table, fans, detector, pitch, volume, slopes, sino):
    views, rows, columns = sino.shape
    for n in prange(views * rows):
        v, row = n // rows, n % rows
        for column in range(columns):
            _differentiate(table, fans, detector, pitch, volume, slopes, sino, v, row, column)


@gpu
def _differentiate_gpu(table, fans, detector, pitch, volume, slopes, sino):
    column, row, v = cuda.grid(3)
    views, rows, columns = sino.shape
    if v < views and row < rows and column < columns:
        _differentiate(table, fans, detector, pitch, volume, slopes, sino, v, row, column)


differentiate = Twin(_differentiate_cpu, _differentiate_gpu)
"""(table, fans, detector, pitch, volume, slopes, sino): the line integrals of `vector_beam.project`
→ sino (views, rows, columns), and their derivatives → slopes (6, views, rows, columns) in
1/voxels: with respect to the point of the ray and to its direction, (z, y, x) each."""
