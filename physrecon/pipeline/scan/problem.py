"""One slab of a scan: the problem that a job poses, and the volume that solves it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from physrecon import arrays
from physrecon.catalog import DIRECT, LIKELIHOODS, find
from physrecon.errors import DataError
from physrecon.geometry.grid import Grid
from physrecon.io.scans.setup import TurningGeometry
from physrecon.jobs.scan_job import ScanJob
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.problem import make_problem, solved
from physrecon.pipeline.scan.direct import direct
from physrecon.pipeline.scan.measure import Array, SlabData
from physrecon.pipeline.work import PieceWork
from physrecon.problem import Problem
from physrecon.solvers import Stop


class Slab(NamedTuple):
    """Slices of a volume, and the detector rows that they are reconstructed from.

    scan, grid: of all chosen rows, and of all slices that they see.  part: the slices.  rows: the
    rows, counted in those of `scan`."""

    scan: TurningGeometry
    grid: Grid
    part: slice
    rows: slice

    def projector(self) -> Projector:
        """The line integrals of the slices alone along the rays of the rows."""
        return Projector(self.scan.part(self.rows), self.grid.part(self.part))


def reconstruct(
    job: ScanJob, data: SlabData, slab: Slab, slices: int, work: PieceWork
) -> tuple[Array, str]:
    """The slices of a slab (nz, ny, nx) from the data of its rows, and why the solver stopped.

    slices: number of slices of the whole job.  Raises DataError if the volume is not finite."""
    data = data.to(job.device)
    if job.method in DIRECT:
        y, reason = data.line_integrals, ""
        volume = direct(job, y, slab.rows.start, slab.scan, slab.grid, slab.part, work)
    else:
        A = slab.projector()
        result = solved(job, slab_problem(job, A, data), _stop(job, A.grid, slices), work)
        volume, reason = result.x, result.reason
    if not arrays.all_finite(volume):
        raise DataError(
            f"{job.method}: expected a finite volume, got NaN or infinity {reason}; "
            "check the counts, or choose another method"
        )
    return arrays.to_host(volume), reason


def make_likelihood(job: ScanJob, A: LinearOperator, data: SlabData) -> Any:
    """The likelihood f of the job, whose settings are numbers already."""
    kind = find(LIKELIHOODS, job.likelihood)
    settings = {name: float(getattr(job, name)) for name in kind.settings}
    return kind.for_slab(A, data.y, blank=data.blank, dark=data.dark, **settings)


def slab_problem(job: ScanJob, A: Projector, data: SlabData) -> Problem:
    """The problem that the job poses.  Raises ArgumentError for settings that do not fit."""
    axes = (1, 2) if job.prior is None or job.prior.slicewise else (0, 1, 2)
    return make_problem(job, make_likelihood(job, A, data), A.grid.pitch, axes)


def _stop(job: ScanJob, grid: Grid, slices: int) -> Stop:
    """The stopping rule of a slab: that of the whole job, whatever the slab."""
    norm = job.stop.discrepancy
    norms: Any = norm
    if isinstance(norm, float):
        norms = [norm / math.sqrt(slices)] * grid.shape[0]
        if job.prior is not None and not job.prior.slicewise:
            norms = norm
    stop = job.stop
    return Stop(int(stop.iterations or 0), stop.rtol, norms, gain=stop.gain)
