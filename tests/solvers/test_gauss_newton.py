"""Gauss–Newton against linear algebra and SciPy's solvers of non-linear problems."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import zoo
from naive import flat, matrix
from scipy.optimize import least_squares, minimize, nnls
from tiers import thorough
from zoo.problems import random_problem, rosenbrock

import physrecon as pr
from physrecon.errors import ArgumentError

LONG = pr.Stop(iterations=300, rtol=1e-13)


# Linear: one step is the solution --------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 15).reshape(5, 3)])
@pytest.mark.parametrize("weight", [None, 0.3])
def test_without_damping_one_step_solves_least_squares(weights, weight):
    A = zoo.signed()
    y, K = zoo.data_for(A), zoo.Dense(zoo.random_matrix(7, 12, seed=5), (3, 4))
    prior = None if weight is None else pr.Tikhonov(weight, K)
    problem = pr.Problem(pr.LeastSquares(A, y, weights), prior)
    result = pr.solve(problem, pr.GaussNewton(0, inner=30), stop=pr.Stop(1))
    W = np.ones((15, 1)) if weights is None else weights.reshape(-1, 1)
    normal = A.M.T @ (W * A.M) + (weight or 0) * K.M.T @ K.M
    wanted = np.linalg.solve(normal, A.M.T @ (W[:, 0] * y.ravel()))
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-6, atol=1e-8)
    result = pr.solve(problem, pr.GaussNewton(), stop=LONG)
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)


def test_elements_at_a_bound_are_left_out_of_the_linear_system():
    """With the bounds known the first step ends at the solution on the others."""
    A = zoo.Dense(np.eye(8)[:, :5] + 0.3 * zoo.random_matrix(8, 5, seed=3))
    y = np.array([2.0, -9, 3, -9, 1, 0.2, 0.1, 0.3])
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=pr.NonNegative())
    result = pr.solve(problem, pr.GaussNewton(0), stop=pr.Stop(1))
    wanted, _ = nnls(A.M, y)
    assert (wanted[[1, 3]] == 0).all()
    assert (wanted[[0, 2, 4]] > 0).all()
    np.testing.assert_allclose(result.x, wanted, rtol=1e-9)


def test_damping_is_that_of_levenberg():
    """(AᵀA + λ) d = Aᵀy with λ in units of the curvature along the gradient."""
    A = zoo.signed()
    y = zoo.data_for(A)
    result = pr.solve(
        pr.Problem(pr.LeastSquares(A, y)), pr.GaussNewton(0.7, inner=40), stop=pr.Stop(1)
    )
    g = A.M.T @ y.ravel()
    damping = 0.7 * np.sum((A.M @ g) ** 2) / (g @ g)
    wanted = np.linalg.solve(A.M.T @ A.M + damping * np.eye(12), g)
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9)
    np.testing.assert_allclose(result.state.damping, damping / 3)  # a quadratic is as foretold


def test_slices_have_their_own_damping_and_do_not_depend_on_the_slabs():
    A = zoo.unlike(5)
    y = zoo.counts_for(A, 20).astype(np.float32)
    y[:, 1] *= 100  # only this slice needs shorter steps

    def solve(part):
        B = A.slab(part)
        f = pr.LeastSquares(pr.Exponential(B.out_shape, 30.0) @ B, np.ascontiguousarray(y[:, part]))
        return pr.solve(pr.Problem(f), pr.GaussNewton(inner=3), stop=pr.Stop(12, rtol=1e-3))

    whole = solve(slice(None))
    slabs = [solve(slice(z, z + 2)) for z in range(0, 5, 2)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))
    assert len({record.active for record in whole.history}) > 1
    assert len(set(whole.state.damping)) == 5


# Not linear ------------------------------------------------------------------------------------


def bent(noise=0.02):
    """Light behind an absorber, 4 e^(−A x), with noise; the problem and its residual for SciPy."""
    A = zoo.positive()
    rng = np.random.default_rng(0)
    E = pr.Exponential((5, 3), 4.0) @ A
    y = E @ rng.uniform(0, 0.5, (3, 4)) + noise * rng.standard_normal((5, 3))
    return pr.LeastSquares(E, y), lambda x: 4 * np.exp(-A.M @ x) - y.ravel()


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, np.inf), (0.1, 0.3)])
@pytest.mark.parametrize("inner", [5, 20])
def test_the_solution_is_that_of_scipy(bounds, inner):
    f, residual = bent()
    constraint = {-np.inf: None, 0: pr.NonNegative(), 0.1: pr.Box(0.1, 0.3)}[bounds[0]]
    problem = pr.Problem(f, constraint=constraint)
    result = pr.solve(problem, pr.GaussNewton(inner=inner), stop=LONG)
    wanted = least_squares(
        residual, np.full(12, 0.2), bounds=bounds, xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert result.reason.startswith(("converged", "stopped after"))  # not at the limit
    assert f.value(result.x) <= wanted.cost * (1 + 1e-9)
    np.testing.assert_allclose(result.x.ravel(), wanted.x, rtol=1e-4, atol=1e-6)
    assert (result.x >= bounds[0]).all()
    assert (result.x <= bounds[1]).all()


def test_rosenbrock():
    result = pr.solve(rosenbrock(), pr.GaussNewton(), np.array([-1.2, 1.0]), stop=LONG)
    np.testing.assert_allclose(result.x, [1, 1], rtol=1e-12)
    assert result.iterations <= 30


def test_damping_rises_where_the_full_step_fails_and_falls_where_it_is_foretold():
    """From (−1.2, 1) the undamped step of Rosenbrock's valley leads far up its wall."""
    solver, start = pr.GaussNewton(0), np.array([-1.2, 1.0])
    first = pr.solve(rosenbrock(), solver, start, pr.Stop(1)).state
    assert first.damping[0] > 0
    last = pr.solve(rosenbrock(), solver, start, LONG).state
    assert last.damping[0] < 0.1 * first.damping[0]


