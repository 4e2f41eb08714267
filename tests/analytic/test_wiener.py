"""Direct filters: against dense matrices, closed forms and the truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import minimize_scalar

import physrecon as pr
from physrecon.analytic import periodic_image

RNG = np.random.default_rng(3)
SCIPY_MODES = {"periodic": "wrap", "reflect": "reflect"}
FILTERS = [pr.wiener, pr.tikhonov_filter]


def gaussian(shape, sigma):
    axes = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    psf = np.exp(-sum(a**2 for a in axes) / (2 * sigma**2))
    return psf / psf.sum()


def matrix(function, shape):
    """The dense matrix of a linear function of images."""
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return np.array([function(unit).ravel() for unit in units]).T


def blurring(psf, shape, boundary):
    return matrix(lambda x: ndimage.convolve(x, psf, mode=SCIPY_MODES[boundary]), shape)


def differences(shape, boundary, voxel_size):
    """K: differences of neighbours along every axis, one below the other."""
    parts = []
    for axis, size in enumerate(voxel_size):

        def one(x, axis=axis, size=size):
            if boundary == "reflect":
                return np.diff(x, axis=axis) / size
            return (np.roll(x, -1, axis) - x) / size

        parts.append(matrix(one, shape))
    return np.vstack(parts)


def penalty(operator, shape, boundary, voxel_size):
    """KᵀK"""
    if operator == "identity":
        return np.eye(int(np.prod(shape)))
    K = differences(shape, boundary, voxel_size)
    return K.T @ K if operator == "gradient" else (K.T @ K) @ (K.T @ K)


@pytest.mark.parametrize("operator", ["identity", "gradient", "laplacian"])
@pytest.mark.parametrize(
    ("shape", "voxel_size", "boundary"),
    [
        ((7, 10), (1.0, 1.0), "periodic"),
        ((4, 5, 6), (3.0, 0.5, 1.0), "periodic"),
        ((7, 10), (2.0, 1.0), "reflect"),
    ],
)
def test_tikhonov_is_the_solution_of_the_dense_problem(operator, shape, voxel_size, boundary):
    psf = RNG.random((3, 5) if len(shape) == 2 else (3, 3, 5))
    if boundary == "reflect":  # exact for a PSF that is its own mirror image along every axis
        psf = psf + psf[::-1]
        psf = psf + psf[:, ::-1]
    y = RNG.standard_normal(shape)
    H, P = blurring(psf, shape, boundary), penalty(operator, shape, boundary, voxel_size)
    expected = np.linalg.solve(H.T @ H + 0.3 * P, H.T @ y.ravel()).reshape(shape)
    x = pr.tikhonov_filter(y, psf, 0.3, operator=operator, voxel_size=voxel_size, boundary=boundary)
    np.testing.assert_allclose(x, expected, atol=1e-11 * abs(expected).max())


def test_unknown_surroundings_are_part_of_the_solution(monkeypatch):
    """The least ½ ‖M (h ∗ x) − y‖² + ½ w ‖K x‖² over images x on the circle, M its frame."""
    monkeypatch.setattr(periodic_image, "ROUNDS", 500)
    monkeypatch.setattr(periodic_image, "ENOUGH", 1e-28)
    y, psf, w = RNG.standard_normal((9, 8)), RNG.random((3, 4)), 0.02
    lengths = periodic_image.PeriodicImage("test", y, psf, "unknown", None, False, False).lengths
    assert lengths[0] >= 9 + 2 * 2
    assert lengths[1] >= 8 + 2 * 3
    frame = np.zeros(lengths, bool)
    frame[:9, :8] = True
    M = np.eye(frame.size)[frame.ravel()]
    H, P = blurring(psf, lengths, "periodic"), penalty("gradient", lengths, "periodic", (1, 1))
    normal = H.T @ M.T @ M @ H + w * P
    expected = np.linalg.solve(normal, H.T @ M.T @ y.ravel()).reshape(lengths)[:9, :8]
    x = pr.tikhonov_filter(y, psf, w)
    np.testing.assert_allclose(x, expected, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("shape", [(8, 11), (9, 6), (4, 5, 6)])
def test_weight_by_gcv_is_that_of_the_dense_influence_matrix(shape):
    psf, boundary = gaussian((3,) * (len(shape) - 2) + (5, 5), 1.1), "periodic"
    truth = ndimage.gaussian_filter(RNG.standard_normal(shape), 1.5)
    y = ndimage.convolve(truth, psf, mode="wrap")
    y = y + 0.02 * RNG.standard_normal(shape)
    H, P = blurring(psf, shape, boundary), penalty("gradient", shape, boundary, (1.0,) * len(shape))

    def gcv(logarithm):
        influence = H @ np.linalg.solve(H.T @ H + np.exp(logarithm) * P, H.T)
        left = y.ravel() - influence @ y.ravel()
        return np.log(left @ left / (len(left) - np.trace(influence)) ** 2)

    grid = np.linspace(-14, 6, 41)
    near = grid[np.argmin([gcv(at) for at in grid])]
    found = minimize_scalar(gcv, bounds=(near - 1, near + 1), method="bounded").x
    expected = pr.tikhonov_filter(y, psf, float(np.exp(found)), boundary=boundary)
    x = pr.tikhonov_filter(y, psf, boundary=boundary)
    np.testing.assert_allclose(x, expected, rtol=0, atol=3e-3 * abs(expected).max())


@pytest.mark.parametrize("boundary", ["periodic", "reflect", "zero", "unknown"])
def test_a_psf_of_one_element_only_scales(boundary):
    y = RNG.standard_normal((9, 8))
    y -= y.mean()
    x = pr.wiener(y, np.array([[2.0]]), balance=0.5, boundary=boundary)
    if boundary in ("periodic", "reflect"):  # elsewhere the mean of the circle is another
        np.testing.assert_allclose(x, y * 2 / (4 + 0.5), atol=1e-14)
    x = pr.tikhonov_filter(y, np.array([[2.0]]), 0.5, operator="identity", boundary=boundary)
    np.testing.assert_allclose(x, y * 2 / (4 + 0.5), atol=1e-14)


@pytest.mark.parametrize(("kz", "ky", "kx"), [(1, 2, 3), (2, 0, 5), (0, 3, 0)])
def test_a_sinusoid_is_scaled_and_shifted_by_its_transfer(kz, ky, kx):
    shape, psf, center = (4, 6, 10), RNG.random((2, 3, 4)), (1, 0, 3)
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    phase = 2j * np.pi * (kz * z / 4 + ky * y / 6 + kx * x / 10)
    h = sum(
        value * np.exp(-2j * np.pi * (kz * (j[0] - 1) / 4 + ky * j[1] / 6 + kx * (j[2] - 3) / 10))
        for j, value in np.ndenumerate(psf)
    )
    data = 7 + np.exp(phase).real
    expected = 7 / psf.sum() + (np.exp(phase) * h.conj() / (abs(h) ** 2 + 0.2)).real
    found = pr.wiener(data, psf, balance=0.2, boundary="periodic", center=center)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def random_field(shape, slope, rng):
    """An image whose spectrum is a power law, on a circle."""
    squared = sum(
        (2 * np.sin(np.pi * np.fft.fftfreq(n))).reshape([-1 if i == a else 1 for i in range(2)])
        ** 2
        for a, n in enumerate(shape)
    )
    squared[0, 0] = np.inf
    white = np.fft.fft2(rng.standard_normal(shape))
    return np.fft.ifft2(white * squared ** (-slope / 2)).real, squared


@pytest.mark.parametrize("slope", [0.8, 1.5])
@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_wiener_finds_noise_and_signal_of_a_power_law(slope, noise):
    """The error is hardly larger than that of the filter which knows both spectra."""
    rng, psf = np.random.default_rng(5), gaussian((15, 15), 1.7)
    truth, squared = random_field((96, 101), slope, rng)
    y = ndimage.convolve(truth, psf, mode="wrap")
    y += noise * rng.standard_normal(y.shape)
    h = np.fft.fft2(np.fft.ifftshift(np.pad(psf, ((41, 40), (43, 43)))))
    known = np.fft.fft2(y) * h.conj() / (abs(h) ** 2 + noise**2 * squared**slope)
    best = np.std(np.fft.ifft2(known).real - truth)
    for given in (None, noise):
        error = np.std(pr.wiener(y, psf, noise=given, boundary="periodic") - truth)
        assert best <= error * 1.001
        assert error <= 1.01 * best
    tikhonov = pr.tikhonov_filter(y, psf, boundary="periodic")
    assert 0.99 * best < np.std(tikhonov - truth) < 1.1 * best


def scene(n=150):
    """Discs of many sizes, larger than any frame."""
    rng, (y, x) = np.random.default_rng(8), np.mgrid[:n, :n]
    image = np.zeros((n, n))
    for cy, cx, r in zip(*rng.uniform(0, n, (2, 60)), rng.uniform(3, 20, 60), strict=True):
        image[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = rng.uniform(20, 100)
    return image


@pytest.mark.parametrize("function", FILTERS)
def test_light_from_beyond_the_frame_ruins_what_wraps_around(function):
    psf = gaussian((13, 13), 2.0)
    truth = scene()
    blurred = ndimage.convolve(truth, psf) + RNG.standard_normal(truth.shape)
    frame = (slice(30, 120), slice(35, 115))
    error = {
        boundary: np.std(function(blurred[frame], psf, boundary=boundary) - truth[frame])
        for boundary in ("reflect", "unknown", "periodic", "zero")
    }
    before = np.std(blurred[frame] - truth[frame])
    assert error["unknown"] < error["reflect"] < 0.95 * before
    assert min(error["periodic"], error["zero"]) > 1.5 * before


@pytest.mark.parametrize("function", FILTERS)
def test_zero_suits_an_object_on_dark_ground(function):
    psf = RNG.random((5, 6))
    psf /= psf.sum()
    truth = np.zeros((40, 38))
    truth[12:28, 11:25] = scene(40)[12:28, 11:25]
    y = pr.Blur(psf, truth.shape) @ truth
    y += 1e-4 * RNG.standard_normal(y.shape)
    x = function(y, psf, boundary="zero")
    assert np.std(x - truth) < 0.05 * truth.std()


@pytest.mark.parametrize("function", FILTERS)
@pytest.mark.parametrize("boundary", ["periodic", "reflect", "zero", "unknown"])
def test_images_along_leading_axes_are_filtered_each_by_itself(function, boundary):
    psf = gaussian((5, 7), 1.2)
    y = ndimage.gaussian_filter(RNG.standard_normal((2, 3, 20, 23)), 1.5).astype(np.float32)
    y += RNG.standard_normal(y.shape).astype(np.float32) * np.float32(0.01)
    together = function(y, psf, boundary=boundary)
    assert together.dtype == np.float32
    assert together.shape == y.shape
    for i, j in itertools.product(range(2), range(3)):
        np.testing.assert_array_equal(together[i, j], function(y[i, j], psf, boundary=boundary))
    doubles = function(y.astype(np.float64), psf, boundary=boundary)
    assert doubles.dtype == np.float64
    np.testing.assert_allclose(together, doubles, atol=2e-3 * abs(doubles).max())


def test_a_psf_longer_than_the_frame_wraps_around():
    psf, shape = RNG.random((9, 12)), (6, 8)
    y = RNG.standard_normal(shape)
    wrapped = np.zeros(shape)
    for (i, j), value in np.ndenumerate(psf):
        wrapped[(i - 4) % 6, (j - 6) % 8] += value
    x = pr.tikhonov_filter(y, psf, 0.1, boundary="periodic", oversize=True)
    same = pr.tikhonov_filter(y, wrapped, 0.1, boundary="periodic", center=(0, 0))
    np.testing.assert_allclose(x, same, atol=1e-12)
    with pytest.raises(pr.ArgumentError, match="longer than the frame"):
        pr.tikhonov_filter(y, psf, 0.1)


@pytest.mark.parametrize("function", FILTERS)
def test_nothing_comes_of_nothing(function):
    psf = gaussian((3, 3), 1.0)
    np.testing.assert_array_equal(function(np.zeros((8, 9)), psf), 0)
    flat = function(np.full((8, 9), 5.0), psf * 2)
    np.testing.assert_allclose(flat, 2.5, rtol=1e-6)


@pytest.mark.parametrize("value", [1.0, 5.0, 1e-30, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("boundary", ["unknown", "reflect", "periodic"])
@pytest.mark.parametrize(("shape", "length"), [((3, 3), 2), ((3, 3), 1), ((5,), 3), ((2, 3, 4), 2)])
def test_a_constant_is_divided_by_the_sum_of_the_psf(shape, length, boundary, dtype, value):
    """However small the frame: without noise every margin that the blur explains will do."""
    psf = np.ones((1,) * (len(shape) - 1) + (length,))
    for function in FILTERS:
        sharp = function(np.full(shape, value, dtype), psf, boundary=boundary)
        np.testing.assert_allclose(sharp, value / length, rtol=1e-4)


@pytest.mark.parametrize("function", FILTERS)
@pytest.mark.parametrize(
    ("y", "psf", "options", "words"),
    [
        (np.ones((8, 8)), np.full((3, 3), np.nan), {}, "psf.*finite"),
        (np.ones((8, 8)), np.zeros((3, 3)), {}, "zeros only"),
        (np.ones((8, 8)), np.array([[1.0, -1.0]]), {}, "sum that is not 0"),
        (np.ones((8, 8)), np.array([[1.0, -1.0]]), {"normalize": True}, "positive sum"),
        (np.ones((8, 8)), np.ones((3, 3, 3)), {}, "axes"),
        (np.ones((8, 8), int), np.ones((3, 3)), {}, "float32 or float64"),
        (np.full((8, 8), np.inf), np.ones((3, 3)), {}, "finite"),
        (np.ones((0, 8)), np.ones((3, 3)), {"oversize": True}, "two pixels"),
        (np.ones((8, 8)), np.ones((3, 3)), {"boundary": "mirror"}, "boundary.*mirror"),
        (np.ones((8, 8)), np.ones((3, 3)), {"center": (3, 0)}, "center"),
    ],
)
def test_what_cannot_be_filtered_is_refused(function, y, psf, options, words):
    with pytest.raises(pr.ArgumentError, match=words):
        function(y, psf, **options)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y, p: pr.wiener(y, p, noise=-1), "noise.*> 0"),
        (lambda y, p: pr.wiener(y, p, balance=0), "balance.*> 0"),
        (lambda y, p: pr.wiener(y, p, balance=1, noise=1), "noise or balance"),
        (lambda y, p: pr.tikhonov_filter(y, p, "gvc"), "weight.*gvc"),
        (lambda y, p: pr.tikhonov_filter(y, p, operator="hessian"), "operator.*hessian"),
        (lambda y, p: pr.tikhonov_filter(y, p, voxel_size=(1, 2, 3)), "voxel_size"),
        (lambda y, p: pr.tikhonov_filter(y, p, voxel_size=0), "voxel_size"),
    ],
)
def test_wrong_settings_are_refused(call, words):
    with pytest.raises(pr.ArgumentError, match=words):
        call(np.ones((8, 8)), np.ones((3, 3)))
