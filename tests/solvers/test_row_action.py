"""SART and Kaczmarz against loops over views and rows; Landweber with a preconditioner."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import joseph_matrix
from scipy.optimize import nnls

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.solvers import subsets

LONG = pr.Stop(iterations=5000, rtol=1e-14)


def beam(views=5, columns=9, nz=1, dtype=np.float64, **settings):
    """A projector of float64 and its matrix (views, columns, voxels), by Joseph, ray by ray."""
    angles = np.linspace(3, 167, views)
    scan = pr.ParallelBeam(angles, (nz, columns), angle_unit="deg", **settings)
    A = pr.Projector(scan, pr.Grid((nz, 7, 7)))
    M = joseph_matrix(scan, A.grid).reshape(views, columns, 49)
    y = np.random.default_rng(0).standard_normal(A.out_shape).astype(dtype)
    return A, M, y


# Rows that are independent ----------------------------------------------------------------------


@pytest.mark.parametrize("pixel", [0.3, 0.5, 0.9, 1.0, 1.7, 3.0])
@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, 71.0, 90.0, 135.0, 180.0, 200.0])
def test_no_voxel_lies_on_two_independent_columns(pixel, angle):
    scan = pr.ParallelBeam([angle], (1, 30), angle_unit="deg", pixel_size=pixel, center=13.3)
    grid = pr.Grid((1, 16, 17), (1.0, 0.8, 1.2))
    apart = pr.Projector(scan, grid).independent_columns
    crossed = joseph_matrix(scan, grid) > 1e-12
    for first in range(30):
        others = crossed[first + apart :]
        assert not (crossed[first] & others).any()
    assert apart <= np.ceil(2.4 / pixel)


def test_independent_columns_are_as_near_as_can_be():
    scan = pr.ParallelBeam([10.0], (1, 60), angle_unit="deg", pixel_size=0.31)
    A = pr.Projector(scan, pr.Grid((1, 17, 17)))
    crossed = joseph_matrix(scan, A.grid) > 1e-12
    nearer = A.independent_columns - 1
    assert any((crossed[u] & crossed[u + nearer]).any() for u in range(60 - nearer))


# Kaczmarz -----------------------------------------------------------------------------------------


def naive_kaczmarz(M, y, relaxation, passes, order, apart):
    """One row after the other; M (views, rows, voxels), y (views, rows)."""
    x = np.zeros(M.shape[2])
    for _ in range(passes):
        for v in order:
            for first in range(apart(v)):
                for row, datum in zip(
                    M[v][first :: apart(v)], y[v][first :: apart(v)], strict=True
                ):
                    norm = row @ row
                    if norm > 0:
                        x += relaxation * (datum - row @ x) / norm * row
    return x


@pytest.mark.parametrize("order", ["sequential", "golden"])
@pytest.mark.parametrize("relaxation", [1.0, 0.4, 1.9])
def test_kaczmarz_of_a_projector_is_the_loop_over_its_rows(order, relaxation):
    A, M, y = beam(pixel_size=0.8)
    views = range(5) if order == "sequential" else [0, 3, 1, 4, 2]
    solver = pr.Kaczmarz(relaxation, order)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=pr.Stop(iterations=3))
    wanted = naive_kaczmarz(M, y[:, 0], relaxation, 3, views, lambda v: A[[v]].independent_columns)
    assert A.independent_columns == 3
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-12, atol=1e-12)


def test_kaczmarz_of_a_matrix_is_the_loop_over_its_rows():
    A = zoo.signed()
    y = zoo.data_for(A)
    solver = pr.Kaczmarz(order="sequential")
    result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=pr.Stop(iterations=4))
    M = A.M.reshape(5, 3, 12)
    wanted = naive_kaczmarz(M, y, 1.0, 4, range(5), lambda v: 1)
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", ["sequential", "golden", "random"])
def test_kaczmarz_comes_to_the_solution_of_least_norm(order):
    M = zoo.random_matrix(9, 14, signed=True, seed=3)
    y = zoo.data_for(zoo.Dense(M))
    problem = pr.Problem(pr.LeastSquares(zoo.Dense(M, (14,), (3, 3)), y.reshape(3, 3)))
    result = pr.solve(problem, pr.Kaczmarz(order=order), stop=LONG)
    np.testing.assert_allclose(result.x, np.linalg.lstsq(M, y)[0], rtol=1e-9, atol=1e-11)


def test_kaczmarz_comes_nearer_with_every_pass():
    A, _, _ = beam(views=6)
    truth = np.random.default_rng(1).uniform(size=(1, 7, 7))
    problem = pr.Problem(pr.LeastSquares(A, A @ truth))
    distances = [np.linalg.norm(truth)]
    pr.solve(
        problem,
        pr.Kaczmarz(1.7),
        stop=pr.Stop(iterations=30),
        callback=lambda state: distances.append(np.linalg.norm(state.x - truth)),
    )
    assert (np.diff(distances) < 0).all()


def test_weights_of_zero_leave_rows_out():
    A = zoo.signed()
    y = zoo.data_for(A)
    w = np.ones((5, 3))
    w[[0, 2], [1, 2]] = 0
    spoilt = np.where(w > 0, y, 1e3)
    results = [
        pr.solve(pr.Problem(pr.LeastSquares(A, d, w)), pr.Kaczmarz(), stop=pr.Stop(iterations=5))
        for d in (y, spoilt)
    ]
    np.testing.assert_array_equal(results[0].x, results[1].x)
    part = naive_kaczmarz(
        A.M.reshape(5, 3, 12) * w[:, :, None], y, 1.0, 5, [0, 3, 1, 4, 2], lambda v: 1
    )
    np.testing.assert_allclose(results[0].x.ravel(), part, rtol=1e-11, atol=1e-12)


def test_kaczmarz_ends_in_the_constraint_and_in_the_data():
    M = zoo.random_matrix(4, 10, signed=True, seed=5)
    truth = np.random.default_rng(5).uniform(0.1, 2, 10) ** 3
    f = pr.LeastSquares(zoo.Dense(M), M @ truth)
    assert np.linalg.lstsq(M, M @ truth)[0].min() < -0.1
    result = pr.solve(pr.Problem(f, constraint=pr.NonNegative()), pr.Kaczmarz(), stop=LONG)
    assert (result.x >= 0).all()
    np.testing.assert_allclose(M @ result.x, M @ truth, rtol=1e-9, atol=1e-11)


# SART ---------------------------------------------------------------------------------------------


def naive_sart(M, y, w, count, relaxation, passes, order):
    """M (views, rays, voxels), y and w (views, rays)."""
    x = np.zeros(M.shape[2])
    sums = M.sum(2)
    rows = np.where(sums > 0, w / np.where(sums > 0, sums, 1), 0)
    column = np.max([(M[s::count] * w[s::count, :, None]).sum((0, 1)) for s in range(count)], 0)
    inverse = np.where(column > 0, 1 / np.where(column > 0, column, 1), 0)
    for _ in range(passes):
        for s in order:
            A, r = M[s::count].reshape(-1, len(x)), rows[s::count].ravel()
            x = x - relaxation * inverse * (A.T @ (r * (A @ x - y[s::count].ravel())))
    return x


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize(
    ("solver", "count", "order"),
    [
        (pr.SART(), 5, [0, 3, 1, 4, 2]),
        (pr.SART(2, 1.4, "sequential"), 2, [0, 1]),
        (pr.SART(3, 0.5), 3, [0, 2, 1]),
        (pr.SART(9), 5, [0, 3, 1, 4, 2]),
    ],
    ids=repr,
)
def test_sart_is_the_loop_over_its_subsets(solver, count, order, weights):
    A, M, y = beam(nz=2)
    w = np.random.default_rng(2).uniform(size=y.shape) if weights else np.ones(y.shape)
    f = pr.LeastSquares(A, y, w if weights else None)
    result = pr.solve(pr.Problem(f), solver, stop=pr.Stop(iterations=3))
    for z in range(2):
        wanted = naive_sart(M, y[:, z], w[:, z], count, solver.relaxation, 3, order)
        np.testing.assert_allclose(result.x[z].ravel(), wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("weights", [None, np.linspace(0, 1, 15).reshape(5, 3)])
def test_one_subset_is_sirt(weights):
    A = zoo.positive()
    problem = pr.Problem(pr.LeastSquares(A, zoo.data_for(A), weights))
    x = [pr.solve(problem, s, stop=pr.Stop(iterations=20)).x for s in (pr.SART(1), pr.SIRT())]
    np.testing.assert_allclose(x[0], x[1], rtol=1e-12)


@pytest.mark.parametrize("solver", [pr.SART(), pr.SART(2, 1.5), pr.SART(order="random")], ids=repr)
def test_sart_comes_to_the_solution_of_data_that_agree(solver):
    A = zoo.positive()
    truth = np.random.default_rng(0).standard_normal(A.in_shape)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, A @ truth)), solver, stop=LONG)
    np.testing.assert_allclose(result.x, truth, rtol=1e-8, atol=1e-9)


def test_sart_is_faster_than_sirt_by_its_subsets():
    A, _, _ = beam(views=12, columns=9)
    truth = np.zeros((1, 7, 7))
    truth[0, 2:5, 1:4] = 1
    problem = pr.Problem(pr.LeastSquares(A, A @ truth))
    error = {
        (solver.name, passes): np.linalg.norm(
            pr.solve(problem, solver, stop=pr.Stop(iterations=passes)).x - truth
        )
        for solver, passes in ((pr.SART(), 3), (pr.SIRT(), 12), (pr.SIRT(), 36))
    }
    assert error["sart", 3] < error["sirt", 12]
    assert error["sart", 3] == pytest.approx(error["sirt", 36], rel=0.3)


def test_negative_entries_are_refused():
    A = zoo.signed()
    problem = pr.Problem(pr.LeastSquares(A, zoo.data_for(A)))
    with pytest.raises(ArgumentError, match="SART: expected a linear operator without negative"):
        pr.solve(problem, pr.SART())
    with pytest.raises(ArgumentError, match="without negative entries"):
        pr.solve(problem, pr.Landweber(preconditioner="jacobi"))


# Orders and subsets -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", subsets.ORDERS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 60, 181])
def test_a_pass_uses_every_subset_once(order, count):
    assert sorted(subsets.ordered(order, count, 0, 3)) == list(range(count))


def test_the_golden_order_jumps_far_and_the_random_one_changes():
    golden = np.array(subsets.ordered("golden", 100, 0, 0))
    jumps = np.abs(np.diff(golden))
    assert np.minimum(jumps, 100 - jumps).min() >= 36  # of 38.2 on average
    draws = [
        subsets.ordered("random", 100, seed, i) for seed, i in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert draws[0] == draws[3]
    assert draws[0] != draws[1] != draws[2] != draws[0]


def test_projectors_of_some_views_share_the_memory_of_the_whole():
    A, M, _ = beam(views=6, nz=3)
    x = np.random.default_rng(0).standard_normal((3, 7, 7))
    wanted = A @ x
    for views in (slice(0, 1), slice(1, 5), slice(0, 6), [2]):
        np.testing.assert_array_equal(A[views] @ x, wanted[views])
        back = A[views].T @ wanted[views]
        flat = M[views].reshape(-1, 49)
        rays = np.moveaxis(wanted[views], 1, 0).reshape(3, -1)
        np.testing.assert_allclose(back.reshape(3, -1), rays @ flat, rtol=1e-10, atol=1e-11)
        assert A[views]._engine._free is A._engine._free
    assert len(A._engine._free) == 1
    initial_fields, _, _ = beam(views=6, nz=3)
    np.testing.assert_array_equal(initial_fields[[2]] @ x, wanted[[2]])
    np.testing.assert_array_equal(initial_fields @ x, wanted)


# Landweber with a preconditioner ------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 15).reshape(5, 3)])
def test_landweber_with_a_preconditioner_is_its_formula(weights):
    A = zoo.positive()
    y, w = zoo.data_for(A), np.ones(15) if weights is None else weights.ravel()
    solver = pr.Landweber(0.7, preconditioner="jacobi")
    f = pr.LeastSquares(A, y, weights)
    result = pr.solve(pr.Problem(f), solver, stop=pr.Stop(iterations=5))
    H = A.M.T @ (w[:, None] * A.M)
    x = np.zeros(12)
    for _ in range(5):
        x -= 1.4 * (H @ x - A.M.T @ (w * y.ravel())) / H.sum(1)
    np.testing.assert_allclose(result.x.ravel(), x, rtol=1e-12, atol=1e-13)


def test_landweber_with_a_preconditioner_ends_at_that_of_nnls_and_falls():
    M = np.eye(12)[:, :6] + 0.1 * np.random.default_rng(0).uniform(size=(12, 6))
    M *= np.geomspace(1, 300, 6)  # voxels seen very unequally
    y = zoo.data_for(zoo.Dense(M))
    problem = pr.Problem(pr.LeastSquares(zoo.Dense(M), y), constraint=pr.NonNegative())
    solver = pr.Landweber(preconditioner="jacobi")
    result = pr.solve(problem, solver, stop=pr.Stop(2000, rtol=1e-15))
    np.testing.assert_allclose(result.x, nnls(M, y)[0], rtol=1e-9, atol=1e-12)
    values = np.array([record.value for record in result.history])
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    plain = pr.solve(problem, pr.Landweber(), stop=pr.Stop(iterations=result.iterations))
    assert problem.f.value(plain.x) > problem.f.value(result.x) * (1 + 1e-6)


def test_landweber_with_a_preconditioner_refuses_a_set_without_bounds():
    class Ball:
        bounds = None

        def project(self, x):
            for leaf in vectors.leaves(x):
                leaf /= max(1, np.linalg.norm(leaf))
            return x

    A = zoo.positive()
    problem = pr.Problem(pr.LeastSquares(A, zoo.data_for(A)), constraint=Ball())
    with pytest.raises(ArgumentError, match="use preconditioner='none'"):
        pr.solve(problem, pr.Landweber(preconditioner="jacobi"))
    assert np.linalg.norm(pr.solve(problem, pr.Landweber()).x) <= 1 + 1e-12
