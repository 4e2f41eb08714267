"""Gradient descent with a line search:  x ← x + α d,  d = P(x − t ∇F(x)) − x.

α shrinks from 1 until the objective falls enough; the next t is twice the accepted step α t.
No bound of the curvature is needed.  Armijo, Pacific J. Math. 16 (1966) 1; with a constraint the
steps follow the segment to the projected point (Bertsekas, IEEE Trans. Autom. Control 21 (1976)
174; Birgin, Martínez and Raydan 2000)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.finite_start import finite_fields
from physrecon.solvers.line_search import Step, first_step, projected, search
from physrecon.solvers.state import VECTOR, ArraysHeld, State


@dataclass
class ArmijoState(State):
    """gradient: ∇F(x).  Of each slice, step: t of the next iteration; recent (slices, memory): the
    last objectives, the newest first."""

    descends = True
    gradient: Vector = field(metadata=VECTOR)
    step: Numbers
    recent: Numbers


@dataclass(frozen=True)
class Armijo:
    """The rule "armijo" of `GradientDescent`.

    step: t of the first trial, in units of F / ‖∇F‖² (see `first_step`).  Holds x, ∇F, d and
    the trial point (volumes) and one data set besides y."""

    step: float = 1.0

    memory: ClassVar[int] = 1
    state_type: ClassVar[type[State]] = ArmijoState
    holds: ClassVar[ArraysHeld] = ArraysHeld(data=2, volumes=4)

    def __post_init__(self) -> None:
        if not 0 < self.step < np.inf:
            raise ArgumentError(f"GradientDescent.step: expected a number > 0, got {self.step}")

    def start(self, problem: Problem, x0: Vector = None) -> ArmijoState:
        fields, objective, gradient = finite_fields(self, problem, x0)
        step = self.step * first_step(objective, vectors.dots(gradient, gradient, problem.axis))
        recent = np.full((problem.count, self.memory), -np.inf)
        recent[:, 0] = objective
        return ArmijoState(**fields, gradient=gradient, step=step, recent=recent)

    def advance(self, problem: Problem, state: ArmijoState) -> ArmijoState:
        axis = problem.axis
        d = state.scratch("direction", problem.f.A.in_shape)
        vectors.subtract(projected(problem, state, state.step, d), state.x)
        slope, length = vectors.dots(state.gradient, d, axis), vectors.dots(d, d, axis)
        found = search(problem, state, d, slope, state.recent.max(axis=1), np.ones(len(slope)))
        moved = state.active & (found.alpha > 0)
        state.step = np.where(moved, self._next(state.step, found, slope, length), state.step)
        shifted = np.column_stack([found.objective, state.recent[:, :-1]])
        state.recent = np.where(moved[:, None], shifted, state.recent)
        return state

    def _next(self, step: Numbers, found: Step, slope: Numbers, length: Numbers) -> Numbers:
        """t of the next iteration; length: ‖d‖²."""
        return 2 * found.alpha * step
