"""FISTA, PDHG and ADMM against lower bounds from duality, optimality conditions, closed forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import zoo
from naive import flat, matrix
from scipy.optimize import brentq, nnls
from tiers import thorough

import physrecon as pr
from physrecon.errors import ArgumentError

every_solver = pytest.mark.parametrize("solver", zoo.PROXIMAL)
every_splitting = pytest.mark.parametrize("solver", zoo.PROXIMAL[1:])
either_sign = pytest.mark.parametrize(
    "constraint", [None, pr.NonNegative()], ids=["free", "x >= 0"]
)
LONG = pr.Stop(iterations=4000, rtol=1e-13)
EXACT = {"tolerance": 1e-13, "iterations": 1000}


def bounded(M, in_shape=None, out_shape=None):
    """The operator of a matrix of any sign whose norm is known."""
    A = zoo.Dense(M, in_shape, out_shape)
    norm = np.linalg.norm(A.M, 2) * (1 + 1e-6)
    A._norm_bounds = lambda bounds: (0, norm)
    return A


def operator(seed=0, shape=(5, 4), signed=False):
    """25 data of a 5 × 4 image."""
    n = int(np.prod(shape))
    M = np.eye(n + 5)[:, :n] + 0.1 * zoo.random_matrix(n + 5, n, signed=signed, seed=seed)
    return (bounded if signed else zoo.Dense)(M, shape, (n + 5,))


def differences(shape):
    """∇ of an image (ny, nx) as a matrix of (2, ny, nx) rows, and 0 at the far ends."""
    ny, nx = shape

    def forward(n):
        return np.vstack([np.eye(n)[1:] - np.eye(n)[:-1], np.zeros((1, n))])

    return np.vstack([np.kron(forward(ny), np.eye(nx)), np.kron(np.eye(ny), forward(nx))])


def lengths(field):
    """|·| at every voxel of a field of two components."""
    return np.linalg.norm(flat(field).reshape(2, -1), axis=0)


def least_of_linear(A, y, slope, nonnegative):
    """min ½ ‖A x − y‖² + ⟨slope, x⟩, over x >= 0 or all x, for A of full column rank."""
    shift = A @ np.linalg.solve(A.T @ A, slope)
    target = y - shift
    x = nnls(A, target)[0] if nonnegative else np.linalg.lstsq(A, target)[0]
    return 0.5 * ((A @ x - target) ** 2).sum() + shift @ y - 0.5 * shift @ shift


def lasso_violation(M, y, x, weight, nonnegative):
    """How far x is from meeting the optimality conditions of ½ ‖M x − y‖² + weight ‖x‖₁."""
    slope = M.T @ (M @ x - y)
    if nonnegative:
        return max(-x.min(), -(slope + weight).min(), abs(x * (slope + weight)).max())
    at_zero = np.maximum(abs(slope) - weight, 0)
    return np.where(x == 0, at_zero, abs(slope + weight * np.sign(x))).max()


# Optima ----------------------------------------------------------------------------------------


@either_sign
@pytest.mark.parametrize("signed", [False, True], ids=["A >= 0", "signed"])
def test_total_variation_meets_its_lower_bound(constraint, signed):
    """min f(x) + ⟨q, ∇x⟩ is a lower bound for every |q| <= weight, and PDHG has the best q."""
    A, weight = operator(signed=signed), 0.4
    y, K = 2 * zoo.data_for(A), differences((5, 4))
    prior = pr.TotalVariation(weight, **EXACT)
    problem = pr.Problem(pr.LeastSquares(A, y), prior, constraint)
    results = {s.name: pr.solve(problem, s, stop=LONG) for s in (pr.PDHG(), pr.ADMM(), pr.FISTA())}
    q = flat(results["pdhg"].state.u[1])
    assert lengths(q).max() <= weight * (1 + 1e-12)
    assert lengths(q).min() < 0.9 * weight  # not all of it is flat
    bound = least_of_linear(A.M, y, K.T @ q, constraint is not None)
    for name, result in results.items():
        x = flat(result.x)
        value = 0.5 * ((A.M @ x - y) ** 2).sum() + weight * lengths(K @ x).sum()
        assert -1e-10 <= value - bound <= 1e-8 * value, name
        assert constraint is None or x.min() == 0


def test_gap_of_total_variation_denoising_closes():
    shape, weight = (12, 9), 0.5
    y = np.random.default_rng(0).standard_normal(shape)
    f = pr.LeastSquares(pr.Identity(shape), y)
    result = pr.solve(pr.Problem(f, pr.TotalVariation(weight)), pr.PDHG(), stop=pr.Stop(2000))
    x, q, K = flat(result.x), flat(result.state.u[1]), differences(shape)
    assert lengths(q).max() <= weight * (1 + 1e-12)
    primal = 0.5 * ((x - flat(y)) ** 2).sum() + weight * lengths(K @ x).sum()
    back = K.T @ q
    dual = back @ flat(y) - 0.5 * back @ back
    assert -1e-12 <= primal - dual <= 1e-6


@every_solver
@either_sign
@pytest.mark.parametrize("rows", [6, 15])
@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_l1_meets_the_optimality_conditions(solver, constraint, rows, fraction):
    """With 0.9 of the weight that leaves nothing, x stands still at 0 for some iterations."""
    A = zoo.Dense(zoo.random_matrix(rows, 10, seed=3))
    y = 2 * zoo.data_for(A, seed=1)
    slopes = A.M.T @ y
    weight = fraction * float(slopes.max() if constraint else abs(slopes).max())
    problem = pr.Problem(pr.LeastSquares(A, y), pr.L1(weight), constraint)
    result = pr.solve(problem, solver, stop=LONG)
    x = result.x.copy()
    x[abs(x) < 1e-11] = 0
    assert lasso_violation(A.M, y, x, weight, constraint is not None) <= 1e-8
    assert 0 < (x != 0).sum() < 10


@every_splitting
def test_counts_meet_the_optimality_conditions_that_mlem_meets(solver):
    A = zoo.positive()
    y = np.random.default_rng(0).poisson(A @ np.full(A.in_shape, 3.0)).astype(float)
    f = pr.PoissonLikelihood(A, y)
    result = pr.solve(pr.Problem(f, constraint=pr.NonNegative()), solver, stop=LONG)
    x, M = flat(result.x), A.M
    slope = M.T @ (1 - flat(y) / (M @ x))
    assert x.min() == 0
    assert slope.min() >= -1e-7
    assert abs(x * slope).max() <= 1e-7
    mlem = pr.solve(pr.Problem(f), pr.MLEM(), stop=pr.Stop(3000))
    assert f.value(result.x) <= f.value(mlem.x) * (1 + 1e-12)
    assert f.value(result.x) == pytest.approx(f.value(mlem.x), rel=1e-3)


@every_splitting
def test_outliers_and_total_variation(solver):
    """Huber's loss: FISTA by its gradient, the others by the proximal map of its conjugate."""
    A = operator()
    f = pr.Huber(A, 3 * zoo.data_for(A), 0.5)
    problem = pr.Problem(f, pr.TotalVariation(0.2, **EXACT), pr.NonNegative())
    wanted = pr.solve(problem, pr.FISTA(), stop=pr.Stop(200))
    result = pr.solve(problem, solver, stop=pr.Stop(2000, rtol=1e-10))
    best = problem.objective(wanted.x)[0]
    assert problem.objective(result.x)[0] == pytest.approx(best, rel=1e-6)


