"""`physrecon align`: the geometry of a scan found with its volume, written as a job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from physrecon.alignment.align import Alignment, align as find_alignment
from physrecon.errors import ArgumentError
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.io import Scan
from physrecon.io.atomic_file import replacing
from physrecon.jobs.scan_job import ScanJob
from physrecon.jobs.settings import GeometrySettings
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.plan import default_budget
from physrecon.pipeline.preflight import require_machine
from physrecon.pipeline.scan.measure import measure
from physrecon.pipeline.scan.resolve import with_center
from physrecon.pipeline.scan.rotation import GUESSED, with_rotation
from physrecon.pipeline.scan.task import ScanTask
from physrecon.sizes import format_bytes

FREE = ("center", "shifts", "roll", "tilt", "pitch", "yaw")  # what [geometry] of a job can state
PROJECTIONS, VOLUMES = 12, 6  # arrays that the alignment holds in the smallest pixels
MACHINE = ("overwrite", "threads", "memory")  # of the command, not of the job that it writes


def align_scan(
    job: ScanJob, path: Path, free: tuple[str, ...], reach: float, finest: int, messages: Messages
) -> None:
    """Find the free parameters of a scan and write a job with them to `path`.

    Shifts of the views go to a table beside it.  Raises the errors of `align`, and ArgumentError
    for other parameters or too little memory."""
    if unknown := [name for name in free if name not in FREE]:
        raise ArgumentError(
            f"align --free: expected some of {', '.join(FREE)}, got {', '.join(unknown)}"
        )
    require_machine(job, messages)
    with ScanTask.open(job) as task:
        scan = task.scan
        messages.introduce(task.summary(), scan.notes, task.warnings())
        given = with_center(task.job, scan, messages, task.axis if job.center == "auto" else None)
        told: dict[str, str] = {}
        given = with_rotation(given, scan, messages, told)
        geometry = ScanTask(given, scan).geometry.with_center(float(given.center))
        _require_memory(job, geometry, finest, ScanTask(given, scan).width)
        data, repairs = measure(given, scan, slice(0, scan.shape[1]))
        for sentence in repairs.sentences():
            messages.note(sentence)
        with messages.watched(), messages.progress("align", 1, "scan", every=False) as shown:
            shown.describe(f"alignment by {', '.join(free)}", may_end=True)
            step = shown.within(1)
            found = find_alignment(
                data.line_integrals, geometry, free, reach, finest, ScanTask(given, scan).width,
                lambda part, text: step(part, text, None),
            )  # fmt: skip
            shown.advance(1)
        _say(found, free, messages)
        table = shifts_path(path)
        if "shifts" in free:
            _write_shifts(table, found, scan)
            messages.result(f"{table}: shifts of every view")
        made = _job(job, given, found, free, path)
        with replacing(path) as temporary:
            temporary.write_text(made.to_toml(given=True), encoding="utf-8")
    if GUESSED in told.get("found_rotation", ""):
        messages.warn(
            f"rotation: the sense in {path.name} is a guess, which all else there rests on; give "
            "--rotation, as the volume may be mirrored"
        )
    facts = {"input": job.input, "output": path, **_facts(found, free)}
    facts["shifts_file"] = table if "shifts" in free else None
    messages.record("alignment", facts | {"warnings": messages.warned})
    messages.result(f"{path}: the job with this geometry; reconstruct by `physrecon run {path}`")


def shifts_path(path: Path) -> Path:
    """The table of shifts beside a job."""
    return path.with_suffix(".shifts.txt")


def _require_memory(job: ScanJob, geometry: Any, finest: int, width: int) -> None:
    voxels, pixels = np.prod(geometry.default_grid(width).shape), np.prod(geometry.shape)
    need = 4 * (PROJECTIONS * pixels / finest**2 + VOLUMES * voxels / finest**3 + pixels)
    budget = job.memory or default_budget(job)
    if need > budget:
        raise ArgumentError(
            f"align: expected {format_bytes(float(need))} of memory, got {format_bytes(budget)}; "
            f"use larger pixels: --finest {2 * finest}, or --bin 2, or fewer rows: --crop"
        )


def _say(found: Alignment, free: tuple[str, ...], messages: Messages) -> None:
    scan, unit = found.scan, found.scan.angle_unit
    for name in free:
        errors = found.errors[name]
        if name == "shifts":
            columns = np.asarray(scan.shifts) / scan.column_pitch
            size, error = np.sqrt((columns**2).mean(axis=0)), errors / scan.column_pitch
            messages.result(
                f"shifts: {size[0]:.3g} columns along the axis (root mean square; each ± "
                f"{error[0]:.2g}) and {size[2]:.3g} along the columns (± {error[2]:.2g})"
            )
        else:
            what = "" if name == "center" else f" {unit}"
            value = getattr(scan, name)
            messages.result(f"{name}: {value:.{_digits(errors[0])}f} ± {errors[0]:.2g}{what}")
    before, after = found.residual
    messages.result(f"residual: {before:.3g} before, {after:.3g} after, of ‖y‖ in large pixels")
    for note in found.notes:
        messages.note(note)


def _facts(found: Alignment, free: tuple[str, ...]) -> dict[str, Any]:
    scan, numbers = found.scan, [name for name in free if name != "shifts"]
    columns = np.asarray(scan.shifts)[..., (0, 2)] / scan.column_pitch
    rms = np.sqrt((columns**2).mean(axis=0)) if "shifts" in free else None
    return {
        "values": {name: float(getattr(scan, name)) for name in numbers},
        "uncertainties": {name: float(found.errors[name][0]) for name in numbers},
        "angle_unit": scan.angle_unit,
        "shifts": rms,
        "shifts_uncertainties": None
        if rms is None
        else (found.errors["shifts"][[0, 2]] / scan.column_pitch),
        "residuals": found.residual,
    }


def _digits(error: float) -> int:
    """Decimals that an error leaves sense to, and one more."""
    return int(np.clip(1 - np.floor(np.log10(max(error, 1e-6))), 0, 6))


def _write_shifts(table: Path, found: Alignment, scan: Scan) -> None:
    columns = np.asarray(found.scan.shifts) / found.scan.column_pitch * scan.bins[1]
    head = (
        "shifts of source and detector, one line a view that is not left out: along the axis, the "
        "beam and the columns, in columns of the detector"
    )
    with replacing(table) as temporary:
        np.savetxt(temporary, columns, fmt="%.5f", header=head, encoding="utf-8")


def _job(
    job: ScanJob, given: ScanJob, found: Alignment, free: tuple[str, ...], path: Path
) -> ScanJob:
    """The job with the geometry that was found, its paths from the folder of `path`."""
    values = job.model_dump(exclude_unset=True, exclude=set(MACHINE))
    folder = path.parent

    def moved(place: Any) -> str:
        return place if os.path.isabs(place) else os.path.relpath(place, folder)

    paths = [name for name in values if isinstance(getattr(job, name), Path)]
    values |= {name: moved(values[name]) for name in paths if name != "output"}
    if isinstance(job.angles, str) and Path(job.angles.partition("::")[0]).exists():
        values["angles"] = moved(job.angles)
    table = (given.geometry or GeometrySettings()).model_dump(exclude_unset=True)
    if isinstance(found.scan, TiltedBeam) and free != ("center",):
        table["kind"] = "tilted"
    for name in free:
        if name == "shifts":
            table[name] = shifts_path(path).name
        elif name != "center":
            table[name] = f"{getattr(found.scan, name):.6g}{found.scan.angle_unit}"
    values |= {"center": round(float(found.scan.center), 3)}
    values |= {"geometry": table} if table else {}
    return ScanJob.build(values, "align")
