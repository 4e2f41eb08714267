"""Kaczmarz's method: x is projected onto the hyperplane of one datum after the other,

    x ← P(x + λ aᵢ (yᵢ − ⟨aᵢ, x⟩) / ‖aᵢ‖²).

From x = 0 it converges to the solution of least norm, if a solution exists; the error falls with
every row (Kaczmarz 1937; Tanabe, Numer. Math. 17 (1971) 203).  On noisy data it ends in a cycle,
one point per row; as λ → 0 the cycle shrinks to the least-squares solution weighted by 1/‖aᵢ‖².

Rows without a common voxel are orthogonal: the projection onto one does not change the residual of
the others.  Rays of one view a few columns apart are such rows; they are projected onto at once,
with the same result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.problem import Problem
from physrecon.solvers import subsets
from physrecon.solvers.refusals import refuse_likelihood
from physrecon.solvers.state import VECTOR, ArraysHeld, State, initial_fields, step_vector


@dataclass
class KaczmarzState(State):
    """inverse: 1/‖aᵢ‖² of every row, of one slice if A treats all alike; 0 for excluded rows."""

    inverse: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class Kaczmarz(subsets.SubsetSolver):
    """Consistent data, A x = y; any constraint.  An iteration is one pass over all rows.

    relaxation: λ, 0 < λ < 2.  order: of the views in a pass, "golden", "sequential" or "random", a
    shuffle that depends on (seed, iteration) only (compare Strohmer and Vershynin, J. Fourier Anal.
    Appl. 15 (2009) 262: they draw rows with replacement).  Data of weight 0 are excluded; other
    weights have no effect.

    Slow: every group of rows costs one view of A and of Aᵀ.  A Projector has `independent_columns`,
    the distance of rays without a common voxel.  If pixels are as large as voxels, this makes two
    groups per view: a pass costs twice that of SART and gets about as far.  Any other operator is
    used row by row; a view then costs as many products as it has data.

    Holds x, x before the pass and one more volume, y, a view of data, and one slice of data if A
    treats all slices alike and there are no weights, else a data set.

    >>> A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    >>> x = np.zeros((1, 9, 9), np.float32)
    >>> x[0, 3:6, 3:6] = 1
    >>> problem = pr.Problem(pr.LeastSquares(A, A @ x))
    >>> result = pr.solve(problem, pr.Kaczmarz(), stop=pr.Stop(iterations=5))
    >>> bool(abs(result.x - x).max() < 0.05)
    True
    """

    relaxation: float = 1.0
    order: str = "golden"
    seed: int = 0

    iterations = 5
    state_type = KaczmarzState
    holds = ArraysHeld(data=2, volumes=3)
    subsets: ClassVar[None] = None  # one per view

    def start(self, problem: Problem, x0: Vector = None) -> KaczmarzState:
        refuse_likelihood(problem, self)
        f, views = problem.f, subsets.count(self, problem)
        rows = f.A.one_slice() or f.A
        norms = arrays.zeros_like(f.y, rows.out_shape)
        for v in range(views):
            _square_norms(rows[[v]], f.data_axis, norms[v : v + 1])
        inverse = vectors.reciprocal(norms)
        if f.weights is not None:
            weights = vectors.fill(vectors.empty(f.A.out_shape, f.y), 1)
            f.weigh(weights)
            inverse = inverse * (weights > 0)
        return KaczmarzState(**initial_fields(problem, x0), inverse=inverse)

    def advance(self, problem: Problem, state: KaczmarzState) -> KaczmarzState:
        f, views = problem.f, subsets.count(self, problem)
        operators = subsets.operators(problem, views)
        step = np.full(1, self.relaxation)
        before = subsets.remember(problem, state)
        for v in subsets.ordered(self.order, views, self.seed, state.iteration):
            A, view = operators[v], slice(v, v + 1)
            r = state.scratch("r", A.out_shape)
            some = state.scratch("some", A.out_shape)
            direction = state.scratch("direction", A.in_shape)
            for group in _groups(A, problem.data_axis, some):
                A.forward(state.x, r)
                vectors.subtract(r, f.y[view])
                vectors.multiply(r, state.inverse[view])
                _keep(group, r, some, problem.data_axis)
                A.adjoint(some, direction)
                step_vector(problem, state.x, -step, direction, state.active)
        subsets.finish(problem, state, before)
        return state


def _groups(A: Any, axis: Any, data: Any) -> Iterator[tuple[Any, ...]]:
    """Indices, into data seen as `arrays.sliced`, of each group of rows projected onto at once."""
    outer, _, inner = arrays.sliced(data, axis).shape
    apart = min(getattr(A, "independent_columns", inner), inner)
    for o in range(outer):
        for first in range(apart):
            yield o, slice(None), slice(first, None, apart)


def _keep(group: tuple[Any, ...], data: Any, out: Any, axis: Any) -> None:
    """out ← the data of the group, zero elsewhere."""
    out[...] = 0
    arrays.sliced(out, axis)[group] = arrays.sliced(data, axis)[group]


def _square_norms(A: Any, axis: Any, out: Any) -> None:
    """out ← ‖aᵢ‖² of the rows of A; for orthogonal rows these are the entries of A (Σ aᵢ)."""
    ones, some = vectors.fill(arrays.like(out), 1), arrays.like(out)
    for group in _groups(A, axis, out):
        _keep(group, ones, some, axis)
        norms = A.forward(A.adjoint(some))
        arrays.sliced(out, axis)[group] = arrays.sliced(norms, axis)[group]
