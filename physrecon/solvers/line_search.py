"""Line search for all slices at once; it needs no Lipschitz bound.

Along a direction d the objective is φ(α) = F(x + α d).  The search accepts α if φ falls enough and,
on request, if the step is long enough:

    φ(α) ≤ c + c₁ α φ'(0)      (Armijo 1966; c = φ(0), or the largest of the last few values:
                                Grippo, Lampariello and Lucidi 1986)
    φ'(α) ≥ c₂ φ'(0)           (Wolfe 1969; quasi-Newton methods need it)

It finds α by bracketing (Lewis and Overton, Math. Program. 141 (2013) 135).  If φ(α) and φ(0) agree
to rounding, the slopes decide:  φ'(α) ≤ (2 c₁ − 1) φ'(0),  which for a quadratic is the first
condition (Hager and Zhang, SIAM J. Optim. 16 (2005) 170).

Objective and gradient are evaluated for all slices together.  A slice that has accepted its step
stays at its trial point, so its results do not change by a bit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.priors.constraints import FREE
from physrecon.problem import Problem
from physrecon.solvers.state import assign_x, ratio

DECREASE, CURVATURE = 1e-4, 0.9  # c₁ and c₂ of Nocedal and Wright (2006), section 3.1
TRIALS = 25  # number of trials before a direction is given up
ROUNDING = 100  # relative difference of equal objectives, in units of the dtype's eps
WORTH = 1e-3  # least slope of a proposed direction, in units of that of the projected gradient


class Step(NamedTuple):
    """The accepted step of each slice: alpha (0 if no step leads down), φ and its slope φ'."""

    alpha: Numbers
    objective: Numbers
    slope: Numbers


def search(
    problem: Problem,
    state: Any,
    direction: Vector,
    slope: Numbers,
    ceiling: Numbers,
    alpha: Numbers,
    wolfe: bool = False,
) -> Step:
    """x ← x + α d; update the gradient and the value of the state; count the iteration.

    slope: φ'(0) = ⟨∇F, d⟩.  ceiling: c.  alpha: the first trial.  Under a constraint x + d must be
    feasible; every α ≤ 1 then is, since the set is convex.  A slice whose slope is not finite does
    not move and is marked as diverged.  Holds one volume, scratch "trial"."""
    axis, trial = problem.axis, state.scratch("trial", problem.f.A.in_shape)
    furthest = np.inf if problem.constraint is None else 1.0
    bounds = problem.bounds or FREE
    pending = state.active & (slope < 0) & np.isfinite(slope)
    alpha = np.where(pending, np.minimum(alpha, furthest), 0.0)
    low, high = np.zeros(len(alpha)), np.full(len(alpha), furthest)
    vectors.assign(trial, state.x)
    for left in range(TRIALS, -1, -1):
        vectors.assign(trial, state.x, axis, pending)
        vectors.step_within(trial, alpha, direction, bounds, axis, pending)
        objective, state.value, _ = problem.objective_and_gradient(trial, state.gradient)
        end = vectors.dots(state.gradient, direction, axis)
        enough = _enough(problem, objective, ceiling, alpha * slope, slope, end)
        long = pending & ~enough
        short = pending & enough & wolfe & (end < CURVATURE * slope) & (alpha < furthest)
        pending = long | short
        if left == 0 or not pending.any():
            break
        high, low = np.where(long, alpha, high), np.where(short, alpha, low)
        turn = _between(low, high, alpha, slope, end, short) if left > 1 else low
        alpha = np.where(pending, turn, alpha)
    assign_x(problem, state, trial)
    state.change = np.where(state.active & ~np.isfinite(slope), np.nan, state.change)
    return Step(alpha, objective, end)


def _enough(
    problem: Problem, objective: Any, ceiling: Any, promised: Any, slope: Any, end: Any
) -> Any:
    """Whether the objective of each slice falls enough."""
    rounding = ROUNDING * np.finfo(vectors.leaves(problem.f.y)[0].dtype).eps
    falls = objective <= ceiling + DECREASE * promised
    level = objective <= ceiling + rounding * np.abs(ceiling)
    return np.isfinite(end) & (falls | (level & (end <= (2 * DECREASE - 1) * slope)))


def _between(low: Any, high: Any, alpha: Any, slope: Any, end: Any, short: Any) -> Numbers:
    """The next trial: the zero of the secant of the slopes, or the middle of the bracket."""
    guess = alpha * ratio(slope, slope - end)
    guess = np.where(np.isfinite(guess), guess, 0)
    back = np.where(low > 0, (low + high) / 2, np.clip(guess, 0.1 * alpha, 0.5 * alpha))
    on = np.where(np.isinf(high), np.clip(guess, 2 * alpha, 10 * alpha), (low + high) / 2)
    return np.where(short, on, back)


# Directions ------------------------------------------------------------------------------------


def first_step(objective: Numbers, squares: Numbers) -> Numbers:
    """F / ‖∇F‖², the step of Polyak (1969) to a minimum of 0.

    For a convex F >= 0 it is at least half of the safe step 1/L.  0 if the gradient is 0, NaN if
    the gradient is not finite."""
    return np.where(np.isfinite(squares), ratio(objective, squares), np.nan)


def projected(problem: Problem, state: Any, step: Numbers, out: Vector) -> Vector:
    """out ← P(x − step ∇F)"""
    bounds = problem.bounds or FREE
    every = np.ones(len(step), bool)
    vectors.assign(out, state.x)
    vectors.step_within(out, -step, state.gradient, bounds, problem.axis, every)
    if problem.bounds is None:
        problem.constraint.project(out)  # type: ignore[union-attr]
    return out


def inside(problem: Problem, point: Vector) -> Vector | None:
    """Mask of the elements strictly inside the bounds (the free ones); None without bounds.

    Elements that a gradient step puts on a bound stay there; the others move independently of them
    (Bertsekas, SIAM J. Control Optim. 20 (1982) 221)."""
    lower, upper = problem.bounds or FREE
    if (lower, upper) == FREE:
        return None
    return vectors.transform(lambda leaf: (leaf > lower) & (leaf < upper), point)


def keep(vector: Vector, free: Vector | None) -> None:
    """vector ← 0 outside the free elements."""
    if free is not None:
        vectors.multiply(vector, free)


def descent(
    problem: Problem, state: Any, direction: Vector, steepest: Vector, free: Vector | None
) -> Numbers:
    """Make `direction` a descent direction with x + direction feasible; return the slope along it.

    direction: the proposal of a model of F for the free elements.  steepest: the step
    P(x − t ∇F) − x, which always leads down.  It replaces the proposal on the elements that are not
    `free`, and entirely in slices in which the projected proposal hardly descends."""
    axis, constraint = problem.axis, problem.constraint
    if free is not None:
        parts = (vectors.leaves(v) for v in (direction, steepest, free))
        for d, u, kept in zip(*parts, strict=True):
            arrays.namespace(d).copyto(d, u, where=~kept)
    if constraint is not None:
        vectors.add(direction, state.x)
        constraint.project(direction)
        vectors.subtract(direction, state.x)
    slope = vectors.dots(state.gradient, direction, axis)
    surest = vectors.dots(state.gradient, steepest, axis)
    poor = ~(slope <= WORTH * surest)
    if poor.any():
        vectors.assign(direction, steepest, axis, poor)
    return np.where(poor, surest, slope)
