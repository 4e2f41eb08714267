"""A scan as what most programs take: the middle of a flat detector and its unit vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.exchange.circle import circle_of
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.vector_beam import VectorBeam

Vectors = NDArray[np.float64]
SQUARE = 1e-9  # cosine of the angle between rows and columns


class Views(NamedTuple):
    """(views, 3) each, in (x, y, z): source, or direction of parallel rays; middle of the detector;
    unit vectors from column to column and from row to row.  pixel_size: (row, column)."""

    source: Vectors
    middle: Vectors
    u: Vectors
    v: Vectors
    pixel_size: tuple[float, float]
    shape: tuple[int, int]
    parallel: bool


def views_of(where: str, scan: Any) -> Views:
    """The views of a scan.

    Raises ArgumentError for a curved detector, pixels that are not square-cornered or not of one
    size, and a stack of fans."""
    beam = VectorBeam.of(scan)
    rays, (rows, columns) = beam.rays(), beam.detector_shape
    if rays.bend:
        raise ArgumentError(
            f"{where}.scan: expected a flat detector, got a curved one; resample it"
        )
    sizes = [np.linalg.norm(step, axis=1) for step in (rays.v, rays.u)]
    u, v = rays.u / sizes[1][:, None], rays.v / sizes[0][:, None]
    same = all(np.allclose(size, size[0], rtol=1e-9, atol=0) for size in sizes)
    if not same or np.abs(np.einsum("vi,vi->v", u, v)).max(initial=0) > SQUARE:
        raise ArgumentError(
            f"{where}.scan: expected rectangular pixels of one size, got others in some views"
        )
    middle = rays.points([(rows - 1) / 2], [(columns - 1) / 2])[:, 0, 0]
    return Views(
        rays.source[:, ::-1],
        middle[:, ::-1],
        u[:, ::-1],
        v[:, ::-1],
        (float(sizes[0][0]), float(sizes[1][0])),
        (rows, columns),
        rays.parallel,
    )


def beam_of(views: Views) -> VectorBeam | ConeBeam | ParallelBeam:
    """The scan of these views: a circle where they lie on one, upright and about z."""
    source, middle, u, v = (np.asarray(a)[:, ::-1] for a in views[:4])
    start: Any = {"direction" if views.parallel else "source": source}
    beam = VectorBeam(
        **start, detector_center=middle, u=u * views.pixel_size[1], v=v * views.pixel_size[0],
        detector_shape=views.shape,
    )  # fmt: skip
    return circle_of(beam)
