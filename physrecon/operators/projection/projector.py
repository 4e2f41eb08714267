"""Line integrals of a volume along the rays of a scan.

The operator cuts a stack into blocks of slices, lays each block out with the slices innermost, and
hands it to the kernels with the table of the views.  Slices never mix."""

from __future__ import annotations

from typing import Any

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.view_tables import view_table
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.parallel_beam import SlicewiseKernels, check_rows


class Projector(LinearOperator):
    """y = A x: x (nz, ny, nx) [1/length] → y (views, rows, columns) [1], rows = nz.

    Joseph's method (P. M. Joseph, IEEE Trans. Med. Imaging 1, 192, 1982) with its exact transpose.
    scan: a ParallelBeam.  grid: a Grid; None is scan.default_grid().  `A[views]` sees some of the
    views.  Raises ArgumentError when the grid has not one slice per detector row.

    Holds, between calls, one copy of at most 64 slices of volume and projections, which it shares
    with what `A[views]` gives."""

    nonnegative = True
    slices = (0, 1)

    def __init__(self, scan: ParallelBeam, grid: Grid | None = None) -> None:
        if not isinstance(scan, ParallelBeam):
            raise ArgumentError(
                f"Projector: expected a ParallelBeam, got {type(scan).__name__}; "
                "make one from angles and detector_shape"
            )
        grid = scan.default_grid() if grid is None else grid
        check_rows("Projector", scan, grid)
        self.scan, self.grid = scan, grid
        self.in_shape, self.out_shape = grid.shape, scan.shape
        self._kernels = SlicewiseKernels(view_table(scan, grid), grid, scan.shape[2])

    @property
    def independent_columns(self) -> int:
        """m: no voxel lies on two rays of one view that are m columns apart, or more.

        `taps`, the most rays that cross one voxel, is the width of a voxel's shadow in columns."""
        return self._kernels.table.taps

    def _forward(self, x: Any, out: Any) -> None:
        self._kernels.project(x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        self._kernels.backproject(y, out)

    def one_slice(self) -> Projector:
        return Projector(self.scan.with_rows(1), self.grid.with_slices(1))

    def __getitem__(self, views: Any) -> Projector:
        some = Projector(self.scan[views], self.grid)
        some._kernels.share_memory(self._kernels)
        return some
