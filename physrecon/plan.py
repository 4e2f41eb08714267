"""What a job will take, before it takes it: slabs, memory, disk.

The model counts arrays.  A slab of n rows needs at most  fixed + n · per_row  bytes, where
per_row is the largest of three moments: correcting the counts, reconstructing, writing."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from physrecon import blocks
from physrecon.blocks import format_bytes
from physrecon.errors import ArgumentError
from physrecon.geometry import Grid, ParallelBeam
from physrecon.job import Job
from physrecon.memory import available_memory
from physrecon.store import Scan, partial_slabs

BASE = 260 << 20  # the interpreter, its libraries, compiled kernels
F4 = 4
BLOCK_SLICES = 64  # slices that the kernels hold side by side
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
    fixed: int
    per_row: int
    slabs: list[slice]

    @property
    def output_bytes(self) -> int:
        return math.prod(self.grid.shape) * F4

    @property
    def peak(self) -> int:
        """Bytes in use while the largest slab is worked on."""
        return self.fixed + self.per_row * max(s.stop - s.start for s in self.slabs)

    def lines(self) -> list[str]:
        """The plan in words."""
        shape, size = self.grid.shape, max(s.stop - s.start for s in self.slabs)
        output = Path(self.job.output)
        free = shutil.disk_usage(_existing(output)).free
        files = f", as {len(self.slabs)} files in {output.name}.slabs" if self.slabs[1:] else ""
        return [
            self.scan,
            f"method: {describe_method(self.job)}",
            f"center: {'found by the run' if self.job.center == 'auto' else self.job.center}",
            f"rows: {self.rows.start}:{self.rows.stop}, in {len(self.slabs)} slabs of {size}",
            f"memory: {format_bytes(self.peak)} of {format_bytes(self.budget)}: "
            f"{format_bytes(self.fixed)} and {format_bytes(self.per_row)} a row",
            f"volume: {shape} float32, {format_bytes(self.output_bytes)}",
            f"output: {output}{files}; {format_bytes(free)} free there",
        ]


def make_plan(job: Job, scan: Scan) -> Plan:
    """Cut the job up.  Raises ArgumentError where rows or memory cannot be had."""
    rows = chosen_rows(job, scan)
    count = rows.stop - rows.start
    geometry = scan.geometry.with_rows(count)
    grid = geometry.default_grid()
    budget = job.memory or min(available_memory() // 2, MOST_BUDGET)
    fixed, per_row = cost(job, scan, grid)
    size = job.slab_rows or blocks.slab_rows(budget, per_row, fixed, count)
    slabs = blocks.slabs(count, size)
    earlier = partial_slabs(job.output)
    if earlier and earlier[-1].stop == count and not job.slab_rows:
        # What is finished stays of use, though more or less memory may be free today.
        fits = max(s.stop - s.start for s in earlier) <= size
        slabs = earlier if fits or job.memory is None else slabs
    return Plan(job, scan.summary(), rows, geometry, grid, budget, fixed, per_row, slabs)


def chosen_rows(job: Job, scan: Scan) -> slice:
    """The detector rows to reconstruct, with both ends."""
    total = scan.shape[1]
    rows = blocks.parse_slices(job.slices or ":")
    stop = total if rows.stop is None else rows.stop
    if not rows.start < stop <= total:
        raise ArgumentError(f"slices: expected rows within 0:{total}, got {job.slices}")
    return slice(rows.start, stop)


def describe_method(job: Job) -> str:
    if job.method == "fbp":
        return f"fbp, {job.filter}"
    constraint = ", nonnegative" if job.nonnegative else ""
    return f"{job.method}, {job.stop.iterations} iterations{constraint}"


def _existing(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())
