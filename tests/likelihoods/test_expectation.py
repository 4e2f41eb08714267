"""What noise leaves of a likelihood where the mean is true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import kl_div

import physrecon as pr
from physrecon.likelihoods.poisson import expected_deviance

DOUBLE, SINGLE = np.float64, np.float32


@pytest.mark.parametrize("mean", [0.05, 0.3, 1, 3, 30, 1e4])
def test_expected_deviance_is_that_of_poisson_counts(mean):
    counts = np.random.default_rng(0).poisson(mean, 400_000)
    sampled = 2 * kl_div(counts, mean)
    error = sampled.std() / np.sqrt(len(counts))
    assert expected_deviance(np.array([mean])) == pytest.approx(sampled.mean(), abs=4 * error)


@pytest.mark.parametrize("blank", [3, 30, 1e4])
def test_noise_leaves_what_is_expected_of_transmitted_counts(blank):
    rng = np.random.default_rng(1)
    A = pr.Identity((60, 4, 128), 1)
    p = np.broadcast_to(2.5 * np.sin(np.linspace(0, np.pi, 128)), A.out_shape)
    y = rng.poisson(blank * np.exp(-p) + 0.5).astype(SINGLE)
    f = pr.TransmissionLikelihood(A, y, blank, 0.5)
    left = f.residual_norms(f.data_values(p.astype(SINGLE)))
    np.testing.assert_allclose(f.expected_norms(), left, rtol=0.03)


def test_noise_leaves_what_is_expected_of_least_squares():
    rng = np.random.default_rng(2)
    A = pr.Identity((60, 4, 128), 1)
    sigma = np.array([1, 2, 3, 4.0]).reshape(4, 1)
    noise = sigma * rng.standard_normal(A.out_shape)
    found = pr.LeastSquares(A, noise).expected_norms()
    np.testing.assert_allclose(found, np.sqrt(60 * 128) * sigma.ravel(), rtol=0.05)
    known = pr.LeastSquares(A, noise, 1 / sigma**2, inverse_variance=True)
    np.testing.assert_allclose(known.expected_norms(), np.sqrt(60 * 128), rtol=1e-12)
    some = np.array([1, 0, 1, 1.0]).reshape(4, 1)
    known = pr.LeastSquares(A, noise, some, inverse_variance=True)
    assert known.expected_norms()[1] == 0
