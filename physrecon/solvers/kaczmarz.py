"""Kaczmarz's method: x is projected onto the hyperplane of one datum after the other,

    x ← P(x + λ aᵢ (yᵢ − ⟨aᵢ, x⟩) / ‖aᵢ‖²).

From 0 it comes to the solution of least norm, if there is a solution; the error falls with every
row (Kaczmarz 1937; Tanabe, Numer. Math. 17 (1971) 203).  Of noisy data it ends in a cycle, one
point per row, which a small λ draws to the solution of least squares weighted by 1/‖aᵢ‖².

Rows without a common voxel are orthogonal: projecting onto one leaves the others where they were.
Rays of one view some columns apart are such rows and are treated at once, with the same result."""

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
    """inverse: 1/‖aᵢ‖² of every row, of one slice where A treats all alike; 0 for rows left out."""

    inverse: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class Kaczmarz(subsets.SubsetSolver):
    """Data that agree, A x = y; any constraint.  An iteration is one pass over all rows.

    relaxation: λ, 0 < λ < 2.  order: of the views in a pass, "golden", "sequential" or "random", a
    shuffle that belongs to (seed, iteration) (compare Strohmer and Vershynin, J. Fourier Anal.
    Appl. 15 (2009) 262, who draw rows with replacement).  Weights only say which data count: those
    of weight 0 are left out.

    Slow: every group of rows takes one view of A and of Aᵀ.  A Projector tells how far apart rays
    are independent (`independent_columns`), which makes two groups a view where pixels are as
    large as voxels: a pass takes twice the time of one of SART and gets about as far.  Any other
    operator is used row by row: as many times a view as it has data.

    Holds x, x before the pass and one more volume, y, a view of data, and one slice of data where A
    treats all slices alike and has no weights, else a data set.

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
    """Where in data seen as `arrays.sliced` the rows lie that are treated at once."""
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
    """out ← ‖aᵢ‖² of the rows of A: of orthogonal rows, what A gives of their sum."""
    ones, some = vectors.fill(arrays.like(out), 1), arrays.like(out)
    for group in _groups(A, axis, out):
        _keep(group, ones, some, axis)
        norms = A.forward(A.adjoint(some))
        arrays.sliced(out, axis)[group] = arrays.sliced(norms, axis)[group]
