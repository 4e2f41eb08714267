"""From a job to a volume: the only place where files, physics and solvers meet.

    scan → rows of a slab → line integrals → volume slab → file,   slab after slab

Slices do not know in which slab they travelled: the volume is the same, bit for bit, however the
work is cut."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.analytic.fbp import fbp
from physrecon.catalog import DIRECT, SOLVERS
from physrecon.errors import ArgumentError, DataError, Interrupted
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io import Scan, VolumeWriter, open_scan
from physrecon.jobs.scan_job import Job
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.messages import Progress, Report, Silent, heard
from physrecon.pipeline.pieces import slabs
from physrecon.pipeline.plan import Plan, make_plan
from physrecon.pipeline.preflight import check_method, check_output, require_machine
from physrecon.pipeline.problem import make_solver
from physrecon.pipeline.scan.checks import doubts
from physrecon.pipeline.scan.measure import Array, length, measure
from physrecon.pipeline.scan.problem import Measured, make_problem
from physrecon.pipeline.scan.resolve import resolved, with_iterations
from physrecon.preprocess.line_integrals import Repairs
from physrecon.solvers import Stop, solve
from physrecon.solvers.state import State

FBP_ROWS = 64  # slices between two steps of the progress bar
# Endings of files that we do not write.
OTHER_FORMATS = (
    *("tif", "tiff", "png", "jpg", "jpeg", "raw", "npy", "npz", "nc", "mrc", "zarr", "nii", "nrrd"),
    *("vtk", "toml", "txt", "csv"),
)


def run(job: Job, report: Report | None = None) -> Path:
    """Reconstruct what the job says and return the path of the volume.

    Finished slabs of an earlier run of the same job on the same input are kept as they are.
    Raises the errors of `physrecon.errors`; Interrupted when stopped with something kept."""
    report = report or Silent()
    with open_input(job, report) as scan, heard(report):
        report.result(scan.summary())
        for note in scan.notes:
            report.note(note)
        plan = make_plan(job, scan)
        _check_output(plan)
        _check_problem(job, scan)
        job = resolved(job, scan, report)
        _write_volume(job, scan, plan, report)
    unit = scan.length_unit or "pixel"
    report.result(
        f"{job.output}: {plan.grid.shape} float32, 1/{unit} — "
        f"open with `physrecon view {shlex.quote(str(job.output))}`"
    )
    return job.output


def plan(job: Job, report: Report | None = None) -> Plan:
    """What the job would take, without computing."""
    with open_input(job, report) as scan:
        planned = make_plan(with_iterations(job), scan)
        _check_problem(job, scan)
        return planned


def open_input(job: Job, report: Report | None = None) -> Scan:
    """The scan of a job, once the machine has what the job asks for; doubts about it are told."""
    require_machine(job)
    scan = open_scan(job.input, job.angle_unit, job.line_integrals, job.allow_root)
    try:
        scan.require_flats()
        for sentence in doubts(job, scan):
            (report or Silent()).warn(sentence)
    except BaseException:
        scan.close()
        raise
    return scan


def reconstruct(
    job: Job,
    measured: Measured,
    scan: ParallelBeam,
    grid: Grid,
    rows: int,
    callback: Callable[[float, str], Any] = lambda done, text: None,
) -> tuple[Array, str]:
    """A volume (nz, ny, nx) from what nz detector rows measured, and why the solver stopped.

    rows: how many the whole job has.  callback(done, text): called with the fraction that is done.
    Raises DataError where the volume is not finite."""
    measured = measured.to(job.device)
    if job.method == "fbp":
        volume, reason = _fbp_in_parts(job, measured.y, scan, grid, callback), ""
    else:
        stop = _stop(job, grid, rows)

        def follow(state: State) -> None:
            callback(state.iteration / max(stop.iterations, 1), f"iteration {state.iteration}")

        problem = make_problem(job, Projector(scan, grid), measured, grid)
        result = solve(problem, make_solver(job), stop=stop, callback=follow)
        volume, reason = result.x, result.reason
    if not arrays.all_finite(volume):
        raise DataError(
            f"{job.method}: expected a finite volume, got NaN or infinity {reason}; "
            "check the counts, or choose another method"
        )
    return arrays.to_host(volume), reason


def _fbp_in_parts(
    job: Job, y: Array, scan: ParallelBeam, grid: Grid, callback: Callable[[float, str], Any]
) -> Array:
    """The same volume, bit for bit, with something to tell while a large slab is under way."""
    count = grid.shape[0]
    volume: Array = arrays.like(y, grid.shape)
    for part in slabs(count, FBP_ROWS):
        fbp(
            y[:, part],
            scan.part(part),
            grid.part(part),
            filter=job.filter,
            padding=job.padding,
            out=volume[part],
        )
        callback(part.stop / count, "")
    return volume


def _stop(job: Job, grid: Grid, rows: int) -> Stop:
    """The stopping rule of a slab: as of the whole job, so that it does not know the slab."""
    norm = job.stop.discrepancy
    norms: Any = norm
    if isinstance(norm, float):
        norms = [norm / math.sqrt(rows)] * grid.shape[0]
        if job.prior is not None and not job.prior.slicewise:
            norms = norm
    return Stop(iterations=int(job.stop.iterations or 0), rtol=job.stop.rtol, discrepancy=norms)


def _write_volume(job: Job, scan: Scan, plan: Plan, report: Report) -> None:
    """All slabs that are not on the disk yet, then the volume over them."""
    count = plan.grid.shape[0]
    with VolumeWriter(
        job.output,
        plan.grid,
        np.float32,
        plan.slabs,
        scan.length_unit,
        _configuration(job, scan),
        job.overwrite,
    ) as writer:
        todo = [i for i in range(len(plan.slabs)) if not writer.done(i)]
        done = count - sum(length(plan.slabs[i]) for i in todo)
        if done:
            report.note(f"{done} of {count} slices are finished already")
        mended = Repairs()
        try:
            with report.progress("recon", count, "slices", done) as progress:
                for i in todo:
                    mended += _write_slab(job, scan, plan, i, writer, progress)
            writer.finish()
        except KeyboardInterrupt:
            raise _stopped(job, plan, writer) from None
    for sentence in replace(mended, no_darks=False).sentences():  # the scan has said so
        report.note(sentence)


def _write_slab(
    job: Job, scan: Scan, plan: Plan, i: int, writer: VolumeWriter, progress: Progress
) -> Repairs:
    """Read, reconstruct and write one slab; returns what had to be mended."""
    slab, first = plan.slabs[i], plan.rows.start
    rows = length(slab)

    def follow(done: float, text: str) -> None:
        progress.partial(rows * done, text)

    measured, repairs = measure(job, scan, slice(first + slab.start, first + slab.stop))
    geometry = plan.geometry.part(slab).with_center(float(job.center))
    volume, reason = reconstruct(
        job, measured, geometry, plan.grid.part(slab), plan.grid.shape[0], follow
    )
    del measured  # the writer needs the room
    writer.write(i, volume)
    progress.advance(rows, reason)
    return repairs


def _stopped(job: Job, plan: Plan, writer: VolumeWriter) -> Interrupted:
    if len(plan.slabs) == 1:
        return Interrupted(
            f"{job.output}: stopped before its only slab was finished, nothing is kept; a smaller "
            "--slab-rows or --memory keeps more of the work when stopped"
        )
    kept = sum(writer.done(i) for i in range(len(plan.slabs)))
    return Interrupted(
        f"{job.output}: stopped, {kept} of {len(plan.slabs)} slabs are kept; "
        "run the same command again to go on"
    )


def _configuration(job: Job, scan: Scan) -> dict[str, str]:
    """What made the volume; nothing that may change from run to run of the same job."""
    import h5py
    import numba

    from physrecon import __version__

    return {
        "job": job.identity().to_toml(),
        "method": job.method,
        "input_fingerprint": scan.fingerprint(),
        "physrecon": __version__,
        "versions": f"numpy {np.__version__}, numba {numba.__version__}, h5py {h5py.__version__}",
    }


def _check_output(plan: Plan) -> None:
    """Refuse what can be refused before hours of work: the writer looks again, and closer."""
    job = plan.job
    if job.output.suffix.lower().removeprefix(".") in OTHER_FORMATS and not job.output.is_dir():
        raise ArgumentError(
            f"{job.output}: expected a name for an HDF5 file, got {job.output.suffix}; "
            f"choose {job.output.with_suffix('.h5').name}"
        )
    check_output(job, plan.outputs, "volume.h5")


def _check_problem(job: Job, scan: Scan) -> None:
    """Refuse a method that cannot solve the problem, or a prior that does not fit the slices.

    On two views of one row: the axis and the weight may take long to be found."""
    if job.method in DIRECT:
        return
    some = scan.geometry.part(slice(0, 1))
    some = replace(some, angles=np.asarray(some.angles)[:2])
    grid = some.default_grid()
    y = np.ones(some.shape, np.float32)
    known = job if job.outlier != "auto" else job.model_copy(update={"outlier": 1.0})
    problem = make_problem(known, Projector(some, grid), Measured(y, y, y), grid)
    check_method(job, problem, SOLVERS)
