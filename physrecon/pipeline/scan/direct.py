"""Filtered backprojection of any scan in parts: the same bytes, however a volume is cut.

A slice of a parallel or fan beam needs its own row alone.  Slices of a cone beam share rows, and
rounding depends on the rows and slices that are computed together: blocks of BLOCK slices are
therefore counted from the first slice of the whole volume, whatever part of it is wanted."""

from __future__ import annotations

from typing import Any

from physrecon import arrays
from physrecon.analytic.fbp import fbp
from physrecon.analytic.fdk import fdk
from physrecon.errors import ArgumentError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io.scans.setup import TurningGeometry
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.pieces import LANES, split_rows
from physrecon.pipeline.scan.measure import Array
from physrecon.pipeline.work import PieceWork

FBP_ROWS = 64  # slices between two steps of the progress bar
BLOCK = LANES  # slices of a cone beam that are computed together


def rows_needed(scan: TurningGeometry, grid: Grid, part: slice) -> slice:
    """The detector rows that filtered backprojection of a part of the slices of a grid reads."""
    if scan.separable:
        return part
    return scan.rows_seen(grid, _whole_blocks(part, grid.shape[0]))


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
    `rows_needed`.  Raises ArgumentError for a scan that has no direct method."""
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
    if not isinstance(scan, ConeBeam):
        raise ArgumentError(
            f"method: expected an iterative one for a {type(scan).__name__}, got {job.method}; "
            "choose --method cgls"
        )
    whole = _whole_blocks(part, grid.shape[0])
    for start in range(whole.start, whole.stop, BLOCK):
        block = slice(start, min(start + BLOCK, whole.stop))
        rows = scan.rows_seen(grid, block)
        seen = y[:, rows.start - first_row : rows.stop - first_row]
        values = fdk(seen, scan.part(rows), grid.part(block), **settings)
        first, last = max(block.start, part.start), min(block.stop, part.stop)
        volume[first - part.start : last - part.start] = values[first - start : last - start]
        work.progress((last - part.start) / count, "")
    return volume


def _whole_blocks(part: slice, count: int) -> slice:
    """The slices of all blocks that a part touches."""
    return slice(part.start // BLOCK * BLOCK, min(-(-part.stop // BLOCK) * BLOCK, count))
