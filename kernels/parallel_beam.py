"""Parallel-beam line integrals and their exact transpose (Joseph 1982).

Voxel (y, x) and ray (view, u) share one weight, `joseph`, wherever it is used: projecting gathers
it along a ray, backprojecting gathers it over the rays that cross a voxel.  Every slice sees the
same rays, so slices are the innermost axis (`_lanes`): a weight is computed once for all of them.

A view is one row of a table made on the host (`geometry.view_table`).  Its *minor* axis is the one
of x and y that a ray crosses slowly: the ray meets each line of the *major* axis once, between two
neighbours of the minor axis.  Views with minor axis x come first, `split` of them.

Places of voxels and rays are whole multiples of 2^-bits, so their distance is exact: forward and
back, and a slice alone (`parallel_slices`) and in a block, see the same weights, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import get_num_threads, prange

from physrecon.kernels._jit import Twin, cpu, exact, gpu, inner, shared
from physrecon.kernels._lanes import add_row, load, prefetch, store, zero

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

# Columns of `steps`, on an axis of its own for every view, in units of 2^-bits.  Voxel (major j,
# minor i) stands at origin + i·ALONG + j·ACROSS, ray u at u·RAY.  Joseph: ALONG is one unit.
ALONG, ACROSS, RAY = 0, 1, 2

# Sizes of the pieces that stay in the caches (64 float32 slices: 256 bytes a voxel or ray).
STRIP, WIDE = 32, 32  # forward: lines × neighbours of a tile of the volume, which stays in L2
GROUP = 4  # forward: views interleaved so that their rays find each other's voxels in L1
CHUNK = 64  # forward: most views that one thread takes at a time
TILE, CELL = 32, 8  # back: sides of a tile (its sums in L2) and of a cell (its rays in L1)
BATCH = 8  # back: views summed in registers between load and store of a voxel


@shared
def joseph(distance):
    """Weight of a voxel for a ray, in lengths of the ray between two lines of voxels.

    distance: along the minor axis, in voxels.  In detector columns it would scale the projection
    wrongly when the two pitches differ, and no dot test would notice."""
    return max(f4(0), f4(1) - abs(distance))


@shared
def quotient(place, step, nearly):
    """The whole steps in a place, exact, from a whole number near it."""
    whole = nearly
    while whole * step > place:
        whole -= 1
    while (whole + 1) * step <= place:
        whole += 1
    return whole


@shared
def ray_on_line(steps, origin, column, line):
    """(where ray `column` crosses a line of voxels, how much further it crosses the next one)."""
    place = column * steps[RAY] - origin - line * steps[ACROSS]
    if steps[ALONG] > 0:
        return place, -steps[ACROSS]
    return -place, steps[ACROSS]


# ------------------------------------------------------------------------------ forward, CPU


@exact
def _ray_weights(place, lean, minors, bits, steps, index, near, far):
    """Weights of the two neighbours that a ray passes between on STRIP lines.

    place, lean: of the ray on the first line, and from line to line.  index (STRIP,) minor index of
    the first neighbour, kept inside the grid: a neighbour that the ray does not touch gets its
    weight, zero, from its distance.  steps: of the width of whole numbers to compute with."""
    whole, top = place >> bits, max(minors - 2, 0)
    start, one = place - (whole << bits), np.int64(1) << bits
    unit = near.dtype.type(1) / near.dtype.type(one)
    for k in range(STRIP):
        at = steps.dtype.type(start + k * lean)
        i = min(max(whole + (at >> bits), 0), top)
        index[k] = i
        distance = steps.dtype.type(at - ((i - whole) << bits))
        near[k] = joseph(near.dtype.type(distance) * unit)
        far[k] = joseph(near.dtype.type(steps.dtype.type(distance - one)) * unit)


@exact
def _lines_inside(place, lean, first, last, minors, bits):
    """The lines first:last that a ray crosses inside the grid (or up to two voxels beside it).

    place: of the ray on line 0."""
    begin, end = place + first * lean, place + last * lean
    if min(begin, end) >= 0 and max(begin, end) < minors << bits:
        return first, last
    slope = float(lean if lean != 0 else 1)
    enter, leave = ((-2 << bits) - place) / slope, (((minors + 1) << bits) - place) / slope
    low = max(min(enter, leave), float(first))
    high = min(max(enter, leave), float(last)) + 1.0
    return np.int64(low), min(np.int64(high), last)


@exact
def _column_right_of(steps, origin, i, j, minors, columns):
    """First column past minor index i on line j/2; the ends of the grid take those of the detector.

    Exact, because the end of one tile must be the beginning of the next."""
    if i <= 0 or i >= minors:
        return columns if (i > 0) == (steps[ALONG] > 0) else 0
    column = (origin + i * steps[ALONG] + 0.5 * j * steps[ACROSS]) / steps[RAY]
    return np.int64(min(max(np.ceil(column), 0.0), float(columns)))


@inner
def _rays_of_tile(steps, origins, group, views, left, line, minors, columns, rays):
    """The rays that cross line/2 in the tile from minor index `left` on; most that a view has.

    rays (views, 2): column of the ray nearest to `left`, and how many follow it."""
    most = 0
    for g in range(views):
        view, origin = steps[group + g], origins[group + g]
        a = _column_right_of(view, origin, left, line, minors, columns)
        b = _column_right_of(view, origin, left + WIDE, line, minors, columns)
        rays[g, 0] = a if view[ALONG] > 0 else a - 1
        rays[g, 1] = abs(b - a)
        most = max(most, rays[g, 1])
    return most


@inner
def _project_views(table, begin, end, strides, extents, ray_pitch, near, far, volume, sino):
    """Views begin:end of one minor axis, tile by tile of the volume.

    A ray belongs, strip by strip, to the tile that its middle crosses: each is summed once, line
    after line.  The innermost part stays here: as a function of its own it was a quarter slower."""
    steps, origins, bits = table
    minor_stride, major_stride = strides
    minors, majors, columns = extents
    index = np.empty(STRIP, np.int32)
    rays = np.empty((GROUP, 2), np.int64)
    for ray in range(begin * ray_pitch, end * ray_pitch):
        store(sino, ray, zero(sino))
    for first in range(0, majors, STRIP):
        last = min(first + STRIP, majors)
        for left in range(0, minors, WIDE):
            for group in range(begin, end, GROUP):
                views = min(GROUP, end - group)
                most = _rays_of_tile(
                    steps, origins, group, views, left, first + last, minors, columns, rays
                )
                for k in range(most * views):
                    g = k % views
                    if k // views >= rays[g, 1]:
                        continue
                    view = steps[group + g]
                    turn = 1 if view[ALONG] > 0 else -1
                    column = rays[g, 0] + k // views * turn
                    ray = (group + g) * ray_pitch + column
                    prefetch(sino, ray + 2 * turn)
                    place, lean = ray_on_line(view, origins[group + g], column, 0)
                    low, high = _lines_inside(place, lean, first, last, minors, bits)
                    if low >= high:
                        continue
                    place += low * lean
                    _ray_weights(place, lean, minors, bits, steps, index, near, far)
                    total = load(sino, ray)
                    for n in range(high - low):
                        voxel = (low + n) * major_stride + np.int64(index[n]) * minor_stride
                        total = add_row(total, near[n], volume, voxel)
                        if minors > 1:
                            total = add_row(total, far[n], volume, voxel + minor_stride)
                    store(sino, ray, total)


@inner
def _project_chunk(c, chunk, table, split, shape, like, volume, sino):
    """Chunk c of the views: first those with minor axis x, then those with y."""
    ny, nx, pitch, views, columns, ray_pitch = shape
    near, far = np.empty(STRIP, like.dtype), np.empty(STRIP, like.dtype)
    before = -(-split // chunk)
    if c < before:
        begin, end = c * chunk, min((c + 1) * chunk, split)
        strides, extents = (1, pitch), (nx, ny, columns)
    else:
        begin = split + (c - before) * chunk
        end = min(begin + chunk, views)
        strides, extents = (pitch, 1), (ny, nx, columns)
    _project_views(table, begin, end, strides, extents, ray_pitch, near, far, volume, sino)


@cpu
def _project_cpu(table, split, shape, chunk, like, volume, sino):
    for c in prange(-(-split // chunk) - (split - shape[3]) // chunk):
        _project_chunk(np.int64(c), chunk, table, split, shape, like, volume, sino)


# --------------------------------------------------------------------------------- back, CPU


@exact
def _cell_rungs(steps, swap, rung, rest):
    """Rays, and rest, from a voxel on a ray, the first one of a cell, to each one of the cell."""
    step, along_x, along_y = np.int64(steps[RAY]), np.int64(steps[ALONG]), np.int64(steps[ACROSS])
    if swap:
        along_x, along_y = along_y, along_x
    hop_x, hop_y = quotient(along_x, step, np.int64(0)), quotient(along_y, step, np.int64(0))
    along_x, along_y = along_x - hop_x * step, along_y - hop_y * step
    ray_y, rest_y = np.int64(0), np.int64(0)
    for j in range(CELL):
        ray_x, rest_x = ray_y, rest_y
        for i in range(CELL):
            rung[j * CELL + i], rest[j * CELL + i] = ray_x, rest_x
            ray_x, rest_x = ray_x + hop_x, rest_x + along_x
            if rest_x >= step:
                ray_x, rest_x = ray_x + 1, rest_x - step
        ray_y, rest_y = ray_y + hop_y, rest_y + along_y
        if rest_y >= step:
            ray_y, rest_y = ray_y + 1, rest_y - step


@exact
def _voxel_weights(steps, place, columns, bits, rung, rest, index, gap, weight):
    """Rays that cross the voxels of a cell: index (cells,) first column, weight (taps, cells).

    place: of the first voxel.  rung, rest: see `_cell_rungs`.  gap (cells,): work memory.  They are
    of the type of `steps`, to which the numbers of the loops are cut; Numba would compute with 64
    bits."""
    taps, whole = weight.shape[0], gap.dtype.type
    one, step = np.int64(1) << bits, np.int64(steps[RAY])
    unit = weight.dtype.type(1) / weight.dtype.type(one)
    ray = quotient(place - one, step, np.int64((place - one) / step))
    start, first, last = whole(place - one - ray * step), whole(ray + 1), whole(columns - taps)
    away = taps + np.int64(2 * one / step) + 2  # so many rays off, no tap has a weight
    least, most = whole(-away), whole(away)
    pitch, none, back = whole(step), whole(0), whole(step - one)
    for n in range(CELL * CELL):
        distance = whole(start + rest[n])
        beyond = whole(distance - pitch)
        column = whole(first + rung[n]) if beyond < 0 else whole(whole(first + rung[n]) + 1)
        distance = distance if beyond < 0 else beyond
        kept = min(max(column, none), last)
        index[n] = kept
        off = min(max(whole(kept - column), least), most)
        gap[n] = whole(whole(back - distance) + whole(off * pitch))
    for tap in range(taps):
        for n in range(CELL * CELL):
            distance = whole(gap[n] + whole(tap * pitch))
            weight[tap, n] = joseph(weight.dtype.type(distance) * unit)


@inner
def _sum_cell(begin, end, corner, shape, index, weight, sino, volume):
    """Adds views begin:end to the voxels of the cell at `corner`, from zero for the first views."""
    top, left = corner
    ny, nx, pitch, _views, _columns, ray_pitch = shape
    taps = weight.shape[1]
    for j in range(min(CELL, ny - top)):
        for i in range(min(CELL, nx - left)):
            n = j * CELL + i
            voxel = (top + j) * pitch + left + i
            total = load(volume, voxel) if begin > 0 else zero(volume)
            for v in range(end - begin):
                ray = (begin + v) * ray_pitch + np.int64(index[v, n])
                if taps == 2:  # the common case, free of the loop
                    total = add_row(total, weight[v, 0, n], sino, ray)
                    total = add_row(total, weight[v, 1, n], sino, ray + 1)
                else:
                    for tap in range(taps):
                        total = add_row(total, weight[v, tap, n], sino, ray + tap)
            store(volume, voxel, total)


@inner
def _backproject_tile(table, split, shape, taps, corner, like, sino, volume):
    steps, origins, bits = table
    ny, nx, _pitch, views, columns, _ray_pitch = shape
    index = np.empty((BATCH, CELL * CELL), np.int32)
    weight = np.empty((BATCH, taps, CELL * CELL), like.dtype)
    rungs = np.empty((BATCH, 2, CELL * CELL), steps.dtype)
    gap = np.empty(CELL * CELL, steps.dtype)
    for begin in range(0, views, BATCH):
        end = min(begin + BATCH, views)
        for n in range(end - begin):
            _cell_rungs(steps[begin + n], begin + n >= split, rungs[n, 0], rungs[n, 1])
        for top in range(corner[0], min(corner[0] + TILE, ny), CELL):
            for left in range(corner[1], min(corner[1] + TILE, nx), CELL):
                for n in range(end - begin):
                    v, (i, j) = begin + n, (left, top) if begin + n < split else (top, left)
                    place = (
                        origins[v] + i * np.int64(steps[v, ALONG]) + j * np.int64(steps[v, ACROSS])
                    )
                    rung, rest = rungs[n, 0], rungs[n, 1]
                    _voxel_weights(
                        *(steps[v], place, columns, bits, rung, rest, index[n], gap, weight[n])
                    )
                _sum_cell(begin, end, (top, left), shape, index, weight, sino, volume)


@cpu
def _backproject_cpu(table, split, shape, taps, lines, like, sino, volume):
    wide = -(-shape[1] // TILE)
    for t in prange(-(-(lines[1] - lines[0]) // TILE) * wide):
        tile = np.int64(t)
        corner = (lines[0] + tile // wide * TILE, tile % wide * TILE)
        _backproject_tile(table, split, shape, taps, corner, like, sino, volume)


def views_per_chunk(views: int) -> int:
    """Views that one thread projects at a time: many, to read the volume seldom, but enough chunks
    for all threads.  The projections do not depend on it."""
    share = -(-views // get_num_threads())
    return max(GROUP, min(CHUNK, -(-share // GROUP) * GROUP))


# --------------------------------------------------------------------------------------- CUDA


@gpu
def _project_gpu(table, split, shape, chunk, like, volume, sino):
    slice_, column, v = cuda.grid(3)
    steps, origins, bits = table
    ny, nx, _pitch, views, columns, _ray_pitch = shape
    if v >= views or column >= columns or slice_ >= sino.shape[2]:
        return
    minors, majors = (nx, ny) if v < split else (ny, nx)
    unit = like[0] * f4(0) + f4(1) / f4(1 << bits)
    place, lean = ray_on_line(steps[v], origins[v], column, 0)
    total = like[0] * f4(0)
    for line in range(majors):
        low = place >> bits
        for i in range(max(low, 0), min(low + 2, minors)):
            distance = steps.dtype.type(place - (i << bits))
            y, x = (line, i) if v < split else (i, line)
            total += joseph(like.dtype.type(distance) * unit) * volume[y, x, slice_]
        place += lean
    sino[v, column, slice_] = total


@gpu
def _backproject_gpu(table, split, shape, taps, lines, like, sino, volume):
    slice_, x, y = cuda.grid(3)
    steps, origins, bits = table
    _ny, nx, _pitch, views, columns, _ray_pitch = shape
    if y < lines[0] or y >= lines[1] or x >= nx or slice_ >= volume.shape[2]:
        return
    unit = like[0] * f4(0) + f4(1) / f4(1 << bits)
    total = like[0] * f4(0)
    for v in range(views):
        i, j = (x, y) if v < split else (y, x)
        step = steps[v, RAY]
        place = origins[v] + i * steps[v, ALONG] + j * steps[v, ACROSS]
        place -= 1 << bits
        first = quotient(place, step, int(f4(place) / f4(step))) + 1
        for column in range(max(first, 0), min(first + taps, columns)):
            distance = steps.dtype.type(column * step - place - (1 << bits))
            total += joseph(like.dtype.type(distance) * unit) * sino[v, column, slice_]
    volume[y, x, slice_] = total


project = Twin(_project_cpu, _project_gpu)
"""(table, split, shape, chunk, like, volume, sino): line integrals of a block of slices, in lengths
of a ray between two lines of voxels.

table (steps (views, 3), origins (views,), bits) · shape (ny, nx, pitch, views, columns, ray_pitch):
extents, and the padded lengths of lines and views in memory · chunk: see `views_per_chunk` · like:
any array of the dtype of volume and sino, one number or more · volume · sino, written.
On the CPU volume (ny·pitch,) and sino (views·ray_pitch,) are flat arrays of lanes; on CUDA
(ny, pitch, S) and (views, ray_pitch, S) arrays of numbers."""

backproject = Twin(_backproject_cpu, _backproject_gpu)
"""(table, split, shape, taps, lines, like, sino, volume): the transpose of `project`.

taps: most rays that cross a voxel in one view · lines (begin, end) in y, begin a multiple of TILE ·
volume, of which these lines are written."""
