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
from physrecon.kernels.vector_beam import FLAT, INVERSE, frame, seen


@inlined
def _of_view(shares, v, begin):
    """The shares of a view, as `take` reads them."""
    if shares is None:
        return None
    return shares[v], begin * LANES


@inner
def _see(
    view, weight, shares, y, x, first_column, at, part, shape, pitches, columns, voxels, scratch
):
    """Adds what a view shows to the upright line (y, x), whose register 0 would be at `at`.

    part: (begin, end) of the registers in which the view counts."""
    first_row, rows, width, detector = shape
    wholes, rests, ladder, heights = scratch
    away, along, up = frame(view, 0.0, y, x, detector[3])
    column, start, depth = seen(away, along, up, detector)
    if not (depth > FLAT and -1 < column < width):
        return
    near, w0, w1 = two_lines(column, 0, width, columns)
    distance = math.sqrt(depth * depth + along * along * detector[2] * detector[2])
    share = weight * columns.dtype.type(1 / (distance * distance))
    one = first_column + near * pitches[2] - first_row
    other = one + (pitches[2] if width > 1 else 0)
    step = view[INVERSE + 6] / (1.0 if detector[3] else distance)
    first, last = registers_seen(start - first_row, step, rows, part[1])
    first = max(first, part[0])
    if first < last:
        mark(start, step, first, last, voxels, heights, wholes, rests)
        take(
            voxels, at, first, last, columns, one, other, w0 * share, w1 * share, ladder, step,
            wholes, rests, shares,
        )  # fmt: skip


@inner
def _tile(table, weights, shares, spans, detector, shape, origin, pitches, corner, columns, voxels):
    nz, ny, nx, rows, width, pad = shape
    line_pitch, row_pitch, column_pitch = pitches
    begin = origin[0] // LANES
    end = begin - (-nz // LANES)
    sizes = origin[1], rows, width, detector
    scratch = marks(end, columns)
    y0, x0 = corner
    for batch in range(0, len(table), BATCH):
        for y in range(y0, min(y0 + TILE, ny)):
            for x in range(x0, min(x0 + WIDE, nx)):
                at = (pad + y * row_pitch + x * line_pitch) // LANES - begin
                for v in range(batch, min(batch + BATCH, len(table))):
                    part = begin + spans[v, 0], begin + spans[v, 1]
                    if part[0] == part[1]:
                        continue
                    _see(
                        table[v], weights[v], _of_view(shares, v, begin), float(y), float(x),
                        pad + v * width * column_pitch, at, part, sizes, pitches, columns, voxels,
                        scratch,
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
each slice of the lines, (views, whole registers) · spans: (views, 2) the registers of the lines in
which it counts, first and one after the last · origin: (slice, row) of the whole volume and
detector with which lines and columns begin, the slice a multiple of eight · the others: as for
`cone_beam.project`."""
