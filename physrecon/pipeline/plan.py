"""What a job will take, before it takes it: slabs, memory, disk.

The model counts arrays at three moments of a slab's life: correcting, reconstructing, writing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io import Scan, partial_slabs, slabs_done, stored_bytes
from physrecon.io.output.piece_folder import slab_folder, work_folder
from physrecon.jobs.scan_job import Job
from physrecon.machine import available_memory
from physrecon.pipeline import pieces
from physrecon.pipeline.preflight import Outputs
from physrecon.pipeline.scan.footprint import chosen_rows, cost
from physrecon.sizes import format_bytes

MOST_BUDGET = 8 << 30  # beyond this, larger slabs gain nothing and lose more when stopped


@dataclass(frozen=True)
class Plan:
    """How a job is cut up.  rows: of the detector.  slabs: counted from the first row chosen."""

    job: Job
    scan: str
    rows: slice
    geometry: ParallelBeam
    grid: Grid
    budget: int
    peak: int
    slabs: list[slice]
    outputs: Outputs

    @property
    def output_bytes(self) -> int:
        return stored_bytes(self.grid.shape, np.float32, len(self.slabs))

    def lines(self) -> list[str]:
        """The plan in words."""
        shape, size = self.grid.shape, largest(self.slabs)
        slabs = f"in {len(self.slabs)} slabs of {size}" if self.slabs[1:] else "in one slab"
        output = Path(self.job.output)
        free = format_bytes(self._free())
        files = f", as {len(self.slabs)} files in {output.name}.slabs" if self.slabs[1:] else ""
        return [
            self.scan,
            f"method: {describe_method(self.job)}",
            f"center: {'found by the run' if self.job.center == 'auto' else self.job.center}",
            f"rows: {self.rows.start}:{self.rows.stop}, {slabs}",
            f"memory: {format_bytes(self.peak)} at most, of {format_bytes(self.budget)}",
            f"volume: {shape} float32, {format_bytes(self.output_bytes)}",
            f"output: {output}{files}; {free} free there",
        ]

    def warnings(self) -> list[str]:
        """What the run would stumble over, as far as the disk shows it now."""
        output, folder = self.job.output, self.job.output.parent
        found = []
        if not folder.is_dir():
            found.append(f"output: the folder {folder} is not there; create it")
        found += [f"output: {problem}" for problem in self.outputs.refusals(self.job.overwrite)]
        cut, done = partial_slabs(output), slabs_done(output)
        if cut and done:
            fate = (
                "kept if they are of this very job and input" if cut == self.slabs else "of no use"
            )
            found.append(
                f"output: {done} of {len(cut)} slabs are there already, {fate}; "
                "others need --overwrite or another name"
            )
        present = done * self.output_bytes // len(self.slabs) if cut == self.slabs else 0
        needed, free = self.output_bytes - present, self._free()
        if needed > free:
            exists = os.path.lexists(output)
            kept = ", the old volume being kept until the new one is whole" * exists
            found.append(
                f"output: needs {format_bytes(needed)}{kept}, and {format_bytes(free)} are free"
            )
        return found

    def _free(self) -> int:
        return shutil.disk_usage(existing_folder(self.job.output)).free


def make_plan(job: Job, scan: Scan) -> Plan:
    """Cut the job up.  Raises ArgumentError where rows or memory cannot be had."""
    rows = chosen_rows(job, scan)
    count = rows.stop - rows.start
    geometry = scan.geometry.part(rows)
    grid = geometry.default_grid()
    budget = job.memory or min(available_memory() // 2, MOST_BUDGET)
    size = job.slab_rows or pieces.slab_rows(budget, partial(cost, job, scan, grid), count)
    if job.prior is not None and not job.prior.slicewise and size < count:
        megabytes = -(-cost(job, scan, grid, count) // 10**6)
        way = "leave out --slab-rows" if job.slab_rows else f"give --memory {megabytes}MB"
        raise ArgumentError(
            f"prior: expected all {count} rows in one slab for a prior that couples slices, got "
            f"slabs of {size}; {way}, choose fewer --slices, or slicewise = true"
        )
    slabs = pieces.slabs(count, size)
    earlier = partial_slabs(job.output)
    if earlier and earlier[-1].stop == count and not job.slab_rows:
        # What is finished stays of use, though more or less memory may be free today.
        fits = largest(earlier) <= size
        slabs = earlier if fits or job.memory is None else slabs
    peak = cost(job, scan, grid, largest(slabs))
    folders = {slab_folder(job.output), work_folder(job.output)} if slabs[1:] else ()
    inputs = {job.input, *scan.files}
    outputs = Outputs([job.output], sorted(folders), inputs)
    return Plan(job, scan.summary(), rows, geometry, grid, budget, peak, slabs, outputs)


def largest(slabs: list[slice]) -> int:
    """Rows of the largest slab."""
    return max(s.stop - s.start for s in slabs)


def describe_method(job: Job) -> str:
    if job.method == "fbp":
        return f"fbp, {job.filter}"
    words = [job.method, f"{job.stop.iterations} iterations"]
    if job.likelihood != "least-squares":
        words.append(job.likelihood)
    if job.prior:
        words.append(f"prior {job.prior.name} of weight {job.prior.weight}")
    return ", ".join(words + ["nonnegative"] * job.nonnegative)


def existing_folder(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())
