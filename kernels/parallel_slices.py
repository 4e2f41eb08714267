"""A few slices of a parallel beam: the pair of `parallel_beam` for neighbouring rays or voxels.

With few slices there is no row of them to fill a register (`_lanes`).  But on one line of the image
the rays of a view stand at an even step, and so do the voxels between its rays.  So forward, a
register holds neighbouring rays and takes their two voxels from a window of the image, line after
line; back, it holds neighbouring voxels and takes their two rays from a window of every view
(`_resample`).

Distances, weights and the order of every sum are those of `parallel_beam`: a slice is the same, bit
for bit.  Weights are left in whole numbers, ONE times those of `joseph`; the caller divides.
A voxel has two rays in a view, where they are at least a unit apart, or up to four.

Lines of the image, (line, slice, PAD + minor voxels + PAD), lie along the minor axis of the views;
those of views, (view, slice, PAD + columns + PAD), along the detector.  Both are zero but for what
lies between the pads, and as long as a multiple of SPAN."""

from __future__ import annotations

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, exact
from physrecon.kernels._lanes import load, store, zero
from physrecon.kernels._resample import (
    BITS,
    ONE,
    count,
    fused,
    larger,
    pick,
    real,
    spread,
    vector,
    where_above,
    whole_part,
    window,
    window_starts,
)
from physrecon.kernels.parallel_beam import ACROSS, ALONG, RAY, quotient, ray_on_line

f4, i4 = np.float32, np.int32

PAD = 48  # zeros on both sides of a line: a window that has left it reads nothing else
SPAN = 32  # numbers in two of the longest registers: rays that are summed together
BLOCK = 8  # lines of the image whose voxels are summed together


# ------------------------------------------------------------------------------------------ forward


@exact
def _lines_met(low, high, lean, minors, majors):
    """The lines on which rays between low and high, of line 0, may touch a voxel."""
    slope = float(lean if lean != 0 else 1)
    enter, leave = (-ONE - high) / slope, (minors * ONE - low) / slope
    first = min(max(np.floor(min(enter, leave)), 0.0), float(majors))
    last = min(max(np.ceil(max(enter, leave)) + 1.0, first), float(majors))
    return np.int64(first), np.int64(last)


@exact
def _add_line(total, place, ramp, starts, line, minors, parts, image, sino):
    """total + what the rays see on one line, which begins at image[line].

    place: of the leftmost ray; ramp: of the others from there on, but for the starts of windows."""
    start = line + min(max(place >> BITS, -PAD), minors)
    first, last = start + starts[0], start + starts[1]
    voxels = window(sino, image, first, last, parts)
    places = ramp + spread(sino, i4(place & (ONE - 1)))
    far = real(places & spread(sino, i4(ONE - 1)))
    near, i = spread(sino, f4(ONE)) - far, whole_part(places)
    total = fused(near, pick(voxels, i), total)
    return fused(far, pick(voxels, i + spread(sino, i4(1))), total)


