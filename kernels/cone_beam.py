"""Line integrals of a volume where the columns of the detector are parallel to the axis z.

The rays of a column lie in one upright plane.  From one plane of voxels to the next all of them
move alike: they share the weights of Joseph between two upright lines of voxels, and of the blend
of these lines each takes what lies at its height (`_lines`).  Distances and weights are those of
`vector_beam`, which takes any rays, and whose table describes the views here too.

How numbers lie in memory is said in `ray_columns`.  A thread owns views; the voxels of a strip of
planes stay in L2 while the views of a thread cross it, so a sum runs over the strips in their
order, whatever the number of threads."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, inlined, inner
from physrecon.kernels._lanes import store, zero
from physrecon.kernels._lines import LANES, mark, take
from physrecon.kernels._threads import share
from physrecon.kernels.ray_courses import FLAT, ROW, below, frame, ray, seen

STRIP = 8  # planes of voxels
WIDE = 32  # upright lines of a strip
GROUP = 8  # columns that cross a plane together: neighbours find each other's lines in L1
CHUNK = 16  # most views of a thread at a time

# The course of a column: its major axis; the place between upright lines at plane 0, and its step
# from plane to plane; the height of row 0 there, and its step; and the distance of rows there.
AXIS, AT, LEAN, HEIGHT, RISE, STEP, GROWTH, COURSE = 0, 1, 2, 3, 4, 5, 6, 8


@inner
def _lay(view, less, fan, detector, course):
    z, y, x, dz, dy, dx = ray(view, less, fan, 0, detector)
    up = view[ROW]
    if abs(dx) >= abs(dy):
        axis, a, b, da, db = 2.0, x, y, dx, dy
    else:
        axis, a, b, da, db = 1.0, y, x, dy, dx
    lean, rise, growth = db / da, dz / da, 0.0 if detector[3] else up / da
    course[AXIS], course[AT], course[LEAN] = axis, b - a * lean, lean
    course[HEIGHT], course[RISE] = z - a * rise, rise
    course[STEP], course[GROWTH] = up - a * growth, growth


@inner  # the threads would save milliseconds, and cost seconds to compile
def _courses_cpu(table, fans, detector, courses):
    for v in range(len(table)):
        for u in range(len(fans)):
            _lay(table[v], fans[u, 0], fans[u, 1], detector, courses[v, u])


@inlined
def columns_between(view, axis, plane, left, right, detector, columns):
    """(first, last): the columns whose rays cross a plane between two places, and a few more."""
    zero = view[0] * 0
    if axis == 2:
        low, _, near = seen(*frame(view, zero, left, plane, detector[3]), detector)
        high, _, far = seen(*frame(view, zero, right, plane, detector[3]), detector)
    else:
        low, _, near = seen(*frame(view, zero, plane, left, detector[3]), detector)
        high, _, far = seen(*frame(view, zero, plane, right, detector[3]), detector)
    if not (min(near, far) > FLAT):
        return 0, columns
    first = min(max(math.floor(min(low, high)), 0.0), float(columns))
    last = min(max(math.ceil(max(low, high)) + 1, 0.0), float(columns))
    return int(first), int(last)


@inlined
def two_lines(at, first, last, like):
    """(line, its weight, that of the next one) of a place in first − 1 … last between the lines
    first:last: those of Joseph, the same whatever lines are asked for."""
    one, none = like.dtype.type(1), like.dtype.type(0)
    near = below(at)
    far = like.dtype.type(at - near)
    if first <= near < last - 1:
        return near, one - far, far
    if near < first:
        return first, far, none
    if last - first > 1:
        return last - 2, none, one - far
    return first, one - far, none


@inlined
def registers_seen(start, step, count, registers):
    """The registers first:last of rows that stand between numbers −1 and count of a line, row r at
    start + r · step."""
    first = min(max(math.floor((-1 - start) / step / LANES), 0.0), float(registers))
    last = min(max(math.floor((count - start) / step / LANES) + 1, first), float(registers))
    return int(first), int(last)


@inner
def _cross_plane(j, n, courses, places, shape, steps, voxels, sums, scratch):
    """Adds what n columns see on plane j."""
    nz, minors, registers, pad = shape
    plane_step, minor_step = steps
    wholes, rests, ladder, heights = scratch
    for k in range(n):
        course = courses[k]
        at = course[AT] + j * course[LEAN]
        if not (-1 < at < minors):
            continue
        near, w0, w1 = two_lines(at, 0, minors, voxels)
        one = pad + j * plane_step + near * minor_step
        other = one + (minor_step if minors > 1 else 0)
        start, step = course[HEIGHT] + j * course[RISE], course[STEP] + j * course[GROWTH]
        first, last = registers_seen(start, step, nz, registers)
        if first < last:
            mark(start, step, first, last, sums, heights, wholes, rests)
            take(
                sums, places[k], first, last, voxels, one, other, w0, w1, ladder, step, wholes,
                rests, None,
            )  # fmt: skip


@inner
def _project_views(begin, end, table, detector, courses, shape, pitches, voxels, sums):
    nz, ny, nx, rows, columns, pad = shape
    line_pitch, row_pitch, column_pitch = pitches
    column_pitch //= LANES
    registers, front = -(-rows // LANES), pad // LANES
    scratch = marks(registers, voxels)
    group, places = np.empty((GROUP, COURSE)), np.empty(GROUP, np.int64)
    for o in range(front + begin * columns * column_pitch, front + end * columns * column_pitch):
        store(sums, o, zero(sums))
    for axis in (1, 2):
        minors, majors, steps = nx, ny, (row_pitch, line_pitch)
        if axis == 2:
            minors, majors, steps = ny, nx, (line_pitch, row_pitch)
        part, tiles = (nz, minors, registers, pad), -(-minors // WIDE)
        for top in range(0, majors, STRIP):
            bottom = min(top + STRIP, majors)
            middle = 0.5 * (top + bottom - 1)
            for tile in range(tiles):
                left = -1.0 - STRIP if tile == 0 else tile * WIDE - 0.5
                right = minors + 0.0 + STRIP if tile == tiles - 1 else tile * WIDE + WIDE - 0.5
                for v in range(begin, end):
                    u, last = columns_between(
                        table[v], axis, middle, left, right, detector, columns
                    )
                    while u < last:
                        n = 0
                        while u < last and n < GROUP:
                            course = courses[v, u]
                            there = math.floor((course[AT] + middle * course[LEAN] + 0.5) / WIDE)
                            there = min(max(there, 0.0), tiles - 1.0)
                            if course[AXIS] == axis and there == tile:
                                for m in range(COURSE):
                                    group[n, m] = course[m]
                                places[n] = front + (v * columns + u) * column_pitch
                                n += 1
                            u += 1
                        for j in range(top, bottom if n else top):
                            _cross_plane(j, n, group, places, part, steps, voxels, sums, scratch)


@inlined
def marks(registers, like):
    """Memory for the places of registers; 0, 1, … and 0, LANES, 2 LANES, … of LANES numbers."""
    wholes = np.empty(registers + LANES, np.int32)
    rests = np.empty(registers + LANES, like.dtype)
    ladder, heights = np.empty(LANES, like.dtype), np.empty(LANES)
    for m in range(LANES):
        ladder[m], heights[m] = m, m * LANES
    return wholes, rests, ladder, heights


@cpu
def _project_cpu(table, detector, courses, shape, pitches, chunk, voxels, sums):
    for g in prange(-(-len(table) // chunk)):
        begin, end = g * chunk, min((g + 1) * chunk, len(table))
        _project_views(begin, end, table, detector, courses, shape, pitches, voxels, sums)


courses = Twin(_courses_cpu, None)
"""(table, fans, detector, courses): the courses (views, columns, COURSE) of the columns of views.

table, fans, detector: as for `vector_beam`, in float64."""

project = Twin(_project_cpu, None)
"""(table, detector, courses, shape, pitches, chunk, voxels, sums): line integrals, without
the length of a ray between two planes, of the lines `voxels` → the columns `sums`, written.

shape: (slices, ny, nx, rows, columns, pad) · pitches: as `ray_columns` says · chunk:
views that one thread takes at a time."""


def views_per_chunk(views: int) -> int:
    """Views that one thread projects at a time."""
    return share(views, CHUNK)
