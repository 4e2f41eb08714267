"""MLEM on ordered subsets of the views, OSEM:

    x ← x ∘ Aₛᵀ (yₛ / (Aₛ x + bₛ)) / (Aₛᵀ 1),   s = s₁, s₂, …

One subset moves x about as far as all views together, so the first passes are faster by the number
of subsets.  Each subset fits its own views, so x ends in a cycle around the volume of maximum
likelihood, one point per subset.  Hudson and Larkin, IEEE Trans. Med. Imaging 13 (1994) 601."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.likelihoods.expectation import multiply
from physrecon.problem import Problem
from physrecon.solvers import subsets
from physrecon.solvers.mlem import bounds_of, column_sums, first, first_ratio, flat_level
from physrecon.solvers.state import VECTOR, ArraysHeld, State


@dataclass
class OSEMState(State):
    """columns: Aₛᵀ 1 of each subset.  empty: subsets without counts, (subsets, slices)."""

    columns: Vector = field(metadata=VECTOR)
    empty: NDArray[np.bool_]


@dataclass(frozen=True)
class OSEM(subsets.SubsetSolver):
    """The problems of MLEM, with data (views, …).  An iteration is one pass over all subsets.

    subsets: number of subsets of the views, axis 0 of the data; None is one per view, 1 is MLEM.
    With more than one, f may rise in a pass and does not reach its minimum.  x remains bounded:
    without bounds on x, xⱼ ≤ Σ yₛ / (Aₛᵀ 1)ⱼ after the last subset s that sees voxel j.
    order: of the subsets, "golden", "sequential" or "random", a shuffle of (seed, iteration).

    A subset without a single count in a slice would set every voxel that it sees to zero for ever.
    Such a subset is left out for that slice, and the result says so; MLEM uses its views.

    Holds x, x before the pass and one more volume, y and a copy of it cut into subsets, and of each
    Aₛᵀ 1 one slice if A treats all alike, else a volume.

    >>> A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    >>> x = np.zeros((1, 9, 9), np.float32)
    >>> x[0, 3:6, 3:6] = 1
    >>> problem = pr.Problem(pr.PoissonLikelihood(A, A @ x))
    >>> result = pr.solve(problem, pr.OSEM(subsets=5), stop=pr.Stop(iterations=10))
    >>> bool(abs(result.x - x).max() < 0.05)
    True
    """

    subsets: int | None = 8
    order: str = "golden"
    seed: int = 0

    iterations = 10
    state_type = OSEMState
    counts_only = True
    certified = False
    holds = ArraysHeld(data=3, volumes=3)

    def start(self, problem: Problem, x0: Vector = None) -> OSEMState:
        count = subsets.count(self, problem)
        columns = column_sums(self, problem)
        fields = first(self, problem, x0, columns, flat_level(problem, columns))
        first_ratio(self, problem, fields["x"])
        model = vectors.leaves(problem.f.y)[0]
        parts = subsets.likelihoods(problem, count)
        each = [problem.gather(vectors.sums(f.y, f.data_axis)) for f in parts]
        counts = np.reshape(each, (len(parts), problem.count))
        return OSEMState(
            **fields,
            columns=tuple(f.A.column_sums(model) for f in parts),
            empty=(counts == 0) & (counts > 0).any(axis=0),
        )

    def advance(self, problem: Problem, state: OSEMState) -> OSEMState:
        count = subsets.count(self, problem)
        parts = subsets.likelihoods(problem, count)
        before = subsets.remember(problem, state)
        bounds, axis = bounds_of(problem), problem.axis
        for s in subsets.ordered(self.order, count, self.seed, state.iteration):
            A = parts[s].A
            p = A.forward(state.x, state.scratch(f"{A.out_shape[0]} views", A.out_shape))
            parts[s].data_ratios(p)
            factor = A.adjoint(p, state.scratch("factor", A.in_shape))
            seen = state.active & ~state.empty[s]
            multiply(state.x, factor, state.columns[s], None, bounds, axis, seen)
        subsets.finish(problem, state, before)
        return state

    def remark(self, state: OSEMState) -> str:
        number = int(state.empty.any(axis=1).sum())
        total = f"{number} of {len(state.empty)} subsets"
        return f"{total} without counts in a slice were left out there" if number else ""
