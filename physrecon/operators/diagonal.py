"""Elementwise maps, and the linear ones among them: diag(values).

Any axis can be their slice axis: they adopt that of the operator they are composed with.  They can
be restricted to a subset of the views."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import (
    Axis,
    Numbers,
    Shape,
    Vector,
    default_slice_axis,
    shape_of_one_slice,
)
from physrecon.operators.base import LinearOperator, Operator, Symmetric, view_indices


class Elementwise(Operator):
    """y[i] = φ(x[i]; parameters[i]).

    _parameters: vectors that broadcast to the shape; restricted to views together with it."""

    def _set(self, shape: Shape, axis: Axis, parameters: tuple[Vector, ...] = ()) -> None:
        self.in_shape = self.out_shape = shape
        self.slices = None if axis is None else (axis, axis)
        self._constants = vectors.Constants(parameters)

    def _cut(self, shape: Shape, axis: Axis, parameters: tuple[Vector, ...]) -> Any:
        other = copy.copy(self)
        other._set(shape, axis, parameters)
        return other

    @property
    def _parameters(self) -> tuple[Vector, ...]:
        return self._constants.values

    @property
    def _axis(self) -> Axis:
        return self.slices and self.slices[0]

    def with_slice_axis(self, axis: Axis) -> Any:
        return self if axis == self._axis else self._cut(self.in_shape, axis, self._parameters)

    def restricted_to_views(self, views: Any) -> Any:
        if vectors.is_product(self.in_shape) or not self.in_shape:
            return None
        count, *rest = self.in_shape
        chosen = view_indices(type(self).__name__, count, views)

        def cut(values: Any) -> Any:
            varies = values.ndim == len(self.in_shape) and values.shape[0] > 1
            return values[chosen] if varies else values

        shape = (len(chosen), *rest)
        return self._cut(shape, self._axis, tuple(cut(p) for p in self._parameters))

    def one_slice(self) -> Any:
        if not isinstance(self._axis, int):
            return None
        shape = shape_of_one_slice(self.in_shape, self._axis)
        alike = all(np.broadcast_shapes(p.shape, shape) == shape for p in self._parameters)
        return self._cut(shape, self._axis, self._parameters) if alike else None

    def _near(self, x: Vector) -> tuple[Vector, ...]:
        """The parameters on the machine of x, floats in its dtype; cached."""
        return self._constants.beside(x)

    def _largest(self) -> tuple[Numbers, Numbers]:
        """(p, p), p = max |parameter| of each slice: the norm of a diagonal."""
        largest = vectors.largest(self._parameters[0], self.in_shape, self._axis)
        return largest, largest


class Diagonal(Elementwise, Symmetric):
    """diag(values): multiplies element by element.

    values: broadcastable to `shape` (a tuple of arrays for a tuple of shapes), finite.
    axis: slice axis of the operator by itself; None: no slices.  In a composition it adopts the
    slices of the other operator.

    Holds the values as given, and a copy in the dtype of x if it differs.

    >>> pr.Diagonal([1, 2, 3], (2, 3)) @ np.ones((2, 3))
    array([[1., 2., 3.],
           [1., 2., 3.]])
    """

    def __init__(self, values: Any, shape: Shape, axis: Axis = None) -> None:
        values = vectors.broadcastable("Diagonal", values, shape)
        self._set(shape, axis, (values,))
        self.nonnegative = all(bool((v >= 0).all()) for v in vectors.leaves(values))

    def _forward(self, x: Vector, out: Vector) -> None:
        (values,) = self._near(x)
        for a, v, b in zip(*map(vectors.leaves, (x, values, out)), strict=True):
            arrays.namespace(a).multiply(a, v, out=b)

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        return self._largest()  # max |values| is ‖A‖ itself


class Identity(Elementwise, Symmetric):
    """x ↦ x.

    shape: of x.  axis: slice axis; None: 0 for a shape of three axes, otherwise no slices.

    >>> (pr.Identity(3) - 0.5 * pr.Identity(3)) @ np.array([1.0, 2.0, 3.0])
    array([0.5, 1. , 1.5])
    """

    nonnegative = True

    def __init__(self, shape: int | Shape, axis: Axis = None) -> None:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self._set(shape, default_slice_axis(shape) if axis is None else axis)

    def _forward(self, x: Vector, out: Vector) -> None:
        for a, b in zip(vectors.leaves(x), vectors.leaves(out), strict=True):
            b[...] = a

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        one = float(vectors.size(self.in_shape) > 0)
        return one, one
