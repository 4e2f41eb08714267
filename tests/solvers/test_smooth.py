"""Solvers that follow the gradient against SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat, matrix
from scipy.optimize import brentq, minimize, nnls
from zoo.problems import rosenbrock
from zoo.solvers import NESTEROV, SEARCHING

import physrecon as pr

LONG = pr.Stop(iterations=5_000, rtol=1e-13)
PRECISE = [pytest.param(NESTEROV, id="nesterov"), *SEARCHING[1:]]


def scipy_minimum(problem, bounds=None):
    """The least objective that L-BFGS-B of SciPy finds, and where."""

    def call(x):
        objective, _, gradient = problem.objective_and_gradient(x.reshape(problem.f.A.in_shape))
        return objective.sum(), gradient.ravel()

    n = int(np.prod(problem.f.A.in_shape))
    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 0, "gtol": 1e-10}
    limits = None if bounds is None else [bounds] * n
    found = minimize(
        call, np.full(n, 0.1), method="L-BFGS-B", jac=True, bounds=limits, options=options
    )
    return found.fun, found.x


@pytest.mark.parametrize("solver", PRECISE)
def test_ill_conditioned_least_squares(solver):
    """A condition of 100, where plain gradient descent needs some 10⁵ iterations."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((9, 9)))[0] for _ in range(2))
    A = zoo.Dense(left * np.geomspace(1, 1e-2, 9) @ right)
    A._norm_bounds = lambda bounds: (1, 1)
    y = rng.standard_normal(9)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, y)), solver, stop=LONG)
    np.testing.assert_allclose(result.x, np.linalg.solve(A.M, y), rtol=1e-7, atol=1e-8)
    assert result.iterations < 3_000


@pytest.mark.parametrize("solver", [*PRECISE, *SEARCHING[:1]])
def test_nonnegative_solution_is_that_of_nnls(solver):
    rng = np.random.default_rng(1)
    M = rng.uniform(size=(30, 20)) * (rng.uniform(size=(30, 20)) < 0.3)
    y = M @ np.maximum(rng.standard_normal(20), 0) + 0.3 * rng.standard_normal(30)
    problem = pr.Problem(pr.LeastSquares(zoo.Dense(M), y), constraint=pr.NonNegative())
    result = pr.solve(problem, solver, stop=LONG)
    wanted, _ = nnls(M, y)
    assert 3 <= (wanted == 0).sum() <= 15
    np.testing.assert_allclose(result.x, wanted, rtol=1e-8, atol=1e-9)
    assert (result.x >= 0).all()
    assert ((result.x == 0) == (wanted == 0)).all()


@pytest.mark.parametrize("solver", [*PRECISE, *SEARCHING[:1]])
def test_a_box_and_a_ball(solver):
    rng = np.random.default_rng(2)
    M = rng.uniform(size=(12, 6)) + np.eye(12)[:, :6]
    y = M @ rng.standard_normal(6)
    f = pr.LeastSquares(zoo.Dense(M), y)
    result = pr.solve(pr.Problem(f, constraint=pr.Box(-0.3, 0.2)), solver, stop=LONG)
    gradient = M.T @ (M @ result.x - y)
    np.testing.assert_allclose(result.x, np.clip(result.x - gradient, -0.3, 0.2), rtol=0, atol=1e-9)

    class Ball:
        bounds = None

        def project(self, x):
            x *= min(1, 0.5 / np.linalg.norm(x)) if x.any() else 1
            return x

    def on_sphere(mu):
        return np.linalg.solve(M.T @ M + mu * np.eye(6), M.T @ y)

    mu = brentq(lambda mu: np.linalg.norm(on_sphere(mu)) - 0.5, 0, 1e4, xtol=1e-14)
    result = pr.solve(pr.Problem(f, constraint=Ball()), solver, stop=LONG)
    np.testing.assert_allclose(result.x, on_sphere(mu), rtol=1e-7)