class ByGradient(pr.LeastSquares):
    """Least squares of which only the gradient is known."""

    @property
    def conjugate_prox(self):
        raise AttributeError


@pytest.mark.parametrize("prior", [pr.TotalVariation(0.4), pr.L1(0.3), None])
def test_pdhg_takes_likelihoods_by_their_gradient(prior):
    A = operator()
    y = 2 * zoo.data_for(A)
    dual = pr.Problem(pr.LeastSquares(A, y), prior, pr.NonNegative())
    slope = pr.Problem(ByGradient(A, y), prior, pr.NonNegative())
    wanted, result = (pr.solve(p, pr.PDHG(), stop=LONG) for p in (dual, slope))
    assert len(result.state.u) == len(wanted.state.u) - 1
    np.testing.assert_allclose(result.x, wanted.x, rtol=1e-6, atol=1e-9)
    assert result.state.value[0] == pytest.approx(slope.f.value(result.x), rel=1e-12)


@dataclass(frozen=True)
class Smooth(pr.Prior):
    """weight/2 ‖x‖² of which only the gradient is known."""

    capabilities = ("smooth",)

    def couples(self, axis, shape):
        return False

    def values_and_gradient(self, x, axis, out):
        out += self.weight * x
        return 0.5 * self.weight * (x**2).sum(keepdims=True).reshape(1), out

    def lipschitz(self, shape):
        return self.weight


