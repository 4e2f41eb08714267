"""Landweber's iteration:  x ← P(x − t D Aᵀ W (A x − y)),  0 < t < 2 / ‖D^½ Aᵀ W A D^½‖.

D = 1 is gradient descent with the classical step (Landweber, Amer. J. Math. 73 (1951) 615).  For
A ≥ 0 and D = 1 / (AᵀWA 1) the rows of D AᵀWA sum to one, so D^½ Aᵀ W A D^½ has norm 1 for any A.
No norm has to be computed, and voxels crossed by few rays converge as fast as the others.  SIRT is
similar but also weights the data by ray length."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.refusals import refuse_likelihood
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, initial_fields, ratio, step_x

PRECONDITIONERS = ("none", "jacobi")


@dataclass
class LandweberState(State):
    """gradient: AᵀW (A x − y).  inverse: the diagonal of D, () for D = 1."""

    gradient: Vector = field(metadata=VECTOR)
    inverse: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class Landweber(Solver):
    """Least squares, any constraint; with a preconditioner, bounds on x.

    step: fraction of the largest safe t, which comes from a certified upper bound.
    preconditioner: "none", or "jacobi" for A ≥ 0, which holds one volume more.
    Holds x and the gradient (volumes) and one data set besides y.

    >>> f = pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.array([3.0, 4.0]))
    >>> result = pr.solve(pr.Problem(f, constraint=pr.Box(0, 2.5)), pr.Landweber())
    >>> result.x.round(3).tolist()
    [2.5, 2.0]
    """

    step: float = 0.95
    preconditioner: str = "none"

    iterations = 200
    state_type = LandweberState
    holds = ArraysHeld(data=2, volumes=2)

    def __post_init__(self) -> None:
        if not (vectors.is_real(self.step) and 0 < self.step < 1):
            raise ArgumentError(f"Landweber.step: expected 0 < step < 1, got {self.step}")
        if self.preconditioner not in PRECONDITIONERS:
            raise ArgumentError(
                f"Landweber.preconditioner: expected one of {PRECONDITIONERS}, "
                f"got {self.preconditioner!r}"
            )

    def start(self, problem: Problem, x0: Vector = None) -> LandweberState:
        refuse_likelihood(problem, self)
        fields, inverse = initial_fields(problem, x0), ()
        if self.preconditioner == "jacobi":
            self._refuse_constraint(problem)
            inverse = vectors.reciprocal(problem.f.curvature(fields["x"]))
        gradient, fields["value"] = problem.gradient_and_free_values(fields["x"])
        return LandweberState(**fields, gradient=gradient, inverse=inverse)

    @staticmethod
    def _refuse_constraint(problem: Problem) -> None:
        """Raise ArgumentError unless P acts by element.

        Only then is P the projection in the norm of D⁻¹ too."""
        if problem.bounds is None:
            raise ArgumentError(
                "Landweber(preconditioner='jacobi'): expected NonNegative() or Box(...), got "
                f"{problem.constraint!r}; use preconditioner='none'"
            )

    def advance(self, problem: Problem, state: LandweberState) -> LandweberState:
        if self.preconditioner == "none":
            step = ratio(-2 * self.step, problem.lipschitz)
        else:
            step = np.full(1, -2 * self.step)
            vectors.multiply(state.gradient, state.inverse)
        step_x(problem, state, step, state.gradient)
        _, state.value = problem.gradient_and_free_values(state.x, out=state.gradient)
        return state
