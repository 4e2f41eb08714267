"""Convolution in space against SciPy's in float64, loops, and its own transpose."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from physrecon.kernels import convolution
from physrecon.operators.blur.direct import (
    DenseConvolution,
    DirectConvolution,
    direct_engine,
    fourier_cost,
    separable_cost,
)
from physrecon.operators.blur.separable_terms import product, separated

CLOSE = {np.float32: 3e-6, np.float64: 1e-13}
DTYPES = [np.float32, np.float64]


def noise(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def gaussian(n, *sigmas):
    x = np.arange(n) - n // 2
    return product(tuple(np.exp(-(x**2) / (2 * s**2)) / s for s in sigmas))


def expected(psf, x, out_shape, shift):
    """y[i] = Σ_j psf[j] x[i + shift − j] from SciPy's full convolution, zero outside."""
    full = scipy.signal.convolve(x, psf, mode="full", method="direct")
    y = np.zeros(out_shape)
    places = [np.arange(n) + s for n, s in zip(out_shape, shift, strict=True)]
    inside = [(p >= 0) & (p < n) for p, n in zip(places, full.shape, strict=True)]
    chosen = (p[i] for p, i in zip(places, inside, strict=True))
    y[np.ix_(*inside)] = full[np.ix_(*chosen)]
    return y


def assert_close(y, truth):
    np.testing.assert_allclose(y, truth, rtol=0, atol=CLOSE[y.dtype.type] * abs(truth).max())


# Shapes of x and y, lengths of the PSF and shift, along one to three axes.
CASES = {
    "same": ((5, 33, 150), (5, 33, 150), (3, 5, 7), (1, 2, 3)),
    "valid": ((7, 40, 141), (5, 36, 135), (3, 5, 7), (2, 4, 6)),
    "full": ((5, 31, 120), (7, 35, 126), (3, 5, 7), (0, 0, 0)),
    "in between": ((4, 9, 20), (6, 8, 25), (4, 6, 2), (1, 4, 1)),
    "far off": ((4, 9, 20), (3, 8, 11), (4, 2, 3), (-1, 5, 14)),
    "long PSF": ((2, 3, 5), (2, 3, 5), (5, 9, 40), (2, 4, 20)),
    "wide PSF": ((1, 3, 260), (1, 3, 260), (1, 2, 67), (0, 1, 33)),
    "one element": ((1, 1, 1), (1, 1, 1), (1, 1, 1), (0, 0, 0)),
    "one row": ((1, 1, 300), (1, 1, 300), (1, 1, 33), (0, 0, 16)),
    "plane": ((35, 140), (34, 133), (6, 9), (5, 8)),
    "column": ((70, 1), (70, 1), (31, 1), (15, 0)),
    "line": ((77,), (80,), (17,), (6,)),
}


@pytest.fixture(params=CASES, ids=lambda name: name)
def case(request):
    in_shape, out_shape, sides, shift = CASES[request.param]
    terms = [tuple(noise(k, seed=10 * r + a) for a, k in enumerate(sides)) for r in range(2)]
    return terms, in_shape, out_shape, shift


def engines(terms, in_shape, out_shape, shift):
    yield DirectConvolution(terms, in_shape, out_shape, shift)
    if len(in_shape) > 1:
        yield DenseConvolution(sum(map(product, terms)), in_shape, out_shape, shift)


@pytest.mark.parametrize("dtype", DTYPES)
def test_is_the_convolution(case, dtype):
    terms, in_shape, out_shape, shift = case
    x = noise(in_shape, dtype)
    truth = expected(sum(map(product, terms)), x.astype(np.float64), out_shape, shift)
    for engine in engines(*case):
        y = np.full(out_shape, np.nan, dtype)
        engine.convolve(x, y)
        assert_close(y, truth)


@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose(case, dtype):
    terms, in_shape, out_shape, _ = case
    x, y = noise(in_shape, dtype), noise(out_shape, dtype, 1)
    for engine in engines(*case):
        Ax, Aty = np.full(out_shape, np.nan, dtype), np.full(in_shape, np.nan, dtype)
        engine.convolve(x, Ax)
        engine.correlate(y, Aty)
        Ax, Aty = Ax.astype(np.float64), Aty.astype(np.float64)
        size = (
            np.linalg.norm(abs(x)) * np.linalg.norm(y) * sum(abs(product(t)).sum() for t in terms)
        )
        assert abs(np.vdot(Ax, y) - np.vdot(x, Aty)) <= CLOSE[dtype] * size


