"""FISTA, gradient steps with momentum and the proximal map of the prior:

    x⁺ = prox_{R/L}(y − ∇f(y)/L);   t⁺ = (1 + √(1 + 4t²)) / 2;   y ← P(x⁺ + (t − 1)/t⁺ (x⁺ − x))

f + R falls to its minimum like 1/k² (Beck and Teboulle, SIAM J. Imaging Sci. 2 (2009) 183).  P
projects y onto the constraint, so gradients are evaluated inside the set only.  The projection
brings y nearer to every point of the set, so their proof still holds.  If momentum leads uphill,
⟨y − x⁺, x⁺ − x⟩ > 0, it restarts with t = 1 (O'Donoghue and Candès, Found. Comput. Math. 15 (2015)
715).  The last iterations then converge as fast as the curvature near the solution allows.  f + R
need not fall in every iteration.  A proximal map that is itself iterated starts from the variables
of the last one and is as exact as the step asks for; 1/L is then 0.9/L, see `priors.near`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.priors.near import RELATIVE, slack
from physrecon.problem import Problem
from physrecon.solvers.proximal import proximal_map, use_of
from physrecon.solvers.state import (
    VECTOR,
    ArraysHeld,
    Solver,
    State,
    initial_fields,
    record_change,
    step_vector,
)


@dataclass
class FISTAState(State):
    """y: the point of the next gradient.  guess: variables of an iterated proximal map, else ().

    t: of each slice, 1 at a start or restart.  first: ‖x₁ − x₀‖² of each slice, 0 before."""

    y: Vector = field(metadata=VECTOR)
    guess: tuple[Vector, ...] = field(metadata=VECTOR)
    t: Numbers
    first: Numbers


@dataclass(frozen=True)
class FISTA(Solver):
    """Any likelihood with a Lipschitz bound, any constraint, smooth priors and proximal maps.

    A prior that has both is used by its gradient.  Without a prior this is Nesterov's projected
    gradient method.  Holds x, y and x⁺ (volumes), one data set besides the measured one, and the
    memory and variables of the proximal map; f(x) is not computed.

    >>> f = pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.array([0.3, 4.0]))
    >>> result = pr.solve(pr.Problem(f, pr.L1(0.4)), pr.FISTA(), stop=pr.Stop(iterations=100))
    >>> result.x.round(3).tolist()  # the small one is 0, 4 x = 8 − 0.4
    [0.0, 1.9]
    """

    iterations = 200
    state_type = FISTAState
    accepts = ("smooth", "prox")
    outlives_weight = True  # momentum that points elsewhere restarts
    holds = ArraysHeld(data=2, volumes=3)

    def start(self, problem: Problem, x0: Vector = None) -> FISTAState:
        fields, prior = initial_fields(problem, x0), problem.prior
        iterated = prior is not None and use_of(self, problem) == "prox"
        shapes = prior.guess_shapes(problem.f.A.in_shape) if iterated else ()  # type: ignore[union-attr]
        x = fields["x"]
        guess = tuple(vectors.fill(vectors.empty(shape, x), 0) for shape in shapes)
        t, first = np.ones(problem.count), np.zeros(problem.count)
        return FISTAState(**fields, y=vectors.copy(x), guess=guess, t=t, first=first)

    def advance(self, problem: Problem, state: FISTAState) -> FISTAState:
        axis, active, x, y = problem.axis, state.active, state.x, state.y
        one, bound = np.ones(len(active)), problem.lipschitz
        step = 1 / np.where(bound > 0, bound, 1)  # any step if ∇f is constant
        step = (1 - RELATIVE) * step if state.guess else step
        new = state.scratch("new", problem.f.A.in_shape)
        problem.gradient_and_free_values(y, new)
        vectors.scale_add(new, -step, one, y, axis, active)
        steps = vectors.per_slice_broadcast(step, problem.f.A.in_shape, axis)
        if state.guess:
            self._near_prox(problem, state, new, steps)
        elif prox := proximal_map(problem, use_of(self, problem)):
            prox(new, steps)
        moved = vectors.scale_add(x, -one, one, new, axis, active)  # x now holds x⁺ − x
        uphill = vectors.dots(y, x, axis) > vectors.dots(new, x, axis)
        t = np.where(uphill, 1, state.t)
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        vectors.assign(y, new, axis, active)
        step_vector(problem, y, (t - 1) / following, x, active)
        vectors.assign(x, new, axis, active)
        state.t = np.where(active, following, state.t)
        state.first = np.where(active & (state.first == 0), moved, state.first)
        record_change(state, moved, vectors.dots(x, x, axis))
        state.value = None
        return state

    @staticmethod
    def _near_prox(problem: Problem, state: FISTAState, new: Vector, steps: Any) -> None:
        """new ← the proximal map of prior and constraint near `new`, from the guess of the last."""
        prior, waiting = problem.prior, ~state.active
        kept = vectors.copy(state.guess) if waiting.any() else ()
        allowed = slack(state.first, state.iteration + 1)
        allowed = vectors.per_slice_broadcast(allowed, problem.f.A.in_shape, problem.axis)
        near = (problem.constraint, state.y, state.guess, allowed)
        begun = time.perf_counter()
        prior.near_prox(new, steps, *near)  # type: ignore[union-attr]
        state.add_inner(time.perf_counter() - begun)
        if kept:
            axis = tuple(problem.axis + 1 for _ in kept)  # type: ignore[operator]
            vectors.assign(state.guess, kept, axis, waiting)
