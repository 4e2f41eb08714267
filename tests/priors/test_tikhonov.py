"""Tikhonov's prior against the normal equations."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat, matrix, soft
from zoo.priors import prox, with_zeros

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError


def test_tikhonov_by_the_normal_equations():
    """argmin ½ ‖A x − y‖² + ½ w ‖K x‖² solves (AᵀA + w KᵀK) x = Aᵀ y."""
    A = zoo.alike(3)
    K = zoo.differences((3, 2, 3))
    y = zoo.data_for(A)
    M = matrix(A)
    expected = np.linalg.solve(M.T @ M + 0.3 * matrix(K).T @ matrix(K), M.T @ flat(y))
    problem = pr.Problem(pr.LeastSquares(A, y), pr.Tikhonov(0.3, K))
    result = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(100))
    np.testing.assert_allclose(flat(result.x), expected, atol=1e-10)


@pytest.mark.parametrize(
    "prior",
    [
        pr.Tikhonov(0.3),
        pr.Tikhonov(0.1) + pr.Tikhonov(0.2),
        pr.Tikhonov(0.3, lambda s: pr.Wavelet(s, "haar", 1, (0,))),
    ],
)
def test_quadratic_priors_take_their_slices_where_the_data_have_them(prior):
    """WᵀW = 1, so all three are 0.15 ‖x‖²; the volume's slices lie along axis 1."""
    A = zoo.alike(3).T
    y = zoo.data_for(A)
    M = matrix(A)
    expected = np.linalg.solve(M.T @ M + 0.3 * np.eye(M.shape[1]), M.T @ flat(y))
    problem = pr.Problem(pr.LeastSquares(A, y), prior)
    assert problem.count == 3
    result = pr.solve(problem, pr.ConjugateGradient(), stop=pr.Stop(100))
    np.testing.assert_allclose(flat(result.x), expected, atol=1e-12)


@pytest.mark.parametrize("K", [3, "identity", (2, 3)])
def test_tikhonov_refuses_what_is_no_operator(K):
    with pytest.raises(ArgumentError, match=r"Tikhonov\.K: expected"):
        pr.Tikhonov(1, K)


def test_tikhonov_refuses_an_operator_of_another_shape():
    prior = pr.Tikhonov(1, zoo.differences((3, 2, 3)))
    for call in (
        prior.value,
        lambda x: prior.quadratic_operator(x.shape),
        lambda x: prior.couples(0, x.shape),
    ):
        with pytest.raises(ArgumentError, match=r"expected a linear operator on x of \(3, 4, 2\)"):
            call(with_zeros())
    with pytest.raises(ArgumentError, match="expected a linear operator"):
        pr.Tikhonov(1, lambda shape: np.eye(24)).value(with_zeros())


def test_tikhonov_of_an_infinite_norm_has_no_lipschitz():
    A = zoo.signed()
    A._norm_bounds = lambda bounds: (0, np.inf)
    with pytest.raises(ArgumentError, match="finite norm"):
        pr.Tikhonov(1, A).lipschitz((3, 4))
    with pytest.raises(ArgumentError, match="K=None"):
        pr.Tikhonov(1, zoo.signed()).prox(np.zeros((3, 4)), 1)


def test_tikhonov_of_tuples():
    x = (with_zeros((2, 3)), with_zeros((4,)))
    prior = pr.Tikhonov(0.5)
    assert prior.value(x) == pytest.approx(0.25 * np.sum(flat(x) ** 2))
    out = prior.values_and_gradient(x, None, vectors.transform(np.zeros_like, x))[1]
    np.testing.assert_allclose(flat(out), 0.5 * flat(x))
    np.testing.assert_allclose(flat(prox(prior, x, 2.0)), flat(x) / 2)
    np.testing.assert_allclose(flat(prox(pr.L1(0.5), x, 2.0)), soft(flat(x), 1))
    assert pr.L1(0.5).value(x) == pytest.approx(0.5 * abs(flat(x)).sum())
