"""The plan of a job before it runs: pieces, memory, disk.

A plan is a value: it holds no operator and no open file, and can be pickled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physrecon import arrays
from physrecon.jobs.model import Job
from physrecon.machine import available_memory
from physrecon.pipeline.kept_work import state_path
from physrecon.pipeline.task import Footprint, Piece, Task, Words
from physrecon.sizes import format_bytes

MOST_BUDGET = 8 << 30  # bytes; beyond this, larger pieces gain nothing and lose more when stopped
GPU_SHARE = 0.8  # of the device's free memory


@dataclass(frozen=True)
class Plan:
    """How a job is carried out.  summary: the input, in lines.  budget: bytes of memory."""

    job: Job
    summary: tuple[str, ...]
    words: Words
    budget: int
    footprint: Footprint

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return self.footprint.pieces

    @property
    def peak(self) -> int:
        """Bytes of memory in use at most."""
        return self.footprint.peak

    @property
    def output_bytes(self) -> int:
        """Bytes of the result on the disk."""
        return self.footprint.output_bytes

    def lines(self) -> list[str]:
        """The plan in words."""
        need, count = self.footprint, len(self.pieces)
        files = f", {count} {self.words.piece}s" if count > 1 else ""
        return [
            *self.summary,
            f"method: {self.job.describe_method()}",
            *need.lines,
            f"work: {work_in_words(self.job, self.words, self.pieces)}{self._when()}",
            *self._kept(),
            f"memory: {format_bytes(need.peak)} at most, of {format_bytes(self.budget)}",
            f"output: {self.job.output}{files}, {need.result}, "
            f"{format_bytes(need.output_bytes)}; {format_bytes(self._free())} free there",
        ]

    def warnings(self) -> list[str]:
        """Problems that the run would meet, judged from the disk as it is now."""
        need, folder, found = self.footprint, self.job.output.parent, []
        if not folder.is_dir():
            found.append(f"output: the folder {folder} is not there; create it")
        found += [f"output: {problem}" for problem in need.outputs.refusals(self.job.overwrite)]
        if need.found:
            of, fate = f"of {len(self.pieces)} ", "kept if they are of this very job and input"
            if not need.usable:
                of, fate = "", "of no use, being cut elsewhere"
            found.append(
                f"output: {need.found} {of}{self.words.piece}s are there already, {fate}; "
                "others need --overwrite or another name"
            )
        done = need.found * need.output_bytes // len(self.pieces) if need.usable else 0
        states = 2 * need.state  # the next one is written before the last one goes
        needed, free = need.output_bytes + need.scratch + states - done, self._free()
        if needed > free:
            kept = ", the old output being kept until the new one is whole" * os.path.lexists(
                self.job.output
            )
            found.append(
                f"output: needs {format_bytes(needed)}{kept}, and {format_bytes(free)} are free"
            )
        return found

    def record(self) -> dict[str, Any]:
        """The plan as plain values, sizes in bytes."""
        need, job = self.footprint, self.job
        return {
            "input": job.input,
            "output": job.output,
            "method": job.method,
            "likelihood": job.likelihood,
            "iterations": None if job.method in type(job).DIRECT else job.stop.iterations,
            "device": job.device,
            "shape": need.shape,
            "unit": need.unit,
            "piece": self.words.piece,
            "pieces": len(self.pieces),
            "pieces_done": need.found if need.usable else 0,
            "memory_bytes": need.peak,
            "budget_bytes": self.budget,
            "output_bytes": need.output_bytes,
            "scratch_bytes": need.scratch,
            "state_bytes": need.state,
            "free_bytes": self._free(),
        }

    def _kept(self) -> list[str]:
        """The file that a run which is stopped goes on from, while it is there."""
        if not self.footprint.state:
            return []
        size = format_bytes(self.footprint.state)
        return [
            f"work in hand: {state_path(self.job.output).name}, {size} at most, until it is done"
        ]

    def _when(self) -> str:
        """Where the time is told: it depends on machine, load and data, and a trial of iterations
        needs all that a run reads, compiles and allocates."""
        return (
            ""
            if self.job.method in type(self.job).DIRECT
            else "; the run states the time after its first ones"
        )

    def _free(self) -> int:
        return shutil.disk_usage(existing_folder(self.job.output)).free


def make_plan(task: Task) -> Plan:
    """Cut a task into pieces that fit the memory.  Raises ArgumentError if that is impossible."""
    budget = task.job.memory or default_budget(task.job)
    return Plan(task.job, tuple(task.summary()), task.words, budget, task.footprint(budget))


def default_budget(job: Job) -> int:
    """Bytes of memory for a job that names none, on the machine it runs on."""
    if job.device == "cuda":
        return int(GPU_SHARE * arrays.cupy().cuda.runtime.memGetInfo()[0])
    return min(available_memory() // 2, MOST_BUDGET)


def existing_folder(path: Path) -> Path:
    """The nearest existing folder above a path."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def work_in_words(job: Job, words: Words, pieces: Sequence[Piece]) -> str:
    """`60 slices in 3 slabs, 200 iterations of fista each`."""
    units, count = sum(piece.units for piece in pieces), len(pieces)
    cut = f" in {count} {words.piece}s" if 1 < count < units else ""
    each = " each" if count > 1 else ""
    work = f"{units} {words.unit if units > 1 else words.unit[:-1]}{cut}"
    if job.method in type(job).DIRECT:
        return f"{work} by {job.method}"
    most = "up to " if may_end(job) else ""
    return f"{work}, {most}{job.stop.iterations} iterations of {job.method}{each}"


def may_end(job: Job) -> bool:
    """Whether a rule may end the iterations before their limit."""
    return bool(job.stop.rtol or job.stop.gain or job.stop.discrepancy is not None)
