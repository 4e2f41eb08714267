"""Adam and RMSprop: the published updates, their scales."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import zoo
from scipy.optimize import nnls
from zoo.problems import objectives, random_problem
from zoo.solvers import STEPPING

import physrecon as pr


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


@pytest.mark.parametrize("solver", STEPPING[1:])
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


@pytest.mark.parametrize("solver", STEPPING[1:])
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
