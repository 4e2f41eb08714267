"""Checks before a job runs: the machine, the output, the method."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.catalog import SOLVERS, find
from physrecon.errors import ArgumentError, OutputError
from physrecon.io.output import slice_folder
from physrecon.io.output.piece_folder import owner, part_folders, refusal
from physrecon.jobs.model import Job
from physrecon.pipeline import kept_work
from physrecon.pipeline.messages import Messages, NoMessages
from physrecon.pipeline.problem import make_solver
from physrecon.problem import Problem
from physrecon.solvers import Stop, solve


def require_machine(job: Job, messages: Messages | None = None) -> None:
    """Set the threads; raise DeviceError if the machine lacks the device of the job."""
    if job.device == "cuda":
        _try_gpu()
    used = use_threads(job.threads)
    if job.threads and used < job.threads:
        messages = messages or NoMessages()
        messages.note(f"threads: {used}, all of this machine, of the {job.threads} asked for")


def _try_gpu() -> None:
    """Compute ⟨1, 1⟩ of 8 elements on the GPU; raise DeviceError if that is not 8.

    Libraries that do not fit together are found when a kernel is compiled and launched."""
    ones = arrays.cupy().ones(8, np.float32)
    try:
        found = float(arrays.dots(ones, ones, None)[0])
    except Exception as error:
        raise arrays.unusable_gpu(error) from None
    if found != 8:
        raise arrays.unusable_gpu(ArithmeticError(f"a sum of 8 ones is {found:g}"))


def use_threads(count: int | None) -> int:
    """Let kernels run on `count` threads, None for all cores, whatever an earlier job wanted.

    Returns the number that is used: no more than there are, since results do not depend on it.
    Raises DeviceError if Numba cannot be imported."""
    try:
        import numba
    except ImportError as error:
        raise arrays.unusable_cpu(error) from None

    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    used = min(count or most, most)
    numba.set_num_threads(used)
    return used


@dataclass(frozen=True)
class Outputs:
    """All paths that a job writes or reads.

    files: written, the result first.  folders: of finished parts.  inputs: files that are read.
    in_slices: the result is a folder of files."""

    files: list[Path]
    folders: list[Path]
    inputs: set[Path]
    in_slices: bool = False

    def refusals(self, overwrite: bool) -> Iterator[str]:
        """Yield a sentence for each path that must not be written.

        An input is always refused.  Other existing files need `overwrite`, except files beside the
        result if a folder of parts, or a state, bears the mark of the run that wrote them."""
        state = kept_work.state_path(self.files[0])
        resumed = any(owner(folder) for folder in self.folders) or kept_work.is_ours(state)
        inputs = [path for path in self.inputs if path.exists()]
        for path in self.files:
            if path.exists() and any(path.samefile(given) for given in inputs):
                yield (
                    f"{path}: expected another file than the input, got the same; choose a new name"
                )
            elif self.in_slices and path == self.files[0]:
                yield from filter(None, [slice_folder.refusal(path, overwrite)])
            elif path.exists() and not path.is_file():
                yield f"{path}: expected a new file, got a folder or a device; choose another name"
            elif os.path.lexists(path) and not (overwrite or (resumed and path != self.files[0])):
                yield (
                    f"{path}: expected a new file, got one that exists; "
                    "choose another name or pass --overwrite"
                )
        yield from filter(None, map(refusal, self.folders))
        yield from filter(None, [kept_work.refusal(state)])
        for folder in (folder for path in self.files for folder in part_folders(path)):
            for given in inputs if folder.is_dir() else ():
                if any(folder.samefile(parent) for parent in given.resolve().parents):
                    yield (
                        f"{given}: expected an input that stays, got one in {folder.name}, which "
                        "goes when the output is written; choose another name for the output"
                    )


def check_output(job: Job, outputs: Outputs, example: str) -> None:
    """Check the output before hours of work; the writers repeat these checks under their lock.

    example: a name for an output."""
    if job.output.is_dir() and not outputs.in_slices:
        raise OutputError(
            f"{job.output}: expected the name of a file, got a folder; "
            f"choose a name in it, such as {job.output / example}"
        )
    if not job.output.parent.is_dir():
        raise OutputError(
            f"{job.output}: expected a folder to write to, got no folder {job.output.parent}; "
            "create it or choose another"
        )
    for problem in outputs.refusals(job.overwrite):
        raise OutputError(problem)


def check_method(job: Job, problem: Problem | None, methods: Iterable[str]) -> None:
    """Refuse an iterative method that cannot solve the problem, and name those that can.

    problem: a small one of the same kind, tried for one iteration; None for direct methods."""
    if problem is None:
        return

    def trouble(method: str) -> ArgumentError | None:
        solver: Any = find(SOLVERS, method)() if method != job.method else make_solver(job)
        try:
            solve(problem, solver, stop=Stop(iterations=1))
        except ArgumentError as error:
            return error
        return None

    if error := trouble(job.method):
        able = [method for method in methods if trouble(method) is None]
        if not able:
            raise error
        what = f"{job.likelihood} of values >= 0" if job.nonnegative else job.likelihood
        raise ArgumentError(
            f"method: expected one that can minimise {what}, got {job.method}; "
            f"choose --method {'|'.join(able)}"
        )
