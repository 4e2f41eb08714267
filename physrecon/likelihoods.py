"""How well a volume explains the data: value and gradient of f(x) = φ(A x; y).

Least squares, f(x) = ½ ‖W^½ (A x − y)‖², is the likelihood of Gaussian noise of variance 1/W."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from physrecon import arrays, spaces
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.checks import slice_norm_bounds
from physrecon.spaces import Axis, Numbers, Vector


class LeastSquares:
    """f(x) = ½ ‖W^½ (A x − y)‖²,  ∇f(x) = Aᵀ W (A x − y).

    y: A.out_shape, float32 or float64, finite.
    weights: W, one number per datum or broadcastable to the data, finite and >= 0; None is 1.

    A tuple range takes tuples for y and weights.  While it works it holds one data set besides y
    and the weights.  If A overrides `normal` the gradient is (AᵀWA) x − AᵀWy instead, which holds
    one volume.

    value, gradient, value_and_gradient: for the whole of x, which must be finite.
    values, values_and_gradient: one value per slice of A, (slices,) or (1,) float64; NaN and
    infinity pass through into the slices they are in."""

    def __init__(self, A: LinearOperator, y: Vector, weights: Any = None) -> None:
        if not isinstance(A, LinearOperator):
            raise ArgumentError(f"LeastSquares.A: expected a LinearOperator, got {A!r}")
        self.A = A
        self.y = spaces.checked("LeastSquares.y", y, A.out_shape)
        spaces.check_finite("LeastSquares.y", self.y)
        self.weights = weights
        self._root = None if weights is None else self._root_of(weights)
        self.fast_normal = type(A).normal is not LinearOperator.normal

    def _root_of(self, weights: Any) -> Vector:
        checked = spaces.broadcastable("LeastSquares.weights", weights, self.A.out_shape)
        model = spaces.leaves(self.y)[0]
        device = "cuda" if arrays.is_device(model) else "cpu"

        def root(w: Any) -> Any:
            if (w < 0).any():
                raise ArgumentError(
                    "LeastSquares.weights: expected numbers >= 0, got negative ones"
                )
            moved = arrays.to_device(w, device)
            return arrays.namespace(moved).sqrt(moved).astype(model.dtype)

        return spaces.transform(root, checked)

    # Where the slices are ---------------------------------------------------------------------

    @property
    def axis(self) -> Axis:
        """Axis of x along which the problem falls into slices, or None."""
        return self.A.slices[0] if self.A.slices else None

    @property
    def data_axis(self) -> Axis:
        return self.A.slices[1] if self.A.slices else None

    # Data space: what solvers that keep the residual use --------------------------------------

    def weigh(self, r: Vector) -> None:
        """r ← W^½ r"""
        if self._root is not None:
            spaces.multiply(r, self._root)

    def residual(self, x: Vector, out: Vector = None) -> Vector:
        """W^½ (A x − y)"""
        r = self.A.forward(x, out)
        spaces.subtract(r, self.y)
        self.weigh(r)
        return r

    def pull(self, r: Vector, scratch: Vector = None, out: Vector = None) -> Vector:
        """Aᵀ W^½ r; `scratch` is a data set that may be overwritten."""
        if self._root is None:
            return self.A.adjoint(r, out)
        weighted = spaces.empty(self.A.out_shape, r) if scratch is None else scratch
        spaces.assign(weighted, r)
        self.weigh(weighted)
        return self.A.adjoint(weighted, out)

    def values_of(self, r: Vector) -> Numbers:
        """½ ‖r‖² of each slice of a weighted residual."""
        return 0.5 * spaces.dots(r, r, self.data_axis)

    def residual_norms(self, values: Numbers) -> Numbers:
        """‖W^½ (A x − y)‖ from the values of f."""
        return np.sqrt(2 * values)

    # Volume space -----------------------------------------------------------------------------

    def value(self, x: Vector) -> float:
        return float(self.values(self._finite(x)).sum())

    def gradient(self, x: Vector, out: Vector = None) -> Vector:
        return self.gradient_and_free_values(self._finite(x), out)[0]

    def value_and_gradient(self, x: Vector, out: Vector = None) -> tuple[float, Vector]:
        values, gradient = self.values_and_gradient(self._finite(x), out)
        return float(values.sum()), gradient

    def values(self, x: Vector) -> Numbers:
        return self.values_of(self.residual(x))

    def values_and_gradient(self, x: Vector, out: Vector = None) -> tuple[Numbers, Vector]:
        """Both, in one pass over A and one over Aᵀ."""
        r = self.residual(x)
        values = self.values_of(r)
        self.weigh(r)
        return values, self.A.adjoint(r, out)

    def gradient_and_free_values(
        self, x: Vector, out: Vector = None
    ) -> tuple[Vector, Numbers | None]:
        """The gradient in the cheapest way, and the values if they came with it."""
        if not self.fast_normal:
            values, gradient = self.values_and_gradient(x, out)
            return gradient, values
        gradient = self.normal.forward(x, out)
        spaces.subtract(gradient, self._pulled_data)
        return gradient, None

    @cached_property
    def normal(self) -> LinearOperator:
        """AᵀWA"""
        return self.A.normal(self.weights)

    @cached_property
    def _pulled_data(self) -> Vector:
        """AᵀWy"""
        y = spaces.copy(self.y)
        self.weigh(y)
        self.weigh(y)
        return self.A.adjoint(y)

    @cached_property
    def lipschitz(self) -> Numbers:
        """Certified upper bounds of ‖AᵀWA‖ of each slice: max W times the bound of ‖A‖²."""
        _, upper = slice_norm_bounds(self.A)
        if not np.isfinite(upper).all():
            raise ArgumentError(
                f"LeastSquares: expected an operator with a certified norm, got {self.A}; "
                "let it override _norm_bounds, or use ConjugateGradient"
            )
        return upper**2 * self._largest_weights

    @property
    def _largest_weights(self) -> Numbers:
        if self._root is None:
            return np.ones(1)
        count = self.A.slice_count
        largest = np.zeros(count)
        axes = spaces.leaf_axes(self.data_axis, self.y)
        for root, y, axis in zip(
            spaces.leaves(self._root), spaces.leaves(self.y), axes, strict=True
        ):
            root = root.reshape((1,) * (y.ndim - root.ndim) + root.shape)
            others = tuple(i for i in range(root.ndim) if i != axis)
            peak = arrays.to_host(root.max(axis=others)) if root.size else np.zeros(1)
            largest = np.maximum(largest, peak.astype(np.float64) ** 2)
        return largest

    def _finite(self, x: Vector) -> Vector:
        x = spaces.checked("LeastSquares(x)", x, self.A.in_shape)
        spaces.check_finite("LeastSquares(x)", x)
        return x