def test_against_loops():
    psf, x, shift = noise((2, 3)), noise((4, 5), seed=1), (1, 2)
    truth = np.zeros((5, 4))
    for i, j in itertools.product(np.ndindex(truth.shape), np.ndindex(psf.shape)):
        m = tuple(a + s - b for a, s, b in zip(i, shift, j, strict=True))
        if all(0 <= a < n for a, n in zip(m, x.shape, strict=True)):
            truth[i] += psf[j] * x[m]
    terms = separated(psf)
    for engine in engines(terms, (4, 5), (5, 4), shift):
        y = np.empty((5, 4))
        engine.convolve(x, y)
        assert_close(y, truth)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_axis_as_scipy_ndimage(axis):
    x, taps = noise((6, 37, 131)), noise(9, seed=1)
    truth = scipy.ndimage.convolve1d(x, taps, axis, mode="constant")
    outer, n, inner = (
        np.prod(x.shape[:axis], dtype=int),
        x.shape[axis],
        np.prod(x.shape[axis + 1 :], dtype=int),
    )
    y = np.empty((outer, n, inner))
    convolution.columns(taps, 4, x.reshape(y.shape), y)
    assert_close(y.reshape(x.shape), truth)
    if axis == 2:
        y = np.ones(x.shape)
        convolution.rows(taps, 4, True, x, y)
        assert_close(y, 1 + truth)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("name", ["in between", "plane", "line"])
def test_leading_axes_are_treated_alike(name, lead):
    in_shape, out_shape, sides, shift = CASES[name]
    terms = [tuple(noise(k, seed=a) for a, k in enumerate(sides))]
    x = noise((*lead, *in_shape))
    for engine in engines(terms, in_shape, out_shape, shift):
        y, one = np.full((*lead, *out_shape), np.nan), np.empty(out_shape)
        engine.convolve(x, y)
        for index in np.ndindex(lead):
            engine.convolve(x[index], one)
            np.testing.assert_array_equal(y[index], one)


@pytest.mark.parametrize("shape", [(0, 4, 5), (3, 0, 5), (3, 4, 0)])
def test_nothing_in_gives_zeros(shape):
    terms, out = [(np.ones(3),) * 3], np.full((3, 4, 5), np.nan)
    for engine in engines(terms, shape, out.shape, (1, 1, 1)):
        engine.convolve(np.empty(shape), out)
        np.testing.assert_array_equal(out, 0)
        engine.correlate(out, np.empty(shape))


def test_memory_makes_no_difference():
    terms, shape = [tuple(noise(5, seed=a) for a in range(3))] * 2, (19, 12, 13)
    x, whole, parts = noise(shape), np.empty(shape), np.empty(shape)
    plane = 12 * 13 * 8
    unlimited = DirectConvolution(terms, shape, shape, (2, 2, 2))
    little = DirectConvolution(terms, shape, shape, (2, 2, 2), memory=4 * plane)
    assert unlimited.work_bytes(8) == 19 * plane
    assert little.work_bytes(8) == 4 * plane
    for call in ("convolve", "correlate"):
        getattr(unlimited, call)(x, whole)
        getattr(little, call)(x, parts)
        np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_make_no_difference(case, dtype):
    before = numba.get_num_threads()
    x = noise(case[1], dtype)
    for engine in engines(*case):
        results = []
        for threads in (1, min(2, before)):
            numba.set_num_threads(threads)
            try:
                results.append(np.empty(case[2], dtype))
                engine.convolve(x, results[-1])
            finally:
                numba.set_num_threads(before)
        np.testing.assert_array_equal(*results)


def test_a_nan_reaches_no_farther_than_the_psf():
    """Also where rows are summed in pairs, and runs go beyond their row."""
    x = np.zeros((9, 40, 150), np.float32)
    x[4, 20, 70] = np.nan
    terms = [(np.ones(3), np.ones(5), np.ones(7))]
    for engine in engines(terms, x.shape, x.shape, (1, 2, 3)):
        y = np.empty_like(x)
        engine.convolve(x, y)
        reached = np.zeros(x.shape, bool)
        reached[3:6, 18:23, 67:74] = True
        np.testing.assert_array_equal(np.isnan(y), reached)


