"""Parallel-beam projector: hand-computed cases, the naive matrix, closed forms, exact adjoint."""

from __future__ import annotations

from dataclasses import replace

import naive
import numba
import numpy as np
import pytest
from geometries import FILLED, GEOMETRIES, geometry
from tiers import thorough

import physrecon as pr

DTYPES = [np.float32, np.float64]
DOT = {np.float32: 1e-6, np.float64: 1e-12}
CLOSE = {np.float32: 2e-5, np.float64: 1e-12}


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def projector(angles, columns, shape, **scan):
    beam = pr.ParallelBeam(angles, (1, columns), angle_unit="deg", **scan)
    return pr.Projector(beam, pr.Grid((1, *shape)))


def test_two_by_two_by_hand():
    x = np.array([[[1, 2], [3, 4]]], np.float64)  # y downwards in print, upwards in space
    y = projector([0, 90, 180, 270], 2, (2, 2)) @ x
    # 0°: u = x, sums over y.  90°: u = y.  180° and 270° are their mirror images.
    np.testing.assert_allclose(y[:, 0], [[4, 6], [3, 7], [6, 4], [7, 3]], atol=1e-14)


def test_diagonal_ray_by_hand():
    """At 45° the middle ray passes x = -y: on both lines exactly through the voxel, √2 long."""
    x = np.array([[[1, 2], [3, 4]]], np.float64)
    y = projector([45], 3, (2, 2)) @ x
    # The outer rays lie 1 off: at y = -1/2 they cross x = 1/2 ± √2, 0.41 beyond the column at ±1/2…
    near = 1 - (np.sqrt(2) - 1)
    expected = np.sqrt(2) * np.array([near * 1, 2 + 3, near * 4])
    np.testing.assert_allclose(y[0, 0], expected, atol=1e-13)


def test_pixel_and_voxel_sizes_scale_the_projection():
    """A block of ones, 8 long: 8 whatever the pitches."""
    for voxel in (0.5, 1.0, 2.0):
        n = int(8 / voxel)
        for pixel in (0.25, 1.0, 1.6):
            scan = pr.ParallelBeam([0, 90], (1, 5), angle_unit="deg", pixel_size=pixel)
            y = pr.Projector(scan, pr.Grid((1, n, n), voxel)) @ np.ones((1, n, n))
            np.testing.assert_allclose(y[:, 0, 2], 8, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("scan", "grid"), FILLED)
def test_agrees_with_the_naive_matrix(scan, grid, dtype):
    A, M = pr.Projector(scan, grid), naive.joseph_matrix(scan, grid)
    x, y = random(A.in_shape, dtype), random(A.out_shape, dtype, 1)
    Ax, Aty = A @ x, A.T @ y
    assert Ax.dtype == Aty.dtype == dtype
    for z in range(grid.shape[0]):
        expected = (M @ x[z].reshape(-1)).reshape(scan.shape[0], -1)
        np.testing.assert_allclose(Ax[:, z], expected, atol=CLOSE[dtype] * np.abs(M).sum(1).max())
        expected = (y[:, z].reshape(-1) @ M).reshape(grid.shape[1:])
        np.testing.assert_allclose(Aty[z], expected, atol=CLOSE[dtype] * np.abs(M).sum(0).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("scan", "grid"), GEOMETRIES)
def test_adjoint_is_exact(scan, grid, dtype):
    assert pr.check_adjoint(pr.Projector(scan, grid), dtype) <= DOT[dtype]


def test_forward_and_back_use_the_same_numbers():
    """Large columns have coarse float32 places: the pair must round them alike."""
    scan = pr.ParallelBeam([10.0, 77.0, 120.0, 200.0], (1, 700), angle_unit="deg", center=650.3)
    grid = pr.Grid((1, 9, 7))
    moved = pr.Projector(pr.ParallelBeam([10.0, 77.0], (1, 700), angle_unit="deg"), grid)
    for A in (pr.Projector(scan, grid), moved):
        M = naive.matrix(_In32(A))
        Mt = naive.matrix(_In32(A).T)
        assert M.any()
        np.testing.assert_array_equal(M, Mt.T)
    big = pr.ParallelBeam([1.0, 44.0, 91.0, 160.0], (1, 1024), angle_unit="deg", center=409.6)
    assert pr.check_adjoint(pr.Projector(big), np.float32) <= 1e-7


