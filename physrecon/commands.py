"""What each word of the command line does.  Every function returns an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physrecon.job import Job, merge
from physrecon.report import Report


def recon(**options: Any) -> int:
    from physrecon.run import run as run_job

    run_job(_job("recon", options), Report())
    return 0


def run(job: str, **options: Any) -> int:
    from physrecon.run import run as run_job

    run_job(Job.from_toml(job, _values(options)), Report())
    return 0


def plan(input: str, **options: Any) -> int:
    from physrecon.run import plan as plan_job

    if input.endswith(".toml"):
        job = Job.from_toml(input, _values(options))
    else:
        options.setdefault("output", str(Path(input).with_suffix("")) + "_rec.h5")
        job = _job("plan", {"input": input, **options})
    print("\n".join(plan_job(job).lines()))
    return 0


def info(files: Sequence[str]) -> int:
    from physrecon.store import describe

    for path in files:
        print("\n".join(describe(path)))
    return 0


def find_center(input: str, **options: Any) -> int:
    from physrecon.run import find_axis

    center = find_axis(_job("find-center", {"input": input, "output": "-", **options}), Report())
    print(f"center: {center.column:.2f}")
    for name, column in center.methods.items():
        print(f"  {name}: {column:.2f}")
    return 0


def simulate(
    output: str, overwrite: bool = False, threads: int | None = None, **options: Any
) -> int:
    from physrecon.datasets import simulate_scan
    from physrecon.run import use_threads

    use_threads(threads)
    simulate_scan(output, overwrite=overwrite, **options)
    print(f"{output}: {' × '.join(map(str, options['shape']))} voxels, {options['views']} views")
    return 0


def view(input: str, **options: Any) -> int:
    from physrecon.view import view as draw

    print(draw(input, **options))
    return 0


def demo(output: str, **options: Any) -> int:
    from physrecon.demo import demo as show

    show(Path(output), Report(), **options)
    return 0


def _job(where: str, options: dict[str, Any]) -> Job:
    return Job.build(_values(options), where)


def _values(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a job that the options name; what `--set` says comes last and wins."""
    values = dict(options)
    settings = values.pop("settings", [])
    if "iterations" in values:
        values = merge(values, {"stop": {"iterations": values.pop("iterations")}})
    for setting in settings:
        values = merge(values, setting)
    return values
