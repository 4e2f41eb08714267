"""What proximal solvers share: how a prior is used, proximal maps, and typical scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.problem import Problem
from physrecon.solvers.state import State, ratio

ProximalMap = Callable[[Vector, Any], Vector]  # of (x, step), in place


def use_of(solver: Any, problem: Problem) -> str | None:
    """The one way in which the prior is used: the first kind in `accepts` that it is of.

    What need not be split is not: a sum over the elements of x has a closed proximal map."""
    prior = problem.prior
    if prior is None:
        return None
    kind = next(kind for kind in solver.accepts if kind in prior.capabilities)
    boxed = problem.bounds is not None
    return "prox" if kind == "composed" and prior.elementwise and boxed else kind


def proximal_map(problem: Problem, use: str | None) -> ProximalMap | None:
    """That of prior and constraint together where the prior is used so, else the projection.

    None where neither has a part in it."""
    prior, constraint = problem.prior, problem.constraint
    if prior is not None and use == "prox":
        return lambda x, step: prior.prox(x, step, constraint)
    if constraint is not None:
        return lambda x, step: constraint.project(x)
    return None


def typical_curvature(problem: Problem) -> Numbers:
    """‖φ'(2y)‖ / ‖y‖ of each slice: φ' is zero at y, so it is w for squares and 1/2y for counts."""
    f, axis = problem.f, problem.data_axis
    slopes = vectors.copy(f.y)
    vectors.add(slopes, f.y)
    f.data_slopes(slopes)
    squares = ratio(vectors.dots(slopes, slopes, axis), vectors.dots(f.y, f.y, axis))
    return np.sqrt(np.where(squares > 0, squares, 1))


def note_standstill(state: State, gap: Numbers) -> None:
    """Where x stood still: it has not converged while the dual variables move, by `gap`."""
    waiting = state.active & (state.change == 0)
    state.change = np.where(waiting, gap, state.change)
