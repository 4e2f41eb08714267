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
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.analytic.fbp import fbp
from physrecon.assemble import Measured, make_problem
from physrecon.blocks import slabs
from physrecon.centering import Center, average_views, find_center
from physrecon.doubts import doubts
from physrecon.errors import ArgumentError, DataError, Interrupted
from physrecon.execution import check_method, check_output, require_machine
from physrecon.geometry import Grid, ParallelBeam
from physrecon.job import Job
from physrecon.names import DIRECT, ITERATIONS
from physrecon.noise_estimates import noise_level
from physrecon.operators.projector import Projector
from physrecon.plan import Plan, chosen_rows, make_plan
from physrecon.preprocess import Repairs, prepare, prepare_counts
from physrecon.report import Progress, Report, Silent, heard
from physrecon.solvers import Stop, solve
from physrecon.solvers.state import State
from physrecon.store import Scan, VolumeWriter, open_scan
from physrecon.weight_choice import choose_weight

Array = NDArray[np.floating[Any]]
SAMPLE_ROWS = 8  # rows that are asked for the axis, and whether they can be used at all
SAMPLE_BYTES = 128 << 20  # of them are read at a time
# likelihood → the residual, in units of the noise, from which on it reckons with outliers
OUTLIERS = {"huber": 1.345, "student-t": 1.0}
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


def with_iterations(job: Job) -> Job:
    """The job with the number of iterations that suits its method, unless it has one."""
    if job.method not in ITERATIONS or job.stop.iterations:
        return job
    stop = job.stop.model_copy(update={"iterations": ITERATIONS[job.method]})
    return job.model_copy(update={"stop": stop})


def resolved(job: Job, scan: Scan, report: Report) -> Job:
    """The job with nothing left to be found out."""
    job = with_iterations(with_center(job, scan, report))
    return with_weight(with_outlier(job, scan, report), scan, report)


def with_center(job: Job, scan: Scan, report: Report) -> Job:
    if job.center != "auto":
        report.result(f"center: {job.center} (given)")
        sample(job, scan, chosen_rows(job, scan))
        return job
    column = say_axis(find_axis(job, scan), report)
    if scan.center is not None and abs(scan.center - column) > 1:
        report.warn(f"center: the file states {scan.center:g}; give it with --center to use it")
    return job.model_copy(update={"center": column})


def with_outlier(job: Job, scan: Scan, report: Report) -> Job:
    """The job with the residual from which on a datum counts as an outlier."""
    if job.likelihood not in OUTLIERS or job.outlier != "auto":
        return job
    y = measure(job, scan, middle_rows(job, scan))[0].y
    level = float(np.median(noise_level(y, axis=1)))
    if not level > 0:
        raise DataError(f"outlier: expected data with noise, got none in {scan.path}; set outlier")
    size = float(f"{OUTLIERS[job.likelihood] * level:.3g}")
    report.result(f"outlier: {size} (from a noise level of {level:.3g})")
    return job.model_copy(update={"outlier": size})


def with_weight(job: Job, scan: Scan, report: Report) -> Job:
    """The job with the weight of its prior, found on its middle rows."""
    if job.prior is None or job.prior.weight != "auto":
        return job
    rows = middle_rows(job, scan)
    count = _rows(rows)
    geometry = scan.geometry.with_rows(count).with_center(float(job.center))
    grid = geometry.default_grid()
    measured, _ = measure(job, scan, rows)
    A = Projector(geometry, grid)
    with report.progress("weight", 1, "choice"):
        choice = choose_weight(
            make_problem(job, A, measured.to(job.device), grid), job.prior.rule, job.make_solver()
        )
    weight = float(f"{choice.weight:.3g}")  # finer than it matters, and the same on every machine
    where = f"row {rows.start}" if count == 1 else f"rows {rows.start}:{rows.stop}"
    report.result(
        f"weight: {weight} (found, {job.prior.rule} of {len(choice.curve)} solutions, {where})"
    )
    prior = job.prior.model_copy(update={"weight": weight})
    return job.model_copy(update={"prior": prior})


def middle_rows(job: Job, scan: Scan) -> slice:
    """The row in the middle of those chosen, or all of them where the prior couples them."""
    rows = chosen_rows(job, scan)
    if job.prior is not None and not job.prior.slicewise:
        return rows
    middle = (rows.start + rows.stop) // 2
    return slice(middle, middle + 1)


def say_axis(found: Center, report: Report) -> float:
    """Tell where the axis is and how far that can be trusted; returns its column.

    Two decimals of it: finer than any method, and the same on every machine."""
    column = round(found.column, 2)
    count = len(found.methods)
    alone = f"found by {next(iter(found.methods))} alone"
    word = "agreement" if found.agrees else "disagreement"
    several = f"found, {word} of {('two', 'three')[count > 2]} methods ±{found.agreement / 2:.2g}"
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
    """The rotation axis, from rows of the whole scan: a part of it has the axis of the whole."""
    return find_center(*sample(job, scan, slice(0, scan.shape[1])))


