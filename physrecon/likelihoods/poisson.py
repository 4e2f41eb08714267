"""Counts, y ~ Poisson(A x + b): half the deviance, which is the Kullback–Leibler divergence

φ(p) = p + b − y + y log(y / (p + b)) ≥ 0,   0 where p + b = y."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.likelihoods.base import Likelihood
from physrecon.likelihoods.deviance import expected_deviance as expected_deviance, noise_deviance
from physrecon.likelihoods.parameters import restricted_to_views
from physrecon.operators.adopted import OperatorLike
from physrecon.operators.base import LinearOperator

ROUNDING = 1e-3  # of the counts, by which a sum of deviances >= 0 falls below 0 at most


class CountLikelihood(Likelihood):
    """Base class for counts: y >= 0, and the deviance of low counts does not follow χ²."""

    needs_nonnegative = True
    counts = True
    gain = 1.0  # units of y per count

    def __init__(self, A: OperatorLike, y: ArrayLike) -> None:
        super().__init__(A, y)
        least = min((float(v.min()) for v in vectors.leaves(self.y) if v.size), default=0.0)
        if least < 0:
            advice = "give dark counts as a parameter instead of subtracting them"
            self._refuse("counts >= 0", f"{least:g}", advice)

    def expected_norms(self) -> Numbers:
        """√(Σ expected deviance), unlike √m for counts below 5; see `likelihoods.deviance`."""
        return np.sqrt(self._noise_deviance[0])

    def deviance_spread(self) -> Numbers:
        """Standard deviation of 2f per slice from noise alone."""
        return np.sqrt(self._noise_deviance[1])

    @cached_property
    def _noise_deviance(self) -> Numbers:
        """Mean and variance of 2f from noise alone, (2, slices) or (2, 1)."""
        total = np.zeros((2, 1))
        for leaf, (y, axis, untouched) in enumerate(self._leaves(self._untouched())):
            parts = [y, self._response(leaf), self._alive(leaf) & ~arrays.to_host(untouched)]
            y, scale, used = (arrays.to_host(part) for part in parts)
            if axis is None:
                moments = [noise_deviance(y, self.gain, scale, used)]
            else:
                cut = (np.moveaxis(np.broadcast_to(a, y.shape), axis, 0) for a in (y, scale, used))
                each = zip(*cut, strict=True)
                moments = [noise_deviance(one, self.gain, *others) for one, *others in each]
            total = total + np.array(moments).reshape(-1, 2).T
        return total

    def whitening(self) -> Vector:
        return vectors.transform(lambda y: arrays.namespace(y).maximum(y, 1) ** -0.5, self.y)

    def perturbed(self, signs: Vector, size: float) -> Self:
        other = super().perturbed(signs, size)
        for name in ("lipschitz", "_noise_deviance"):  # they depend on y
            other.__dict__.pop(name, None)
        for y in vectors.leaves(other.y):
            arrays.namespace(y).abs(y, out=y)
        return other

    def _alive(self, leaf: int) -> Any:
        """Mask of the usable data of array number `leaf`: broadcastable, on the host."""
        return np.ones(1, bool)

    def _response(self, leaf: int) -> Any:
        """Relative response of the data of array number `leaf`: broadcastable."""
        return np.ones(1)


class PoissonLikelihood(CountLikelihood):
    """f(x) = Σ p + b − y + y log(y / (p + b)),  p = A x.

    y: counts >= 0, of A.out_shape; they need not be whole.
    background: b >= 0, the mean counts that do not come from x, broadcastable to the data.
    gain: units of y per count, > 0, if y are grey values; only the noise depends on it.

    Where p + b <= 0 < y the value is infinite; the slope is that at p + b = ε y (ε = 2⁻²³), finite
    and towards larger p.  For y = 0 the loss is p + b, whatever its sign.  `lipschitz` and
    `curvature` hold for A x >= 0 and need b > 0 wherever y > 0: without a background the loss is
    infinitely steep at 0.  MLEM, PDHG and LBFGS do not use them.

    >>> f = pr.PoissonLikelihood(pr.Identity(2), np.array([5.0, 0.0]), background=1)
    >>> f.value(np.array([4.0, 0.0])), f.gradient(np.array([4.0, 0.0])).tolist()
    (1.0, [0.0, 1.0])
    """

    holds = 1

    def __init__(self, A: OperatorLike, y: ArrayLike, background: Any = 0, gain: float = 1) -> None:
        super().__init__(A, y)
        self.gain = self._positive("gain", gain)
        self.background = self._beside("background", background)
        self._parameters = self._compact(self.background)

    @classmethod
    def for_slab(cls, A: LinearOperator, y: Any, **given: Any) -> Self:
        """Line integrals as counts; 0 on rays that miss the grid, where A x = 0 for all x."""
        return cls(A, arrays.namespace(y).maximum(y, 0) * (A.row_sums(y) > 0))

    def subset(self, views: Any) -> PoissonLikelihood:
        background = restricted_to_views(self.background, self.y, views)
        return PoissonLikelihood(self.A[views], self.y[views], background, self.gain)

    def _scaled(self, unit: float) -> tuple[Self, float] | None:
        other = self._of_data(vectors.divided(self.y, unit), "lipschitz")
        other.background = vectors.divided(self.background, unit)
        other._parameters = other._compact(other.background)
        return other, unit

    def expected_data(self, p: Vector) -> Vector:
        mean = vectors.copy(p)
        vectors.add(mean, self.background)
        return mean

    def least_values(self) -> Numbers:
        """The least f of each slice for expectations >= 0, less what rounding may take."""
        return -ROUNDING * vectors.sums(self.expected_data(self.y), self.data_axis)

    def _untouched(self) -> Vector:
        masks = super()._untouched()
        parts = [mask & (b == 0) for *_, mask, b in self._leaves(masks, self.background)]
        return tuple(parts) if isinstance(self.y, tuple) else parts[0]

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        from physrecon.kernels import losses

        losses.counts(p, y, self._parameters[leaf], what, partial)

    def data_ratios(self, p: Vector) -> Numbers:
        """p ← y / (p + b); returns Σ φ per slice.  One pass over the data."""
        from physrecon.kernels.losses import RATIOS

        return self._go_through(p, RATIOS)

    def data_curvatures(self, p: Vector) -> None:
        """p ← the curvature of the smallest parabola above φ(t) for all t >= 0; needs b > 0."""
        if any(((b == 0) & (y > 0)).any() for y, _, b in self._leaves(self.background)):
            advice = "give the background, or use MLEM, PDHG or LBFGS"
            self._refuse("background > 0 where there are counts", "0", advice)
        super().data_curvatures(p)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        """q ← ½ (1 + g − √((1 − g)² + 4 σ y)),  g = q + σ b.

        Chambolle and Pock, J. Math. Imaging Vis. 40 (2011) 120; Anthoine, Aujol, Boursier and
        Mélot, Inverse Problems 28 (2012) 105004."""
        for part, step, y, b in self._with_steps(q, sigma, self.background):
            xp = arrays.namespace(part)
            step = xp.asarray(step, dtype=part.dtype)
            part += step * b
            root = part - 1
            root *= root
            root += 4 * step * y
            xp.sqrt(root, out=root)
            part += 1
            part -= root
            part *= 0.5
        return q
