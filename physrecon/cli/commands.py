"""What each word of the command line does.  Every function returns an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physrecon.errors import ArgumentError, PhysreconError
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.model import Job
from physrecon.jobs.scan_job import ScanJob
from physrecon.jobs.toml import merge, read_toml
from physrecon.pipeline.messages import Messages


def recon(**options: Any) -> int:
    _refuse_toml("a scan", options["input"])
    return _run(ScanJob.build(_values(options), "recon"))


def deconvolve(**options: Any) -> int:
    _refuse_toml("an image", options["input"])
    return _run(ImageJob.build(_values(options), "deconvolve"))


def run(job: str, **options: Any) -> int:
    return _run(_from_toml(job, options))


def plan(input: str, **options: Any) -> int:
    if input.endswith(".toml"):
        job = _from_toml(input, options)
    else:
        path, of_image = Path(input), "psf" in options
        if not of_image and path.suffix.lower() in (".tif", ".tiff", ".png", ".jpg", ".jpeg"):
            raise ArgumentError(f"plan: expected --psf for the image {input}, got none; give it")
        name = f"{path.stem}_deconvolved.tif" if of_image else f"{path.stem}_rec.h5"
        values = _values({"input": input, "output": name, **options})
        job = (ImageJob if of_image else ScanJob).build(values, "plan")
    from physrecon.pipeline.run import plan as plan_of

    messages = Messages()
    planned = plan_of(job, messages)
    messages.result("\n".join(planned.lines()))
    for warning in planned.warnings():
        messages.warn(warning)
    return 0


def info(files: Sequence[str], **options: Any) -> int:
    from physrecon.io import describe

    code = 0
    for path in files:  # one that cannot be read does not keep the others from being described
        try:
            print("\n".join(describe(path, **options)), flush=True)
        except PhysreconError as problem:
            print(f"error: {problem}", file=sys.stderr)
            code = problem.exit_code
    return code


def find_center(input: str, **options: Any) -> int:
    job = ScanJob.build(_values({"input": input, "output": "-", **options}), "find-center")
    from physrecon.pipeline.preflight import require_machine
    from physrecon.pipeline.scan.resolve import find_axis, say_axis
    from physrecon.pipeline.scan.task import ScanTask

    messages = Messages()
    require_machine(job)
    with ScanTask.open(job) as task:
        messages.introduce((), (), task.warnings())
        found = find_axis(job, task.scan)
    say_axis(found, messages)
    for name, column in found.methods.items():
        messages.result(f"  {name} {column:.2f}")
    return 0


def simulate(output: str, **options: Any) -> int:
    from physrecon.datasets import simulate_scan

    made = simulate_scan(output, **options)
    print(f"{output}: {made.phantom} {made.shape}, {made.views} views, axis at {made.center:.2f}")
    return 0


def view(input: str, **options: Any) -> int:
    from physrecon.cli.view import view as draw

    print(draw(input, **options))
    return 0


def demo(subject: str, output: str, **options: Any) -> int:
    from importlib import import_module

    from physrecon.demos.demo import show

    show(import_module(f"physrecon.demos.{subject}").DEMO, Path(output), Messages(), **options)
    return 0


def _run(job: Job) -> int:
    from physrecon.pipeline.run import run

    run(job, Messages())
    return 0


def _from_toml(path: str, options: dict[str, Any]) -> Job:
    """The job of a file: one with a PSF is of an image."""
    kind = ImageJob if "psf" in read_toml(path) else ScanJob
    return kind.from_toml(path, _values(options))


def _refuse_toml(what: str, path: str) -> None:
    if path.endswith(".toml"):
        raise ArgumentError(f"{path}: expected {what}, got a job file; use `physrecon run {path}`")


def _values(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a job that the options name; what `--set` says comes last and wins."""
    values = dict(options)
    settings = values.pop("settings", [])
    if "iterations" in values:
        values = merge(values, {"stop": {"iterations": values.pop("iterations")}})
    if values.get("method") == "tikhonov" and "prior" not in values and "weight" in values:
        values = merge(values, {"solver": {"weight": values.pop("weight")}})
    for option, key in (("prior", "name"), ("weight", "weight")):
        if option in values:
            values = merge(values, {"prior": {key: values.pop(option)}})
    if "accelerate" in values:
        values = merge(values, {"solver": {"accelerate": values.pop("accelerate")}})
    for setting in settings:
        values = merge(values, setting)
    return values