class _In32(pr.LinearOperator):
    """An operator that computes in float32 whatever it is given."""

    def __init__(self, A):
        self.A, self.in_shape, self.out_shape = A, A.in_shape, A.out_shape

    def _forward(self, x, out):
        out[...] = self.A @ x.astype(np.float32)

    def _adjoint(self, y, out):
        out[...] = self.A.T @ y.astype(np.float32)


class ShiftedByOne(pr.Projector):
    """A projector whose adjoint reads the neighbouring detector column."""

    def _adjoint(self, y, out):
        super()._adjoint(np.ascontiguousarray(np.roll(y, 1, axis=2)), out)


def test_the_dot_test_sees_one_shifted_index():
    scan, grid = geometry("plain")
    assert pr.check_adjoint(ShiftedByOne(scan, grid), np.float32) > 1e-3


@pytest.mark.parametrize("name", ["plain", "off-centre", "many slices", "several tiles"])
def test_same_bits_on_any_number_of_threads(name):
    A = pr.Projector(*geometry(name))
    x, y = random(A.in_shape, np.float32), random(A.out_shape, np.float32)
    results = []
    try:
        for threads in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(threads)
            results.append((A @ x, A.T @ y))
    finally:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("rows", [3, 16, thorough(1), thorough(40)])
def test_same_bits_in_any_slab(rows):
    scan, grid = geometry("many slices")
    A, x = pr.Projector(scan, grid), random(grid.shape, np.float32)
    y = A @ x
    z = A.T @ y
    for start in range(0, grid.shape[0], rows):
        part = slice(start, min(start + rows, grid.shape[0]))
        B = pr.Projector(scan.part(part), grid.part(part))
        np.testing.assert_array_equal(B @ x[part], y[:, part])
        np.testing.assert_array_equal(B.T @ np.ascontiguousarray(y[:, part]), z[part])


@pytest.mark.parametrize("name", ["any angles", "off-centre", "oblong voxels", "small pixels"])
def test_a_grid_off_the_axis_agrees_with_the_naive_matrix(name):
    scan, grid = geometry(name)
    grid = replace(grid, center=(0.0, 2.3, -1.9))
    A, M = pr.Projector(scan, grid), naive.joseph_matrix(scan, grid)
    x = random(A.in_shape, np.float64)
    np.testing.assert_allclose((A @ x)[:, 0].reshape(-1), M @ x[0].reshape(-1), atol=1e-12)
    assert pr.check_adjoint(A, np.float64) <= DOT[np.float64]


def block_of(grid, lines, columns):
    """The grid of some lines and columns of a larger one, where they are."""
    z, *_ = grid.center
    y, x = (grid.axis(a)[part][[0, -1]].mean() for a, part in ((1, lines), (2, columns)))
    sides = (len(range(n)[part]) for n, part in zip(grid.shape[1:], (lines, columns), strict=True))
    return pr.Grid((grid.shape[0], *sides), grid.pitch, (z, y, x))


@pytest.mark.parametrize("name", ["any angles", "off-centre", "oblong voxels", "large pixels"])
def test_a_block_of_a_larger_grid_is_seen_where_it_is(name):
    scan, grid = geometry(name)
    lines, columns = slice(3, 8), slice(6, 10)
    block = block_of(grid, lines, columns)
    A, B = pr.Projector(scan, grid), pr.Projector(scan, block)
    x, part, y = np.zeros(A.in_shape), random(B.in_shape, np.float64), random(A.out_shape, "f8", 1)
    x[:, lines, columns] = part
    np.testing.assert_allclose(B @ part, A @ x, atol=1e-12)
    np.testing.assert_allclose(B.T @ y, (A.T @ y)[:, lines, columns], atol=1e-12)
    few = pr.fbp(y, scan, block), pr.fbp(y, scan, grid)[:, lines, columns]
    np.testing.assert_allclose(*few, atol=1e-12)


