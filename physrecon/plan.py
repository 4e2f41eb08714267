"""What a job will take, before it takes it: slabs, memory, disk.

The model counts arrays at three moments of a slab's life: correcting, reconstructing, writing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from physrecon import blocks
from physrecon.analytic.fbp import CHUNK_BYTES
from physrecon.blocks import format_bytes
from physrecon.errors import ArgumentError
from physrecon.execution import Outputs
from physrecon.geometry import Grid, ParallelBeam
from physrecon.job import Job
from physrecon.memory import available_memory
from physrecon.names import LIKELIHOODS
from physrecon.operators.projector import block_widths, staggered
from physrecon.store import Scan, partial_slabs, slabs_done, stored_bytes
from physrecon.store.slabs import slab_folder, work_folder

BASE = 260 << 20  # the interpreter, its libraries, compiled kernels
F4 = 4
FBP_HOLDS = (2, 1)  # data sets and volumes, the line integrals and the result included
# volumes that a prior takes besides, and data sets that a likelihood does
PRIOR_VOLUMES = {
    "tikhonov": 3, "smooth": 5, "l1": 3, "wavelet": 5, "tv": 8, "huber-tv": 7, "tgv": 24,
}  # fmt: skip
LIKELIHOOD_SETS = {"transmission": 2, "weighted": 3, "poisson": 1}
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
    geometry = scan.geometry.with_rows(count)
    grid = geometry.default_grid()
    budget = job.memory or min(available_memory() // 2, MOST_BUDGET)
    size = job.slab_rows or blocks.slab_rows(budget, partial(cost, job, scan, grid), count)
    if job.prior is not None and not job.prior.slicewise and size < count:
        megabytes = -(-cost(job, scan, grid, count) // 10**6)
        way = "leave out --slab-rows" if job.slab_rows else f"give --memory {megabytes}MB"
        raise ArgumentError(
            f"prior: expected all {count} rows in one slab for a prior that couples slices, got "
            f"slabs of {size}; {way}, choose fewer --slices, or slicewise = true"
        )
    slabs = blocks.slabs(count, size)
    earlier = partial_slabs(job.output)
    if earlier and earlier[-1].stop == count and not job.slab_rows:
        # What is finished stays of use, though more or less memory may be free today.
        fits = largest(earlier) <= size
        slabs = earlier if fits or job.memory is None else slabs
    peak = cost(job, scan, grid, largest(slabs))
    folders = {slab_folder(job.output), work_folder(job.output)} if slabs[1:] else ()
    inputs = {job.input, *scan.tree.files, *scan.tree.sources}
    outputs = Outputs([job.output], sorted(folders), inputs)
    return Plan(job, scan.summary(), rows, geometry, grid, budget, peak, slabs, outputs)


def largest(slabs: list[slice]) -> int:
    """Rows of the largest slab."""
    return max(s.stop - s.start for s in slabs)


def cost(job: Job, scan: Scan, grid: Grid, rows: int) -> int:
    """Bytes in use while a slab of so many rows is worked on.

    The largest of three moments: counts and line integrals while they are corrected; data sets and
    volumes of the method, and the blocks of the kernels, while it reconstructs; the slab and its
    file image while it is written."""
    views, _, columns = scan.shape
    itemsize = np.dtype(scan.dtype).itemsize
    ny, nx = grid.shape[1:]
    data, plane = views * columns * F4, ny * nx * F4
    sets, planes = held(job)
    width = max(w for _, w in block_widths(rows))
    lane = width * F4
    block = lane * (views * staggered(columns, lane) + ny * staggered(nx, lane))
    correcting = rows * (data if scan.dtype == np.float32 else views * columns * itemsize + data)
    padded = rows * columns * (4 if job.padding == "edge" else 2) * F4
    transforming = 3 * min(views * padded, max(CHUNK_BYTES, padded)) if job.method == "fbp" else 0
    reconstructing = rows * (sets * data + planes * plane) + max(block, transforming)
    writing = int(rows * 2.25 * plane)  # the file image grows by steps of an eighth
    return BASE + max(correcting, reconstructing, writing)


def held(job: Job) -> tuple[int, int]:
    """(data sets, volumes) in memory at the same time."""
    if job.method == "fbp":
        return FBP_HOLDS
    sets, volumes = job.make_solver().holds
    more = PRIOR_VOLUMES[job.prior.name] if job.prior else 0
    return sets + LIKELIHOOD_SETS.get(job.likelihood, 0), volumes + more


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
    words = [job.method, f"{job.stop.iterations} iterations"]
    if job.likelihood != LIKELIHOODS[0]:
        words.append(job.likelihood)
    if job.prior:
        words.append(f"prior {job.prior.name} of weight {job.prior.weight}")
    return ", ".join(words + ["nonnegative"] * job.nonnegative)


def existing_folder(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())
