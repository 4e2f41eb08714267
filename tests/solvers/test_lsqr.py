"""LSQR against SciPy's, and where rounding is all that is left."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from scipy.sparse.linalg import lsqr

import physrecon as pr
from physrecon.errors import ArgumentError


def steep(condition, rows=40, columns=20, seed=0):
    """A matrix whose singular values fall evenly from 1 to 1/condition; its data are noisy."""
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.standard_normal((rows, columns)))
    V, _ = np.linalg.qr(rng.standard_normal((columns, columns)))
    M = (U * np.geomspace(1, 1 / condition, columns)) @ V.T
    return M, M @ rng.standard_normal(columns) + 0.1 * rng.standard_normal(rows)


def test_every_iterate_is_that_of_scipy():
    M, y = steep(5)
    problem = pr.Problem(pr.LeastSquares(zoo.Dense(M), y))
    for count in (1, 2, 5, 9):
        wanted = lsqr(M, y, atol=0, btol=0, conlim=0, iter_lim=count)
        result = pr.solve(problem, pr.LSQR(), stop=pr.Stop(iterations=count))
        np.testing.assert_allclose(result.x, wanted[0], rtol=1e-10, atol=1e-10)
        assert result.history[-1].value == pytest.approx(wanted[3] ** 2 / 2, rel=1e-10)


@pytest.mark.parametrize("condition", [3, 100])
def test_the_end_is_that_of_scipy(condition):
    M, y = steep(condition)
    w = np.linspace(0.5, 2, len(y))
    wanted = lsqr(np.sqrt(w)[:, None] * M, np.sqrt(w) * y, atol=0, btol=0, conlim=0, iter_lim=500)
    f = pr.LeastSquares(zoo.Dense(M), y, w)
    result = pr.solve(pr.Problem(f), pr.LSQR(), np.ones(20), pr.Stop(iterations=500))
    np.testing.assert_allclose(result.x, wanted[0], rtol=1e-10, atol=1e-10)
    assert result.reason.startswith("converged")


def test_of_many_solutions_the_one_nearest_to_x0():
    M, y = steep(10, 15, 15)
    M, y = M[:9], y[:9]
    x0 = np.linspace(-1, 1, 15)
    result = pr.solve(pr.Problem(pr.LeastSquares(zoo.Dense(M), y)), pr.LSQR(), x0)
    wanted = x0 + np.linalg.lstsq(M, y - M @ x0)[0]
    np.testing.assert_allclose(result.x, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("coupled", [False, True])
def test_a_quadratic_prior_adds_rows(coupled):
    class Rows(pr.Prior):
        """½ weight ‖L x‖² with an L that couples the slices or not."""

        capabilities = ("quadratic",)

        def couples(self, axis, shape):
            return coupled

        def quadratic_operator(self, shape):
            L = np.eye(12) + 0.3 * np.eye(12, k=6 if coupled else 0)
            if coupled:
                return np.sqrt(self.weight) * zoo.Dense(L, shape, (12,))
            return np.sqrt(self.weight * 1.69) * pr.Identity(shape)

    A = zoo.unlike(2)
    y, M = zoo.data_for(A), zoo.slice_matrix(A)
    problem = pr.Problem(pr.LeastSquares(A, y), prior=Rows(0.5))
    result = pr.solve(problem, pr.LSQR(), np.ones(A.in_shape), pr.Stop(iterations=200))
    L = np.eye(12) + 0.3 * np.eye(12, k=6 if coupled else 0)
    wanted = np.linalg.solve(M.T @ M + 0.5 * L.T @ L, M.T @ y.ravel())
    np.testing.assert_allclose(result.x.ravel(), wanted, rtol=1e-10, atol=1e-12)
    fitted = pr.solve(problem, pr.LSQR(), stop=pr.Stop(discrepancy=0.9 * np.linalg.norm(y)))
    assert np.linalg.norm(A @ fitted.x - y) <= 0.9 * np.linalg.norm(y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [3, 8])
def test_going_on_beyond_the_end_does_no_harm(dtype, rank):
    """Steep matrices of deficient rank: noise would grow by their condition, were it followed."""
    rng = np.random.default_rng(rank)
    eps = np.finfo(dtype).eps
    for seed in range(30):
        M, y = steep(10 ** rng.uniform(0, 3), 12, 8, seed)
        M = M[:, :rank] @ rng.standard_normal((rank, 10))
        scale = 10 ** rng.uniform(-3, 3)
        f = pr.LeastSquares(zoo.Dense(scale * M), y.astype(dtype))
        result = pr.solve(pr.Problem(f), pr.LSQR(), stop=pr.Stop(iterations=2000))
        best = np.linalg.norm(M @ np.linalg.lstsq(M, y)[0] - y)
        reached = np.linalg.norm(scale * M @ result.x - y)
        assert reached <= best + 1e3 * eps * np.linalg.norm(y)
        assert np.linalg.norm(result.x) < 1e4 * np.linalg.norm(np.linalg.pinv(scale * M) @ y)
        assert result.iterations < 1000


def test_other_likelihoods_and_priors_are_refused():
    A = zoo.positive()
    f = pr.LeastSquares(A, zoo.data_for(A))

    class Other:
        values, gradient, axis, A = None, None, None, f.A

    with pytest.raises(ArgumentError, match="LSQR: expected LeastSquares, got Other"):
        pr.solve(pr.Problem(Other()), pr.LSQR())
    with pytest.raises(ArgumentError, match="LSQR: expected a problem without constraint"):
        pr.solve(pr.Problem(f, constraint=pr.NonNegative()), pr.LSQR())
