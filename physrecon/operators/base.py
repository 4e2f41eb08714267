"""Operators between spaces of real arrays: y = F(x), and the linear ones, y = A x.

A linear operator has an exact transpose, x = Aᵀ y, in Euclidean inner products; any other has at
every x a Jacobian, which is a linear operator.  A subclass says its shapes and writes two methods,
which fill memory they are given: `_forward(x, out)` with `_adjoint(y, out)` or `_linearize(x)`.
Everything else is here, once: the checks at the door, and the arithmetic `@ + − * / .T [views]`,
whose results are operators too (see `operators.algebra`)."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Shape, Vector
from physrecon.errors import ArgumentError


class Operator:
    """y = F(x) between spaces of real arrays, linear or not.

    in_shape, out_shape: of x and y; a tuple of shapes stands for a tuple of arrays.
    dtype: of arrays the operator makes itself; results have the dtype of the input.
    slices: (axis of x, axis of y) along which F treats every slice on its own, or None.

    `F @ x` refuses a wrong shape or rank, anything but float32 and float64, and NaN or infinity,
    each with ArgumentError; it copies what is not contiguous and answers on the machine where x
    lives.  `forward` does the same into given memory but lets NaN and infinity through: iterations
    look at their own sums.  `F @ G` is the operator that applies G first."""

    in_shape: Shape
    out_shape: Shape
    dtype: np.dtype[Any] = np.dtype(np.float32)
    slices: tuple[Axis, Axis] | None = None

    __array_ufunc__ = None  # NumPy leaves `number * F` and `array @ F` to this class
    __iter__ = None  # `F[views]` does not make an operator a sequence

    def _forward(self, x: Vector, out: Vector) -> None:
        """out ← F(x), both checked, contiguous and not empty."""
        raise NotImplementedError

    def _linearize(self, x: Vector) -> LinearOperator:
        """The Jacobian at x, checked and contiguous, which may change afterwards: copy it."""
        raise NotImplementedError

    def one_slice(self) -> Any:
        """The operator of a single slice when all are treated alike, else None."""
        return None

    def along(self, axis: Axis) -> Any:
        """The same operator with its slices along `axis` where it may choose them, else itself."""
        return self

    def on_views(self, views: Any) -> Any:
        """The same map from some views to the same views, if it treats each alone, else None."""
        return None

    # Calls ------------------------------------------------------------------------------------

    def forward(self, x: Vector, out: Vector = None) -> Vector:
        """F(x), written into `out` if given."""
        return self._checked_call(self.apply, x, self.in_shape, out, self.out_shape)

    def linearize(self, x: Vector) -> LinearOperator:
        """The Jacobian of F at x, with its exact transpose; a linear operator is its own."""
        return self._linearize(
            vectors.checked(f"{type(self).__name__}.linearize", x, self.in_shape)
        )

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        """F(x) and the Jacobian there, sharing what both need."""
        return self.forward(x, out), self.linearize(x)

    def _checked_call(
        self, call: Callable[..., None], x: Vector, shape: Shape, out: Vector, out_shape: Shape
    ) -> Vector:
        where = type(self).__name__
        x = vectors.checked(where, x, shape)
        if out is None:
            out = vectors.empty(out_shape, x)
        else:
            vectors.check_out(where, out, out_shape, x)
        call(x, out)
        return out

    def apply(self, x: Vector, out: Vector) -> None:
        """out ← F(x) for vectors known to fit; what operators made of others call."""
        _unless_empty(self._forward, x, self.in_shape, out, self.out_shape)

    # Arithmetic -------------------------------------------------------------------------------

    @property
    def slice_count(self) -> int:
        """Number of slices; 1 when the operator has none."""
        return vectors.slice_count(self.in_shape, self.slices[0]) if self.slices else 1

    def __call__(self, x: Any) -> Any:
        return self @ x

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Operator):
            from physrecon.operators.algebra import compose

            return compose(self, other)
        where = f"{type(self).__name__} @ x"
        x = vectors.checked(where, other, self.in_shape)
        vectors.check_finite(where, x)
        return self.forward(x)

    def __add__(self, other: Any) -> Any:
        from physrecon.operators.algebra import add

        return add(self, other) if isinstance(other, Operator) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, Operator) else NotImplemented

    def __mul__(self, factor: Any) -> Any:
        from physrecon.operators.algebra import scale

        return scale(self, factor) if isinstance(factor, Real) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Any:
        if not isinstance(divisor, Real):
            return NotImplemented
        if divisor == 0:
            raise ArgumentError(f"{type(self).__name__} / number: expected a number, got 0")
        return self * (1 / divisor)

    def __neg__(self) -> Any:
        return self * -1.0

    def __getitem__(self, views: Any) -> Any:
        """The rows of F that belong to some of the views (where the operator knows views)."""
        raise ArgumentError(
            f"{type(self).__name__}[views]: expected an operator with views, such as a Projector"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_shape} → {self.out_shape})"


class LinearOperator(Operator):
    """y = A x: an operator that has a transpose, `A.T`, and is its own Jacobian everywhere.

    nonnegative: no entry of the matrix is negative.
    faint: voxels whose column sum is no more than this part of the largest count as unseen where a
    method divides by column sums: what the data tell of them is rounding.
    `A.T @ y` and `adjoint` check as `A @ x` and `forward` do."""

    nonnegative: bool = False
    faint: float = 0.0
    _transpose: weakref.ref[LinearOperator] | None = None

    def _adjoint(self, y: Vector, out: Vector) -> None:
        """out ← Aᵀ y, both checked, contiguous and not empty."""
        raise NotImplementedError

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """(lower, upper) of ‖A‖ if they are known without iterating, else None.

        Numbers, or arrays (slices,). `bounds(B)` gives those of an operator this one is made of."""
        return None

    def linearize(self, x: Vector) -> LinearOperator:
        return self

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        return self.forward(x, out), self

    def adjoint(self, y: Vector, out: Vector = None) -> Vector:
        """Aᵀ y, written into `out` if given."""
        return self._checked_call(self.apply_adjoint, y, self.out_shape, out, self.in_shape)

    def apply_adjoint(self, y: Vector, out: Vector) -> None:
        """out ← Aᵀ y for vectors known to fit."""
        _unless_empty(self._adjoint, y, self.out_shape, out, self.in_shape)

    def row_sums(self, like: Any = None) -> Vector:
        """A·1, broadcastable to out_shape, on the machine and in the dtype of the array `like`."""
        operator = self.one_slice() or self
        return operator.forward(_ones(operator.in_shape, like, self.dtype))

    def column_sums(self, like: Any = None) -> Vector:
        """Aᵀ·1, broadcastable to in_shape, on the machine and in the dtype of the array `like`."""
        return self.T.row_sums(like)

    @property
    def T(self) -> LinearOperator:
        """Aᵀ, whose own T is A."""
        from physrecon.operators.algebra import Transpose

        transpose = self._transpose() if self._transpose else None
        if transpose is None:
            transpose = Transpose(self)
            self._transpose = weakref.ref(transpose)  # weak: the two must not keep each other alive
        return transpose

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_transpose"}

    def normal(self, weights: Any = None) -> LinearOperator:
        """Aᵀ W A with W = diag(weights); an operator that knows a faster way overrides it."""
        from physrecon.operators.diagonal import Diagonal

        if weights is None:
            return self.T @ self
        return self.T @ Diagonal(weights, self.out_shape, self.slices and self.slices[1]) @ self


def view_indices(where: str, count: int, views: Any) -> np.ndarray:
    """The indices of some of `count` views: an int, a slice, a mask or an array of indices."""
    try:
        return np.atleast_1d(np.arange(count)[views])
    except IndexError as error:
        raise ArgumentError(f"{where}[views]: expected some of {count} views; {error}") from None


def _unless_empty(
    call: Callable[[Vector, Vector], None], x: Vector, shape: Shape, out: Vector, out_shape: Shape
) -> None:
    if vectors.size(shape) and vectors.size(out_shape):
        call(x, out)
    else:
        vectors.fill(out, 0)  # the sum over nothing


def _ones(shape: Shape, like: Any, dtype: np.dtype[Any]) -> Vector:
    beside = np.empty(0, dtype) if like is None else like
    return vectors.fill(vectors.build(shape, lambda s: arrays.like(beside, s)), 1)
