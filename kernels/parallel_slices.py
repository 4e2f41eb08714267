"""A slice of a parallel beam by itself: `parallel_beam` with neighbours in registers, forward.

A few slices do not make rows that fill a register (`_lanes`).  But on one line of the image the
rays of a view stand at an even step.  So a register holds neighbouring rays and takes their voxels
from the image, line after line.

- Rays about a voxel apart: lane l lies between the same few voxels whatever the line, l, l + 1, …,
  two, three or four of them besides the first.  It takes all of them with their weights of Joseph,
  of which at most two are not zero.  Nothing is chosen, permuted or gathered.
- Others pick their two voxels from a window (`_resample`).

Distances, weights and the order of every sum are those of `parallel_beam`: a slice is the same, bit
for bit.  Weights are left in whole numbers, ONE times those of `joseph`; the caller divides.  What
float32 cannot hold of a place lies where the weight is zero.  Blocks are those of `slice_blocks`;
`parallel_slices_back` is the transpose."""

from __future__ import annotations

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, exact
from physrecon.kernels._lanes import load, store, zero
from physrecon.kernels._registers import (
    count,
    element,
    fused,
    larger,
    real,
    shifted,
    size,
    spread,
    vector,
    where_above,
)
from physrecon.kernels._resample import BITS, ONE, pick, window
from physrecon.kernels._threads import share
from physrecon.kernels.slice_blocks import BLOCK, OCTET, PAD, REALS, padded

f4, i4 = np.float32, np.int32

STRIP = 128  # lines that the rays of a chunk of views cross in turn: their voxels stay in L1 and L2
CHUNK = 16  # most views of a chunk
THREE, FOUR, FIVE = (0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0, 0)

# Columns of the plan of a view: see `slice_plans`.
STEP, TAPS, FIRST, LAST, START, LEAN = 0, 1, 2, 3, 4, 5


@exact
def _lines_met(low, high, lean, minors, lines):
    """The ones of `lines` lines on which rays between low and high, of the first one, may touch a
    voxel."""
    drift = (lines - 1) * lean
    if low + min(drift, 0) >= 0 and high + max(drift, 0) < minors * ONE:
        return 0, lines
    slope = float(lean if lean != 0 else 1)
    enter, leave = (-ONE - high) / slope, (minors * ONE - low) / slope
    first = min(max(np.floor(min(enter, leave)), 0.0), float(lines))
    last = min(max(np.ceil(max(enter, leave)) + 1.0, first), float(lines))
    return np.int64(first), np.int64(last)


@exact
def _add_hats(total, j, n, rung, line, hats, places, image, sino):
    """total + what the rays of register j see on line n: lane l gives voxels l, l + 1, … of its
    window, as many as `hats`, the weights that they have at its place.

    rung: places of the rays of a register that stands on a voxel, after voxel 1 of each lane, or
    voxel 2 of five.  line: where the line of the image begins.  places: see `_mark_places`."""
    at = line + element(places[0], n, j)
    q = rung + spread(sino, element(places[1], n, j))
    one, none = spread(sino, f4(ONE)), spread(sino, f4(0))
    first = q + one if len(hats) == 5 else q
    total = fused(larger(first, none) - first, vector(sino, image, at), total)
    near = one - size(first)
    if len(hats) > 3:
        near = larger(near, none)
    total, last = fused(near, vector(sino, image, at + 1), total), first
    if len(hats) == 5:
        total, last = fused(larger(one - size(q), none), vector(sino, image, at + 2), total), q
    if len(hats) > 3:
        last = last - one
        near = larger(one - size(last), none)
        total = fused(near, vector(sino, image, at + len(hats) - 2), total)
    return fused(larger(last, none), vector(sino, image, at + len(hats) - 1), total)


@exact
def _add_picked(total, place, rungs, first, last, parts, image, sino):
    """The same, for lanes that pass voxel rungs[1] of their window, or the next one."""
    voxels = window(sino, image, first, last, parts)
    rest, one = place & spread(sino, i4(ONE - 1)), spread(sino, i4(1))
    far = real(rest)
    i = where_above(rungs[0], rest, rungs[1] + one, rungs[1])
    total = fused(spread(sino, f4(ONE)) - far, pick(voxels, i), total)
    return fused(far, pick(voxels, i + one), total)


@exact
def _project_picked(here, parts, image, at, sino):
    """Four registers of rays of one view, from sino[at] on, over some lines.

    here: place of the first ray on line `top`, top, number of lines, minor voxels, plan of the
    view, rungs of all views, and where its own begin."""
    x, top, lines, minors, plan, rungs, k = here
    lanes, width, below = count(sino), padded(minors), ONE - 1
    lean, stride = plan[LEAN], count(sino) * plan[STEP]
    first, last = _lines_met(x, x + 4 * stride, lean, minors, lines)
    x, line = x + first * lean, (top + first) * width + PAD
    y, z, w = x + stride, x + 2 * stride, x + 3 * stride
    rise, ramp = spread(sino, i4(lean)), vector(sino, rungs, k)
    p, q = ramp + spread(sino, i4(x & below)), ramp + spread(sino, i4(y & below))
    r, s = ramp + spread(sino, i4(z & below)), ramp + spread(sino, i4(w & below))
    ladder = vector(sino, rungs, k + lanes), vector(sino, rungs, k + 2 * lanes)
    a, b, c, d = load(sino, at), load(sino, at + 1), load(sino, at + 2), load(sino, at + 3)
    for _ in range(last - first):
        f, g = line + plan[FIRST], line + plan[LAST]
        n, m, t, u = x >> BITS, y >> BITS, z >> BITS, w >> BITS
        a = _add_picked(a, p, ladder, f + n, g + n, parts, image, sino)
        b = _add_picked(b, q, ladder, f + m, g + m, parts, image, sino)
        c = _add_picked(c, r, ladder, f + t, g + t, parts, image, sino)
        d = _add_picked(d, s, ladder, f + u, g + u, parts, image, sino)
        p, q, r, s, line = p + rise, q + rise, r + rise, s + rise, line + width
        x, y, z, w = x + lean, y + lean, z + lean, w + lean
    store(sino, at, a)
    store(sino, at + 1, b)
    store(sino, at + 2, c)
    store(sino, at + 3, d)


