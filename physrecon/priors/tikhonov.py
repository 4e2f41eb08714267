"""Tikhonov's prior:  ½ weight ‖K x‖²  (Tikhonov 1963).

K is the identity, for small x, or any linear operator, such as a gradient for smooth x.  It is the
prior of Gaussian K x of variance 1/weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.calculus import Gradient
from physrecon.operators.checks import norm_bounds
from physrecon.operators.diagonal import Identity
from physrecon.priors.base import Prior, clip_to, per_leaf
from physrecon.priors.constraints import Constraint

KINDS = ("quadratic", "smooth", "composed", "surrogate")  # for any K


@dataclass(frozen=True)
class Tikhonov(Prior):
    """½ weight ‖K x‖².  Holds K x and one volume for a gradient; nothing for K = 1.

    K: a linear operator, or a function that makes one from the shape of x, such as Gradient;
    None is the identity, the only K with a closed-form prox (exact within a Box too).

    >>> x = np.array([0.0, 1.0, 3.0])
    >>> pr.Tikhonov(2.0).value(x), pr.Tikhonov(2.0, pr.Gradient).value(x)  # 0 + 1 + 9, 1 + 4
    (10.0, 5.0)
    """

    K: LinearOperator | Callable[[Shape], LinearOperator] | None = None

    holds: ClassVar[int] = 3
    solver: ClassVar[str] = "fista"
    degree: ClassVar[int | None] = 2
    capabilities: ClassVar[tuple[str, ...]] = (*KINDS, "prox")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.K is not None:
            object.__setattr__(self, "capabilities", KINDS)
        if not (self.K is None or isinstance(self.K, LinearOperator) or callable(self.K)):
            raise ArgumentError(
                "Tikhonov.K: expected a LinearOperator, or a function that makes one from the "
                f"shape of x, got {self.K!r}"
            )

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.K is None

    def operator(self, shape: Shape) -> LinearOperator:
        if self.K is None:
            return Identity(shape)
        K = self.K if isinstance(self.K, LinearOperator) else self.K(shape)
        if not isinstance(K, LinearOperator) or K.in_shape != shape:
            raise ArgumentError(
                f"Tikhonov.K: expected a linear operator on x of {shape}, got {K!r}"
            )
        return K

    def quadratic_operator(self, shape: Shape) -> LinearOperator:
        return math.sqrt(self.weight) * self.operator(shape)

    def couples(self, axis: Axis, shape: Shape) -> bool:
        if self.K is None:
            return False
        slices = self.operator(shape).with_slice_axis(axis).slices
        return slices is None or slices[0] != axis

    def values(self, x: Vector, axis: Axis = None) -> Numbers:
        if self.K is None:
            return 0.5 * self.weight * vectors.dots(x, x, axis)
        K = self._operator_on(x, axis)
        return self._values_of(K, K.forward(x), axis)

    def values_and_gradient(self, x: Vector, axis: Axis, out: Vector) -> tuple[Numbers, Vector]:
        one, weight = np.ones(1), np.full(1, self.weight)
        if self.K is None:
            vectors.scale_add(out, one, weight, x, None, [True])
            return self.values(x, axis), out
        K = self._operator_on(x, axis)
        z = K.forward(x)
        vectors.scale_add(out, one, weight, K.adjoint(z), None, [True])
        return self._values_of(K, z, axis), out

    def _operator_on(self, x: Vector, axis: Axis) -> LinearOperator:
        K = self.operator(vectors.transform(np.shape, x))
        return K if axis is None else K.with_slice_axis(axis)

    def _values_of(self, K: LinearOperator, z: Vector, axis: Axis) -> Numbers:
        along = K.slices[1] if axis is not None and K.slices else None
        return 0.5 * self.weight * vectors.dots(z, z, along)

    def lipschitz(self, shape: Shape) -> float:
        bound = norm_bounds(self.operator(shape))[1]
        if not math.isfinite(bound):
            raise ArgumentError(
                f"Tikhonov.lipschitz: expected a K with a finite norm, got {self.K!r}; look for "
                "NaN and infinity in it, or correct its _norm_bounds"
            )
        return self.weight * bound**2

    def surrogate(
        self, x: Vector, axis: Axis, scale: Numbers, gradient: Vector, curvature: Vector
    ) -> None:
        """c is weight · (an upper bound of ‖K‖²), which is the weight for K = 1."""
        self.values_and_gradient(x, axis, gradient)
        bound = self.weight if self.K is None else self.lipschitz(vectors.transform(np.shape, x))
        for leaf in vectors.leaves(curvature):
            leaf += bound

    def prox(self, x: Vector, step: Any, constraint: Constraint | None = None) -> Vector:
        if self.K is not None:
            raise ArgumentError(
                f"Tikhonov.prox: expected K=None (the identity), got {self.K!r}; use a solver for "
                "quadratic or smooth priors, such as ConjugateGradient"
            )
        self.composed_prox(x, step)
        return clip_to("Tikhonov", x, constraint)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        """q / (1 + σ / weight), for g(z) = ½ weight ‖z‖²."""
        for leaf, s in zip(vectors.leaves(q), per_leaf(sigma, q), strict=True):
            leaf /= 1 + s / self.weight
        return q

    def composed_prox(self, z: Vector, step: Any) -> Vector:
        """z / (1 + step · weight)"""
        for leaf, t in zip(vectors.leaves(z), per_leaf(step, z), strict=True):
            leaf /= 1 + t * self.weight
        return z


@dataclass(frozen=True)
class Smooth(Tikhonov):
    """½ weight ‖∇x‖².  axes, spacing: as in TotalVariation.

    Holds ∇x and one volume for a gradient."""

    K: Callable[[Shape], LinearOperator] = field(init=False, repr=False, compare=False)
    axes: tuple[int, ...] | None = None
    spacing: float | tuple[float, ...] = 1.0

    holds: ClassVar[int] = 5
    capabilities: ClassVar[tuple[str, ...]] = KINDS

    def __post_init__(self) -> None:
        K = partial(Gradient, spacing=self.spacing, axes=self.axes)
        object.__setattr__(self, "K", K)
        super().__post_init__()
