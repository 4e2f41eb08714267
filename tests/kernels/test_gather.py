"""Lanes that read and write at places of their own, and arithmetic with numbers, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.kernels._gather import (
    add_neighbours,
    gathered,
    neighbours,
    steady,
    wide,
)
from physrecon.kernels._jit import exact
from physrecon.kernels._registers import put, root, spread, vector, where_equal, where_less, whole

LANES = 8
PLACES = np.array([7, 3, 3, 0, 12, 4, 9, 1.0])


@exact
def _read(numbers, first, places, near, far, alone):
    o = steady(vector(LANES, places, 0))
    one, two = neighbours(numbers, first, o)
    put(near, 0, one)
    put(far, 0, two)
    put(alone, 0, gathered(numbers, first, o))


@exact
def _write(numbers, first, places, near, far):
    o = wide(whole(vector(LANES, places, 0)))
    add_neighbours(numbers, first, o, vector(LANES, near, 0), vector(LANES, far, 0))


@exact
def _compute(a, b, out):
    x, y = vector(LANES, a, 0), vector(LANES, b, 0)
    put(out, 0, where_less(x, y, 2.0 * x, root(y) / 4.0))
    put(out, LANES, where_equal(x, spread(LANES, 3.0), 1.0 - x, x + 0.5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lanes_read_where_they_like(dtype):
    numbers, (near, far, alone) = np.arange(50, dtype=dtype) ** 2, np.zeros((3, LANES), dtype)
    _read(numbers, 5, PLACES, near, far, alone)
    there = PLACES.astype(int) + 5
    np.testing.assert_array_equal(near, numbers[there])
    np.testing.assert_array_equal(far, numbers[there + 1])
    np.testing.assert_array_equal(alone, numbers[there])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lanes_that_write_to_one_place_add_up(dtype):
    numbers, near, far = np.zeros(50, dtype), np.arange(8, dtype=dtype) + 1, np.full(8, 10, dtype)
    _write(numbers, 5, PLACES, near, far)
    there, expected = PLACES.astype(int) + 5, np.zeros(50, dtype)
    np.add.at(expected, there, near)
    np.add.at(expected, there + 1, far)
    np.testing.assert_array_equal(numbers, expected)


def test_lanes_choose_and_numbers_stand_for_all_of_them():
    a, b, out = np.arange(8.0), np.arange(8.0)[::-1] ** 2, np.zeros(16)
    _compute(a, b, out)
    np.testing.assert_array_equal(out[:8], np.where(a < b, 2 * a, np.sqrt(b) / 4))
    np.testing.assert_array_equal(out[8:], np.where(a == 3, 1 - a, a + 0.5))
