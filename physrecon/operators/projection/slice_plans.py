"""What the views of a slice have in common on all its lines, as the kernels of registers read it.

A register whose first ray stands on a voxel, or whose first voxel stands on a ray, has its lanes at
places that depend on the view only: its *rungs*.  Elsewhere all of them lie further by one rest.

Lanes drift apart from what they are summed from by the difference of the two pitches.  Where that
is little, all lie within a few elements of their windows, its *taps*, and take all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.kernels._resample import BITS, ONE, window_starts
from physrecon.kernels.parallel_slices_back import LABEL

Plan = tuple[NDArray[np.int64], NDArray[np.int32]]

MOST = 5  # taps forward: more take longer than picking two
# Back, the places of up to four rays stay within what float32 holds of whole numbers if the rays
# are as near as this, in units.
DENSE = 4 / 3


def forward_plan(steps: NDArray[Any], origins: NDArray[Any], columns: int, lanes: int) -> Plan:
    """(plan (views, 6), rungs) of views on turned lines, for `project`.

    plan: STEP from ray to ray · TAPS, 0 where lanes pick their voxels · FIRST and LAST, the starts
    of the windows · START, place of ray 0 on line 0 · LEAN, how much further it crosses the next
    line.  rungs, flat (views, 3, lanes) int32, of a register whose first ray stands on a voxel.
    With taps: the place of every ray after voxel 1 of its window, voxel 2 of five.  Else: the rest
    of the place of every ray · the threshold below which a rest falls that has reached the next
    voxel · the voxel on its left, counted from the start of its window."""
    along, across, step = steps.astype(np.int64).T
    turned, lane = along < 0, np.arange(lanes)
    start = np.where(turned, origins - (columns - 1) * step, -origins)
    place = lane * step[:, None]
    voxel = place >> BITS
    starts = _starts(voxel)
    index = voxel - starts[:, 2 * lane // lanes]
    rungs = np.stack([place & (ONE - 1), place - (voxel << BITS), index], 1)
    drift = -(-(lanes - 1) * np.abs(step - ONE) // ONE)  # in voxels, rounded up
    taps = np.maximum(drift, 1) + 2
    taps[taps > MOST] = 0
    back = np.where(step < ONE, drift, 0)
    starts[taps > 0] = -back[taps > 0, None]
    hats = place + ((back - np.where(taps == MOST, 2, 1))[:, None] - lane) * ONE
    rungs[:, 0] = np.where(taps[:, None] > 0, hats, rungs[:, 0])
    plan = np.column_stack([step, taps, starts, start, np.where(turned, across, -across)])
    return plan, rungs.astype(np.int32).reshape(-1)


def back_plan(steps: NDArray[Any], origins: NDArray[Any], lanes: int, taps: int) -> Plan:
    """(plan (views, 13), rungs) of views on turned lines, for `backproject`.

    plan: STEP from ray to ray · TAPS, 0 where lanes pick their rays · FIRST and LAST, the starts of
    the windows · START, place of voxel 0 on line 0 · TURN, from a ray to the next one in memory ·
    HOP, HOP_REST, rays from a register of voxels to the next one, and rest · RISE, RISE_REST, the
    same from line to line · ACROSS, from line to line · EDGE, a unit less STEP · PERIOD, STEP.
    Where lanes pick, HOP_REST and PERIOD are labelled (`parallel_slices_back.LABEL`).  rungs, flat
    (views, 2, lanes) int32, of a register whose first voxel stands on a ray.  With taps: place of
    every voxel after the second and after the third ray of its window, and half a step more.  Else:
    distance from its first ray, labelled with that ray.
    taps: most rays of a voxel; with two or less all lanes share a window."""
    along, across, step = steps.astype(np.int64).T
    turn, lane = np.where(along < 0, -1, 1), np.arange(lanes)
    place = lane * along[:, None]
    first = place // step[:, None]
    ray = first * turn[:, None]
    if taps > 2:  # from one ray before the first to two behind it, which may be the next one
        starts = _starts(ray - np.where(turn > 0, 1, 3)[:, None])
    else:
        starts = (ray - (turn[:, None] < 0)).min(1, keepdims=True).repeat(2, 1)
    label = ray - starts[:, 2 * lane // lanes]
    picked = (place - first * step[:, None] << LABEL) + label
    drift = np.maximum(-(-(lanes - 1) * (step - np.abs(along)) // step), 1)  # in rays, rounded up
    hats = np.where((taps <= 2) & (drift <= 2) & (step <= DENSE * ONE), drift + 2, 0)
    back = np.where(turn > 0, drift, 0)
    starts[hats > 0] = -back[hats > 0, None]
    after = place - (turn[:, None] * lane - back[:, None] + 1) * step[:, None]
    after += (step >> 1)[:, None]
    rungs = np.where(hats[:, None] > 0, after, picked)
    rungs = np.stack([rungs, after - step[:, None]], 1)
    (hop, rest), rise = np.divmod(lanes * along, step), np.divmod(across, step)
    rest = np.where(hats > 0, rest, rest << LABEL)
    period = np.where(hats > 0, step, step << LABEL)
    plan = [step, hats, starts, origins, turn, turn * hop, rest, *rise, across, ONE - step, period]
    return np.column_stack(plan), rungs.astype(np.int32).reshape(-1)


def _starts(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts of the windows of all views, (views, 2)."""
    return np.array([window_starts(row) for row in index], np.int64).reshape(-1, 2)
