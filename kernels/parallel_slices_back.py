"""The transpose of `parallel_slices`: registers hold neighbouring voxels and take their rays.

Views come in turn, each added to what the voxels hold.  A voxel has two rays in a view, where they
are at least a unit apart, or up to four.

- Rays and voxels nearly as far apart: lane l lies between the same few rays whatever the line, and
  takes all of them with their weights, of which at most two are not zero.
- Else each lane picks its rays from a register or a window (`_resample`).

Rays of some views stay in the L2 cache while lines of the image pass, and those that a block of
lines sees, in L1.  Blocks are those of `slice_blocks`."""

from __future__ import annotations

import numpy as np
from numba import prange

from physrecon.kernels._jit import Twin, cpu, exact, inlined
from physrecon.kernels._lanes import load, store, zero
from physrecon.kernels._registers import (
    count,
    element,
    fused,
    larger,
    lower,
    real,
    shifted,
    size,
    spread,
    vector,
    where_negative,
)
from physrecon.kernels._resample import ONE, permute, pick, window
from physrecon.kernels.parallel_beam import quotient
from physrecon.kernels.slice_blocks import BLOCK, OCTET, PAD, REALS, padded

i4 = np.int32

# A distance is a multiple of 2^LABEL where lanes pick, and the ray that it is measured from,
# counted from the start of the window, is in the bits below: what chooses the distance has chosen
# the ray.
LABEL = 5
# A register of voxels whose first ray lies further off has no ray of the detector on any line of
# its block (at most 2 rays a voxel, from lane to lane and from line to line).
BEFORE, BEHIND = 50, 20
CHUNK = 48  # views whose rays stay in L2, up to 1500 columns
GROUP = 8  # blocks of lines that one thread takes at a time
THREE, FOUR = (0, 0, 0), (0, 0, 0, 0)
RISING, FALLING = (0,), (0, 0)  # order of the rays of a voxel in memory

# Columns of the plan of a view: see `slice_plans`.
STEP, TAPS, FIRST, LAST, START, TURN, HOP, HOP_REST = 0, 1, 2, 3, 4, 5, 6, 7
RISE, RISE_REST, ACROSS, EDGE, PERIOD = 8, 9, 10, 11, 12


@inlined
def _add_hats(total, j, view, hats, turn, places, rays, volume):
    """total + what voxels of line j of a block get from one view: lane l takes rays l, l ± 1, … of
    its window, as many as `hats`, in the order of memory that `turn` says.

    view: (number, start, rungs: place of every voxel after its second and third ray, for the rest
    of this line, edge: a unit less the step from ray to ray)."""
    v, first, second, third, edge = view
    at, rest = first + element(places[0], 2 * v, j), spread(volume, element(places[1], v, j))
    way = 1 if len(turn) == 1 else -1
    one, none, place = spread(volume, np.float32(ONE)), spread(volume, np.float32(0)), second + rest
    total = fused(larger(edge - place, none), vector(volume, rays, at), total)
    near = larger(one - size(place), none)
    total = fused(near, vector(volume, rays, at + way), total)
    if len(hats) == 4:
        place = third + rest
        near = larger(one - size(place), none)
        total = fused(near, vector(volume, rays, at + 2 * way), total)
    last = vector(volume, rays, at + (len(hats) - 1) * way)
    return fused(larger(place + edge, none), last, total)


@inlined
def _add_picked(total, j, view, parts, places, rays, volume):
    """The same for lanes that have each the ray of its label.

    view: (number, start, last start, rung: labelled distances of a register whose leftmost voxel
    stands on a ray, step: labelled, from ray to ray, edge: how far they are apart beyond a unit,
    turn: from a ray to the next one in memory).  The first rays of all lanes lie in one register,
    and so do the second ones; those of voxels with up to four in a window as long as `parts`."""
    v, start, behind, rung, step, edge, turn = view
    place = rung + spread(volume, element(places, 2 * v + 1, j))
    u, place = element(places, 2 * v, j), lower(place, place - step)
    at, last = start + u, behind + u
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
    further = larger(distance - edge - step, none)
    return fused(real(further), pick(seen, i + next_ + next_), total)


