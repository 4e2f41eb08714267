"""The problem: minimise  f(x) + prior(x)  over the x that the constraint allows.

Slices of a volume are separate problems when neither the operator nor the prior couples them; each
then has its own numbers.  Where the prior couples them the whole is one problem with one number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.checks import slice_norm_bounds
from physrecon.priors import Constraint, Prior, is_nonnegative
from physrecon.priors.base import per_leaf
from physrecon.priors.constraints import FREE


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be solved, apart from how.

    f: a likelihood, such as LeastSquares(A, y).  prior: such as TotalVariation(0.1).
    constraint: has `project(x)` and `bounds`, such as NonNegative().

    >>> f = pr.LeastSquares(pr.Identity(3), np.array([-1.0, 0.2, 3.0]))
    >>> problem = pr.Problem(f, pr.L1(0.5), pr.NonNegative())
    >>> pr.solve(problem, pr.FISTA()).x.round(3).tolist()
    [0.0, 0.0, 2.5]
    """

    f: Any
    prior: Prior | None = None
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        if not (hasattr(self.f, "values") and hasattr(self.f, "gradient")):
            raise ArgumentError(
                f"Problem.f: expected a likelihood such as LeastSquares(A, y), got {self.f!r}"
            )
        if self.prior is not None and not hasattr(self.prior, "capabilities"):
            raise ArgumentError(
                f"Problem.prior: expected a prior such as TotalVariation(0.1), got {self.prior!r}"
            )
        if self.constraint is not None:
            for needed in ("project", "bounds"):
                if not hasattr(self.constraint, needed):
                    raise ArgumentError(
                        "Problem.constraint: expected a constraint with project and bounds, such "
                        f"as NonNegative(), got {self.constraint!r}"
                    )

    @property
    def bounds(self) -> tuple[float, float] | None:
        """(lower, upper) between which x must lie; None where the constraint is no interval."""
        return FREE if self.constraint is None else self.constraint.bounds

    # Slices -----------------------------------------------------------------------------------

    @cached_property
    def separable(self) -> bool:
        """Whether every slice is a problem of its own."""
        axis = self.f.axis
        if axis is None:
            return False
        return self.prior is None or not self.prior.couples(axis, self.f.A.in_shape)

    @property
    def axis(self) -> Axis:
        """Axis of x along which the problem falls into slices, or None."""
        return self.f.axis if self.separable else None

    @property
    def data_axis(self) -> Axis:
        return self.f.data_axis if self.separable else None

    @property
    def count(self) -> int:
        """Number of slices that are solved each on its own; 1 where they are coupled."""
        return vectors.slice_count(self.f.A.in_shape, self.axis)

    def gather(self, numbers: Numbers) -> Numbers:
        """Sums over slices of the likelihood as sums over those of the problem."""
        return numbers if self.separable else numbers.sum(keepdims=True)

    # Values -----------------------------------------------------------------------------------

    @property
    def smooth_prior(self) -> Any:
        """The prior where it has a gradient, else None."""
        return (
            self.prior if self.prior is not None and "smooth" in self.prior.capabilities else None
        )

    def values(self, x: Vector) -> Numbers:
        """f of each slice."""
        return self.gather(self.f.values(x))

    def objective(self, x: Vector) -> Numbers:
        """f + prior of each slice."""
        values = self.values(x)
        return values if self.prior is None else values + self.prior.values(x, self.axis)

    def gradient_and_free_values(
        self, x: Vector, out: Vector = None
    ) -> tuple[Vector, Numbers | None]:
        """∇(f + smooth prior), and the values of f if they came with it."""
        gradient, values = self.f.gradient_and_free_values(x, out)
        if self.smooth_prior is not None:
            self.smooth_prior.values_and_gradient(x, self.axis, gradient)
        return gradient, None if values is None else self.gather(values)

    def objective_and_gradient(
        self, x: Vector, out: Vector = None
    ) -> tuple[Numbers, Numbers, Vector]:
        """f + smooth prior, f alone, and the gradient of the sum."""
        values, gradient = self.f.values_and_gradient(x, out)
        values = self.gather(values)
        if self.smooth_prior is None:
            return values, values, gradient
        penalty, gradient = self.smooth_prior.values_and_gradient(x, self.axis, gradient)
        return values + penalty, values, gradient

    # Quadratic priors -------------------------------------------------------------------------

    @cached_property
    def quadratic_operator(self) -> LinearOperator | None:
        """L of a prior ½ ‖L x‖², or None without a prior."""
        if self.prior is None:
            return None
        root = self.prior.quadratic_operator(self.f.A.in_shape)
        return root.with_slice_axis(self.axis) if self.separable else root

    @property
    def quadratic_axis(self) -> Axis:
        """Where the slices lie in the range of L."""
        if not self.separable or self.quadratic_operator is None:
            return None
        assert self.quadratic_operator.slices is not None  # it does not couple them
        return self.quadratic_operator.slices[1]

    @cached_property
    def normal(self) -> LinearOperator:
        """AᵀWA + LᵀL"""
        normal = self.f.normal
        return (
            normal
            if self.quadratic_operator is None
            else normal + self.quadratic_operator.T @ self.quadratic_operator
        )

    # Steps ------------------------------------------------------------------------------------

    @cached_property
    def lipschitz(self) -> Numbers:
        """Certified bounds of the curvature of f + smooth prior, one a slice.

        Raises ArgumentError where there is none, or none for x of both signs."""
        if self.smooth_prior is None:
            return self.data_lipschitz
        return self.data_lipschitz + self.smooth_prior.lipschitz(self.f.A.in_shape)

    @cached_property
    def data_lipschitz(self) -> Numbers:
        """`lipschitz` of f alone."""
        if getattr(self.f, "needs_nonnegative", False) and not is_nonnegative(self.constraint):
            raise ArgumentError(
                f"Problem: expected constraint=NonNegative() for a certified step on "
                f"{type(self.f).__name__}, whose curvature is bounded only for x >= 0, got "
                f"{self.constraint!r}; add it, or use LBFGS or GradientDescent(rule='armijo')"
            )
        return self._each(self.f.lipschitz)

    def _each(self, bounds: Any) -> Numbers:
        """Bounds of the slices of A as those of the problem."""
        count = vectors.slice_count(self.f.A.in_shape, self.f.axis)
        each = np.broadcast_to(np.asarray(bounds, np.float64), count)
        return each if self.separable else each.max(keepdims=True)

    # Splitting: f(x) = φ(A x), prior(x) = g(K x) ----------------------------------------------

    @property
    def has_dual(self) -> bool:
        """Whether A is linear and the proximal map of φ* has a closed form."""
        return isinstance(self.f.A, LinearOperator) and hasattr(self.f, "conjugate_prox")

    @cached_property
    def data_diagonal(self) -> Vector | None:
        """r > 0, or 0 for empty rows, with ‖r^½ A‖ <= 1, that broadcast against the data.

        r = 1 / (R max C) with the sums of rows R and columns C of A >= 0 (Pock and Chambolle,
        ICCV 2011); None for A of both signs."""
        A = self.f.A
        if not A.nonnegative:
            return None
        rows, columns = self._sums
        largest = vectors.per_slice_broadcast(
            columns, A.out_shape, None if len(columns) == 1 else self.data_axis
        )
        factors = iter(per_leaf(largest, rows))
        safe = 1 + 1e-4  # a little more, for rounding
        return vectors.reciprocal(vectors.transform(lambda row: row * next(factors) * safe, rows))

    @cached_property
    def data_norms(self) -> Numbers:
        """Certified bounds of ‖A‖ of each slice: √(max R max C) for A >= 0 (Schur 1911)."""
        if not self.f.A.nonnegative:
            return self._each(certified_norms(self.f.A, "GradientDescent(rule='armijo') or LBFGS"))
        rows, columns = self._sums
        return self._each(np.sqrt(vectors.peaks(rows, self.data_axis) * columns))

    @cached_property
    def _sums(self) -> tuple[Vector, Numbers]:
        """The sums of rows, and the largest sum of columns of each slice."""
        model = vectors.leaves(self.f.y)[0]
        return self.f.A.row_sums(model), vectors.peaks(self.f.A.column_sums(model), self.axis)

    @cached_property
    def prior_operator(self) -> LinearOperator:
        """K of a prior g(K x), its slices where those of the problem are."""
        assert self.prior is not None
        K = self.prior.operator(self.f.A.in_shape)
        return K.with_slice_axis(self.axis) if self.separable else K

    @property
    def prior_operator_axis(self) -> Axis:
        """Where the slices lie in the range of K."""
        if not self.separable:
            return None
        assert self.prior_operator.slices is not None  # it does not couple them
        return self.prior_operator.slices[1]

    @cached_property
    def prior_operator_norms(self) -> Numbers:
        """Certified bounds of ‖K‖ of each slice."""
        norms = certified_norms(self.prior_operator, "ADMM")
        return np.broadcast_to(norms if self.separable else norms.max(keepdims=True), self.count)


def certified_norms(A: LinearOperator, others: str) -> Numbers:
    """Upper bounds of ‖A‖ of each slice, or ArgumentError naming other solvers."""
    _, upper = slice_norm_bounds(A)
    if not np.isfinite(upper).all():
        raise ArgumentError(
            f"Problem: expected an operator with a certified norm, got {A}; let it override "
            f"_norm_bounds, or use {others}"
        )
    return upper
