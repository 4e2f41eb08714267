"""Scans and grids as values, and parts of them that keep their place."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from geometries import GEOMETRIES

import physrecon as pr
from physrecon.geometry.scan_geometry import ScanGeometry

SCAN = pr.ParallelBeam([0, 10, 50], (7, 5), angle_unit="deg", pixel_size=(0.3, 0.1), center=1.7)
PARTS = [slice(a, b) for a, b in itertools.combinations_with_replacement(range(8), 2)]


def test_a_parallel_beam_is_a_geometry():
    geometry: ScanGeometry = SCAN
    assert geometry.separable


@pytest.mark.parametrize("center", [(0, 0, 0), (-3.5, 0.25, 100)])
def test_voxels_of_a_grid(center):
    grid = pr.Grid((3, 4, 1), (2.0, 0.5, 1.0), center)
    for which, expected in enumerate([[-2, 0, 2], [-0.75, -0.25, 0.25, 0.75], [0]]):
        np.testing.assert_array_equal(grid.axis(which), np.add(expected, center[which]))
        index = np.arange(grid.shape[which]) - grid.origin[which]
        np.testing.assert_allclose(index * grid.pitch[which], grid.axis(which), atol=1e-12)


@pytest.mark.parametrize("count", [0, 1, 6, 7])
def test_every_part_of_every_part_of_a_grid(count):
    grid = pr.Grid((count, 2, 3), (0.7, 1.0, 1.0), (0.4, 5.0, 6.0))
    for part in PARTS:
        some = grid.part(part)
        np.testing.assert_allclose(some.axis(0), grid.axis(0)[part], atol=1e-14)
        assert (some.shape[1:], some.pitch, some.center[1:]) == ((2, 3), grid.pitch, (5.0, 6.0))
        for inner in PARTS:
            z = some.part(inner).axis(0)
            np.testing.assert_allclose(z, grid.axis(0)[part][inner], atol=1e-14)


def test_every_part_of_every_part_of_a_scan():
    """Equal to the part cut at once: the place is counted in half rows, without rounding."""
    rows = range(7)
    for part, inner in itertools.product(PARTS, PARTS):
        twice, once = SCAN.part(part).part(inner), rows[part][inner]
        direct = SCAN.part(slice(once.start, once.stop))
        assert twice == direct and hash(twice) == hash(direct)
        assert twice.default_grid() == direct.default_grid()
        np.testing.assert_allclose(
            twice.default_grid().axis(0), SCAN.default_grid().axis(0)[part][inner], atol=1e-14
        )
        assert twice[[1]].part(slice(None)).with_center(2) == direct.with_center(2)[[1]]


def test_a_part_knows_where_it_was_cut():
    first, last = SCAN.part(slice(0, 3)), SCAN.part(slice(-3, None))
    assert first != last and hash(first) != hash(last)
    assert first.default_grid().center == (-2 * 0.3, 0.0, 0.0)
    assert SCAN.part(slice(None)) == SCAN and SCAN.row_offset == 0
    assert pickle.loads(pickle.dumps(last)) == last


@pytest.mark.parametrize("pitch", [0.3, 2.0])
def test_rows_that_slices_reach(pitch):
    grid = pr.Grid((7, 5, 5), pitch)
    for part, slices in itertools.product(PARTS, PARTS):
        expected = range(7)[part][slices]
        seen = range(7)[SCAN.rows_seen(grid.part(part), slices)]
        assert list(seen) == list(expected)
        inside = range(7)[part]
        some = inside[SCAN.part(part).rows_seen(grid, slices)]
        assert list(some) == [row for row in range(7)[slices] if row in inside]


def test_rows_between_slices_and_beyond_the_detector():
    half = pr.Grid((2, 5, 5), 0.3, (0.0, 0.0, 0.0))  # slices on the edges of the rows 2 to 4
    assert SCAN.rows_seen(half, slice(0, 2)) == slice(2, 5)
    assert SCAN.rows_seen(half, slice(0, 1)) == slice(2, 4)
    assert SCAN.rows_seen(half, slice(1, 1)) == slice(3, 3)
    for far in (-9.0, 9.0):
        seen = SCAN.rows_seen(pr.Grid((2, 5, 5), 0.3, (far, 0.0, 0.0)), slice(0, 2))
        assert seen.start == seen.stop


@pytest.mark.parametrize(("scan", "grid"), GEOMETRIES)
def test_parts_of_parts_give_the_bits_of_the_whole(scan, grid):
    rng, n = np.random.default_rng(0), grid.shape[0]
    A, x = pr.Projector(scan, grid), rng.standard_normal(grid.shape).astype("f4")
    y = rng.standard_normal(scan.shape).astype("f4")
    whole = A @ x, A.T @ y, pr.fbp(y, scan, grid)
    for outer, inner in [(slice(0, n // 2), slice(1, None)), (slice(n // 3, n), slice(0, 5))]:
        rows = np.arange(n)[outer][inner]
        some, box = scan.part(outer).part(inner), grid.part(outer).part(inner)
        B = pr.Projector(some, box)
        np.testing.assert_array_equal(B @ x[rows], whole[0][:, rows])
        np.testing.assert_array_equal(B.T @ y[:, rows], whole[1][rows])
        np.testing.assert_array_equal(pr.fbp(y[:, rows], some, box), whole[2][rows])


def test_phantoms_are_where_they_are():
    """Of a body off the middle: slices and lines of a part, and rows of a part of the scan."""
    body = pr.datasets.Ellipsoids([[1.0, 0.1, 0.14, 0.5, 0.05, -0.08, 0.2, 20.0]])
    grid = SCAN.default_grid()
    volume, sinogram = body.volume(grid), body.projections(SCAN)
    assert volume.any() and sinogram.any()
    for part in PARTS:
        np.testing.assert_allclose(body.volume(grid.part(part)), volume[part], atol=1e-6)
        some = body.projections(SCAN.part(part))
        np.testing.assert_allclose(some, sinogram[:, part], atol=1e-6)
    block = body.volume(pr.Grid((7, 2, 3), grid.pitch, (0.0, -0.15, 0.1)))
    np.testing.assert_allclose(block, volume[:, :2, 2:], atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: SCAN.part(slice(0, 6, 2)), "ParallelBeam.part: expected neighbours"),
        (lambda: SCAN.default_grid().part(slice(None, None, -1)), "Grid.part: expected neighbours"),
        (lambda: SCAN.rows_seen(SCAN.default_grid(), slice(0, 6, 2)), "rows_seen: expected neigh"),
        (lambda: pr.Grid((1, 1, 1), center=(0, np.nan, 0)), "Grid.center: expected finite"),
        (lambda: pr.Grid((1, 1, 1), center=(0, 0)), "Grid.center: expected finite"),
        (lambda: pr.ParallelBeam([0], (1, 1), angle_unit="deg", row_offset=np.inf), "row_offset"),
    ],
)
def test_what_is_no_place(wrong, message):
    with pytest.raises(pr.ArgumentError, match=message):
        wrong()
