"""Rows and columns of a sensor that are off are named, edges of an object along them are not."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.pipeline.image.odd_lines import odd_lines


def photo(seed: int = 0):
    """Bricks with edges along rows and columns, blurred by a disc, with counts."""
    rng = np.random.default_rng(seed)
    x = np.kron(rng.integers(1, 40, (16, 12)), np.ones((9, 12)))
    y = pr.Blur(pr.psf.defocus((9, 9), radius=3.0), (130, 120), "unknown") @ x[:138, :128]
    return rng.poisson(20 * y).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_edges_along_lines_are_the_objects(seed):
    assert odd_lines(photo(seed)) == {}


@pytest.mark.parametrize("at", [40, 2, 127])
def test_a_dead_row_is_named(at):
    y = photo()
    y[at] = 0
    ((axis, lines),) = odd_lines(y).items()
    assert axis == 0 and list(lines) == [at]


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_columns_of_another_gain_are_named(gain):
    y = photo()
    y[:, [17, 90]] *= gain
    found = odd_lines(y)
    assert list(found) == [1] and list(found[1]) == [17, 90]


def test_few_rows_and_blank_images_tell_nothing():
    assert odd_lines(photo()[:20, :20]) == {} and odd_lines(np.zeros((50, 50))) == {}
