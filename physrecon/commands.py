"""What each word of the command line does.  Every function returns an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physrecon.errors import ArgumentError, PhysreconError
from physrecon.job import Job
from physrecon.job_file import merge
from physrecon.report import Report


def recon(**options: Any) -> int:
    if options["input"].endswith(".toml"):
        raise ArgumentError(
            f"{options['input']}: expected a scan, got a job file; "
            f"use `physrecon run {options['input']}`"
        )
    return _run(_job("recon", options))


def run(job: str, **options: Any) -> int:
    return _run(Job.from_toml(job, _values(options)))


def plan(input: str, **options: Any) -> int:
    if input.endswith(".toml"):
        job = Job.from_toml(input, _values(options))
    else:
        options.setdefault("output", f"{Path(input).stem}_rec.h5")
        job = _job("plan", {"input": input, **options})
    from physrecon.run import plan as plan_job

    report = Report()
    planned = plan_job(job, report)
    report.result("\n".join(planned.lines()))
    for warning in planned.warnings():
        report.warn(warning)
    return 0


def info(files: Sequence[str], **options: Any) -> int:
    from physrecon.store import describe

    code = 0
    for path in files:  # one that cannot be read does not keep the others from being described
        try:
            print("\n".join(describe(path, **options)), flush=True)
        except PhysreconError as problem:
            print(f"error: {problem}", file=sys.stderr)
            code = problem.exit_code
    return code


def find_center(input: str, **options: Any) -> int:
    job = _job("find-center", {"input": input, "output": "-", **options})
    from physrecon.run import find_axis, open_input, say_axis

    report = Report()
    with open_input(job, report) as scan:
        found = find_axis(job, scan)
    say_axis(found, report)
    for name, column in found.methods.items():
        report.result(f"  {name} {column:.2f}")
    return 0


def simulate(output: str, **options: Any) -> int:
    from physrecon.datasets import simulate_scan

    made = simulate_scan(output, **options)
    print(f"{output}: {made.phantom} {made.shape}, {made.views} views, axis at {made.center:.2f}")
    return 0


def view(input: str, **options: Any) -> int:
    from physrecon.view import view as draw

    print(draw(input, **options))
    return 0


def demo(output: str, **options: Any) -> int:
    from physrecon.demo import demo as show

    show(Path(output), Report(), **options)
    return 0


def _run(job: Job) -> int:
    from physrecon.run import run as run_job

    run_job(job, Report())
    return 0


def _job(where: str, options: dict[str, Any]) -> Job:
    return Job.build(_values(options), where)


def _values(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a job that the options name; what `--set` says comes last and wins."""
    values = dict(options)
    settings = values.pop("settings", [])
    if "iterations" in values:
        values = merge(values, {"stop": {"iterations": values.pop("iterations")}})
    for option, key in (("prior", "name"), ("weight", "weight")):
        if option in values:
            values = merge(values, {"prior": {key: values.pop(option)}})
    for setting in settings:
        values = merge(values, setting)
    return values