@pytest.mark.parametrize(
    "prior", [Smooth(0.7), pr.Tikhonov(0.7), pr.Tikhonov(0.4) + pr.Tikhonov(0.3)]
)
@every_solver
def test_ridge_regression(solver, prior):
    A = operator()
    y = zoo.data_for(A)
    problem = pr.Problem(pr.LeastSquares(A, y), prior)
    if isinstance(solver, pr.ADMM) and isinstance(prior, Smooth):
        with pytest.raises(ArgumentError, match="without a Smooth prior"):
            pr.solve(problem, solver)
        return
    wanted = np.linalg.solve(A.M.T @ A.M + 0.7 * np.eye(20), A.M.T @ y)
    result = pr.solve(problem, solver, stop=LONG)
    np.testing.assert_allclose(flat(result.x), wanted, rtol=1e-9, atol=1e-11)


@every_solver
@either_sign
def test_a_denoiser_that_is_a_proximal_map_solves_its_problem(solver, constraint):
    """x / (1 + σ²) with σ² = step · weight is the proximal map of weight/2 ‖x‖²."""
    A = operator()
    y = zoo.data_for(A)
    prior = pr.PlugAndPlay(lambda x, sigma: x / (1 + sigma**2), 0.7)
    problem = pr.Problem(pr.LeastSquares(A, y), prior, constraint)
    result = pr.solve(problem, solver, stop=LONG)
    M, target = np.vstack([A.M, np.sqrt(0.7) * np.eye(20)]), np.concatenate([y, np.zeros(20)])
    wanted = nnls(M, target)[0] if constraint else np.linalg.lstsq(M, target)[0]
    np.testing.assert_allclose(flat(result.x), wanted, rtol=1e-8, atol=1e-10)


@every_solver
def test_a_denoiser_that_does_nothing_leaves_least_squares(solver):
    A = operator()
    y = zoo.data_for(A)
    problem = pr.Problem(pr.LeastSquares(A, y), pr.PlugAndPlay(lambda x, sigma: x))
    result = pr.solve(problem, solver, stop=LONG)
    np.testing.assert_allclose(flat(result.x), np.linalg.lstsq(A.M, y)[0], rtol=1e-9, atol=1e-11)


def test_sum_of_priors_is_that_of_their_lower_bounds():
    A, weights = operator(), (0.3, 0.2)
    y, K = 2 * zoo.data_for(A), differences((5, 4))
    problem = pr.Problem(
        pr.LeastSquares(A, y), pr.TotalVariation(weights[0]) + pr.L1(weights[1]), pr.NonNegative()
    )
    results = [pr.solve(problem, s, stop=LONG) for s in (pr.PDHG(), pr.ADMM())]
    q, p = map(flat, results[0].state.u[1])
    assert lengths(q).max() <= weights[0] * (1 + 1e-12)
    assert abs(p).max() <= weights[1] * (1 + 1e-12)
    bound = least_of_linear(A.M, y, K.T @ q + p, True)
    for result in results:
        x = flat(result.x)
        value = 0.5 * ((A.M @ x - y) ** 2).sum()
        value += weights[0] * lengths(K @ x).sum() + weights[1] * abs(x).sum()
        assert -1e-10 <= value - bound <= 1e-8 * value


# Constraints -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ball:
    """‖x‖ <= radius: a constraint that is no box."""

    radius: float
    bounds: ClassVar[None] = None

    def project(self, x):
        x *= min(1, self.radius / max(np.linalg.norm(x), 1e-300))
        return x


@every_solver
def test_a_constraint_that_is_no_box(solver):
    A, ball = operator(), Ball(0.8)
    y = 2 * zoo.data_for(A)
    H, b = A.M.T @ A.M, A.M.T @ y

    def at(multiplier):
        return np.linalg.solve(H + multiplier * np.eye(20), b)

    multiplier = brentq(lambda m: np.linalg.norm(at(m)) - 0.8, 0, 1e3, xtol=1e-14)
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=ball)
    seen = []
    result = pr.solve(
        problem,
        solver,
        stop=LONG,
        callback=lambda state: seen.append(np.linalg.norm(state.x)) and 0,
    )
    np.testing.assert_allclose(flat(result.x), at(multiplier), rtol=1e-9, atol=1e-11)
    assert max(seen) <= 0.8 * (1 + 1e-12)


