"""Maximum likelihood of counts by expectation and maximisation, MLEM:

    x ← x ∘ Aᵀ (y / (A x + b)) / (Aᵀ 1).

Every iteration lowers f, keeps x ≥ 0 and, without background, makes Σ A x = Σ y.  What it lowers is
a bound of f that is a sum over the voxels, so that bounds on x are honoured exactly by clipping
each voxel.  Shepp and Vardi, IEEE Trans. Med. Imaging 1 (1982) 113; Lange and Carson, J. Comput.
Assist. Tomogr. 8 (1984) 306.  For a blur it is the method of Richardson (1972) and Lucy (1974)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays, spaces
from physrecon.errors import ArgumentError
from physrecon.likelihoods import PoissonLikelihood
from physrecon.problem import Problem
from physrecon.solvers.state import VECTOR, State, fresh, reciprocal, replace_x
from physrecon.spaces import Vector


@dataclass
class MLEMState(State):
    """ratio: y / (A x + b).  columns: 1 / (Aᵀ 1)."""

    ratio: Vector = field(metadata=VECTOR)
    columns: Vector = field(metadata=VECTOR)


@dataclass(frozen=True)
class MLEM:
    """PoissonLikelihood and PoissonGaussianLikelihood, x ≥ 0 and bounds on x; A ≥ 0.

    Starts from ones; voxels where x0 is zero stay zero, and voxels that no ray crosses stay as they
    are in x0, or zero without one.  Holds x and one more volume, y and the ratio, and of Aᵀ 1 one
    slice where A treats all alike, else a volume.  Stop early on noisy data, or give a discrepancy:
    the likeliest volume is a noisy one."""

    name: ClassVar[str] = "mlem"
    state_type: ClassVar[type[State]] = MLEMState
    takes_prior: ClassVar[tuple[str, ...]] = ()
    takes_constraint: ClassVar[bool] = True
    certified: ClassVar[bool] = True
    holds: ClassVar[tuple[int, int]] = (2, 2)

    def start(self, problem: Problem, x0: Vector = None) -> MLEMState:
        f, fields = problem.f, first(self, problem, x0)
        columns = inverse_sums(f.A, f.y)
        ratio = f.A.forward(fields["x"])
        fields["value"] = ratios(f, ratio)
        return MLEMState(**fields, ratio=ratio, columns=columns)

    def advance(self, problem: Problem, state: MLEMState) -> MLEMState:
        f = problem.f
        factor = f.A.adjoint(state.ratio, state.scratch("factor", f.A.in_shape))
        replace_x(problem, state, multiplied(problem, state.x, factor, state.columns))
        f.A.forward(state.x, state.ratio)
        state.value = ratios(f, state.ratio)
        return state


def first(solver: Any, problem: Problem, x0: Vector) -> dict[str, Any]:
    """The fields of a state from x0 or ones, once the problem is seen to be one of counts."""
    f, name = problem.f, type(solver).__name__
    if not isinstance(f, PoissonLikelihood):
        raise ArgumentError(
            f"{name}: expected PoissonLikelihood or PoissonGaussianLikelihood, got "
            f"{type(f).__name__}; use SIRT for least squares, LBFGS for other likelihoods"
        )
    if not getattr(f.A, "nonnegative", False):
        raise ArgumentError(
            f"{name}: expected a linear operator without negative entries, got {f.A}; use PDHG"
        )
    if problem.constraint is not None and not hasattr(problem.constraint, "bounds"):
        raise ArgumentError(
            f"{name}: expected NonNegative() or Box(...), got {problem.constraint!r}; use PDHG"
        )
    fields = fresh(problem, x0, default=1.0)
    if x0 is None:
        for leaf, inverse in _pairs(fields["x"], inverse_sums(f.A, f.y)):
            leaf *= inverse > 0
    if any((leaf < 0).any() for leaf in spaces.leaves(fields["x"])):
        raise ArgumentError(f"{name}: expected x0 >= 0, got negative elements; clip them")
    if not np.isfinite(f.values(fields["x"])).all():
        raise ArgumentError(
            f"{name}: expected A x0 + background > 0 wherever there are counts, got 0: no voxel "
            "can give them; give a background, or an x0 with fewer zeros"
        )
    return fields


def inverse_sums(A: Any, y: Vector) -> Vector:
    """1 / (Aᵀ 1), and 0 for voxels that no ray crosses."""
    return spaces.transform(reciprocal, A.column_sums(spaces.leaves(y)[0]))


def ratios(f: Any, p: Vector) -> Any:
    """p ← y / (p + b), which is 1 − φ'(p), and the values of f."""
    values = f.data_slopes(p)
    for leaf in spaces.leaves(p):
        arrays.namespace(leaf).subtract(1, leaf, out=leaf)
    return values


def multiplied(problem: Problem, x: Vector, factor: Vector, columns: Vector) -> Vector:
    """x ∘ factor ∘ columns within the bounds, in place of factor; x where columns is zero."""
    spaces.multiply(factor, columns)
    for leaf, inverse in _pairs(factor, columns):
        leaf += inverse == 0
    spaces.multiply(factor, x)
    return factor if problem.constraint is None else problem.constraint.project(factor)


def _pairs(a: Vector, b: Vector) -> Any:
    return zip(spaces.leaves(a), spaces.leaves(b), strict=True)
