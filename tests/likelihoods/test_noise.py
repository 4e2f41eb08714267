"""Samples of noise: their places, their models, and what has none."""

from __future__ import annotations

from itertools import product

import numba
import numpy as np
import pytest

import physrecon as pr
from physrecon.errors import ArgumentError

DTYPES = [np.float32, np.float64]


# --- places ---------------------------------------------------------------------------------

NOISES = {
    "gaussian": pr.GaussianNoise(0.3),
    "poisson": pr.PoissonNoise(2.0),
    "camera": pr.PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=1.5),
    "transmission": pr.TransmissionNoise(1e3, dark=5.0),
}
SHAPE = (5, 6, 1100)  # more columns than a thread takes at a time


def some_mean(shape=SHAPE, dtype=np.float32):
    return np.random.default_rng(1).uniform(0, 40, shape).astype(dtype) / 10


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NOISES)
def test_threads_do_not_show(name, dtype):
    mean, before = some_mean(dtype=dtype), numba.get_num_threads()
    samples = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        samples.append(NOISES[name].sample(mean, 3))
    numba.set_num_threads(before)
    assert samples[0].dtype == dtype and samples[0].shape == SHAPE
    np.testing.assert_array_equal(*samples)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("shape", [(2000,), (7, 1100), SHAPE, (2, 3, 4, 21), (2, 2, 3, 2, 5)])
