"""Rows of a scan as line integrals or as counts, as the likelihood of a job takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.catalog import LIKELIHOODS, find
from physrecon.io import Scan
from physrecon.jobs.scan_job import ScanJob
from physrecon.preprocess.line_integrals import Repairs, prepare, prepare_counts
from physrecon.sizes import parse_slices

Array = NDArray[np.floating[Any]]

ALL = slice(None)


@dataclass
class SlabData:
    """The data of a few detector rows, (views, rows, columns): line integrals, or raw counts with
    the blank and the dark of TransmissionLikelihood, broadcastable to counts."""

    line_integrals: Any = None
    counts: Any = None
    blank: Any = None
    dark: Any = None

    @property
    def y(self) -> Any:
        """Line integrals or counts, whichever is present."""
        return self.line_integrals if self.counts is None else self.counts

    def part(self, rows: slice) -> SlabData:
        """A copy of the data of some rows."""

        def some(a: Any) -> Any:
            return a if a is None else np.array(a if a.shape[-2] == 1 else a[..., rows, :])

        return SlabData(*map(some, vars(self).values()))

    def to(self, device: str) -> SlabData:
        moved = (None if a is None else arrays.to_device(a, device) for a in vars(self).values())
        return SlabData(*moved)


def measure(job: ScanJob, scan: Scan, rows: slice) -> tuple[SlabData, Repairs]:
    """The data of a few detector rows, in the form that the likelihood of the job takes."""
    stacks = [s[:, rows] for s in (scan.projections, scan.flats, scan.darks)]
    masked = scan.projections.masked((slice(None), rows))
    if find(LIKELIHOODS, job.likelihood).raw_counts:
        *parts, repairs = prepare_counts(*stacks, **corrections(job, scan), masked=masked)
        return SlabData(None, *parts), repairs
    y, repairs = corrected(job, scan, stacks, rows.start, masked=masked)
    return SlabData(y), repairs


def corrected(
    job: ScanJob,
    scan: Scan,
    stacks: list[NDArray],
    first_row: int,
    fill_bad: bool = True,
    views: Any = ALL,
    masked: NDArray[np.bool_] | None = None,
) -> tuple[Array, Repairs]:
    """Line integrals from counts, flats and darks that were read from `first_row` on.

    fill_bad: false leaves bad values NaN.  views: those of the scan that were read.  masked: values
    that are NaN on purpose.  The counts are removed from the list, and their memory is reused."""
    counts = stacks.pop(0)
    if counts.dtype == np.float64:
        counts = counts.astype(np.float32)
    flats, darks = stacks
    return prepare(
        counts,
        flats,
        darks,
        **corrections(job, scan, views),
        floor=None if job.floor == "auto" else job.floor,
        rings=None if job.rings == "none" or not fill_bad else job.rings,
        transmission=job.transmission,
        line_integrals=job.line_integrals,
        masked=masked,
        first_row=first_row,
        fill_bad=fill_bad,
        overwrite=True,
    )


def corrections(job: ScanJob, scan: Scan, views: Any = ALL) -> dict[str, Any]:
    """The arguments that `prepare` and `prepare_counts` share, for these views."""
    largest = None if job.saturation is None else job.saturation * math.prod(scan.bins)
    return {
        "flat_positions": scan.flat_positions,
        "beam": None if scan.beam is None else (scan.beam[0][views], scan.beam[1]),
        "air": None if job.air is None else parse_slices(job.air),
        "saturation": largest,
        "zingers": job.zingers,
        "angles": scan.geometry.radians[views],
    }
