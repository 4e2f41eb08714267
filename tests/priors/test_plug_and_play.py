"""Denoisers in the place of proximal maps."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from naive import soft
from zoo.priors import BOX, STEPS, prox, with_zeros

import physrecon as pr
from physrecon.errors import ArgumentError


def test_plug_and_play_calls_with_the_deviation_of_the_noise():
    seen = []

    def denoiser(image, sigma):
        seen.append((image.shape, sigma))
        return np.zeros(image.shape)

    prox(pr.PlugAndPlay(denoiser, 0.5), with_zeros(), 2.0)
    prox(pr.PlugAndPlay(denoiser, 0.5, axis=1), with_zeros(), 8.0)
    prox(pr.PlugAndPlay(denoiser, axis=0), with_zeros(), STEPS**2)
    assert seen == [(zoo.PRIOR_SHAPE, 1.0)] + 4 * [((3, 2), 2.0)] + [
        ((4, 2), pytest.approx(s)) for s in (0.2, 0.7, 3.0)
    ]


def test_plug_and_play_with_a_proximal_map_is_that_prior():
    prior, x = pr.L1(0.6), with_zeros()
    stand_in = pr.PlugAndPlay(lambda image, sigma: soft(image, sigma**2), 0.6)
    np.testing.assert_allclose(prox(stand_in, x), prox(prior, x), atol=1e-15)
    assert not stand_in.convex and stand_in.value(x) == 0


@pytest.mark.parametrize(
    ("denoiser", "words"),
    [
        (lambda x, sigma: x[0], "return a real array"),
        (lambda x, sigma: x.astype(complex), "return a real array"),
        (lambda x, sigma: x.tolist(), "return a real array"),
        (lambda x, sigma: None, "return a real array"),
        (lambda x, sigma: x.astype(int), "return a real array"),
        (lambda x, sigma: np.full_like(x, np.nan), "expected finite values"),
    ],
)
def test_plug_and_play_looks_at_what_it_gets(denoiser, words):
    with pytest.raises(ArgumentError, match=words):
        pr.PlugAndPlay(denoiser).prox(with_zeros(), 1.0)


def test_plug_and_play_refuses_nonsense():
    with pytest.raises(ArgumentError, match="denoiser: expected a function"):
        pr.PlugAndPlay(0.3)
    for axis in (-1, 0.5, "z"):
        with pytest.raises(ArgumentError, match="axis: expected None or a number"):
            pr.PlugAndPlay(lambda x, sigma: x, axis=axis)
    with pytest.raises(ArgumentError, match="expected an axis of x"):
        pr.PlugAndPlay(lambda x, sigma: x, axis=3).prox(with_zeros(), 1.0)
    for axis in (None, 1):
        with pytest.raises(ArgumentError, match="expected one step"):
            pr.PlugAndPlay(lambda x, sigma: x, axis=axis).prox(with_zeros(), STEPS)


def test_plug_and_play_projects_afterwards():
    y = prox(pr.PlugAndPlay(lambda x, sigma: x), with_zeros(), 1.0, BOX)
    np.testing.assert_array_equal(y, BOX.project(with_zeros()))
