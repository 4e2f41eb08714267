"""The strength of a denoiser from data that are left out, against the best of all strengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_tv_chambolle

import physrecon as pr
from physrecon.errors import ArgumentError

SIZE = 64


def denoiser(image, sigma):
    return denoise_tv_chambolle(image, weight=max(sigma, 1e-12)).astype(image.dtype)


def noise(shape, axes, seed):
    """Of variance 1, shared by neighbours along the axes."""
    white = np.random.default_rng(seed).standard_normal(shape)
    spread = gaussian_filter(white, [float(a in axes) for a in range(len(shape))], mode="wrap")
    return spread / spread.std()


def scanned(shared, scene=0):
    phantom = pr.datasets.random_ellipses(9, 1) if scene else pr.datasets.shepp_logan_phantom(2)
    scan = pr.ParallelBeam(np.arange(72) * 2.5, (1, SIZE), angle_unit="deg")
    grid = scan.default_grid()
    y = phantom.fitted(grid).projections(scan).astype(np.float64)
    y += 0.015 * y.max() * noise(y.shape, (2,) if shared else (), 100 * scene)
    f = pr.LeastSquares(pr.Projector(scan, grid), y.astype(np.float32))
    return f, phantom.fitted(grid).volume(grid), ..., 0


def blurred(shared):
    n, inside = SIZE + 32, (slice(16, -16),) * 2
    grid = pr.Grid((1, n, n), voxel_size=2 / n)
    x = 60 * pr.datasets.random_ellipses(30, 2).volume(grid)[0]
    psf = pr.psf.defocus((15, 15), 4.0)
    y = pr.Blur(psf, x.shape, "zero").forward(x.astype(np.float64))[inside]
    y += noise(y.shape, (0, 1) if shared else (), 10)
    A = pr.Blur(psf, y.shape, "unknown")
    return pr.LeastSquares(A, y.astype(np.float32)), x[inside], A.frame, None


def psnr(x, truth):
    return 10 * np.log10(truth.max() ** 2 / np.mean((x - truth) ** 2))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: scanned(False), id="scan, white"),
        pytest.param(lambda: scanned(True, 1), id="scan, correlated"),
        pytest.param(lambda: blurred(False), id="image, white"),
        pytest.param(lambda: blurred(True), id="image, correlated"),
    ],
)
def test_the_strength_is_nearly_the_best(made):
    f, truth, frame, axis = made()
    problem = pr.Problem(f, pr.PlugAndPlay(denoiser, axis=axis), pr.NonNegative())
    choice = pr.choose_weight(problem)
    found = psnr(choice.result.x[frame], truth)
    others = []
    for k in (-4, -3, -2, -1, 1, 2, 3, 4):
        prior = problem.prior.with_weight(choice.weight * 2.0**k)
        one = pr.Problem(f, prior, pr.NonNegative())
        x = pr.solve(one, choice.solver, choice.start, pr.Stop(iterations=200)).x
        others.append(psnr(x[frame], truth))
    assert found > max(others) - 0.5
    assert min(others) < found - 1.5  # strength matters here
    assert choice.low <= choice.weight <= choice.high
    assert "by held-out" in repr(choice)


def test_a_denoiser_that_ignores_sigma_is_refused():
    y = np.sin(np.arange(400) / 20) + 0.1 * noise((400,), (), 0)
    f = pr.LeastSquares(pr.Identity(400), y)
    prior = pr.PlugAndPlay(lambda x, sigma: gaussian_filter(x, 2))
    with pytest.raises(ArgumentError, match="a denoiser that depends on sigma"):
        pr.choose_weight(pr.Problem(f, prior))


@pytest.mark.parametrize("unit", [1.0, 2.0**-80])
def test_the_strength_scales_with_the_units_of_the_data(unit):
    """σ has the unit of x, and the weight that of f: of y² for squares."""
    i = np.arange(600)
    y = np.sin(i / 20) + 0.1 * noise((600,), (), 1)

    def shrunk(x, sigma):  # in frequency, like Wiener
        spectrum = np.fft.rfft(x)
        noisy = sigma**2 * len(x)
        return np.fft.irfft(spectrum * abs(spectrum) ** 2 / (abs(spectrum) ** 2 + noisy), len(x))

    def weight(unit):
        f = pr.LeastSquares(pr.Identity(600), unit * y)
        return pr.choose_weight(pr.Problem(f, pr.PlugAndPlay(shrunk)), "gcv").weight

    assert weight(unit) == pytest.approx(unit**2 * weight(1.0), rel=1e-6)
