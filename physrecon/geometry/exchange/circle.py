"""A scan of vectors as the circle that it is: upright views about the z axis have their own value.

Other programs write circles as vectors too, and filtered backprojection takes circles only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.vector_beam import VectorBeam

SAME = 1e-7  # of the largest length; views that differ by more are not on one circle


def circle_of(beam: VectorBeam) -> VectorBeam | ConeBeam | ParallelBeam:
    """The same rays as `ConeBeam` or `ParallelBeam`, where source and detector turn about z.

    Otherwise, and for a detector that is turned, bent or moved along z with its source, `beam`."""
    rays = beam.rays()
    if not len(beam) or rays.bend:
        return beam
    _, y, x = rays.u.T  # the columns of a view at angle θ run along (cos θ, sin θ)
    angles = np.arctan2(y, x)
    start, middle, u, v = (_seen(a, angles) for a in (rays.source, rays.centre, rays.u, rays.v))
    size = max(float(np.abs(a).max()) for a in (start, middle, u, v))
    if rays.parallel:
        middle = middle * [1, 0, 1]
    alike = max(float(np.abs(a - a[0]).max()) for a in (start, middle, u, v))
    up, (height, along, column), step, row = (a[0] for a in (start, middle, u, v))
    turned = max(*np.abs(up[::2]), *np.abs(step[:2]), *np.abs(row[1:]))
    before = rays.parallel or -up[1] > 0  # parallel rays are the same lines either way
    if max(alike, turned) > SAME * size or not (before and row[0] > 0):
        return beam
    shape, pixel = beam.detector_shape, (float(row[0]), float(step[2]))
    center = rays.column - float(column) / pixel[1]
    offset = (shape[0] - 1) / 2 - rays.row + float(height) / pixel[0]
    unrolled = np.unwrap(angles)
    if rays.parallel:
        return ParallelBeam(
            unrolled, shape, angle_unit="rad", pixel_size=pixel, center=center, row_offset=offset
        )
    near = -float(up[1])
    return ConeBeam(
        unrolled, shape, angle_unit="rad", pixel_size=pixel, center=center, row_offset=offset,
        source_origin=near, source_detector=near + float(along),
    )  # fmt: skip


def _seen(vectors: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(views, 3) in the frame (z, b, u) of each view, of vectors (z, y, x)."""
    z, y, x = vectors.T
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([z, cos * y - sin * x, sin * y + cos * x], axis=1)
