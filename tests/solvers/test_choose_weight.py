"""The weight of a prior against closed forms of ridge regression, and against the best weight.

With the hat matrix H(w) = M (MᵀM + w)⁻¹ Mᵀ the solution is M x = H y and its degrees of freedom are
tr H (Golub, Heath and Wahba 1979)."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
import zoo
from scipy.optimize import brentq, minimize_scalar

import physrecon as pr
from physrecon.catalog import WEIGHT_RULES
from physrecon.errors import ArgumentError

pytestmark = pytest.mark.thorough

SIGMA = 0.05
EXACT = pr.Stop(iterations=3000, rtol=1e-14)


def blurred(n=90, seed=0):
    """A blur that loses detail, a smooth object, and noisy data of known variance."""
    i = np.arange(n)
    M = np.exp(-(((i[:, None] - i) / 4) ** 2))
    x = np.sin(i / 12) + (i > n / 2)
    y = M @ x + SIGMA * np.random.default_rng(seed).standard_normal(n)
    return M, x, y


def problem(M, y, prior=None, known=True):
    A = zoo.Dense(M)
    weights = np.full(len(y), SIGMA**-2) if known else None
    f = pr.LeastSquares(A, y, weights, inverse_variance=known)
    return pr.Problem(f, prior or pr.Tikhonov(1.0))


class Ridge:
    """All about the solution for a weight, by linear algebra; data in units of the noise."""

    def __init__(self, M, y):
        self.M, self.y = M / SIGMA, y / SIGMA

    def hat(self, w):
        M = self.M
        return M @ np.linalg.solve(M.T @ M + w * np.eye(M.shape[1]), M.T)

    def residual(self, w):
        return np.linalg.norm(self.y - self.hat(w) @ self.y)

    def score(self, w):
        freedom = np.trace(self.hat(w)) / len(self.y)
        return self.residual(w) ** 2 / len(self.y) / (1 - freedom) ** 2

    def weight(self, rule):
        if rule == "discrepancy":
            wanted = np.sqrt(len(self.y))
            return np.exp(brentq(lambda s: self.residual(np.exp(s)) - wanted, -5, 15))
        found = minimize_scalar(lambda s: self.score(np.exp(s)), bounds=(-5, 15), method="bounded")
        return np.exp(found.x)


@pytest.mark.parametrize("rule", ["gcv", "discrepancy"])
def test_weight_of_ridge_regression(rule):
    """On a diagonal matrix the signs of the shake cancel, and df is exact."""
    i = np.arange(150)
    M = np.diag(np.exp(-i / 25))
    y = M @ np.cos(i) + SIGMA * np.random.default_rng(3).standard_normal(150)
    ridge, choice = Ridge(M, y), pr.choose_weight(problem(M, y), rule, stop=EXACT)
    assert choice.weight == pytest.approx(ridge.weight(rule), rel=0.1)
    for point in choice.curve:
        assert point.residual == pytest.approx(ridge.residual(point.weight), rel=1e-6)
        if rule != "discrepancy":
            assert point.score == pytest.approx(ridge.score(point.weight), rel=1e-4)


def test_degrees_of_freedom_of_any_matrix():
    M, _, y = blurred(200)
    choice = pr.choose_weight(problem(M, y), "gcv", stop=EXACT)
    for point in choice.curve:  # one shake knows the trace to its standard deviation
        H = Ridge(M, y).hat(point.weight)
        deviation = np.sqrt(2 * (np.sum(H**2) - np.sum(np.diag(H) ** 2))) / 200
        assert abs(point.freedom - np.trace(H) / 200) < 3 * deviation + 1e-3


@pytest.mark.parametrize("rule", WEIGHT_RULES)
def test_the_chosen_solution_is_nearly_the_best(rule):
    M, x, y = blurred(seed=2)
    choice = pr.choose_weight(problem(M, y), rule, stop=EXACT)

    def error(w):
        one = problem(M, y, pr.Tikhonov(w))
        return np.linalg.norm(pr.solve(one, pr.ConjugateGradient(), stop=EXACT).x - x)

    best = min(error(w) for w in np.geomspace(1e-3, 1e4, 29))
    assert np.linalg.norm(choice.result.x - x) < 1.2 * best
    assert choice.problem.prior.weight == choice.weight
    assert [p.weight for p in choice.curve] == sorted(p.weight for p in choice.curve)


def test_noise_that_is_not_known_is_estimated():
    M, _, y = blurred(200)
    found = pr.choose_weight(problem(M, y, known=False), "discrepancy", stop=EXACT)
    assert found.expected == pytest.approx(SIGMA * np.sqrt(len(y)), rel=0.2)
    assert np.sqrt(2 * found.problem.f.value(found.result.x)) == pytest.approx(found.expected, 0.02)


def test_the_choice_is_the_same_every_time():
    M, _, y = blurred()
    one, two = (pr.choose_weight(problem(M, y)) for _ in range(2))
    assert one.weight == two.weight
    np.testing.assert_array_equal(one.result.x, two.result.x)


def test_the_curve_is_drawn(tmp_path):
    M, _, y = blurred()
    path = tmp_path / "curve.png"
    pr.choose_weight(problem(M, y)).plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("likelihood", ["poisson", "transmission"])
def test_counts_have_degrees_of_freedom_too(likelihood):
    """To first order a Poisson mean m(x) has the hat matrix of least squares with weights 1/m."""
    rng = np.random.default_rng(1)
    M, x, _ = blurred(100)
    A = zoo.Dense(0.1 * M)
    p = A @ (x + 2.0)
    if likelihood == "poisson":
        mean, slope = 1000 * p + 10, 1000 * np.ones(100)
        f = pr.PoissonLikelihood(1000 * A, rng.poisson(mean) / 1.0, 10)
    else:
        mean, slope = 1000 * np.exp(-p) + 10, 1000 * np.exp(-p)
        f = pr.TransmissionLikelihood(A, rng.poisson(mean) / 1.0, 1000, 10)
    problem = pr.Problem(f, pr.Tikhonov(1.0), pr.NonNegative())
    choice = pr.choose_weight(problem, "gcv", pr.LBFGS(), pr.Stop(iterations=200))
    J = slope[:, None] * A.M / np.sqrt(mean)[:, None]
    some = [point for point in choice.curve if point.freedom > 0.01]
    for point in some[-3:]:  # strong weights, where the iterations have converged
        H = J @ np.linalg.solve(J.T @ J + point.weight * np.eye(100), J.T)
        deviation = np.sqrt(2 * (np.sum(H**2) - np.sum(np.diag(H) ** 2))) / 100
        assert abs(point.freedom - np.trace(H) / 100) < 3 * deviation + 0.01
    assert len(some) > 2


def test_nonsense_is_refused():
    M, _, y = blurred(20)
    with pytest.raises(ArgumentError, match="expected one of held-out"):
        pr.choose_weight(problem(M, y), "guess")
    with pytest.raises(ArgumentError, match="a problem with a prior"):
        pr.choose_weight(pr.Problem(pr.LeastSquares(zoo.Dense(M), y)))
    with pytest.raises(ArgumentError, match="tell of the object"):
        pr.choose_weight(problem(M, 0 * y))


@pytest.mark.parametrize("seed", [5, 6])
def test_no_weight_is_tried_twice(seed):
    """The search of a root would lose it where the ends of its bracket came out otherwise."""
    M, _, y = blurred(seed=seed)
    told = []
    choice = pr.choose_weight(
        problem(M, y),
        "discrepancy",
        stop=pr.Stop(iterations=2),
        progress=lambda *at: told.append(at),
    )
    fits = [text for text, _ in groupby(told, key=lambda at: at[1]) if text.startswith("weight")]
    assert [at[0] for at in told] == sorted(at[0] for at in told)
    assert len(fits) == len(choice.curve) and 0.5 < choice.misfit < 2
