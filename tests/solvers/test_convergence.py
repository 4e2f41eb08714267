"""What is called converged has the error that textbook conjugate gradients reach."""

from __future__ import annotations

import numpy as np
import pytest
from zoo.matrices import Dense, FastNormal
from zoo.problems import bell

import physrecon as pr

SHAPE, WEIGHT = (20, 20), 1e-3
A = pr.Blur(bell(9, 9, sigma=1.4), SHAPE, boundary="reflect")


def textbook(y, steps=500):
    """CGLS of Björck (1996), algorithm 7.4.1, on [A; √w] in the dtype of y."""
    t = y.dtype.type
    x, r = np.zeros_like(y), y.copy()
    s = A.T @ r
    p, old = s.copy(), float(np.vdot(s, s))
    for _ in range(steps):
        q = A @ p
        a = old / (float(np.vdot(q, q)) + WEIGHT * float(np.vdot(p, p)))
        x, r = x + t(a) * p, r - t(a) * q
        s = A.T @ r - t(WEIGHT) * x
        new = float(np.vdot(s, s))
        p, old = s + t(new / old) * p, new
    return x


@pytest.mark.parametrize("noise", [0.3, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("solver", "factor"),
    [
        (pr.ConjugateGradient(), 3),
        (pr.ConjugateGradient(preconditioner="jacobi"), 3),
        (pr.LSQR(), 3),
    ],
    ids=["cgls", "jacobi", "lsqr"],
)
def test_converged_is_as_near_as_the_textbook_comes(solver, factor, dtype, noise):
    rng, n = np.random.default_rng(0), SHAPE[0] * SHAPE[1]
    D = np.column_stack([(A @ e.reshape(SHAPE)).ravel() for e in np.eye(n)])
    y = A @ rng.random(SHAPE) + noise * rng.standard_normal(SHAPE)
    truth = np.linalg.solve(D.T @ D + WEIGHT * np.eye(n), D.T @ y.ravel()).reshape(SHAPE)

    def error(x):
        return np.linalg.norm(x - truth) / np.linalg.norm(truth)

    problem = pr.Problem(pr.LeastSquares(A, y.astype(dtype)), pr.Tikhonov(WEIGHT))
    result = pr.solve(problem, solver, stop=pr.Stop(iterations=600))
    assert result.reason.startswith("converged")
    assert error(result.x) < factor * error(textbook(y.astype(dtype)))


@pytest.mark.parametrize(
    ("solver", "matrix"),
    [(pr.ConjugateGradient(), Dense), (pr.ConjugateGradient(), FastNormal), (pr.LSQR(), Dense)],
    ids=["cgls", "cgls, fast normal", "lsqr"],
)
@pytest.mark.parametrize("seed", [79, 97, 160])
def test_rounding_is_not_followed_into_the_null_space(solver, matrix, seed):
    """Matrices of rank 8 whose ‖Aᵀ r‖ never gets below eps ‖A‖ ‖r‖."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(8, 30, 2)
    M = rng.standard_normal((rows, 8)) @ rng.standard_normal((8, columns))
    y = rng.standard_normal(rows)
    truth = np.linalg.pinv(M, rcond=1e-10) @ y
    problem = pr.Problem(pr.LeastSquares(matrix(M), y))
    result = pr.solve(problem, solver, stop=pr.Stop(iterations=400))
    assert result.iterations < 100
    assert np.linalg.norm(result.x - truth) < 1e-9 * np.linalg.norm(truth)
