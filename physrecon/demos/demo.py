"""Run a demo: simulate a known object, carry out jobs, compare with the truth, draw.

Peak signal-to-noise ratio [dB]:  PSNR = 20 log₁₀(max truth / rms(result − truth))."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import OutputError
from physrecon.jobs.model import Job
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.preflight import require_machine
from physrecon.pipeline.run import run

SIMULATE, PICTURE = "simulate", "demo.png"
Images = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Demo:
    """The specific parts of a demo.

    files: written by `simulate(folder, messages)`.  jobs: settings of each result NAME, whose file
    is NAME + suffix.  job: class of the jobs.  common(folder): settings of all jobs.
    load(folder): "truth" and further arrays to compare with it.  read(path): a result.
    draw(picture, folder, images, PSNR)."""

    files: tuple[str, ...]
    jobs: dict[str, dict[str, Any]]
    job: type[Job]
    suffix: str
    common: Callable[[Path], dict[str, Any]]
    simulate: Callable[[Path, Messages], None]
    load: Callable[[Path], Images]
    read: Callable[[Path], NDArray[Any]]
    draw: Callable[[Path, Path, Images, dict[str, float]], None]


def show(
    demo: Demo, folder: Path, messages: Messages, overwrite: bool = False, **execution: Any
) -> None:
    """Write the files of a demo into a folder and print a table of times and PSNR.

    execution: fields of the jobs such as device and threads.
    Raises OutputError if one of the files exists and `overwrite` is not given."""
    outputs = {name: folder / f"{name}{demo.suffix}" for name in demo.jobs}
    picture = folder / PICTURE
    files = [*(folder / name for name in demo.files), *outputs.values(), picture]
    common = {**demo.common(folder), "overwrite": overwrite, **execution}
    jobs = {
        name: demo.job.build({**common, "output": outputs[name], **settings}, "demo")
        for name, settings in demo.jobs.items()
    }
    require_machine(next(iter(jobs.values())))  # before anything is written
    _make_folder(folder, files, overwrite)
    times = {SIMULATE: timed(lambda: demo.simulate(folder, messages))}
    for name, job in jobs.items():
        times[name] = timed(partial(run, job, messages))
    images = {**demo.load(folder), **{name: demo.read(path) for name, path in outputs.items()}}
    scores = {name: psnr(x, images["truth"]) for name, x in images.items() if name != "truth"}
    times["picture"] = timed(lambda: demo.draw(picture, folder, images, scores))
    _print_table(messages, times, scores)
    messages.result(f"files: {', '.join(path.name for path in files)} in {folder}")


def psnr(result: NDArray[Any], truth: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio [dB]."""
    error = result.astype(np.float64) - truth
    return float(20 * np.log10(truth.max() / np.sqrt(np.mean(error**2))))


def timed(step: Callable[[], Any]) -> float:
    """Seconds that a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _make_folder(folder: Path, files: list[Path], overwrite: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{folder}: expected a folder that can be made, got {problem.strerror}; choose another"
        ) from None
    there = [path.name for path in files if path.exists()]
    if there and not overwrite:
        raise OutputError(
            f"{folder}: expected a folder without {', '.join(there)}, got one that has them; "
            "choose another with -o, or pass --overwrite"
        )


def _print_table(messages: Messages, times: dict[str, float], scores: dict[str, float]) -> None:
    messages.result(f"\n{'step':12}{'time':>9}{'PSNR':>12}")
    for step, seconds in times.items():
        score = f"{scores[step]:9.2f} dB" if step in scores else ""
        messages.result(f"{step:12}{seconds:7.1f} s{score:>12}")
