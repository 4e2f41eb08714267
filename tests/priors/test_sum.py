"""Sums of priors."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import flat, matrix
from zoo.priors import with_zeros

import physrecon as pr
from physrecon.errors import ArgumentError
from physrecon.priors.base import SUMMABLE


def test_a_sum_is_the_sum_of_its_terms():
    a, b, c = pr.L1(0.4), pr.Tikhonov(0.2, zoo.differences), pr.Tikhonov(3)
    total, x = a + (b + c), with_zeros()
    assert total.priors == (a, b, c) == ((a + b) + c).priors
    assert total.value(x) == pytest.approx(a.value(x) + b.value(x) + c.value(x))
    assert total.capabilities == ("composed", "surrogate") and (b + c).capabilities == SUMMABLE
    K = total.operator(zoo.PRIOR_SHAPE)
    assert K.out_shape == (
        zoo.PRIOR_SHAPE,
        (3, 4, 1),
        zoo.PRIOR_SHAPE,
    )  # a tuple even where shapes agree
    gradient = (b + c).values_and_gradient(x, None, np.zeros(zoo.PRIOR_SHAPE))[1]
    D = matrix(zoo.differences(zoo.PRIOR_SHAPE))
    np.testing.assert_allclose(flat(gradient), 0.2 * D.T @ D @ flat(x) + 3 * flat(x), atol=1e-13)


def test_a_heavier_sum_keeps_its_proportions():
    total = (pr.L1(0.4) + pr.Tikhonov(0.2)).with_weight(2)
    assert total.weight == 2
    assert [p.weight for p in total.priors] == [2, pytest.approx(1)]


def test_a_sum_couples_when_a_term_does():
    assert (pr.L1(1) + pr.NuclearNorm(1)).couples(0, zoo.PRIOR_SHAPE)
    assert not (pr.L1(1) + pr.Tikhonov(1, zoo.differences)).couples(0, zoo.PRIOR_SHAPE)


def test_sums_without_a_common_kind_are_refused():
    with pytest.raises(ArgumentError, match="PriorSum: expected priors that are all"):
        pr.L1(1) + pr.PlugAndPlay(lambda x, sigma: x)
    with pytest.raises(TypeError):
        pr.L1(1) + 1
    for priors in ((), (1,), (pr.L1(1), None)):
        with pytest.raises(ArgumentError, match="expected a sequence of priors"):
            pr.PriorSum(priors)