@exact
def _project_view(steps, origin, shape, parts, image, slice_, at, sino):
    """The rays of one view, whose registers begin at sino[at]."""
    slices, minors, majors, columns = shape
    lanes, width = count(sino), -(-minors // SPAN) * SPAN + 2 * PAD
    place, lean = ray_on_line(steps, origin, 0, 0)
    step = steps[RAY] if steps[ALONG] > 0 else -steps[RAY]
    ramp, back = np.empty(lanes, np.int32), min((lanes - 1) * step, 0)
    for n in range(lanes):
        ramp[n] = n * step - back
    starts, reach = window_starts(ramp), abs((lanes - 1) * step)
    for n in range(lanes):
        ramp[n] -= starts[2 * n // lanes] << BITS
    for c in range(-(-columns // SPAN) * SPAN // (2 * lanes)):
        x = place + 2 * c * lanes * step + back
        y = x + lanes * step
        first, last = _lines_met(min(x, y), max(x, y) + reach, lean, minors, majors)
        x, y = x + first * lean, y + first * lean
        line = (first * slices + slice_) * width + PAD
        left, right, places = zero(sino), zero(sino), vector(sino, ramp, 0)
        for _ in range(last - first):
            left = _add_line(left, x, places, starts, line, minors, parts, image, sino)
            right = _add_line(right, y, places, starts, line, minors, parts, image, sino)
            x, y, line = x + lean, y + lean, line + slices * width
        store(sino, at + 2 * c, left)
        store(sino, at + 2 * c + 1, right)


@cpu
def _project_cpu(table, shape, parts, image, sino):
    steps, origins = table
    slices, _, _, columns = shape
    rows = (-(-columns // SPAN) * SPAN + 2 * PAD) // count(sino)
    for n in prange(steps.shape[0] * slices):
        at = n * rows + PAD // count(sino)
        v = n // slices
        _project_view(steps[v], origins[v], shape, parts, image, n % slices, at, sino)


# --------------------------------------------------------------------------------------------- back


@exact
def _add_view(total, u, rest, rung, starts, facts, line, columns, parts, rays, volume):
    """total + what voxels of one line get from one view, which begins at rays[line].

    u: the ray left of the leftmost voxel, `rest` away from it.  rung: (ray left of every voxel, its
    weight) for rest = 0; facts: (largest weight that makes the next ray the left one, sum of the
    weights of two rays, their distance).  parts: two registers of a window, or three for voxels
    with up to four rays."""
    edge, both, step = facts
    start = line + min(max(u, -PAD), columns)
    first, last = start + starts[0], start + starts[1]
    none, one = spread(volume, i4(0)), spread(volume, i4(1))
    seen = window(volume, rays, first, last, parts)
    weight = rung[1] - spread(volume, i4(rest))
    i = where_above(edge, weight, rung[0] + one, rung[0])
    weight = where_above(edge, weight, weight + step, weight)
    if len(parts) > 2:
        total = fused(real(larger(weight - step, none)), pick(seen, i - one), total)
    total = fused(real(larger(weight, none)), pick(seen, i), total)
    total = fused(real(larger(both - weight, none)), pick(seen, i + one), total)
    if len(parts) > 2:
        more = larger(both - step - weight, none)
        total = fused(real(more), pick(seen, i + one + one), total)
    return total


@exact
def _next_line(u, rest, rise, step):
    """(u, rest) of the leftmost voxel on the next line: free of branches, which none could guess.

    rise: (whole rays, rest of one) from line to line."""
    rest += rise[1]
    beyond = (step - 1 - rest) >> 63  # -1 where the next ray is the one on the left
    return u + rise[0] - beyond, rest - (step & beyond)


@exact
def _backproject_block(line, slice_, c, shape, table, ladder, more, parts, rays, volume):
    """Register c of BLOCK lines from `line` on."""
    (steps, origins), (rungs, plan) = table, ladder
    slices, minors, columns = shape
    lanes, width = count(volume), -(-columns // SPAN) * SPAN + 2 * PAD
    rows = (-(-minors // SPAN) * SPAN + 2 * PAD) // lanes
    at, stride = (line * slices + slice_) * rows + PAD // lanes + c, slices * rows
    a0, a1, a2, a3 = zero(volume), zero(volume), zero(volume), zero(volume)
    a4, a5, a6, a7 = zero(volume), zero(volume), zero(volume), zero(volume)
    if more:
        a0, a1 = load(volume, at), load(volume, at + stride)
        a2, a3 = load(volume, at + 2 * stride), load(volume, at + 3 * stride)
        a4, a5 = load(volume, at + 4 * stride), load(volume, at + 5 * stride)
        a6, a7 = load(volume, at + 6 * stride), load(volume, at + 7 * stride)
    for v in range(steps.shape[0]):
        step, across = np.int64(steps[v, RAY]), np.int64(steps[v, ACROSS])
        leftmost = c * lanes if steps[v, ALONG] > 0 else c * lanes + lanes - 1
        place = origins[v] + leftmost * np.int64(steps[v, ALONG]) + line * across
        u = quotient(place, step, np.int64(place / step))
        r = place - u * step
        rung = vector(volume, rungs, 2 * v * lanes), vector(volume, rungs, (2 * v + 1) * lanes)
        starts, rise = (plan[v, 0], plan[v, 1]), (plan[v, 2], plan[v, 3])
        edge, both = spread(volume, i4(ONE - step + 1)), spread(volume, i4(2 * ONE - step))
        facts = edge, both, spread(volume, i4(step))
        k = (v * slices + slice_) * width + PAD
        a0 = _add_view(a0, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a1 = _add_view(a1, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a2 = _add_view(a2, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a3 = _add_view(a3, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a4 = _add_view(a4, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a5 = _add_view(a5, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a6 = _add_view(a6, u, r, rung, starts, facts, k, columns, parts, rays, volume)
        u, r = _next_line(u, r, rise, step)
        a7 = _add_view(a7, u, r, rung, starts, facts, k, columns, parts, rays, volume)
    store(volume, at, a0)
    store(volume, at + stride, a1)
    store(volume, at + 2 * stride, a2)
    store(volume, at + 3 * stride, a3)
    store(volume, at + 4 * stride, a4)
    store(volume, at + 5 * stride, a5)
    store(volume, at + 6 * stride, a6)
    store(volume, at + 7 * stride, a7)


@cpu
def _backproject_cpu(table, ladder, shape, blocks, more, parts, rays, volume):
    slices, minors, _ = shape
    registers = -(-minors // count(volume))
    for n in prange((blocks[1] - blocks[0]) * slices):
        line = (blocks[0] + n // slices) * BLOCK
        for c in range(registers):
            _backproject_block(line, n % slices, c, shape, table, ladder, more, parts, rays, volume)


project = Twin(_project_cpu, None)
"""(table, shape, parts, image, sino): views of one minor axis.

table (steps (views, 3), origins (views,)) with BITS bits · shape (slices, minors, majors,
columns) · parts: a tuple as long as a window has registers, 2 where rays are at most 5/3 apart,
3 up to 3 · image, flat, 1/length · sino, flat rows of lanes, written, in 1/ONE of the length of
a ray between two lines."""

backproject = Twin(_backproject_cpu, None)
"""(table, ladder, shape, blocks, more, parts, rays, volume): the transpose, for one minor axis.

ladder: see `make_ladder` · shape (slices, minors, columns) · blocks (begin, end) of BLOCK
lines · more: add to what the volume holds · parts: a tuple of 2 where rays are at least a unit
apart, of 3 down to half a unit · rays, flat · volume, flat rows of lanes, of which the lines of
these blocks are written, in 1/ONE."""


def make_ladder(steps, lanes, taps):
    """(rungs, plan) of the views `steps`, for voxels from one on that stands on a ray.

    rungs, flat (views, 2, lanes) int32: the ray left of each voxel, counted from the start of its
    window, and its weight in 1/ONE, where that is above 0.  plan (views, 4): starts of the windows,
    and (whole rays, rest of one) from a line to the next.  taps: most rays of a voxel; with more
    than two the window begins one ray earlier."""
    along, across, step = steps.astype(np.int64).T[:, :, None]
    lane = np.arange(lanes)
    places = np.where(along > 0, lane, lane[::-1]) * np.abs(along)
    ray = places // step
    starts = np.array([window_starts(row << BITS) for row in ray], np.int64).reshape(-1, 2)
    starts -= taps > 2
    rungs = np.stack([ray - starts[:, 2 * lane // lanes], ONE - (places - ray * step)], 1)
    plan = np.hstack([starts, across // step, across % step])
    return rungs.astype(np.int32).reshape(-1), plan
