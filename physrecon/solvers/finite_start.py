"""A start at which counts are possible.

f is infinite where A x + b = 0 < y, and no line search descends from there.  So in the slices whose
f is infinite, x is raised by the flat volume that explains the counts, as MLEM starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.likelihoods import PoissonLikelihood
from physrecon.problem import Problem
from physrecon.solvers.mlem import flat_level, without_noise
from physrecon.solvers.state import initial_fields


def finite_fields(
    solver: Any, problem: Problem, x0: Vector
) -> tuple[dict[str, Any], Numbers, Vector]:
    """`initial_fields` with f(x), the objective of each slice and its gradient.

    Raises ArgumentError for counts that no x explains."""
    fields = initial_fields(problem, x0)
    objective, fields["value"], gradient = problem.objective_and_gradient(fields["x"])
    impossible = np.isposinf(objective)
    f: Any = problem.f
    if not (impossible.any() and isinstance(f, PoissonLikelihood)):
        return fields, objective, gradient
    if getattr(f.A, "nonnegative", False):
        _raise(problem, fields["x"], impossible)
        objective, fields["value"], gradient = problem.objective_and_gradient(fields["x"], gradient)
    if np.isposinf(objective).any():
        name = type(solver).__name__
        raise ArgumentError(
            f"{name}: expected A x0 + background > 0 wherever there are counts, got 0; give "
            "an x0 with fewer zeros, or a background where no voxel can give counts"
        )
    return fields, objective, gradient


def _raise(problem: Problem, x: Vector, which: Any) -> None:
    """x ← P(x + the flat volume) on the voxels that A sees, in the slices `which`."""
    A, axis = problem.f.A, problem.axis
    columns = A.column_sums(vectors.leaves(problem.f.y)[0])
    columns = without_noise(columns, axis, A.min_column_sum)
    level = np.broadcast_to(flat_level(problem, columns), problem.count)
    seen = vectors.empty(A.in_shape, x)
    vectors.assign(seen, columns)
    seen = vectors.transform(lambda leaf: (leaf > 0).astype(leaf.dtype), seen)
    vectors.scale_add(x, np.ones(len(level)), level, seen, axis, which)
    if problem.constraint is not None:
        problem.constraint.project(x)
