"""The objective falls, whatever the scale, and the search keeps its conditions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import zoo
from zoo.problems import objectives, random_problem
from zoo.solvers import NESTEROV, SEARCHING

import physrecon as pr
from physrecon.solvers.line_search import search

KINDS = ["least squares", "huber", "student", "transmission", "poisson", "bent"]


@pytest.mark.thorough
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
