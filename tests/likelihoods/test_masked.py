"""Losses of single data, and likelihoods that leave data out."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat
from textbook import truth
from zoo.likelihoods import volume_for

from physrecon.arrays import vectors

every_likelihood = pytest.mark.parametrize("make", zoo.LIKELIHOODS)


def kept_half(f):
    """1 or 0 for each datum."""
    rng = np.random.default_rng(5)
    return vectors.transform(lambda y: (rng.random(y.shape) < 0.5).astype(y.dtype), f.y)


@every_likelihood
def test_losses_are_those_of_the_textbook(make):
    f = make(np.float64)
    p = f.A.forward(volume_for(f))
    values, _ = truth(f, flat(p))
    f.data_losses(p)
    np.testing.assert_allclose(flat(p), values, rtol=1e-11, atol=1e-12)


@every_likelihood
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_that_are_left_out_have_no_influence(make, dtype):
    f = make(dtype)
    keep, x = kept_half(f), volume_for(f, dtype=dtype)
    p, jacobian = f.A.forward_and_linearize(x)
    losses = vectors.copy(p)
    f.data_losses(losses)
    f.data_slopes(p)
    vectors.multiply(p, keep)
    masked = f.masked(keep)
    assert (masked.axis, masked.data_axis) == (f.axis, f.data_axis)
    close = {"rtol": 1e-5 if dtype == np.float32 else 1e-11, "atol": 1e-5}
    np.testing.assert_allclose(masked.gradient(x), jacobian.adjoint(p), **close)
    other = volume_for(f, seed=9, dtype=dtype)
    later = f.A.forward(other)
    f.data_losses(later)
    expected = (flat(keep) * (flat(later) - flat(losses))).sum(dtype=np.float64)
    assert masked.value(other) - masked.value(x) == pytest.approx(expected, rel=1e-4, abs=1e-3)