LIKELIHOODS = {
    "huber": lambda A: pr.Huber(A, zoo.data_for(A), 0.5),
    "transmission": lambda A: pr.TransmissionLikelihood(A, zoo.counts_for(A, 20), 30.0),
    "transmission, dark": lambda A: pr.TransmissionLikelihood(A, zoo.counts_for(A, 20), 30.0, 1.0),
    "poisson": lambda A: pr.PoissonLikelihood(A, zoo.counts_for(A), 0.7),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("solver", SEARCHING)
@pytest.mark.parametrize("bounds", [None, (0, None)])
def test_the_minimum_is_that_of_scipy(name, solver, bounds):
    """No Lipschitz bound is asked for, so x may have both signs."""
    f = LIKELIHOODS[name](zoo.positive())
    if name == "poisson" and bounds is None:
        return  # A x + background must stay positive
    constraint = None if bounds is None else pr.NonNegative()
    problem = pr.Problem(f, pr.Tikhonov(0.1), constraint)
    result = pr.solve(problem, solver, stop=LONG)
    wanted, x = scipy_minimum(problem, bounds)
    assert problem.objective(result.x).sum() <= wanted + 1e-9 * abs(wanted)
    np.testing.assert_allclose(result.x.ravel(), x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("solver", [*PRECISE, *SEARCHING[:1]])
@pytest.mark.parametrize("constraint", [None, pr.NonNegative()])
def test_a_smooth_prior(solver, constraint):
    """Differences on both sides of the bend of Huber's function, and gradients of the sum."""
    A = zoo.positive()
    y = A @ np.repeat([-0.2, 1.0, 1.05, 0.1], 3).reshape(4, 3).T.copy()
    problem = pr.Problem(pr.LeastSquares(A, y), pr.HuberTV(0.2, 0.1), constraint)
    result = pr.solve(problem, solver, stop=LONG)
    wanted, x = scipy_minimum(problem, None if constraint is None else (0, None))
    assert problem.objective(result.x).sum() <= wanted * (1 + 1e-9)
    np.testing.assert_allclose(result.x.ravel(), x, rtol=1e-4, atol=1e-5)
    steps = abs(np.diff(x.reshape(3, 4)))
    assert (steps < 0.1).any()
    assert (steps > 0.1).any()


@pytest.mark.parametrize("solver", [*PRECISE, *SEARCHING[:1]])
def test_a_prior_that_couples_the_slices_makes_them_one_problem(solver):
    A = zoo.unlike()
    K = pr.Identity((3, 2, 3)) - zoo.Dense(np.roll(np.eye(18), 6, axis=0), (3, 2, 3), (3, 2, 3))
    weights = np.linspace(0.5, 1, 12).reshape(4, 1, 3)
    problem = pr.Problem(pr.LeastSquares(A, zoo.data_for(A), weights), pr.Tikhonov(0.8, K))
    assert problem.count == 1
    result = pr.solve(problem, solver, stop=LONG)
    W, M, L = (
        np.broadcast_to(weights, A.out_shape).reshape(-1, 1),
        zoo.slice_matrix(A),
        matrix(K),
    )
    wanted = np.linalg.solve(M.T @ (W * M) + 0.8 * L.T @ L, M.T @ (W[:, 0] * flat(problem.f.y)))
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", [*PRECISE, *SEARCHING[:1]])
@pytest.mark.parametrize("constraint", [None, pr.NonNegative()])
def test_x_may_be_a_tuple(solver, constraint):
    A = pr.hstack([zoo.Dense(np.eye(6)[:, :2]), zoo.Dense(np.eye(6)[:, 2:] * [1, 2, 1, 2])])
    y = np.linspace(-1, 2, 6)
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=constraint)
    x = pr.solve(problem, solver, stop=LONG).x
    wanted = y / [1, 1, 1, 2, 1, 2]
    wanted = wanted if constraint is None else np.maximum(wanted, 0)
    assert [part.shape for part in x] == [(2,), (4,)]
    np.testing.assert_allclose(flat(x), wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("solver", "most"), [(SEARCHING[1], 200), (SEARCHING[2], 60)])
def test_rosenbrock(solver, most):
    result = pr.solve(rosenbrock(), solver.values[0], np.array([-1.2, 1.0]), pr.Stop(2_000, 1e-12))
    np.testing.assert_allclose(result.x, [1, 1], rtol=1e-9)
    assert result.iterations <= most


def evaluations(M, y, bounds, wanted):
    """How often L-BFGS, ours and SciPy's, ask for a gradient until f is down to `wanted`."""
    counts = {"ours": 0, "scipy": 0}

    class Counted(zoo.Dense):
        def _adjoint(self, y, out):
            counts["ours"] += 1
            super()._adjoint(y, out)

    constraint = None if bounds is None else pr.NonNegative()
    problem = pr.Problem(pr.LeastSquares(Counted(M), y), constraint=constraint)
    reached = pr.solve(
        problem, pr.LBFGS(), stop=pr.Stop(2000), callback=lambda state: state.value[0] <= wanted
    )
    assert reached.reason.startswith("stopped by the callback")

    def call(x):
        counts["scipy"] += 1
        r = M @ x - y
        if r @ r / 2 <= wanted:
            raise StopIteration
        return r @ r / 2, M.T @ r

    options = {"maxiter": 5000, "maxfun": 5000, "maxcor": 10, "ftol": 0, "gtol": 0}
    n = M.shape[1]
    limits = None if bounds is None else [bounds] * n
    with pytest.raises(StopIteration):
        minimize(call, np.zeros(n), jac=True, method="L-BFGS-B", bounds=limits, options=options)
    return counts["ours"], counts["scipy"]


def test_lbfgs_asks_for_no_more_evaluations_than_scipy():
    """50 unknowns, a condition of 10⁴; 40 unknowns, a third of them at their bounds."""
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.standard_normal((50, 50)))[0] for _ in range(2))
    M = left * np.geomspace(1, 1e-2, 50) @ right
    y = M @ rng.standard_normal(50)
    ours, scipy = evaluations(M, y, None, 1e-8 * (y @ y) / 2)
    assert ours <= 1.25 * scipy
    rng, counts = np.random.default_rng(3), []
    for _ in range(5):
        M = rng.uniform(size=(60, 40)) * (rng.uniform(size=(60, 40)) < 0.3)
        y = M @ np.maximum(rng.standard_normal(40), 0) + 0.3 * rng.standard_normal(60)
        least = nnls(M, y)[1] ** 2 / 2
        counts.append(evaluations(M, y, (0, None), least * (1 + 1e-9)))
    ours, scipy = np.sum(counts, axis=0)
    assert ours <= 1.25 * scipy
