"""Solvers that follow the gradient, against SciPy, closed forms and the published formulas."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import zoo
from naive import flat, matrix
from scipy.optimize import brentq, minimize, nnls
from zoo.problems import random_problem, rosenbrock

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.solvers.line_search import search

LONG = pr.Stop(iterations=5_000, rtol=1e-13)
NESTEROV = pr.GradientDescent(rule="nesterov")
SEARCHING = [
    pytest.param(pr.GradientDescent(rule="armijo"), id="armijo"),
    pytest.param(pr.GradientDescent(rule="bb"), id="bb"),
    pytest.param(pr.LBFGS(), id="lbfgs"),
]
PRECISE = [pytest.param(NESTEROV, id="nesterov"), *SEARCHING[1:]]
OTHERS = [
    pytest.param(NESTEROV, id="nesterov"),
    pytest.param(pr.Adam(), id="adam"),
    pytest.param(pr.RMSprop(), id="rmsprop"),
]


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


def objectives(problem, solver, iterations):
    """The objective at the start and after every iteration."""
    x0 = np.zeros(problem.f.A.in_shape, problem.f.y.dtype)
    values = [problem.objective(x0).sum()]

    def note(state):
        values.append(problem.objective(state.x).sum())

    pr.solve(problem, solver, stop=pr.Stop(iterations), callback=note)
    return values


# Solutions -------------------------------------------------------------------------------------


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


# Descent ---------------------------------------------------------------------------------------


KINDS = ["least squares", "huber", "student", "transmission", "poisson", "bent"]


@pytest.mark.parametrize("solver", [*SEARCHING, pytest.param(NESTEROV, id="nesterov")])
@pytest.mark.parametrize("kind", KINDS)
def test_random_problems_never_diverge(solver, kind):
    nesterov = solver is NESTEROV
    if nesterov and kind in ("student", "bent"):
        return  # not convex
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(60):
        problem = random_problem(rng, kind)
        if nesterov and kind == "transmission" and problem.constraint is None:
            continue  # no bound of its curvature
        values = objectives(problem, solver, 15)
        limit = 1e-4 if problem.f.y.dtype == np.float32 else 1e-12
        assert np.isfinite(values).all()
        if nesterov:
            assert values[-1] <= values[0] * (1 + limit)
        elif solver.name == "gd" and solver.rule == "bb":
            last = [max(values[max(i - 10, 0) : i]) for i in range(1, len(values))]
            assert all(b <= a * (1 + limit) for a, b in zip(last, values[1:], strict=True))
        else:
            assert all(b <= a * (1 + limit) for a, b in itertools.pairwise(values))


@pytest.mark.parametrize("solver", [*SEARCHING, pr.GaussNewton()])
def test_without_convexity_they_end_where_nothing_leads_down(solver):
    """Student's loss of wild data within a box: the projected gradient ends at zero."""
    rng = np.random.default_rng(6)
    for _ in range(10):
        A = zoo.Dense(rng.uniform(size=(9, 6)))
        f = pr.StudentT(A, 3 * rng.standard_normal(9), 0.2)
        x0 = rng.uniform(-1, 1, 6)
        problem = pr.Problem(f, constraint=pr.Box(-1, 1))
        x = pr.solve(problem, solver, x0, pr.Stop(5000, rtol=1e-12)).x
        along = np.clip(x - 0.01 * f.gradient(x), -1, 1) - x
        assert np.linalg.norm(along) <= 1e-8 * 0.01 * np.linalg.norm(f.gradient(x0))


def test_a_first_step_far_too_short_grows():
    A = zoo.positive()
    y = A @ np.linspace(-1, 1, 12).reshape(3, 4)
    solver = pr.GradientDescent(1e-9, "armijo")
    values = objectives(pr.Problem(pr.LeastSquares(A, y)), solver, 50)
    assert values[10] > 0.99 * values[0]
    assert values[-1] < 0.1 * values[0]


def test_a_first_step_that_overflows_is_taken_back():
    """e^(−A x) of a step far too long is infinite, which is no reason to stop."""
    A = zoo.Dense(np.diag([1.0, 3.0]))
    f = pr.LeastSquares(pr.Exponential((2,)) @ A, np.array([5.0, 5.0], np.float32))
    value, gradient = f.value_and_gradient(np.zeros(2, np.float32))
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(f.values(-100 * value / (gradient @ gradient) * gradient))
    for rule in ("armijo", "bb"):
        result = pr.solve(pr.Problem(f), pr.GradientDescent(100, rule), stop=pr.Stop(2000))
        np.testing.assert_allclose(A.M @ result.x, -np.log([5, 5]), rtol=1e-3)


