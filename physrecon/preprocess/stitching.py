"""A full turn about an axis near an edge of the detector as a half turn on a wider detector.

Ray t of a view and ray -t of the opposite view see one line.  Their weighted mean, with the weights
of `analytic.view_weights`, is one view that reaches as far on the short side as on the long one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.analytic.view_weights import extension, ray_weights
from physrecon.errors import ArgumentError
from physrecon.geometry.parallel_beam import ParallelBeam

NEAR = 0.25  # of the step between views; a partner must be this near to the half turn


def stitch(line_integrals: NDArray[Any], scan: ParallelBeam) -> tuple[NDArray[Any], ParallelBeam]:
    """Stitch a full turn of evenly spaced views (views, rows, columns) to a half turn of half as
    many.

    Returns the wider projections, linearly interpolated where 2 · center is no whole number, and
    their scan.  ArgumentError unless an even number of views covers a full turn, each with one
    opposite view, and the axis lies on the detector and off its middle.

    >>> scan = pr.ParallelBeam(np.arange(0, 360, 2), (1, 40), angle_unit="deg", center=10)
    >>> y, half = pr.stitch(np.ones(scan.shape, np.float32), scan)
    >>> y.shape, half.center, float(y.min()), float(y.max())
    ((90, 1, 59), 29.0, 1.0, 1.0)
    """
    y, rays = np.asarray(line_integrals), ray_weights(scan)
    columns, center = scan.shape[2], float(scan.center or 0)
    if y.shape != scan.shape:
        raise ArgumentError(f"stitch: expected line integrals {scan.shape}, got {y.shape}")
    if rays is None or not 0 <= center <= columns - 1:
        raise ArgumentError(
            "stitch: expected a full turn about an axis on the detector and off its middle, got "
            f"{len(scan)} views about column {center:g}; use the views as they are"
        )
    first, second = _pairs(scan.radians)
    left, right = extension(scan)
    at = np.arange(-left, columns + right)  # columns of the wider detector
    weight = np.zeros(len(at), y.dtype)
    weight[left : left + columns] = rays[0] / 2 + rays[1]
    opposite = 2 * center - at
    # interpolated, not extrapolated: a line beyond the detector is seen by the other view alone
    inside = (opposite >= 0) & (opposite <= columns - 1)
    low = np.floor(opposite[inside]).astype(int)
    high, part = np.minimum(low + 1, columns - 1), (opposite[inside] - low).astype(y.dtype)
    out = np.zeros((len(first), y.shape[1], len(at)), y.dtype)
    out[..., left : left + columns] = weight[left : left + columns] * y[first]
    mirrored = (1 - part) * y[second][..., low] + part * y[second][..., high]
    out[..., inside] += (1 - weight[inside]) * mirrored
    angles = np.asarray(scan.angles)[first]
    shape = (scan.detector_shape[0], len(at))
    return out, replace(scan, angles=angles, detector_shape=shape, center=center + left)


def _pairs(radians: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the views of the first half turn, and of the opposite ones."""
    views = len(radians)
    order = np.argsort(np.mod(radians - radians[0] + 1e-9, 2 * np.pi), kind="stable")
    half = views // 2
    first, second = order[:half], order[half : 2 * half]
    miss = np.angle(np.exp(1j * (radians[second] - radians[first] - np.pi)))
    if views % 2 or np.abs(miss).max(initial=0) > NEAR * 2 * np.pi / views:
        raise ArgumentError(
            f"stitch: expected views in opposite pairs, got {views} views that miss the half turn "
            f"by up to {np.rad2deg(np.abs(miss).max(initial=0)):.2g}°; fbp takes them as they are"
        )
    return first, second
