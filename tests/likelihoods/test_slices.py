"""Slices, views and threads do not see each other."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import zoo
from scipy.special import kl_div
from zoo.likelihoods import volume_for

import physrecon as pr
from physrecon.errors import ArgumentError

every_likelihood = pytest.mark.parametrize("make", zoo.LIKELIHOODS)
DOUBLE, SINGLE = np.float64, np.float32


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