def sample(job: Job, scan: Scan, rows: slice) -> tuple[Array, Array]:
    """Line integrals (views, n, columns) of a few rows spread over some, and their angles [rad].

    Views next to each other are averaged to at most 361, one row after the other.  Rows that cannot
    be used or carry no light are left out; DataError where none is left."""
    views, _, columns = scan.shape
    step = -(-(rows.stop - rows.start) // SAMPLE_ROWS)
    at = range(rows.start + step // 2, rows.stop, step)
    together = max(1, SAMPLE_BYTES // (views * columns * np.dtype(scan.dtype).itemsize))
    found, problem = [], None
    for first in range(0, len(at), together):
        some = at[first : first + together]
        wanted = slice(some.start, some.stop, step)
        # one read: a frame that is compressed as a whole is unpacked once for all its rows
        stacks = [s[:, wanted] for s in (scan.projections, scan.flats, scan.darks)]
        for i, row in enumerate(some):
            try:
                y, repairs = corrected(job, scan, [s[:, i : i + 1] for s in stacks], row)
                _require_light(scan, row, repairs)
            except DataError as error:
                problem = error
            else:
                found.append(average_views(y, scan.geometry.radians))
    if problem and not found:
        raise problem
    return np.concatenate([y for y, _ in found], axis=1), found[0][1]


def _require_light(scan: Scan, row: int, mended: Repairs) -> None:
    if 2 * mended.clamped > mended.values:
        raise DataError(
            f"{scan.path.name}: expected light through the object, got {mended.clamped} of "
            f"{mended.values} transmissions in row {row}, and as little in others, below "
            f"{mended.floor:g}; check that projections, flats and darks are not empty or exchanged"
        )


def line_integrals(job: Job, scan: Scan, rows: slice) -> tuple[Array, Repairs]:
    """-log(transmission) of some detector rows, (views, rows, columns) float32, all finite."""
    stacks = [s[:, rows] for s in (scan.projections, scan.flats, scan.darks)]
    return corrected(job, scan, stacks, rows.start)


def measure(job: Job, scan: Scan, rows: slice) -> tuple[Measured, Repairs]:
    """What some detector rows have measured, as the likelihood of the job takes it."""
    if job.likelihood != "transmission":
        y, repairs = line_integrals(job, scan, rows)
        return Measured(y), repairs
    stacks = [s[:, rows] for s in (scan.projections, scan.flats, scan.darks)]
    *parts, repairs = prepare_counts(*stacks, flat_positions=scan.flat_positions)
    return Measured(*parts), repairs


def corrected(job: Job, scan: Scan, stacks: list[NDArray], first_row: int) -> tuple[Array, Repairs]:
    """Line integrals of counts, flats and darks that have been read from `first_row` on.

    The counts leave the list: their memory is used."""
    counts = stacks.pop(0)
    if counts.dtype == np.float64:
        counts = counts.astype(np.float32)
    flats, darks = stacks
    return prepare(
        counts,
        flats,
        darks,
        flat_positions=scan.flat_positions,
        rings=None if job.rings == "none" else job.rings,
        line_integrals=job.line_integrals,
        first_row=first_row,
        overwrite=True,
    )


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
        result = solve(problem, job.make_solver(), stop=stop, callback=follow)
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
        rows = _rows(part)
        fbp(
            y[:, part],
            scan.with_rows(rows),
            grid.with_slices(rows),
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
        plan.grid.shape,
        np.float32,
        plan.slabs,
        plan.grid.pitch,
        scan.length_unit,
        _configuration(job, scan),
        job.overwrite,
        middle=(plan.rows.start + plan.rows.stop - scan.shape[1]) / 2 * plan.grid.pitch[0],
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
    for sentence in replace(mended, no_darks=False).sentences():  # the scan has said so
        report.note(sentence)


def _write_slab(
    job: Job, scan: Scan, plan: Plan, i: int, writer: VolumeWriter, progress: Progress
) -> Repairs:
    """Read, reconstruct and write one slab; returns what had to be mended."""
    slab, first = plan.slabs[i], plan.rows.start
    rows = _rows(slab)

    def follow(done: float, text: str) -> None:
        progress.partial(rows * done, text)

    measured, repairs = measure(job, scan, slice(first + slab.start, first + slab.stop))
    geometry = plan.geometry.with_rows(rows).with_center(float(job.center))
    grid = plan.grid.with_slices(rows)
    volume, reason = reconstruct(job, measured, geometry, grid, plan.grid.shape[0], follow)
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
    some = scan.geometry.with_rows(1)
    some = replace(some, angles=np.asarray(some.angles)[:2])
    grid = some.default_grid()
    y = np.ones(some.shape, np.float32)
    known = job if job.outlier != "auto" else job.model_copy(update={"outlier": 1.0})
    problem = make_problem(known, Projector(some, grid), Measured(y, y, y), grid)
    check_method(job, problem, ITERATIONS)


def _rows(slab: slice) -> int:
    return slab.stop - slab.start
