"""Line integrals along rays of any direction and their exact transpose (Joseph 1982).

A ray crosses the planes of voxels of its *major* axis one by one, at the place b, c among the
voxels of the two others.  On a plane it takes four voxels, with the weights of `joseph` along b and
along c times the length between two planes.  Both directions compute ray and weights by the same
functions in the same numbers.

Forward, a thread sums the rays of a row of the detector.  Back, a thread owns a block of voxels,
spreads all rays that cross it over its voxels, view by view, and adds the sums to the volume; so no
two threads write to one voxel, and sums do not depend on their number.  On CUDA a thread owns a
voxel and visits the pixels that its four neighbours on a plane span.

A row of `table` is a view in units of voxels, (z, y, x) each: the point of the detector at column
and row `middle`, the way there from the source, the steps from column to column and from row to
row, and the inverse of the matrix of the last three.  On a curved detector columns lie on a circle
about the source, `bend` radians apart; parallel rays have one direction, in place of the way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner, shared
from physrecon.kernels.parallel_beam import joseph

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

POINT, WAY, COLUMN, ROW, INVERSE = 0, 3, 6, 9, 12  # where they begin in a row of `table`
BLOCK = 64  # sides of a block of voxels: its sums stay in L2


@inlined
def ray(view, less, fan, row, detector):
    """(point of the detector, direction) of a ray: six numbers."""
    _middle_column, middle_row, _bend, parallel = detector
    r = f4(row) - middle_row
    z = fan * view[COLUMN] + r * view[ROW]
    y = fan * view[COLUMN + 1] + r * view[ROW + 1]
    x = fan * view[COLUMN + 2] + r * view[ROW + 2]
    z, y, x = z + less * view[WAY], y + less * view[WAY + 1], x + less * view[WAY + 2]
    dz, dy, dx = view[WAY], view[WAY + 1], view[WAY + 2]
    if not parallel:
        dz, dy, dx = dz + z, dy + y, dx + x
    return z + view[POINT], y + view[POINT + 1], x + view[POINT + 2], dz, dy, dx


@inlined
def crossings(view, less, fan, row, detector, pitch):
    """(major axis, plane a, b and c there, steps of b and c from plane to plane, length between
    planes, direction along the axis, plane of the source); b before c in the order (z, y, x).

    less, fan: of the column, see `project` · pitch: lengths of a voxel."""
    z, y, x, dz, dy, dx = ray(view, less, fan, row, detector)
    if abs(dx) >= abs(dy) and abs(dx) >= abs(dz):
        axis, a, b, c, da, db, dc = 2, x, z, y, dx, dz, dy
        own, other, third = pitch[2], pitch[0], pitch[1]
    elif abs(dy) >= abs(dz):
        axis, a, b, c, da, db, dc = 1, y, z, x, dy, dz, dx
        own, other, third = pitch[1], pitch[0], pitch[2]
    else:
        axis, a, b, c, da, db, dc = 0, z, y, x, dz, dy, dx
        own, other, third = pitch[0], pitch[1], pitch[2]
    lean_b, lean_c = db / da, dc / da
    p, q = lean_b * other, lean_c * third
    length = math.sqrt(own * own + p * p + q * q)
    return axis, a, b, c, lean_b, lean_c, length, da, a - da


@shared
def narrowed(first, last, a, at, lean, low, high):
    """The planes of first:last where a ray lies less than a voxel from low:high; a few more."""
    if lean == f4(0):
        return (first, last) if f4(low - 1) < at < f4(high) else (first, first)
    enter, leave = a + (f4(low - 1) - at) / lean, a + (f4(high) - at) / lean
    begin = max(min(enter, leave) - f4(1), f4(first))
    end = min(max(enter, leave) + f4(2), f4(last))
    return (int(begin), int(end)) if begin < end else (first, first)


@shared
def below(at):
    """The whole number below `at` > −4, or `at` but for rounding; faster than floor."""
    return int(at + f4(4)) - 4


@shared
def planes(first, last, a, direction, source, parallel):
    """The planes of first:last that lie on the side of the source to which the ray goes."""
    if parallel:
        return first, last
    near = min(max(source, f4(first - 1)), f4(last))
    if direction > f4(0):
        return max(first, int(math.floor(near)) + 1), last
    return first, min(last, int(math.ceil(near)))


@shared
def turned(axis, z, y, x):
    """(z, y, x) with the major axis first."""
    if axis == 2:
        return x, z, y
    return (y, z, x) if axis == 1 else (z, y, x)


@inlined
def course(view, less, fan, row, detector, pitch, low, high):
    """(major axis, first plane, last, a, b, c, steps of b and c, length) of a ray through the
    voxels low:high; it may miss them on the outer planes."""
    axis, a, b, c, lean_b, lean_c, length, direction, source = crossings(
        view, less, fan, row, detector, pitch
    )
    a0, b0, c0 = turned(axis, *low)
    a1, b1, c1 = turned(axis, *high)
    first, last = planes(a0, a1, a, direction, source, detector[3])
    first, last = narrowed(first, last, a, b, lean_b, b0, b1)
    first, last = narrowed(first, last, a, c, lean_c, c0, c1)
    return axis, first, last, a, b, c, lean_b, lean_c, length


@inlined
def frame(view, z, y, x, parallel):
    """(depth, along, up) of a point: its parts along the way, the columns and the rows."""
    z, y, x = z - view[POINT], y - view[POINT + 1], x - view[POINT + 2]
    if not parallel:
        z, y, x = z + view[WAY], y + view[WAY + 1], x + view[WAY + 2]
    m = INVERSE
    depth = view[m] * z + view[m + 1] * y + view[m + 2] * x
    along = view[m + 3] * z + view[m + 4] * y + view[m + 5] * x
    up = view[m + 6] * z + view[m + 7] * y + view[m + 8] * x
    return depth, along, up


@inlined
def seen(depth, along, up, detector):
    """(column, row) of the ray through a point, and its depth: 1 on the detector, > 0 before the
    source."""
    middle_column, middle_row, bend, parallel = detector
    if parallel:
        return along + middle_column, up + middle_row, f4(0) * depth + f4(1)
    if bend == f4(0):
        nearer = f4(1) / depth
        return along * nearer + middle_column, up * nearer + middle_row, depth
    angle = math.atan2(along * bend, depth)
    distance = math.sqrt(depth * depth + along * along * bend * bend)
    return angle / bend + middle_column, up / distance + middle_row, depth


MARGIN = f4(0.05)  # pixels; places of rays are rounded
FLAT = f4(1e-3)  # depth; a point so near to the plane of the source may be seen by any pixel


@shared
def pixels_before(view, low, high, detector, rows, columns):
    """(first column, last, first row, last) of a box that holds all rays through a box of points.

    low, high: opposite corners.  The whole detector if the box is not before the source."""
    least_column = least_row = f4(3e38) * view[0] * f4(0) + f4(3e38)
    most_column = most_row = -least_column
    least_depth = least_column
    for corner in range(8):
        z = high[0] if corner & 1 else low[0]
        y = high[1] if corner & 2 else low[1]
        x = high[2] if corner & 4 else low[2]
        column, row, depth = seen(*frame(view, z, y, x, detector[3]), detector)
        least_depth = min(least_depth, depth)
        least_column, most_column = min(least_column, column), max(most_column, column)
        least_row, most_row = min(least_row, row), max(most_row, row)
    if not (least_depth > FLAT):
        return 0, columns, 0, rows
    if detector[2] != f4(0):  # rows of a curved detector: a chord of its cylinder is nearer
        return (*_run(least_column, most_column, columns), 0, rows)
    columns_seen = _run(least_column, most_column, columns)
    return (*columns_seen, *_run(least_row, most_row, rows))


@shared
def _run(least, most, count):
    first = min(max(math.ceil(least - MARGIN), f4(0)), f4(count))
    last = min(max(math.floor(most + MARGIN) + f4(1), f4(0)), f4(count))
    return int(first), int(last)


# ------------------------------------------------------------------------------- forward, CPU


@inner
def _line_sum(volume, shape, view, less, fan, row, detector, pitch):
    axis, first, last, a, b, c, lean_b, lean_c, length = course(
        view, less, fan, row, detector, pitch, (0, 0, 0), shape
    )
    _na, nb, nc = turned(axis, *shape)
    sa, sb, sc = turned(axis, shape[1] * shape[2], shape[2], 1)
    number = volume.dtype.type
    total = number(0)
    for plane in range(first, last):
        at_b, at_c = b + (f4(plane) - a) * lean_b, c + (f4(plane) - a) * lean_c
        i, k = below(at_b), below(at_c)
        d, e = number(at_b - f4(i)), number(at_c - f4(k))
        if 0 <= i < nb - 1 and 0 <= k < nc - 1:
            o = np.uint64(plane * sa + i * sb + k * sc)  # no test for a place before the first
            near = volume[o] + e * (volume[o + np.uint64(sc)] - volume[o])
            o += np.uint64(sb)
            far = volume[o] + e * (volume[o + np.uint64(sc)] - volume[o])
            total += near + d * (far - near)  # joseph(d) is 1 − d, joseph(d − 1) is d
        else:
            for m in range(max(i, 0), min(i + 2, nb)):
                for n in range(max(k, 0), min(k + 2, nc)):
                    weight = joseph(d - number(m - i)) * joseph(e - number(n - k))
                    total += weight * volume[plane * sa + m * sb + n * sc]
    return total * number(length)


@cpu
def _project_cpu(table, fans, detector, pitch, volume, sino):
    views, rows, columns = sino.shape
    shape, voxels = volume.shape, volume.reshape(-1)
    for n in prange(views * rows):
        v, row = n // rows, n % rows
        view, line = table[v], sino[v, row]
        for column in range(columns):
            less, fan = fans[column, 0], fans[column, 1]
            line[column] = _line_sum(voxels, shape, view, less, fan, row, detector, pitch)


# ---------------------------------------------------------------------------------- back, CPU


@inner
def _spread(value, view, less, fan, row, detector, pitch, low, high, sums):
    """Adds a ray to the sums of the voxels low:high that it crosses."""
    axis, first, last, a, b, c, lean_b, lean_c, length = course(
        view, less, fan, row, detector, pitch, low, high
    )
    a0, b0, c0 = turned(axis, *low)
    _a1, b1, c1 = turned(axis, *high)
    wide, deep = high[2] - low[2], high[1] - low[1]
    sa, sb, sc = turned(axis, deep * wide, wide, 1)
    number = sums.dtype.type
    value *= number(length)
    for plane in range(first, last):
        at_b, at_c = b + (f4(plane) - a) * lean_b, c + (f4(plane) - a) * lean_c
        i, k = below(at_b), below(at_c)
        d, e = number(at_b - f4(i)), number(at_c - f4(k))
        if b0 <= i < b1 - 1 and c0 <= k < c1 - 1:
            o = np.uint64((plane - a0) * sa + (i - b0) * sb + (k - c0) * sc)
            on, up = np.uint64(sc), np.uint64(sb)
            near, far = (number(1) - d) * value, d * value
            sums[o] += (number(1) - e) * near
            sums[o + on] += e * near
            sums[o + up] += (number(1) - e) * far
            sums[o + up + on] += e * far
        else:
            for m in range(max(i, b0), min(i + 2, b1)):
                for n in range(max(k, c0), min(k + 2, c1)):
                    weight = joseph(d - number(m - i)) * joseph(e - number(n - k))
                    o = (plane - a0) * sa + (m - b0) * sb + (n - c0) * sc
                    sums[o] += weight * value


@inner
def _backproject_block(table, fans, detector, pitch, sino, low, high, volume):
    _views, rows, columns = sino.shape
    extent = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
    sums = np.zeros(extent[0] * extent[1] * extent[2], volume.dtype)
    one = table.dtype.type(1)
    before = (low[0] - one, low[1] - one, low[2] - one)
    behind = (high[0] * one, high[1] * one, high[2] * one)
    for v in range(table.shape[0]):
        view = table[v]
        left, right, top, bottom = pixels_before(view, before, behind, detector, rows, columns)
        for row in range(top, bottom):
            for column in range(left, right):
                less, fan = fans[column, 0], fans[column, 1]
                _spread(
                    sino[v, row, column], view, less, fan, row, detector, pitch, low, high, sums
                )
    o = 0
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            for x in range(low[2], high[2]):
                volume[z, y, x] += sums[o]
                o += 1


@cpu
def _backproject_cpu(table, fans, detector, pitch, sino, volume):
    nz, ny, nx = volume.shape
    deep, wide = -(-ny // BLOCK), -(-nx // BLOCK)
    for n in prange(-(-nz // BLOCK) * deep * wide):
        low = (n // (deep * wide) * BLOCK, n // wide % deep * BLOCK, n % wide * BLOCK)
        high = (min(low[0] + BLOCK, nz), min(low[1] + BLOCK, ny), min(low[2] + BLOCK, nx))
        _backproject_block(table, fans, detector, pitch, sino, low, high, volume)


# --------------------------------------------------------------------------------------- CUDA


@gpu
def _project_gpu(table, fans, detector, pitch, volume, sino):
    column, row, v = cuda.grid(3)
    views, rows, columns = sino.shape
    if v >= views or row >= rows or column >= columns:
        return
    less, fan = fans[column, 0], fans[column, 1]
    axis, first, last, a, b, c, lean_b, lean_c, length = course(
        table[v], less, fan, row, detector, pitch, (0, 0, 0), volume.shape
    )
    _na, nb, nc = turned(axis, *volume.shape)
    number = volume.dtype.type
    total = number(0)
    for plane in range(first, last):
        at_b, at_c = b + (f4(plane) - a) * lean_b, c + (f4(plane) - a) * lean_c
        i, k = below(at_b), below(at_c)
        for m in range(max(i, 0), min(i + 2, nb)):
            for n in range(max(k, 0), min(k + 2, nc)):
                if axis == 2:
                    voxel = volume[m, n, plane]
                elif axis == 1:
                    voxel = volume[m, plane, n]
                else:
                    voxel = volume[plane, m, n]
                total += joseph(number(at_b - f4(m))) * joseph(number(at_c - f4(n))) * voxel
    sino[v, row, column] = total * number(length)


@gpu
def _backproject_gpu(table, fans, detector, pitch, sino, volume):
    x, y, z = cuda.grid(3)
    nz, ny, nx = volume.shape
    if z >= nz or y >= ny or x >= nx:
        return
    _views, rows, columns = sino.shape
    number, one = volume.dtype.type, table.dtype.type(1)
    before = (f4(z) - one, f4(y) - one, f4(x) - one)
    behind = (f4(z) + one, f4(y) + one, f4(x) + one)
    total = number(0)
    for v in range(table.shape[0]):
        left, right, top, bottom = pixels_before(table[v], before, behind, detector, rows, columns)
        for row in range(top, bottom):
            for column in range(left, right):
                less, fan = fans[column, 0], fans[column, 1]
                axis, first, last, a, b, c, lean_b, lean_c, length = course(
                    table[v], less, fan, row, detector, pitch, (z, y, x), (z + 1, y + 1, x + 1)
                )
                plane, i, k = turned(axis, z, y, x)
                if first < last:
                    weight = joseph(number(b + (f4(plane) - a) * lean_b - f4(i)))
                    weight *= joseph(number(c + (f4(plane) - a) * lean_c - f4(k)))
                    total += weight * number(length) * sino[v, row, column]
    volume[z, y, x] += total


project = Twin(_project_cpu, _project_gpu)
"""(table, fans, detector, pitch, volume, sino): line integrals of volume (z, y, x) → sino (views,
rows, columns), written.

table: (views, 21) · fans: (columns, 2) cos − 1 and sin / bend of the angle of a column, 0 and its
distance if flat · detector: (middle column, middle row, bend [rad per column], parallel) · pitch:
lengths of a voxel along z, y, x.  All in the type of the table: float64 on the CPU, that of the
data on CUDA."""

backproject = Twin(_backproject_cpu, _backproject_gpu)
"""(table, fans, detector, pitch, sino, volume): adds the transpose of `project` to volume."""