def test_the_search_fulfils_the_conditions_of_armijo_and_wolfe():
    """On 200 random quartics of one number, from first trials of any length."""
    rng = np.random.default_rng(5)

    @dataclass
    class Line(pr.solvers.State):
        gradient: np.ndarray

    for _ in range(200):
        roots, first = rng.uniform(-3, 3, 2), 10 ** rng.uniform(-6, 6)
        F = pr.Pointwise(
            lambda x, a, b: (x - a) * (x - b), lambda x, a, b: 2 * x - a - b, (1,), tuple(roots)
        )
        problem = pr.Problem(pr.LeastSquares(F, np.zeros(1)))
        x = rng.uniform(-4, 4, 1)
        value, _, gradient = problem.objective_and_gradient(x)
        slope = -(gradient**2)
        state = Line(x.copy(), 0, np.ones(1), value, np.ones(1, bool), gradient.copy())
        alpha = np.array([first])
        step = search(problem, state, -gradient, slope, value, alpha, wolfe=True)
        np.testing.assert_allclose(state.x, x - step.alpha * gradient, rtol=1e-12, atol=1e-15)
        assert problem.objective(state.x) <= value + 1e-4 * step.alpha * slope + 1e-12
        assert -(problem.f.gradient(state.x) @ gradient) >= 0.9 * slope


# Adam and RMSprop ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "beta1", "beta2"),
    [(pr.Adam(0.03), 0.9, 0.999), (pr.Adam(0.1, 0.5, 0.8), 0.5, 0.8), (pr.RMSprop(0.02), 0, 0.9)],
)
def test_the_published_updates(solver, beta1, beta2):
    A = zoo.positive()
    y = zoo.data_for(A)
    x, m, v = np.zeros((3, 12))
    unit = np.sqrt(12) / np.linalg.norm(A.M.T @ y.ravel())
    corrected = isinstance(solver, pr.Adam)
    states = pr.iterate(pr.Problem(pr.LeastSquares(A, y)), solver)
    for t, state in enumerate(itertools.islice(states, 20), start=1):
        g = unit * (A.M.T @ (A.M @ x - y.ravel()))
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        c = np.sqrt(1 - beta2**t) / (1 - beta1**t) if corrected else 1
        x = x - solver.step * c * m / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(state.x.ravel(), x, rtol=1e-10)


@pytest.mark.parametrize("solver", OTHERS[1:])
def test_the_default_step_suits_the_scale(solver):
    """The objective falls far, and as far when data, operator or both are scaled."""
    A = zoo.positive()
    y = A @ np.linspace(-1, 1, 12).reshape(3, 4)
    shares = []
    for a, b in ((1, 1), (1e3, 1), (1, 1e-3), (1e-2, 1e2)):
        problem = pr.Problem(pr.LeastSquares(zoo.Dense(a * A.M, (3, 4), (5, 3)), b * y))
        values = objectives(problem, solver, 60)
        shares.append(values[-1] / values[0])
    assert shares[0] < 0.05
    np.testing.assert_allclose(shares, shares[0], rtol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(100):
        values = objectives(random_problem(rng, "least squares"), solver, 25)
        assert values[-1] <= values[0] * (1 + 1e-4)


@pytest.mark.parametrize("solver", OTHERS[1:])
def test_units_that_are_powers_of_two_change_no_bit(solver):
    A = zoo.positive()
    y = (A @ np.linspace(-1, 1, 12).reshape(3, 4)).astype(np.float32)
    x = []
    for unit in (1, np.float32(2**-60)):
        B = zoo.Dense(A.M / unit, (3, 4), (5, 3))
        x.append(pr.solve(pr.Problem(pr.LeastSquares(B, y)), solver, stop=pr.Stop(30)).x / unit)
    np.testing.assert_array_equal(x[1], x[0])


def test_adam_keeps_to_the_constraint():
    A = zoo.positive()
    y = zoo.data_for(A)
    problem = pr.Problem(pr.LeastSquares(A, y), constraint=pr.NonNegative())
    result = pr.solve(problem, pr.Adam(), stop=pr.Stop(2000))
    wanted, _ = nnls(A.M, y.ravel())
    assert (result.x >= 0).all()
    assert problem.f.value(result.x) <= 1.01 * problem.f.value(wanted.reshape(3, 4))


# The loop: what tests/test_solvers.py asks of the others ---------------------------------------


def sliced_problem(part=slice(None), dtype=np.float32):
    nz = 5
    A = zoo.SliceWise(zoo.random_matrix(nz, 4, 3, 6, seed=4), (2, 3))
    y = zoo.data_for(A, dtype=dtype) * np.geomspace(1, 30, nz).astype(dtype)[:, None]
    return pr.Problem(pr.LeastSquares(A.slab(part), np.ascontiguousarray(y[:, part])))


@pytest.mark.parametrize("solver", OTHERS)
@pytest.mark.parametrize("cut", [1, 2])
def test_volume_does_not_depend_on_the_slabs(solver, cut):
    stop = pr.Stop(60, rtol=0.03)
    whole = pr.solve(sliced_problem(), solver, stop=stop)
    slabs = [
        pr.solve(sliced_problem(slice(z, z + cut)), solver, stop=stop) for z in range(0, 5, cut)
    ]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))
    assert len({record.active for record in whole.history}) > 1