@inlined
def _add_view(totals, v, n, plan, rungs, columns, hats, turn, parts, places, rays, volume):
    """Eight registers of voxels, one on each line of a block, take their part of view n.

    hats: () where lanes pick.  v: number of the view among those of `places`."""
    a, b, c, d, e, f, g, h = totals
    lanes, start = count(volume), n * padded(columns) + PAD
    first, last = start + plan[n, FIRST], start + plan[n, LAST]
    rung = vector(volume, rungs, 2 * n * lanes)
    if len(hats) > 0:
        third = real(vector(volume, rungs, (2 * n + 1) * lanes))
        some = v, first, real(rung), third, real(spread(volume, i4(plan[n, EDGE])))
        a = _add_hats(a, 0, some, hats, turn, places, rays, volume)
        b = _add_hats(b, 1, some, hats, turn, places, rays, volume)
        c = _add_hats(c, 2, some, hats, turn, places, rays, volume)
        d = _add_hats(d, 3, some, hats, turn, places, rays, volume)
        e = _add_hats(e, 4, some, hats, turn, places, rays, volume)
        f = _add_hats(f, 5, some, hats, turn, places, rays, volume)
        g = _add_hats(g, 6, some, hats, turn, places, rays, volume)
        h = _add_hats(h, 7, some, hats, turn, places, rays, volume)
    else:
        step = spread(volume, i4((plan[n, STEP] << LABEL) - plan[n, TURN]))
        view = v, first, last, rung, step, spread(volume, i4(-plan[n, EDGE])), plan[n, TURN]
        a = _add_picked(a, 0, view, parts, places[0], rays, volume)
        b = _add_picked(b, 1, view, parts, places[0], rays, volume)
        c = _add_picked(c, 2, view, parts, places[0], rays, volume)
        d = _add_picked(d, 3, view, parts, places[0], rays, volume)
        e = _add_picked(e, 4, view, parts, places[0], rays, volume)
        f = _add_picked(f, 5, view, parts, places[0], rays, volume)
        g = _add_picked(g, 6, view, parts, places[0], rays, volume)
        h = _add_picked(h, 7, view, parts, places[0], rays, volume)
    return a, b, c, d, e, f, g, h


@inlined
def _mark(v, step, label, ray, rest, places):
    """Store the first rays of view v and the distances, and these from the middle between two rays:
    float32 holds the places of all voxels that have weights."""
    store(places[0], 2 * v, ray)
    store(places[0], 2 * v + 1, rest)
    if label == 0:
        store(places[1], v, real(rest - shifted(step, 1)))


@exact
def _begin(line, views, plan, columns, label, places):
    """Rows 2v and 2v + 1 of places[0]: the first ray of the leftmost voxel of every line of a
    block, and the distance of the voxel.  Rows v of places[1]: see `_mark`."""
    ray, rest = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    for v in range(views[1] - views[0]):
        n = views[0] + v
        step, place = plan[n, STEP], plan[n, START] + line * plan[n, ACROSS]
        u = quotient(place, step, np.int64(place / step))
        r = place - u * step
        for j in range(BLOCK):
            ray[j] = u if plan[n, TURN] > 0 else columns - 1 - u
            rest[j] = r << label
            u, r = u + plan[n, RISE], r + plan[n, RISE_REST]
            if r >= step:
                u, r = u + 1, r - step
        all_rays, all_rests = vector(places[0], ray, 0), vector(places[0], rest, 0)
        _mark(v, spread(places[0], i4(step)), label, all_rays, all_rests, places)


@inlined
def _move_on(v, plan, label, places):
    """The places of view v pass from the voxels of a register to those of the next one."""
    step, turn = spread(places[0], i4(plan[PERIOD])), spread(places[0], i4(plan[TURN]))
    rest = load(places[0], 2 * v + 1) + spread(places[0], i4(plan[HOP_REST]))
    ray = load(places[0], 2 * v) + spread(places[0], i4(plan[HOP]))
    ray = where_negative(rest - step, ray, ray + turn)
    _mark(v, step, label, ray, lower(rest, rest - step), places)


