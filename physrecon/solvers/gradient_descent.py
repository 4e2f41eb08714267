"""Gradient descent:  x ← P(x − t ∇F(x)).

L is a certified bound of the curvature of F (for least squares max W · ‖A‖²).  With t = step / L
and 0 < step < 2, F falls in every iteration; P projects onto the constraint (Goldstein 1964,
Levitin and Polyak 1966).  Other rules find t by a line search or from the last change of x, or add
momentum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.armijo import Armijo
from physrecon.solvers.barzilai_borwein import BarzilaiBorwein
from physrecon.solvers.nesterov import Nesterov
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, initial_fields, ratio, step_x


@dataclass
class GradientDescentState(State):
    """gradient: ∇F(x)."""

    gradient: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class Certified:
    """The rule "certified" of `GradientDescent`."""

    step: float = 1.0

    state_type: ClassVar[type[State]] = GradientDescentState
    holds: ClassVar[ArraysHeld] = ArraysHeld(data=2, volumes=2)

    def __post_init__(self) -> None:
        if not 0 < self.step < 2:
            raise ArgumentError(f"GradientDescent.step: expected 0 < step < 2, got {self.step}")

    def start(self, problem: Problem, x0: Vector = None) -> GradientDescentState:
        fields = initial_fields(problem, x0)
        gradient, fields["value"] = problem.gradient_and_free_values(fields["x"])
        return GradientDescentState(**fields, gradient=gradient)

    def advance(self, problem: Problem, state: GradientDescentState) -> GradientDescentState:
        step_x(problem, state, ratio(-self.step, problem.lipschitz), state.gradient)
        _, state.value = problem.gradient_and_free_values(state.x, out=state.gradient)
        return state


RULES: dict[str, Any] = {
    "certified": Certified,
    "armijo": Armijo,
    "bb": BarzilaiBorwein,
    "nesterov": Nesterov,
}


@dataclass(frozen=True)
class GradientDescent(Solver):
    """Any likelihood with a gradient, any constraint, smooth priors; F = likelihood + prior.

    rule: choice of the step t.
      "certified"  t = step / L, 0 < step < 2: F falls in every iteration
      "nesterov"   the same with momentum, 0 < step <= 1: the best if L is known
      "armijo"     line search until F falls enough: needs no L, works for nonlinear A too
      "bb"         Barzilai and Borwein's step with a line search: faster, F may rise in between
    step: for armijo and bb of the first trial only, in units of F / ‖∇F‖².

    Holds x and the gradient (volumes), and one data set while the gradient is computed; two more
    volumes with the other rules.

    >>> f = pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.array([3.0, 4.0]))
    >>> result = pr.solve(pr.Problem(f), pr.GradientDescent(rule="bb"))
    >>> result.x.round(3).tolist()
    [3.0, 2.0]
    """

    step: float = 1.0
    rule: str = "certified"

    iterations = 100
    accepts = ("smooth",)
    holds = ArraysHeld(data=2, volumes=2)

    def __post_init__(self) -> None:
        if self.rule not in tuple(RULES):
            raise ArgumentError(
                f"GradientDescent.rule: expected one of {', '.join(RULES)}, got {self.rule!r}"
            )
        if not vectors.is_real(self.step):
            raise ArgumentError(f"GradientDescent.step: expected a number, got {self.step!r}")
        object.__setattr__(self, "holds", self._rule.holds)  # `_rule` checks the step too

    @property
    def state_type(self) -> type[State]:  # type: ignore[override]
        return self._rule.state_type

    def start(self, problem: Problem, x0: Vector = None) -> State:
        return self._rule.start(problem, x0)

    def advance(self, problem: Problem, state: State) -> State:
        return self._rule.advance(problem, state)

    @property
    def _rule(self) -> Any:
        return RULES[self.rule](self.step)
