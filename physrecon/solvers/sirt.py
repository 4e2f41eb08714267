"""Simultaneous iterative reconstruction, SIRT:  x ← P(x + C Aᵀ R (y − A x)).

With R = W / (A 1) and C = 1 / (Aᵀ W 1) the rows of C Aᵀ R A are non-negative and sum to one, so no
step has to be chosen and the iteration cannot diverge.  It minimises ‖R^½ (A x − y)‖² (Gilbert
1972; Gregor and Benson 2008).  Rays that miss the grid and voxels that no ray crosses have sum zero
and get weight zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.problem import Problem
from physrecon.solvers.refusals import refuse_likelihood, refuse_negative
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, initial_fields, step_x


@dataclass
class SIRTState(State):
    """r: W^½ (A x − y).  rows: W^½ / (A 1).  columns: 1 / (Aᵀ W 1)."""

    r: Vector = field(metadata=VECTOR)
    rows: Vector = field(metadata=VECTOR)
    columns: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class SIRT(Solver):
    """Least squares weighted by ray length, any constraint, A ≥ 0.

    Holds x and one more volume, r, and the sums `rows` and `columns`: one slice of each if A treats
    all slices alike and there are no weights, else a data set and a volume.

    >>> A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    >>> x = np.zeros((1, 9, 9), np.float32)
    >>> x[0, 3:6, 3:6] = 1
    >>> problem = pr.Problem(pr.LeastSquares(A, A @ x), constraint=pr.NonNegative())
    >>> result = pr.solve(problem, pr.SIRT(), stop=pr.Stop(iterations=50))
    >>> bool(abs(result.x - x).max() < 0.05)
    True
    """

    iterations = 100
    state_type = SIRTState
    holds = ArraysHeld(data=2, volumes=2)

    def start(self, problem: Problem, x0: Vector = None) -> SIRTState:
        refuse_likelihood(problem, self)
        refuse_negative(problem, self, "Landweber")
        f = problem.f
        fields = initial_fields(problem, x0)
        rows, columns = self._sums(f, vectors.leaves(f.y)[0])
        r = f.residual(fields["x"])
        fields["value"] = problem.gather(f.values_of(r))
        return SIRTState(**fields, r=r, rows=rows, columns=columns)

    def advance(self, problem: Problem, state: SIRTState) -> SIRTState:
        f = problem.f
        vectors.multiply(state.r, state.rows)
        direction = f.A.adjoint(state.r, state.scratch("direction", f.A.in_shape))
        vectors.multiply(direction, state.columns)
        step_x(problem, state, np.full(1, -1.0), direction)
        f.residual(state.x, out=state.r)
        state.value = problem.gather(f.values_of(state.r))
        return state

    @staticmethod
    def _sums(f: Any, like: Any) -> tuple[Vector, Vector]:
        rows = vectors.reciprocal(f.A.row_sums(like))
        if f.weights is None:
            return rows, vectors.reciprocal(f.A.column_sums(like))
        weights = vectors.fill(vectors.empty(f.A.out_shape, like), 1)
        f.weigh(weights)
        full = vectors.copy(weights)
        vectors.multiply(full, rows)
        f.weigh(weights)
        return full, vectors.reciprocal(f.A.adjoint(weights))
