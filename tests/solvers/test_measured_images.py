"""Deconvolution of images that nobody here made: `benchmarks/deconvolution_data.py` draws them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import find_peaks

import physrecon as pr


def read(path):
    with pr.open_image(path) as image:
        return image.read().astype(np.float32)


# Hollow bars with their truth: data, kernel and truth at a quarter of their resolution, whose walls
# are one voxel.  The kernel's centre lies between voxels, and its samples explain the data only to
# a residual that is far above the noise.


def psnr(x, truth):
    """After the best common factor: data and truth have different units."""
    x = x.astype(np.float64)
    factor = (x * truth).sum() / (x * x).sum()
    return 10 * np.log10(truth.max() ** 2 / np.mean((factor * x - truth) ** 2))


class Bars:
    def __init__(self, folder):
        self.y, kernel, self.truth = (
            read(folder / f"epfl_bars/bars-25pct-{name}.tif")
            for name in ("data", "kernel", "actual")
        )
        self.psf = pr.psf.centered(kernel)
        self.A = pr.Blur(self.psf, self.y.shape, "unknown", normalize=True)
        self.f = pr.PoissonLikelihood(self.A, self.y)
        self.before = psnr(self.y, self.truth)

    def scores(self, prior=None, count=100):
        states = pr.iterate(pr.Problem(self.f, prior), pr.RichardsonLucy())
        return [
            psnr(state.x[self.A.frame], self.truth)
            for state, _ in zip(states, range(count), strict=False)
        ]


@pytest.fixture(scope="module")
def bars(shared_data):
    return Bars(shared_data)


@pytest.fixture(scope="module")
def plain(bars):
    return bars.scores()


@pytest.mark.thorough
def test_of_bars_the_more_is_known_the_nearer_to_the_truth(bars, plain):
    """Nothing; a spectrum; counts and no negative light; bars that do not change along x."""
    wiener = psnr(pr.wiener(bars.y, bars.psf, normalize=True), bars.truth)
    along = pr.HuberTV(1e-2, float(bars.y.max()), axes=(2,))
    assert bars.before + 1 < wiener
    assert wiener + 5 < max(plain)
    assert max(plain) < max(bars.scores(along))


@pytest.mark.thorough
def test_bars_stop_by_themselves_where_they_are_best(bars, plain):
    stop = pr.Stop(iterations=100, discrepancy="auto")
    result = pr.solve(pr.Problem(bars.f), pr.RichardsonLucy(), stop=stop)
    assert psnr(result.x[bars.A.frame], bars.truth) > max(plain) - 0.3


@pytest.mark.thorough
def test_two_lines_that_run_together_separate(shared_data):
    folder = shared_data / "confocal_beads_grid"
    y = read(folder / "DeconvolutionSampleVerticalGrid1AU-crop.tif")
    psf = np.maximum(read(folder / "psf_distilled_normalised.tif"), 0)

    def valley(stack):
        """Between the two lines, by the mean of their peaks."""
        line = stack[8:13, 10:-10].mean(axis=(0, 1))
        left, right = 58 + np.argmax(line[58:75]), 76 + np.argmax(line[76:95])
        return line[left:right].min() / (line[left] + line[right]) * 2

    A = pr.Blur(psf, y.shape, "unknown", normalize=True, oversize=True)
    problem = pr.Problem(pr.PoissonLikelihood(A, y, background=1.0))
    x = pr.solve(problem, pr.RichardsonLucy(), stop=pr.Stop(iterations=50)).x[A.frame]
    assert valley(y - 1) > 0.7
    assert valley(x) < 0.25
    assert valley(pr.wiener(y - 1, psf, normalize=True, oversize=True)) < 0.25


def test_a_hand_before_a_lensless_camera_has_fingers(shared_data):
    """The PSF fills the frame, so that light from beyond it reaches every pixel."""
    folder = shared_data / "diffusercam"
    psf, y = (read(folder / f"{name}_sample.tif") for name in ("psf", "rawdata_hand"))
    level = psf[5:15, 5:15].mean()
    assert 30 < level < 38

    def binned(image):
        return image.reshape(300, 4, 400, 4).mean(axis=(1, 3)).astype(np.float32)

    psf, y = binned(pr.psf.without_background(psf, float(level))), binned(y - level)
    left = {}
    for boundary in ("periodic", "unknown"):
        A = pr.Blur(psf, y.shape, boundary, normalize=True, oversize=True)
        problem = pr.Problem(pr.PoissonLikelihood(A, y))
        x = pr.solve(problem, pr.RichardsonLucy(), stop=pr.Stop(iterations=80)).x
        left[boundary] = np.linalg.norm(A @ x - y) / np.linalg.norm(y)
    assert left["unknown"] < left["periodic"] / 3
    assert left["unknown"] < 0.015
    across = x[A.frame][100:200, 305:325].mean(axis=1)
    fingers, _ = find_peaks(across, prominence=0.2 * across.max())
    assert len(fingers) == 3  # beside thumb and little finger
