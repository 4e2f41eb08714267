"""Derivatives of a projection with respect to the numbers of the scan's geometry.

    ∂(A(θ) x)/∂θ = ∂y/∂point · ∂point/∂θ + ∂y/∂direction · ∂direction/∂θ

ray by ray.  The first factors are exact derivatives of Joseph's sum, from one pass over the volume
for all parameters (`kernels.ray_derivatives`); the second are differences of the scan's rays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.arrays.vectors import Vector
from physrecon.geometry.grid import Grid
from physrecon.geometry.ray_motions import VECTORS, difference, motions, parameter_shape
from physrecon.geometry.rays import Rays
from physrecon.geometry.scan_geometry import ScanGeometry
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.vector_beam import fans_of, view_table

RAYS = 1 << 20  # rays of a piece, whose slopes and motions are held at once


class RayDerivative(LinearOperator):
    """∂(A(θ) x)/∂θ of one parameter θ at a volume x: what `Projector.wrt` returns.

    θ (1,), (views,) or (views, 3) → y (views, rows, columns), in the units of the geometry.

    columns: (directions, views, rows, columns) the derivatives; one direction unless θ is a vector.
    Holds them: one or three sets of projections."""

    def __init__(self, shape: tuple[int, ...], columns: Any) -> None:
        self.in_shape, self.out_shape = shape, columns.shape[1:]
        self.columns, self.dtype = columns, columns.dtype
        self._shared = shape == (1,) and columns.shape[1] != 1  # one number for all views

    def _forward(self, x: Vector, out: Vector) -> None:
        out[...] = 0
        for k, column in enumerate(self.columns):
            each = x if self._shared else x.reshape(self.out_shape[0], -1)[:, k]
            out += each[:, None, None] * column

    def _adjoint(self, y: Vector, out: Vector) -> None:
        each = (self.columns * y).sum(axis=(2, 3), dtype=np.float64).T
        out[...] = each.sum(axis=0) if self._shared else each.reshape(out.shape)


def ray_derivatives(
    scan: ScanGeometry, grid: Grid, names: Sequence[str], x: Any
) -> tuple[Any, list[RayDerivative]]:
    """(A x, the derivatives of A x by each of these parameters) in one pass over x.

    x: (nz, ny, nx), checked.  Raises ArgumentError for what is no parameter of the scan."""
    shapes = [parameter_shape(scan, name) for name in names]
    y = arrays.like(x, scan.shape)
    columns = [arrays.like(x, (3 if name in VECTORS else 1, *scan.shape)) for name in names]
    for rows, slices, views in _pieces(scan, grid):
        one = scan[views].part(rows)
        sino, slopes = slopes_of(one, _at_its_rays(one, grid, slices), x[slices])
        y[views, rows] = sino
        for name, column in zip(names, columns, strict=True):
            for k, motion in enumerate(_motions(one, grid, name)):
                near = arrays.to_device(motion.astype(x.dtype), _device(x))
                column[k, views, rows] = (slopes * near).sum(axis=0)
    made = zip(shapes, columns, strict=True)
    return y, [RayDerivative(shape, column) for shape, column in made]


def _pieces(scan: ScanGeometry, grid: Grid) -> Iterator[tuple[slice, slice, slice]]:
    """(rows, slices, views): row r of a separable scan sees slice r."""
    views, rows, columns = scan.shape
    if 0 in (*scan.shape, *grid.shape):
        return
    parts = [slice(0, rows)]
    if scan.separable:
        parts = [slice(r, r + 1) for r in range(rows)]
    each = max(RAYS // (columns * (parts[0].stop - parts[0].start)), 1)
    for part in parts:
        for start in range(0, views, each):
            slices = part if scan.separable else slice(0, grid.shape[0])
            yield part, slices, slice(start, min(start + each, views))


def _at_its_rays(scan: ScanGeometry, grid: Grid, slices: slice) -> Grid:
    """The slices of a piece; that of one row of a separable scan at the height of its rays."""
    if not scan.separable:
        return grid
    height = float(scan.rays().points([0], [0])[0, 0, 0, 0])
    return replace(grid.part(slices), center=(height, *grid.center[1:]))


def slopes_of(scan: ScanGeometry, grid: Grid, x: Any) -> tuple[Any, Any]:
    """(y, (6, views, rows, columns) slopes in 1/voxel) of the rays of a piece."""
    from physrecon.kernels import ray_derivatives

    rays, device = scan.rays(), arrays.is_device(x)
    kind = np.dtype(x.dtype if device else np.float64).type
    tables = (view_table(rays, grid), fans_of(scan.shape[2], rays.column, rays.bend))
    table, fans = (arrays.to_device(t.astype(kind), _device(x)) for t in tables)
    detector = (kind(rays.column), kind(rays.row), kind(rays.bend), rays.parallel)
    pitch = (kind(grid.pitch[0]), kind(grid.pitch[1]), kind(grid.pitch[2]))
    y, slopes = arrays.like(x, scan.shape), arrays.like(x, (6, *scan.shape))
    ray_derivatives.differentiate(table, fans, detector, pitch, x, slopes, y)
    return y, slopes


def _motions(scan: ScanGeometry, grid: Grid, name: str) -> Iterator[NDArray[np.float64]]:
    """(6, views, rows, columns) motion of point and direction of every ray, per direction of θ.

    In voxels."""
    share, pitch = _share(scan.rays(), grid), np.tile(grid.pitch, 2)[:, None, None, None]
    for scans, h in motions(scan, name):
        places = [_near(moved.rays(), share, scan.shape[1:]) for moved in scans]
        yield difference(places, h) / pitch


def _share(rays: Rays, grid: Grid) -> NDArray[np.float64]:
    """(views, 1, 1, 1) how far along its way the table of a view has its detector.

    In units of the way from the source, of parallel rays in lengths beyond the detector."""
    table = view_table(rays, grid)
    if rays.parallel:
        moved = table[:, 0:3] - (rays.centre / grid.pitch + grid.origin)
        way = rays.source / grid.pitch
    else:
        moved, way = table[:, 3:6], rays.axis / grid.pitch
    return np.asarray(((moved * way).sum(1) / (way * way).sum(1))[:, None, None, None])


def _near(rays: Rays, share: NDArray[np.float64], shape: tuple[int, ...]) -> Any:
    """(6, views, rows, columns) point and direction of every ray, as the kernels have them."""
    points = rays.points(np.arange(shape[0]), np.arange(shape[1]))
    if rays.parallel:
        ways = np.broadcast_to(rays.source[:, None, None], points.shape)
        points = points + share * ways
    else:
        source = rays.source[:, None, None]
        ways = share * (points - source)
        points = source + ways
    return np.moveaxis(np.concatenate([points, ways], axis=-1), -1, 0)


def _device(near: Any) -> str:
    return "cuda" if arrays.is_device(near) else "cpu"
