"""Line integrals along rays of any direction and their exact transpose (Joseph 1982).

A ray crosses the planes of voxels of its *major* axis one by one, at the place b, c among the
voxels of the two others.  On a plane it takes four voxels, with the weights of `joseph` along b and
along c times the length between two planes.  Both directions compute ray and weights by the same
functions in the same numbers (`ray_courses`).

On the CPU eight neighbours of a row of the detector, a *bundle*, go together, a ray in every lane.
Where all of them lie between voxels, a step tests nothing; on the planes around, voxels that are
not there have weight 0.  Rays of a bundle with different major axes are taken axis by axis, the
others at rest.  Forward, a thread owns rows of the detector.  Back, it owns a block of voxels,
spreads over it all bundles that cross it, view by view, and adds the sums to the volume; so no two
threads write to one voxel, and sums do not depend on their number.

On CUDA a thread owns a ray forward; back, it owns a voxel and visits the pixels that its four
neighbours on a plane span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from physrecon.kernels._gather import (
    add_neighbours,
    gathered,
    neighbours,
    steady,
    wide,
)
from physrecon.kernels._jit import Twin, cpu, gpu, inlined, inner
from physrecon.kernels._registers import (
    floored,
    fused,
    larger,
    put,
    rounded,
    smaller,
    spread,
    vector,
    whole,
)
from physrecon.kernels.parallel_beam import joseph
from physrecon.kernels.ray_bundles import (
    AXIS,
    BEGIN,
    COURSE,
    END,
    ENTER,
    FACE,
    FLAT,
    LANES,
    LEAVE,
    PLANES,
    WHOLE,
    alone,
    begin,
    face,
    inside,
    lay,
    lay_inside,
    place,
    present,
)
from physrecon.kernels.ray_courses import below, course, pixels_before, turned

if TYPE_CHECKING:
    from numba import cuda

f4, i4 = np.float32, np.int32

STRIP = 16  # planes that all bundles of a row cross in turn: neighbours find their voxels in L1
APART = 2  # columns between neighbours of a bundle going back: they give to voxels of their own
DEEP, TALL, WIDE = 32, 64, 64  # sides of a block of voxels: its sums stay in L2
EDGE = 2  # voxels around a block, for what a ray gives beside it
SIDE = WIDE + 16  # numbers from line to line of sums, not a power of two

# ------------------------------------------------------------------------------- forward, CPU


@inner
def _edge_sums(numbers, extent, steps, first, last, course, sums):
    """sums += what the rays of a bundle see on planes first:last, some of them beside voxels."""
    _, nb, nc = extent
    sa, sb, sc = steps
    for plane in range(first, last):
        b, c = place(plane, course)
        i, j, w0, w1 = inside(b, 0.0, nb - 1.0, numbers)
        k, m, v0, v1 = inside(c, 0.0, nc - 1.0, numbers)
        i, j, k, m = i * float(sb), j * float(sb), k * float(sc), m * float(sc)
        at = plane * sa
        near = v0 * gathered(numbers, at, steady(i + k)) + v1 * gathered(numbers, at, steady(i + m))
        far = v0 * gathered(numbers, at, steady(j + k)) + v1 * gathered(numbers, at, steady(j + m))
        seen = fused(w0, near, w1 * far)
        put(sums, 0, fused(present(plane, course, numbers), seen, vector(LANES, sums, 0)))


@inlined
def _blend(adjacent, numbers, at, o, step, share):
    """What lies at o after number `at`, and what lies a step further, blended."""
    if adjacent:
        one, two = neighbours(numbers, at, o)
    else:
        one, two = gathered(numbers, at, o), gathered(numbers, at + step, o)
    return fused(share, two - one, one)


@inlined
def _inner_sums(adjacent, flat, numbers, steps, top, first, last, course, sums):
    """The same where all of them lie between voxels.

    adjacent: neighbours along c are so in memory · flat: the rays stay in one slice, along b."""
    sa, sb, sc = steps
    wholes, rests, leans = begin(top, course, numbers)
    start = steady(fused(wholes[0], alone(float(sb)), wholes[1] * float(sc)))
    total, number = vector(LANES, sums, 0), numbers.dtype.type
    stride_b, stride_c = spread(LANES, i4(sb)), spread(LANES, i4(sc))
    for plane in range(first, last):
        p, at = spread(LANES, number(plane - top)), plane * sa
        c = fused(p, leans[1], rests[1])
        k = floored(c)
        o, e = whole(k) if adjacent else whole(k) * stride_c, c - k
        if flat:
            total = total + _blend(adjacent, numbers, at, start + wide(o), sc, e)
        else:
            b = fused(p, leans[0], rests[0])
            i = floored(b)
            o, d = start + wide(o + whole(i) * stride_b), b - i
            near = _blend(adjacent, numbers, at, o, sc, e)
            far = _blend(adjacent, numbers, at + sb, o, sc, e)
            total = total + fused(d, far - near, near)
    put(sums, 0, total)


@inner
def _cross(axis, numbers, steps, top, bottom, count, planes, courses, sums):
    """sums += what all bundles see between voxels on the planes top:bottom of an axis."""
    for n in range(count):
        there, some = planes[n], (courses[n], sums[n])
        first, last = max(there[ENTER], top), min(there[LEAVE], bottom)
        if there[AXIS] == axis and first < last:
            part = numbers, steps, top, first, last
            if axis == 2 and there[FLAT]:
                _inner_sums(False, True, *part, *some)
            elif axis == 2:
                _inner_sums(False, False, *part, *some)
            elif there[FLAT]:
                _inner_sums(True, True, *part, *some)
            else:
                _inner_sums(True, False, *part, *some)


@inner
def _project_row(view, fans, row, detector, pitch, shape, voxels, line):
    columns = len(line)
    most = -(-columns // LANES) * 3
    faces, courses = np.empty(FACE), np.empty((most, COURSE))
    planes, places = np.empty((most, PLANES), np.int64), np.empty(most, np.int64)
    lengths, sums = np.empty((most, LANES), voxels.dtype), np.zeros((most, LANES), voxels.dtype)
    count = 0
    for u in range(0, columns, LANES):
        least, greatest = face(view, fans, u, 1, columns, row, detector, faces)
        for axis in range(least, greatest + 1):
            lay(
                axis, view, row, detector, pitch, (0, 0, 0), shape, faces, count, courses, planes,
                lengths,
            )  # fmt: skip
            there, course, total = planes[count], courses[count], sums[count]
            lay_inside(axis, (0, 0, 0), shape, faces, course, there)
            extent = turned(axis, *shape)
            steps = turned(axis, shape[1] * shape[2], shape[2], 1)
            _edge_sums(voxels, extent, steps, there[BEGIN], there[ENTER], course, total)
            _edge_sums(voxels, extent, steps, there[LEAVE], there[END], course, total)
            places[count] = u
            count += 1
    for axis in range(3):
        steps = turned(axis, shape[1] * shape[2], shape[2], 1)
        for top in range(0, shape[axis], STRIP):
            _cross(axis, voxels, steps, top, top + STRIP, count, planes, courses, sums)
    line[:] = 0
    for n in range(count):
        for m in range(min(LANES, columns - places[n])):
            line[places[n] + m] += sums[n, m] * lengths[n, m]


@cpu
def _project_cpu(table, fans, detector, pitch, volume, sino):
    views, rows, _ = sino.shape
    shape, voxels = volume.shape, volume.reshape(-1)
    for n in prange(views * rows):
        v, row = n // rows, n % rows
        _project_row(table[v], fans, row, detector, pitch, shape, voxels, sino[v, row])


# ---------------------------------------------------------------------------------- back, CPU


@inlined
def _spread(alike, flat, values, sizes, places, steps, top, first, last, course, sums):
    """Adds what the rays of a bundle give to the planes first:last, counted from `top`.

    alike: all rays cross all planes; else those that are not `present` give nothing · flat: they
    stay in one slice · sizes: voxels of a block along b and c · places: of its first voxel, and of
    that in sums."""
    (a0, b0, c0), origin = places
    sa, sb, _ = steps
    wholes, rests, leans = begin(top, course, sums)
    value, number = vector(LANES, values, 0), sums.dtype.type
    before_b = rounded(sums, wholes[0] - float(b0))
    before_c = rounded(sums, wholes[1] - float(c0))
    stride, low = spread(LANES, i4(sb)), spread(LANES, number(-EDGE))
    high_b, high_c = spread(LANES, number(sizes[0])), spread(LANES, number(sizes[1]))
    for plane in range(first, last):
        p, at = spread(LANES, number(plane - top)), origin + (plane - a0) * sa
        given = value if alike else present(plane, course, sums) * value
        c = fused(p, leans[1], rests[1])
        k = floored(c)
        e = c - k
        k = larger(smaller(k + before_c, high_c), low)  # others give to the edge
        if flat:
            two = e * given
            add_neighbours(sums, at, wide(whole(k)), given - two, two)
        else:
            b = fused(p, leans[0], rests[0])
            i = floored(b)
            far = (b - i) * given
            near = given - far
            two, four = e * near, e * far
            i = larger(smaller(i + before_b, high_b), low)
            o = wide(whole(i) * stride + whole(k))
            add_neighbours(sums, at, o, near - two, two)
            add_neighbours(sums, at + sb, o, far - four, four)


@inner
def _spread_bundle(axis, low, high, steps, planes, values, course, sums):
    """Adds the values of a bundle to the sums of the voxels low:high, in an edge of voxels."""
    first, last = turned(axis, *low), turned(axis, *high)
    sizes = last[1] - first[1], last[2] - first[2]
    places = first, EDGE * (steps[0] + steps[1] + steps[2])
    for top in range(planes[BEGIN] // STRIP * STRIP, planes[END], STRIP):
        begin, end = max(top, planes[BEGIN]), min(top + STRIP, planes[END])
        part = values, sizes, places, steps, top, begin, end, course, sums
        if not planes[WHOLE]:
            _spread(False, False, *part)
        elif planes[FLAT]:
            _spread(True, True, *part)
        else:
            _spread(True, False, *part)


@inner
def _sums_of_block(table, fans, detector, pitch, sino, low, high, across, along):
    """Sums of the rays, of those along x in `along`, with y innermost: their neighbours are so,
    too."""
    _, rows, columns = sino.shape
    number = across.dtype.type
    sizes = high[0] - low[0] + 2 * EDGE, high[1] - low[1] + 2 * EDGE, high[2] - low[2] + 2 * EDGE
    faces, courses = np.empty(FACE), np.empty((1, COURSE))
    planes, lengths = np.empty((1, PLANES), np.int64), np.empty((1, LANES), across.dtype)
    values, given = np.empty(LANES, across.dtype), np.empty(LANES, across.dtype)
    before = (low[0] - 1.0, low[1] - 1.0, low[2] - 1.0)
    behind = (float(high[0]), float(high[1]), float(high[2]))
    for v in range(table.shape[0]):
        view = table[v]
        left, right, top, bottom = pixels_before(view, before, behind, detector, rows, columns)
        for row in range(top, bottom):
            for n in range(-(-(right - left) // (APART * LANES)) * APART):
                u = left + n // APART * APART * LANES + n % APART
                for m in range(LANES):
                    column = u + m * APART
                    values[m] = sino[v, row, column] if column < right else number(0)
                least, greatest = face(view, fans, u, APART, columns, row, detector, faces)
                for axis in range(least, greatest + 1):
                    lay(
                        axis, view, row, detector, pitch, low, high, faces, 0, courses, planes,
                        lengths,
                    )  # fmt: skip
                    put(given, 0, vector(LANES, values, 0) * vector(LANES, lengths[0], 0))
                    steps, sums = (sizes[0] * SIDE, SIDE, 1), along
                    if axis != 2:
                        steps, sums = turned(axis, sizes[1] * SIDE, SIDE, 1), across
                    _spread_bundle(axis, low, high, steps, planes[0], given, courses[0], sums)


@inner
def _backproject_block(table, fans, detector, pitch, first, sino, low, high, volume):
    nz, ny, nx = high[0] - low[0], high[1] - low[1], high[2] - low[2]
    across = np.zeros((nz + 2 * EDGE, ny + 2 * EDGE, SIDE), volume.dtype)
    along = np.zeros((nx + 2 * EDGE, nz + 2 * EDGE, SIDE), volume.dtype)
    _sums_of_block(
        table, fans, detector, pitch, sino, low, high, across.reshape(-1), along.reshape(-1)
    )
    for z in range(nz):
        for x in range(nx):
            for y in range(ny):
                across[z + EDGE, y + EDGE, x + EDGE] += along[x + EDGE, z + EDGE, y + EDGE]
        for y in range(ny):
            for x in range(nx):
                more = across[z + EDGE, y + EDGE, x + EDGE]
                volume[low[0] - first + z, low[1] + y, low[2] + x] += more


@cpu
def _backproject_cpu(table, fans, detector, pitch, first, sino, volume):
    nz, ny, nx = volume.shape
    tall, wide = -(-ny // TALL), -(-nx // WIDE)
    for n in prange(-(-nz // DEEP) * tall * wide):
        z, y, x = n // (tall * wide) * DEEP, n // wide % tall * TALL, n % wide * WIDE
        low = (first + z, y, x)
        high = (first + min(z + DEEP, nz), min(y + TALL, ny), min(x + WIDE, nx))
        _backproject_block(table, fans, detector, pitch, first, sino, low, high, volume)


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
def _backproject_gpu(table, fans, detector, pitch, first_slice, sino, volume):
    x, y, z = cuda.grid(3)
    nz, ny, nx = volume.shape
    if z >= nz or y >= ny or x >= nx:
        return
    z += first_slice
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
    volume[z - first_slice, y, x] += total


project = Twin(_project_cpu, _project_gpu)
"""(table, fans, detector, pitch, volume, sino): line integrals of volume (z, y, x) → sino (views,
rows, columns), written.

table: (views, 21) · fans: (columns, 2) cos − 1 and sin / bend of the angle of a column, 0 and its
distance if flat · detector: (middle column, middle row, bend [rad per column], parallel) · pitch:
lengths of a voxel along z, y, x.  All in the type of the table: float64 on the CPU, that of the
data on CUDA."""

backproject = Twin(_backproject_cpu, _backproject_gpu)
"""(table, fans, detector, pitch, first, sino, volume): adds the transpose of `project` to volume,
which begins with slice `first` of the whole."""
