"""What the detector sees of the object: edges that cut it off, and how far it may reach.

A view that ends in the object is truncated.  Filtered backprojection takes what is missing for air
and lifts all values; iterative methods squeeze it into the voxels of their grid.  Both need to know
it, whether the axis is known or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

EDGE = 0.1  # of the fullest columns; an edge of the detector with more is in the object
SECTORS = 12  # of the views, for the outline of the object
MOST_REACH = 2.0  # of what the detector sees; the data say little of what is further out
USUAL_REACH = 1.5  # of what the detector sees, for an object without an outline


def edges(sinogram: Array) -> tuple[Array, Array]:
    """Mean of each view (views,) over the outermost columns, left and right."""
    some = max(1, sinogram.shape[1] // 50)
    return sinogram[:, :some].mean(axis=1), sinogram[:, -some:].mean(axis=1)


def cut_off_edges(sinogram: Array) -> tuple[bool, bool]:
    """Whether the left and the right edge of the detector cut the object off.

    sinogram: line integrals (views, columns).  An edge does if it exceeds EDGE of the fullest
    columns in a twentieth of the views, by more than noise."""
    full, some = np.percentile(sinogram, 99), max(1, sinogram.shape[1] // 50)
    left, right = (
        # the median difference of neighbours tells the noise of a value
        np.percentile(edge, 95) - 2.1 * np.median(np.abs(pair[:, 0] - pair[:, 1])) / np.sqrt(some)
        for edge, pair in zip(edges(sinogram), (sinogram[:, :2], sinogram[:, -2:]), strict=True)
    )
    return bool(left > EDGE * full), bool(right > EDGE * full)


def object_reach(sinogram: Array, radians: Array, center: float) -> float:
    """Distance [columns] from the axis up to which a truncated object is likely to reach.

    sinogram: line integrals (views, columns).  The squared line integrals of a homogeneous ellipse
    are a parabola along the detector, and end where it does: a parabola is fitted in each of
    SECTORS of the views.  The result is at least what the detector sees, and at most MOST_REACH
    times that."""
    columns = np.arange(sinogram.shape[1]) - center
    seen = float(np.abs(columns).max())
    u = columns / seen
    order = np.argsort(np.mod(radians, 2 * np.pi), kind="stable")
    squares = np.maximum(sinogram[order], 0) ** 2
    means = [part.mean(axis=0) for part in np.array_split(squares, SECTORS) if len(part)]
    a, b, c = np.linalg.lstsq(np.stack([np.ones_like(u), u, u * u], 1), np.stack(means, 1))[0]
    bend = b * b - 4 * a * c
    ends = (c < 0) & (bend > 0)
    if 2 * ends.sum() < len(means):
        return USUAL_REACH * seen
    a, b, c, bend = a[ends], b[ends], c[ends], bend[ends]
    reach = (np.abs(b) + np.sqrt(bend)) / (-2 * c)
    return seen * float(np.clip(np.percentile(reach, 75), 1, MOST_REACH))
