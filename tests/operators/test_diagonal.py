"""Masks and diagonals."""

from __future__ import annotations

import numpy as np

import physrecon as pr


def test_a_mask_lets_nothing_through():
    x = np.array([1, np.nan, -np.inf, 2])
    np.testing.assert_array_equal(pr.Mask(x > 0).forward(x), [1, 0, 0, 2])
    assert pr.norm_bounds(pr.Mask(np.zeros((2, 3), bool))) == (0, 0)


def test_the_norm_of_a_diagonal_is_that_of_each_slice():
    from physrecon.operators.checks import slice_norm_bounds

    values = np.array([-3.0, 0, 2]).reshape(3, 1, 1) * np.ones((3, 2, 1))
    _, upper = slice_norm_bounds(pr.Diagonal(values, (3, 2, 4), axis=0))
    np.testing.assert_array_equal(upper, [3, 0, 2])
