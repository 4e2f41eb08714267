"""Memory that a slab of a scan needs, and the rows that fit."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from physrecon import sizes
from physrecon.analytic.fbp import CHUNK_BYTES
from physrecon.analytic.view_weights import extension, full_turn
from physrecon.catalog import DIRECT, LIKELIHOODS, PRIORS, find
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.io import Scan
from physrecon.jobs.scan_job import ScanJob
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.pieces import F4, PROGRAM_BYTES, slab_rows
from physrecon.pipeline.problem import make_solver
from physrecon.pipeline.scan.cone_footprint import cone_bytes
from physrecon.pipeline.scan.stated import or_direct

DIRECT_HOLDS = (2, 1)  # data sets and volumes, the line integrals and the result included


def peak_bytes(job: ScanJob, scan: Scan, grid: Grid, rows: int) -> int:
    """Bytes in use at most for a slab of `rows` rows.

    The largest of three moments: counts and line integrals while they are corrected; data sets and
    volumes of the method, and the blocks of the kernels, while it reconstructs; the slab and its
    file image while it is written."""
    if not scan.geometry.separable:
        return cone_bytes(job, scan, grid, rows, arrays_held(job))
    views, _, columns = scan.shape
    itemsize = np.dtype(scan.dtype).itemsize
    data, plane = views * columns * F4, math.prod(grid.shape[1:]) * F4
    sets, planes = arrays_held(job)
    slab, geometry = slice(0, rows), scan.geometry
    seen = geometry.part(geometry.rows_seen(grid, slab))
    more = added_columns(job, scan) if job.method in DIRECT else 0
    wide = replace(seen, detector_shape=(seen.shape[1], columns + more))
    block = Projector(wide, grid.part(slab)).work_bytes(F4)
    correcting = rows * (data if scan.dtype == np.float32 else views * columns * itemsize + data)
    padded = rows * (columns * (4 if job.padding == "edge" else 2) + 2 * more) * F4
    transforming = 3 * min(views * padded, max(CHUNK_BYTES, padded)) if job.method in DIRECT else 0
    filtered = rows * views * more * F4
    reconstructing = rows * (sets * data + planes * plane) + filtered + max(block, transforming)
    writing = int(rows * 2.25 * plane)  # the file image grows by steps of an eighth
    return PROGRAM_BYTES + max(correcting, reconstructing, writing)


def state_bytes(job: ScanJob, scan: Scan, grid: Grid, rows: int) -> int:
    """Bytes of the state of a solver for a slab of `rows` rows, at most."""
    if job.method in DIRECT:
        return 0
    views, all_rows, columns = scan.shape
    sets, planes = make_solver(job).holds
    seen = rows if scan.geometry.separable else all_rows
    data, volume = seen * views * columns, rows * math.prod(grid.shape[1:])
    return F4 * ((sets - 1) * data + planes * volume)


def added_columns(job: ScanJob, scan: Scan) -> int:
    """Columns that fbp adds to the detector of a full turn, at most, if the axis is not known."""
    if job.center == "auto":
        return scan.shape[2] // 2 + 2 if full_turn(scan.geometry.radians) else 0
    return sum(extension(scan.geometry.with_center(float(job.center))))


def arrays_held(job: ScanJob) -> tuple[int, int]:
    """(data sets, volumes) in memory at the same time."""
    if job.method in DIRECT:
        return DIRECT_HOLDS
    sets, volumes = make_solver(job).holds
    more = find(PRIORS, job.prior.name).holds if job.prior else 0
    return sets + find(LIKELIHOODS, job.likelihood).holds, volumes + more


def rows_that_fit(job: ScanJob, scan: Scan, grid: Grid, budget: int) -> int:
    """Rows of a slab within a budget of bytes.  Raises ArgumentError if there are too few."""
    count = grid.shape[0]
    if not scan.geometry.separable and job.method not in DIRECT:
        return _all_at_once(job, scan, grid, budget)
    size = job.slab_rows or slab_rows(budget, partial(peak_bytes, job, scan, grid), count)
    if job.prior is not None and not job.prior.slicewise and size < count:
        megabytes = -(-peak_bytes(job, scan, grid, count) // 10**6)
        way = "leave out --slab-rows" if job.slab_rows else f"give --memory {megabytes}MB"
        raise ArgumentError(
            f"prior: expected all {count} rows in one slab for a prior that couples slices, got "
            f"slabs of {size}; {way}, choose fewer --slices, or slicewise = true"
        )
    return size


def _all_at_once(job: ScanJob, scan: Scan, grid: Grid, budget: int) -> int:
    """All slices, of a beam whose rays cross many of them.  Raises ArgumentError."""
    need, count = peak_bytes(job, scan, grid, grid.shape[0]), grid.shape[0]
    if job.slab_rows and job.slab_rows < count:
        raise ArgumentError(
            f"slab_rows: expected all {count} slices at once, as rays of a {scan.beam_kind} beam "
            f"cross many of them, got {job.slab_rows}; drop it"
            + or_direct(scan, ", or choose --method {}")
        )
    if need > budget:
        raise ArgumentError(
            f"memory: expected at least {sizes.format_bytes(need)} for {job.method} of all "
            f"{count} slices, as rays of a {scan.beam_kind} beam cross many of them, got "
            f"{sizes.format_bytes(budget)}; raise --memory, or take pixels together with --bin 2"
            + or_direct(scan, ", or choose --method {}, which works in slabs")
        )
    return count


def chosen_rows(job: ScanJob, total: int) -> slice:
    """The detector rows to reconstruct, of `total`, both ends given."""
    return _chosen(job, total, "rows")


def chosen_slices(job: ScanJob, scan: Scan, total: int) -> slice:
    """The slices of a volume to reconstruct, of `total`, by a beam whose rays cross many of them.

    Raises ArgumentError for a part of them by an iterative method."""
    if job.slices and job.method not in DIRECT:
        raise ArgumentError(
            f"slices: expected a direct method for some of the slices, as rays cross many of them, "
            f"got {job.method}; drop --slices, or take pixels together with --bin 2"
            + or_direct(scan, ", or choose --method {}")
        )
    return _chosen(job, total, "slices")


def _chosen(job: ScanJob, total: int, name: str) -> slice:
    rows = sizes.parse_slices(job.slices or ":")
    stop = total if rows.stop is None else rows.stop
    if not rows.start < stop <= total:
        raise ArgumentError(f"slices: expected {name} within 0:{total}, got {job.slices}")
    return slice(rows.start, stop)
