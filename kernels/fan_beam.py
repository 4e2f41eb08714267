"""Fans: rays that keep to their slices, so that a stack of slices shares their weights.

The courses of columns, the weights of Joseph and the memory are those of `cone_beam`, without
heights: row r of a column takes number r of the lines between which it passes, and gives it back.
Slice r of a filtered backprojection takes number r of the columns of pixels where it is seen."""

from __future__ import annotations

import math

from numba import prange

from physrecon.kernels._jit import Twin, cpu, inlined, inner
from physrecon.kernels._lanes import load, store, zero
from physrecon.kernels._registers import count, fused, put, spread, vector
from physrecon.kernels.cone_beam import (
    AT,
    AXIS,
    LEAN,
    columns_between,
    two_lines,
)
from physrecon.kernels.ray_courses import FLAT, INVERSE, frame, seen

FEWEST, MOST = 8, 64  # planes of a strip, whose lines stay in L2: as many as their slices allow
WIDE = 32  # lines of a strip
TILE = 16  # least side of a tile of lines, which a thread owns going back: its sums stay in L2
BATCH = 8  # views that give it their rays in turn


@inlined
def _planes(at, lean, first, last, low, high):
    """The planes of first:last where a column passes within a line of low:high; a few more."""
    if lean == 0:
        return (first, last) if low - 1 < at < high else (first, first)
    enter, leave = (low - 1 - at) / lean, (high - at) / lean
    begin = max(min(enter, leave) - 1, float(first))
    end = min(max(enter, leave) + 2, float(last))
    return (int(begin), int(end)) if begin < end else (first, first)


# ------------------------------------------------------------------------------------- forward


@inlined
def _take(sums, o, registers, voxels, one, other, near, far):
    w, m = spread(sums, near), spread(sums, far)
    for c in range(registers):
        total = fused(w, vector(sums, voxels, one + c * count(sums)), load(sums, o + c))
        store(sums, o + c, fused(m, vector(sums, voxels, other + c * count(sums)), total))


@inner
def _cross_strip(course, o, top, bottom, minors, registers, steps, voxels, sums):
    """Adds what a column sees on the planes top:bottom."""
    plane_step, minor_step = steps
    other = minor_step if minors > 1 else 0
    first, last = _planes(course[AT], course[LEAN], top, bottom, 0, minors)
    if registers > 1:
        for j in range(first, last):
            at = course[AT] + j * course[LEAN]
            if -1 < at < minors:
                near, w0, w1 = two_lines(at, 0, minors, voxels)
                one = j * plane_step + near * minor_step
                _take(sums, o, registers, voxels, one, one + other, w0, w1)
        return
    total = load(sums, o)  # does not wait for memory from plane to plane
    for j in range(first, last):
        at = course[AT] + j * course[LEAN]
        if -1 < at < minors:
            near, w0, w1 = two_lines(at, 0, minors, voxels)
            one = j * plane_step + near * minor_step
            total = fused(spread(sums, w0), vector(sums, voxels, one), total)
            total = fused(spread(sums, w1), vector(sums, voxels, one + other), total)
    store(sums, o, total)


