"""Solvers against the solutions of linear algebra."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import zoo
from naive import flat, matrix
from scipy.optimize import nnls
from tiers import draws
from zoo.problems import overdetermined

import physrecon as pr

every_solver = pytest.mark.parametrize("solver", zoo.SOLVERS)
every_constrained = pytest.mark.parametrize("solver", zoo.CONSTRAINED)
LONG = pr.Stop(iterations=20_000, rtol=1e-13)


def weights_of(solver, A, weights=None):
    """The weights of the least squares that the solver minimises, (data,)."""
    w = np.ones(A.M.shape[0]) if weights is None else flat(weights)
    rows = A.M.sum(1)
    return w * (rows > 0) / (rows + (rows == 0)) if isinstance(solver, pr.SIRT) else w


def test_nonnegative_projects_in_place():
    x = np.array([-1.0, 0, 2])
    assert pr.NonNegative().project(x) is x
    assert x.tolist() == [0, 0, 2]


# Solutions -------------------------------------------------------------------------------------


@every_solver
@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 12).reshape(4, 3)])
def test_solution_is_that_of_lstsq(solver, weights):
    A, y = overdetermined()
    result = pr.solve(pr.Problem(pr.LeastSquares(A, y, weights)), solver, stop=LONG)
    root = np.sqrt(weights_of(solver, A, weights))
    wanted = np.linalg.lstsq(root[:, None] * A.M, root * y.ravel())[0]
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)


@every_constrained
def test_solution_with_constraint_is_that_of_nnls(solver):
    A, y = overdetermined()
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=pr.NonNegative())
    result = pr.solve(problem, solver, stop=LONG)
    root = np.sqrt(weights_of(solver, A))
    wanted, _ = nnls(root[:, None] * A.M, root * y.ravel())
    assert (wanted == 0).any()
    assert (wanted > 0).any()
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)


@every_solver
def test_slices_are_solved_each_on_its_own(solver):
    A, y = overdetermined(nz=4)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=LONG)
    for z in range(4):
        M = A.matrices[z].reshape(12, 6)
        root = 1 / np.sqrt(M.sum(1)) if isinstance(solver, pr.SIRT) else np.ones(12)
        wanted = np.linalg.lstsq(root[:, None] * M, root * y[:, z].ravel())[0]
        np.testing.assert_allclose(result.x[z].ravel(), wanted, rtol=1e-9, atol=1e-11)


def test_conjugate_gradient_ends_after_as_many_iterations_as_unknowns():
    A, y = overdetermined()
    result = pr.solve(
        pr.Problem(pr.LeastSquares(A, y)), pr.ConjugateGradient(), stop=pr.Stop(iterations=6)
    )
    np.testing.assert_allclose(result.x.ravel(), np.linalg.lstsq(A.M, y.ravel())[0], rtol=1e-8)


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 12)])
@pytest.mark.parametrize("solver", [pr.ConjugateGradient(), pr.GradientDescent()])
def test_a_fast_normal_operator_is_used_and_agrees(solver, weights):
    A, y = overdetermined()
    fast = zoo.FastNormal(A.M)
    slow = zoo.Dense(A.M)
    stop = pr.Stop(iterations=4)
    x = [
        pr.solve(pr.Problem(pr.LeastSquares(B, y.ravel(), weights)), solver, stop=stop)
        for B in (fast, slow)
    ]
    np.testing.assert_allclose(x[0].x, x[1].x, rtol=1e-10)
    assert np.isnan(x[0].history[-1].value)
    fitted = pr.solve(
        pr.Problem(pr.LeastSquares(fast, y.ravel(), weights)),
        solver,
        stop=pr.Stop(discrepancy=1.01 * np.sqrt(2 * x[1].history[-1].value)),
    )
    assert fitted.reason.startswith("fitted")


@pytest.mark.parametrize("solver", [pr.ConjugateGradient(), pr.SIRT(), pr.Landweber()])
def test_a_tuple_of_data(solver):
    """Tikhonov: [A; c 1] x = (y, 0) minimises ‖A x − y‖² + c² ‖x‖²."""
    A, y = overdetermined()
    B = pr.vstack([zoo.Dense(A.M, A.in_shape, (12, 1)), 0.5 * pr.Identity(A.in_shape)])
    data = (y.reshape(12, 1), np.zeros(A.in_shape))
    result = pr.solve(pr.Problem(pr.LeastSquares(B, data)), solver, stop=LONG)
    M = matrix(B)
    root = 1 / np.sqrt(M.sum(1)) if isinstance(solver, pr.SIRT) else np.ones(len(M))
    wanted = np.linalg.lstsq(root[:, None] * M, root * flat(data))[0]
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)


@every_solver
def test_rays_and_voxels_of_weight_zero_stay_as_they_are(solver):
    A = zoo.with_empty_rows()
    result = pr.solve(
        pr.Problem(pr.LeastSquares(A, zoo.data_for(A))), solver, stop=pr.Stop(iterations=50)
    )
    assert np.isfinite(result.x).all()
    assert result.x.ravel()[[3, 11]].tolist() == [0, 0]


@every_solver
def test_an_operator_of_zeros_is_solved_by_the_start(solver):
    A = zoo.Dense(np.zeros((4, 3)))
    x0 = np.arange(3.0)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, np.ones(4))), solver, x0)
    assert result.x.tolist() == x0.tolist()
    assert result.reason.startswith("converged after 1")


@draws
@every_solver
def test_small_random_problems_never_diverge(solver, count):
    rng = np.random.default_rng(7)
    for _ in range(count):
        m, n = rng.integers(1, 9, 2)
        scale = 10 ** rng.uniform(-3, 3)
        A = zoo.Dense(rng.uniform(0, scale, (m, n)) * (rng.uniform(size=(m, n)) < 0.7))
        y = rng.standard_normal(m).astype(np.float32)
        result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=pr.Stop(iterations=25))
        assert "diverged" not in result.reason
        assert np.isfinite(result.x).all()
        weights = weights_of(solver, A)
        before, after = (weights @ (A.M @ x - y) ** 2 for x in (np.zeros(n), result.x))
        assert after <= before * (1 + 1e-5)


@pytest.mark.parametrize(
    "solver", [pr.ConjugateGradient(), pr.GradientDescent(1.9), pr.Landweber()]
)
def test_the_objective_falls_in_every_iteration(solver):
    A = zoo.unlike()
    f = pr.LeastSquares(A, zoo.data_for(A), np.linspace(0.1, 1, 12).reshape(4, 1, 3))
    result = pr.solve(pr.Problem(f), solver, stop=pr.Stop(iterations=40, rtol=1e-12))
    values = [f.value(np.zeros(A.in_shape))] + [record.value for record in result.history]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(values))
    assert values[-1] == pytest.approx(f.value(result.x), rel=1e-10)
