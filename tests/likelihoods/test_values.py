"""Likelihoods against formulas, finite differences and minimisation by others."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import zoo
from naive import flat, matrix, slope
from scipy.optimize import brentq
from scipy.special import kl_div

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.kernels import _elementary
from physrecon.kernels._jit import inner
from physrecon.likelihoods.poisson import expected_deviance

every_likelihood = pytest.mark.parametrize("make", zoo.LIKELIHOODS)
DOUBLE, SINGLE = np.float64, np.float32


def volume_for(f, seed=1, scale=1.0, dtype=DOUBLE):
    """A random x, where f has a value."""
    x = np.random.default_rng(seed).standard_normal(f.A.in_shape)
    return ((0.1 + abs(x) if f.needs_nonnegative else x) * scale).astype(dtype)


def full(values, f):
    """Parameters as one number per datum, flat."""
    return flat(vectors.transform(np.array, _spread(values, f.A.out_shape)))


def _spread(values, shape):
    if vectors.is_product(shape):
        return tuple(_spread(v, s) for v, s in zip(values, shape, strict=True))
    return np.broadcast_to(values, shape)


def truth(f, p):
    """(values, slopes) of all data by the textbook, for predicted data p, flat."""
    y = flat(f.y)
    if isinstance(f, pr.TransmissionLikelihood):
        mean = full(f.blank, f) * np.exp(-p) + full(f.dark, f)
        return kl_div(y, mean), -full(f.blank, f) * np.exp(-p) * (1 - y / mean)
    if isinstance(f, pr.PoissonLikelihood):
        mean = p + full(f.background, f)
        return kl_div(y, mean), 1 - y / mean
    r = p - y
    if isinstance(f, pr.StudentT):
        nu, s = f.dof, f.scale
        return (nu + 1) / 2 * np.log(1 + r**2 / (nu * s**2)), (nu + 1) * r / (nu * s**2 + r**2)
    delta = f.delta if isinstance(f, pr.Huber) else np.inf
    w = 1 if f.weights is None else full(f.weights, f)
    values = np.where(abs(r) <= delta, r**2 / 2, np.minimum(delta, 1e9) * (abs(r) - delta / 2))
    return w * values, w * np.clip(r, -delta, delta)


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
    np.testing.assert_allclose(f.pull(r), f.gradient(x), rtol=1e-12)


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


# Curvature -------------------------------------------------------------------------------------

POINTS = np.concatenate([[0], np.geomspace(1e-6, 60, 25), [0.099, 0.101, 0.149, 0.151]])


def scalars(kind, dtype=DOUBLE, seed=3):
    """A likelihood of single numbers, without operator, and the p it is for."""
    rng = np.random.default_rng(seed)
    n = 200
    A = pr.Identity((n, 1, 1), 0)
    y = rng.poisson(rng.choice([0.3, 3, 300], (n, 1, 1))).astype(dtype)
    b = rng.choice([1e-3, 0.1, 1, 50], (n, 1, 1))
    if kind == "poisson":
        return pr.PoissonLikelihood(A, y, b), POINTS
    if kind == "transmission":
        return pr.TransmissionLikelihood(A, y, 10 * b), POINTS
    if kind == "transmission, dark":
        return pr.TransmissionLikelihood(A, y, rng.permutation(100 * b), b), POINTS
    both = np.concatenate([-POINTS, POINTS])
    if kind == "huber":
        return pr.Huber(A, y, 0.7, b), both
    if kind == "student":
        return pr.StudentT(A, y, 0.6, 3), both
    return pr.LeastSquares(A, y, b), both


every_kind = pytest.mark.parametrize(
    "kind", ["poisson", "transmission", "transmission, dark", "huber", "student", "squares"]
)


@every_kind
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_parabolas_of_the_curvature_lie_above_the_loss(kind, dtype):
    f, points = scalars(kind, dtype)
    exact = scalars(kind)[0]
    of = {t: exact.data_values(np.full(f.A.out_shape, t)) for t in points}
    steepest, tight = exact._steepest(), []
    for t in points:
        c = np.full(f.A.out_shape, t, dtype)
        f.data_curvatures(c)
        assert (c >= 0).all()
        assert (c <= f._steepest().max() * (1 + 1e-5)).all()
        slopes = np.full(f.A.out_shape, t)
        value = exact.data_slopes(slopes)
        c, slopes = c.ravel().astype(float), slopes.ravel()
        for u in points:
            above = value + slopes * (u - t) + c / 2 * (u - t) ** 2
            slack = 1e-5 if dtype == SINGLE else 1e-6
            scale = (c + steepest) * (u - t) ** 2
            rounding = 1e-13 * (abs(value) + abs(slopes * (u - t)) + 1)
            assert (above >= of[u] - slack * scale - rounding).all()
            if u == 0 and 0.01 < t < 1:
                tight.append(((above - of[u]) / (scale + 1e-7))[c > 0])
    if isinstance(f, pr.PoissonLikelihood | pr.TransmissionLikelihood):
        assert abs(np.concatenate(tight)).max() < (1e-4 if dtype == SINGLE else 1e-6)  # they touch


@every_kind
def test_no_second_difference_exceeds_the_bound(kind):
    f, points = scalars(kind)
    for t in points:
        ahead, behind = (np.full(f.A.out_shape, t + h) for h in (2e-6, 1e-6))
        f.data_slopes(ahead)
        f.data_slopes(behind)
        second = abs(ahead - behind) / 1e-6
        assert (second.ravel() <= f._steepest() * (1 + 1e-5) + 1e-6).all()


@every_likelihood
def test_lipschitz_bounds_the_curvature(make):
    f = make(DOUBLE)
    try:
        bound = f.lipschitz
    except ArgumentError as error:
        assert any(word in str(error) for word in ("certified norm", "linear", "background"))
        return
    if f.needs_nonnegative:
        assert f.A.nonnegative
    M = matrix(f.A)
    for scale in (1e-3, 0.1, 1, 10):
        x = abs(volume_for(f, 5, scale)) if f.needs_nonnegative else volume_for(f, 5, scale)
        p = M @ x.ravel()
        second = (truth(f, p + 1e-5)[1] - truth(f, p)[1]) / 1e-5
        hessian = M.T @ (second[:, None] * M)
        assert np.linalg.norm(hessian, 2) <= bound.max() * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_lipschitz_is_not_far_from_the_curvature(seed):
    """A bound that is always infinite would pass as one."""
    A = zoo.positive(seed)
    f = pr.TransmissionLikelihood(A, zoo.counts_for(A), 5.0)
    assert f.lipschitz == pytest.approx(5 * np.linalg.norm(A.M, 2) ** 2, rel=0.03)


@every_likelihood
def test_the_diagonal_of_curvature_majorises(make):
    f = make(DOUBLE)
    if not getattr(f.A, "nonnegative", False):
        with pytest.raises(ArgumentError, match=r"linear|negative entries"):
            f.curvature(volume_for(f))
        return
    if isinstance(f, pr.PoissonLikelihood) and not full(f.background, f).all():
        with pytest.raises(ArgumentError, match="MLEM, PDHG or LBFGS"):
            f.curvature(volume_for(f))
        return
    for seed in range(20):
        x, other = volume_for(f, seed, 0.5), volume_for(f, seed + 100, 2.0)
        other = np.maximum(other - 0.5, 0) if f.needs_nonnegative else other
        diagonal, step = f.curvature(x), other - x
        value, gradient = f.value_and_gradient(x)
        above = value + (gradient * step).sum() + (diagonal * step**2).sum() / 2
        assert f.value(other) <= above * (1 + 1e-9)


def test_without_background_there_is_no_bound():
    A = zoo.positive()
    y = zoo.counts_for(A)
    f = pr.PoissonLikelihood(A, y)
    with pytest.raises(ArgumentError, match="MLEM, PDHG or LBFGS"):
        f.lipschitz  # noqa: B018
    assert np.isfinite(pr.PoissonLikelihood(A, y, np.where(y > 0, 0.5, 0)).lipschitz).all()


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


# Slices, views, threads ------------------------------------------------------------------------


def of_slices(kind, nz, n, part=slice(None), axis=0, dtype=SINGLE):
    """A likelihood of nz slices with n numbers each, made of some of the slices."""
    rng = np.random.default_rng(6)
    shape = (nz, 3, n) if axis == 0 else (3, nz, n)
    at = (part,) if axis == 0 else (slice(None), part)
    y, b = rng.poisson(4, shape).astype(dtype)[at], rng.uniform(0.5, 2, shape)[at]
    A = pr.Identity(y.shape, axis)
    return {
        "squares": lambda: pr.LeastSquares(A, y, b),
        "poisson": lambda: pr.PoissonLikelihood(A, y, b),
        "transmission": lambda: pr.TransmissionLikelihood(A, y, 9 * b, 0.1),
        "student": lambda: pr.StudentT(A, y, 0.5),
    }[kind](), rng.uniform(0, 3, shape).astype(dtype)[at]


kinds = pytest.mark.parametrize("kind", ["squares", "poisson", "transmission", "student"])


@kinds
@pytest.mark.parametrize("axis", [0, 1])
def test_a_slice_does_not_see_its_neighbours(kind, axis):
    f, x = of_slices(kind, 5, 4100, axis=axis)
    values, gradient = f.values_and_gradient(x)
    assert values.sum() == pytest.approx(f.value(x), rel=1e-14)
    for z in range(5):
        g, part = of_slices(kind, 5, 4100, slice(z, z + 1), axis)
        alone, slope_alone = g.values_and_gradient(part)
        assert alone == values[z]
        np.testing.assert_array_equal(slope_alone, np.take(gradient, [z], axis))


@kinds
def test_threads_do_not_change_a_bit(kind):
    f, x = of_slices(kind, 7, 5000)
    before = numba.get_num_threads()
    answers = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        answers.append(f.values_and_gradient(x))
    numba.set_num_threads(before)
    np.testing.assert_array_equal(answers[0][0], answers[1][0])
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


@every_likelihood
def test_views_add_up_to_the_whole(make):
    f = make(DOUBLE)
    if isinstance(f.y, tuple):
        with pytest.raises(ArgumentError, match="views"):
            f.subset([0])
        return
    x = volume_for(f)
    parts = [f.subset(views) for views in ([2, 0], slice(1, 2), range(3, len(f.y)))]
    assert all(isinstance(f, type(part)) for part in parts)
    values = sum(part.values(x) for part in parts)
    np.testing.assert_allclose(values, f.values(x), rtol=1e-12)
    gradient = sum(part.gradient(x) for part in parts)
    np.testing.assert_allclose(gradient, f.gradient(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_parameters_are_broadcast_wherever_slices_lie(shape, axis):
    if axis is not None and axis >= len(shape):
        return
    rng = np.random.default_rng(8)
    A = zoo.Dense(np.eye(np.prod(shape)), shape, shape)
    A.slices = None if axis is None else (axis, axis)
    y, x = rng.poisson(4, shape).astype(float), rng.uniform(0, 3, shape)
    smalls = [(shape[:i] + (1,) * (len(shape) - i)) for i in range(len(shape) + 1)]
    for small in [*smalls, (1, *shape[1:]), shape[-1:], ()]:
        b = rng.uniform(0.5, 2, small)
        f = pr.PoissonLikelihood(A, y, b)
        mean = x + np.broadcast_to(b, shape)
        losses = kl_div(y, mean)
        others = tuple(i for i in range(len(shape)) if i != axis)
        np.testing.assert_allclose(f.values(x), losses.sum(others).reshape(-1), rtol=1e-12)
        np.testing.assert_allclose(f.gradient(x), 1 - y / mean, rtol=1e-12, atol=1e-14)


def test_one_number_of_background_takes_little_memory():
    A = pr.Identity((50, 4, 6), 1)
    f = pr.PoissonLikelihood(A, np.ones((50, 4, 6), SINGLE), 0.5)
    assert f._parameters[0].shape == (1, 1, 6)
    g = pr.TransmissionLikelihood(A, f.y, np.ones((4, 6)), 0.1)
    assert [part.shape for part in g._parameters[0]] == [(1, 4, 6), (1, 1, 6)]


@every_likelihood
def test_no_slices_and_no_data_are_nothing(make):
    f = make(DOUBLE)
    empty = pr.Identity((0, 3, 4), 0)
    g = type(f)(empty, np.zeros((0, 3, 4)), *([1.0] if not isinstance(f, pr.LeastSquares) else []))
    assert g.values(np.zeros((0, 3, 4))).tolist() == []
    assert g.value(np.zeros((0, 3, 4))) == 0


# What noise leaves -----------------------------------------------------------------------------


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


# Each on its own -------------------------------------------------------------------------------


def test_flats_and_darks_make_a_transmission_likelihood():
    A = pr.Identity((6, 2, 4), 1)
    rng = np.random.default_rng(3)
    flats, darks = rng.poisson(90, (5, 2, 4)), rng.poisson(4, (3, 2, 4)).astype(SINGLE)
    flats[:, 1, 2] = 0  # a dead pixel
    counts = rng.poisson(20, A.out_shape).astype(SINGLE)
    f = pr.TransmissionLikelihood.from_scan(A, counts, flats, darks)
    wanted = np.maximum(flats.mean(0) - darks.mean(0), 0)
    np.testing.assert_allclose(f.blank, wanted, rtol=1e-6)
    np.testing.assert_allclose(f.dark, darks.mean(0), rtol=1e-6)
    gradient = f.gradient(np.ones(A.in_shape, SINGLE))
    assert (gradient[:, 1, 2] == 0).all()
    assert (gradient != 0).sum() == 6 * 7
    assert not f.convex
    assert pr.TransmissionLikelihood.from_scan(A, counts, flats).convex
    with pytest.raises(ArgumentError, match="flats"):
        pr.TransmissionLikelihood.from_scan(A, counts, flats[0])


def test_read_noise_shifts_counts():
    A = pr.Identity((4,))
    y = np.array([7.0, 1.0, 4.0, -9.0])
    f = pr.PoissonGaussianLikelihood(A, y, gain=2, offset=1, read_noise=4)
    assert f.y.tolist() == [7, 4, 5.5, 0]
    assert f.clipped == 1
    assert f.background.tolist() == 4
    x = np.array([1.0, 2, 3, 4])
    assert f.value(x) == pytest.approx(kl_div([7, 4, 5.5, 0], x + 4).sum())


def test_outliers_pull_less():
    A = pr.Identity((3,))
    y = np.array([0.0, 0.0, 1e3])
    x = np.zeros(3)
    assert pr.LeastSquares(A, y).gradient(x)[2] == -1e3
    assert pr.Huber(A, y, 2.0).gradient(x)[2] == -2
    assert abs(pr.StudentT(A, y, 1.0).gradient(x)[2]) < 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda A, y: pr.LeastSquares(A, y[0]),
        lambda A, y: pr.LeastSquares(A, np.where(y > 1, np.nan, y)),
        lambda A, y: pr.LeastSquares(A, y.astype(int)),
        lambda A, y: pr.LeastSquares(np.eye(3), y),
        lambda A, y: pr.LeastSquares(A, y, -np.ones(3)),
        lambda A, y: pr.LeastSquares(A, y, np.full(3, np.inf)),
        lambda A, y: pr.LeastSquares(A, y, np.ones((2, 5, 3))),
        lambda A, y: pr.LeastSquares(A, y, "heavy"),
        lambda A, y: pr.LeastSquares(A, y).value(np.full(A.in_shape, np.nan)),
        lambda A, y: pr.LeastSquares(A, y).gradient(np.ones(12)),
        lambda A, y: pr.LeastSquares(zoo.bent(), y).pull(y),
        lambda A, y: pr.LeastSquares(zoo.bent(), y).lipschitz,
        lambda A, y: pr.PoissonLikelihood(A, y),
        lambda A, y: pr.PoissonLikelihood(A, abs(y), -1),
        lambda A, y: pr.PoissonLikelihood(A, abs(y), np.nan),
        lambda A, y: pr.TransmissionLikelihood(A, abs(y), -1.0),
        lambda A, y: pr.TransmissionLikelihood(A, abs(y), 1.0, -1.0),
        lambda A, y: pr.PoissonGaussianLikelihood(A, y, gain=0),
        lambda A, y: pr.PoissonGaussianLikelihood(A, y, read_noise=-1),
        lambda A, y: pr.PoissonGaussianLikelihood(A, y, offset=np.inf),
        lambda A, y: pr.Huber(A, y, 0),
        lambda A, y: pr.Huber(A, y, np.inf),
        lambda A, y: pr.StudentT(A, y, -1),
        lambda A, y: pr.StudentT(A, y, 1, dof="many"),
        lambda A, y: pr.Problem(A),
        lambda A, y: pr.Problem(pr.LeastSquares(A, y), constraint="positive"),
        lambda A, y: pr.Problem(pr.LeastSquares(A, y), prior=3),
    ],
)
def test_nonsense_is_refused(make):
    A = zoo.signed()
    with pytest.raises(ArgumentError):
        make(A, zoo.data_for(A))


# log and exp -----------------------------------------------------------------------------------


@inner
def _logs(x, out):
    for i in range(x.size):
        out[i] = _elementary.log(x[i])


@inner
def _log1ps(x, out):
    for i in range(x.size):
        out[i] = _elementary.log1p(x[i])


@inner
def _exps(x, out):
    for i in range(x.size):
        out[i] = _elementary.exp(x[i])


@pytest.mark.parametrize(
    ("kernel", "function", "x"),
    [
        (_logs, np.log, np.geomspace(1e-37, 1e38, 9999)),
        (_logs, np.log, np.linspace(0.5, 2, 9999)),
        (_log1ps, np.log1p, np.geomspace(1e-30, 1e30, 9999)),
        (_log1ps, np.log1p, np.linspace(-0.99, 1, 9999)),
        (_exps, np.exp, np.linspace(-86, 88, 9999)),
        (_exps, np.exp, np.linspace(-1, 1, 9999)),
    ],
)
def test_elementary_functions(kernel, function, x):
    for dtype, rtol in ((SINGLE, 5e-7), (DOUBLE, 3e-15)):
        points = x.astype(dtype)
        out = np.empty_like(points)
        kernel(points, out)
        np.testing.assert_allclose(out, function(points.astype(DOUBLE)), rtol=rtol, atol=1e-45)


def test_elementary_functions_at_the_ends():
    for dtype in (SINGLE, DOUBLE):
        out = np.empty(5, dtype)
        _exps(np.array([-np.inf, -1e4, 1e4, np.inf, np.nan], dtype), out)
        np.testing.assert_array_equal(out, [0, 0, np.inf, np.inf, np.nan])
