"""What is called converged has the error that textbook conjugate gradients reach."""

from __future__ import annotations

import numpy as np
import pytest
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
