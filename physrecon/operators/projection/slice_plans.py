"""What the views of a slice have in common on all its lines, as the kernels of registers read it.

A register whose first ray stands on a voxel, or whose first voxel stands on a ray, has its lanes at
places that depend on the view only: its *rungs*.  Elsewhere all of them lie further by one rest,
and each lane has the neighbour that its rung says, or the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.kernels._resample import BITS, ONE, window_starts
from physrecon.kernels.parallel_slices import LABEL

Plan = tuple[NDArray[np.int64], NDArray[np.int32]]


def forward_plan(steps: NDArray[Any], origins: NDArray[Any], columns: int, lanes: int) -> Plan:
    """(plan (views, 6), rungs) of views on turned lines, for `project`.

    plan: STEP from ray to ray · PLAIN, whether lane l passes voxel l or l + 1 · FIRST and LAST, the
    starts of the windows · START, place of ray 0 on line 0 · LEAN, how much further it crosses the
    next line.  rungs, flat (views, 3, lanes) int32, of a register whose first ray stands on a
    voxel: the rest of the place of every ray · the threshold below which a rest falls that has
    reached the next voxel · the voxel on its left, counted from the start of its window."""
    along, across, step = steps.astype(np.int64).T
    turned, lane = along < 0, np.arange(lanes)
    start = np.where(turned, origins - (columns - 1) * step, -origins)
    plain = (step >= ONE) & ((lanes - 1) * (step - ONE) <= ONE)
    place = lane * step[:, None]
    voxel = np.where(plain[:, None], lane, place >> BITS)
    starts = _starts(voxel)
    index = voxel - starts[:, 2 * lane // lanes]
    rungs = np.stack([place & (ONE - 1), place - (voxel << BITS), index], 1)
    plan = np.column_stack([step, plain, starts, start, np.where(turned, across, -across)])
    return plan, rungs.astype(np.int32).reshape(-1)


def back_plan(steps: NDArray[Any], origins: NDArray[Any], lanes: int, taps: int) -> Plan:
    """(plan (views, 11), rungs) of views on turned lines, for `backproject`.

    plan: STEP from ray to ray · PLAIN, whether lane l has ray l first, or the next one · FIRST and
    LAST, the starts of the windows · START, place of voxel 0 on line 0 · TURN, from a ray to the
    next one in memory · HOP, HOP_REST, rays from a register of voxels to the next one, and rest,
    labelled · RISE, RISE_REST, the same from line to line, without a label · ACROSS, from line to
    line.  rungs, flat (views, lanes) int32, of a register whose first voxel stands on a ray:
    distance of every voxel from its first ray, labelled with that ray (`parallel_slices.LABEL`).
    taps: most rays of a voxel; with two or less all lanes share a window."""
    along, across, step = steps.astype(np.int64).T
    turn, lane = np.where(along < 0, -1, 1), np.arange(lanes)
    plain = (lanes - 1) * (step - np.abs(along)) <= step
    plain &= taps <= 2
    place = lane * along[:, None]
    evenly = turn[:, None] * lane - (turn[:, None] > 0)
    first = np.where(plain[:, None], evenly, place // step[:, None])
    ray = first * turn[:, None]
    if taps > 2:  # from one ray before the first to two behind it, which may be the next one
        starts = _starts(ray - np.where(turn > 0, 1, 3)[:, None])
    else:
        starts = (ray - (turn[:, None] < 0)).min(1, keepdims=True).repeat(2, 1)
    label = ray - starts[:, 2 * lane // lanes]
    starts[plain] = ray[plain, :1]
    rungs = (place - first * step[:, None] << LABEL) + np.where(plain[:, None], 1, label)
    (hop, rest), rise = np.divmod(lanes * along, step), np.divmod(across, step)
    plan = [step, plain, starts, origins, turn, turn * hop, rest << LABEL, *rise, across]
    return np.column_stack(plan), rungs.astype(np.int32).reshape(-1)


def _starts(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts of the windows of all views, (views, 2)."""
    return np.array([window_starts(row) for row in index], np.int64).reshape(-1, 2)
