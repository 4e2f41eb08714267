"""Projections with the rows of the detector innermost, for `cone_beam`: how they lie in memory.

Column u of view v begins at pad + (v · columns + u) · pitch.
Between columns there are zeros, so that what lies beyond may be read.  A column holds its rays
times their length between two planes, or without it: the kernels know planes only.

Volumes lie alike: line (y, x) begins at pad + y · row pitch + x · line pitch, slices innermost."""

from __future__ import annotations

import math

from numba import prange

from physrecon.kernels._jit import Twin, cpu, inlined
from physrecon.kernels.cone_beam import AXIS, GROWTH, LEAN, RISE

PATCH = 16  # numbers in a cache line of float32: a patch is read and written in whole lines


@inlined
def _length(course, row, pitch):
    """Of a ray between two planes."""
    own, other = (pitch[1], pitch[2]) if course[AXIS] == 1 else (pitch[2], pitch[1])
    lean, rise = course[LEAN] * other, (course[RISE] + row * course[GROWTH]) * pitch[0]
    return math.sqrt(own * own + lean * lean + rise * rise)


@cpu
def _pack_cpu(sino, first, rows, courses, pitch, column_pitch, pad, columns):
    views, _, width = sino.shape
    number = columns.dtype.type
    for v in prange(views):
        for u0 in range(0, width, PATCH):
            for r in range(rows):
                for u in range(u0, min(u0 + PATCH, width)):
                    o = pad + (v * width + u) * column_pitch + r
                    columns[o] = sino[v, first + r, u] * number(_length(courses[v, u], r, pitch))


@cpu
def _unpack_cpu(columns, first, rows, courses, pitch, column_pitch, pad, sino):
    views, _, width = sino.shape
    number = sino.dtype.type
    for v in prange(views):
        for u0 in range(0, width, PATCH):
            for r in range(rows):
                for u in range(u0, min(u0 + PATCH, width)):
                    o = pad + (v * width + u) * column_pitch + r
                    sino[v, first + r, u] = columns[o] * number(_length(courses[v, u], r, pitch))


pack = Twin(_pack_cpu, None)
"""(sino, first, rows, courses, pitch, column_pitch, pad, columns): rows of sino (views, rows,
columns) times the lengths of their rays → columns, between which nothing is written.

pitch: lengths of a voxel along z, y, x; 0 along z for fans, whose rows do not rise."""

unpack = Twin(_unpack_cpu, None)
"""(columns, first, rows, courses, pitch, column_pitch, pad, sino): the transpose; the rows of
sino are written."""
