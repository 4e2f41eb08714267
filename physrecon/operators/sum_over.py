"""A sum over the parts of one array:  x (n, …) ↦ A₁ x₁ + … + Aₙ xₙ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError
from physrecon.operators.adopted import as_operator
from physrecon.operators.base import LinearOperator

Bounds = Callable[[LinearOperator], Any]


class SumOver(LinearOperator):
    """x (n, …) ↦ Σᵢ Aᵢ xᵢ.  Made by `sum_over`; holds one data set more during a call."""

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        first = operators[0]
        self._operators = tuple(operators)
        self.in_shape, self.out_shape = (len(operators), *first.in_shape), first.out_shape
        self.dtype = np.result_type(*(A.dtype for A in operators))
        self.nonnegative = all(A.nonnegative for A in operators)
        if first.slices and all(A.slices == first.slices for A in operators):
            along: Any = first.slices[0]
            self.slices = (along + 1, first.slices[1])

    def _forward(self, x: Vector, out: Vector) -> None:
        one = vectors.empty(self.out_shape, out)
        for i, A in enumerate(self._operators):
            A.apply(x[i], one if i else out)
            if i:
                vectors.add(out, one)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        for A, part in zip(self._operators, out, strict=True):
            A.apply_adjoint(y, part)

    def _norm_bounds(self, bounds: Bounds) -> Any:
        if self.nonnegative:
            return None
        each = [bounds(A) for A in self._operators]
        return np.max([low for low, _ in each], axis=0), np.sqrt(sum(up**2 for _, up in each))

    def __getitem__(self, views: Any) -> LinearOperator:
        return SumOver([A[views] for A in self._operators])


def sum_over(operators: Sequence[Any]) -> LinearOperator:
    """One x of shape (n, …) ↦ A₁ x₁ + … + Aₙ xₙ: a sum over depths, energies or materials.

    Args:
        operators: linear operators of one in_shape and one out_shape; whatever `as_operator` takes.
    Returns:
        LinearOperator: of in_shape (n, …).  Slices of the parts remain slices.
    Raises:
        ArgumentError: for unequal shapes, and for operators on tuples.

    Example:
        >>> A = pr.sum_over([pr.Identity(2), 10 * pr.Identity(2)])
        >>> A @ np.array([[1.0, 2.0], [3.0, 4.0]])
        array([31., 42.])
    """
    if not isinstance(operators, Sequence) or not operators:
        raise ArgumentError(f"sum_over: expected a list of linear operators, got {operators!r}")
    known = [as_operator(A) for A in operators]
    shapes = [(A.in_shape, A.out_shape) for A in known]
    if len(set(shapes)) > 1 or any(map(vectors.is_product, shapes[0])):
        raise ArgumentError(
            f"sum_over: expected operators of one in_shape and one out_shape, got {known}; use "
            "hstack for unequal in_shapes"
        )
    return SumOver(known)
