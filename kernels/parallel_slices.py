"""A slice of a parallel beam by itself: the pair of `parallel_beam` for neighbours in registers.

A few slices do not make rows that fill a register (`_lanes`).  But on one line of the image the
rays of a view stand at an even step, and so do the voxels between its rays.  So forward, a register
holds neighbouring rays and takes their two voxels from the image, line after line; back, it holds
neighbouring voxels and takes their two rays from every view (`_resample`).

Distances, weights and the order of every sum are those of `parallel_beam`: a slice is the same, bit
for bit.  Weights are left in whole numbers, ONE times those of `joseph`; the caller divides.
A voxel has two rays in a view, where they are at least a unit apart, or up to four.

Lines of the image, (line, PAD + minor voxels + PAD), lie along the minor axis of the views; those
of views, (view, PAD + columns + PAD), along the detector, and are *turned* where the columns fall
along the minor axis.  Those that are read are zero but for what lies between the pads; all are
`padded` long."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from physrecon.kernels._jit import Twin, cpu, exact, shared
from physrecon.kernels._lanes import lanes, load, store, zero
from physrecon.kernels._resample import (
    BITS,
    ONE,
    count,
    element,
    fused,
    larger,
    lower,
    permute,
    pick,
    real,
    shifted,
    spread,
    vector,
    where_above,
    where_negative,
    window,
)
from physrecon.kernels.parallel_beam import quotient

f4, i4 = np.float32, np.int32

SPAN = 64  # numbers in four of the longest registers: rays that are summed together
PAD = 192  # zeros on both sides of a line: SPAN rays of which one still touches it, and a window
BLOCK = 8  # lines of the image whose voxels are summed together
STRIP = 128  # lines that the rays of a chunk of views cross in turn: their voxels stay in L1 and L2
CHUNK = 16  # most views of a chunk
OCTET = lanes(np.int32, BLOCK)  # a number for each line of a block

# Back, a distance is a multiple of 2^LABEL, and the ray that it is measured from, counted from the
# start of the window, is in the bits below: what chooses the distance has chosen the ray.
LABEL = 5
TILE = 16  # sides of a tile that is transposed: whole cache lines
# A register of voxels whose first ray lies further off has no ray of the detector on any line of
# its block (at most 2 rays a voxel, from lane to lane and from line to line).
BEFORE, BEHIND = 50, 20

# Columns of the plan of a view: see `slice_plans`.
STEP, PLAIN, FIRST, LAST, START, LEAN = 0, 1, 2, 3, 4, 5
TURN, HOP, HOP_REST, RISE, RISE_REST, ACROSS = 5, 6, 7, 8, 9, 10


@shared
def padded(length):
    """Numbers of a line in memory: an odd number of cache lines, for all sets of the cache."""
    return ((-(-length // SPAN) * SPAN + 2 * PAD) // 16 | 1) * 16


# ------------------------------------------------------------------------------------------ forward


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
def _add_plain(total, place, threshold, at, image, sino):
    """total + what the rays see on one line: lane l passes voxel l from image[at] on, or the next
    one, where the rest of its place has fallen below the threshold."""
    here, there = vector(sino, image, at), vector(sino, image, at + 1)
    beyond, rest = vector(sino, image, at + 2), place & spread(sino, i4(ONE - 1))
    far, carry = real(rest), rest - threshold
    total = fused(spread(sino, f4(ONE)) - far, where_negative(carry, there, here), total)
    return fused(far, where_negative(carry, beyond, there), total)


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
def _project_piece(x, top, lines, minors, plan, rungs, k, parts, image, at, sino):
    """Four registers of rays of one view, from sino[at] on, over some lines.

    x: place of the first ray on line `top`; k: where the rungs of the view begin."""
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
    if plan[PLAIN]:
        for _ in range(last - first):
            a = _add_plain(a, p, ladder[0], line + (x >> BITS), image, sino)
            b = _add_plain(b, q, ladder[0], line + (y >> BITS), image, sino)
            c = _add_plain(c, r, ladder[0], line + (z >> BITS), image, sino)
            d = _add_plain(d, s, ladder[0], line + (w >> BITS), image, sino)
            p, q, r, s, line = p + rise, q + rise, r + rise, s + rise, line + width
            x, y, z, w = x + lean, y + lean, z + lean, w + lean
    else:
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
def _project_views(begin, end, plan, rungs, shape, parts, image, sino):
    minors, majors, columns = shape
    lanes, rows = count(sino), padded(columns) // count(sino)
    for n in range(begin * rows, end * rows):
        store(sino, n, zero(sino))
    for top in range(0, majors, STRIP):
        lines = min(STRIP, majors - top)
        for c in range(0, -(-columns // lanes), 4):
            for v in range(begin, end):
                some, k, at = plan[v], 3 * v * lanes, v * rows + PAD // lanes + c
                x = some[START] + top * some[LEAN] + c * lanes * some[STEP]
                _project_piece(x, top, lines, minors, some, rungs, k, parts, image, at, sino)


@cpu
def _project_cpu(plan, rungs, shape, chunk, parts, image, sino):
    for g in prange(-(-len(plan) // chunk)):
        begin, end = g * chunk, min((g + 1) * chunk, len(plan))
        _project_views(begin, end, plan, rungs, shape, parts, image, sino)


# --------------------------------------------------------------------------------------------- back


@exact
def _places(j, view, like):
    """(first ray of the leftmost voxel on line j of a block, distances of all voxels from theirs,
    labelled; what is below 0 where a voxel has the ray that its rung says), for one view.

    view: (places, row, start, last start, rung, step, edge, turn): rung: labelled distances of a
    register whose leftmost voxel stands on a ray; step: labelled, from ray to ray; edge: how far
    they are apart beyond a unit; turn: from a ray to the next one in memory."""
    places, row, rung, step = view[0], view[1], view[4], view[5]
    place = rung + spread(like, element(places, row + 1, j))
    return element(places, row, j), lower(place, place - step), place - step


@exact
def _add_plain_view(total, j, view, parts, rays, volume):
    """total + what voxels of line j of a block get from one view: lane l has ray l, or the next."""
    u, place, carry = _places(j, view, volume)
    at, edge, turn = view[2] + u, view[6], view[7]
    distance, none = shifted(place, LABEL), spread(volume, i4(0))
    near, far = larger(spread(volume, i4(ONE)) - distance, none), larger(distance - edge, none)
    here, there = vector(volume, rays, at), vector(volume, rays, at + turn)
    total = fused(real(near), where_negative(carry, here, there), total)
    beyond = vector(volume, rays, at + 2 * turn)
    return fused(real(far), where_negative(carry, there, beyond), total)


@exact
def _add_view(total, j, view, parts, rays, volume):
    """The same, each lane has the ray of its label.  The first rays of all lanes lie in one
    register, and so do the second ones; those of voxels with up to four in a window as long as
    `parts`."""
    u, place, _ = _places(j, view, volume)
    at, last, edge, turn = view[2] + u, view[3] + u, view[6], view[7]
    distance, unit, none = shifted(place, LABEL), spread(volume, i4(ONE)), spread(volume, i4(0))
    near, far = larger(unit - distance, none), larger(distance - edge, none)
    if len(parts) == 1:
        total = fused(real(near), permute(vector(volume, rays, at), place), total)
        return fused(real(far), permute(vector(volume, rays, at + turn), place), total)
    i, next_ = place & spread(volume, i4((1 << LABEL) - 1)), spread(volume, i4(turn))
    seen, step = window(volume, rays, at, last, parts), edge + unit
    total = fused(real(larger(unit - step - distance, none)), pick(seen, i - next_), total)
    total = fused(real(near), pick(seen, i), total)
    total = fused(real(far), pick(seen, i + next_), total)
    behind = larger(distance - edge - step, none)
    return fused(real(behind), pick(seen, i + next_ + next_), total)


@exact
def _begin(line, plan, columns, places):
    """Rows 2v and 2v + 1 of places: the first ray of the leftmost voxel of every line of a block,
    and the distance of the voxel."""
    ray, rest = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    for v in range(len(plan)):
        step, place = plan[v, STEP], plan[v, START] + line * plan[v, ACROSS]
        u = quotient(place, step, np.int64(place / step))
        r = place - u * step
        for j in range(BLOCK):
            ray[j] = u if plan[v, TURN] > 0 else columns - 1 - u
            rest[j] = r << LABEL
            u, r = u + plan[v, RISE], r + plan[v, RISE_REST]
            if r >= step:
                u, r = u + 1, r - step
        store(places, 2 * v, vector(places, ray, 0))
        store(places, 2 * v + 1, vector(places, rest, 0))


@exact
def _move_on(row, plan, places):
    """Row `row` of places passes from the voxels of a register to those of the next one."""
    step, turn = spread(places, i4(plan[STEP] << LABEL)), spread(places, i4(plan[TURN]))
    rest = load(places, row + 1) + spread(places, i4(plan[HOP_REST]))
    ray = load(places, row) + spread(places, i4(plan[HOP]))
    store(places, row, where_negative(rest - step, ray, ray + turn))
    store(places, row + 1, lower(rest, rest - step))


@exact
def _add_views(at, stride, more, plan, rungs, columns, parts, places, rays, volume):
    """Registers at, at + stride, … of the lines of a block take their part of all views."""
    lanes, width = count(volume), padded(columns)
    a, b, c, d = zero(volume), zero(volume), zero(volume), zero(volume)
    e, f, g, h = zero(volume), zero(volume), zero(volume), zero(volume)
    if more:
        a, b = load(volume, at), load(volume, at + stride)
        c, d = load(volume, at + 2 * stride), load(volume, at + 3 * stride)
        e, f = load(volume, at + 4 * stride), load(volume, at + 5 * stride)
        g, h = load(volume, at + 6 * stride), load(volume, at + 7 * stride)
    for v in range(len(plan)):
        if -BEFORE <= element(places, 2 * v, 0) <= columns + BEHIND:
            first, last = v * width + PAD + plan[v, FIRST], v * width + PAD + plan[v, LAST]
            step = spread(volume, i4((plan[v, STEP] << LABEL) - plan[v, TURN]))
            rung, edge = vector(volume, rungs, v * lanes), spread(volume, i4(plan[v, STEP] - ONE))
            view = places, 2 * v, first, last, rung, step, edge, plan[v, TURN]
            if plan[v, PLAIN] and len(parts) == 1:
                a = _add_plain_view(a, 0, view, parts, rays, volume)
                b = _add_plain_view(b, 1, view, parts, rays, volume)
                c = _add_plain_view(c, 2, view, parts, rays, volume)
                d = _add_plain_view(d, 3, view, parts, rays, volume)
                e = _add_plain_view(e, 4, view, parts, rays, volume)
                f = _add_plain_view(f, 5, view, parts, rays, volume)
                g = _add_plain_view(g, 6, view, parts, rays, volume)
                h = _add_plain_view(h, 7, view, parts, rays, volume)
            else:
                a = _add_view(a, 0, view, parts, rays, volume)
                b = _add_view(b, 1, view, parts, rays, volume)
                c = _add_view(c, 2, view, parts, rays, volume)
                d = _add_view(d, 3, view, parts, rays, volume)
                e = _add_view(e, 4, view, parts, rays, volume)
                f = _add_view(f, 5, view, parts, rays, volume)
                g = _add_view(g, 6, view, parts, rays, volume)
                h = _add_view(h, 7, view, parts, rays, volume)
        _move_on(2 * v, plan[v], places)
    store(volume, at, a)
    store(volume, at + stride, b)
    store(volume, at + 2 * stride, c)
    store(volume, at + 3 * stride, d)
    store(volume, at + 4 * stride, e)
    store(volume, at + 5 * stride, f)
    store(volume, at + 6 * stride, g)
    store(volume, at + 7 * stride, h)


@cpu
def _backproject_cpu(plan, rungs, shape, blocks, more, parts, rays, volume):
    minors, columns = shape
    lanes, stride = count(volume), padded(minors) // count(volume)
    for n in prange(blocks[0], blocks[1]):
        places, at = np.empty(2 * len(plan), OCTET), n * BLOCK * stride + PAD // lanes
        _begin(n * BLOCK, plan, columns, places)
        for c in range(-(-minors // lanes)):
            _add_views(at + c, stride, more, plan, rungs, columns, parts, places, rays, volume)


# ---------------------------------------------------------------------- between users and blocks


@cpu
def _take_cpu(stack, order, turned, factors, block):
    for v in prange(len(order)):
        row, line, length = stack[order[v]], block[v], stack.shape[1]
        for u in range(length):
            line[PAD + u] = factors[v] * row[length - 1 - u if turned[v] else u]
        line[PAD + length :] = 0


@cpu
def _give_cpu(block, order, turned, factors, stack):
    for v in prange(len(order)):
        line, row, length = block[v], stack[order[v]], stack.shape[1]
        for u in range(length):
            row[u] = factors[v] * line[PAD + (length - 1 - u if turned[v] else u)]


@cpu
def _transpose_cpu(source, factor, target):
    height, width = target.shape
    for tile in prange(-(-height // TILE)):
        for left in range(0, width, TILE):
            for i in range(tile * TILE, min((tile + 1) * TILE, height)):
                for j in range(left, min(left + TILE, width)):
                    target[i, j] = factor * source[j, i]


take = Twin(_take_cpu, None)
"""(stack, order, turned, factors, block): block[v, PAD + u] = factors[v] · stack[order[v], u], with
u counted from the other end where turned[v]; zero behind."""

give = Twin(_give_cpu, None)
"""(block, order, turned, factors, stack): the transpose; stack is written."""

transpose = Twin(_transpose_cpu, None)
"""(source, factor, target): target[i, j] = factor · source[j, i]."""

project = Twin(_project_cpu, None)
"""(plan, rungs, shape, chunk, parts, image, sino): views of one minor axis.

plan, rungs: `slice_plans.forward_plan` · shape (minors, majors, columns) · chunk: views that one
thread takes at a time · parts: a tuple as long as a window has registers, 2 where rays are at most
5/3 apart, 3 up to 3 · image, flat, 1/length · sino, flat rows of lanes, written, in 1/ONE of the
length of a ray between two lines."""

backproject = Twin(_backproject_cpu, None)
"""(plan, rungs, shape, blocks, more, parts, rays, volume): the transpose, for one minor axis.

plan, rungs: `slice_plans.back_plan` · shape (minors, columns) · blocks (begin, end) of BLOCK
lines · more: add to what the volume holds · parts: a tuple of 1 where rays are at least a unit
apart, of 3 down to half a unit · rays, flat · volume, flat rows of lanes, of which the lines of
these blocks are written, in 1/ONE."""


def views_per_chunk(views: int) -> int:
    """Views that one thread projects at a time.  The projections do not depend on it."""
    share = -(-views // get_num_threads())
    return -(-share // -(-share // CHUNK)) if share else 1
