"""Operators between spaces of real arrays, y = F(x); linear ones, y = A x; and their algebra.

A linear operator has an exact transpose, Aᵀ, in Euclidean inner products.  Any other operator has a
Jacobian at every x, which is a linear operator.  A subclass sets its shapes and writes two methods
that fill given memory: `_forward(x, out)` and either `_adjoint(y, out)` or `_linearize(x)`.
This module does the rest: the checks of arguments, and the arithmetic `@ + − * / .T [views]`,
whose results are operators.  Each node of an expression is one line of algebra:

(A B)ᵀ = Bᵀ Aᵀ,  (A + B)ᵀ = Aᵀ + Bᵀ,  (α A)ᵀ = α Aᵀ,  (Aᵀ W A)ᵀ = Aᵀ W A;
D(F ∘ G)(x) = DF(G(x)) DG(x),  D(F + G) = DF + DG,  D(α F) = α DF.
A node has two classes: one for any operators, and a linear one for linear operators.
Nodes inherit non-negativity, slices and the single-slice operator wherever they hold."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from numbers import Real
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Array, Axis, Shape, Vector
from physrecon.errors import ArgumentError

Bounds = Callable[["LinearOperator"], Any]


class Operator:
    """y = F(x) between spaces of real arrays, linear or not.

    in_shape, out_shape: shapes of x and y; a tuple of shapes stands for a tuple of arrays.
    dtype: of arrays that the operator creates itself; results have the dtype of the input.
    slices: (axis of x, axis of y) along which F treats every slice on its own, or None.

    `F @ x` raises ArgumentError for a wrong shape, for a dtype other than float32 and float64, and
    for NaN or infinity.  It copies non-contiguous arrays; the result is on the machine of x.
    `forward` can write into given memory and accepts NaN and infinity: iterations check their
    own sums.  `F @ G` applies G first.

    >>> class Square(pr.Operator):
    ...     in_shape = out_shape = (3,)
    ...     def _forward(self, x, out): out[...] = x**2
    ...     def _linearize(self, x): return pr.Diagonal(2 * x, self.in_shape)
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> Square() @ x, Square().linearize(x) @ np.ones(3)
    (array([1., 4., 9.]), array([2., 4., 6.]))
    """

    in_shape: Shape
    out_shape: Shape
    dtype: np.dtype[Any] = np.dtype(np.float32)
    slices: tuple[Axis, Axis] | None = None

    __array_ufunc__ = None  # NumPy leaves `number * F` and `array @ F` to this class
    __iter__ = None  # `F[views]` does not make an operator a sequence

    def _forward(self, x: Vector, out: Vector) -> None:
        """out ← F(x); both are checked, contiguous and not empty."""
        raise NotImplementedError

    def _linearize(self, x: Vector) -> LinearOperator:
        """The Jacobian at x.  x is checked and contiguous, but may change afterwards: copy it."""
        raise NotImplementedError

    def one_slice(self) -> Any:
        """The operator of a single slice if it is the same for every slice, else None."""
        return None

    def with_slice_axis(self, axis: Axis) -> Any:
        """The same operator with its slices along `axis` if they can be there, else itself."""
        return self

    def restricted_to_views(self, views: Any) -> Any:
        """The operator on a subset of the views, if it treats each view separately, else None."""
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
        """F(x) and the Jacobian at x; shared computations are done once."""
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
        """out ← F(x) without checks; for calls from composite operators."""
        _unless_empty(self._forward, x, self.in_shape, out, self.out_shape)

    # Arithmetic -------------------------------------------------------------------------------

    @property
    def slice_count(self) -> int:
        """Number of slices; 1 when the operator has none."""
        return vectors.slice_count(self.in_shape, self.slices[0]) if self.slices else 1

    def __call__(self, x: ArrayLike) -> Array:
        return self @ x

    @overload
    def __matmul__(  # type: ignore[misc]  # of a subclass
        self: LinearOperator, other: LinearOperator
    ) -> LinearOperator: ...
    @overload
    def __matmul__(self, other: Operator) -> Operator: ...
    @overload
    def __matmul__(self, other: tuple[Any, ...]) -> Any: ...
    @overload
    def __matmul__(self, other: ArrayLike) -> Array: ...
    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Operator):
            return compose(self, other)
        where = f"{type(self).__name__} @ x"
        x = vectors.checked(where, other, self.in_shape)
        vectors.check_finite(where, x)
        return self.forward(x)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Operator):
            return NotImplemented
        if isinstance(self, LinearOperator) and isinstance(other, LinearOperator):
            return LinearSum(self, other)
        return Sum(self, other)

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, Operator) else NotImplemented

    def __mul__(self, factor: Any) -> Any:
        if not isinstance(factor, Real):
            operator = isinstance(factor, Operator)
            if operator or hasattr(factor, "shape"):
                other, use = ("operator", "A @ B") if operator else ("array", "A @ x")
                where = f"{type(self).__name__} * {other}"
                raise ArgumentError(f"{where}: expected a number; use {use}")
            return NotImplemented
        return (LinearScaled if isinstance(self, LinearOperator) else Scaled)(self, factor)  # type: ignore[arg-type]

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
        """The rows of F of the given views; for operators with views only."""
        raise ArgumentError(
            f"{type(self).__name__}[views]: expected an operator with views, such as a Projector"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_shape} → {self.out_shape})"


class LinearOperator(Operator):
    """y = A x: an operator that has a transpose, `A.T`, and is its own Jacobian everywhere.

    A subclass sets `in_shape` and `out_shape` and writes two methods that fill given memory; all
    else is optional.  This is an operator of your own in ten lines:

    >>> class Flip(pr.LinearOperator):
    ...     nonnegative = True  # no entry of the matrix is negative
    ...     def __init__(self, n):
    ...         self.in_shape = self.out_shape = (n,)
    ...     def _forward(self, x, out):  # out ← A x; every element of out is written
    ...         out[...] = x[::-1]
    ...     def _adjoint(self, y, out):  # out ← Aᵀ y
    ...         out[...] = y[::-1]
    >>> A = Flip(3) + 2 * pr.Identity((3,))
    >>> A @ np.array([1.0, 2.0, 3.0]), A.T @ np.array([1.0, 2.0, 3.0]), pr.check_adjoint(A) < 1e-6
    (array([5., 6., 7.]), array([5., 6., 7.]), True)

    To write:
        in_shape, out_shape: shapes of x and y, tuples; set them before anything else.
        _forward(x, out), _adjoint(y, out): x, y and out are C-contiguous, of one dtype (float32 or
            float64) and checked.  They may be called by several threads at once.
    To set, where it is true:
        nonnegative: no entry of the matrix is negative; SIRT, MLEM and SART need it.  False.
        slices: (axis of x, axis of y) along which slices are independent.  None.
        dtype: of arrays that it makes itself.  float32.
        covers_data: no row of the matrix is known to be zero.  False.
        proved_adjoint: the pair is known to match, or differs on purpose.  `solve` tries any other
            pair once and refuses a wrong one.  A class that defines `_forward` or `_adjoint` anew
            is unproved until it says otherwise.
        min_column_sum: relative to the largest column sum.  Methods that divide by column sums
            treat a voxel with a smaller sum as unseen: it is determined only up to rounding.  0.
    To override, where it is known:
        _norm_bounds(bounds): (lower, upper) bounds of ‖A‖, numbers or one per slice;
            `bounds(B)` gives those of a part B.  Without it `pr.norm_bounds` iterates.
        one_slice(), with_slice_axis(axis), restricted_to_views(views), `A[views]`, normal(weights).

    A matrix, an operator of SciPy or PyLops, or two functions need no class: `pr.as_operator`.
    `A.T @ y` and `adjoint` check their arguments as `A @ x` and `forward` do.
    """

    nonnegative: bool = False
    covers_data: bool = False
    proved_adjoint: bool = False
    min_column_sum: float = 0.0
    _transpose: weakref.ref[LinearOperator] | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if {"_forward", "_adjoint"} & vars(cls).keys() and "proved_adjoint" not in vars(cls):
            # The classes of this package are proved by its tests.
            cls.proved_adjoint = cls.__module__.split(".")[0] == __name__.split(".")[0]

    def unproved_parts(self) -> list[LinearOperator]:
        """The operators of which this one is made whose adjoint is not proved, or itself."""
        if not self.proved_adjoint:
            return [self]
        inside = (v for value in vars(self).values() for v in _operators(value))
        return [part for operator in inside for part in operator.unproved_parts()]

    def _adjoint(self, y: Vector, out: Vector) -> None:
        """out ← Aᵀ y; both are checked, contiguous and not empty."""
        raise NotImplementedError

    def _norm_bounds(self, bounds: Bounds) -> Any:
        """(lower, upper) bounds of ‖A‖ if they are known without iteration, else None.

        Numbers, or arrays (slices,).  `bounds(B)` returns those of a part B of this operator."""
        return None

    def linearize(self, x: Vector) -> LinearOperator:
        return self

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        return self.forward(x, out), self

    def adjoint(self, y: Vector, out: Vector = None) -> Vector:
        """Aᵀ y, written into `out` if given."""
        return self._checked_call(self.apply_adjoint, y, self.out_shape, out, self.in_shape)

    def apply_adjoint(self, y: Vector, out: Vector) -> None:
        """out ← Aᵀ y without checks."""
        _unless_empty(self._adjoint, y, self.out_shape, out, self.in_shape)

    def row_sums(self, like: Any = None) -> Vector:
        """A·1, broadcastable to out_shape, on the machine and in the dtype of the array `like`."""
        operator = self.one_slice() or self
        return operator.forward(_ones(operator.in_shape, like, self.dtype))

    def column_sums(self, like: Any = None) -> Vector:
        """Aᵀ·1, broadcastable to in_shape, on the machine and in the dtype of the array `like`."""
        return self.T.row_sums(like)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the matrix, as in SciPy: the numbers of elements of y and x.

        >>> pr.Gradient((2, 3)).shape
        (12, 6)
        """
        return vectors.size(self.out_shape), vectors.size(self.in_shape)

    @property
    def T(self) -> LinearOperator:
        """Aᵀ; its transpose is A."""
        transpose = self._transpose() if self._transpose else None
        if transpose is None:
            transpose = Transpose(self)
            self._transpose = weakref.ref(transpose)  # weak: the two must not keep each other alive
        return transpose

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_transpose"}

    def normal(self, weights: Any = None) -> LinearOperator:
        """Aᵀ W A with W = diag(weights); operators with a faster form override it."""
        return self.T @ self if weights is None else Normal(self, weights)


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

    def with_slice_axis(self, axis: Axis) -> LinearOperator:
        return self._A.with_slice_axis(axis).T

    def restricted_to_views(self, views: Any) -> LinearOperator | None:
        return _transposed(self._A.restricted_to_views(views))

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return bounds(self._A)  # ‖Aᵀ‖ = ‖A‖


