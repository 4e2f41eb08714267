"""Backprojection of filtered projections: a voxel takes what the detector shows where it is seen.

    x(r) += Σ_v weight_v / distance² · y_v(column, row),   interpolated between four pixels

The distance is that from the source, 1 at the detector: before a flat one the depth, before a
curved one that from its axis.  `vector_beam.seen` says where, for rays of any direction; beyond the
detector y is 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner
from physrecon.kernels.ray_courses import FLAT, INVERSE, below, frame, seen

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32


@inlined
def value_there(depth, along, up, detector, first_row, image):
    """The interpolated pixel of image (rows, columns) that sees a point, divided by distance².

    depth, along, up: the point in the frame of the view.  first_row: of the image."""
    rows, columns = image.shape
    number = image.dtype.type
    column, row, depth = seen(depth, along, up, detector)
    last_row = first_row + rows
    in_columns, in_rows = f4(-1) < column < f4(columns), f4(first_row - 1) < row < f4(last_row)
    if not (depth > FLAT and in_columns and in_rows):
        return number(0)
    left, top = below(column), below(row)
    d, e = number(column - f4(left)), number(row - f4(top))
    bend = detector[2]
    if bend != f4(0):
        depth = math.sqrt(depth * depth + along * along * bend * bend)
    inverse = number(f4(1) / depth)
    if 0 <= left < columns - 1 and first_row <= top < last_row - 1:
        c, r = np.uint64(left), np.uint64(top - first_row)  # no test for a place before the first
        right, next_row = c + np.uint64(1), r + np.uint64(1)
        upper = image[r, c] + d * (image[r, right] - image[r, c])
        lower = image[next_row, c] + d * (image[next_row, right] - image[next_row, c])
        return (upper + e * (lower - upper)) * inverse * inverse
    total = number(0)
    for r in range(max(top, first_row), min(top + 2, last_row)):
        for c in range(max(left, 0), min(left + 2, columns)):
            near = number(1) - abs(number(row - f4(r)))
            total += near * (number(1) - abs(number(column - f4(c)))) * image[r - first_row, c]
    return total * inverse * inverse


@inner
def _row(table, detector, origin, weights, sino, z, y, volume):
    """Adds the views to a row of voxels; the frame of a voxel is linear in x."""
    sums = np.zeros(volume.shape[2], volume.dtype)
    one, parallel = table.dtype.type(1), detector[3]
    for v in range(table.shape[0]):
        view, image, weight = table[v], sino[v], weights[v, min(z, weights.shape[1] - 1)]
        if weight == volume.dtype.type(0):
            continue
        depth, along, up = frame(view, f4(origin[0] + z) * one, f4(y) * one, f4(0) * one, parallel)
        deeper, further, higher = view[INVERSE + 2], view[INVERSE + 5], view[INVERSE + 8]
        for x in range(len(sums)):
            n = f4(x)
            at = depth + n * deeper, along + n * further, up + n * higher
            sums[x] += weight * value_there(*at, detector, origin[1], image)
    for x in range(len(sums)):
        volume[z, y, x] += sums[x]


@cpu
def _backproject_cpu(table, detector, origin, weights, sino, volume):
    nz, ny, _nx = volume.shape
    for n in prange(nz * ny):
        _row(table, detector, origin, weights, sino, n // ny, n % ny, volume)


@gpu
def _backproject_gpu(table, detector, origin, weights, sino, volume):
    x, y, z = cuda.grid(3)
    nz, ny, nx = volume.shape
    if z >= nz or y >= ny or x >= nx:
        return
    one = table.dtype.type(1)
    total = volume.dtype.type(0)
    at = min(z, weights.shape[1] - 1)
    for v in range(table.shape[0]):
        weight = weights[v, at]
        if weight != volume.dtype.type(0):
            point = frame(table[v], f4(origin[0] + z) * one, f4(y) * one, f4(x) * one, detector[3])
            value = value_there(*point, detector, origin[1], sino[v])
            total += weight * value
    volume[z, y, x] += total


backproject = Twin(_backproject_cpu, _backproject_gpu)
"""(table, detector, origin, weights, sino, volume): adds what the pixels show to volume (z, y, x).

table, detector: as for `vector_beam` · origin: (slice, row) of the whole with which volume and sino
begin · weights: (views, 1), or (views, slices of volume), in the dtype of sino (views, rows,
columns)."""
