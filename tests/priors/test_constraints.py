"""Constraints are projections."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive import flat
from zoo.priors import BOX, with_zeros

import physrecon as pr
from physrecon.errors import ArgumentError

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both_dtypes
@pytest.mark.parametrize("constraint", [BOX, pr.NonNegative(), pr.Box(upper=0.5), pr.Box(0.1)])
def test_projection_is_the_nearest_point(constraint, dtype):
    x = with_zeros(dtype=dtype)
    lower, upper = constraint.bounds
    y = x.copy()
    assert constraint.project(y) is y and y.dtype == dtype
    np.testing.assert_array_equal(constraint.project(y.copy()), y)
    np.testing.assert_array_equal(y, np.minimum(np.maximum(x, dtype(lower)), dtype(upper)))
    x[0, 0, 0] = np.nan
    assert np.isnan(constraint.project(x)).sum() == 1


def test_projection_of_tuples():
    x = (with_zeros((2, 3)), with_zeros((4,)))
    expected = np.maximum(flat(x), 0)
    np.testing.assert_array_equal(flat(pr.NonNegative().project(x)), expected)


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (math.nan, 1), (0, math.nan), ("a", "b")])
def test_boxes_with_nothing_in_them_are_refused(ends):
    with pytest.raises(ArgumentError, match="Box: expected numbers lower < upper"):
        pr.Box(*ends)
