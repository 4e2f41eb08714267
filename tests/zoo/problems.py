"""Problems that several solvers are tried on."""

from __future__ import annotations

import numpy as np

import physrecon as pr
from zoo.matrices import Dense


def random_problem(rng, kind):
    """A small problem of any scale."""
    m, n = rng.integers(1, 9, 2)
    scale = 10 ** rng.uniform(-3, 3)
    A = Dense(rng.uniform(0, scale, (m, n)) * (rng.uniform(size=(m, n)) < 0.7))
    A._norm_bounds = lambda bounds: (0, np.linalg.norm(A.M, 2) * (1 + 1e-12))
    y = (10 ** rng.uniform(-3, 3) * rng.standard_normal(m)).astype(rng.choice(["f4", "f8"]))
    counts = rng.poisson(5, m).astype(y.dtype)
    f = {
        "least squares": lambda: pr.LeastSquares(A, y),
        "huber": lambda: pr.Huber(A, y, float(abs(y).max()) / 3),
        "student": lambda: pr.StudentT(A, y, float(abs(y).max()) / 3),
        "transmission": lambda: pr.TransmissionLikelihood(A, counts, 7.0),
        "poisson": lambda: pr.PoissonLikelihood(A, counts, 0.5),
        "bent": lambda: pr.LeastSquares(pr.Exponential((m,), 3.0) @ A, y),
    }[kind]()
    constraint = pr.NonNegative() if kind == "poisson" or rng.uniform() < 0.5 else None
    return pr.Problem(f, constraint=constraint)


def rosenbrock():
    """(10 (b − a²), 1 − a): a bent valley whose least point is (1, 1)."""

    def jacobian(x):
        return np.array([[-20 * x[0], 10], [-1, 0]])

    F = pr.Function(
        lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]),
        lambda x, d: jacobian(x) @ d,
        lambda x, d: jacobian(x).T @ d,
        (2,),
        (2,),
    )
    return pr.Problem(pr.LeastSquares(F, np.zeros(2)))