@exact
def _add_views(at, stride, more, views, plan, rungs, columns, hats, turn, parts, places, sources):
    """Registers at, at + stride, … of the lines of a block take their part of the views."""
    rays, volume = sources
    label = 0 if len(hats) > 0 else LABEL
    a, b, c, d = zero(volume), zero(volume), zero(volume), zero(volume)
    e, f, g, h = zero(volume), zero(volume), zero(volume), zero(volume)
    if more:
        a, b = load(volume, at), load(volume, at + stride)
        c, d = load(volume, at + 2 * stride), load(volume, at + 3 * stride)
        e, f = load(volume, at + 4 * stride), load(volume, at + 5 * stride)
        g, h = load(volume, at + 6 * stride), load(volume, at + 7 * stride)
    totals = a, b, c, d, e, f, g, h
    for v in range(views[1] - views[0]):
        n = views[0] + v
        if -BEFORE <= element(places[0], 2 * v, 0) <= columns + BEHIND:
            totals = _add_view(
                totals, v, n, plan, rungs, columns, hats, turn, parts, places, rays, volume
            )
        _move_on(v, plan[n], label, places)
    store(volume, at, totals[0])
    store(volume, at + stride, totals[1])
    store(volume, at + 2 * stride, totals[2])
    store(volume, at + 3 * stride, totals[3])
    store(volume, at + 4 * stride, totals[4])
    store(volume, at + 5 * stride, totals[5])
    store(volume, at + 6 * stride, totals[6])
    store(volume, at + 7 * stride, totals[7])


@exact
def _add_blocks(begin, end, more, views, plan, rungs, shape, hats, turn, parts, places, sources):
    """Blocks of lines take their part of some views that have the same taps and turn."""
    minors, columns = shape
    lanes, label = count(sources[1]), 0 if len(hats) > 0 else LABEL
    stride = padded(minors) // lanes
    for n in range(begin, end):
        _begin(n * BLOCK, views, plan, columns, label, places)
        for c in range(-(-minors // lanes)):
            at = n * BLOCK * stride + PAD // lanes + c
            _add_views(
                at, stride, more, views, plan, rungs, columns, hats, turn, parts, places, sources
            )


@exact
def _alike(first, plan):
    """End of the views from `first` on that have its taps and turn, and whose rays L2 holds."""
    end = first + 1
    while end < min(first + CHUNK, len(plan)):
        if plan[end, TAPS] != plan[first, TAPS] or plan[end, TURN] != plan[first, TURN]:
            break
        end += 1
    return end


@cpu
def _backproject_cpu(plan, rungs, shape, blocks, more, parts, rays, volume):
    sources = rays, volume
    for group in prange(-(-(blocks[1] - blocks[0]) // GROUP)):
        places = np.empty(2 * CHUNK, OCTET), np.empty(CHUNK, REALS)
        begin = blocks[0] + group * GROUP
        end, first, add = min(begin + GROUP, blocks[1]), 0, more
        while first < len(plan):
            taps, turn, views = plan[first, TAPS], plan[first, TURN], (first, _alike(first, plan))
            here = begin, end, add, views, plan, rungs, shape
            if taps == 3 and turn > 0:
                _add_blocks(*here, *(THREE, RISING, parts, places, sources))
            elif taps == 3:
                _add_blocks(*here, *(THREE, FALLING, parts, places, sources))
            elif taps == 4 and turn > 0:
                _add_blocks(*here, *(FOUR, RISING, parts, places, sources))
            elif taps == 4:
                _add_blocks(*here, *(FOUR, FALLING, parts, places, sources))
            else:
                _add_blocks(*here, *((), RISING, parts, places, sources))
            first, add = views[1], True


backproject = Twin(_backproject_cpu, None)
"""(plan, rungs, shape, blocks, more, parts, rays, volume): the transpose, for one minor axis.

plan, rungs: `slice_plans.back_plan` · shape (minors, columns) · blocks (begin, end) of BLOCK
lines · more: add to what the volume holds; else there is a view, which writes it · parts: a tuple
of 1 where rays are at least a unit apart, of 3 down to half a unit · rays, flat · volume, flat rows
of lanes, of which the lines of these blocks are written, in 1/ONE."""
