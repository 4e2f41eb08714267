"""Filtered backprojection of any scan in parts: the same bytes, however a volume is cut.

A slice of a parallel or fan beam needs its own row alone, one of another beam several.  Rows are
filtered in vectors, which are therefore counted from the first row of the detector."""

from __future__ import annotations

from typing import Any

from physrecon import arrays
from physrecon.analytic.fbp import fbp, fbp_slices
from physrecon.analytic.fdk import fdk, fdk_slices
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.io.scans.setup import TurningGeometry
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.pieces import LANES, split_rows
from physrecon.pipeline.scan.measure import Array
from physrecon.pipeline.work import PieceWork

FBP_ROWS = 64  # slices between two steps of the progress bar
BLOCK = 256  # slices of a cone beam between two steps: they filter the rows that they share anew


def rows_needed(scan: TurningGeometry, grid: Grid, part: slice) -> slice:
    """The detector rows that filtered backprojection of a part of the slices of a grid reads."""
    if scan.separable:
        return part
    rows = scan.rows_seen(grid, part)
    return slice(rows.start // LANES * LANES, min(-(-rows.stop // LANES) * LANES, scan.shape[1]))


def direct(
    job: ScanJob,
    y: Array,
    first_row: int,
    scan: TurningGeometry,
    grid: Grid,
    part: slice,
    work: PieceWork,
) -> Array:
    """Slices of the volume on `grid` from line integrals y of the detector rows from `first_row`.

    scan, grid: of the whole detector, and all slices that it sees.  y: at least the rows of
    `rows_needed`.  Raises ArgumentError for a scan that its direct method does not take."""
    count = part.stop - part.start
    volume: Array = arrays.like(y, (count, *grid.shape[1:]))
    settings: dict[str, Any] = {"filter": job.filter, "padding": job.padding}
    if isinstance(scan, ParallelBeam | FanBeam):
        for some in split_rows(count, FBP_ROWS):
            here = slice(part.start + some.start, part.start + some.stop)
            rows = slice(here.start - first_row, here.stop - first_row)
            piece, place = scan.part(here), grid.part(here)
            if isinstance(piece, FanBeam):
                fdk(y[:, rows], piece, place, **settings, out=volume[some])
            else:
                fbp(y[:, rows], piece, place, **settings, out=volume[some])
            work.progress(some.stop / count, "")
        return volume
    for some in split_rows(count, BLOCK):
        here = slice(part.start + some.start, part.start + some.stop)
        rows = rows_needed(scan, grid, here)
        seen = y[:, rows.start - first_row : rows.stop - first_row]
        what = job.filter, job.padding, volume[some], (here.start, rows.start)
        if isinstance(scan, TiltedBeam):
            fbp_slices(seen, scan, grid, *what)
        else:
            fdk_slices(seen, scan, grid, *what)
        work.progress(some.stop / count, "")
    return volume
