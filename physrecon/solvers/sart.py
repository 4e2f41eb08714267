"""Simultaneous algebraic reconstruction, SART, and SIRT on ordered subsets of the views:

    x ← P(x + λ C Aₛᵀ Rₛ (yₛ − Aₛ x)),   Rₛ = W / (Aₛ 1),   C = 1 / maxₛ (Aₛᵀ W 1),   s = s₁, s₂, …

One subset moves x about as far as all views together in SIRT, so the first passes are faster by
the number of subsets.  Andersen and Kak, Ultrasonic Imaging 6 (1984) 81, take one view at a time
and divide by its own sums Aₛᵀ 1.  These sums hardly differ between subsets; here C has the largest
for each voxel.  All steps then shorten distances in one norm, that of C⁻¹, and x converges to a
solution if one exists (Jiang and Wang, IEEE Trans. Image Process. 12 (2003) 957).  On noisy data x
ends in a cycle around the solution of SIRT, one point per subset; a small λ makes it narrow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.problem import Problem
from physrecon.solvers import subsets
from physrecon.solvers.refusals import refuse_likelihood, refuse_negative
from physrecon.solvers.state import VECTOR, ArraysHeld, State, initial_fields, step_vector


@dataclass
class SARTState(State):
    """rows: W / (A 1).  columns: 1 / maxₛ (Aₛᵀ W 1)."""

    rows: Vector = field(metadata=VECTOR)
    columns: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class SART(subsets.SubsetSolver):
    """Least squares weighted by ray length, any constraint, A ≥ 0.  An iteration is one pass.

    subsets: number of subsets of the views, axis 0 of the data; None is one per view, 1 is SIRT.
    relaxation: λ, 0 < λ < 2.  order: of the subsets in a pass, "golden", "sequential" or "random",
    a shuffle that depends on (seed, iteration) only.

    Every subset traverses all of x.  A pass over about ten subsets is nearly as cheap as one of
    SIRT; with one view per subset it costs about ten times as much.

    Holds x, x before the pass and one more volume, y and the data of a subset, and the sums `rows`
    and `columns`: one slice of each if A treats all slices alike and there are no weights, else a
    data set and a volume.

    >>> A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    >>> x = np.zeros((1, 9, 9), np.float32)
    >>> x[0, 3:6, 3:6] = 1
    >>> problem = pr.Problem(pr.LeastSquares(A, A @ x), constraint=pr.NonNegative())
    >>> result = pr.solve(problem, pr.SART(subsets=5), stop=pr.Stop(iterations=10))
    >>> bool(abs(result.x - x).max() < 0.05)
    True
    """

    subsets: int | None = None
    relaxation: float = 1.0
    order: str = "golden"
    seed: int = 0

    iterations = 5
    state_type = SARTState
    holds = ArraysHeld(data=2, volumes=3)

    def start(self, problem: Problem, x0: Vector = None) -> SARTState:
        refuse_likelihood(problem, self)
        refuse_negative(problem, self, "Kaczmarz or Landweber")
        f, count = problem.f, subsets.count(self, problem)
        rows = vectors.reciprocal(f.A.row_sums(f.y))
        weights = None
        if f.weights is not None:
            weights = vectors.fill(vectors.empty(f.A.out_shape, f.y), 1)
            f.weigh(weights)
            f.weigh(weights)
            rows = weights * rows
        columns = self._columns(problem, count, weights)
        return SARTState(**initial_fields(problem, x0), rows=rows, columns=columns)

    @staticmethod
    def _columns(problem: Problem, count: int, weights: Any) -> Any:
        """C: the inverse of the largest column sum of the subsets, for each voxel."""
        xp, largest = arrays.namespace(problem.f.y), arrays.zeros_like(problem.f.y, ())
        for s, A in enumerate(subsets.operators(problem, count)):
            part = None if weights is None else weights[subsets.members(s, count)]
            sums = A.column_sums(problem.f.y) if part is None else A.adjoint(part)
            largest = xp.maximum(largest, sums)
        return vectors.reciprocal(largest)

    def advance(self, problem: Problem, state: SARTState) -> SARTState:
        f, count = problem.f, subsets.count(self, problem)
        operators = subsets.operators(problem, count)
        rows = arrays.namespace(f.y).broadcast_to(state.rows, f.A.out_shape)
        step = np.full(1, self.relaxation)
        before = subsets.remember(problem, state)
        for s in subsets.ordered(self.order, count, self.seed, state.iteration):
            A, views = operators[s], subsets.members(s, count)
            r = A.forward(state.x, state.scratch(f"{A.out_shape[0]} views", A.out_shape))
            vectors.subtract(r, f.y[views])
            vectors.multiply(r, rows[views])
            direction = A.adjoint(r, state.scratch("direction", A.in_shape))
            vectors.multiply(direction, state.columns)
            step_vector(problem, state.x, -step, direction, state.active)
        subsets.finish(problem, state, before)
        return state
