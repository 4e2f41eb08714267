"""Operators made of operators: each node is one line of linear algebra and its transpose.

(A B)ᵀ = Bᵀ Aᵀ,  (A + B)ᵀ = Aᵀ + Bᵀ,  (α A)ᵀ = α Aᵀ,  [A; B]ᵀ (u, v) = Aᵀ u + Bᵀ v.
Non-negativity, slices and the single-slice operator are passed on wherever they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from physrecon import arrays, spaces
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.spaces import Axis, Shape, Vector

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
        one = self._A.one_slice()
        return None if one is None else one.T

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return bounds(self._A)  # ‖Aᵀ‖ = ‖A‖


class Scaled(LinearOperator):
    """α A"""

    def __init__(self, A: LinearOperator, factor: Real) -> None:
        self._A, self._factor = A, float(factor)
        if not np.isfinite(self._factor):
            raise ArgumentError(f"number * {A}: expected a finite number, got {factor}")
        self.in_shape, self.out_shape, self.dtype = A.in_shape, A.out_shape, A.dtype
        self.nonnegative = A.nonnegative and self._factor >= 0
        self.slices = A.slices

    def _forward(self, x: Vector, out: Vector) -> None:
        self._A.apply(x, out)
        self._scale(out)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._A.apply_adjoint(y, out)
        self._scale(out)

    def _scale(self, out: Vector) -> None:
        for leaf in spaces.leaves(out):
            leaf *= self._factor

    def one_slice(self) -> LinearOperator | None:
        one = self._A.one_slice()
        return None if one is None else self._factor * one

    def __getitem__(self, views: Any) -> LinearOperator:
        return self._factor * self._A[views]

    def _norm_bounds(self, bounds: Bounds) -> Any:
        lower, upper = bounds(self._A)
        return abs(self._factor) * lower, abs(self._factor) * upper


class Composition(LinearOperator):
    """A B: first B, then A."""

    def __init__(self, A: LinearOperator, B: LinearOperator) -> None:
        if A.in_shape != B.out_shape:
            raise ArgumentError(
                f"A @ B: expected A to take what B gives, {B.out_shape}, got {A} @ {B}"
            )
        self._A, self._B = A, B
        self.in_shape, self.out_shape = B.in_shape, A.out_shape
        self.dtype = np.result_type(A.dtype, B.dtype)
        self.nonnegative = A.nonnegative and B.nonnegative
        if A.slices and B.slices and A.slices[0] == B.slices[1]:
            self.slices = (B.slices[0], A.slices[1])

    def _forward(self, x: Vector, out: Vector) -> None:
        between = spaces.empty(self._B.out_shape, x)
        self._B.apply(x, between)
        self._A.apply(between, out)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        between = spaces.empty(self._B.out_shape, y)
        self._A.apply_adjoint(y, between)
        self._B.apply_adjoint(between, out)

    def one_slice(self) -> LinearOperator | None:
        a, b = self._A.one_slice(), self._B.one_slice()
        return a @ b if self.slices and a is not None and b is not None else None

    def __getitem__(self, views: Any) -> LinearOperator:
        return self._A[views] @ self._B

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return None if self.nonnegative else (0, bounds(self._A)[1] * bounds(self._B)[1])


class Sum(LinearOperator):
    """A + B"""

    def __init__(self, A: LinearOperator, B: LinearOperator) -> None:
        if (A.in_shape, A.out_shape) != (B.in_shape, B.out_shape):
            raise ArgumentError(f"A + B: expected equal shapes, got {A} + {B}")
        self._A, self._B = A, B
        self.in_shape, self.out_shape = A.in_shape, A.out_shape
        self.dtype = np.result_type(A.dtype, B.dtype)
        self.nonnegative = A.nonnegative and B.nonnegative
        self.slices = A.slices if A.slices == B.slices else None

    def _forward(self, x: Vector, out: Vector) -> None:
        self._A.apply(x, out)
        other = spaces.empty(self.out_shape, x)
        self._B.apply(x, other)
        spaces.add(out, other)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._A.apply_adjoint(y, out)
        other = spaces.empty(self.in_shape, y)
        self._B.apply_adjoint(y, other)
        spaces.add(out, other)

    def one_slice(self) -> LinearOperator | None:
        a, b = self._A.one_slice(), self._B.one_slice()
        return a + b if self.slices and a is not None and b is not None else None

    def __getitem__(self, views: Any) -> LinearOperator:
        return self._A[views] + self._B[views]

    def _norm_bounds(self, bounds: Bounds) -> Any:
        return None if self.nonnegative else (0, bounds(self._A)[1] + bounds(self._B)[1])


class Diagonal(LinearOperator):
    """diag(values): multiplies element by element.

    values: broadcastable to `shape` (a tuple of arrays for a tuple of shapes), finite.
    axis: where its slices lie; None: it has none."""

    def __init__(self, values: Any, shape: Shape, axis: Axis = None) -> None:
        self.in_shape = self.out_shape = shape
        self._values = spaces.broadcastable("Diagonal", values, shape)
        self.nonnegative = all(bool((v >= 0).all()) for v in spaces.leaves(self._values))
        self.slices = None if axis is None else (axis, axis)

    @property
    def T(self) -> LinearOperator:
        return self

    def _forward(self, x: Vector, out: Vector) -> None:
        shape_of = zip(
            spaces.leaves(x), spaces.leaves(self._values), spaces.leaves(out), strict=True
        )
        for a, values, b in shape_of:
            arrays.namespace(a).multiply(a, values, out=b, casting="same_kind")

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._forward(y, out)

    def one_slice(self) -> LinearOperator | None:
        axis = self.slices and self.slices[0]
        if not isinstance(axis, int):
            return None
        shape = _with_one(self.in_shape, axis)
        fits = np.broadcast_shapes(self._values.shape, shape) == shape
        return Diagonal(self._values, shape, axis) if fits else None

    def _norm_bounds(self, bounds: Bounds) -> Any:
        largest = max(float(abs(v).max(initial=0)) for v in spaces.leaves(self._values))
        return largest, largest


class Identity(LinearOperator):
    """x ↦ x.

    shape: of x.  axis: where its slices lie; None is the first of three, and none otherwise."""

    nonnegative = True

    def __init__(self, shape: int | Shape, axis: Axis = None) -> None:
        self.in_shape = self.out_shape = (shape,) if isinstance(shape, int) else tuple(shape)
        is_volume = len(self.in_shape) == 3 and not spaces.is_product(self.in_shape)
        self._axis = 0 if axis is None and is_volume else axis
        self.slices = None if self._axis is None else (self._axis, self._axis)

    @property
    def T(self) -> LinearOperator:
        return self

    def _forward(self, x: Vector, out: Vector) -> None:
        for a, b in zip(spaces.leaves(x), spaces.leaves(out), strict=True):
            b[...] = a

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._forward(y, out)

    def one_slice(self) -> LinearOperator | None:
        if not isinstance(self._axis, int):
            return None
        return Identity(_with_one(self.in_shape, self._axis), self._axis)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        one = float(spaces.size(self.in_shape) > 0)
        return one, one


class Stack(LinearOperator):
    """[A; B; …]: one x seen by several operators.  Made by `vstack`.

    Results that differ only in the length of axis 0 (their views) are joined along it.  Unlike
    shapes, and slices that lie along unlike axes whatever the shapes, make a tuple."""

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        first = operators[0]
        if any(A.in_shape != first.in_shape for A in operators):
            raise ArgumentError(f"vstack: expected equal in_shape, got {list(operators)}")
        self._operators = tuple(operators)
        self.in_shape = first.in_shape
        self.dtype = np.result_type(*(A.dtype for A in operators))
        self.nonnegative = all(A.nonnegative for A in operators)
        shapes = [A.out_shape for A in operators]
        self._joined = (
            not any(spaces.is_product(s) or s == () for s in shapes)
            and len({s[1:] for s in shapes}) == 1
            and len({A.slices for A in operators if A.slices}) <= 1
        )
        if self._joined:
            self._starts = np.cumsum([0, *(s[0] for s in shapes)]).tolist()
            self.out_shape = (self._starts[-1], *shapes[0][1:])
        else:
            self.out_shape = tuple(shapes)
        self.slices = self._common_slices()

    def _common_slices(self) -> tuple[Axis, Axis] | None:
        every = [A.slices for A in self._operators]
        if None in every or len({s[0] for s in every}) > 1:  # type: ignore[index]
            return None
        axes = tuple(s[1] for s in every)  # type: ignore[index]
        if not self._joined:
            return every[0][0], axes  # type: ignore[index]
        # Slices joined along the axis they lie on are no longer one slice each.
        return every[0] if len(set(axes)) == 1 and axes[0] != 0 else None

    def _parts(self, y: Vector) -> list[Vector]:
        if not self._joined:
            return list(y)
        return [y[a:b] for a, b in pairwise(self._starts)]

    def _forward(self, x: Vector, out: Vector) -> None:
        for A, part in zip(self._operators, self._parts(out), strict=True):
            A.apply(x, part)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        first, *others = zip(self._operators, self._parts(y), strict=True)
        first[0].apply_adjoint(first[1], out)
        one = spaces.empty(self.in_shape, y) if others else None
        for A, part in others:
            A.apply_adjoint(part, one)
            spaces.add(out, one)

    def one_slice(self) -> LinearOperator | None:
        ones = [A.one_slice() for A in self._operators]
        return None if self.slices is None or None in ones else Stack(ones)  # type: ignore[arg-type]

    def _norm_bounds(self, bounds: Bounds) -> Any:
        if self.nonnegative:
            return None
        each = [bounds(A) for A in self._operators]
        return np.max([low for low, _ in each], axis=0), np.sqrt(sum(up**2 for _, up in each))


def vstack(operators: Sequence[LinearOperator]) -> LinearOperator:
    """The operators one above the other: x ↦ (A x, B x, …).

    They take the same in_shape.  Results of like shape (all but axis 0) are joined along axis 0,
    as views are; unlike ones, such as projections and a volume, come as a tuple of arrays."""
    operators = list(operators)
    if not operators or not all(isinstance(A, LinearOperator) for A in operators):
        raise ArgumentError(f"vstack: expected a list of operators, got {operators!r}")
    return Stack(operators)


def _with_one(shape: Shape, axis: int) -> Shape:
    """The shape of one slice."""
    return (*shape[:axis], 1, *shape[axis + 1 :])
