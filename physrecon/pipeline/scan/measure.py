"""Rows of a scan as line integrals or as counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.catalog import LIKELIHOODS, find
from physrecon.io import Scan
from physrecon.jobs.scan_job import Job
from physrecon.pipeline.scan.problem import Measured
from physrecon.preprocess.line_integrals import Repairs, prepare, prepare_counts

Array = NDArray[np.floating[Any]]


def line_integrals(job: Job, scan: Scan, rows: slice) -> tuple[Array, Repairs]:
    """-log(transmission) of some detector rows, (views, rows, columns) float32, all finite."""
    stacks = [s[:, rows] for s in (scan.projections, scan.flats, scan.darks)]
    return corrected(job, scan, stacks, rows.start)


def measure(job: Job, scan: Scan, rows: slice) -> tuple[Measured, Repairs]:
    """What some detector rows have measured, as the likelihood of the job takes it."""
    if not find(LIKELIHOODS, job.likelihood).raw_counts:
        y, repairs = line_integrals(job, scan, rows)
        return Measured(y), repairs
    stacks = [s[:, rows] for s in (scan.projections, scan.flats, scan.darks)]
    *parts, repairs = prepare_counts(*stacks, flat_positions=scan.flat_positions)
    return Measured(*parts), repairs


def corrected(job: Job, scan: Scan, stacks: list[NDArray], first_row: int) -> tuple[Array, Repairs]:
    """Line integrals of counts, flats and darks that have been read from `first_row` on.

    The counts leave the list: their memory is used."""
    counts = stacks.pop(0)
    if counts.dtype == np.float64:
        counts = counts.astype(np.float32)
    flats, darks = stacks
    return prepare(
        counts,
        flats,
        darks,
        flat_positions=scan.flat_positions,
        rings=None if job.rings == "none" else job.rings,
        line_integrals=job.line_integrals,
        first_row=first_row,
        overwrite=True,
    )


def length(slab: slice) -> int:
    return slab.stop - slab.start
