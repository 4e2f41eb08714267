"""The geometry doctor on a scan in a file: a few rows, and all rows of a few views, are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from physrecon.errors import ArgumentError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io import Scan
from physrecon.io.scans.setup import SENSES
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.scan.measure import Array, corrected
from physrecon.preprocess.geometry_doctor import (
    MIRROR_Z,
    OTHER_SENSE,
    Diagnosis,
    check_geometry,
    transposed,
)
from physrecon.preprocess.small_rows import as_fan, middle_row

FRAMES = 16  # of the views, read whole to tell whether rows are columns


def diagnose(job: ScanJob, scan: Scan) -> Diagnosis:
    """What the data tell of the stated geometry.  Raises ArgumentError for other beams."""
    geometry = scan.geometry
    if not isinstance(geometry, ParallelBeam | FanBeam | ConeBeam):
        raise ArgumentError(
            f"check-geometry: expected a parallel, fan or cone beam, got a {scan.beam_kind} one"
        )
    center = None if job.center == "auto" else float(job.center)
    views, rows, _ = scan.shape
    if rows > 1:
        some = np.arange(0, views, -(-views // FRAMES))
        stacks = [scan.projections[some], scan.flats[:], scan.darks[:]]
        frames: Array = corrected(job, scan, stacks, 0, views=some)[0]
        if exchanged := transposed(frames):
            return Diagnosis((exchanged,), (MIRROR_Z,))
    row = middle_row(geometry)
    stacks = [s[:, row : row + 1] for s in (scan.projections, scan.flats, scan.darks)]
    y, _ = corrected(job, scan, stacks, row)
    one = (
        geometry.part(slice(row, row + 1))
        if isinstance(geometry, ParallelBeam)
        else as_fan(geometry)
    )
    found = check_geometry(y, one, center)
    other = SENSES[scan.setup.rotation in (None, SENSES[0])]
    faults = tuple(
        replace(fault, mend=fault.mend.replace(OTHER_SENSE, f"--rotation {other}"))
        for fault in found.faults
    )
    return replace(found, faults=faults)
