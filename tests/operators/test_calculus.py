"""Gradient and strain against their definitions.

What every operator must do is in test_operators."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import zoo
from naive import matrix

import physrecon as pr
from physrecon.errors import ArgumentError

# Shape, axes, spacing; axes apart from each other, thin, in any order.
CASES = [
    ((7,), None, 2.0),
    ((5, 7), None, (0.5, 3.0)),
    ((3, 5, 7), None, (2.0, 1.0, 0.5)),
    ((3, 5, 7), (1, 2), (2.0, 1.0, 0.5)),
    ((3, 5, 7), (-1, 0), (0.5, 2.0)),
    ((3, 5, 7), (0, 1), 1.0),
    ((3, 5, 7), (1,), 1.0),
    ((2, 3, 5, 4), (1, 2, 3), 1.0),
    ((2, 3, 5, 4), (0, 2, 3), 1.0),
    ((2, 3, 5, 4), (0, 1, 2), 1.0),
    ((2, 3, 5, 4), (0, 3), 1.0),
    ((2, 3, 5, 4), (0, 2), 1.0),
    ((1, 6, 1), None, 1.0),
]
every_case = pytest.mark.parametrize(("shape", "axes", "spacing"), CASES)


def steps(shape, axes, spacing):
    """(axis, spacing) in the order of the components."""
    axes = range(len(shape)) if axes is None else axes
    if np.ndim(spacing) == 0:
        spacing = [spacing] * len(axes)
    elif len(spacing) == len(shape):
        spacing = [spacing[a] for a in axes]
    return sorted((a % len(shape), h) for a, h in zip(axes, spacing, strict=True))


@every_case
def test_gradient_is_the_difference_of_neighbours(shape, axes, spacing):
    x = np.random.default_rng(0).standard_normal(shape)
    g = pr.Gradient(shape, spacing, axes) @ x
    expected = np.zeros_like(g)
    for out, (axis, h) in zip(expected, steps(shape, axes, spacing), strict=True):
        some = (slice(None),) * axis
        out[(*some, slice(0, -1))] = np.diff(x, axis=axis) / h
    np.testing.assert_allclose(g, expected, rtol=1e-14)


@every_case
@pytest.mark.parametrize("kind", [pr.Gradient, pr.SymmetricGradient])
def test_adjoints_are_exact(shape, axes, spacing, kind):
    A = kind(shape, spacing, axes)
    np.testing.assert_allclose(matrix(A.T), matrix(A).T, atol=1e-15)
    large = kind(tuple(9 * n - 2 if n > 1 else 1 for n in shape), spacing, axes)
    assert pr.check_adjoint(large) <= 1e-6
    assert pr.check_adjoint(large, np.float64) <= 1e-12


@every_case
def test_norm_of_the_gradient_is_known(shape, axes, spacing):
    A = pr.Gradient(shape, spacing, axes)
    norm = np.linalg.norm(matrix(A), 2)
    lower, upper = pr.norm_bounds(A)
    assert lower <= norm <= upper <= lower * (1 + 3e-6)


@every_case
def test_norm_of_the_strain_is_bounded(shape, axes, spacing):
    A = pr.SymmetricGradient(shape, spacing, axes)
    lower, upper = pr.norm_bounds(A)
    assert lower <= np.linalg.norm(matrix(A), 2) <= upper
    assert upper == pytest.approx(pr.norm_bounds(pr.Gradient(shape, spacing, axes))[1])


@every_case
def test_strain_by_its_definition(shape, axes, spacing):
    A = pr.SymmetricGradient(shape, spacing, axes)
    np.testing.assert_allclose(matrix(A), zoo.strain_matrix(A), atol=1e-14)


@every_case
def test_affine_images_have_a_gradient_without_strain(shape, axes, spacing):
    x = sum((a + 1.0) * grid for a, grid in enumerate(np.indices(shape)))
    E, G = pr.SymmetricGradient(shape, spacing, axes), pr.Gradient(shape, spacing, axes)
    assert abs(E @ (G @ x)).max() <= 1e-14
    for axis in G.axes:
        if shape[axis] > 2:
            assert abs(E @ (G @ (np.indices(shape)[axis] ** 2.0))).max() > 0.1


def test_slices_lie_along_an_axis_that_is_left_out():
    A = pr.Gradient((3, 4, 5), axes=(1, 2))
    assert A.slices == (0, 1)
    assert A.one_slice().in_shape == (1, 4, 5)
    assert pr.Gradient((3, 4, 5)).slices is None
    assert pr.Gradient((1, 4, 5)).slices == (0, 1)  # one slice has no neighbours
    free = pr.Gradient((3, 4, 5, 2), axes=(2, 3))
    assert free.slices == (0, 1)
    assert free.with_slice_axis(1).slices == (1, 2)
    assert free.with_slice_axis(2).slices == (0, 1)
    assert pr.SymmetricGradient((3, 4, 5), axes=(1, 2)).slices == (1, 1)


def test_threads_do_not_matter():
    A = pr.Gradient((5, 37, 41))
    x = np.random.default_rng(0).standard_normal(A.in_shape).astype(np.float32)
    many = A.T @ (A @ x)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(A.T @ (A @ x), many)
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((3, 4), 0.0), "spacing: expected a number > 0"),
        (((3, 4), (1.0, 2.0, 3.0)), "spacing: expected"),
        (((3, 4), float("nan")), "spacing: expected"),
        (((3, 4), 1.0, (0, 0)), "axes: expected one to three"),
        (((3, 4), 1.0, (2,)), "axes: expected axes of x"),
        (((3, 4), 1.0, ()), "axes: expected one to three"),
        (((2, 3, 4, 5),), "axes: expected one to three"),
        (((2, 3, 4, 5), 1.0, (0, 1, 3)), "side by side"),
        (((),), "expected the shape"),
        (((3, 4.0),), "expected the shape"),
    ],
)
def test_senseless_arguments_are_refused(arguments, message):
    for kind in (pr.Gradient, pr.SymmetricGradient):
        with pytest.raises(ArgumentError, match=message):
            kind(*arguments)