def test_x_may_be_a_tuple():
    """The product of two unknown factors, each a plane: u ∘ v = y."""
    u, v = np.linspace(1, 2, 6).reshape(2, 3), np.linspace(3, 1, 6).reshape(2, 3)
    F = pr.Function(
        lambda x: (x[0] * x[1], x[0]),
        lambda x, d: (d[0] * x[1] + x[0] * d[1], d[0]),
        lambda x, e: (x[1] * e[0] + e[1], x[0] * e[0]),
        ((2, 3), (2, 3)),
        ((2, 3), (2, 3)),
    )
    problem = pr.Problem(pr.LeastSquares(F, (u * v, u)), constraint=pr.NonNegative())
    start = (np.ones((2, 3)), np.ones((2, 3)))
    x = pr.solve(problem, pr.GaussNewton(), start, stop=LONG).x
    np.testing.assert_allclose(flat(x), flat((u, v)), rtol=1e-10)


LIKELIHOODS = {
    "transmission": lambda A: pr.TransmissionLikelihood(A, zoo.counts_for(A, 20), 30.0),
    "transmission, dark": lambda A: pr.TransmissionLikelihood(A, zoo.counts_for(A, 20), 30.0, 1.0),
    "poisson": lambda A: pr.PoissonLikelihood(A, zoo.counts_for(A), 0.7),
    "huber": lambda A: pr.Huber(A, zoo.data_for(A), 0.5),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_curved_likelihoods_are_brought_to_their_minimum(name):
    A = zoo.positive()
    problem = pr.Problem(LIKELIHOODS[name](A), pr.Tikhonov(0.1), pr.NonNegative())
    result = pr.solve(problem, pr.GaussNewton(), stop=pr.Stop(2000, rtol=1e-13))

    def call(x):
        objective, _, gradient = problem.objective_and_gradient(x.reshape(3, 4))
        return objective.sum(), gradient.ravel()

    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 0, "gtol": 1e-10}
    wanted = minimize(
        call,
        np.full(12, 0.1),
        method="L-BFGS-B",
        jac=True,
        bounds=[(0, None)] * 12,
        options=options,
    )
    assert problem.objective(result.x).sum() <= wanted.fun + 1e-9 * abs(wanted.fun)
    np.testing.assert_allclose(result.x.ravel(), wanted.x, rtol=1e-4, atol=1e-5)