@pytest.mark.parametrize("solver", [*OTHERS, *SEARCHING, pr.GaussNewton(inner=1)])
def test_slices_that_set_off_again_do_not_depend_on_the_slabs(solver):
    """They stopped at different times by a loose rule; a strict one sets them moving."""

    def solve(part):
        problem = sliced_problem(part)
        loose = pr.solve(problem, solver, stop=pr.Stop(40, rtol=0.05))
        iterations = loose.iterations + 15
        return pr.solve(problem, solver, stop=pr.Stop(iterations, rtol=1e-4), state=loose.state)

    whole = solve(slice(None))
    assert max(record.active for record in whole.history) > 1
    slabs = [solve(slice(z, z + 1)) for z in range(5)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))


@pytest.mark.parametrize("solver", OTHERS)
def test_a_saved_run_goes_on_bit_for_bit(solver, tmp_path):
    stop = pr.Stop(40, rtol=0.01)
    whole = pr.solve(sliced_problem(), solver, stop=stop)
    part = pr.solve(sliced_problem(), solver, stop=pr.Stop(17, rtol=0.01))
    pr.save_state(tmp_path / "state.h5", part.state)
    state = pr.load_state(tmp_path / "state.h5")
    rest = pr.solve(sliced_problem(), solver, stop=stop, state=state)
    np.testing.assert_array_equal(rest.x, whole.x)
    assert rest.iterations == whole.iterations


@pytest.mark.parametrize("solver", OTHERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_x0_left_alone(solver, dtype):
    x0 = np.full((5, 2, 3), 0.5)
    result = pr.solve(sliced_problem(dtype=dtype), solver, x0, pr.Stop(3))
    assert result.x.dtype == dtype
    assert (x0 == 0.5).all()
    zeros = pr.solve(sliced_problem(dtype=dtype), solver, 0 * x0, pr.Stop(3))
    none = pr.solve(sliced_problem(dtype=dtype), solver, stop=pr.Stop(3))
    np.testing.assert_array_equal(zeros.x, none.x)


@pytest.mark.parametrize("solver", [*OTHERS, *SEARCHING])
def test_nothing_moves_at_a_solution(solver):
    A = zoo.positive()
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    result = pr.solve(pr.Problem(pr.LeastSquares(A, A @ x)), solver, x)
    np.testing.assert_array_equal(result.x, x)
    assert result.reason.startswith("converged after 1 ")


def test_a_state_of_another_rule_is_refused():
    state = pr.solve(sliced_problem(), NESTEROV, stop=pr.Stop(2)).state
    with pytest.raises(ArgumentError, match="expected a ArmijoState, got NesterovState"):
        pr.solve(sliced_problem(), pr.GradientDescent(rule="armijo"), state=state)


def test_what_has_no_bound_is_refused_with_the_names_of_those_that_need_none():
    A = zoo.positive()
    problem = pr.Problem(pr.TransmissionLikelihood(A, zoo.counts_for(A), 9.0))
    for rule in ("certified", "nesterov"):
        with pytest.raises(ArgumentError, match=r"LBFGS or GradientDescent\(rule='armijo'\)"):
            pr.solve(problem, pr.GradientDescent(rule=rule))
    assert np.isfinite(pr.solve(problem, pr.GradientDescent(rule="armijo")).x).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: pr.GradientDescent(rule="steepest"),
        lambda: pr.GradientDescent(rule=["bb"]),
        lambda: pr.GradientDescent("1"),
        lambda: pr.GradientDescent(1.5, "nesterov"),
        lambda: pr.GradientDescent(0, "armijo"),
        lambda: pr.GradientDescent(np.inf, "bb"),
        lambda: pr.GradientDescent(np.nan),
        lambda: pr.LBFGS(0),
        lambda: pr.LBFGS(2.5),
        lambda: pr.Adam(0),
        lambda: pr.Adam("small"),
        lambda: pr.Adam(beta1=1),
        lambda: pr.Adam(beta2=np.nan),
        lambda: pr.RMSprop(-1),
        lambda: pr.RMSprop(decay=2),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ArgumentError):
        make()
