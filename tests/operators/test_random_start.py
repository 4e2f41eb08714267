"""‖A‖ of an operator that states nothing: bounds from a random start hold, at any scale."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr


class Dense(pr.LinearOperator):
    """A matrix that says no more than its two products."""

    def __init__(self, M):
        self.M, self.in_shape, self.out_shape = M, (M.shape[1],), (M.shape[0],)

    def _forward(self, x, out):
        out[...] = self.M @ x

    def _adjoint(self, y, out):
        out[...] = self.M.T @ y


def spectra(rng, i):
    m, n = rng.integers(1, 40, 2)
    M = rng.standard_normal((m, n))
    if i % 3 == 0:
        M = M * 10.0 ** -rng.uniform(0, 5, n)
    if i % 5 == 0:
        M = np.outer(rng.standard_normal(m), np.ones(n))  # noise without a mean would not see it
    return M.astype(np.float32)


def test_bounds_hold_and_are_near():
    rng = np.random.default_rng(5)
    for i in range(60):
        M = spectra(rng, i) * np.float32(10 ** rng.uniform(-30, 18))
        lower, upper = pr.norm_bounds(Dense(M))
        norm = np.linalg.norm(M.astype(np.float64), 2)
        assert lower <= norm <= upper <= 1.2 * norm, i


def test_the_norm_of_zero_is_zero():
    assert pr.norm_bounds(Dense(np.zeros((3, 4), np.float32))) == (0, 0)


class RunningSum(pr.LinearOperator):
    """−Σ along each row; slices along axis 0, of unequal weight.  ‖Σ‖ = 1/(2 sin(π/(4n + 2)))."""

    def __init__(self, weights, n=16):
        self.weights = np.float32(weights)[:, None, None]
        self.in_shape = self.out_shape = (len(weights), 2, n)
        self.slices = (0, 0)

    def _forward(self, x, out):
        out[...] = -self.weights * np.cumsum(x, axis=2)

    def _adjoint(self, y, out):
        out[...] = -self.weights * np.cumsum(y[..., ::-1], axis=2)[..., ::-1]


def test_bounds_of_a_slice_do_not_see_its_neighbours():
    from physrecon.operators.checks import slice_norm_bounds

    weights = [1, 1e-6, 0, 30]
    together = np.array(slice_norm_bounds(RunningSum(weights)))
    for i, weight in enumerate(weights):
        lower, upper = slice_norm_bounds(RunningSum([weight]))
        assert (together[:, i] == (lower[0], upper[0])).all()
        norm = weight / (2 * np.sin(np.pi / (4 * 16 + 2)))
        assert lower[0] <= norm <= upper[0] <= 1.15 * norm


@pytest.mark.parametrize("solver", [pr.PDHG(), pr.FISTA()])
def test_total_variation_goes_with_any_operator(solver):
    """x of a constant row: y = A x exactly, and TV(x) = 0, so x is the only solution."""
    A = RunningSum([1.0])
    x = np.full(A.in_shape, 2.0, np.float32)
    problem = pr.Problem(pr.LeastSquares(A, A @ x), pr.TotalVariation(0.1, axes=(1, 2)))
    found = pr.solve(problem, solver, stop=pr.Stop(iterations=300)).x
    np.testing.assert_allclose(found, x, atol=2e-2)