def test_closed_form_of_a_disc_far_from_the_axis():
    """Chords 2 sqrt(r² - s²) of a disc in a small grid that holds it and not the axis."""
    scan = pr.ParallelBeam([0, 30, 90, 200], (1, 200), angle_unit="deg", pixel_size=0.5)
    grid, r = pr.Grid((1, 128, 128), 0.1, (0.0, -22.0, 30.0)), 6.0
    disc = pr.datasets.Ellipses([[1.0, r, r, 30.0, -22.0, 0.0]]).volume(grid, supersample=8)
    u = (np.arange(200) - 99.5) * 0.5
    s = u - (30 * np.cos(scan.radians) - 22 * np.sin(scan.radians))[:, None]
    exact = 2 * np.sqrt(np.maximum(r * r - s * s, 0))
    error = (pr.Projector(scan, grid) @ disc)[:, 0] - exact
    assert disc.sum() * 0.01 == pytest.approx(np.pi * r * r, rel=1e-3)
    assert np.abs(error[np.abs(s) < r - 0.5]).max() < 0.1
    assert not error[np.abs(s) > r + 0.2].any()


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 40, 64, 71])
@pytest.mark.parametrize("name", ["many slices", "oblong voxels", "large pixels", "no view"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_work_bytes_are_those_that_are_allocated(name, rows, dtype):
    scan, grid = geometry(name)
    scan = replace(scan, detector_shape=(rows, scan.shape[2]))
    A = pr.Projector(scan, replace(grid, shape=(rows, *grid.shape[1:])))
    widest = slice(0, min(rows, 64))  # blocks of the width that the model is about
    B = pr.Projector(scan.part(widest), A.grid.part(widest))
    for C in (A, B):
        C._engine.project(np.zeros(C.in_shape, dtype), np.zeros(C.out_shape, dtype))
    held = [a for _, *pair in B._engine._free for a in pair]
    held += [a for blocks in A._engine._few_free for a in blocks]
    assert A.work_bytes(np.dtype(dtype).itemsize) == sum(a.nbytes for a in held)


def test_a_block_of_nothing_takes_no_memory():
    assert pr.Projector(*geometry("no slice")).work_bytes(4) == 0


@pytest.mark.parametrize("name", ["several tiles", "any angles", "small pixels"])
def test_same_bits_in_many_launches(name, monkeypatch):
    A = pr.Projector(*geometry(name))
    x, y = random(A.in_shape, np.float32), random(A.out_shape, np.float32)
    whole = A @ x, A.T @ y
    monkeypatch.setattr("physrecon.operators.projection.parallel_beam.LAUNCH", 1)
    np.testing.assert_array_equal(A @ x, whole[0])
    np.testing.assert_array_equal(A.T @ y, whole[1])


def test_views_are_selected():
    scan, grid = geometry("any angles")
    A = pr.Projector(scan, grid)
    x = random(A.in_shape, np.float64)
    for views in (slice(1, None, 3), [4, 0], 2, np.arange(11) > 6):
        np.testing.assert_allclose(A[views] @ x, (A @ x)[np.atleast_1d(np.arange(11)[views])])


def test_closed_form_shepp_logan():
    """Relative error against exact line integrals; Joseph's method elsewhere reaches 0.0037."""
    n = 512
    scan = pr.ParallelBeam(np.linspace(0, 180, n, endpoint=False), (1, n), angle_unit="deg")
    head = pr.datasets.shepp_logan_phantom(2).fitted(scan.default_grid())
    exact = head.projections(scan)
    error = pr.Projector(scan) @ head.volume(scan.default_grid()) - exact
    assert np.linalg.norm(error) / np.linalg.norm(exact) <= 0.0038


def test_wrong_grids_are_refused():
    scan = pr.ParallelBeam([0, 1], (3, 5), angle_unit="deg")
    with pytest.raises(pr.ArgumentError, match="one per detector row"):
        pr.Projector(scan, pr.Grid((2, 5, 5)))
    for elsewhere in (scan.part(slice(1, 3)), scan.part(slice(0, 2))):
        with pytest.raises(pr.ArgumentError, match=r"first -?0\.5 rows from there"):
            pr.Projector(elsewhere, pr.Grid((2, 5, 5)))
    with pytest.raises(pr.ArgumentError, match="expected a ParallelBeam"):
        pr.Projector(np.zeros((2, 3, 5)))
