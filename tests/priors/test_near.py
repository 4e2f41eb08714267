"""Proximal maps near enough for a step, from the variables of the last map."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import noise

import physrecon as pr
from physrecon.kernels import generalised_variation, total_variation
from physrecon.priors.near import RELATIVE, slack

PRIORS = {
    "tv": pr.TotalVariation(0.3, tolerance=1e-12),
    "tv, slices": pr.TotalVariation(0.3, axes=(0, 2), tolerance=1e-12),
    "tgv": pr.TGV(0.3, tolerance=1e-9, iterations=20000),
}


def counted(monkeypatch, prior):
    """A list that grows by one a step of the prior's iteration."""
    steps = []
    module, name = (
        (generalised_variation, "primal")
        if isinstance(prior, pr.TGV)
        else (total_variation, "step")
    )
    step = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: (steps.append(0), step(*args)))
    return steps


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("constraint", [None, pr.Box(-0.4, 0.9)], ids=str)
def test_a_near_map_is_within_its_allowance_and_starts_from_the_last(name, constraint, monkeypatch):
    prior, shape = PRIORS[name], (5, 4, 6)
    x, y = noise(shape), 0.5 * noise(shape, seed=1)
    exact = prior.prox(x.copy(), 0.7, constraint)
    guess = tuple(np.zeros(s) for s in prior.guess_shapes(shape))
    steps = counted(monkeypatch, prior)
    u = prior.near_prox(x.copy(), 0.7, constraint, y, guess)
    assert 0.5 * ((u - exact) ** 2).sum() <= 0.5 * RELATIVE * ((u - y) ** 2).sum() + 1e-6
    assert any(field.any() for field in guess)
    cold = len(steps)
    again = prior.near_prox(x.copy(), 0.7, constraint, y, guess)
    assert len(steps) - cold <= max(cold / 4, 4)
    assert 0.5 * ((again - exact) ** 2).sum() <= 0.5 * RELATIVE * ((again - y) ** 2).sum() + 1e-6


@pytest.mark.parametrize("name", PRIORS)
def test_a_slack_is_a_gap_of_each_slice(name, monkeypatch):
    """Slices along axis 1 are separate with "tv, slices" alone; else the largest slack is used."""
    prior, shape = PRIORS[name], (5, 4, 6)
    x, steps = noise(shape), counted(monkeypatch, prior)
    exact = prior.prox(x.copy(), 0.7)
    slacks = 10.0 ** np.arange(-4, 0) if prior.axes else np.array([0.1])
    wanted = slacks.reshape(-1, 1) if prior.axes else slacks[0]
    taken = []
    for allowed in (0.0, wanted):
        guess = tuple(np.zeros(s) for s in prior.guess_shapes(shape))
        steps.clear()
        u = prior.near_prox(x.copy(), 0.7, None, x, guess, allowed)
        taken.append(len(steps))
    error = 0.5 * (u - exact) ** 2
    errors = error.sum(axis=(0, 2)) if prior.axes else error.sum()
    moved = (u - x) ** 2
    moves = moved.sum(axis=(0, 2)) if prior.axes else moved.sum()
    assert (errors <= 0.5 * RELATIVE * moves + slacks + 1e-6).all()
    assert taken[1] <= taken[0]


def test_problems_of_one_slice_share_its_slack():
    x = noise((3, 4, 6))
    prior, guess = pr.TotalVariation(0.3, axes=(2,)), np.zeros((1, 3, 4, 6))
    found = []
    for shared in (0.6, np.full((4, 1), 0.15), np.full((3, 4, 1), 0.05)):
        kept = guess.copy()
        found.append(prior.near_prox(x.copy(), 0.7, None, x, (kept,), shared))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_the_slacks_count_a_constant_in_the_proof():
    """Σ t² δ of thirty and of sixty octaves, t ≤ k being FISTA's, as integrals bound it."""
    first = np.ones(1)
    octaves = [sum(2**n * 4.0**n * float(slack(first, 2**n)[0]) for n in range(1, most))
               for most in (30, 300)]  # fmt: skip
    assert octaves[1] < 1.2 * octaves[0] < 10


def test_the_variables_have_no_unit():
    prior, x = pr.TotalVariation(0.3), noise((6, 7)).astype(np.float32)
    found = []
    for s in (1.0, 2.0**80, 2.0**-80):
        guess = (np.zeros((2, 6, 7), np.float32),)
        data = (x * np.float64(s)).astype(np.float32)
        prior.with_weight(0.3 * s).near_prox(data, 0.7, None, 0 * data, guess)
        found.append((data / s, guess[0]))
    for data, guess in found[1:]:
        np.testing.assert_array_equal(data, found[0][0])
        np.testing.assert_array_equal(guess, found[0][1])


def test_fista_takes_few_inner_steps(monkeypatch):
    """Exact maps from zero take some fifty steps each here."""
    psf = np.ones((5, 5)) / 25
    A = pr.Blur(psf, (13, 11), "unknown")
    f = pr.LeastSquares(A, A @ np.pad(np.eye(11), ((3, 3), (2, 2)))[:17, :15])
    prior = pr.TotalVariation(0.002)
    problem = pr.Problem(f, prior, pr.NonNegative())
    steps = counted(monkeypatch, prior)
    result = pr.solve(problem, pr.FISTA(), stop=pr.Stop(100))
    assert len(steps) <= 25 * 100
    best = pr.solve(problem, pr.PDHG(), stop=pr.Stop(3000))
    assert problem.objective(result.x)[0] <= problem.objective(best.x)[0] * 1.001


def test_a_paused_slice_keeps_its_variables():
    """Slices that rest keep every bit, so that they go on as if they had not rested."""
    y = noise((2, 6, 7))
    y[0] *= 1e-3
    A = pr.Blur(np.ones((3, 3)) / 9, (2, 6, 7), "reflect")
    problem = pr.Problem(pr.LeastSquares(A, y), pr.TotalVariation(1e-3, axes=(1, 2)))
    assert problem.count == 2
    state = pr.FISTA().start(problem)
    for _ in range(3):
        state = pr.FISTA().advance(problem, state)
    kept = state.guess[0].copy()
    state.active = np.array([False, True])
    state = pr.FISTA().advance(problem, state)
    np.testing.assert_array_equal(state.guess[0][:, 0], kept[:, 0])
    assert (state.guess[0][:, 1] != kept[:, 1]).any()
