"""Sparsity of x or of its wavelet coefficients:  weight ‖x‖₁  and  weight ‖W x‖₁.

The proximal map shrinks towards zero (Donoho 1995); that of the conjugate clips:

    prox_{t‖·‖₁}(x) = x − clip(x, −t, t)          prox_{σ(w‖·‖₁)*}(q) = clip(q, −w, w)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.diagonal import Identity
from physrecon.operators.wavelet import Wavelet
from physrecon.priors.base import Prior, checked_axes, clip_to, per_leaf, refuse_constraint
from physrecon.priors.constraints import Constraint


@dataclass(frozen=True)
class L1(Prior):
    """weight · Σ|x|: x is zero in most places.  Holds one volume during a call.

    >>> prior = pr.L1(0.5)
    >>> prior.value(np.array([-2.0, 0.3, 1.0])), prior.prox(np.array([-2.0, 0.3, 1.0]), step=1)
    (1.65, array([-1.5,  0. ,  0.5]))
    """

    holds: ClassVar[int] = 3
    solver: ClassVar[str] = "fista"
    degree: ClassVar[int | None] = 1
    capabilities: ClassVar[tuple[str, ...]] = ("prox", "composed", "surrogate")
    elementwise: ClassVar[bool] = True

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return False

    def operator(self, shape: Shape) -> LinearOperator:
        return Identity(shape)

    def values(self, x: Vector, axis: Axis = None) -> Numbers:
        return self.weight * sum_of_magnitudes(x, axis)

    def prox(self, x: Vector, step: Any, constraint: Constraint | None = None) -> Vector:
        return clip_to("L1", self.composed_prox(x, step), constraint)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        for leaf in vectors.leaves(q):
            arrays.namespace(leaf).clip(leaf, -self.weight, self.weight, out=leaf)
        return q

    def composed_prox(self, z: Vector, step: Any) -> Vector:
        for leaf, t in zip(vectors.leaves(z), per_leaf(step, z), strict=True):
            shrink(leaf, t * self.weight)
        return z

    def surrogate(
        self, x: Vector, axis: Axis, scale: Numbers, gradient: Vector, curvature: Vector
    ) -> None:
        """For u ≥ 0, |u| = u: g is the weight and c is 0."""
        for leaf in vectors.leaves(gradient):
            leaf += self.weight


@dataclass(frozen=True)
class WaveletL1(Prior):
    """weight · Σ|details of W x|: x is smooth except at edges.  Coarse coefficients are free.

    wavelet, axes: as in Wavelet; axes=None means all.  levels: of the transform.  `prox` needs
    sides of x that are multiples of 2^levels, for which W is orthogonal; the composed form takes
    any x.  Holds W x and the memory of W during a call.  On the host only.

    >>> prior = pr.WaveletL1(0.5, "haar", levels=1)
    >>> x = np.array([1.0, 1.0, 5.0, 5.0])
    >>> prior.value(x), prior.prox(np.array([1.0, 1.2, 5.0, 4.8]), step=1).round(3).tolist()
    (0.0, [1.1, 1.1, 4.9, 4.9])
    """

    wavelet: str = "db4"
    levels: int = 3
    axes: tuple[int, ...] | None = None

    holds: ClassVar[int] = 5
    solver: ClassVar[str] = "pdhg"
    degree: ClassVar[int | None] = 1
    capabilities: ClassVar[tuple[str, ...]] = ("prox", "composed")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "axes", checked_axes("WaveletL1.axes", self.axes))
        if not vectors.is_whole(self.levels):  # None depends on x's shape, unknown from q alone
            raise ArgumentError(f"WaveletL1.levels: expected a whole number, got {self.levels!r}")
        rank = max((abs(axis) for axis in self.axes or ()), default=0) + 1
        self.operator((1,) * rank)  # refuses wavelets that are not orthogonal

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return axis in self.operator(shape).axes

    def has_prox(self, shape: Shape, constraint: Constraint | None) -> bool:
        return constraint is None and self.operator(shape).orthogonal

    def operator(self, shape: Shape) -> Wavelet:
        return Wavelet(shape, self.wavelet, self.levels, self.axes)

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        W = self.operator(x.shape)
        details = W.forward(x)
        details[W.coarse] = 0
        return self.weight * sum_of_magnitudes(details, axis)

    def prox(self, x: Any, step: Any, constraint: Constraint | None = None) -> Any:
        """Wᵀ shrink(W x), exact because W is orthogonal."""
        refuse_constraint("WaveletL1", constraint)
        W = self.operator(x.shape)
        if not W.orthogonal:
            raise ArgumentError(
                f"WaveletL1.prox: expected sides of x that are multiples of {2**W.levels}, got "
                f"{x.shape}; choose fewer levels, or use PDHG or ADMM, which split the prior"
            )
        return W.adjoint(self.composed_prox(W.forward(x), step), out=x)

    def conjugate_prox(self, q: Any, sigma: Any) -> Any:
        arrays.namespace(q).clip(q, -self.weight, self.weight, out=q)
        q[self._coarse(q)] = 0
        return q

    def composed_prox(self, z: Any, step: Any) -> Any:
        coarse = self._coarse(z)
        kept = z[coarse].copy()
        (t,) = per_leaf(step, z)
        shrink(z, t * self.weight)
        z[coarse] = kept
        return z

    def _coarse(self, coefficients: Any) -> Any:
        return self.operator(coefficients.shape).coarse


def shrink(x: Any, threshold: Any) -> None:
    """x ← the number nearest to zero within ± threshold of x.  NaN stays NaN."""
    x -= arrays.namespace(x).clip(x, -threshold, threshold)


def sum_of_magnitudes(x: Vector, axis: Axis) -> Numbers:
    """Σ|x| per slice in float64, summed in an order that depends on this slice only."""
    total = np.zeros(1)
    for leaf, where in zip(vectors.leaves(x), vectors.leaf_axes(axis, x), strict=True):
        view = arrays.sliced(leaf, where)
        each = (abs(view[:, i]).sum(dtype=np.float64) for i in range(view.shape[1]))
        total = total + np.array([float(one) for one in each])
    return total
