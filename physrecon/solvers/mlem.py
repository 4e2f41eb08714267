"""Maximum likelihood of counts by expectation and maximisation, MLEM:

    x ← x ∘ Aᵀ (y / (A x + b)) / (Aᵀ 1).

Every iteration lowers f, preserves x ≥ 0 and, without background, makes Σ A x = Σ y.  It minimises
an upper bound of f that is a sum over the voxels; clipping each voxel therefore meets bounds on x
exactly.  Shepp and Vardi, IEEE Trans. Med. Imaging 1 (1982) 113; Lange and Carson, J. Comput.
Assist. Tomogr. 8 (1984) 306.  For a blur it is the method of Richardson (1972) and Lucy (1974);
`RichardsonLucy` adds acceleration and priors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.likelihoods import PoissonLikelihood
from physrecon.likelihoods.expectation import multiply
from physrecon.priors.constraints import FREE
from physrecon.problem import Problem
from physrecon.solvers.refusals import refuse_negative
from physrecon.solvers.state import (
    VECTOR,
    ArraysHeld,
    Solver,
    State,
    initial_fields,
    ratio,
    record_change,
)

FAINTEST = 0.01  # least part of the counts that the first x explains, whatever the background
UNSEEN = 100  # column sums below so many eps of the largest are rounding of a Fourier transform


@dataclass
class MLEMState(State):
    """ratio: y / (A x + b).  columns: Aᵀ 1, broadcastable against x."""

    ratio: Vector = field(metadata=VECTOR)
    columns: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class MLEM(Solver):
    """PoissonLikelihood and PoissonGaussianLikelihood, x ≥ 0 and bounds on x; A ≥ 0.

    The default x0 is the flat volume that explains the counts beyond the background.  Voxels that
    are zero in x0 stay zero.  Voxels that no ray crosses stay as in x0, or zero without x0.
    Holds x and one more volume, y and the ratio, and of Aᵀ 1 one slice if A treats all alike, else
    a volume.  Stop early on noisy data, or give a discrepancy: the volume of maximum likelihood is
    noisy.

    >>> A = pr.Projector(pr.ParallelBeam(range(0, 180, 12), (1, 9), angle_unit="deg"))
    >>> x = np.zeros((1, 9, 9), np.float32)
    >>> x[0, 3:6, 3:6] = 1
    >>> problem = pr.Problem(pr.PoissonLikelihood(A, A @ x))
    >>> result = pr.solve(problem, pr.MLEM(), stop=pr.Stop(iterations=50))
    >>> bool(abs(result.x - x).max() < 0.05)
    True
    """

    iterations = 50
    state_type = MLEMState
    counts_only = True
    holds = ArraysHeld(data=2, volumes=2)

    def start(self, problem: Problem, x0: Vector = None) -> MLEMState:
        columns = column_sums(self, problem)
        fields = first(self, problem, x0, columns, flat_level(problem, columns))
        y_ratio, fields["value"] = first_ratio(self, problem, fields["x"])
        return MLEMState(**fields, ratio=y_ratio, columns=columns)

    def advance(self, problem: Problem, state: MLEMState) -> MLEMState:
        A = problem.f.A
        factor = A.adjoint(state.ratio, state.scratch("factor", A.in_shape))
        place = (bounds_of(problem), problem.axis, state.active)
        record_change(state, *multiply(state.x, factor, state.columns, None, *place))
        state.value = predict(problem, state.x, state.ratio)
        return state


def column_sums(solver: Any, problem: Problem) -> Vector:
    """Aᵀ 1 `without_noise`.  Raises ArgumentError for a problem that MLEM cannot solve."""
    f, name = problem.f, type(solver).__name__
    if not isinstance(f, PoissonLikelihood):
        raise ArgumentError(
            f"{name}: expected PoissonLikelihood or PoissonGaussianLikelihood, got "
            f"{type(f).__name__}; use SIRT for least squares, LBFGS for other likelihoods"
        )
    refuse_negative(problem, solver, "PDHG")
    if problem.bounds is None:
        raise ArgumentError(
            f"{name}: expected NonNegative() or Box(...), got {problem.constraint!r}; use PDHG"
        )
    A: Any = f.A
    return without_noise(A.column_sums(vectors.leaves(f.y)[0]), problem.axis, A.min_column_sum)


def without_noise(columns: Vector, axis: Axis, min_column_sum: float) -> Vector:
    """columns ← 0 where they are below `min_column_sum`, or rounding, relative to the largest."""
    for leaf, where in zip(vectors.leaves(columns), vectors.leaf_axes(axis, columns), strict=True):
        if leaf.size:
            others = tuple(i for i in range(leaf.ndim) if i != where)
            most = leaf.max(axis=others, keepdims=True)
            leaf *= leaf > max(min_column_sum, UNSEEN * float(np.finfo(leaf.dtype).eps)) * most
    return columns


def flat_level(problem: Problem, columns: Vector) -> Numbers:
    """The constant x of each slice that explains its total counts:  Σ A x + b = Σ y."""
    f, axis = problem.f, problem.data_axis
    nothing = vectors.fill(vectors.empty(f.A.out_shape, f.y), 0)
    background, counts = vectors.sums(f.expected_data(nothing), axis), vectors.sums(f.y, axis)
    del nothing
    response = vectors.empty(f.A.in_shape, f.y)
    vectors.assign(response, columns)
    wanted = np.maximum(counts - background, FAINTEST * counts)
    return ratio(wanted, vectors.sums(response, problem.axis))


def first(
    solver: Any, problem: Problem, x0: Vector, columns: Vector, level: Numbers
) -> dict[str, Any]:
    """The fields of a state at x0; without x0, `level` where columns > 0 and 0 elsewhere."""
    fields = initial_fields(problem, x0)
    x, axis = fields["x"], problem.axis
    if x0 is None:
        vectors.assign(x, columns)
        for leaf in vectors.leaves(x):
            arrays.namespace(leaf).greater(leaf, np.finfo(leaf.dtype).tiny, out=leaf)
        each = np.full(problem.count, level)
        vectors.scale_add(x, each, np.zeros_like(each), x, axis, [True] * len(each))
        if problem.constraint is not None:
            problem.constraint.project(x)
    if any(leaf.size and leaf.min() < 0 for leaf in vectors.leaves(x)):
        name = type(solver).__name__
        raise ArgumentError(f"{name}: expected x0 >= 0, got negative elements; clip them")
    return fields


def first_ratio(solver: Any, problem: Problem, x: Vector) -> tuple[Vector, Numbers]:
    """y / (A x + b) in new memory, and f of each slice.  Raises ArgumentError for infinite f."""
    y_ratio = vectors.empty(problem.f.A.out_shape, x)
    values = predict(problem, x, y_ratio)
    if not np.isfinite(values).all():
        raise ArgumentError(
            f"{type(solver).__name__}: expected A x0 + background > 0 wherever there are counts, "
            "got 0: no voxel can give them; give a background, or an x0 with fewer zeros"
        )
    return y_ratio, values


def predict(problem: Problem, x: Vector, out: Vector) -> Numbers:
    """out ← y / (A x + b); return f of each slice."""
    problem.f.A.forward(x, out)
    return problem.gather(problem.f.data_ratios(out))


def bounds_of(problem: Problem) -> tuple[float, float]:
    """The bounds of the constraint, the lower one at least 0."""
    lower, upper = problem.bounds or FREE
    return max(lower, 0.0), upper
