"""Every likelihood, on operators of several kinds.  A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import physrecon as pr
from physrecon.likelihoods.least_squares import WeightedByCounts
from zoo.data import counts_for, data_for
from zoo.matrices import VALUES, FastNormal, positive, signed, unlike


def tower() -> pr.LinearOperator:
    """Non-negative, with a tuple as its range."""
    return pr.vstack([unlike(), pr.Identity((3, 2, 3))])


def bent() -> pr.Operator:
    """Not linear: e^{−A x}."""
    return pr.Exponential((5, 3), 4.0) @ positive()


PER_VIEW = np.linspace(0.5, 2, 4).reshape(4, 1, 1)

# name → f for data of a dtype, to be compared with finite differences and formulas
_LIKELIHOODS: dict[str, Callable[[Any], Any]] = {
    "least squares": lambda d: pr.LeastSquares(A := signed(), data_for(A, dtype=d)),
    "weighted": lambda d: pr.LeastSquares(A := signed(), data_for(A, dtype=d), VALUES**2),
    "weights a column": lambda d: pr.LeastSquares(A := signed(), data_for(A, dtype=d), [1, 0, 2]),
    "slices": lambda d: pr.LeastSquares(
        A := unlike(), data_for(A, dtype=d), np.arange(12).reshape(4, 3, 1)
    ),
    "weighted by counts": lambda d: WeightedByCounts.for_slab(A := signed(), data_for(A, dtype=d)),
    "tuple": lambda d: pr.LeastSquares(A := tower(), data_for(A, dtype=d), (np.ones(3), 0.1)),
    "bent": lambda d: pr.LeastSquares(A := bent(), data_for(A, dtype=d), VALUES**2),
    "fast normal": lambda d: pr.LeastSquares(A := FastNormal(signed().M), data_for(A, dtype=d)),
    "fast weighted": lambda d: pr.LeastSquares(
        A := FastNormal(signed().M), data_for(A, dtype=d), np.arange(15)
    ),
    "poisson": lambda d: pr.PoissonLikelihood(A := positive(), counts_for(A, dtype=d), 0.7),
    "poisson slices": lambda d: pr.PoissonLikelihood(
        A := unlike(), counts_for(A, dtype=d), PER_VIEW
    ),
    "poisson tuple": lambda d: pr.PoissonLikelihood(
        A := tower(), counts_for(A, dtype=d), (PER_VIEW, 0.2)
    ),
    "poisson, no background": lambda d: pr.PoissonLikelihood(
        A := positive(), counts_for(A, dtype=d)
    ),
    "poisson bent": lambda d: pr.PoissonLikelihood(A := bent(), counts_for(A, dtype=d), 0.1),
    "poisson-gaussian": lambda d: pr.PoissonGaussianLikelihood(
        A := unlike(), counts_for(A, dtype=d), 1.5, [0.4, 0, 0.4], 0.8, 0.1
    ),
    "transmission": lambda d: pr.TransmissionLikelihood(
        A := positive(), counts_for(A, dtype=d), np.linspace(3, 9, 3)
    ),
    "transmission, dark": lambda d: pr.TransmissionLikelihood(
        A := unlike(), counts_for(A, dtype=d), 8 * PER_VIEW, [[0.0, 0.5, 2.0]]
    ),
    "transmission tuple": lambda d: pr.TransmissionLikelihood(
        A := tower(), counts_for(A, dtype=d), (8.0, PER_VIEW[:3]), (1e-3, 0.0)
    ),
    "transmission bent": lambda d: pr.TransmissionLikelihood(
        A := bent(), counts_for(A, dtype=d), 9.0
    ),
    "huber": lambda d: pr.Huber(A := signed(), data_for(A, dtype=d), 0.6, VALUES**2),
    "huber slices": lambda d: pr.Huber(A := unlike(), data_for(A, dtype=d), 0.6),
    "huber bent": lambda d: pr.Huber(A := bent(), data_for(A, dtype=d), 0.6),
    "student": lambda d: pr.StudentT(A := unlike(), data_for(A, dtype=d), 0.3, 2),
    "student tuple": lambda d: pr.StudentT(A := tower(), data_for(A, dtype=d), 0.5),
    "student bent": lambda d: pr.StudentT(A := bent(), data_for(A, dtype=d), 0.5),
}
LIKELIHOODS = [pytest.param(make, id=name) for name, make in _LIKELIHOODS.items()]


def volume_for(f, seed=1, scale=1.0, dtype=np.float64):
    """A random x, where f has a value."""
    x = np.random.default_rng(seed).standard_normal(f.A.in_shape)
    return ((0.1 + abs(x) if f.needs_nonnegative else x) * scale).astype(dtype)
