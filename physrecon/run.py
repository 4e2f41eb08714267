"""From a job to a volume: the only place where files, physics and solvers meet.

    scan → rows of a slab → line integrals → volume slab → file,   slab after slab

Slices do not know in which slab they travelled: the volume is the same, bit for bit, however the
work is cut."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.analytic.fbp import fbp
from physrecon.centering import Center, find_center
from physrecon.errors import ArgumentError, DataError, Interrupted, OutputError
from physrecon.geometry import Grid, ParallelBeam
from physrecon.job import Job
from physrecon.likelihoods import LeastSquares
from physrecon.names import ITERATIONS
from physrecon.operators.projector import Projector
from physrecon.plan import Plan, chosen_rows, make_plan
from physrecon.preprocess import Repairs, prepare
from physrecon.priors import NonNegative
from physrecon.problem import Problem
from physrecon.report import Progress, Report, Silent, heard
from physrecon.solvers import Stop, solve
from physrecon.store import Scan, VolumeWriter, open_scan

Array = NDArray[np.floating[Any]]
CENTER_ROWS = 8  # rows that are asked for the axis


def run(job: Job, report: Report | None = None) -> Path:
    """Reconstruct what the job says and return the path of the volume.

    Finished slabs of an earlier run of the same job on the same input are kept as they are.
    Raises the errors of `physrecon.errors`; Interrupted when stopped with something kept."""
    report = report or Silent()
    with open_input(job) as scan, heard(report):
        report.result(scan.summary())
        for note in scan.notes:
            report.note(note)
        plan = make_plan(job, scan)
        _check_output(job)
        job = resolved(job, scan, report)
        _write_volume(job, scan, plan, report)
    unit = scan.length_unit or "pixel"
    report.result(
        f"{job.output}: {plan.grid.shape} float32, 1/{unit} — "
        f"open with `physrecon view {job.output}`"
    )
    return job.output


def plan(job: Job) -> Plan:
    """What the job would take, without computing."""
    with open_input(job) as scan:
        return make_plan(with_iterations(job), scan)


def open_input(job: Job) -> Scan:
    """The scan of a job, once the machine has what the job asks for."""
    if job.device == "cuda":
        arrays.cupy()
    use_threads(job.threads)
    scan = open_scan(job.input, job.angle_unit, job.line_integrals, job.allow_root)
    scan.require_flats()
    return scan


def use_threads(count: int | None) -> None:
    """Let kernels run on `count` threads.  Raises ArgumentError when there are not so many."""
    if count is None:
        return
    import numba

    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    if count > most:
        raise ArgumentError(f"threads: expected 1 … {most} on this machine, got {count}")
    numba.set_num_threads(count)


def with_iterations(job: Job) -> Job:
    """The job with the number of iterations that suits its method, unless it has one."""
    if job.method not in ITERATIONS or job.stop.iterations:
        return job
    stop = job.stop.model_copy(update={"iterations": ITERATIONS[job.method]})
    return job.model_copy(update={"stop": stop})


def resolved(job: Job, scan: Scan, report: Report) -> Job:
    """The job with nothing left to be found out."""
    if job.center != "auto":
        report.result(f"center: {job.center} (given)")
        return with_iterations(job)
    column = say_axis(find_axis(job, scan), report)
    if scan.center is not None and abs(scan.center - column) > 1:
        report.warn(f"center: the file states {scan.center:g}; give it with --center to use it")
    return with_iterations(job).model_copy(update={"center": column})


def say_axis(found: Center, report: Report) -> float:
    """Tell where the axis is and how far that can be trusted; returns its column.

    Two decimals of it: finer than any method, and the same on every machine."""
    column = round(found.column, 2)
    count = len(found.methods)
    alone = f"found by {next(iter(found.methods))} alone"
    several = (
        f"found, agreement of {('two', 'three')[count > 2]} methods ±{found.agreement / 2:.2g}"
    )
    report.result(f"center: {column} ({several if count > 1 else alone})")
    for note in found.notes:
        report.warn(f"center: {note}")
    if count > 1 and not found.agrees:
        columns = ", ".join(f"{name} {column:.2f}" for name, column in found.methods.items())
        report.warn(
            f"center: the methods disagree ({columns}); look at the volume, and give the column "
            "with --center if edges are doubled"
        )
    return column


def find_axis(job: Job, scan: Scan) -> Center:
    """The rotation axis, from a few rows spread over those of the job."""
    chosen = chosen_rows(job, scan)
    count = chosen.stop - chosen.start
    some = min(count, CENTER_ROWS)
    at = [chosen.start + int((k + 0.5) * count / some) for k in range(some)]
    rows = np.concatenate([line_integrals(job, scan, slice(r, r + 1))[0] for r in at], axis=1)
    return find_center(rows, scan.geometry.radians)


def line_integrals(job: Job, scan: Scan, rows: slice) -> tuple[Array, Repairs]:
    """-log(transmission) of some detector rows, (views, rows, columns) float32, all finite."""
    counts = scan.projections[:, rows]
    if counts.dtype == np.float64:
        counts = counts.astype(np.float32)
    return prepare(
        counts,
        scan.flats[:, rows],
        scan.darks[:, rows],
        flat_positions=scan.flat_positions,
        rings=None if job.rings == "none" else job.rings,
        line_integrals=job.line_integrals,
        first_row=rows.start,
        overwrite=True,
    )


def reconstruct(
    job: Job, y: Array, scan: ParallelBeam, grid: Grid, rows: int, callback: Any = None
) -> tuple[Array, str]:
    """A volume (nz, ny, nx) from line integrals (views, nz, columns), and why the solver stopped.

    rows: how many the whole job has.  callback(state): called after each iteration.
    Raises DataError where the volume is not finite."""
    y = arrays.to_device(y, job.device)
    if job.method == "fbp":
        volume, reason = fbp(y, scan, grid, filter=job.filter, padding=job.padding), ""
    else:
        problem = Problem(
            LeastSquares(Projector(scan, grid), y),
            constraint=NonNegative() if job.nonnegative else None,
        )
        result = solve(problem, job.make_solver(), stop=_stop(job, grid, rows), callback=callback)
        volume, reason = result.x, result.reason
    if not arrays.all_finite(volume):
        raise DataError(
            f"{job.method}: expected a finite volume, got NaN or infinity {reason}; "
            "check the counts, or choose another method"
        )
    return arrays.to_host(volume), reason


def _stop(job: Job, grid: Grid, rows: int) -> Stop:
    """The stopping rule of a slab: as of the whole job, so that it does not know the slab."""
    norm = job.stop.discrepancy
    norms = None if norm is None else [norm / math.sqrt(rows)] * grid.shape[0]
    return Stop(iterations=int(job.stop.iterations or 0), rtol=job.stop.rtol, discrepancy=norms)


def _write_volume(job: Job, scan: Scan, plan: Plan, report: Report) -> None:
    """All slabs that are not on the disk yet, then the volume over them."""
    count = plan.grid.shape[0]
    with VolumeWriter(
        job.output,
        plan.grid.shape,
        np.float32,
        plan.slabs,
        plan.grid.pitch,
        scan.length_unit,
        _configuration(job, scan),
        job.overwrite,
    ) as writer:
        todo = [i for i in range(len(plan.slabs)) if not writer.done(i)]
        done = count - sum(_rows(plan.slabs[i]) for i in todo)
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
    for sentence in mended.sentences():
        report.note(sentence)


def _write_slab(
    job: Job, scan: Scan, plan: Plan, i: int, writer: VolumeWriter, progress: Progress
) -> Repairs:
    """Read, reconstruct and write one slab; returns what had to be mended."""
    slab, first = plan.slabs[i], plan.rows.start
    rows = _rows(slab)

    def follow(state: Any) -> None:
        iterations = job.stop.iterations or 1
        progress.partial(rows * state.iteration / iterations, f"iteration {state.iteration}")

    y, repairs = line_integrals(job, scan, slice(first + slab.start, first + slab.stop))
    geometry = plan.geometry.with_rows(rows).with_center(float(job.center))
    grid = plan.grid.with_slices(rows)
    volume, reason = reconstruct(job, y, geometry, grid, plan.grid.shape[0], follow)
    del y  # the writer needs the room
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


def _check_output(job: Job) -> None:
    """Refuse what can be refused before hours of work: the writer looks again, and closer."""
    if job.output.resolve() == job.input.resolve():
        raise OutputError(
            f"{job.output}: expected another file than the input, got the same; choose a new name"
        )
    if os.path.lexists(job.output) and not job.overwrite:
        raise OutputError(
            f"{job.output}: expected a new file, got one that exists; "
            "choose another name or pass --overwrite"
        )


def _rows(slab: slice) -> int:
    return slab.stop - slab.start