@inner
def _project_views(begin, end, table, detector, courses, shape, pitches, voxels, sums):
    slices, ny, nx, columns = shape
    line_pitch, row_pitch = pitches
    registers, strip = -(-slices // count(sums)), max(MOST // slices, FEWEST)
    for o in range(begin * columns * registers, end * columns * registers):
        store(sums, o, zero(sums))
    for axis in (1, 2):
        minors, majors, steps = nx, ny, (row_pitch, line_pitch)
        if axis == 2:
            minors, majors, steps = ny, nx, (line_pitch, row_pitch)
        tiles = -(-minors // WIDE)
        for top in range(0, majors, strip):
            bottom = min(top + strip, majors)
            middle = 0.5 * (top + bottom - 1)
            for tile in range(tiles):
                left = -1.0 - strip if tile == 0 else tile * WIDE - 0.5
                right = minors + 0.0 + strip if tile == tiles - 1 else tile * WIDE + WIDE - 0.5
                for v in range(begin, end):
                    first, last = columns_between(
                        table[v], axis, middle, left, right, detector, columns
                    )
                    for u in range(first, last):
                        course = courses[v, u]
                        there = math.floor((course[AT] + middle * course[LEAN] + 0.5) / WIDE)
                        if course[AXIS] == axis and min(max(there, 0.0), tiles - 1.0) == tile:
                            o = (v * columns + u) * registers
                            _cross_strip(
                                course, o, top, bottom, minors, registers, steps, voxels, sums
                            )


@cpu
def _project_cpu(table, detector, courses, shape, pitches, chunk, voxels, sums):
    for g in prange(-(-len(table) // chunk)):
        begin, end = g * chunk, min((g + 1) * chunk, len(table))
        _project_views(begin, end, table, detector, courses, shape, pitches, voxels, sums)


# ---------------------------------------------------------------------------------------- back


@inlined
def _give(rays, o, registers, like, voxels, one, other, near, far):
    w, m = spread(like, near), spread(like, far)
    for c in range(registers):
        n = c * count(like)
        q = vector(like, rays, o + n)
        put(voxels, one + n, fused(w, q, vector(like, voxels, one + n)))
        put(voxels, other + n, fused(m, q, vector(like, voxels, other + n)))


@inner
def _cross_tile(course, o, planes, lines, registers, steps, rays, like, voxels):
    """Adds what a column gives to the lines of a tile."""
    plane_step, minor_step = steps
    low, high = lines
    other = minor_step if high - low > 1 else 0
    first, last = _planes(course[AT], course[LEAN], planes[0], planes[1], low, high)
    for j in range(first, last):
        at = course[AT] + j * course[LEAN]
        if low - 1 < at < high:
            near, w0, w1 = two_lines(at, low, high, voxels)
            one = j * plane_step + near * minor_step
            _give(rays, o, registers, like, voxels, one, one + other, w0, w1)


@inlined
def _side(slices):
    """Of a tile: the sums of a voxel come in the same order in any."""
    return max(MOST // slices, TILE)


@inner
def _backproject_tile(table, detector, courses, shape, pitches, corner, rays, like, voxels):
    slices, ny, nx, columns = shape
    line_pitch, row_pitch = pitches
    registers = -(-slices // count(like))
    tall = corner[0], min(corner[0] + _side(slices), ny)
    wide = corner[1], min(corner[1] + _side(slices), nx)
    for first in range(0, len(table), BATCH):
        for axis in (1, 2):
            planes, lines, steps = tall, wide, (row_pitch, line_pitch)
            if axis == 2:
                planes, lines, steps = wide, tall, (line_pitch, row_pitch)
            left, right = lines[0] - 1.0, lines[1] + 0.0
            for v in range(first, min(first + BATCH, len(table))):
                a, b = columns_between(
                    table[v], axis, planes[0] + 0.0, left, right, detector, columns
                )
                c, d = columns_between(
                    table[v], axis, planes[1] - 1.0, left, right, detector, columns
                )
                for u in range(min(a, c), max(b, d)):
                    if courses[v, u, AXIS] == axis:
                        o = (v * columns + u) * registers * count(like)
                        _cross_tile(
                            courses[v, u], o, planes, lines, registers, steps, rays, like, voxels
                        )


@cpu
def _backproject_cpu(table, detector, courses, shape, pitches, rays, like, voxels):
    side = _side(shape[0])
    wide = -(-shape[2] // side)
    for n in prange(-(-shape[1] // side) * wide):
        corner = n // wide * side, n % wide * side
        _backproject_tile(table, detector, courses, shape, pitches, corner, rays, like, voxels)


# -------------------------------------------------------------------------- voxel by voxel


@inner
def _see_row(view, weight, first, y, x0, x1, shape, pitches, detector, columns, voxels):
    """Adds what a view shows to the lines x0:x1 of a row; the frame of a line is linear in x."""
    slices, columns_there = shape[0], shape[3]
    registers = -(-slices // count(voxels))
    number = columns.dtype.type
    depth, along, up = frame(view, 0.0, float(y), 0.0, detector[3])
    deeper, further = view[INVERSE + 2], view[INVERSE + 5]
    step = registers * count(voxels)
    for x in range(x0, x1):
        column, _, there = seen(depth + x * deeper, along + x * further, up, detector)
        if there > FLAT and -1 < column < columns_there:
            near, w0, w1 = two_lines(column, 0, columns_there, columns)
            aside = (along + x * further) * detector[2]
            share = weight * number(1 / (there * there + aside * aside))
            one = first + near * step
            other = one + (step if columns_there > 1 else 0)
            o = (y * pitches[1] + x * pitches[0]) // count(voxels)
            _take(voxels, o, registers, columns, one, other, w0 * share, w1 * share)


@inner
def _see_tile(table, weights, detector, shape, pitches, corner, columns, voxels):
    y1, x1 = min(corner[0] + TILE, shape[1]), min(corner[1] + TILE, shape[2])
    step = -(-shape[0] // count(voxels)) * count(voxels) * shape[3]
    for batch in range(0, len(table), BATCH):
        for y in range(corner[0], y1):
            for v in range(batch, min(batch + BATCH, len(table))):
                _see_row(
                    table[v], weights[v], v * step, y, corner[1], x1, shape, pitches, detector,
                    columns, voxels,
                )  # fmt: skip


@cpu
def _interpolate_cpu(table, weights, detector, shape, pitches, columns, voxels):
    wide = -(-shape[2] // TILE)
    for n in prange(-(-shape[1] // TILE) * wide):
        corner = n // wide * TILE, n % wide * TILE
        _see_tile(table, weights, detector, shape, pitches, corner, columns, voxels)


project = Twin(_project_cpu, None)
"""(table, detector, courses, shape, pitches, chunk, voxels, sums): line integrals, without the
length of a ray between two planes, of the lines `voxels` → the columns `sums`, written.

shape: (slices, ny, nx, columns) · pitches: of lines and of their rows · the others: as for
`cone_beam.project`; there are no zeros between lines or columns."""

backproject = Twin(_backproject_cpu, None)
"""(table, detector, courses, shape, pitches, rays, like, voxels): adds the transpose to
`voxels`."""

interpolate = Twin(_interpolate_cpu, None)
"""(table, weights, detector, shape, pitches, columns, voxels): adds weights / distance² times what
the
columns show to the lines, registers here."""
