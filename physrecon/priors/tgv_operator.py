"""The operator of total generalised variation:  K (x, v) = (∇x − v, E v)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from physrecon.arrays.vectors import Axis, Shape, Vector
from physrecon.operators.base import LinearOperator
from physrecon.operators.calculus import ROUNDING, Gradient, SymmetricGradient, gradient_norm


class GradientAndStrain(LinearOperator):
    """(x, v) ↦ (∇x − v, E v) for an image x of `shape` and a field v (d, *shape).

    spacing, axes: as of `Gradient`."""

    def __init__(self, shape: Shape, spacing: tuple[float, ...], axes: tuple[int, ...]) -> None:
        self._gradient = Gradient(shape, spacing, axes)
        self._strain = SymmetricGradient(shape, spacing, axes)
        self.in_shape = (self._gradient.in_shape, self._strain.in_shape)
        self.out_shape = (self._gradient.out_shape, self._strain.out_shape)
        self._take_slices()

    def _take_slices(self) -> None:
        of_x, of_v = self._gradient.slices, self._strain.slices
        self.slices = None
        if of_x is not None and of_v is not None:
            self.slices = ((of_x[0], of_v[0]), (of_x[1], of_v[1]))

    def with_slice_axis(self, axis: Axis) -> LinearOperator:
        other = copy.copy(self)
        other._gradient = self._gradient.with_slice_axis(axis)  # type: ignore[assignment]
        other._strain = self._strain.with_slice_axis(axis)  # type: ignore[assignment]
        other._transpose = None
        other._take_slices()
        return other

    def _forward(self, x: Vector, out: Vector) -> None:
        image, field = x
        self._gradient.apply(image, out[0])
        out[0][...] -= field
        self._strain.apply(field, out[1])

    def _adjoint(self, y: Vector, out: Vector) -> None:
        self._gradient.apply_adjoint(y[0], out[0])
        self._strain.apply_adjoint(y[1], out[1])
        out[1][...] -= y[0]

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """‖K‖ ≤ ‖(n 1; 0 n)‖  with  n = ‖∇‖ ≥ ‖E‖."""
        at = self._gradient
        return 0, pair_norm(gradient_norm(at.in_shape, at.axes, at.spacing))


def pair_norm(norm: float) -> float:
    """A bound of ‖K‖ for ‖∇‖ = `norm`."""
    square = (norm * (1 + ROUNDING)) ** 2
    return math.sqrt(square + 0.5 + math.sqrt(square + 0.25))
