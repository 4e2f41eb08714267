"""SAGA against the solutions of linear algebra, and its pace against gradient descent."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from scipy.optimize import nnls

import physrecon as pr
from physrecon.errors import ArgumentError

LONG = pr.Stop(iterations=5000, rtol=1e-13)


def easy(nz=None, spread=30):
    """(A, its matrix or matrices, y) of 4 views with one solution a slice."""
    rng = np.random.default_rng(0)
    blocks = np.eye(12)[:, :6] + 0.1 * rng.uniform(size=(nz or 1, 12, 6))
    blocks *= np.geomspace(1, spread, nz or 1)[:, None, None]  # each slice needs a step of its own
    if nz is None:
        A = zoo.Dense(blocks[0], (2, 3), (4, 3))
    else:
        A = zoo.SliceWise(blocks.reshape(nz, 4, 3, 6), (2, 3))
    return A, blocks, zoo.data_for(A)


@pytest.mark.parametrize("count", [None, 1, 2, 3])
@pytest.mark.parametrize("weights", [None, np.linspace(0.2, 2, 12).reshape(4, 3)])
def test_least_squares(count, weights):
    A, (M,), y = easy()
    f = pr.LeastSquares(A, y, weights)
    result = pr.solve(pr.Problem(f), pr.SAGA(count), stop=LONG)
    root = np.ones(12) if weights is None else np.sqrt(weights).ravel()
    wanted = np.linalg.lstsq(root[:, None] * M, root * y.ravel())[0]
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)
    assert result.reason.startswith(("converged", "stopped after"))  # not at the limit


def test_one_subset_is_gradient_descent_with_a_third_of_the_step():
    A, _, y = easy(nz=3)
    problem, stop = pr.Problem(pr.LeastSquares(A, y)), pr.Stop(iterations=9)
    x = [pr.solve(problem, s, stop=stop).x for s in (pr.SAGA(1), pr.GradientDescent(1 / 3))]
    np.testing.assert_allclose(x[0], x[1], rtol=1e-12)


def test_slices_take_steps_of_their_own():
    A, blocks, y = easy(nz=4)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), pr.SAGA(), stop=LONG)
    for z, M in enumerate(blocks):
        wanted = np.linalg.lstsq(M, y[:, z].ravel())[0]
        np.testing.assert_allclose(result.x[z].ravel(), wanted, rtol=1e-9, atol=1e-12)


def test_nonnegative_least_squares():
    A, (M,), y = easy()
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=pr.NonNegative())
    result = pr.solve(problem, pr.SAGA(2, seed=5), stop=LONG)
    wanted, _ = nnls(M, y.ravel())
    assert (wanted == 0).any()
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("constraint", [None, pr.NonNegative()])
def test_few_elements(constraint):
    """The conditions of the minimum of ½‖Ax − y‖² + w‖x‖₁, slices with steps of their own."""
    A, blocks, y = easy(nz=3)
    weight = 0.4
    problem = pr.Problem(pr.LeastSquares(A, y), pr.L1(weight), constraint)
    x = pr.solve(problem, pr.SAGA(), stop=LONG).x.reshape(3, 6)
    assert (x == 0).any()
    assert (x != 0).any()
    for z, M in enumerate(blocks):
        gradient = M.T @ (M @ x[z] - y[:, z].ravel())
        some = x[z] != 0
        np.testing.assert_allclose(gradient[some], -weight * np.sign(x[z][some]), atol=1e-9)
        assert (gradient[~some] >= -weight - 1e-9).all()
        assert constraint is not None or (gradient[~some] <= weight + 1e-9).all()


@pytest.mark.parametrize("coupling", [False, True])
def test_a_smooth_prior(coupling):
    A, _, y = easy(nz=3, spread=2)
    K = pr.Identity(A.in_shape)
    if coupling:  # differences between neighbouring slices
        D = np.kron(np.diff(np.eye(3), axis=0), np.eye(6))
        K = zoo.Dense(D, A.in_shape, (12,))
        K._norm_bounds = lambda bounds: (0, 2)
    problem = pr.Problem(pr.LeastSquares(A, y), pr.Tikhonov(0.3, K))
    assert problem.count == (1 if coupling else 3)
    result = pr.solve(problem, pr.SAGA(), stop=LONG)
    M, L = zoo.slice_matrix(A), D if coupling else np.eye(18)
    wanted = np.linalg.solve(M.T @ M + 0.3 * L.T @ L, M.T @ y.ravel())
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-7, atol=1e-9)


def test_other_likelihoods():
    """Huber's, to where the gradient vanishes; counts with a background, to the conditions."""
    A, _, y = easy()
    f = pr.Huber(A, y, 0.5)
    result = pr.solve(pr.Problem(f), pr.SAGA(), stop=LONG)
    assert np.abs(f.gradient(result.x)).max() < 1e-9
    f = pr.PoissonLikelihood(A, zoo.counts_for(A), 3.0)
    with pytest.raises(ArgumentError, match="NonNegative"):
        pr.solve(pr.Problem(f), pr.SAGA())
    problem = pr.Problem(f, constraint=pr.NonNegative())
    x = pr.solve(problem, pr.SAGA(), stop=LONG).x
    gradient = f.gradient(x)
    assert (x * np.abs(gradient)).max() < 1e-7
    assert gradient.min() > -1e-7


def test_draws_belong_to_seed_and_iteration():
    A, _, y = easy()
    problem, stop = pr.Problem(pr.LeastSquares(A, y)), pr.Stop(iterations=4)
    one, same, other = (pr.solve(problem, pr.SAGA(seed=seed), stop=stop).x for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_pass_goes_further_than_one_of_gradient_descent():
    """64 views of a disc: passes until f is down to a thousandth of f(0)."""
    A = pr.Projector(pr.ParallelBeam(np.arange(64) * 180 / 64, (1, 31), angle_unit="deg"))
    yy, xx = np.mgrid[-15:16, -15:16]
    truth = ((xx - 3) ** 2 + yy**2 < 60).astype(np.float32)[None]
    f = pr.LeastSquares(A, A @ truth)
    goal = pr.Stop(500, discrepancy=np.sqrt(1e-3 * 2 * f.value(0 * truth)))
    passes = {
        repr(solver): pr.solve(pr.Problem(f), solver, stop=goal).iterations
        for solver in (pr.SAGA(64), pr.SAGA(16), pr.SAGA(4), pr.GradientDescent())
    }
    print(passes)
    few = list(passes.values())
    assert few[0] < few[1] < few[2] < few[3]
    assert 3 * few[1] < few[3]
