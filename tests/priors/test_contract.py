"""Every prior of the zoo: its value, its gradient, its proximal maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import zoo
from naive import flat, matrix, slope
from zoo.priors import BOX, STEP, STEPS, prox, with_zeros

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError

SHAPE = zoo.PRIOR_SHAPE


every_prior = pytest.mark.parametrize("make", zoo.PRIORS)
every_proximable = pytest.mark.parametrize("make", zoo.priors_of("prox"))
every_split = pytest.mark.parametrize("make", zoo.priors_of("composed"))
every_smooth = pytest.mark.parametrize("make", zoo.priors_of("smooth"))
every_quadratic = pytest.mark.parametrize("make", zoo.priors_of("quadratic"))
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def convex(cases):
    return pytest.mark.parametrize("make", [c for c in cases if c.values[0]().convex])


def uncertainty(prior, x, step=STEP):
    """How far a prox that is iterated up to a tolerance of its objective may end from the true one.

    ½ ‖u − true u‖² is at most what the objective of u exceeds its minimum by."""
    return math.sqrt(2 * getattr(prior, "tolerance", 0) * step * max(prior.value(x), 1))


def inner(a, b):
    return float(flat(a) @ flat(b))


def nearby(x, seed=1):
    """Points around x: far and near, along axes and across."""
    rng = np.random.default_rng(seed)
    directions = [*np.eye(x.size), *rng.standard_normal((20, x.size)), x.reshape(-1)]
    for direction in directions:
        for length in (-10, -0.1, -1e-3, 1e-3, 0.1, 10):
            yield x + length * direction.reshape(x.shape)


# Values ---------------------------------------------------------------------------------------


@every_prior
def test_values_of_slices_sum_to_the_value(make):
    prior, x = make(), with_zeros()
    assert prior.values(x).shape == (1,)
    assert prior.value(x) == prior.values(x)[0]
    if not prior.couples(0, SHAPE):
        values = prior.values(x, 0)
        assert values.shape == (3,) and values.dtype == np.float64
        assert values.sum() == pytest.approx(prior.value(x), rel=1e-14)
        alone = [prior.values(x[i : i + 1], 0)[0] for i in range(3)]
        np.testing.assert_array_equal(values, alone)


@every_prior
def test_slices_that_are_not_coupled_add_up(make):
    """R(x) = Σ R(slice) has no mixed differences of two slices."""
    prior, x = make(), with_zeros()
    if prior.capabilities == ("prox",) and not prior.convex:
        return  # nobody knows its value
    y, z = x.copy(), x.copy()
    y[0] += with_zeros(SHAPE[1:], 1)
    z[1] += with_zeros(SHAPE[1:], 2)  # beside it: differences reach no further
    mixed = prior.value(y + z - x) - prior.value(y) - prior.value(z) + prior.value(x)
    assert (abs(mixed) > 1e-12) == prior.couples(0, SHAPE)


@every_prior
def test_value_refuses_nan(make):
    x = with_zeros()
    x[0, 0, 0] = np.nan
    with pytest.raises(ArgumentError, match="expected finite"):
        make().value(x)


@every_prior
def test_weight_is_a_factor(make):
    prior, x = make(), with_zeros()
    other = prior.with_weight(3 * prior.weight)
    assert type(other) is type(prior) and other.weight == 3 * prior.weight
    assert other.capabilities == prior.capabilities
    assert other.value(x) == pytest.approx(3 * prior.value(x), rel=1e-13)
    if "prox" in prior.capabilities:
        atol = 1e-12 + 2 * uncertainty(other, x)
        np.testing.assert_allclose(prox(other, x), prox(prior, x, 3 * STEP), atol=atol)


@every_prior
@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, "1", None, 1j])
def test_senseless_weights_are_refused(make, weight):
    with pytest.raises(ArgumentError, match="weight: expected a finite number > 0"):
        make().with_weight(weight)


def test_weight_of_numpy_does_not_widen_float32():
    assert type(pr.L1(np.float64(0.5)).weight) is float


@both_dtypes
@every_proximable
def test_prox_keeps_dtype_and_works_in_place(make, dtype):
    prior, x = make(), with_zeros(dtype=dtype)
    y = x.copy()
    result = prior.prox(y, STEP)
    assert result is y and y.dtype == dtype
    atol = 1e-6 + 2 * uncertainty(prior, x)
    np.testing.assert_allclose(y, prox(prior, x.astype(np.float64)), rtol=1e-5, atol=atol)


@both_dtypes
@every_split
def test_conjugate_prox_keeps_dtype_and_works_in_place(make, dtype):
    prior = make()
    q = with_zeros(prior.operator(SHAPE).out_shape, dtype=dtype)
    p = vectors.copy(q)
    assert prior.conjugate_prox(p, STEP) is p
    assert {leaf.dtype for leaf in vectors.leaves(p)} == {np.dtype(dtype)}
    wide = prior.conjugate_prox(vectors.transform(lambda a: a.astype(np.float64), q), STEP)
    np.testing.assert_allclose(flat(p), flat(wide), rtol=1e-5, atol=1e-6)


# Proximal maps --------------------------------------------------------------------------------


@convex(zoo.priors_of("prox"))
@pytest.mark.parametrize("constraint", [None, BOX, pr.NonNegative()], ids=str)
def test_prox_is_the_minimum(make, constraint):
    """A strongly convex F has its minimum over a set at u if and only if there

    F(v) ≥ F(u) + ½ ‖v − u‖²  for every v of the set."""
    prior, x = make(), with_zeros()
    try:
        u = prox(prior, x, STEP, constraint)
    except ArgumentError as error:
        assert constraint is not None and "PDHG" in str(error)
        return

    def F(v):
        return STEP * prior.value(v) + 0.5 * np.sum((v - x) ** 2)

    lowest, off = F(u), uncertainty(prior, x)
    if constraint is not None:
        np.testing.assert_array_equal(constraint.project(u.copy()), u)
    for v in nearby(u):
        v = v if constraint is None else constraint.project(v)
        distance = np.linalg.norm(v - u)
        assert F(v) >= lowest + 0.5 * distance**2 - off * (distance + off) - 1e-12


@convex(zoo.priors_of("prox"))
def test_prox_is_firmly_nonexpansive(make):
    prior = make()
    for seed in range(5):
        x, y = 3 * with_zeros(seed=seed), with_zeros(seed=seed + 10)
        difference = prox(prior, x) - prox(prior, y)
        slack = 1e-12 + 2 * uncertainty(prior, x) * np.linalg.norm(2 * difference + y - x)
        assert inner(difference, difference) <= inner(difference, x - y) + slack


@every_proximable
def test_prox_treats_slices_alone(make):
    prior, x = make(), with_zeros()
    if prior.couples(0, SHAPE):
        return
    whole, stepwise = prox(prior, x), prox(prior, x, STEPS)
    for i in range(3):
        one = x[i : i + 1]
        np.testing.assert_array_equal(whole[i : i + 1], prox(prior, one))
        np.testing.assert_array_equal(stepwise[i : i + 1], prox(prior, one, STEPS[i : i + 1]))
        np.testing.assert_array_equal(stepwise[i : i + 1], prox(prior, one, float(STEPS[i, 0, 0])))


@every_proximable
def test_prox_hides_no_nan(make):
    prior, x = make(), with_zeros()
    x[1, 0, 0] = np.nan
    try:
        y = prox(prior, x)
    except ArgumentError as error:
        assert "NaN" in str(error)
        return
    assert np.isnan(y[1]).any()
    if not prior.couples(0, SHAPE):
        np.testing.assert_array_equal(y[[0, 2]], prox(prior, x[[0, 2]]))


# Splitting ------------------------------------------------------------------------------------


@every_split
def test_moreau_identity(make):
    """z = prox_{t g}(z) + t prox_{g*/t}(z / t)"""
    prior = make()
    z = with_zeros(prior.operator(SHAPE).out_shape)
    ahead = prior.composed_prox(vectors.copy(z), STEP)
    back = prior.conjugate_prox(vectors.transform(lambda a: a / STEP, z), 1 / STEP)
    np.testing.assert_allclose(flat(ahead) + STEP * flat(back), flat(z), atol=1e-12)


@every_split
def test_both_proximal_maps_are_firmly_nonexpansive(make):
    prior = make()
    shape = prior.operator(SHAPE).out_shape
    for seed in range(5):
        x = vectors.transform(lambda a: 3 * a, with_zeros(shape, seed))
        y = with_zeros(shape, seed + 10)
        apart = flat(x) - flat(y)
        for call in (prior.composed_prox, prior.conjugate_prox):
            moved = flat(call(vectors.copy(x), STEP)) - flat(call(vectors.copy(y), STEP))
            assert moved @ moved <= moved @ apart + 1e-12


@every_split
def test_conjugate_prox_belongs_to_the_value(make):
    """q = prox_{σ g*}(q + σ K x) makes Kᵀ q a subgradient of the prior at x."""
    prior, x = make(), with_zeros()
    K = prior.operator(SHAPE)
    z, q = K @ x, vectors.fill(vectors.empty(K.out_shape, x), 0)
    sigma = 30.0
    for _ in range(200):
        for a, b in zip(vectors.leaves(q), vectors.leaves(z), strict=True):
            a += sigma * b
        prior.conjugate_prox(q, sigma)
    slope_at_x, value = K.T @ q, prior.value(x)
    for y in nearby(x):
        assert prior.value(y) >= value + inner(slope_at_x, y - x) - 1e-9


@every_split
def test_steps_may_be_one_a_slice(make):
    prior = make()
    K = prior.operator(SHAPE)
    if prior.couples(0, SHAPE) or K.slices is None:
        return
    z = with_zeros(K.out_shape)

    def steps(a, axis):
        return STEPS.reshape([3 if i == axis else 1 for i in range(a.ndim)])

    axes = vectors.leaf_axes(K.slices[1], z)
    each = [steps(a, axis) for a, axis in zip(vectors.leaves(z), axes, strict=True)]
    each = tuple(each) if isinstance(z, tuple) else each[0]
    for name in ("composed_prox", "conjugate_prox"):
        whole = getattr(prior, name)(vectors.copy(z), each)
        for i, step in enumerate(STEPS.ravel().tolist()):
            alone = getattr(prior, name)(vectors.copy(z), step)
            for a, b, axis in zip(vectors.leaves(whole), vectors.leaves(alone), axes, strict=True):
                np.testing.assert_allclose(a.take(i, axis), b.take(i, axis), rtol=1e-13, atol=1e-15)


@every_split
def test_split_operator_has_a_certified_norm(make):
    K = make().operator(SHAPE)
    assert K.in_shape == SHAPE
    assert np.linalg.norm(matrix(K), 2) <= pr.norm_bounds(K)[1] * (1 + 1e-12) < np.inf


# Gradients ------------------------------------------------------------------------------------


@every_smooth
def test_gradient_is_the_slope(make):
    prior, x, direction = make(), with_zeros(), with_zeros(seed=1)
    values, gradient = prior.values_and_gradient(x, None, np.zeros(SHAPE))
    assert values[0] == pytest.approx(prior.value(x), rel=1e-14)
    expected = slope(prior.value, x, direction)
    assert inner(gradient, direction) == pytest.approx(expected, rel=1e-7)


@both_dtypes
@every_smooth
def test_gradient_is_added(make, dtype):
    prior, x, before = make(), with_zeros(dtype=dtype), with_zeros(seed=2, dtype=dtype)
    axis = None if prior.couples(0, SHAPE) else 0
    values, alone = prior.values_and_gradient(x, axis, np.zeros_like(x))
    out = before.copy()
    again, result = prior.values_and_gradient(x, axis, out)
    assert result is out and out.dtype == dtype
    np.testing.assert_array_equal(again, values)
    np.testing.assert_allclose(values, prior.values(x, axis), rtol=1e-6)
    np.testing.assert_allclose(out, before + alone, atol=1e-6 if dtype == np.float32 else 1e-13)


@every_smooth
def test_lipschitz_bounds_the_curvature(make):
    prior = make()
    bound = prior.lipschitz(SHAPE)
    for x in (np.zeros(SHAPE), with_zeros(), 1e-3 * with_zeros(seed=1)):
        at = prior.values_and_gradient(x, None, np.zeros(SHAPE))[1]
        columns = []
        for unit in np.eye(x.size):
            shifted = x + 1e-6 * unit.reshape(SHAPE)
            ahead = prior.values_and_gradient(shifted, None, np.zeros(SHAPE))[1]
            columns.append((ahead - at).reshape(-1) / 1e-6)
        assert np.linalg.norm(np.array(columns), 2) <= bound * (1 + 1e-6)


@every_quadratic
def test_root_is_the_root(make):
    prior, x = make(), with_zeros()
    L = prior.quadratic_operator(SHAPE)
    assert prior.value(x) == pytest.approx(0.5 * np.sum(flat(L @ x) ** 2), rel=1e-13)
    gradient = prior.values_and_gradient(x, None, np.zeros(SHAPE))[1]
    np.testing.assert_allclose(gradient, L.T @ (L @ x), atol=1e-13)
    assert {"smooth", "composed"} <= set(prior.capabilities)
