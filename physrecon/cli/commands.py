"""The commands of the command line: each takes messages and options and returns an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from physrecon import jobs
from physrecon.cli.options import values_of
from physrecon.cli.problems import complain
from physrecon.errors import ArgumentError, PhysreconError
from physrecon.pipeline.messages import Messages

Kind = TypeVar("Kind", bound="jobs.Job")


def recon(messages: Messages, **options: Any) -> int:
    _refuse_toml("a scan", options["input"])
    return _run(messages, _built(jobs.ScanJob, "recon", _with_output(jobs.ScanJob, options)))


def deconvolve(messages: Messages, **options: Any) -> int:
    _refuse_toml("an image", options["input"])
    return _run(messages, _built(jobs.ImageJob, "deconvolve", _with_output(jobs.ImageJob, options)))


def run(messages: Messages, job: str, **options: Any) -> int:
    return _run(messages, jobs.read_job(job, values_of(options)))


def plan(messages: Messages, input: str, **options: Any) -> int:
    if input.endswith(".toml"):
        job = jobs.read_job(input, values_of(options))
    else:
        path, kind = Path(input), jobs.ImageJob if "psf" in options else jobs.ScanJob
        images = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
        if kind is jobs.ScanJob and path.suffix.lower() in images:
            raise ArgumentError(f"plan: expected --psf for the image {input}, got none; give it")
        job = _built(kind, "plan", _with_output(kind, {"input": input, **options}))
    from physrecon.pipeline.run import plan as plan_of

    planned = plan_of(job, messages)
    if not messages.json:
        messages.result("\n".join(planned.lines()))
    for warning in planned.warnings():
        messages.warn(warning)
    messages.record("plan", planned.record() | {"warnings": messages.warned})
    return 0


def info(messages: Messages, files: Sequence[str], **options: Any) -> int:
    from physrecon.io.info import description

    code = 0
    job = _built(jobs.ScanJob, "info", {"input": "-", "output": "-", **options})
    for path in files:  # a file that cannot be read does not stop the others
        try:
            found = description(path, job.angle_unit, **job.supplied)
        except PhysreconError as problem:
            code = complain(problem, messages.json)
            continue
        if not messages.json:
            messages.result("\n".join(found.lines))
        messages.record(found.kind, {"file": path, **found.facts})
    return code


def find_center(
    messages: Messages,
    input: str,
    plot: str | None = None,
    per_row_center: bool = False,
    **options: Any,
) -> int:
    job = _built(jobs.ScanJob, "find-center", {"input": input, "output": "-", **options})
    from physrecon.cli.view import check_picture
    from physrecon.pipeline.preflight import require_machine
    from physrecon.pipeline.scan.resolve import (
        draw_axis,
        find_axis,
        find_axis_line,
        find_roll,
        say_axis,
        say_line,
    )
    from physrecon.pipeline.scan.task import ScanTask

    if plot:
        check_picture(Path(plot), job.input, job.overwrite)
    require_machine(job, messages)
    with ScanTask.open(job) as task:
        messages.introduce((), (), task.warnings())
        if per_row_center:
            say_line(find_axis_line(task.job, task.scan), task.scan.angle_unit, messages)
            return 0
        if plot and (kind := task.scan.beam_kind) != "parallel":
            raise ArgumentError(
                f"find-center --plot: expected a parallel beam, got a {kind} one; compare columns "
                "with physrecon try --vary center=FIRST..LAST/STEP"
            )
        found = task.coverage and task.coverage.axis
        if not found or not found.methods:
            found = find_axis(task.job, task.scan)
        found = find_roll(task.job, task.scan, found)
        say_axis(found, messages, task.scan.angle_unit)
        for name, column in found.methods.items():
            messages.result(f"  {name} {column:.2f}")
        if plot:
            draw_axis(Path(plot), job, task.scan, found)
            messages.result(f"{plot}: scores of columns, and the slice at the best five")
        facts = {
            "input": job.input,
            "center": found.column,
            "uncertainty": found.uncertainty,
            "methods": found.methods,
            "dropped": found.dropped,
            "roll": found.roll,
            "roll_uncertainty": found.roll_uncertainty,
            "plot": plot,
        }
        messages.record("center", facts | {"warnings": messages.warned})
    return 0


def align(
    messages: Messages,
    input: str,
    output: str | None = None,
    free: tuple[str, ...] = ("center", "shifts"),
    reach: float = 8.0,
    finest: int = 1,
    **options: Any,
) -> int:
    _refuse_toml("a scan", input)
    job = _built(jobs.ScanJob, "align", _with_output(jobs.ScanJob, {"input": input, **options}))
    from physrecon.cli.view import check_picture
    from physrecon.pipeline.scan.align import align_scan, shifts_path

    path = Path(output or f"{Path(input.partition('::')[0]).stem}_aligned.toml")
    check_picture(path, job.input, job.overwrite, ".toml")
    if "shifts" in free:
        check_picture(shifts_path(path), job.input, job.overwrite, ".txt")
    align_scan(job, path, free, reach, finest, messages)
    return 0


def check_geometry(messages: Messages, input: str, **options: Any) -> int:
    job = _built(jobs.ScanJob, "check-geometry", {"input": input, "output": "-", **options})
    from physrecon.pipeline.preflight import require_machine
    from physrecon.pipeline.scan.doctor import diagnose
    from physrecon.pipeline.scan.task import ScanTask

    require_machine(job, messages)
    with ScanTask.open(job) as task:
        messages.introduce([task.scan.summary()], task.scan.notes, ())
        found = diagnose(task.job, task.scan)
    for fault in found.faults:
        messages.result(f"{fault.name} ({fault.sure}): {fault.evidence}; give {fault.mend}")
    if not found.faults:
        messages.result("no fault found: the stated geometry explains the data as well as others")
    for words in found.undecided:
        messages.result(f"undecided: {words}")
    if found.column is not None:
        messages.result(
            f"axis: column {found.column:.1f} ± {found.within:g}, in a row made small; "
            "`find-center` tells it finer"
        )
    facts = {
        "input": job.input,
        "faults": [f"{fault.name}: {fault.mend}" for fault in found.faults],
        "undecided": list(found.undecided),
        "center": found.column,
        "uncertainty": found.within,
        "residuals": found.residuals,
    }
    messages.record("geometry", facts | {"warnings": messages.warned})
    return 0


def try_(
    messages: Messages, input: str, vary: Sequence[str], output: str | None = None, **options: Any
) -> int:
    from physrecon.cli.tries import draw_tries

    _refuse_toml("a scan", input)
    draw_tries(input, vary, output, values_of(options), messages)
    return 0


def simulate(messages: Messages, output: str, **options: Any) -> int:
    from physrecon.datasets import simulate_scan

    made = simulate_scan(output, **options)
    axis = f"axis at {made.center:.2f}"
    messages.result(f"{output}: {made.phantom} {made.shape}, {made.views} views, {axis}")
    return 0


def convert(messages: Messages, input: str, output: str, **options: Any) -> int:
    from physrecon.cli.view import refuse_scan
    from physrecon.io import convert_scan, open_scan
    from physrecon.io.made import CLIPPED, is_result
    from physrecon.io.output.converted import convert_result
    from physrecon.io.output.stored_type import stored_type
    from physrecon.io.units import as_printed

    job = _built(jobs.ScanJob, "convert", {"input": input, "output": output, **options})
    asked = [name for name in ("out_dtype", "out_range") if name in options]
    if asked or is_result(input) or job.output.suffix.lower() in (".tif", ".tiff", ".mrc"):
        for name in set(options) - {"out_dtype", "out_range", "overwrite"}:
            raise ArgumentError(
                f"convert --{name.replace('_', '-')}: expected a scan for it, got a finished "
                "result; drop it"
            )
        refuse_scan(input)
        stored = stored_type(job.out_dtype, job.out_range)
        facts = convert_result(input, job.output, stored, job.overwrite)
        if CLIPPED in facts:
            messages.warn(f"out_range: {facts[CLIPPED]}, are clipped; give a wider range")
        messages.result(f"{job.output}: {as_printed(facts.get('stored', job.out_dtype))}")
        return 0
    with open_scan(job.input, job.angle_unit, **job.supplied) as scan:
        messages.introduce([scan.summary()], scan.notes, ())
        for lost in convert_scan(job.output, scan, job.overwrite):
            messages.warn(lost)
        messages.result(f"{job.output}: Data Exchange, {scan.shape} {scan.dtype}")
    return 0


def pack(messages: Messages, volume: str, output: str, overwrite: bool = False) -> int:
    from physrecon.io import pack as pack_volume

    messages.result(f"{pack_volume(volume, output, overwrite)}: one file of {volume}")
    return 0


def view(messages: Messages, input: str, **options: Any) -> int:
    from physrecon.io.hdf5_probe import start_early

    start_early(input)
    from physrecon.cli.view import view as draw

    messages.result(str(draw(input, **options)))
    return 0


def report(
    messages: Messages, input: str, output: str | None = None, overwrite: bool = False
) -> int:
    from physrecon.io.hdf5_probe import start_early

    start_early(input)
    from physrecon.cli.view import beside, check_picture, open_result
    from physrecon.io.atomic_file import replacing
    from physrecon.report.page import report_page

    path = Path(output) if output else beside(input, ".html")
    with open_result(input) as viewed:
        check_picture(path, Path(input), overwrite, ".html")
        page = report_page(input, viewed)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    messages.result(str(path))
    return 0


def demo(messages: Messages, subject: str, output: str, **options: Any) -> int:
    from importlib import import_module

    from physrecon.demos.demo import show

    show(import_module(f"physrecon.demos.{subject}").DEMO, Path(output), messages, **options)
    return 0


def _run(messages: Messages, job: jobs.Job) -> int:
    from physrecon.pipeline.run import run

    run(job, messages)
    return 0


def _with_output(kind: type[jobs.Job], options: dict[str, Any]) -> dict[str, Any]:
    """The options, with a name in the current folder for the output if none is given."""
    file, _, _ = options["input"].partition("::")
    ending = "_rec.h5" if kind is jobs.ScanJob else "_deconvolved.tif"
    return {"output": f"{Path(file).stem}{ending}", **options}


def _refuse_toml(what: str, path: str) -> None:
    if path.endswith(".toml"):
        raise ArgumentError(f"{path}: expected {what}, got a job file; use `physrecon run {path}`")


def _built(kind: type[Kind], command: str, options: dict[str, Any]) -> Kind:
    """The job that the options of a command describe.  Raises ArgumentError."""
    return kind.build(values_of(options), command, flags=True)