def _transposed(A: LinearOperator | None) -> LinearOperator | None:
    return None if A is None else A.T


class Symmetric(LinearOperator):
    """An operator that is its own transpose."""

    @property
    def T(self) -> LinearOperator:
        return self

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._forward(y, out)


class Normal(Symmetric):
    """Aᵀ W A, W = diag(weights), which is its own transpose.

    weights: broadcastable to A.out_shape (a tuple of arrays for a tuple of shapes), finite.
    Holds the weights as given, and a copy in the dtype of x if it differs."""

    def __init__(self, A: LinearOperator, weights: Any) -> None:
        self._A = A
        weights = vectors.broadcastable(f"{type(A).__name__}.normal", weights, A.out_shape)
        self._weights = vectors.Constants(weights)
        self.in_shape, self.out_shape, self.dtype = A.in_shape, A.in_shape, A.dtype
        self.nonnegative = A.nonnegative and all((w >= 0).all() for w in vectors.leaves(weights))
        self.slices = A.slices and (A.slices[0], A.slices[0])

    def _forward(self, x: Vector, out: Vector) -> None:
        y = vectors.empty(self._A.out_shape, x)
        self._A.apply(x, y)
        vectors.multiply(y, self._weights.beside(x))
        self._A.apply_adjoint(y, out)

    def one_slice(self) -> LinearOperator | None:
        one, weights = self._A.one_slice(), self._weights.values
        if one is None or not self.slices or vectors.is_product(one.out_shape):
            return None
        alike = np.broadcast_shapes(weights.shape, one.out_shape) == one.out_shape
        return Normal(one, weights) if alike else None

    def with_slice_axis(self, axis: Axis) -> LinearOperator:
        return Normal(self._A.with_slice_axis(axis), self._weights.values)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        if self.nonnegative:
            return None
        upper, axis = bounds(self._A)[1], self._A.slices and self._A.slices[1]
        return 0, upper * vectors.largest(self._weights.values, self._A.out_shape, axis) * upper


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

    def with_slice_axis(self, axis: Axis) -> Any:
        return self._scaled(self._A.with_slice_axis(axis))

    def restricted_to_views(self, views: Any) -> Any:
        return self._scaled(self._A.restricted_to_views(views))

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
            A = A.with_slice_axis(B.slices[1])
        if A.slices and not (B.slices and B.slices[1] == A.slices[0]):
            B = B.with_slice_axis(A.slices[0])
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

    def with_slice_axis(self, axis: Axis) -> Any:
        return compose(self._A.with_slice_axis(axis), self._B.with_slice_axis(axis))

    def restricted_to_views(self, views: Any) -> Any:
        a, b = self._A.restricted_to_views(views), self._B.restricted_to_views(views)
        return None if a is None or b is None else a @ b

    def __getitem__(self, views: Any) -> Any:
        some = self._A.restricted_to_views(views)
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
            B = B.with_slice_axis(A.slices[1])
        if B.slices:
            A = A.with_slice_axis(B.slices[1])
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


