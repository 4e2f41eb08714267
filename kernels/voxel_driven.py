"""Backprojection of filtered projections: a voxel takes what the detector shows where it is seen.

    x(r) += Σ_v weight_v / depth² · y_v(column, row),   interpolated between four pixels

`vector_beam.seen` says where, for rays of any direction; beyond the detector y is 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner
from physrecon.kernels.vector_beam import FLAT, below, seen

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@inlined
def value_there(view, z, y, x, detector, image):
    """The interpolated pixel of image (rows, columns) that sees a point, divided by depth²."""
    rows, columns = image.shape
    number = image.dtype.type
    column, row, depth = seen(view, z, y, x, detector)
    in_columns, in_rows = f4(-1) < column < f4(columns), f4(-1) < row < f4(rows)
    if not (depth > FLAT and in_columns and in_rows):
        return number(0)
    left, top = below(column), below(row)
    d, e = number(column - f4(left)), number(row - f4(top))
    total = number(0)
    if 0 <= left < columns - 1 and 0 <= top < rows - 1:
        upper = image[top, left] + d * (image[top, left + 1] - image[top, left])
        lower = image[top + 1, left] + d * (image[top + 1, left + 1] - image[top + 1, left])
        total = upper + e * (lower - upper)
    else:
        for r in range(max(top, 0), min(top + 2, rows)):
            for c in range(max(left, 0), min(left + 2, columns)):
                near = number(1) - abs(number(row - f4(r)))
                total += near * (number(1) - abs(number(column - f4(c)))) * image[r, c]
    inverse = number(1) / number(depth)
    return total * inverse * inverse


@inner
def _row(table, detector, weights, sino, z, y, volume):
    sums = np.zeros(volume.shape[2], volume.dtype)
    one = table.dtype.type(1)
    for v in range(table.shape[0]):
        view, image = table[v], sino[v]
        for x in range(len(sums)):
            point = f4(z) * one, f4(y) * one, f4(x) * one
            sums[x] += weights[v] * value_there(view, *point, detector, image)
    for x in range(len(sums)):
        volume[z, y, x] += sums[x]


@cpu
def _backproject_cpu(table, detector, weights, sino, volume):
    nz, ny, _nx = volume.shape
    for n in prange(nz * ny):
        _row(table, detector, weights, sino, n // ny, n % ny, volume)


@gpu
def _backproject_gpu(table, detector, weights, sino, volume):
    x, y, z = cuda.grid(3)
    nz, ny, nx = volume.shape
    if z >= nz or y >= ny or x >= nx:
        return
    one = table.dtype.type(1)
    total = volume.dtype.type(0)
    for v in range(table.shape[0]):
        value = value_there(table[v], f4(z) * one, f4(y) * one, f4(x) * one, detector, sino[v])
        total += weights[v] * value
    volume[z, y, x] += total


backproject = Twin(_backproject_cpu, _backproject_gpu)
"""(table, detector, weights, sino, volume): adds what the pixels show to volume (z, y, x).

table, detector: as for `vector_beam` · weights: (views,) in the dtype of sino (views, rows,
columns)."""
