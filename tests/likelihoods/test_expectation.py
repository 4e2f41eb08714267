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


def scene(photons, seed=0):
    """Blurred points and a disc on a black ground: mean counts, most of them 0."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    image = np.zeros((128, 128))
    image[tuple(rng.integers(10, 118, (2, 25)))] = rng.uniform(300, 3000, 25)
    rows, columns = np.mgrid[:128, :128]
    image += 60 * (np.hypot(rows - 64, columns - 64) < 30)
    return photons * gaussian_filter(image, 2, truncate=6)


@pytest.mark.parametrize(("photons", "near"), [(0.02, 0.035), (0.2, 0.02), (1, 0.02), (20, 0.02)])
def test_black_pixels_tell_nothing_of_the_noise(photons, near):
    """Against the deviance of the true means; √m would be 30 to 90 % off."""
    mean = scene(photons)
    truth = np.sqrt(expected_deviance(mean).sum())
    for seed in range(3):
        y = np.random.default_rng(seed).poisson(mean).astype(SINGLE)
        f = pr.PoissonLikelihood(pr.Identity(y.shape), y)
        assert f.expected_norms()[0] == pytest.approx(truth, rel=near)


@pytest.mark.parametrize("mean", [0.02, 0.3, 3, 100])
def test_spread_of_the_deviance_is_that_of_poisson_counts(mean):
    counts = np.random.default_rng(0).poisson(mean, (2000, 64, 64))
    sampled = 2 * kl_div(counts, mean).sum(axis=(1, 2))
    f = pr.PoissonLikelihood(pr.Identity((64, 64)), counts[0].astype(DOUBLE))
    assert f.deviance_spread()[0] == pytest.approx(sampled.std(), rel=0.12)


def test_grey_values_have_the_noise_of_their_counts():
    y = np.random.default_rng(0).poisson(scene(1)).astype(DOUBLE)
    plain = pr.PoissonLikelihood(pr.Identity(y.shape), y)
    grey = pr.PoissonLikelihood(pr.Identity(y.shape), 7 * y, gain=7)
    np.testing.assert_allclose(grey.expected_norms() ** 2, 7 * plain.expected_norms() ** 2)
    np.testing.assert_allclose(grey.deviance_spread(), 7 * plain.deviance_spread())
    with pytest.raises(pr.errors.ArgumentError, match="gain"):
        pr.PoissonLikelihood(pr.Identity(y.shape), y, gain=0)


def test_a_response_that_differs_from_pixel_to_pixel_is_no_structure():
    rng = np.random.default_rng(0)
    blank = 3 * rng.uniform(0.2, 2, (1, 1, 128))
    blank[..., 40:44] = 0  # dead
    A = pr.Identity((90, 2, 128), 1)
    y = rng.poisson(np.broadcast_to(blank * np.exp(-0.5), A.out_shape)).astype(SINGLE)
    y[..., 40:44] = 999
    f = pr.TransmissionLikelihood(A, y, blank)
    truth = np.sqrt(90 * expected_deviance(blank * np.exp(-0.5)).sum())
    np.testing.assert_allclose(f.expected_norms(), truth, rtol=0.02)


@pytest.mark.parametrize("kind", [pr.LeastSquares, pr.PoissonLikelihood])
def test_masked_data_are_no_data(kind):
    """Half of the pixels hidden: the norm is that of the others."""
    rng = np.random.default_rng(3)
    keep = rng.random((100, 200)) < 0.5
    keep[:, :40] = False
    y = rng.poisson(400, keep.shape).astype(DOUBLE)
    f = kind(pr.Mask(keep) @ pr.Identity(keep.shape), keep * y)
    noise = 20 if kind is pr.LeastSquares else 1
    assert f.counted().sum() == np.count_nonzero(keep)
    wide = pr.Mask(np.ones_like(keep) & (np.arange(200) >= 40))
    g = kind(wide @ pr.Identity(keep.shape), (np.arange(200) >= 40) * y)
    assert g.expected_norms()[0] == pytest.approx(noise * np.sqrt(100 * 160), rel=0.04)
    weighted = pr.LeastSquares(pr.Identity(keep.shape), y, np.arange(200) >= 40.0)
    assert weighted.expected_norms()[0] == pytest.approx(20 * np.sqrt(100 * 160), rel=0.04)