@every_solver
@pytest.mark.parametrize("prior", [None, pr.L1(0.1), pr.TotalVariation(0.1)])
def test_every_iterate_is_inside_the_constraint(solver, prior):
    A, box = operator(signed=True), pr.Box(-0.2, 0.3)
    problem = pr.Problem(pr.LeastSquares(A, 2 * zoo.data_for(A)), prior, box)

    def check(state):
        assert state.x.min() >= -0.2
        assert state.x.max() <= 0.3

    result = pr.solve(problem, solver, stop=pr.Stop(40), callback=check)
    assert result.x.min() == -0.2
    assert result.x.max() == 0.3


def test_fista_asks_for_gradients_inside_the_constraint_only():
    class Wary(pr.PoissonLikelihood):
        def gradient_and_free_values(self, x, out=None):
            assert x.min() >= 0
            return super().gradient_and_free_values(x, out)

    A = zoo.positive()
    y = np.random.default_rng(0).poisson(A @ np.full(A.in_shape, 3.0)).astype(float)
    f = Wary(A, y, background=5)
    result = pr.solve(pr.Problem(f, constraint=pr.NonNegative()), pr.FISTA(), stop=LONG)
    x, M = flat(result.x), A.M
    slope = M.T @ (1 - flat(y) / (M @ x + 5))
    assert x.min() == 0
    assert slope.min() >= -1e-8
    assert abs(x * slope).max() <= 1e-8


@cache
def coupled_slices():
    """A problem whose prior couples slices, and what no objective is below."""
    A = zoo.unlike(4)
    f = pr.LeastSquares(A, zoo.data_for(A))
    problem = pr.Problem(f, pr.TotalVariation(0.05, **EXACT))
    K = matrix(problem.prior.operator(A.in_shape))
    q = flat(pr.solve(problem, pr.PDHG(), stop=LONG).state.u[1])
    assert np.linalg.norm(q.reshape(3, -1), axis=0).max() <= 0.05 * (1 + 1e-12)
    return problem, least_of_linear(zoo.slice_matrix(A), flat(f.y), K.T @ q, False)


@every_solver
def test_a_prior_that_couples_slices_makes_one_problem(solver):
    problem, bound = coupled_slices()
    result = pr.solve(problem, solver, stop=LONG)
    assert result.state.active.shape == (1,)
    value = problem.objective(result.x)[0]
    assert -1e-10 <= value - bound <= 1e-8 * value


@every_solver
@pytest.mark.parametrize("constraint", [thorough(None), pr.NonNegative()])
def test_tuples_of_volumes_and_of_data(solver, constraint):
    """x of two arrays, data of two arrays: the L1 problem of the matrix they make."""
    A, B = zoo.positive(1), zoo.positive(5)
    C = pr.vstack([pr.hstack([A, B]), pr.hstack([pr.Identity((3, 4)), 2 * pr.Identity((3, 4))])])
    y = zoo.data_for(C)
    assert isinstance(y, tuple)
    M = np.block([[A.M, B.M], [np.eye(12), 2 * np.eye(12)]])
    problem = pr.Problem(pr.LeastSquares(C, y), pr.L1(0.3), constraint)
    result = pr.solve(problem, solver, stop=LONG)
    assert isinstance(result.x, tuple)
    x = flat(result.x)
    x[abs(x) < 1e-11] = 0
    assert lasso_violation(M, flat(y), x, 0.3, constraint is not None) <= 1e-8


@every_solver
def test_results_keep_their_scale(solver):
    """Data and weight in other units: the same x in other units, with the same iterations."""
    A = operator()
    y = 2 * zoo.data_for(A)

    def solve(unit_of_x, unit_of_y):
        B = (unit_of_y / unit_of_x) * A
        prior = pr.TotalVariation(0.3 * unit_of_y**2 / unit_of_x)
        problem = pr.Problem(pr.LeastSquares(B, unit_of_y * y), prior, pr.NonNegative())
        result = pr.solve(problem, solver, stop=pr.Stop(30))
        return result.x / unit_of_x

    np.testing.assert_allclose(solve(2.0**20, 2.0**-7), solve(1, 1), rtol=1e-5, atol=1e-7)
