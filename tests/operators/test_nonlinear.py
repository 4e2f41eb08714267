"""Every operator of the zoo that is not linear: its formula, its Jacobian, its manners."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import zoo
from naive import flat
from zoo import noise

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError

every_operator = pytest.mark.parametrize("make", zoo.NONLINEAR)


@every_operator
def test_operator_is_its_formula(make):
    F, formula = make()
    x = noise(F.in_shape)
    wanted = formula(x)
    assert [a.shape for a in vectors.leaves(wanted)] == vectors.leaf_shapes(F.out_shape)
    np.testing.assert_allclose(flat(F @ x), flat(wanted), atol=1e-12)
    np.testing.assert_array_equal(flat(F(x)), flat(F @ x))


@every_operator
def test_taylor_remainder_is_of_second_order(make):
    F, _ = make()
    assert pr.check_linearization(F) >= 1.95
    assert pr.check_linearization(F, noise(F.in_shape, seed=1), seed=2) >= 1.95


@every_operator
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_jacobian_has_an_exact_adjoint(make, dtype, bound):
    F, _ = make()
    J = F.linearize(noise(F.in_shape, dtype))
    assert isinstance(J, pr.LinearOperator)
    assert not isinstance(F, pr.LinearOperator)
    assert (J.in_shape, J.out_shape) == (F.in_shape, F.out_shape)
    assert J.linearize(noise(F.in_shape, dtype)) is J
    assert pr.check_adjoint(J, dtype) <= bound


@every_operator
def test_jacobian_stays_where_it_was_made(make):
    F, _ = make()
    x, d = noise(F.in_shape), noise(F.in_shape, seed=1)
    y, J = F.forward_and_linearize(x)
    before = flat(J @ d)
    np.testing.assert_array_equal(before, flat(F.linearize(x) @ d))
    np.testing.assert_array_equal(flat(y), flat(F @ x))
    for leaf in (*vectors.leaves(x), *vectors.leaves(y)):
        leaf += 1  # as a solver does, in place
    np.testing.assert_array_equal(flat(J @ d), before)


@every_operator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(make, dtype):
    F, _ = make()
    x = noise(F.in_shape, dtype)
    J = F.linearize(x)
    results = (F @ x, J @ x, J.T @ noise(F.out_shape, dtype), F.forward_and_linearize(x)[0])
    assert all(leaf.dtype == dtype for leaf in vectors.leaves(results))


@every_operator
def test_out_is_overwritten_and_returned(make):
    F, _ = make()
    x = noise(F.in_shape)
    for call in (F.forward, lambda x, out: F.forward_and_linearize(x, out)[0]):
        out = vectors.fill(vectors.empty(F.out_shape, x), np.nan)
        assert call(x, out) is out
        np.testing.assert_array_equal(flat(out), flat(F @ x))


@every_operator
def test_claims_about_slices_are_true(make):
    F, _ = make()
    if F.slices is None:
        return
    x, other = noise(F.in_shape), noise(F.in_shape, seed=1)
    assert F.linearize(x).slices == F.slices
    axes = [vectors.leaf_axes(a, v) for a, v in zip(F.slices, (x, F @ x), strict=True)]
    for z in range(F.slice_count):
        mixed = vectors.copy(other)
        for a, b, axis in zip(vectors.leaves(mixed), vectors.leaves(x), axes[0], strict=True):
            np.moveaxis(a, axis, 0)[z] = np.moveaxis(b, axis, 0)[z]
        results = zip(vectors.leaves(F @ mixed), vectors.leaves(F @ x), axes[1], strict=True)
        for a, b, axis in results:
            np.testing.assert_array_equal(np.moveaxis(a, axis, 0)[z], np.moveaxis(b, axis, 0)[z])
        one = F.one_slice()
        if one is not None and not vectors.is_product(F.in_shape):
            alone = vectors.leaves(one @ np.take(x, [z], axes[0][0]))
            for a, b, axis in zip(alone, vectors.leaves(F @ x), axes[1], strict=True):
                np.testing.assert_allclose(a, np.take(b, [z], axis), atol=1e-12)


@every_operator
def test_wrong_input_is_refused(make):
    F, _ = make()
    x = noise(F.in_shape)
    for call in (F.__matmul__, F.linearize, F.forward):
        for wrong in ([x], vectors.transform(lambda a: a[None], x)):
            with pytest.raises(ArgumentError):
                call(wrong)


# One by one -------------------------------------------------------------------------------------


def test_taylor_test_sees_a_wrong_derivative():
    wrong = pr.Pointwise(np.square, lambda x: 2.001 * x, (5, 3))
    assert pr.check_linearization(wrong @ zoo.signed()) < 1.5
    off = pr.Function(np.sin, lambda x, dx: dx, lambda x, dy: dy, (4,), (4,))
    assert pr.check_linearization(off) < 1.5


def test_taylor_test_of_a_linear_operator_is_infinite():
    assert pr.check_linearization(zoo.signed()) == np.inf
    assert pr.check_linearization(2 * zoo.alike() - zoo.unlike()) == np.inf


def test_dot_test_sees_a_wrong_vjp():
    F = pr.Function(np.sin, lambda x, dx: np.cos(x) * dx, lambda x, dy: dy, (4,), (4,))
    assert pr.check_linearization(F) >= 1.95
    assert pr.check_adjoint(F.linearize(noise((4,))), np.float64) > 1e-2


def test_slices_and_views_come_from_what_is_composed():
    A, transmission = zoo.alike(), pr.Exponential((4, 3, 3), 100)
    F = transmission @ A
    assert F.slices == (0, 1)
    assert F.one_slice().in_shape == (1, 2, 3)
    assert (pr.Mask(zoo.KEEP) @ transmission @ A).slices == (0, 1)
    assert ((pr.Mask(zoo.KEEP) @ transmission) @ A)[1:].out_shape == (3, 3, 3)
    assert (pr.Mask(zoo.KEEP) @ transmission @ A).one_slice() is None  # slices are unlike
    assert (pr.Exponential((4, 3, 3), zoo.FLATS) @ A)[[2]].out_shape == (1, 3, 3)
    assert (pr.Downsample((4, 3, 3), (1, 1, 3)) @ F).slices == (0, 1)
    assert pr.Exponential((4, 3, 3)).slices == (0, 0)
    assert pr.Exponential((4, 3)).slices is None
    with pytest.raises(ArgumentError, match="some of 4 views"):
        F[4]


def test_one_projection_serves_value_and_jacobian():
    A = zoo.alike()
    calls = []
    A._forward = lambda x, out, f=A._forward: (calls.append(1), f(x, out))
    F = 2 * (pr.Exponential((4, 3, 3)) @ A)
    F.forward_and_linearize(noise(F.in_shape))
    F.linearize(noise(F.in_shape))
    assert len(calls) == 2


def test_overflow_passes_through_for_loops_that_watch_their_sums():
    F = pr.Exponential((2,))
    with np.errstate(over="ignore"):
        y, J = F.forward_and_linearize(np.array([-1e4, 0.0]))
    np.testing.assert_array_equal(y, [np.inf, 1])
    np.testing.assert_array_equal(J.forward(np.ones(2)), [-np.inf, -1])


def test_jacobian_of_an_elementwise_map_knows_its_norm():
    J = pr.Exponential((3, 2), 5.0).linearize(np.log(np.arange(1.0, 7)).reshape(3, 2))
    np.testing.assert_allclose(pr.norm_bounds(J), (5, 5))
    A = zoo.alike()
    J = (pr.Exponential(A.out_shape, 5.0) @ A).linearize(noise(A.in_shape))
    assert np.isfinite(pr.norm_bounds(J)[1])


def test_elementwise_operators_can_be_sent_to_other_processes():
    F = pr.Exponential((4, 3, 3), zoo.FLATS) @ zoo.alike()
    x = noise(F.in_shape)
    F @ x
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(F)) @ x, F @ x)


def test_what_does_not_fit_is_refused_with_a_sentence():
    two = (2, 3)
    for wrong, message in (
        (lambda: pr.Exponential(two, [1, 2]), "broadcast"),
        (lambda: pr.Exponential(two, np.nan), "finite"),
        (lambda: pr.Exponential((two, two)), "one shape"),
        (lambda: pr.Pointwise(np.sin, 1, two), "Pointwise.derivative: expected a callable"),
        (lambda: pr.Function(np.sin, None, np.sin, two, two), "Function.jvp: expected a callable"),
        (lambda: pr.Pointwise(np.sum, np.sin, two) @ np.ones(two), "expected arrays of"),
        (lambda: pr.Function(np.ravel, max, max, two, two) @ np.ones(two), "expected arrays of"),
        (lambda: pr.Exponential(two) @ pr.Exponential((3, 2)), "expected A to take"),
        (lambda: pr.Exponential(two) + zoo.signed(), "expected equal shapes"),
        (lambda: pr.hstack([pr.Exponential(two)]), "expected a list of linear operators"),
        (lambda: pr.block_diagonal([]), "expected a list of operators"),
        (lambda: pr.Exponential(two)[0], "expected an operator with views"),
    ):
        with pytest.raises(ArgumentError, match=message):
            wrong()
