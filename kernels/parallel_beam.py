"""Parallel-beam line integrals and their exact transpose (Joseph 1982).

Voxel (y, x) and ray (view, u) share one weight, `joseph`, wherever it is used: projecting gathers
it along a ray, backprojecting gathers it over the rays that cross a voxel.  Every slice sees the
same rays, so slices are the innermost axis (`_lanes`): a weight is computed once for all of them.

A view is one row of a table made on the host (`geometry.view_table`).  Its *minor* axis is the one
of x and y that a ray crosses slowly: the ray meets each line of the *major* axis once, between two
neighbours of the minor axis.  Views with minor axis x come first, `split` of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import get_num_threads, prange

from physrecon.kernels._jit import Twin, cpu, exact, gpu, inner, shared
from physrecon.kernels._lanes import add_row, load, prefetch, store, zero

if TYPE_CHECKING:
    from numba import cuda

f4 = np.float32

# Columns of the view table.  Voxel (major j, minor i) lies at detector column
# origin + along·i + across·j; ray u meets line j at minor index (u - origin)/along + lean·j.
ALONG, ACROSS, ORIGIN = 0, 1, 2
PITCH = 3  # minor voxels per detector column
STRETCH = 4  # 1 / |cos| of the angle between minor axis and detector
SCALE = 5  # length of a step along the major axis
INVERSE, LEAN, RISE = 6, 7, 8  # 1/along, -across/along and its inverse (bounded)

# Sizes of the pieces that stay in the caches (64 float32 slices: 256 bytes a voxel or ray).
STRIP, WIDE = 32, 32  # forward: lines × neighbours of a tile of the volume, which stays in L2
GROUP = 4  # forward: views interleaved so that their rays find each other's voxels in L1
CHUNK = 64  # forward: most views that one thread takes at a time
TILE, CELL = 32, 8  # back: sides of a tile (its sums in L2) and of a cell (its rays in L1)
BATCH = 8  # back: views summed in registers between load and store of a voxel


@shared
def joseph(distance, stretch):
    """Weight [voxels] of a voxel whose centre lies `distance` voxels from the ray,
    stretch = 1 / max(|cos|, |sin|): the length of the ray between two lines of voxels.

    The caller multiplies by the voxel size.  Distance is in voxels, not detector columns: when the
    two pitches differ, columns would scale the projection wrongly, and no dot test would notice."""
    return max(f4(0), f4(1) - abs(distance) * stretch) * stretch


@shared
def place(origin, along, across, i, j):
    """Detector column of voxel (major j, minor i).

    Forward and back see one and the same rounded number, hence the same weights, bit for bit."""
    return origin + i * along + j * across


# ------------------------------------------------------------------------------ forward, CPU


@exact
def _ray_weights(view, start, column, first, minors, index, near, far):
    """Weights of the two neighbours that a ray passes between on STRIP lines from `first` on.

    index (STRIP,) minor index of the nearer-to-zero neighbour, kept inside the grid: a neighbour
    that the ray does not touch gets its weight, zero, from its distance."""
    # Into registers first: for all the compiler knows, storing a weight may change the table.
    along, across, origin, lean = view[ALONG], view[ACROSS], view[ORIGIN], view[LEAN]
    pitch, stretch, scale = view[PITCH], view[STRETCH], view[SCALE]
    top = f4(max(minors - 2, 0))
    for k in range(STRIP):
        j = f4(first + k)
        i = min(max(np.floor(start + j * lean), f4(0)), top)
        index[k] = np.int32(i)
        distance = (column - place(origin, along, across, i, j)) * pitch
        near[k] = joseph(distance, stretch) * scale
        distance = (column - place(origin, along, across, i + f4(1), j)) * pitch
        far[k] = joseph(distance, stretch) * scale


@inner
def _lines_inside(view, start, first, last, minors):
    """The lines first:last that the ray crosses inside the grid (or up to two voxels beside it)."""
    enter = (f4(-2) - start) * view[RISE]
    leave = (f4(minors + 1) - start) * view[RISE]
    low = max(min(enter, leave), f4(first))
    high = min(max(enter, leave), f4(last)) + f4(1)
    return np.int64(low), min(np.int64(high), last)


@exact
def _column_right_of(view, i, j, minors, columns):
    """First column past minor index i on line j/2; the ends of the grid take those of the detector.

    Exact, because the end of one tile must be the beginning of the next."""
    if i <= 0 or i >= minors:
        return columns if (i > 0) == (view[ALONG] > f4(0)) else 0
    column = place(view[ORIGIN], view[ALONG], view[ACROSS], f4(i), f4(0.5) * f4(j))
    return np.int64(min(max(np.ceil(column), f4(0)), f4(columns)))


@inner
def _rays_of_tile(table, group, views, left, line, minors, columns, rays):
    """The rays that cross line/2 in the tile from minor index `left` on; most that a view has.

    rays (views, 2): column of the ray nearest to `left`, and how many follow it."""
    most = 0
    for g in range(views):
        view = table[group + g]
        a = _column_right_of(view, left, line, minors, columns)
        b = _column_right_of(view, left + WIDE, line, minors, columns)
        rays[g, 0] = a if view[ALONG] > f4(0) else a - 1
        rays[g, 1] = abs(b - a)
        most = max(most, rays[g, 1])
    return most


@inner
def _project_views(table, begin, end, strides, extents, ray_pitch, volume, sino):
    """Views begin:end of one minor axis, tile by tile of the volume.

    A ray belongs, strip by strip, to the tile that its middle crosses: each is summed once.
    The innermost part stays here: as a function of its own it was a quarter slower."""
    minor_stride, major_stride = strides
    minors, majors, columns = extents
    index = np.empty(STRIP, np.int32)
    near = np.empty(STRIP, table.dtype)
    far = np.empty(STRIP, table.dtype)
    rays = np.empty((GROUP, 2), np.int64)
    for ray in range(begin * ray_pitch, end * ray_pitch):
        store(sino, ray, zero(sino))
    for first in range(0, majors, STRIP):
        last = min(first + STRIP, majors)
        for left in range(0, minors, WIDE):
            for group in range(begin, end, GROUP):
                views = min(GROUP, end - group)
                most = _rays_of_tile(table, group, views, left, first + last, minors, columns, rays)
                for k in range(most * views):
                    g = k % views
                    if k // views >= rays[g, 1]:
                        continue
                    view = table[group + g]
                    turn = 1 if view[ALONG] > f4(0) else -1
                    column = rays[g, 0] + k // views * turn
                    ray = (group + g) * ray_pitch + column
                    prefetch(sino, ray + 2 * turn)
                    start = (f4(column) - view[ORIGIN]) * view[INVERSE]
                    low, high = _lines_inside(view, start, first, last, minors)
                    if low >= high:
                        continue
                    _ray_weights(view, start, f4(column), low, minors, index, near, far)
                    total = load(sino, ray)
                    for n in range(high - low):
                        voxel = (low + n) * major_stride + np.int64(index[n]) * minor_stride
                        total = add_row(total, near[n], volume, voxel)
                        if minors > 1:
                            total = add_row(total, far[n], volume, voxel + minor_stride)
                    store(sino, ray, total)


@inner
def _project_chunk(c, chunk, table, split, shape, volume, sino):
    """Chunk c of the views: first those with minor axis x, then those with y."""
    ny, nx, pitch, views, columns, ray_pitch = shape
    before = -(-split // chunk)
    if c < before:
        begin, end = c * chunk, min((c + 1) * chunk, split)
        _project_views(table, begin, end, (1, pitch), (nx, ny, columns), ray_pitch, volume, sino)
    else:
        begin = split + (c - before) * chunk
        end = min(begin + chunk, views)
        _project_views(table, begin, end, (pitch, 1), (ny, nx, columns), ray_pitch, volume, sino)


@cpu
def _project_cpu(table, split, shape, chunk, volume, sino):
    for c in prange(-(-split // chunk) - (split - shape[3]) // chunk):
        _project_chunk(c, chunk, table, split, shape, volume, sino)


# --------------------------------------------------------------------------------- back, CPU


@exact
def _voxel_weights(view, swap, x, y, columns, index, weight):
    """Rays that cross the voxels of a cell: index (cells,) first column, weight (taps, cells)."""
    taps = weight.shape[0]
    last = f4(columns - taps)
    along, across, origin = view[ALONG], view[ACROSS], view[ORIGIN]
    pitch, stretch, scale = view[PITCH], view[STRETCH], view[SCALE]
    reach = f4(1) / (stretch * pitch)
    minor, major = x, y
    if swap:
        minor, major = y, x
    if taps == 2:  # the common case, in one sweep
        for n in range(CELL * CELL):
            at = place(origin, along, across, minor[n], major[n])
            first = min(max(np.ceil(at - reach), f4(0)), last)
            index[n] = np.int32(first)
            weight[0, n] = joseph((first - at) * pitch, stretch) * scale
            weight[1, n] = joseph((first + f4(1) - at) * pitch, stretch) * scale
        return
    for n in range(CELL * CELL):
        at = place(origin, along, across, minor[n], major[n])
        index[n] = np.int32(min(max(np.ceil(at - reach), f4(0)), last))
        weight[0, n] = at
    for tap in range(taps - 1, -1, -1):  # the first one last: till then it holds the place
        for n in range(CELL * CELL):
            distance = (f4(index[n]) + f4(tap) - weight[0, n]) * pitch
            weight[tap, n] = joseph(distance, stretch) * scale


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
def _backproject_tile(table, split, shape, taps, corner, sino, volume):
    ny, nx, _pitch, views, columns, _ray_pitch = shape
    index = np.empty((BATCH, CELL * CELL), np.int32)
    weight = np.empty((BATCH, taps, CELL * CELL), table.dtype)
    x = np.empty(CELL * CELL, table.dtype)
    y = np.empty(CELL * CELL, table.dtype)
    for begin in range(0, views, BATCH):
        end = min(begin + BATCH, views)
        for top in range(corner[0], min(corner[0] + TILE, ny), CELL):
            for left in range(corner[1], min(corner[1] + TILE, nx), CELL):
                for n in range(CELL * CELL):
                    y[n] = f4(top + n // CELL)
                    x[n] = f4(left + n % CELL)
                for v in range(end - begin):
                    swap = begin + v >= split
                    _voxel_weights(table[begin + v], swap, x, y, columns, index[v], weight[v])
                _sum_cell(begin, end, (top, left), shape, index, weight, sino, volume)


@cpu
def _backproject_cpu(table, split, shape, taps, lines, sino, volume):
    wide = -(-shape[1] // TILE)
    for t in prange(-(-(lines[1] - lines[0]) // TILE) * wide):
        corner = (lines[0] + t // wide * TILE, t % wide * TILE)
        _backproject_tile(table, split, shape, taps, corner, sino, volume)


def views_per_chunk(views: int) -> int:
    """Views that one thread projects at a time: many, to read the volume seldom, but enough chunks
    for all threads.  The projections do not depend on it."""
    share = -(-views // get_num_threads())
    return max(GROUP, min(CHUNK, -(-share // GROUP) * GROUP))


# --------------------------------------------------------------------------------------- CUDA


@gpu
def _project_gpu(table, split, shape, chunk, volume, sino):
    slice_, column, v = cuda.grid(3)
    ny, nx, _pitch, views, columns, _ray_pitch = shape
    if v >= views or column >= columns or slice_ >= sino.shape[2]:
        return
    view = table[v]
    minors, majors = (nx, ny) if v < split else (ny, nx)
    start = (f4(column) - view[ORIGIN]) * view[INVERSE]
    total = view[SCALE] * f4(0)
    for line in range(majors):
        j = f4(line)
        low = int(math.floor(start + j * view[LEAN]))
        for i in range(max(low, 0), min(low + 2, minors)):
            at = place(view[ORIGIN], view[ALONG], view[ACROSS], f4(i), j)
            weight = joseph((f4(column) - at) * view[PITCH], view[STRETCH]) * view[SCALE]
            y, x = (line, i) if v < split else (i, line)
            total += weight * volume[y, x, slice_]
    sino[v, column, slice_] = total


@gpu
def _backproject_gpu(table, split, shape, taps, lines, sino, volume):
    slice_, x, y = cuda.grid(3)
    _ny, nx, _pitch, views, columns, _ray_pitch = shape
    if y < lines[0] or y >= lines[1] or x >= nx or slice_ >= volume.shape[2]:
        return
    total = table[0, SCALE] * f4(0)
    for v in range(views):
        view = table[v]
        i, j = (x, y) if v < split else (y, x)
        at = place(view[ORIGIN], view[ALONG], view[ACROSS], f4(i), f4(j))
        first = int(math.ceil(at - f4(1) / (view[STRETCH] * view[PITCH])))
        for column in range(max(first, 0), min(first + taps, columns)):
            weight = joseph((f4(column) - at) * view[PITCH], view[STRETCH]) * view[SCALE]
            total += weight * sino[v, column, slice_]
    volume[y, x, slice_] = total


project = Twin(_project_cpu, _project_gpu)
"""(table, split, shape, chunk, volume, sino): line integrals of a block of slices.

table (views, 9) · shape (ny, nx, pitch, views, columns, ray_pitch): extents, and the padded lengths
of lines and views in memory · chunk: see `views_per_chunk` · volume [1/length] · sino [1], written.
On the CPU volume (ny·pitch,) and sino (views·ray_pitch,) are flat arrays of lanes; on CUDA
(ny, pitch, S) and (views, ray_pitch, S) arrays of numbers."""

backproject = Twin(_backproject_cpu, _backproject_gpu)
"""(table, split, shape, taps, lines, sino, volume): the transpose of `project`.

taps: most rays that cross a voxel in one view · lines (begin, end) in y, begin a multiple of TILE ·
volume, of which these lines are written."""
