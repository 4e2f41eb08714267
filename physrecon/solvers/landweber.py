"""Landweber's iteration:  x ← P(x − t Aᵀ W (A x − y)),  0 < t < 2/‖W^½ A‖².

Landweber, Amer. J. Math. 73 (1951) 615.  It is gradient descent with the step of the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.gradient_descent import Certified, GradientDescentState
from physrecon.solvers.state import State, refuse_likelihood
from physrecon.spaces import Vector


@dataclass(frozen=True)
class Landweber:
    """Least squares, any constraint.

    step: fraction of the largest safe step 2/‖W^½ A‖², which comes from a certified upper bound.
    Holds x and the gradient (volumes) and one data set besides y."""

    step: float = 0.95

    name: ClassVar[str] = "landweber"
    state_type: ClassVar[type[State]] = GradientDescentState
    takes_prior: ClassVar[tuple[str, ...]] = ()
    takes_constraint: ClassVar[bool] = True
    certified: ClassVar[bool] = True
    holds: ClassVar[tuple[int, int]] = (2, 2)

    def __post_init__(self) -> None:
        if not 0 < self.step < 1:
            raise ArgumentError(f"Landweber.step: expected 0 < step < 1, got {self.step}")

    def start(self, problem: Problem, x0: Vector = None) -> GradientDescentState:
        refuse_likelihood(problem, self, "residual_norms")
        return self._descent.start(problem, x0)

    def advance(self, problem: Problem, state: GradientDescentState) -> GradientDescentState:
        return self._descent.advance(problem, state)

    @property
    def _descent(self) -> Certified:
        return Certified(2 * self.step)
