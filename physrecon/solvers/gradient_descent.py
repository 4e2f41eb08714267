"""Gradient descent with a step that is certain to descend:  x ← P(x − t ∇f(x)),  t = step / L.

L bounds the curvature of f from above (for least squares max W · ‖A‖², certified), so that f
falls in every iteration for 0 < step < 2; P projects onto the constraint (Goldstein 1964,
Levitin and Polyak 1966)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.state import VECTOR, State, fresh, move, ratio
from physrecon.spaces import Vector


@dataclass
class GradientDescentState(State):
    """gradient: ∇f(x)."""

    gradient: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class GradientDescent:
    """Any likelihood with a gradient and a Lipschitz bound; any constraint.

    step: in units of 1/L, 0 < step < 2.  Holds x and the gradient (volumes), and one data set
    while the gradient is computed."""

    step: float = 1.0

    name: ClassVar[str] = "gd"
    state_type: ClassVar[type[State]] = GradientDescentState
    takes_prior: ClassVar[tuple[str, ...]] = ("smooth",)
    takes_constraint: ClassVar[bool] = True
    certified: ClassVar[bool] = True
    holds: ClassVar[tuple[int, int]] = (2, 2)

    def __post_init__(self) -> None:
        if not 0 < self.step < 2:
            raise ArgumentError(f"GradientDescent.step: expected 0 < step < 2, got {self.step}")

    def start(self, problem: Problem, x0: Vector = None) -> GradientDescentState:
        fields = fresh(problem, x0)
        gradient, fields["value"] = problem.gradient_and_free_values(fields["x"])
        return GradientDescentState(**fields, gradient=gradient)

    def advance(self, problem: Problem, state: GradientDescentState) -> GradientDescentState:
        move(problem, state, ratio(-self.step, problem.lipschitz), state.gradient)
        _, state.value = problem.gradient_and_free_values(state.x, out=state.gradient)
        return state
