"""Operators with batch axes: they act alike on every index (slice or view) along these axes.

An operator on a plane extends to a stack of any height.  It therefore adopts the slice axis of the
operator it is composed with, and can be restricted to a subset of the views."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from physrecon.arrays.vectors import Axis, Shape, default_slice_axis, shape_of_one_slice
from physrecon.operators.base import Operator, view_indices


class BatchedOperator(Operator):
    """An operator with batch axes, the same ones in its domain and its range.

    Slices are along the first of three axes, unless the operator composed with this one has them
    elsewhere.  A subclass writes `_resized`."""

    _batch_axes: Collection[int]

    def _resized(self, shape: Shape) -> Any:
        """The same operator on a domain of another length along the batch axes."""
        raise NotImplementedError

    def _set_batch_axes(self, axes: Collection[int]) -> None:
        self._batch_axes = frozenset(axes)
        if default_slice_axis(self.in_shape) in self._batch_axes:
            self.slices = (0, 0)

    def with_slice_axis(self, axis: Axis) -> Any:
        if axis not in self._batch_axes or self.slices == (axis, axis):
            return self
        return self._with_slices(self.in_shape, axis)

    def restricted_to_views(self, views: Any) -> Any:
        if 0 not in self._batch_axes:
            return None
        count, *rest = self.in_shape
        chosen = view_indices(type(self).__name__, count, views)
        return self._with_slices((len(chosen), *rest), self.slices and self.slices[0])

    def one_slice(self) -> Any:
        if self.slices is None:
            return None
        axis: Any = self.slices[0]
        return self._with_slices(shape_of_one_slice(self.in_shape, axis), axis)

    def _with_slices(self, shape: Shape, axis: Axis) -> Any:
        other = self._resized(shape)
        other.slices = None if axis is None else (axis, axis)
        return other
