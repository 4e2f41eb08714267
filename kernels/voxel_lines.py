"""Backprojection of filtered projections where the columns of the detector are parallel to z.

    x(r) += Σ_v weight_v / distance² · y_v(column, row),   interpolated between four pixels

as in `voxel_driven`.  The voxels of an upright line are seen in one column of a view, at an even
step: they share the weights between two columns of pixels, and each takes of the blend of these
what lies at its height (`_lines`).

A thread owns a tile of upright lines; a batch of views is taken line by line.  Where a view counts
more in one slice than in another, as on a helix, `shares` says how much, and `spans` in which
registers it counts at all."""

from __future__ import annotations

import math

from numba import prange

from physrecon.kernels._jit import Twin, cpu, inlined, inner
from physrecon.kernels._lines import LANES, mark, take
from physrecon.kernels.cone_beam import marks, registers_seen, two_lines
from physrecon.kernels.cone_beam_back import BATCH, TILE, WIDE
from physrecon.kernels.ray_courses import FLAT, INVERSE, frame, seen


@inlined
def _of_view(shares, v, registers, begin):
    """The shares of a view, as `take` reads them."""
    if shares is None:
        return None
    return shares, (begin - v * registers) * LANES


@inlined
def _place(view, weight, y, x, part, shape, detector, like):
    """(first register, last, start, step, column, its weight, that of the next one) of an upright
    line in a view; no registers if it is not seen.

    part: (begin, end) of the registers in which the view counts."""
    first_row, rows, width = shape
    away, along, up = frame(view, 0.0, y, x, detector[3])
    column, start, depth = seen(away, along, up, detector)
    isseen = depth > FLAT and -1 < column < width
    distance = math.sqrt(depth * depth + along * along * detector[2] * detector[2])
    near, w0, w1 = two_lines(column if isseen else 0.0, 0, width, like)
    share = weight * like.dtype.type(1 / (distance * distance))
    step = view[INVERSE + 6] / (1.0 if detector[3] else distance)
    first, last = registers_seen(start - first_row, step, rows, part[1])
    last = last if isseen else 0
    return max(first, part[0]), last, start, step, near, w0 * share, w1 * share


@inner
def _tile(table, weights, shares, spans, detector, shape, origin, pitches, corner, columns, voxels):
    nz, ny, nx, rows, width, pad = shape
    line_pitch, row_pitch, column_pitch = pitches
    begin = origin[0] // LANES
    registers = -(-nz // LANES)
    sizes = origin[1], rows, width
    wholes, rests, ladder, heights = marks(begin + registers, columns)
    y0, x0 = corner
    for batch in range(0, len(table), BATCH):
        # A copy: threads that count how often the table is in use would wait for each other.
        views = table[batch : batch + BATCH].copy()
        for y in range(y0, min(y0 + TILE, ny)):
            for x in range(x0, min(x0 + WIDE, nx)):
                at = (pad + y * row_pitch + x * line_pitch) // LANES - begin
                for v in range(batch, min(batch + BATCH, len(table))):
                    part = begin + spans[v, 0], begin + spans[v, 1]
                    if part[0] == part[1]:
                        continue
                    first, last, start, step, near, w0, w1 = _place(
                        views[v - batch], weights[v], float(y), float(x), part, sizes, detector,
                        columns,
                    )  # fmt: skip
                    if first < last:
                        one = pad + (v * width + near) * column_pitch - origin[1]
                        other = one + (column_pitch if width > 1 else 0)
                        mark(start, step, first, last, voxels, heights, wholes, rests)
                        take(
                            voxels, at, first, last, columns, one, other, w0, w1, ladder, step,
                            wholes, rests, _of_view(shares, v, registers, begin),
                        )  # fmt: skip


@cpu
def _backproject_cpu(
    table, weights, shares, spans, detector, shape, origin, pitches, columns, voxels
):
    wide = -(-shape[2] // WIDE)
    for n in prange(-(-shape[1] // TILE) * wide):
        corner = n // wide * TILE, n % wide * WIDE
        _tile(
            table, weights, shares, spans, detector, shape, origin, pitches, corner, columns, voxels
        )


backproject = Twin(_backproject_cpu, None)
"""(table, weights, shares, spans, detector, shape, origin, pitches, columns, voxels): adds what the
columns show to the lines `voxels`, an array of registers.

weights: (views,) in the dtype of the columns · shares: None, or by how much more a view counts in
each slice of the lines, (views, whole registers), flat · spans: (views, 2) the registers of the
lines in which it counts, first and one after the last · origin: (slice, row) of the whole volume
and detector with which lines and columns begin, the slice a multiple of eight · the others: as for
`cone_beam.project`."""