# A PSF as a sum of separable ones --------------------------------------------------------------


def error(psf, terms):
    return abs(psf - sum(map(product, terms))).sum() / abs(psf).sum()


@pytest.mark.parametrize(
    ("psf", "terms"),
    [
        (gaussian(31, 2, 3, 4), 1),
        (gaussian(31, 2, 3, 4).astype(np.float32), 1),
        (gaussian(31, 2, 2, 2) + gaussian(31, 5, 5, 5), 2),
        (gaussian(31, 2, 2, 2) - 0.5 * gaussian(31, 5, 5, 5), 2),
        (gaussian(21, 2, 3), 1),
        (gaussian(21, 2, 2) + gaussian(21, 4, 4), 2),
        (noise((5, 4)), 4),
        (noise(7), 1),
        (np.zeros((3, 4)), 1),
        (np.ones((1, 1, 1)), 1),
        (np.eye(4), 4),
    ],
)
def test_fewest_terms(psf, terms):
    found = separated(psf)
    assert len(found) == terms
    assert not psf.any() or error(psf.astype(np.float64), found) <= (
        1e-7 if psf.dtype == np.float32 else 3e-14
    )
    assert separated(psf, most=terms - 1) is None
    assert all(factor.dtype == np.float64 for term in found for factor in term)


def test_full_rank():
    psf = noise((3, 4, 5))
    assert error(psf, separated(psf)) <= 3e-14


@pytest.mark.parametrize("accuracy", [0.3, 0.03, 3e-3, 1e-9])
@pytest.mark.parametrize("rank", [2, 3])
def test_accuracy_is_honoured(accuracy, rank):
    """A disc or ball with a soft edge, which is no short sum: fewer terms for less accuracy."""
    x = np.arange(15) - 7
    psf = 1 / (1 + np.exp(2 * (np.sqrt(sum(a**2 for a in np.meshgrid(*[x] * rank))) - 5)))
    terms = separated(psf, accuracy)
    assert error(psf, terms) <= accuracy
    assert len(terms) <= len(separated(psf, accuracy / 10))
    # The norm of the difference of the two blurs is within the bound, relative to that of the blur.
    image = noise((15,) * rank)
    difference = scipy.signal.convolve(image, psf - sum(map(product, terms)))
    assert np.linalg.norm(difference) <= accuracy * psf.sum() * np.linalg.norm(image)


def test_the_same_terms_every_time():
    psf = gaussian(9, 1, 1, 2) + gaussian(9, 2, 3, 1) + 0.01 * noise((9, 9, 9))
    first, second = separated(psf, 0.1), separated(psf.copy(), 0.1)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.concatenate(a), np.concatenate(b))


# The choice ---------------------------------------------------------------------------------------


def test_the_quickest_engine():
    frame, center = (64, 512, 512), (15, 15, 15)
    circle = (80, 528, 540)
    separable = gaussian(31, 3, 3, 3)
    engine = direct_engine(separable, frame, frame, center, circle=circle)
    assert isinstance(engine, DirectConvolution)
    assert separable_cost(1, separable.shape, frame, frame) < fourier_cost(circle) / 4
    assert direct_engine(noise((31, 31, 31)), frame, frame, center, circle=circle) is None
    small = direct_engine(noise((3, 3, 3)), frame, frame, (1, 1, 1), circle=circle)
    assert isinstance(small, DenseConvolution)


@pytest.mark.parametrize(
    "psf", [noise((4, 5)), noise((3, 4, 5)), noise((1, 9)), noise(6), gaussian(9, 1, 2)]
)
def test_there_is_an_engine_for_everything(psf):
    shape = (7, 8, 9)[: psf.ndim]
    shift = tuple(k // 2 for k in psf.shape)
    engine = direct_engine(psf, shape, shape, shift)
    x, y = noise(shape), np.empty(shape)
    engine.convolve(x, y)
    assert_close(y, expected(psf, x, shape, shift))
