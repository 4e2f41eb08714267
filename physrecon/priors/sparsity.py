"""Few elements, or few wavelet coefficients, are not zero:  weight ‖x‖₁  and  weight ‖W x‖₁.

The proximal map shrinks towards zero (Donoho 1995), and its conjugate clips:

    prox_{t‖·‖₁}(x) = x − clip(x, −t, t)          prox_{σ(w‖·‖₁)*}(q) = clip(q, −w, w)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays, spaces
from physrecon.operators.base import LinearOperator
from physrecon.operators.diagonal import Identity
from physrecon.priors.base import Prior, clip_to, per_leaf
from physrecon.priors.constraints import Constraint
from physrecon.spaces import Axis, Numbers, Shape, Vector


@dataclass(frozen=True)
class L1(Prior):
    """weight · Σ|x|: x is zero in most places.  Holds one volume while it works."""

    kinds: ClassVar[tuple[str, ...]] = ("prox", "split")

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return False

    def operator(self, shape: Shape) -> LinearOperator:
        return Identity(shape)

    def values(self, x: Vector, axis: Axis = None) -> Numbers:
        return self.weight * sum_of_magnitudes(x, axis)

    def prox(self, x: Vector, step: Any, constraint: Constraint | None = None) -> Vector:
        return clip_to("L1", self.split_prox(x, step), constraint)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        for leaf in spaces.leaves(q):
            arrays.namespace(leaf).clip(leaf, -self.weight, self.weight, out=leaf)
        return q

    def split_prox(self, z: Vector, step: Any) -> Vector:
        for leaf, t in zip(spaces.leaves(z), per_leaf(step, z), strict=True):
            shrink(leaf, t * self.weight)
        return z


def shrink(x: Any, threshold: Any) -> None:
    """x ← the nearest to zero within ± threshold of x.  NaN stays NaN."""
    x -= arrays.namespace(x).clip(x, -threshold, threshold)


def sum_of_magnitudes(x: Vector, axis: Axis) -> Numbers:
    """Σ|x| of each slice, in float64 and in an order that no other slice has a part in."""
    total = np.zeros(1)
    for leaf, where in zip(spaces.leaves(x), spaces.leaf_axes(axis, x), strict=True):
        view = arrays.sliced(leaf, where)
        each = (abs(view[:, i]).sum(dtype=np.float64) for i in range(view.shape[1]))
        total = total + np.array([float(one) for one in each])
    return total
