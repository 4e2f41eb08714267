"""Values, slopes and conjugates against formulas and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat, slope
from scipy.optimize import brentq
from scipy.special import kl_div
from textbook import full, truth
from zoo.likelihoods import volume_for

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError

every_likelihood = pytest.mark.parametrize("make", zoo.LIKELIHOODS)
DOUBLE, SINGLE = np.float64, np.float32


# Values and slopes -----------------------------------------------------------------------------


@every_likelihood
def test_values_and_slopes_are_those_of_the_textbook(make):
    f = make(DOUBLE)
    x = volume_for(f)
    p = f.A.forward(x)
    values, slopes = truth(f, flat(p))
    kept = vectors.copy(p)
    assert f.data_values(p).sum() == pytest.approx(values.sum(), rel=1e-12)
    np.testing.assert_array_equal(flat(p), flat(kept))
    assert f.value(x) == pytest.approx(values.sum(), rel=1e-12)
    assert f.data_slopes(p).sum() == pytest.approx(values.sum(), rel=1e-12)
    np.testing.assert_allclose(flat(p), slopes, rtol=1e-11, atol=1e-12)


@every_likelihood
def test_gradient_is_the_slope_of_the_value(make):
    f = make(DOUBLE)
    x = volume_for(f)
    direction = np.random.default_rng(2).standard_normal(f.A.in_shape)
    gradient = f.gradient(x)
    expected = slope(f.value, x, direction, 1e-5)
    assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-7)
    value, same = f.value_and_gradient(x)
    assert value == pytest.approx(f.value(x), rel=1e-14)
    np.testing.assert_allclose(same, gradient, rtol=1e-10, atol=1e-12)
    out = np.full(f.A.in_shape, np.nan)
    assert f.gradient(x, out=out) is out
    np.testing.assert_array_equal(out, gradient)


@every_likelihood
def test_float32_agrees_with_float64(make):
    f, g = make(DOUBLE), make(SINGLE)
    x = volume_for(f, dtype=SINGLE)
    value, gradient = f.value_and_gradient(x.astype(DOUBLE))
    short, single = g.value_and_gradient(x)
    assert single.dtype == SINGLE
    assert short == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(single, gradient, atol=1e-5 * abs(gradient).max())
    p, q = f.A.forward(x.astype(DOUBLE)), g.A.forward(x)
    if not isinstance(f, pr.PoissonLikelihood) or full(f.background, f).all():
        f.data_curvatures(p)
        g.data_curvatures(q)
        np.testing.assert_allclose(flat(q), flat(p), rtol=1e-4, atol=1e-5 * flat(p).max())


def test_value_is_half_the_weighted_square():
    A = zoo.signed()
    y, x, w = zoo.data_for(A), np.ones(A.in_shape), zoo.VALUES**2
    r = A.M @ x.ravel() - y.ravel()
    assert pr.LeastSquares(A, y).value(x) == pytest.approx(r @ r / 2)
    assert pr.LeastSquares(A, y, w).value(x) == pytest.approx(r @ (w.ravel() * r) / 2)
    assert pr.LeastSquares(A, y, 3).value(x) == pytest.approx(1.5 * r @ r)


@pytest.mark.parametrize("weights", [None, zoo.VALUES**2, [1, 0, 2]])
def test_the_weighted_residual_comes_with_its_square(weights):
    f = pr.LeastSquares(A := zoo.signed(), zoo.data_for(A), weights)
    x = volume_for(f)
    root = np.sqrt(np.broadcast_to(1 if weights is None else weights, A.out_shape))
    r, values = f.residual_and_values(x)
    np.testing.assert_allclose(r, root * (A @ x - f.y), rtol=1e-13, atol=1e-15)
    assert values == pytest.approx((r**2).sum() / 2, rel=1e-13)
    np.testing.assert_allclose(f.adjoint_of_residual(r), f.gradient(x), rtol=1e-12)


def test_a_likelihood_is_zero_where_the_data_are_met():
    A = pr.Identity((5,))
    y = np.array([0.0, 1, 3, 1e3, 1e7])
    for dtype in (SINGLE, DOUBLE):
        x = y.astype(dtype)
        f = pr.PoissonLikelihood(A, x)
        assert f.value(x) == 0
        near = f.value(x + 1e-3 * np.sqrt(x))  # half of the squared distance in deviations
        assert near == pytest.approx(4 * 1e-6 / 2, rel=0.05)


# Values that are none --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_counts_that_cannot_be_have_an_infinite_value_and_a_finite_slope(dtype):
    p = np.array([-1, 0, 0, -1e-9, np.nan, 1e30, 1], dtype)
    y = np.array([2, 5, 0, 0, 3, 2, 1], dtype)
    f = pr.PoissonLikelihood(pr.Identity((7, 1, 1), 0), y.reshape(7, 1, 1))
    slopes = p.reshape(7, 1, 1).copy()
    values = f.data_slopes(slopes)
    assert values.tolist()[:3] == [np.inf, np.inf, 0]
    assert values[3] == pytest.approx(-1e-9)
    assert np.isnan(values[4])
    assert values[5:] == pytest.approx([1e30, 0], rel=1e-6)
    slopes = slopes.ravel()
    assert slopes[:4] == pytest.approx([1 - 2.0**23, 1 - 2.0**23, 1, 1])
    assert np.isnan(slopes[4])
    assert slopes[5:] == pytest.approx([1, 0])


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
@pytest.mark.parametrize("dark", [0, 2])
def test_attenuation_without_measure(dtype, dark):
    p = np.array([-1e4, 200, 1e4, np.nan, 1], dtype).reshape(5, 1, 1)
    y = np.full((5, 1, 1), 3, dtype)
    blank = np.array([10, 10, 10, 10, 0.0]).reshape(5, 1, 1)  # the last pixel is dead
    f = pr.TransmissionLikelihood(pr.Identity((5, 1, 1), 0), y, blank, dark)
    slopes = p.copy()
    values = f.data_slopes(slopes)
    far = [3 * np.log(0.3) - 3 + 3 * t for t in (200, 1e4)]
    if dark:
        far = [kl_div(3, 2)] * 2
    assert values[0] == np.inf
    assert slopes[0] == -np.inf
    assert values[1:3] == pytest.approx(far, rel=1e-5)
    assert slopes[1:3].ravel() == pytest.approx([0, 0] if dark else [3, 3], abs=1e-30)
    assert np.isnan(values[3])
    assert (values[4], slopes[4]) == (0, 0)
    curvatures = np.abs(p)
    f.data_curvatures(curvatures)
    assert np.isfinite(curvatures[[0, 1, 2, 4]]).all()
    assert np.isnan(f.data_values(np.full_like(p, np.nan))[:4]).all()


@every_likelihood
def test_nan_is_refused_at_the_door_and_passes_within(make):
    f = make(DOUBLE)
    x = volume_for(f)
    x.reshape(-1)[0] = np.nan
    for call in (f.value, f.gradient, f.value_and_gradient):
        with pytest.raises(ArgumentError, match="NaN"):
            call(x)
    assert np.isnan(f.values(x)).any()
    assert np.isnan(f.values_and_gradient(x)[1]).any()


# Conjugates ------------------------------------------------------------------------------------


@every_likelihood
@pytest.mark.parametrize("sigma", [0.3, 4.0, "array"])
def test_conjugate_prox_is_that_of_moreau(make, sigma):
    """prox_{σ φ*}(q) = q − σ u where u minimises φ(u)/σ + ½ (u − q/σ)²: φ'(u) = q − σ u."""
    f = make(DOUBLE)
    if not hasattr(f, "conjugate_prox"):
        assert isinstance(f, pr.StudentT | pr.TransmissionLikelihood)
        return
    rng = np.random.default_rng(4)
    if sigma == "array":
        sigma = vectors.transform(lambda y: rng.uniform(0.2, 3, y.shape[-1]), f.y)
    q = vectors.transform(lambda y: 3 * rng.standard_normal(y.shape), f.y)
    kept = flat(q).copy()
    numbers = full(sigma, f) if np.ndim(sigma) or isinstance(sigma, tuple) else np.full(1, sigma)
    numbers = np.broadcast_to(numbers, kept.shape)
    assert f.conjugate_prox(q, sigma) is q
    low = np.full(kept.shape, -1e3)
    if isinstance(f, pr.PoissonLikelihood):
        low = -full(f.background, f)
    for i in range(0, kept.size, 2):

        def optimality(u, i=i):
            p = np.full(kept.shape, np.maximum(u, low + 1e-13))
            return truth(f, p)[1][i] - kept[i] + numbers[i] * u

        least = low[i] + 1e-12
        u = least if optimality(least) > 0 else brentq(optimality, least, 1e4, xtol=1e-13)
        assert flat(q)[i] == pytest.approx(kept[i] - numbers[i] * u, abs=1e-8)


def test_conjugate_prox_of_weight_zero_is_zero():
    A = zoo.signed()
    q = zoo.data_for(A)
    f = pr.LeastSquares(A, zoo.data_for(A), [1, 0, 2])
    assert (f.conjugate_prox(q, np.array([1.0, 0, 1]))[:, 1] == 0).all()
    assert np.isfinite(q).all()
