"""Least squares, f(x) = ½ ‖W^½ (A x − y)‖²: the likelihood of Gaussian noise of variance 1/W."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.likelihoods.base import Likelihood
from physrecon.likelihoods.parameters import restricted_to_views
from physrecon.operators.adopted import OperatorLike
from physrecon.operators.base import LinearOperator


class Weighted(Likelihood):
    """Base class of losses of the residual with weights W; their curvature is at most W."""

    takes_weights = True

    def _keep_weights(self, weights: Any) -> None:
        self.weights = weights
        self._roots = self._roots_of(weights)
        self._parameters = self._compact(self._roots)

    def _scaled(self, unit: float) -> tuple[Self, float] | None:
        """Weights in multiples of a power of 2³² too: 1/variance of data in 1e-26 is 1e52."""
        root = vectors.unit_of(self._roots)
        outdated = ("lipschitz", "normal") if root != 1 else ()
        other = self._of_data(vectors.divided(self.y, unit), *outdated)
        if root != 1:
            other._roots = vectors.divided(self._roots, root)
            other.weights = vectors.transform(lambda r: r * r, other._roots)
            other._parameters = other._compact(other._roots)
        return other, (unit * root) ** 2

    def _max_curvature(self) -> Numbers:
        return self._largest(self._roots) ** 2

    def whitening(self) -> Vector:
        return self._roots

    def expected_norms(self) -> Numbers:
        """√m times the estimated noise level, for m data."""
        return self._estimated_norms(None if self.weights is None else self._roots)

    def counted(self) -> Numbers:
        """Data of weight zero do not count."""
        return super().counted() if self.weights is None else self._count_of(self._roots)


class LeastSquares(Weighted):
    """f(x) = ½ ‖W^½ (A x − y)‖², the likelihood of Gaussian noise;  ∇f(x) = Aᵀ W (A x − y).

    Holds the roots of the weights, not broadcast.  If A overrides `normal` the gradient is
    (AᵀWA) x − AᵀWy, which holds one volume and no data set.

    Args:
        A: an operator, or what `as_operator` takes: a matrix, an operator of SciPy or PyLops, a
            pair of functions (forward, adjoint).
        y: data of A.out_shape, float32 or float64, finite; a tuple for a tuple range.
        weights: W >= 0, one number per datum or broadcastable to the data (one per view:
            (views, 1, 1)), in 1/unit of y²; 0 masks a datum.  By default 1.
        inverse_variance: the weights are 1/variance of the data, so noise alone gives a residual
            norm of √(number of data).  By default the noise level is estimated from the data when
            it is needed.
    Raises:
        ArgumentError: for another A, shapes that do not fit, NaN and infinity.

    Example:
        >>> f = pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.array([1.0, 2.0]), weights=[1, 0.25])
        >>> x = np.array([3.0, 3.0])
        >>> f.value(x), f.gradient(x).tolist()  # ½ (1 · 2² + ¼ · 4²), [1 · 2, ¼ · 2 · 4]
        (4.0, [2.0, 2.0])
    """

    quadratic = True

    def __init__(
        self, A: OperatorLike, y: ArrayLike, weights: Any = None, inverse_variance: bool = False
    ) -> None:
        super().__init__(A, y)
        self._keep_weights(weights)
        self.inverse_variance = inverse_variance
        override = getattr(type(A), "normal", None)
        self.fast_normal = isinstance(A, LinearOperator) and override is not LinearOperator.normal

    def subset(self, views: Any) -> LeastSquares:
        weights = restricted_to_views(self.weights, self.y, views)
        return LeastSquares(self.A[views], self.y[views], weights, self.inverse_variance)

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        from physrecon.kernels import losses

        losses.residuals(p, y, self._parameters[leaf], p.dtype.type(np.inf), what, partial)

    # Data space: for solvers that hold the residual -------------------------------------------

    def weigh(self, r: Vector) -> None:
        """r ← W^½ r"""
        if self.weights is not None:
            vectors.multiply(r, self._roots)

    def residual(self, x: Vector, out: Vector = None) -> Vector:
        """W^½ (A x − y)"""
        return self.residual_and_values(x, out)[0]

    def residual_and_values(self, x: Vector, out: Vector = None) -> tuple[Vector, Numbers]:
        """W^½ (A x − y) and half its squared norm per slice, in one pass over the data."""
        from physrecon.kernels.losses import RESIDUALS

        r = self.A.forward(x, out)
        return r, self._go_through(r, RESIDUALS)

    def adjoint_of_residual(self, r: Vector, scratch: Vector = None, out: Vector = None) -> Vector:
        """Aᵀ W^½ r; `scratch` is a data set that may be overwritten."""
        if self.weights is None:
            return self._linear.adjoint(r, out)
        weighted = vectors.empty(self.A.out_shape, r) if scratch is None else scratch
        vectors.assign(weighted, r)
        self.weigh(weighted)
        return self._linear.adjoint(weighted, out)

    def values_of(self, r: Vector) -> Numbers:
        """½ ‖r‖² per slice of a weighted residual."""
        return 0.5 * vectors.dots(r, r, self.data_axis)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        """q ← (q − σ y) / (1 + σ/w), and 0 where w = 0."""
        for part, step, y, root in self._with_steps(q, sigma, self._roots):
            shrink_towards(part, y, step, root * root)
        return q

    def expected_norms(self) -> Numbers:
        """√m for m data of weight 1/variance, else √m times the estimated noise level."""
        if self.inverse_variance:
            return np.sqrt(self.counted())
        return super().expected_norms()

    # Volume space -----------------------------------------------------------------------------

    def gradient_and_free_values(
        self, x: Vector, out: Vector = None
    ) -> tuple[Vector, Numbers | None]:
        if not self.fast_normal:
            return super().gradient_and_free_values(x, out)
        gradient = self.normal.forward(x, out)
        vectors.subtract(gradient, self._pulled_data)
        return gradient, None

    @cached_property
    def normal(self) -> LinearOperator:
        """AᵀWA"""
        return self._linear.normal(self.weights)

    @cached_property
    def _pulled_data(self) -> Vector:
        """AᵀWy"""
        y = vectors.copy(self.y)
        self.weigh(y)
        self.weigh(y)
        return self._linear.adjoint(y)


class WeightedByCounts(LeastSquares):
    """Least squares for line integrals y = −log(counts), of variance 1/counts: weights e^−y."""

    holds = 3

    @classmethod
    def for_slab(cls, A: LinearOperator, y: Any, **given: Any) -> Self:
        xp = arrays.namespace(y)
        return cls(A, y, xp.exp(-xp.maximum(y, 0)))


def shrink_towards(q: Any, y: Any, sigma: Any, weights: Any) -> None:
    """q ← w (q − σ y) / (w + σ), and 0 where w = 0: conjugate prox of ½ w (p − y)²."""
    xp = arrays.namespace(q)
    sigma = xp.asarray(sigma, dtype=q.dtype)
    q -= sigma * y
    q *= weights / xp.maximum(weights + sigma, np.finfo(q.dtype).tiny)