def test_a_slab_is_a_part_of_the_whole(name, shape, monkeypatch):
    mean, noise = some_mean(shape), NOISES[name]
    whole = noise.sample(mean, 3)
    monkeypatch.setattr("physrecon.likelihoods.noise.PIECE", 700)
    monkeypatch.setattr("physrecon.likelihoods.noise.PLANES", 2)
    np.testing.assert_array_equal(noise.sample(mean, 3), whole)
    for corner in product(*((0, n // 2) for n in shape)):
        part = tuple(slice(c, c + (n + 1) // 2) for c, n in zip(corner, shape, strict=True))
        slab = noise.sample(mean[part], 3, whole_shape=shape, corner=corner)
        np.testing.assert_array_equal(slab, whole[part])


@pytest.mark.parametrize("name", NOISES)
def test_places_seeds_and_streams_are_independent(name):
    noise, mean = NOISES[name], np.ones((40, 50, 60), np.float32)
    sample = noise.sample(mean, 1)
    assert not np.array_equal(sample, noise.sample(mean, 2))
    a, n = (sample - sample.mean()) / sample.std(), sample.size
    shifted = [np.roll(a, s, axis) for s, axis in product((1, 2, 4), range(3))]
    others = [noise.sample(mean, s) for s in (2, 1 << 32, 1 << 63)]
    if name in ("gaussian", "poisson"):  # the others use both streams
        others.append(NOISES["gaussian" if name == "poisson" else "poisson"].sample(mean, 1))
    for b in (*shifted, *others):
        b = (b - b.mean()) / b.std()
        assert abs((a * b).mean()) < 5 / np.sqrt(n)
        # Powers too: numbers may be bound to each other without being correlated.
        assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 5 * (a**4).mean() / np.sqrt(n)


def test_samples_leave_the_mean_alone():
    for noise, dtype in product(NOISES.values(), DTYPES):
        mean = some_mean((3, 4, 5), dtype)
        before = mean.copy()
        noise.sample(mean, 1)
        np.testing.assert_array_equal(mean, before)


def test_every_shape_has_a_sample():
    for noise, shape in product(NOISES.values(), [(), (1,), (0,), (2, 0, 3), (0, 4, 5)]):
        assert noise.sample(np.ones(shape, np.float32), 0).shape == shape
    strided = some_mean()[::2, :, ::3]
    noise = NOISES["poisson"]
    np.testing.assert_array_equal(noise.sample(strided, 1), noise.sample(strided.copy(), 1))


# --- models ---------------------------------------------------------------------------------

PIXELS = np.linspace(1, 3, 5)  # parameters that differ from pixel to pixel
# noise, mean → mean and variance of the data, in closed form
MODELS = {
    "gaussian": (pr.GaussianNoise(PIXELS), lambda m: (m, PIXELS**2)),
    "poisson": (pr.PoissonNoise(PIXELS), lambda m: (m + PIXELS, m + PIXELS)),
    "camera": (
        pr.PoissonGaussianNoise(PIXELS, 100 * PIXELS, 2 * PIXELS),
        lambda m: (PIXELS * m + 100 * PIXELS, PIXELS**2 * m + 4 * PIXELS**2),
    ),
    "transmission": (
        pr.TransmissionNoise(50 * PIXELS, PIXELS),
        lambda m: (50 * PIXELS * np.exp(-m) + PIXELS,) * 2,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_mean_and_variance_of_the_model(name):
    noise, law = MODELS[name]
    n = 100_000
    data = noise.sample(np.full((n, 5), 1.7, np.float32), 8).astype(np.float64)
    mean, variance = law(np.full(5, 1.7))
    assert (np.abs(data.mean(axis=0) - mean) < 5 * np.sqrt(variance / n)).all()
    spread = ((data - mean) ** 2).mean(axis=0)
    kurtosis = ((data - mean) ** 4).mean(axis=0) - variance**2
    assert (np.abs(spread - variance) < 5 * np.sqrt(kurtosis / n)).all()


@pytest.mark.parametrize("name", MODELS)
def test_likelihood_belongs_to_the_noise(name):
    """The truth is where the gradient vanishes on average; each datum leaves ½ in the value."""
    noise, n = MODELS[name][0], 20_000
    x = np.full((n, 5), 400.0 if name != "transmission" else 0.3)
    f = noise.likelihood(pr.Identity((n, 5)), noise.sample(x, 4))
    gradient = f.gradient(x)
    error = gradient.std(axis=0) / np.sqrt(n)
    assert (np.abs(gradient.mean(axis=0)) < 5 * error).all()
    assert 2 * f.value(x) == pytest.approx(x.size, rel=0.03)


BAD_MODELS = {
    "sigma": [pr.GaussianNoise, (0.0,), (-1.0,), (np.nan,), (np.array([1.0, 0.0]),), ("loud",)],
    "background": [pr.PoissonNoise, (-0.1,), (np.inf,)],
    "gain": [pr.PoissonGaussianNoise, (0.0, 0.0, 1.0), (-2.0, 0.0, 1.0)],
    "offset": [pr.PoissonGaussianNoise, (1.0, np.nan, 1.0), (1.0, -np.inf, 1.0)],
    "read_noise": [pr.PoissonGaussianNoise, (1.0, 0.0, -1.0)],
    "blank": [pr.TransmissionNoise, (-1.0,), (np.nan,)],
    "dark": [pr.TransmissionNoise, (1.0, -1.0)],
}


@pytest.mark.parametrize(
    ("name", "model", "values"),
    [(name, model, v) for name, (model, *values) in BAD_MODELS.items() for v in values],
)
def test_bad_parameters_are_refused(name, model, values):
    with pytest.raises(ArgumentError, match=f"{model.__name__}.{name}"):
        model(*values)


ONES = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("noise", "mean", "keywords", "words"),
    [
        (NOISES["poisson"], -10 * ONES, {}, "expected mean counts"),
        (NOISES["transmission"], -1000 * ONES, {}, "expected mean counts"),
        (NOISES["poisson"], 1e16 * ONES, {}, "expected mean counts"),
        (NOISES["gaussian"], ONES * np.nan, {}, "finite"),
        (NOISES["gaussian"], 1.0, {}, "expected an array"),
        (NOISES["gaussian"], np.ones(3, int), {}, "float32 or float64"),
        (pr.GaussianNoise(np.ones(3)), ONES, {}, "broadcast"),
        (NOISES["gaussian"], ONES, {"seed": -1}, "seed"),
        (NOISES["gaussian"], ONES, {"seed": 1.0}, "seed"),
        (NOISES["gaussian"], ONES, {"seed": 1 << 64}, "seed"),
        (NOISES["gaussian"], ONES, {"corner": (1, 0)}, "lies in the whole"),
        (NOISES["gaussian"], ONES, {"whole_shape": (3, 3)}, "lies in the whole"),
        (NOISES["gaussian"], ONES, {"whole_shape": (5, 5), "corner": (1, -1)}, "in the whole"),
        (NOISES["gaussian"], ONES, {"whole_shape": (9, 3, 4)}, "one whole number per axis"),
        (NOISES["gaussian"], ONES, {"whole_shape": (9, 4.0)}, "one whole number per axis"),
    ],
)
def test_what_has_no_sample_is_refused(noise, mean, keywords, words):
    with pytest.raises(ArgumentError, match=words):
        noise.sample(mean, **{"seed": 0, **keywords})
