"""What the last half of the iterations has gained:  max |F(x_j) − F(x_k)| / F(x_k),  k/2 ≤ j ≤ k.

F = f + R is computed at four iterations of each octave, k = 8, 10, 12, 14, 16, 20, 24, 28, 32 …, so
that it costs little where a solver does not compute f(x) by itself.  The maximum, and not the
difference of the ends, is taken for methods that do not descend in every iteration.

Of a prior min_v g(K (x, v)), a solver that holds v minimises f + g; its F is that of its own v.
The minimum over v would take as long as hundreds of iterations."""

from __future__ import annotations

import math

import numpy as np

from physrecon.arrays.vectors import Numbers
from physrecon.problem import Problem
from physrecon.solvers.state import State

FIRST = 8  # iteration of the first F
ROWS = 5  # an octave, both ends included


def is_mark(k: int) -> bool:
    """Whether F is computed at iteration k."""
    return k >= FIRST and k // (k & -k) in (1, 3, 5, 7)


def next_mark(k: float) -> int:
    """The first iteration from k on at which F is computed."""
    step = 2 ** max(math.floor(math.log2(max(k, FIRST))) - 2, 0)
    return max(math.ceil(k / step) * step, FIRST)


def note(problem: Problem, state: State) -> None:
    """Append f + R of every slice to state.objectives if the iteration is one of those."""
    if not is_mark(state.iteration):
        return
    values = problem.values(state.x) if state.value is None else state.value
    if problem.prior is not None:
        values = values + _penalties(problem, state)
    last = state.objectives
    if last is None:
        last = np.full((ROWS, len(values)), np.inf)
    state.objectives = np.vstack([last[1:], values])


def _penalties(problem: Problem, state: State) -> Numbers:
    """R of each slice, or g(K (x, v))."""
    prior, v = problem.prior, state.prior_field
    if isinstance(v, tuple):
        return prior.values(state.x, problem.axis)  # type: ignore[union-attr]
    image = problem.prior_operator.forward((state.x, v))
    return prior.composed_values(image, problem.prior_operator_axis)  # type: ignore[union-attr]


def gained(state: State) -> Numbers:
    """The gain of each slice at the last mark; infinite before iteration 16."""
    values = state.objectives
    if values is None:
        return np.full(len(state.active), np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.abs(values - values[-1]).max(axis=0)
        return np.where(spread == 0, 0.0, spread / np.abs(values[-1]))
