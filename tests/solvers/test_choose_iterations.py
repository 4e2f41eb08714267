"""When to stop a solver that fits noise in the end, against the best of all iterations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import physrecon as pr
from physrecon.errors import ArgumentError


def blurred(shared=False):
    """Bars behind a blur, as counts or with noise that neighbours share."""
    i = np.arange(3000) % 400
    x = 20 * (1.0 + 8 * (abs(i - 120) < 30) + 4 * (abs(i - 280) < 12))
    A = pr.Blur(pr.psf.gaussian((21,), sigma=3), x.shape, "reflect")
    rng = np.random.default_rng(6)
    if not shared:
        return A, x, rng.poisson(A @ x).astype(float)
    noise = gaussian_filter1d(rng.standard_normal(x.shape), 1.5, mode="wrap")
    return A, x, np.maximum(A @ x + 6 * noise / noise.std(), 0)


@pytest.mark.parametrize("shared", [False, True])
def test_the_stop_is_nearly_the_best(shared):
    A, x, y = blurred(shared)
    problem = pr.Problem(pr.PoissonLikelihood(A, y), constraint=pr.NonNegative())
    solver, errors, told = pr.RichardsonLucy(), [], []

    def follow(state):
        errors.append(np.linalg.norm(state.x - x))

    pr.solve(problem, solver, stop=pr.Stop(iterations=100), callback=follow)
    choice = pr.choose_iterations(problem, solver, progress=lambda *at: told.append(at))
    assert choice.ended and choice.low == choice.iterations <= choice.high
    assert errors[choice.iterations - 1] < 1.15 * min(errors) < 0.5 * errors[-1]
    assert all(0 < fraction <= 1 for fraction, _ in told)


def test_a_search_that_ends_too_early_is_told():
    A, _, y = blurred()
    problem = pr.Problem(pr.PoissonLikelihood(A, y), constraint=pr.NonNegative())
    choice = pr.choose_iterations(problem, pr.RichardsonLucy(), most=2)
    assert not choice.ended and choice.high == 2
    with pytest.raises(ArgumentError, match="choose_iterations: expected most >= 1"):
        pr.choose_iterations(problem, pr.RichardsonLucy(), most=0)


def test_too_few_data_are_refused():
    few = pr.Problem(pr.PoissonLikelihood(pr.Identity(6), np.ones(6)))
    with pytest.raises(ArgumentError, match=r"that can be left out, got .*give the number"):
        pr.choose_iterations(few, pr.RichardsonLucy())
