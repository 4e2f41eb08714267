"""Slices that are reconstructed from the rows they need, as a program does that cuts a volume."""

from __future__ import annotations

import numpy as np

import physrecon as pr

ABREAST = 16  # rows are filtered so many at a time


def same_from_any_cut(slices, whole, scan, grid: pr.Grid, part: slice, *settings: str) -> None:
    """slices, whole: `fdk_slices` and `pr.fdk`, say."""
    y = np.random.default_rng(3).random(scan.shape, np.float32)
    rows = scan.rows_seen(grid, part)
    rows = slice(rows.start // ABREAST * ABREAST, -(-rows.stop // ABREAST) * ABREAST)
    found = np.full((part.stop - part.start, *grid.shape[1:]), np.nan, np.float32)
    some = np.ascontiguousarray(y[:, rows])
    slices(some, scan, grid, *settings, found, (part.start, rows.start))
    np.testing.assert_array_equal(found, whole(y, scan, grid, *settings)[part])
