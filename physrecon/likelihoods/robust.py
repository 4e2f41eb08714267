"""Least squares for data with outliers: losses that grow slower than the square.

Huber's loss grows like |r| and is convex: the influence of an outlier is bounded.  Student's t
grows like log |r| and has many minima: the influence of an outlier vanishes as it grows."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.likelihoods.base import Likelihood
from physrecon.likelihoods.least_squares import Weighted, shrink_towards
from physrecon.likelihoods.parameters import restricted_to_views
from physrecon.operators.adopted import OperatorLike
from physrecon.operators.base import LinearOperator


class Robust(Likelihood):
    """Base class of losses with a threshold for outliers, the job field `outlier`.

    outlier_level: default threshold in units of the noise level."""

    settings = ("outlier",)
    outlier_level: ClassVar[float]

    @classmethod
    def for_slab(cls, A: LinearOperator, y: Any, **given: Any) -> Self:
        return cls(A, y, given["outlier"])  # type: ignore[call-arg]

    @classmethod
    def find_settings(cls, y: Any) -> dict[str, float]:
        from physrecon.likelihoods.noise_level import noise_level

        return {"outlier": cls.outlier_level * float(np.median(noise_level(y, axis=1)))}


class Huber(Robust, Weighted):
    """f(x) = Σ w · (½ r² where |r| <= δ, else δ (|r| − ½ δ)),  r = A x − y.

    delta: > 0, in the units of y; 1.345 times the noise level costs 5 % efficiency on data without
    outliers.  weights: as in LeastSquares.  Huber, Ann. Math. Statist. 35 (1964) 73.

    >>> f = pr.Huber(pr.Identity(3), np.array([0.0, 0.0, 9.0]), delta=1)
    >>> f.gradient(np.array([0.0, 0.5, 0.0]))  # at most delta for the outlier
    array([ 0. ,  0.5, -1. ])
    """

    outlier_level = 1.345

    def __init__(self, A: OperatorLike, y: ArrayLike, delta: float, weights: Any = None) -> None:
        super().__init__(A, y)
        self.delta = self._positive("delta", delta)
        self._keep_weights(weights)

    def subset(self, views: Any) -> Huber:
        weights = restricted_to_views(self.weights, self.y, views)
        return Huber(self.A[views], self.y[views], self.delta, weights)

    def _scaled(self, unit: float) -> tuple[Self, float] | None:
        scaled = super()._scaled(unit)
        assert scaled is not None
        scaled[0].delta = self.delta / unit
        return scaled

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        from physrecon.kernels import losses

        losses.residuals(p, y, self._parameters[leaf], p.dtype.type(self.delta), what, partial)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        """q ← the conjugate prox of least squares, clipped to ± w δ."""
        for part, step, y, root in self._with_steps(q, sigma, self._roots):
            xp = arrays.namespace(part)
            weights = root * root
            shrink_towards(part, y, step, weights)
            xp.clip(part, -self.delta * weights, self.delta * weights, out=part)
        return q


class StudentT(Robust):
    """f(x) = ½ (ν + 1) Σ log(1 + r² / (ν scale²)),  r = A x − y; not convex.

    scale: > 0, the width of the noise without outliers, in the units of y.  dof: ν > 0; the
    smaller, the less the influence of an outlier (1: Cauchy).
    Lange, Little and Taylor, J. Amer. Statist. Assoc. 84 (1989) 881.

    >>> f = pr.StudentT(pr.Identity(3), np.array([0.0, 1.0, 99.0]), scale=1)
    >>> f.gradient(np.zeros(3)).round(2).tolist()  # the outlier has little weight
    [0.0, -1.0, -0.05]
    """

    convex = False
    outlier_level = 1.0

    def __init__(self, A: OperatorLike, y: ArrayLike, scale: float, dof: float = 4) -> None:
        super().__init__(A, y)
        self.scale, self.dof = self._positive("scale", scale), self._positive("dof", dof)

    def subset(self, views: Any) -> StudentT:
        return StudentT(self.A[views], self.y[views], self.scale, self.dof)

    def _scaled(self, unit: float) -> tuple[Self, float] | None:
        other = self._of_data(vectors.divided(self.y, unit), "lipschitz")
        other.scale = self.scale / unit
        return other, 1.0

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        from physrecon.kernels import losses

        number = p.dtype.type
        spread, half = number(self.dof * self.scale**2), number((self.dof + 1) / 2)
        losses.student_t(p, y, spread, half, what, partial)

    def whitening(self) -> Vector:
        return vectors.transform(
            lambda y: arrays.namespace(y).full(1, 1 / self.scale, y.dtype), self.y
        )

    def _max_curvature(self) -> Numbers:
        return np.full(1, (self.dof + 1) / (self.dof * self.scale**2))
