"""The problem: minimise  f(x) + prior(x)  over the x that the constraint allows.

If neither the operator nor the prior couples the slices of a volume, every slice is a problem of
its own, with its own scalars.  Otherwise the volume is one problem with one set of scalars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakSet

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.errors import ArgumentError, brief
from physrecon.notebook import html
from physrecon.operators.base import LinearOperator
from physrecon.operators.checks import refuse_wrong_adjoint, slice_norm_bounds
from physrecon.priors import Constraint, Prior, is_nonnegative
from physrecon.priors.base import per_leaf
from physrecon.priors.constraints import FREE

_TRIED: WeakSet[LinearOperator] = WeakSet()  # operators whose adjoint was tried


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """Minimise f(x) + prior(x) over the x that the constraint allows, whatever the solver.

    Args:
        f: a likelihood, such as LeastSquares(A, y).
        prior: such as TotalVariation(0.1); by default none.
        constraint: such as NonNegative() or Box(0, 1); it has `project(x)` and `bounds`.  By
            default none.
    Raises:
        ArgumentError: for something else.

    Example:
        >>> f = pr.LeastSquares(pr.Identity(3), np.array([-1.0, 0.2, 3.0]))
        >>> problem = pr.Problem(f, pr.L1(0.5), pr.NonNegative())
        >>> pr.solve(problem, pr.FISTA()).x.round(3).tolist()
        [0.0, 0.0, 2.5]
    """

    f: Any
    prior: Prior | None = None
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        if not _has(self.f, "values", "gradient"):
            raise ArgumentError(
                "Problem.f: expected a likelihood such as pr.LeastSquares(A, y), got "
                f"{brief(self.f)}"
            )
        if self.prior is not None and not _has(self.prior, "capabilities"):
            raise ArgumentError(
                f"Problem.prior: expected a prior such as pr.TV(0.1), got {brief(self.prior)}"
            )
        if self.constraint is not None and not _has(self.constraint, "project", "bounds"):
            raise ArgumentError(
                "Problem.constraint: expected a constraint with project and bounds, such as "
                f"pr.NonNegative(), got {brief(self.constraint)}"
            )

    def __repr__(self) -> str:
        prior, constraint = (part or "none" for part in (self.prior, self.constraint))
        return f"Problem\n  f: {self.f!r}\n  prior: {prior}\n  constraint: {constraint}"

    def _repr_html_(self) -> str:
        y = self.f.y
        return html(repr(self), None if isinstance(y, tuple) else arrays.to_host(y))

    @property
    def bounds(self) -> tuple[float, float] | None:
        """(lower, upper) bounds of the elements of x; None if the constraint is no interval."""
        return FREE if self.constraint is None else self.constraint.bounds

    def refuse_wrong_adjoint(self, x: Vector = None) -> None:
        """Try once each adjoint that is not proved: of A, or of its Jacobian at x (None: zeros).

        Costs one A and one Aᵀ.  Raises ArgumentError."""
        A, y = getattr(self.f, "A", None), getattr(self.f, "y", None)
        if A is None or y is None:
            return
        if not isinstance(A, LinearOperator):
            x = vectors.fill(vectors.empty(A.in_shape, y), 0) if x is None else x
            A = A.linearize(x)
        for part in A.unproved_parts():
            if part not in _TRIED:
                refuse_wrong_adjoint(part, y)
                _TRIED.add(part)

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
        """Axis of x along which the slices are separate problems, or None."""
        return self.f.axis if self.separable else None

    @property
    def data_axis(self) -> Axis:
        return self.f.data_axis if self.separable else None

    @property
    def count(self) -> int:
        """Number of slices solved separately; 1 if they are coupled."""
        return vectors.slice_count(self.f.A.in_shape, self.axis)

    def gather(self, numbers: Numbers) -> Numbers:
        """Convert one number per slice of f into one per slice of the problem, by summing."""
        return numbers if self.separable else numbers.sum(keepdims=True)

    # Values -----------------------------------------------------------------------------------

    @cached_property
    def least_values(self) -> Numbers | None:
        """f of each slice, below which f has no minimum; None if prior or constraint provide one.

        The deviance of counts is >= 0, but its formula falls without end for A x + b < 0 = y."""
        if not hasattr(self.f, "least_values") or self.prior or is_nonnegative(self.constraint):
            return None
        return self.gather(self.f.least_values())

    @property
    def smooth_prior(self) -> Any:
        """The prior if it has a gradient, else None."""
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
        """∇(f + smooth prior), and f of each slice, or None if it would cost extra."""
        gradient, values = self.f.gradient_and_free_values(x, out)
        if self.smooth_prior is not None:
            self.smooth_prior.values_and_gradient(x, self.axis, gradient)
        return gradient, None if values is None else self.gather(values)

    def objective_and_gradient(
        self, x: Vector, out: Vector = None
    ) -> tuple[Numbers, Numbers, Vector]:
        """f + smooth prior and f alone, of each slice, and the gradient of the sum."""
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
        """Axis of the slices in the range of L, or None."""
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
        """Certified upper bounds of the curvature of f + smooth prior, one per slice.

        Raises ArgumentError if no bound exists, or none without the constraint x >= 0."""
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
        """Convert bounds per slice of A into bounds per slice of the problem."""
        count = vectors.slice_count(self.f.A.in_shape, self.f.axis)
        each = np.full(count, bounds, np.float64)
        return each if self.separable else each.max(keepdims=True)

    # Splitting: f(x) = φ(A x), prior(x) = g(K x) ----------------------------------------------

    @property
    def has_dual(self) -> bool:
        """Whether A is linear and the proximal map of φ* has a closed form."""
        return isinstance(self.f.A, LinearOperator) and hasattr(self.f, "conjugate_prox")

    @cached_property
    def data_diagonal(self) -> Vector | None:
        """Diagonal r with ‖r^½ A‖ <= 1, broadcastable against the data; 0 for empty rows of A.

        r = 1 / (R max C) with the row sums R and the column sums C of A >= 0 (Pock and Chambolle,
        ICCV 2011); None if A has negative entries."""
        A = self.f.A
        if not A.nonnegative:
            return None
        rows, columns = self._sums
        largest = vectors.per_slice_broadcast(
            columns, A.out_shape, None if len(columns) == 1 else self.data_axis
        )
        factors = iter(per_leaf(largest, rows))
        safe = 1 + 1e-4  # margin for rounding
        return vectors.reciprocal(vectors.transform(lambda row: row * next(factors) * safe, rows))

    @cached_property
    def data_norms(self) -> Numbers:
        """Certified bounds of ‖A‖ of each slice: √(max R max C) for A >= 0 (Schur 1911)."""
        if not self.f.A.nonnegative:
            return self._each(certified_norms(self.f.A))
        rows, columns = self._sums
        return self._each(np.sqrt(vectors.peaks(rows, self.data_axis) * columns))

    @cached_property
    def _sums(self) -> tuple[Vector, Numbers]:
        """The row sums of A, and the largest column sum of each slice."""
        model = vectors.leaves(self.f.y)[0]
        return self.f.A.row_sums(model), vectors.peaks(self.f.A.column_sums(model), self.axis)

    @cached_property
    def prior_operator(self) -> LinearOperator:
        """K of a prior g(K x), with the slice axis of the problem."""
        assert self.prior is not None
        K = self.prior.operator(self.f.A.in_shape)
        return K.with_slice_axis(self.axis) if self.separable else K

    @property
    def prior_operator_axis(self) -> Axis:
        """Axis of the slices in the range of K, or None."""
        if not self.separable:
            return None
        assert self.prior_operator.slices is not None  # it does not couple them
        return self.prior_operator.slices[1]

    def prior_field(self, like: Vector) -> Vector:
        """The zero v of a prior min_v g(K (x, v))."""
        return vectors.fill(vectors.empty(self.prior_operator.in_shape[1], like), 0)

    @property
    def prior_field_axis(self) -> Axis:
        """Axis of the slices in v, or None."""
        if not self.separable:
            return None
        assert self.prior_operator.slices is not None  # it does not couple them
        return self.prior_operator.slices[0][1]  # type: ignore[index]

    @cached_property
    def prior_operator_norms(self) -> Numbers:
        """Certified bounds of ‖K‖ of each slice."""
        norms = certified_norms(self.prior_operator)
        return np.full(self.count, norms if self.separable else norms.max(keepdims=True))


def _has(value: Any, *names: str) -> bool:
    """Whether the value, which is no class, has these attributes."""
    return not isinstance(value, type) and all(hasattr(value, name) for name in names)


def certified_norms(A: LinearOperator) -> Numbers:
    """Upper bounds of ‖A‖ of each slice.  Raises ArgumentError if one is not finite."""
    _, upper = slice_norm_bounds(A)
    if not np.isfinite(upper).all():
        raise ArgumentError(
            f"Problem: expected an operator with a finite norm, got {A} with the bound "
            f"{upper.max()}; look for NaN and infinity in it, or correct its _norm_bounds"
        )
    return upper
