"""Random words against published ones, samples against SciPy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import special, stats

import physrecon as pr
from physrecon.kernels import random

DTYPES = [np.float32, np.float64]
MEANS = [0.01, 0.5, 3.0, 9.9, 10.1, 50.0, 1e3, 1e5, 1e7]
MANY = 300_000
SURE = 1e-6  # a right distribution fails one test in a million, and the seeds are fixed

# Counter, key, words: kat_vectors of Random123 (Salmon et al. 2011), philox4x32 of 10 rounds.
KNOWN = [
    ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@njit
def philox(counter, seed):
    return random.philox(counter, seed)


@njit
def uniforms(words, out):
    for i in range(len(words)):
        out[i] = random.uniform(words[i], out.dtype.type)


def numbers(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_published_words(counter, key, words):
    low, high = numbers(key)
    seed = low | high << np.uint64(32)
    assert list(philox(tuple(numbers(counter)), seed)) == numbers(words)


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_numbers_lie_inside(dtype):
    words = np.array([0, 1, 2**31, 2**32 - 129, 2**32 - 128, 2**32 - 1], np.uint64)
    out = np.empty(len(words), dtype)
    uniforms(words, out)
    assert out.min() > 0 and out.max() < 1
    np.testing.assert_allclose(out, (words + 0.5) / 2**32, rtol=2e-7)


def test_formulas_against_scipy():
    """What the samplers are made of: too small an error for any test of samples to see."""
    k = np.arange(2.0, 60.0)
    exact = special.gammaln(k) - (k - 0.5) * np.log(k) + k - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose([random.stirling(n, float) for n in k], exact, atol=1e-7)
    for mean in (10.3, 1e3, 1e6):
        k = np.floor(mean + np.linspace(-2.5, 6, 40) * np.sqrt(mean))
        exact = special.rel_entr(k, mean) + mean - k
        said = [random.deviance(n, mean, n - mean, float) for n in k]
        np.testing.assert_allclose(said, exact, rtol=1e-6, atol=1e-8)
        short = [random.deviance(*np.float32([n, mean, n - mean]), np.float32) for n in k]
        np.testing.assert_allclose(short, exact, atol=2e-5)
    words = np.random.default_rng(0).integers(0, 2**32, 500, np.uint64)
    z = -special.ndtri(((words >> np.uint64(1)) + 0.5) / 2**32)
    z[words % 2 == 0] *= -1
    np.testing.assert_allclose([random.normal(w, float) for w in words], z, rtol=2e-7)


# --- distributions --------------------------------------------------------------------------


def draw(mean, dtype=np.float32, seed=5, n=MANY):
    return pr.PoissonNoise().sample(np.full((7, n // 7), mean, dtype), seed).ravel()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mean", MEANS)
def test_counts_are_poisson(mean, dtype):
    true, counts = float(dtype(mean)), draw(mean, dtype).astype(np.float64)
    n = counts.size
    assert counts.min() >= 0 and (counts == np.rint(counts)).all()
    assert abs(counts.mean() - true) < 5 * np.sqrt(true / n)
    fourth = true + 3 * true**2  # central moment
    assert abs(((counts - true) ** 2).mean() - true) < 5 * np.sqrt((fourth - true**2) / n)
    # χ² over about 60 classes of like probability.
    law = stats.poisson(true)
    edges = np.unique(law.ppf(np.linspace(0, 1, 62)[1:-1]))
    found = np.bincount(np.searchsorted(edges, counts), minlength=len(edges) + 1)
    expected = n * np.diff(np.concatenate([[0], law.cdf(edges), [1]]))
    keep = expected > 5
    chi2 = ((found - expected) ** 2 / np.maximum(expected, 1e-300))[keep].sum()
    assert stats.chi2.sf(chi2, max(keep.sum() - 1, 1)) > SURE


def test_a_mean_of_zero_gives_no_counts():
    assert not draw(0.0).any()


@pytest.mark.parametrize("mean", [3.0, 30.0])
def test_tails_of_counts(mean):
    """Classes of like probability see no tail: count by count, where it is rare."""
    counts = draw(mean, n=2_000_000)
    law = stats.poisson(mean)
    for k in (law.ppf(1e-5), law.isf(1e-5)):
        p = law.cdf(k) if k < mean else law.sf(k - 1)
        found = np.count_nonzero(counts <= k if k < mean else counts >= k)
        assert stats.binomtest(found, counts.size, p).pvalue > SURE


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers(dtype):
    z = pr.GaussianNoise(1.0).sample(np.zeros((3, 700_000), dtype), 11).ravel()
    assert stats.kstest(z, "norm").pvalue > SURE
    z = z.astype(np.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(variance / z.size)
    for edge in (3.5, 4.2):
        tails = np.count_nonzero(z > edge), np.count_nonzero(z < -edge)
        for found in tails:
            assert stats.binomtest(found, z.size, stats.norm.sf(edge)).pvalue > SURE


def test_both_types_round_the_same_numbers():
    mean = np.exp(np.random.default_rng(0).uniform(-4, 15, (40, 1000))).astype(np.float32)
    short = pr.PoissonNoise().sample(mean, 1)
    long = pr.PoissonNoise().sample(mean.astype(np.float64), 1)
    assert np.count_nonzero(short != long) < 1e-3 * mean.size
    assert np.abs(short - long).max() <= 0.01 * np.sqrt(mean.max())
    noise = pr.GaussianNoise(2.0)
    short, long = noise.sample(0 * mean, 1), noise.sample(np.zeros(mean.shape), 1)
    np.testing.assert_allclose(short, long, rtol=1e-5, atol=1e-6)
