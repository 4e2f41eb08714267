"""The transpose of `cone_beam`: same courses, same weights.

A thread owns a tile of upright lines of voxels and gives them, row by row of the tile, what the
columns of a batch of views give; so no two threads write to one voxel, and sums do not depend on
their number."""

from __future__ import annotations

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, inlined, inner
from physrecon.kernels._lines import LANES, give, mark
from physrecon.kernels.cone_beam import (
    AT,
    AXIS,
    GROWTH,
    HEIGHT,
    LEAN,
    RISE,
    STEP,
    columns_between,
    marks,
    two_lines,
)

TILE, WIDE = 16, 16  # rows of upright lines, and lines of each: their sums stay in L2
BATCH = 8  # views


@inlined
def _registers_given(start, step, rows, registers):
    """The registers first:last of a line that rows reach, row r at start + r · step."""
    first = min(max(np.floor((start - 1) / LANES), 0.0), float(registers))
    last = np.floor((start + step * (rows - 1) + 1) / LANES) + 1
    return int(first), int(min(max(last, first), float(registers)))


@inner
def _cross_row(axis, j, low, high, v, part, courses, shape, pitches, rays, like, voxels, scratch):
    """Adds what the columns part of a view give to the lines low:high on plane j."""
    nz, _, _, rows, columns, pad = shape
    line_pitch, row_pitch, column_pitch = pitches
    plane_step, minor_step = (row_pitch, line_pitch) if axis == 1 else (line_pitch, row_pitch)
    wholes, rests, ladder, heights = scratch
    registers = -(-nz // LANES)
    for u in range(part[0], part[1]):
        course = courses[v, u]
        at = course[AT] + j * course[LEAN]
        if course[AXIS] != axis or not (low - 1 < at < high):
            continue
        near, w0, w1 = two_lines(at, low, high, voxels)
        one = pad + j * plane_step + near * minor_step
        other = one + (minor_step if high - low > 1 else 0)
        ray = pad + (v * columns + u) * column_pitch
        start, step = course[HEIGHT] + j * course[RISE], course[STEP] + j * course[GROWTH]
        first, last = _registers_given(start, step, rows, registers)
        if first < last:
            mark(-start / step, 1 / step, first, last, like, heights, wholes, rests)
            give(
                rays, ray, first, last, like, voxels, one, other, w0, w1, ladder, step, wholes,
                rests,
            )  # fmt: skip


@inner
def _backproject_tile(table, detector, courses, shape, pitches, corner, rays, like, voxels):
    ny, nx, columns = shape[1], shape[2], shape[4]
    y0, x0 = corner
    y1, x1 = min(y0 + TILE, ny), min(x0 + WIDE, nx)
    scratch = marks(-(-shape[0] // LANES), voxels)
    for first in range(0, len(table), BATCH):
        for axis in (1, 2):
            top, bottom, low, high = (y0, y1, x0, x1) if axis == 1 else (x0, x1, y0, y1)
            for j in range(top, bottom):
                for v in range(first, min(first + BATCH, len(table))):
                    part = columns_between(
                        table[v], axis, j + 0.0, low - 1.0, high + 0.0, detector, columns
                    )
                    _cross_row(
                        axis, j, low, high, v, part, courses, shape, pitches, rays, like,
                        voxels, scratch,
                    )  # fmt: skip


@cpu
def _backproject_cpu(table, detector, courses, shape, pitches, rays, like, voxels):
    wide = -(-shape[2] // WIDE)
    for n in prange(-(-shape[1] // TILE) * wide):
        corner = n // wide * TILE, n % wide * WIDE
        _backproject_tile(table, detector, courses, shape, pitches, corner, rays, like, voxels)


backproject = Twin(_backproject_cpu, None)
"""(table, detector, courses, shape, pitches, rays, like, voxels): adds the transpose of
`cone_beam.project` to the lines `voxels`.

rays: the columns, flat, with zeros between them · like: any array of registers."""
