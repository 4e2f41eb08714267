"""The level of the noise against the level that was put in."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon import datasets
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.likelihoods import noise_level as likelihoods_noise_level
from physrecon.likelihoods.noise_level import line_integral_variance, noise_level


def sinogram(columns, views, rows=1):
    """Line integrals of the Shepp–Logan phantom in closed form, their maximum 1."""
    scan = ParallelBeam(np.arange(views) * 180 / views, (rows, columns), angle_unit="deg")
    grid = Grid((rows, columns, columns))
    p = datasets.shepp_logan_phantom(2).fitted(grid).projections(scan)
    return (p / p.max()).astype(np.float32)


def noisy(mean, sigma, seed=0):
    return pr.GaussianNoise(sigma).sample(np.asarray(mean, np.float32), seed)


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.1])
@pytest.mark.parametrize(("columns", "views"), [(128, 180), (256, 30), (512, 12)])
def test_level_of_a_sinogram(columns, views, sigma):
    clean = sinogram(columns, views)
    found = [pr.noise_level(noisy(clean, sigma, seed))[0] for seed in range(8)]
    assert np.mean(found) == pytest.approx(sigma, rel=0.05)


def test_weak_noise_is_found_at_most_ten_percent_high():
    clean = sinogram(256, 60)
    assert 0.95 < pr.noise_level(noisy(clean, 1e-3))[0] / 1e-3 < 1.1


def test_noise_alone_is_one_percent_low():
    found = pr.noise_level(noisy(np.zeros((1000, 500)), 3.0))
    assert found.shape == (1,) and found.dtype == np.float64
    assert found[0] == pytest.approx(0.99 * 3.0, rel=0.007)


def test_cubic_polynomials_and_scale_do_not_show():
    noise = noisy(np.zeros((30, 400)), 1.0).astype(np.float64)
    u = np.linspace(-1, 1, 400)
    smooth = 1e3 * (1 + u - 2 * u**2 + 3 * u**3) * np.arange(30)[:, None]
    level = pr.noise_level(noise)[0]
    assert pr.noise_level(smooth + noise)[0] == pytest.approx(level, rel=1e-6)
    assert pr.noise_level(-7 * noise)[0] == pytest.approx(7 * level, rel=1e-12)


def test_levels_of_slices():
    sigma = np.array([0.5, 1.0, 4.0])
    clean = sinogram(128, 90, rows=3)
    y = noisy(clean, sigma[:, None])
    found = pr.noise_level(y, axis=1)
    assert found.shape == (3,)
    np.testing.assert_allclose(found, sigma, rtol=0.05)
    np.testing.assert_array_equal(found[1], pr.noise_level(y[:, 1])[0])
    np.testing.assert_array_equal(found, pr.noise_level(y.transpose(1, 0, 2), axis=0))


def test_edges_and_outliers_are_cut_out():
    y = noisy(np.zeros((200, 300)), 1.0)
    y[:, ::25] += 1000.0
    assert pr.noise_level(y)[0] == pytest.approx(0.99, rel=0.03)


def test_large_data_are_judged_by_some_of_their_lines(monkeypatch):
    y = noisy(np.zeros((900, 300)), 1.0)
    monkeypatch.setattr(likelihoods_noise_level, "ENOUGH", 1 << 15)
    assert pr.noise_level(y)[0] == pytest.approx(1.0, rel=0.03)


def test_whole_numbers_and_constants():
    counts = np.random.default_rng(0).poisson(400, (50, 300)).astype(np.uint16)
    assert pr.noise_level(counts)[0] == pytest.approx(20, rel=0.03)
    assert pr.noise_level(np.ones((3, 9)))[0] == 0.0
    spikes = np.zeros((3, 90))
    spikes[:, ::3] = 1.0
    assert np.isfinite(pr.noise_level(spikes)).all()


@pytest.mark.parametrize(
    ("y", "axis", "words"),
    [
        (np.ones((3, 4)), None, "at least 5"),
        (np.ones((0, 9)), None, "at least 5"),
        (1.0, None, "at least 5"),
        (np.full((3, 9), np.nan), None, "finite"),
        (np.ones((3, 9)), 1, "axis"),
        (np.ones((3, 9)), -1, "axis"),
    ],
)
def test_data_without_a_level_are_refused(y, axis, words):
    with pytest.raises(ArgumentError, match=words):
        pr.noise_level(y, axis)


def test_variance_of_line_integrals():
    """Against the scatter of −log of simulated counts, flats and darks."""
    p, n = np.array([0.0, 1.0, 2.5]), 20_000
    for flat, dark, flats, darks in ((2e4, 500.0, 3, 5), (5e3, 0.0, 2, None)):
        trials = np.broadcast_to(p, (n, 3))
        counts = pr.TransmissionNoise(flat, dark).sample(trials, 1)
        open_beam = pr.PoissonNoise(flat + dark).sample(np.zeros((flats, n, 3)), 2)
        closed = pr.PoissonNoise(dark).sample(np.zeros((darks, n, 3)), 3) if darks else None
        level = closed.mean(axis=0) if darks else 0
        found = np.log((counts - level) / (open_beam.mean(axis=0) - level)).var(axis=0)
        said = line_integral_variance(counts[None], open_beam, closed).mean(axis=(0, 1))
        np.testing.assert_allclose(said, found, rtol=0.05)


def test_variance_is_finite_without_counts():
    counts, fields = np.zeros((2, 3, 4), np.uint16), np.zeros((5, 3, 4), np.uint16)
    variance = line_integral_variance(counts, fields, fields)
    assert variance.dtype == np.float32 and np.isfinite(variance).all() and (variance > 0).all()


def test_weights_tell_how_the_noise_varies():
    rng = np.random.default_rng(4)
    weights = rng.uniform(0.1, 10, (40, 3, 200))
    y = np.linspace(0, 5, 200) ** 2 + 0.3 * rng.standard_normal(weights.shape) / np.sqrt(weights)
    assert noise_level(y, 1, weights) == pytest.approx(np.full(3, 0.3), rel=0.05)
    assert noise_level(y, None, weights) == pytest.approx([0.3], rel=0.04)
    row = np.array([1, 4, 9.0])[:, None]
    assert noise_level(y * 0 + rng.standard_normal(y.shape) / np.sqrt(row), 1, row) == (
        pytest.approx(np.ones(3), rel=0.05)
    )


def test_missing_data_do_not_tell_of_the_noise():
    rng = np.random.default_rng(6)
    y = 2 * rng.standard_normal((90, 400))
    y[:, ::40] = np.nan
    assert noise_level(y) == pytest.approx([2], rel=0.05)
    with pytest.raises(ArgumentError, match="infinity"):
        noise_level(np.where(np.isnan(y), np.inf, y))


def test_data_of_weight_zero_do_not_tell_of_the_noise():
    rng = np.random.default_rng(5)
    y, weights = rng.standard_normal((90, 100)), np.ones((90, 100))
    y[:, 40:60], weights[:, 40:60] = 1e3 * rng.standard_normal((90, 20)), 0
    assert noise_level(y, None, weights) == pytest.approx([1], rel=0.05)
    assert noise_level(y, None, 0 * weights) == [0]
