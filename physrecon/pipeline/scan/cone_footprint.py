"""Memory of a beam whose rays cross many slices: of slabs by fdk, of the whole by iterations."""

from __future__ import annotations

import math

import numpy as np

from physrecon.analytic.fbp import CHUNK_BYTES
from physrecon.catalog import DIRECT
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.io import Scan
from physrecon.jobs.scan_job import ScanJob
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.pieces import F4, PROGRAM_BYTES
from physrecon.pipeline.scan.direct import BLOCK, rows_needed
from physrecon.sizes import counted, format_bytes

SHARE = 32  # bytes, in which a slice of a helix holds how much a view counts


def cone_bytes(job: ScanJob, scan: Scan, grid: Grid, slices: int, held: tuple[int, int]) -> int:
    """Bytes in use at most for so many slices of a grid, as `footprint.peak_bytes` counts them.

    held: (data sets, volumes) of an iterative method, which takes all slices at once."""
    views, rows, columns = scan.shape
    itemsize = np.dtype(scan.dtype).itemsize
    data, plane = views * columns * F4, math.prod(grid.shape[1:]) * F4
    writing = int(slices * 2.25 * plane)
    if job.method in DIRECT:
        needed = rows_of_slab(scan, grid, slices)
        few = min(slices, BLOCK)
        block = rows_of_slab(scan, grid, few)
        padded = views * block * columns * (4 if job.padding == "edge" else 2) * F4
        filtering = 2 * block * data + 3 * min(padded, max(CHUNK_BYTES, padded // views))
        geometry = scan.geometry.part(slice(0, block))
        work = Projector(geometry, grid.part(slice(0, few))).work_bytes(F4)
        shares = views * few * SHARE if isinstance(geometry, HelicalCone) else 0
        reconstructing = needed * data + filtering + slices * plane + work + shares
    else:
        needed, work = rows, Projector(scan.geometry, grid).work_bytes(F4)
        reconstructing = rows * held[0] * data + grid.shape[0] * held[1] * plane + work
    own = 0 if scan.dtype == np.float32 else views * columns * itemsize
    correcting = needed * (own + data)
    return PROGRAM_BYTES + max(correcting, reconstructing, writing)


def rows_of_slab(scan: Scan, grid: Grid, slices: int) -> int:
    """The most detector rows that so many adjacent slices need."""
    geometry = scan.geometry
    whole = geometry.default_grid(grid.shape[2])
    count = whole.shape[0]
    most = min(count, slices)
    starts = {0, (count - most) // 2, count - most}
    parts = [rows_needed(geometry, whole, slice(start, start + most)) for start in starts]
    return max(part.stop - part.start for part in parts)


def whole_in_words(scan: Scan, grid: Grid, held: tuple[int, int]) -> str:
    """What an iterative method holds of a beam whose slices depend on each other."""
    sets, volumes = held
    data, volume = (math.prod(shape) * F4 for shape in (scan.shape, grid.shape))
    return (
        f"one piece, as rays of a {scan.beam_kind} beam cross many slices: "
        f"{counted(sets, 'data set')} of {format_bytes(data)} and {counted(volumes, 'volume')} of "
        f"{format_bytes(volume)}"
    )
