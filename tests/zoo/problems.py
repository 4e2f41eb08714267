"""Problems that several solvers are tried on."""

from __future__ import annotations

import numpy as np

import physrecon as pr
from zoo.data import data_for
from zoo.matrices import Dense, SliceWise


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


def objectives(problem, solver, iterations):
    """The objective at the start and after every iteration."""
    x0 = np.zeros(problem.f.A.in_shape, problem.f.y.dtype)
    values = [problem.objective(x0).sum()]

    def note(state):
        values.append(problem.objective(state.x).sum())

    pr.solve(problem, solver, stop=pr.Stop(iterations), callback=note)
    return values


def overdetermined(seed=0, nz=None):
    """An easy problem of non-negative entries: (A, y) with one least-squares solution."""
    rng = np.random.default_rng(seed)
    if nz is None:
        A = Dense(np.eye(12)[:, :6] + 0.1 * rng.uniform(size=(12, 6)), (2, 3), (4, 3))
    else:
        blocks = np.eye(12)[:, :6] + rng.uniform(0.01, 0.2, (nz, 1, 1)) * rng.uniform(
            size=(nz, 12, 6)
        )
        A = SliceWise(blocks.reshape(nz, 4, 3, 6), (2, 3))
    truth = rng.standard_normal(A.in_shape)
    return A, A @ truth + 0.1 * data_for(A, seed)


def bell(*shape, sigma=1.5):
    """A Gaussian PSF of sum 1."""
    psf = np.ones(())
    for n in shape:
        psf = np.multiply.outer(psf, np.exp(-((np.arange(n) - n // 2) ** 2) / (2 * sigma**2)))
    return psf / psf.sum()
