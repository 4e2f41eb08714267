"""One slab of a scan: the problem that a job poses, and the volume that solves it."""

from __future__ import annotations

import math
from typing import Any

from physrecon import arrays
from physrecon.analytic.fbp import fbp
from physrecon.catalog import LIKELIHOODS, find
from physrecon.errors import DataError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.jobs.scan_job import ScanJob
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.pieces import split_rows
from physrecon.pipeline.problem import make_problem, solved
from physrecon.pipeline.scan.measure import Array, SlabData
from physrecon.pipeline.work import PieceWork
from physrecon.problem import Problem
from physrecon.solvers import Stop

FBP_ROWS = 64  # slices between two steps of the progress bar


def reconstruct(
    job: ScanJob, data: SlabData, scan: ParallelBeam, grid: Grid, rows: int, work: PieceWork
) -> tuple[Array, str]:
    """The volume (nz, ny, nx) of nz detector rows, and why the solver stopped.

    rows: number of rows of the whole job.  Raises DataError if the volume is not finite."""
    data = data.to(job.device)
    if job.method == "fbp":
        volume, reason = _fbp_in_parts(job, data.line_integrals, scan, grid, work), ""
    else:
        problem = slab_problem(job, Projector(scan, grid), data)
        result = solved(job, problem, _stop(job, grid, rows), work)
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


def _fbp_in_parts(job: ScanJob, y: Array, scan: ParallelBeam, grid: Grid, work: PieceWork) -> Array:
    """FBP in parts, to report progress within a large slab; the volume is the same, bit for bit."""
    count = grid.shape[0]
    volume: Array = arrays.like(y, grid.shape)
    for part in split_rows(count, FBP_ROWS):
        settings: dict[str, Any] = {"filter": job.filter, "padding": job.padding}
        fbp(y[:, part], scan.part(part), grid.part(part), **settings, out=volume[part])
        work.progress(part.stop / count, "")
    return volume


def _stop(job: ScanJob, grid: Grid, rows: int) -> Stop:
    """The stopping rule of a slab: that of the whole job, whatever the slab."""
    norm = job.stop.discrepancy
    norms: Any = norm
    if isinstance(norm, float):
        norms = [norm / math.sqrt(rows)] * grid.shape[0]
        if job.prior is not None and not job.prior.slicewise:
            norms = norm
    stop = job.stop
    return Stop(int(stop.iterations or 0), stop.rtol, norms, gain=stop.gain)