def compose(F: Operator, G: Operator) -> Operator:
    """F ∘ G.  (F₁ F₂) G becomes F₁ (F₂ G): each factor can then adapt to views and slices of G."""
    if isinstance(F, Composition):
        return compose(F._A, compose(F._B, G))
    if isinstance(F, LinearOperator) and isinstance(G, LinearOperator):
        return LinearComposition(F, G)
    return Composition(F, G)


def view_indices(where: str, count: int, views: Any) -> np.ndarray:
    """Indices of the chosen ones of `count` views.  views: an int, a slice, a mask or indices."""
    try:
        return np.atleast_1d(np.arange(count)[views])
    except IndexError as error:
        raise ArgumentError(f"{where}[views]: expected some of {count} views; {error}") from None


def _operators(value: Any) -> list[LinearOperator]:
    """The linear operators in the value of an attribute."""
    values = value if isinstance(value, tuple | list) else (value,)
    return [v for v in values if isinstance(v, LinearOperator)]


def _unless_empty(
    call: Callable[[Vector, Vector], None], x: Vector, shape: Shape, out: Vector, out_shape: Shape
) -> None:
    if vectors.size(shape) and vectors.size(out_shape):
        call(x, out)
    else:
        vectors.fill(out, 0)  # an empty sum is 0


def _ones(shape: Shape, like: Any, dtype: np.dtype[Any]) -> Vector:
    like = np.empty(0, dtype) if like is None else like
    return vectors.fill(vectors.build(shape, lambda s: arrays.like(like, s)), 1)
