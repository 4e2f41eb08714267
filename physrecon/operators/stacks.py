"""Operators side by side: [A; B], [A B] and diag(A, B).

[A; B] x = (A x, B x) and [A; B]ᵀ (u, v) = Aᵀ u + Bᵀ v;  [A B] = [Aᵀ; Bᵀ]ᵀ;
diag(A, B) (x, z) = (A x, B z).  The Jacobian of a stack is the stack of the Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator, Operator, view_indices

Bounds = Callable[[LinearOperator], Any]


class Stack(Operator):
    """[F; G; …]: several operators applied to one x.  Made by `vstack`.

    Results that differ only in the length of axis 0 (their views) are joined along it.  If other
    lengths or the slice axes differ, the result is a tuple of arrays.
    join: False makes a tuple of any results."""

    def __init__(self, operators: Sequence[Any], join: bool = True) -> None:
        first = operators[0]
        if any(A.in_shape != first.in_shape for A in operators):
            raise ArgumentError(f"vstack: expected equal in_shape, got {list(operators)}")
        self._operators = tuple(operators)
        self.in_shape = first.in_shape
        self.dtype = np.result_type(*(A.dtype for A in operators))
        shapes = [A.out_shape for A in operators]
        self._joined = (
            join
            and not any(vectors.is_product(s) or s == () for s in shapes)
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
        if None in every or len({s[0] for s in every}) > 1:
            return None
        axes = tuple(s[1] for s in every)
        if not self._joined:
            return every[0][0], axes
        # Joined along their own axis, slices no longer correspond to slices of x.
        return every[0] if len(set(axes)) == 1 and axes[0] != 0 else None

    def _parts(self, y: Vector) -> list[Vector]:
        if not self._joined:
            return list(y)
        return [y[a:b] for a, b in pairwise(self._starts)]

    def _forward(self, x: Vector, out: Vector) -> None:
        for A, part in zip(self._operators, self._parts(out), strict=True):
            A.apply(x, part)

    def _like(self, operators: Sequence[Any]) -> Any:
        return stack(operators, self._joined)

    def linearize(self, x: Vector) -> LinearOperator:
        return self._like([F.linearize(x) for F in self._operators])

    def forward_and_linearize(self, x: Vector, out: Vector = None) -> tuple[Vector, LinearOperator]:
        x = vectors.checked("vstack", x, self.in_shape)
        out = vectors.empty(self.out_shape, x) if out is None else out
        parts = zip(self._operators, self._parts(out), strict=True)
        return out, self._like([F.forward_and_linearize(x, part)[1] for F, part in parts])

    def with_slice_axis(self, axis: Axis) -> Any:
        other = self._like([A.with_slice_axis(axis) for A in self._operators])
        return other if other.out_shape == self.out_shape else self  # joined no longer

    def one_slice(self) -> Any:
        ones = [A.one_slice() for A in self._operators]
        return None if self.slices is None or None in ones else self._like(ones)

    def __getitem__(self, views: Any) -> Any:
        """The given ones of the joined views, in the given order."""
        if not self._joined:
            return super().__getitem__(views)
        chosen = view_indices("vstack", self.out_shape[0], views)
        if not len(chosen):
            return self._operators[0][chosen]
        owner = np.searchsorted(self._starts[1:], chosen, side="right")
        runs = np.split(np.arange(len(chosen)), np.flatnonzero(np.diff(owner)) + 1)
        firsts = [owner[run[0]] for run in runs]
        pairs = zip(firsts, runs, strict=True)
        return stack([self._operators[i][chosen[run] - self._starts[i]] for i, run in pairs])


class LinearStack(LinearOperator, Stack):
    """[A; B; …] of linear operators."""

    def __init__(self, operators: Sequence[LinearOperator], join: bool = True) -> None:
        super().__init__(operators, join)
        self.nonnegative = all(A.nonnegative for A in operators)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        first, *others = zip(self._operators, self._parts(y), strict=True)
        first[0].apply_adjoint(first[1], out)
        one = vectors.empty(self.in_shape, y) if others else None
        for A, part in others:
            A.apply_adjoint(part, one)
            vectors.add(out, one)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        if self.nonnegative:
            return None
        each = [bounds(A) for A in self._operators]
        return np.max([low for low, _ in each], axis=0), np.sqrt(sum(up**2 for _, up in each))


class BlockDiagonal(Operator):
    """diag(F, G, …): each operator acts on its own part of a tuple.  Made by `block_diagonal`."""

    def __init__(self, operators: Sequence[Any]) -> None:
        self._operators = tuple(operators)
        self.in_shape = tuple(A.in_shape for A in operators)
        self.out_shape = tuple(A.out_shape for A in operators)
        self.dtype = np.result_type(*(A.dtype for A in operators))
        every = [A.slices for A in operators]
        if None not in every and len({A.slice_count for A in operators}) == 1:
            self.slices = (tuple(s[0] for s in every), tuple(s[1] for s in every))

    def _forward(self, x: Vector, out: Vector) -> None:
        for A, part, result in zip(self._operators, x, out, strict=True):
            A.apply(part, result)

    def _linearize(self, x: Vector) -> LinearOperator:
        parts = zip(self._operators, x, strict=True)
        return LinearBlockDiagonal([F.linearize(part) for F, part in parts])

    def one_slice(self) -> Any:
        ones = [A.one_slice() for A in self._operators]
        return None if self.slices is None or None in ones else block_diagonal(ones)


class LinearBlockDiagonal(LinearOperator, BlockDiagonal):
    """diag(A, B, …) of linear operators."""

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        super().__init__(operators)
        self.nonnegative = all(A.nonnegative for A in operators)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        for A, part, result in zip(self._operators, y, out, strict=True):
            A.apply_adjoint(part, result)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        each = [bounds(A) for A in self._operators]  # ‖diag(A, B)‖ = max(‖A‖, ‖B‖)
        return np.max([low for low, _ in each], axis=0), np.max([up for _, up in each], axis=0)


def stack(operators: Sequence[Operator], join: bool = True) -> Operator:
    linear = all(isinstance(A, LinearOperator) for A in operators)
    return (LinearStack if linear else Stack)(operators, join)  # type: ignore[arg-type]


def vstack(operators: Sequence[Operator]) -> Any:
    """The operators one above the other: x ↦ (A x, B x, …).

    All have the same in_shape.  Results whose shapes differ at most in axis 0 (views) are joined
    along it; others, such as projections and a volume, form a tuple of arrays.

    >>> A = pr.vstack([pr.Identity((2,)), 3 * pr.Identity((2,))])
    >>> A @ np.array([1.0, 2.0])
    array([1., 2., 3., 6.])
    """
    return stack(_checked("vstack", operators, Operator))


def hstack(operators: Sequence[LinearOperator]) -> LinearOperator:
    """The linear operators side by side: (x, z, …) ↦ A x + B z + …

    All have the same out_shape.  The domain is always the tuple of their domains.

    >>> A = pr.hstack([pr.Identity((2,)), 3 * pr.Identity((2,))])
    >>> A @ (np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    operators = _checked("hstack", operators, LinearOperator)
    if len({A.out_shape for A in operators}) > 1:
        raise ArgumentError(f"hstack: expected equal out_shape, got {operators}")
    return LinearStack([A.T for A in operators], join=False).T


def block_diagonal(operators: Sequence[Operator]) -> Any:
    """Each operator on its own part of a tuple: (x, z, …) ↦ (A x, B z, …).

    >>> A = pr.block_diagonal([pr.Identity((2,)), 3 * pr.Identity((1,))])
    >>> A @ (np.array([1.0, 2.0]), np.array([5.0]))
    (array([1., 2.]), array([15.]))
    """
    operators = _checked("block_diagonal", operators, Operator)
    linear = all(isinstance(A, LinearOperator) for A in operators)
    return (LinearBlockDiagonal if linear else BlockDiagonal)(operators)


def _checked(where: str, operators: Sequence[Any], kind: type) -> list[Any]:
    operators = list(operators)
    if not operators or not all(isinstance(A, kind) for A in operators):
        name = "operators" if kind is Operator else "linear operators"
        raise ArgumentError(f"{where}: expected a list of {name}, got {operators!r}")
    return operators
