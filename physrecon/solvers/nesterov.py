"""Gradient descent with momentum:

    y = (1 − θ) x + θ z;    z ← P(z − ∇F(y) / (θ L));    x ← P(y − ∇F(y) / L);
    θ ← (√(θ⁴ + 4θ²) − θ²) / 2

F(x) falls to its minimum like 1/k² instead of 1/k.  Nesterov, Soviet Math. Dokl. 27 (1983) 372, in
the form of Lan, Lu and Monteiro, Math. Program. 126 (2011) 1, which evaluates gradients inside the
constraint only.  If momentum leads uphill, ⟨y − x⁺, x⁺ − x⟩ > 0, it restarts (O'Donoghue and
Candès, Found. Comput. Math. 15 (2015) 715)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.state import (
    VECTOR,
    ArraysHeld,
    State,
    initial_fields,
    ratio,
    record_change,
    step_vector,
)


@dataclass
class NesterovState(State):
    """z: the point that takes the long steps.  theta: of each slice, 1 at a start or restart."""

    z: Vector = field(metadata=VECTOR)
    theta: Numbers


@dataclass(frozen=True)
class Nesterov:
    """The rule "nesterov" of `GradientDescent`.

    step: in units of 1/L, 0 < step <= 1.  Holds x, z, y and ∇F(y) (volumes) and one data set
    besides the measured one; F(x) is not computed."""

    step: float = 1.0

    state_type: ClassVar[type[State]] = NesterovState
    holds: ClassVar[ArraysHeld] = ArraysHeld(data=2, volumes=4)

    def __post_init__(self) -> None:
        if not 0 < self.step <= 1:
            raise ArgumentError(
                f"GradientDescent.step: expected 0 < step <= 1 for nesterov, got {self.step}"
            )

    def start(self, problem: Problem, x0: Vector = None) -> NesterovState:
        fields = initial_fields(problem, x0)
        return NesterovState(**fields, z=vectors.copy(fields["x"]), theta=np.ones(problem.count))

    def advance(self, problem: Problem, state: NesterovState) -> NesterovState:
        axis, active, theta, shape = problem.axis, state.active, state.theta, problem.f.A.in_shape
        y = state.scratch("y", shape)
        vectors.assign(y, state.x)
        vectors.scale_add(y, 1 - theta, theta, state.z, axis, active)
        gradient, _ = problem.gradient_and_free_values(y, state.scratch("gradient", shape))
        step = ratio(-self.step, problem.lipschitz)
        step_vector(problem, state.z, step / theta, gradient, active)
        from_x = vectors.distances(y, state.x, axis)
        from_y, _ = step_vector(problem, y, step, gradient, active)  # y is x⁺ now
        moved = vectors.distances(y, state.x, axis)
        vectors.assign(state.x, y, axis, active)
        record_change(state, moved, vectors.dots(y, y, axis))
        # The squared sides of the triangle x, y, x⁺ give the sign of ⟨y − x⁺, x⁺ − x⟩.
        uphill = active & (from_x > from_y + moved)
        vectors.assign(state.z, state.x, axis, uphill)
        following = (np.sqrt(theta**4 + 4 * theta**2) - theta**2) / 2
        state.theta = np.where(uphill, 1.0, np.where(active, following, theta))
        return state
