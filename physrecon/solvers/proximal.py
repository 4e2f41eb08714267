"""Helpers of proximal solvers: the use of a prior, proximal maps and typical scales."""

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
    """The way in which the solver uses the prior: its first capability in the order of `accepts`.

    A composed prior that is a sum over the elements of x is used as "prox" under a constraint with
    bounds: its proximal map has a closed form."""
    prior = problem.prior
    if prior is None:
        return None
    kind = next(kind for kind in solver.accepts if kind in prior.capabilities)
    boxed = problem.bounds is not None
    return "prox" if kind == "composed" and prior.elementwise and boxed else kind


def proximal_map(problem: Problem, use: str | None) -> ProximalMap | None:
    """The joint proximal map of prior and constraint if `use` is "prox", else the projection.

    None if there is no such prior and no constraint."""
    prior, constraint = problem.prior, problem.constraint
    if prior is not None and use == "prox":
        return lambda x, step: prior.prox(x, step, constraint)
    if constraint is not None:
        return lambda x, step: constraint.project(x)
    return None


def typical_curvature(problem: Problem) -> Numbers:
    """‖φ'(2y)‖ / ‖y‖ of each slice, where φ'(y) = 0: w for squares, 1/2y for counts."""
    f, axis = problem.f, problem.data_axis
    slopes = vectors.copy(f.y)
    vectors.add(slopes, f.y)
    f.data_slopes(slopes)
    squares = ratio(vectors.dots(slopes, slopes, axis), vectors.dots(f.y, f.y, axis))
    return np.sqrt(np.where(squares > 0, squares, 1))


def note_standstill(state: State, gap: Numbers) -> None:
    """Set the change to `gap` where x stood still: dual variables that move mean no convergence."""
    waiting = state.active & (state.change == 0)
    state.change = np.where(waiting, gap, state.change)