@exact
def _mark_places(x, stride, lean, lines, numbers, places):
    """Rows 0, 1, … of places: the voxel before the first ray of each of eight registers, and the
    rest of its place, line after line.  numbers: memory for a row."""
    wholes, below = places[0], ONE - 1
    for j in range(BLOCK):
        numbers[j] = (x + j * stride) >> BITS
        numbers[BLOCK + j] = (x + j * stride) & below
    whole, rest = vector(wholes, numbers, 0), vector(wholes, numbers, BLOCK)
    hop, rise = spread(wholes, i4(lean >> BITS)), spread(wholes, i4(lean & below))
    for n in range(lines):
        store(wholes, n, whole)
        store(places[1], n, real(rest))
        rest = rest + rise
        whole, rest = whole + hop + shifted(rest, BITS), rest & spread(wholes, i4(below))


@exact
def _project_hats(here, hats, image, at, sino, memory):
    """The same of eight registers."""
    x, top, lines, minors, plan, rungs, k = here
    numbers, places = memory
    lean, stride, width = plan[LEAN], count(sino) * plan[STEP], padded(minors)
    first, last = _lines_met(x, x + 8 * stride, lean, minors, lines)
    _mark_places(x + first * lean, stride, lean, last - first, numbers, places)
    line, rung = (top + first) * width + PAD + plan[FIRST], real(vector(sino, rungs, k))
    a, b, c, d = load(sino, at), load(sino, at + 1), load(sino, at + 2), load(sino, at + 3)
    e, f, g, h = load(sino, at + 4), load(sino, at + 5), load(sino, at + 6), load(sino, at + 7)
    for n in range(last - first):
        a = _add_hats(a, 0, n, rung, line, hats, places, image, sino)
        b = _add_hats(b, 1, n, rung, line, hats, places, image, sino)
        c = _add_hats(c, 2, n, rung, line, hats, places, image, sino)
        d = _add_hats(d, 3, n, rung, line, hats, places, image, sino)
        e = _add_hats(e, 4, n, rung, line, hats, places, image, sino)
        f = _add_hats(f, 5, n, rung, line, hats, places, image, sino)
        g = _add_hats(g, 6, n, rung, line, hats, places, image, sino)
        h = _add_hats(h, 7, n, rung, line, hats, places, image, sino)
        line += width
    store(sino, at, a)
    store(sino, at + 1, b)
    store(sino, at + 2, c)
    store(sino, at + 3, d)
    store(sino, at + 4, e)
    store(sino, at + 5, f)
    store(sino, at + 6, g)
    store(sino, at + 7, h)


@exact
def _project_piece(x, top, lines, shape, plan, rungs, k, parts, image, at, sino, memory):
    """Eight registers of rays of one view over some lines, x being the place of the first ray."""
    here = x, top, lines, shape[0], plan, rungs, k
    if plan[TAPS] == 3:
        _project_hats(here, THREE, image, at, sino, memory)
    elif plan[TAPS] == 4:
        _project_hats(here, FOUR, image, at, sino, memory)
    elif plan[TAPS] == 5:
        _project_hats(here, FIVE, image, at, sino, memory)
    else:
        there = x + 4 * count(sino) * plan[STEP], top, lines, shape[0], plan, rungs, k
        _project_picked(here, parts, image, at, sino)
        _project_picked(there, parts, image, at + 4, sino)


@exact
def _project_views(begin, end, plan, rungs, shape, parts, image, sino):
    _, majors, columns = shape
    lanes, rows = count(sino), padded(columns) // count(sino)
    places = np.empty(STRIP, OCTET), np.empty(STRIP, REALS)
    memory = np.empty(2 * BLOCK, np.int32), places
    for n in range(begin * rows, end * rows):
        store(sino, n, zero(sino))
    for top in range(0, majors, STRIP):
        lines = min(STRIP, majors - top)
        for c in range(0, -(-columns // lanes), BLOCK):
            for v in range(begin, end):
                some, k, at = plan[v], 3 * v * lanes, v * rows + PAD // lanes + c
                x = some[START] + top * some[LEAN] + c * lanes * some[STEP]
                _project_piece(x, top, lines, shape, some, rungs, k, parts, image, at, sino, memory)


@cpu
def _project_cpu(plan, rungs, shape, chunk, parts, image, sino):
    for g in prange(-(-len(plan) // chunk)):
        begin, end = g * chunk, min((g + 1) * chunk, len(plan))
        _project_views(begin, end, plan, rungs, shape, parts, image, sino)


project = Twin(_project_cpu, None)
"""(plan, rungs, shape, chunk, parts, image, sino): views of one minor axis.

plan, rungs: `slice_plans.forward_plan` · shape (minors, majors, columns) · chunk: views that one
thread takes at a time · parts: a tuple as long as a window has registers, 2 where rays are at most
5/3 apart, 3 up to 3 · image, flat, 1/length · sino, flat rows of lanes, written, in 1/ONE of the
length of a ray between two lines."""


def views_per_chunk(views: int) -> int:
    """Views that one thread projects at a time."""
    return share(views, CHUNK)
