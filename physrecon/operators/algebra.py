"""Operators made of operators: each node is one line of algebra, with its transpose or Jacobian.

(A B)ᵀ = Bᵀ Aᵀ,  (A + B)ᵀ = Aᵀ + Bᵀ,  (α A)ᵀ = α Aᵀ;
D(F ∘ G)(x) = DF(G(x)) DG(x),  D(F + G) = DF + DG,  D(α F) = α DF.
A node comes in two kinds: for any operators, and, where all of them are linear, a linear one.
Non-negativity, slices and the single-slice operator are passed on wherever they hold."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator, Operator

Bounds = Callable[[LinearOperator], Any]


class Transpose(LinearOperator):
    """Aᵀ; its transpose is A itself."""

    def __init__(self, A: LinearOperator) -> None:
        self._A = A
        self.in_shape, self.out_shape, self.dtype = A.out_shape, A.in_shape, A.dtype
        self.nonnegative = A.nonnegative
        self.slices = A.slices and A.slices[::-1]

    @property
    def T(self) -> LinearOperator:
        return self._A

    def _forward(self, x: Vector, out: Vector) -> None:
        self._A.apply_adjoint(x, out)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._A.apply(y, out)

    def one_slice(self) -> LinearOperator | None:
        return _transposed(self._A.one_slice())

    def along(self, axis: Axis) -> LinearOperator:
        return self._A.along(axis).T

    def on_views(self, views: Any) -> LinearOperator | None:
        return _transposed(self._A.on_views(views))

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return bounds(self._A)  # ‖Aᵀ‖ = ‖A‖


def _transposed(A: LinearOperator | None) -> LinearOperator | None:
    return None if A is None else A.T


class Scaled(Operator):
    """α F"""

    def __init__(self, A: Any, factor: Real | float) -> None:
        self._A, self._factor = A, float(factor)
        if not np.isfinite(self._factor):
            raise ArgumentError(f"number * {A}: expected a finite number, got {factor}")
        self.in_shape, self.out_shape, self.dtype = A.in_shape, A.out_shape, A.dtype
        self.slices = A.slices

    def _forward(self, x: Vector, out: Vector) -> None:
        self._A.apply(x, out)
        self._scale(out)

    def _scale(self, out: Vector) -> None:
        for leaf in vectors.leaves(out):
            leaf *= self._factor

    def linearize(self, x: Vector) -> LinearOperator:
        return self._factor * self._A.linearize(x)

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        y, jacobian = self._A.forward_and_linearize(x, out)
        self._scale(y)
        return y, self._factor * jacobian

    def one_slice(self) -> Any:
        return self._scaled(self._A.one_slice())

    def along(self, axis: Axis) -> Any:
        return self._scaled(self._A.along(axis))

    def on_views(self, views: Any) -> Any:
        return self._scaled(self._A.on_views(views))

    def __getitem__(self, views: Any) -> Any:
        return self._scaled(self._A[views])

    def _scaled(self, A: Any) -> Any:
        return None if A is None else self._factor * A


class LinearScaled(LinearOperator, Scaled):
    """α A"""

    def __init__(self, A: LinearOperator, factor: Real | float) -> None:
        super().__init__(A, factor)
        self.nonnegative = A.nonnegative and self._factor >= 0

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._A.apply_adjoint(y, out)
        self._scale(out)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        lower, upper = bounds(self._A)
        return abs(self._factor) * lower, abs(self._factor) * upper


class Composition(Operator):
    """F ∘ G: first G, then F."""

    def __init__(self, A: Any, B: Any) -> None:
        if A.in_shape != B.out_shape:
            raise ArgumentError(
                f"A @ B: expected A to take what B gives, {B.out_shape}, got {A} @ {B}"
            )
        if B.slices:
            A = A.along(B.slices[1])
        if A.slices:
            B = B.along(A.slices[0])
        self._A, self._B = A, B
        self.in_shape, self.out_shape = B.in_shape, A.out_shape
        self.dtype = np.result_type(A.dtype, B.dtype)
        if A.slices and B.slices and A.slices[0] == B.slices[1]:
            self.slices = (B.slices[0], A.slices[1])

    def _forward(self, x: Vector, out: Vector) -> None:
        between = vectors.empty(self._B.out_shape, x)
        self._B.apply(x, between)
        self._A.apply(between, out)

    def linearize(self, x: Vector) -> LinearOperator:
        between, jacobian = self._B.forward_and_linearize(x)
        return self._A.linearize(between) @ jacobian

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        between, inner = self._B.forward_and_linearize(x)
        y, outer = self._A.forward_and_linearize(between, out)
        return y, outer @ inner

    def one_slice(self) -> Any:
        a, b = self._A.one_slice(), self._B.one_slice()
        return a @ b if self.slices and a is not None and b is not None else None

    def along(self, axis: Axis) -> Any:
        return compose(self._A.along(axis), self._B.along(axis))

    def on_views(self, views: Any) -> Any:
        a, b = self._A.on_views(views), self._B.on_views(views)
        return None if a is None or b is None else a @ b

    def __getitem__(self, views: Any) -> Any:
        some = self._A.on_views(views)
        return self._A[views] @ self._B if some is None else some @ self._B[views]


class LinearComposition(LinearOperator, Composition):
    """A B: first B, then A."""

    def __init__(self, A: LinearOperator, B: LinearOperator) -> None:
        super().__init__(A, B)
        self.nonnegative = A.nonnegative and B.nonnegative

    def _adjoint(self, y: Vector, out: Vector) -> None:
        between = vectors.empty(self._B.out_shape, y)
        self._A.apply_adjoint(y, between)
        self._B.apply_adjoint(between, out)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return None if self.nonnegative else (0, bounds(self._A)[1] * bounds(self._B)[1])


class Sum(Operator):
    """F + G"""

    def __init__(self, A: Any, B: Any) -> None:
        if (A.in_shape, A.out_shape) != (B.in_shape, B.out_shape):
            raise ArgumentError(f"A + B: expected equal shapes, got {A} + {B}")
        if A.slices:
            B = B.along(A.slices[1])
        if B.slices:
            A = A.along(B.slices[1])
        self._A, self._B = A, B
        self.in_shape, self.out_shape = A.in_shape, A.out_shape
        self.dtype = np.result_type(A.dtype, B.dtype)
        self.slices = A.slices if A.slices == B.slices else None

    def _forward(self, x: Vector, out: Vector) -> None:
        self._A.apply(x, out)
        other = vectors.empty(self.out_shape, x)
        self._B.apply(x, other)
        vectors.add(out, other)

    def linearize(self, x: Vector) -> LinearOperator:
        return self._A.linearize(x) + self._B.linearize(x)

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        y, first = self._A.forward_and_linearize(x, out)
        other, second = self._B.forward_and_linearize(x)
        vectors.add(y, other)
        return y, first + second

    def one_slice(self) -> Any:
        a, b = self._A.one_slice(), self._B.one_slice()
        return a + b if self.slices and a is not None and b is not None else None

    def __getitem__(self, views: Any) -> Any:
        return self._A[views] + self._B[views]


class LinearSum(LinearOperator, Sum):
    """A + B"""

    def __init__(self, A: LinearOperator, B: LinearOperator) -> None:
        super().__init__(A, B)
        self.nonnegative = A.nonnegative and B.nonnegative

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._A.apply_adjoint(y, out)
        other = vectors.empty(self.in_shape, y)
        self._B.apply_adjoint(y, other)
        vectors.add(out, other)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return None if self.nonnegative else (0, bounds(self._A)[1] + bounds(self._B)[1])


def scale(F: Operator, factor: Real) -> Operator:
    """α F"""
    return LinearScaled(F, factor) if isinstance(F, LinearOperator) else Scaled(F, factor)


def compose(F: Operator, G: Operator) -> Operator:
    """F ∘ G.  (F₁ F₂) G becomes F₁ (F₂ G), so that views and slices of G are seen by each."""
    if isinstance(F, Composition):
        return compose(F._A, compose(F._B, G))
    if isinstance(F, LinearOperator) and isinstance(G, LinearOperator):
        return LinearComposition(F, G)
    return Composition(F, G)


def add(F: Operator, G: Operator) -> Operator:
    """F + G"""
    if isinstance(F, LinearOperator) and isinstance(G, LinearOperator):
        return LinearSum(F, G)
    return Sum(F, G)
