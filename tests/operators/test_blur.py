"""Blur beyond what the zoo tests of every operator: values by hand, boundaries, tiles, refusals."""

from __future__ import annotations

import pickle

import numba
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.operators.blur import tiled as blur_tiled

BOUNDARIES = ("zero", "reflect", "periodic", "unknown")


def noise(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def gaussian(shape, sigma=1.5):
    axes = [np.exp(-0.5 * ((np.arange(n) - n // 2) / sigma) ** 2) for n in shape]
    psf = axes[0]
    for axis in axes[1:]:
        psf = psf[..., None] * axis
    return psf / psf.sum()


@pytest.mark.parametrize("boundary", ["zero", "reflect", "periodic"])
def test_a_point_becomes_the_psf_with_its_centre_there(boundary):
    psf = np.arange(1.0, 13).reshape(3, 4)
    x = np.zeros((9, 10))
    x[4, 5] = 1
    y = pr.Blur(psf, x.shape, boundary) @ x
    expected = np.zeros_like(x)
    expected[3:6, 3:7] = psf  # element (1, 2) = n // 2 falls on the point
    np.testing.assert_allclose(y, expected, atol=1e-13)
    y = pr.Blur(psf, x.shape, boundary, center=(0, 3)) @ x
    np.testing.assert_allclose(y[4:7, 2:6], psf, atol=1e-13)


@pytest.mark.parametrize("shape", [(23, 31), (9, 14, 11)])
@pytest.mark.parametrize("boundary,mode", [("reflect", "reflect"), ("periodic", "wrap")])
def test_boundaries_are_those_of_scipy(shape, boundary, mode):
    psf = noise((3, 5, 7)[-len(shape) :], 1)
    x = noise(shape)
    y = pr.Blur(psf, shape, boundary) @ x
    np.testing.assert_allclose(y, scipy.ndimage.convolve(x, psf, mode=mode), atol=1e-12)


@pytest.mark.parametrize("shape,psf", [((40, 33), (7, 4)), ((6, 19, 22), (3, 8, 5)), ((50,), (9,))])
def test_zero_and_unknown_are_linear_convolution(shape, psf):
    x, h = noise(shape), noise(psf, 1)
    full = scipy.signal.convolve(x, h, method="direct")
    begin = [n // 2 for n in psf]
    same = full[tuple(slice(b, b + n) for b, n in zip(begin, shape, strict=True))]
    np.testing.assert_allclose(pr.Blur(h, shape, "zero") @ x, same, atol=1e-12)
    inside = tuple(n - k + 1 for n, k in zip(shape, psf, strict=True))
    B = pr.Blur(h, inside, "unknown")
    assert B.in_shape == shape
    np.testing.assert_allclose(B @ x, scipy.signal.convolve(x, h, "valid", "direct"), atol=1e-12)


def test_the_frame_of_an_unknown_world_is_where_the_data_are():
    """Within the frame, away from its edges, unknown blur is blur: nothing is shifted."""
    psf = gaussian((5, 8))
    B = pr.Blur(psf, (20, 22), "unknown", center=(1, 6))
    x = noise(B.in_shape)
    assert x[B.frame].shape == (20, 22)
    zero = pr.Blur(psf, x.shape, "zero", center=(1, 6)) @ x
    np.testing.assert_allclose(B @ x, zero[B.frame], atol=1e-13)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 3e-6), (np.float64, 1e-13)])
def test_tiles_give_what_the_whole_gives(boundary, dtype, tolerance):
    psf = gaussian((5, 7, 9)) * np.random.default_rng(0).uniform(0, 1, (5, 7, 9))
    whole = pr.Blur(psf, (20, 41, 37), boundary, method="fft")
    tiled = pr.Blur(psf, (20, 41, 37), boundary, method="fft", memory=150_000)
    assert isinstance(tiled._engine, blur_tiled.TiledConvolution)
    assert tiled.work_bytes() <= 150_000 + 4 * 30 * 50 * 50  # with the margin of x̃
    x, y = noise(whole.in_shape, 1, dtype), noise(whole.out_shape, 2, dtype)
    for a, b in ((whole @ x, tiled @ x), (whole.T @ y, tiled.T @ y)):
        assert np.abs(a - b).max() <= tolerance * np.abs(a).max()


def test_the_best_tile_is_the_whole_where_it_fits():
    shape, psf = (10, 40, 40), (3, 5, 5)
    assert blur_tiled.tile_shape(shape, psf, 10**9) == shape
    small = blur_tiled.tile_shape(shape, psf, 100_000)
    window = [t + k - 1 for t, k in zip(small, psf, strict=True)]
    assert 16 * np.prod(window) <= 100_000
    with pytest.raises(ArgumentError, match="memory: expected room for a tile"):
        blur_tiled.tile_shape(shape, psf, 4_000)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_threads_do_not_change_a_bit(boundary):
    B = pr.Blur(gaussian((5, 9, 9)), (40, 70, 90), boundary)
    x, y = noise(B.in_shape, 1, np.float32), noise(B.out_shape, 2, np.float32)
    threads = numba.get_num_threads()
    results = []
    for count in (1, threads):
        numba.set_num_threads(count)
        results.append((B @ x, B.T @ y))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_fft_takes_the_place_of_scipys():
    """What `scipy.fft.set_global_backend` names is asked, on whichever thread."""
    asked = []

    class Counting:
        __ua_domain__ = "numpy.scipy.fft"

        @staticmethod
        def __ua_function__(method, args, kwargs):
            asked.append(method.__name__)
            length = args[1] if len(args) > 1 else kwargs.get("n")
            return getattr(np.fft, method.__name__)(args[0], length, kwargs.get("axis", -1))

    B, x = pr.Blur(gaussian((5, 5)), (300, 400), method="fft"), noise((300, 400))
    expected = B @ x
    scipy.fft.set_global_backend(Counting)
    try:
        np.testing.assert_allclose(B @ x, expected, atol=1e-12)
    finally:
        scipy.fft.set_global_backend("scipy")
    assert {"rfft", "fft", "ifft", "irfft"} <= set(asked)


def test_normalised_or_as_it_is():
    psf = gaussian((5, 5)) * 7
    x = np.ones((30, 30))
    assert (pr.Blur(psf, x.shape) @ x)[15, 15] == pytest.approx(7)
    assert (pr.Blur(psf, x.shape, normalize=True) @ x)[15, 15] == pytest.approx(1)


def test_a_wider_psf_than_the_circle_needs_is_cut():
    """A PSF as large as the frame takes no larger transform than what reaches from x to y."""
    B = pr.Blur(gaussian((63, 63), 20), (32, 32), oversize=True, method="fft")
    assert max(B._engine.lengths) <= 64


def test_norm_bounds_of_a_large_frame_need_no_iteration():
    B = pr.Blur(gaussian((5, 5)), (200, 200), "unknown")
    lower, upper = pr.norm_bounds(B)
    assert 0.97 <= lower <= 1 <= upper <= 1 + 1e-5


def test_it_is_pickled_without_its_transforms():
    B = pr.Blur(gaussian((5, 5)), (40, 40))
    x = noise((40, 40))
    y = B @ x
    text = pickle.dumps(B)
    assert len(text) < 4000
    np.testing.assert_array_equal(pickle.loads(text) @ x, y)


@pytest.mark.parametrize(
    "psf,shape,options,sentence",
    [
        (np.full((3, 3), np.nan), (9, 9), {}, "expected finite values, got 9 NaN"),
        (np.zeros((3, 3)), (9, 9), {}, "expected some light"),
        (np.array([[1.0, -1.0]]), (9, 9), {"normalize": True}, "expected a positive sum"),
        (np.ones((11, 3)), (9, 9), {}, "no longer than the frame.*oversize"),
        (np.ones((3, 3, 3)), (9, 9), {}, "no more than the image has"),
        (np.ones((2, 2, 2, 2)), (9, 9, 9, 9), {}, "one to three axes"),
        (np.ones((0, 3)), (9, 9), {}, "one to three axes"),
        (np.ones((3, 3), complex), (9, 9), {}, "real numbers"),
        (np.ones((3, 3)), (9, 9), {"boundary": "mirror"}, "zero, reflect, periodic, unknown"),
        (np.ones((3, 3)), (9, 9), {"method": "fast"}, "auto, fft, direct"),
        (np.ones((3, 3)), (9, 9), {"center": (1, 3)}, "index into a PSF of"),
        (np.ones((3, 3)), (9, 9), {"center": 1}, "index into a PSF of"),
        (np.ones((3, 3)), (9, 9), {"center": (1.5, 1)}, "shift the PSF"),
    ],
)
def test_what_makes_no_sense_is_refused(psf, shape, options, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        pr.Blur(psf, shape, **options)