def test_curvature_pays():
    """Far fewer steps than along the gradient where the problem is stiff."""
    f, _ = bent()
    wanted = pr.solve(pr.Problem(f), pr.GaussNewton(inner=20), stop=LONG)
    least = f.value(wanted.x) * (1 + 1e-6)
    steps = [
        pr.solve(
            pr.Problem(f), solver, stop=pr.Stop(2000), callback=lambda s: s.value[0] <= least
        ).iterations
        for solver in (pr.GaussNewton(inner=20), pr.LBFGS(), pr.GradientDescent(rule="bb"))
    ]
    assert steps[0] <= 10
    assert steps[0] < steps[1] < steps[2]


@pytest.mark.parametrize(
    "kind", ["least squares", "huber", "student", "transmission", "poisson", "bent"]
)
@pytest.mark.parametrize("count", [10, thorough(50)])
def test_the_objective_never_rises(kind, count):
    rng = np.random.default_rng(11)
    for _ in range(count):
        problem = random_problem(rng, kind)
        values = [problem.objective(np.zeros(problem.f.A.in_shape, problem.f.y.dtype)).sum()]

        def note(state, problem=problem, values=values):
            values.append(problem.objective(state.x).sum())

        pr.solve(problem, pr.GaussNewton(), stop=pr.Stop(10), callback=note)
        limit = 1e-4 if problem.f.y.dtype == np.float32 else 1e-12
        assert np.isfinite(values).all()
        assert all(b <= a * (1 + limit) for a, b in itertools.pairwise(values))


# The loop --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saved_run_goes_on_bit_for_bit(tmp_path, dtype):
    A = zoo.unlike()
    F = pr.Exponential(A.out_shape, 30.0) @ A
    x0 = np.full(A.in_shape, 0.1)
    problem = pr.Problem(pr.LeastSquares(F, zoo.counts_for(A, 20).astype(dtype)))
    stop = pr.Stop(9, rtol=1e-4)
    whole = pr.solve(problem, pr.GaussNewton(inner=3), x0, stop)
    part = pr.solve(problem, pr.GaussNewton(inner=3), x0, pr.Stop(4, rtol=1e-4))
    pr.save_state(tmp_path / "state.h5", part.state)
    state = pr.load_state(tmp_path / "state.h5")
    rest = pr.solve(problem, pr.GaussNewton(inner=3), stop=stop, state=state)
    assert part.iterations < whole.iterations == rest.iterations
    np.testing.assert_array_equal(rest.x, whole.x)
    assert whole.x.dtype == dtype
    assert (x0 == 0.1).all()


def test_a_prior_that_couples_the_slices():
    A = zoo.unlike()
    K = pr.Identity((3, 2, 3)) - zoo.Dense(np.roll(np.eye(18), 6, axis=0), (3, 2, 3), (3, 2, 3))
    problem = pr.Problem(pr.LeastSquares(A, zoo.data_for(A)), pr.Tikhonov(0.8, K))
    result = pr.solve(problem, pr.GaussNewton(), stop=LONG)
    M, L = zoo.slice_matrix(A), matrix(K)
    wanted = np.linalg.solve(M.T @ M + 0.8 * L.T @ L, M.T @ flat(problem.f.y))
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-9, atol=1e-11)
    assert result.state.damping.shape == (1,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pr.GaussNewton(-1),
        lambda: pr.GaussNewton(np.inf),
        lambda: pr.GaussNewton("auto"),
        lambda: pr.GaussNewton(inner=0),
        lambda: pr.GaussNewton(inner=2.5),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ArgumentError):
        make()
