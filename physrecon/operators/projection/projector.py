"""Line integrals of a volume along the rays of a scan.

The operator checks vectors and hands them to the engine of the scan's geometry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from physrecon.arrays import vectors
from physrecon.errors import ArgumentError, brief, require
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.scan_geometry import ScanGeometry
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.geometry.vector_beam import VectorBeam
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.parallel_beam import ParallelEngine
from physrecon.operators.projection.vector_beam import FanEngine, VectorEngine


class Engine(Protocol):
    """The kernels of one scan and one grid.

    nonnegative: no weight is below 0.  slices: the axes of volume and projections along which
    slices are independent, or None."""

    nonnegative: bool
    slices: tuple[int, int] | None

    @property
    def independent_columns(self) -> int:
        """m: two rays of one view that are m or more columns apart share no voxel."""

    def project(self, x: Any, out: Any) -> None:
        """out (views, rows, columns) ← A x, x (nz, ny, nx)."""

    def backproject(self, y: Any, out: Any) -> None:
        """out (nz, ny, nx) ← Aᵀ y, y (views, rows, columns)."""

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held besides x and y, for elements of `itemsize` bytes."""

    def share_memory(self, other: Any) -> None:
        """Share the memory of an engine of the same detector and grid; views may differ."""


ENGINES: dict[type, Callable[[Any, Grid], Engine]] = {
    ParallelBeam: ParallelEngine,
    FanBeam: FanEngine,
    ConeBeam: VectorEngine,
    HelicalCone: VectorEngine,
    TiltedBeam: VectorEngine,
    VectorBeam: VectorEngine,
}


class Projector(LinearOperator):
    """Line integrals y = A x of a volume along the rays of a scan, with the exact transpose.

    x (nz, ny, nx) [1/length] → y (views, rows, columns) [1].  `A[views]` projects to these views.
    Holds, between calls, a copy of at most 64 slices of volume and projections, and of one slice
    with its transpose where 8 or fewer are left, shared with `A[views]`.

    Args:
        scan: a ParallelBeam, FanBeam, ConeBeam, HelicalCone, TiltedBeam or VectorBeam.
        grid: voxels of the volume; by default scan.default_grid(), one voxel a pixel.
    Raises:
        ArgumentError: for a detector seen edge on, and unless the grid has one slice at the height
            of each row of a parallel or fan beam.
    Source:
        P. M. Joseph, IEEE Trans. Med. Imaging 1 (1982) 192.

    Example:
        >>> scan = pr.ParallelBeam([0, 90], (1, 5), pixel_size=0.1, angle_unit="deg")
        >>> A = pr.Projector(scan)
        >>> y = A @ np.full((1, 5, 5), 2, np.float32)  # 2 per length, over 5 voxels of 0.1
        >>> y.shape, y[0, 0].round(3).tolist()
        ((2, 1, 5), [1.0, 1.0, 1.0, 1.0, 1.0])
        >>> pr.check_adjoint(A) < 1e-6
        True
    """

    def __init__(self, scan: ScanGeometry, grid: Grid | None = None) -> None:
        make = ENGINES.get(type(scan))
        if make is None:
            raise ArgumentError(
                f"Projector: expected a {' or '.join(kind.__name__ for kind in ENGINES)}, "
                f"got {brief(scan)}; make one from angles and detector_shape"
            )
        if grid is not None:
            require("Projector.grid", grid, Grid, "scan.default_grid()")
        self.scan, self.grid = scan, scan.default_grid() if grid is None else grid
        self.in_shape, self.out_shape = self.grid.shape, scan.shape
        self._engine = make(scan, self.grid)
        self.nonnegative, self.slices = self._engine.nonnegative, self._engine.slices

    @property
    def independent_columns(self) -> int:
        """m: two rays of one view that are m or more columns apart share no voxel."""
        return self._engine.independent_columns

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held between calls besides x and y, for elements of `itemsize` bytes."""
        return self._engine.work_bytes(itemsize)

    def _forward(self, x: Any, out: Any) -> None:
        self._engine.project(x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        self._engine.backproject(y, out)

    def wrt(self, name: str, x: Any) -> LinearOperator:
        """The derivative of A x with respect to a number of the scan's geometry, at a volume x.

        name: a field of the scan: "center", "angles", "shifts", "tilt", "source_origin" …
        The operator takes changes of it in its own unit: (1,), or (views,) and (views, 3) of what
        every view may have of its own.  Exact; where a ray meets centres of voxels Joseph's sum has
        a kink, and this is the mean of both sides.  Raises ArgumentError for a field that moves no
        ray.

        Example:
            >>> scan = pr.ParallelBeam([0, 45, 90], (1, 9), angle_unit="deg")
            >>> x = np.zeros((1, 9, 9)); x[0, 2:7, 3:6] = 1
            >>> J = pr.Projector(scan).wrt("center", x)
            >>> J.in_shape, (J @ np.ones(1))[0, 0].round(3).tolist()  # of the shadow
            ((1,), [0.0, 0.0, -2.5, -2.5, 0.0, 2.5, 2.5, 0.0, 0.0])
        """
        from physrecon.operators.projection.ray_derivatives import ray_derivatives

        near = vectors.checked("Projector.wrt.x", x, self.in_shape)
        vectors.check_finite("Projector.wrt.x", near)
        return ray_derivatives(self.scan, self.grid, (name,), near)[1][0]

    def one_slice(self) -> Projector | None:
        if not self.scan.separable:
            return None
        return Projector(self.scan.part(slice(0, 1)), self.grid.part(slice(0, 1)))

    def __getitem__(self, views: Any) -> Projector:
        some = Projector(self.scan[views], self.grid)
        some._engine.share_memory(self._engine)
        return some
