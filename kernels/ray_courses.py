"""Courses of rays of any direction through planes of voxels, and the pixels that see a point.

A row of `table` is a view in units of voxels, (z, y, x) each: the point of the detector at column
and row `middle`, the way there from the source, the steps from column to column and from row to
row, and the inverse of the matrix of the last three.  On a curved detector columns lie on a circle
about the source, `bend` radians apart; parallel rays have one direction, in place of the way.

detector: (middle column, middle row, bend [rad per column], parallel), in the type of the table."""

from __future__ import annotations

import math

import numpy as np

from physrecon.kernels._jit import inlined, shared

f4 = np.float32

POINT, WAY, COLUMN, ROW, INVERSE = 0, 3, 6, 9, 12  # where they begin in a row of `table`


@inlined
def ray(view, less, fan, row, detector):
    """(point of the detector, direction) of a ray: six numbers."""
    _middle_column, middle_row, _bend, parallel = detector
    r = f4(row) - middle_row
    z = fan * view[COLUMN] + r * view[ROW]
    y = fan * view[COLUMN + 1] + r * view[ROW + 1]
    x = fan * view[COLUMN + 2] + r * view[ROW + 2]
    z, y, x = z + less * view[WAY], y + less * view[WAY + 1], x + less * view[WAY + 2]
    opens = f4(not parallel)
    dz, dy, dx = view[WAY] + opens * z, view[WAY + 1] + opens * y, view[WAY + 2] + opens * x
    return z + view[POINT], y + view[POINT + 1], x + view[POINT + 2], dz, dy, dx


@shared
def turned(axis, z, y, x):
    """(z, y, x) with the major axis first."""
    if axis == 2:
        return x, z, y
    return (y, z, x) if axis == 1 else (z, y, x)


@inlined
def leans(axis, ray, pitch):
    """(plane a, b and c there, steps of b and c from plane to plane, square of the length between
    planes, direction along the axis) of a ray; b before c in the order (z, y, x).

    pitch: lengths of a voxel."""
    z, y, x, dz, dy, dx = ray
    a, b, c = turned(axis, z, y, x)
    da, db, dc = turned(axis, dz, dy, dx)
    own, other, third = turned(axis, *pitch)
    lean_b, lean_c = db / da, dc / da
    p, q = lean_b * other, lean_c * third
    return a, b, c, lean_b, lean_c, p * p + q * q + own * own, da


@inlined
def crossings(view, less, fan, row, detector, pitch):
    """(major axis, plane a, b and c there, steps of b and c from plane to plane, length between
    planes, direction along the axis, plane of the source).

    less, fan: of the column, see `project` · pitch: lengths of a voxel."""
    z, y, x, dz, dy, dx = ray(view, less, fan, row, detector)
    axis = 1 if abs(dy) >= abs(dz) else 0
    if abs(dx) >= abs(dy) and abs(dx) >= abs(dz):
        axis = 2
    a, b, c, lean_b, lean_c, squared, da = leans(axis, (z, y, x, dz, dy, dx), pitch)
    return axis, a, b, c, lean_b, lean_c, math.sqrt(squared), da, a - da


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
