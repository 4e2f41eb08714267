"""Counts, y ~ Poisson(A x + b): half the deviance, which is the Kullback–Leibler divergence

φ(p) = p + b − y + y log(y / (p + b)) ≥ 0,   0 where p + b = y."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Self

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.likelihoods.base import Likelihood, restricted_to_views
from physrecon.operators.base import LinearOperator, Operator

NEIGHBOURS = 9  # counts along the last axis whose average estimates the mean of one count


class CountLikelihood(Likelihood):
    """Base class for counts: y >= 0, and the deviance of low counts does not follow χ²."""

    needs_nonnegative = True
    counts = True

    def __init__(self, A: Operator, y: Vector) -> None:
        super().__init__(A, y)
        least = min((float(v.min()) for v in vectors.leaves(self.y) if v.size), default=0.0)
        if least < 0:
            advice = "give dark counts as a parameter instead of subtracting them"
            self._refuse("counts >= 0", f"{least:g}", advice)

    def expected_norms(self) -> Numbers:
        """√(Σ expected deviance), unlike √m for counts below 5 (McCullagh and Nelder 1989).

        The mean of a count is estimated from neighbouring counts in its row."""
        total = np.zeros(1)
        for leaf, (y, axis) in enumerate(self._leaves()):
            deviance = expected_deviance(_smoothed(arrays.to_host(y).astype(np.float64)))
            others = tuple(i for i in range(y.ndim) if i != axis)
            total = total + (deviance * self._alive(leaf)).sum(axis=others).reshape(-1)
        return np.sqrt(total)

    def whitening(self) -> Vector:
        return vectors.transform(lambda y: arrays.namespace(y).maximum(y, 1) ** -0.5, self.y)

    def perturbed(self, signs: Vector, size: float) -> Self:
        other = super().perturbed(signs, size)
        other.__dict__.pop("lipschitz", None)  # the bound of φ'' depends on y
        for y in vectors.leaves(other.y):
            arrays.namespace(y).abs(y, out=y)
        return other

    def _alive(self, leaf: int) -> Any:
        """Mask of the usable data of array number `leaf`: broadcastable, on the host."""
        return True


class PoissonLikelihood(CountLikelihood):
    """f(x) = Σ p + b − y + y log(y / (p + b)),  p = A x.

    y: counts >= 0, of A.out_shape; they need not be whole.
    background: b >= 0, the mean counts that do not come from x, broadcastable to the data.

    Where p + b <= 0 < y the value is infinite; the slope is that at p + b = ε y (ε = 2⁻²³), finite
    and towards larger p.  For y = 0 the loss is p + b, whatever its sign.  `lipschitz` and
    `curvature` hold for A x >= 0 and need b > 0 wherever y > 0: without a background the loss is
    infinitely steep at 0.  MLEM, PDHG and LBFGS do not use them.

    >>> f = pr.PoissonLikelihood(pr.Identity(2), np.array([5.0, 0.0]), background=1)
    >>> f.value(np.array([4.0, 0.0])), f.gradient(np.array([4.0, 0.0])).tolist()
    (1.0, [0.0, 1.0])
    """

    holds = 1

    def __init__(self, A: Operator, y: Vector, background: Any = 0) -> None:
        super().__init__(A, y)
        self.background = self._beside("background", background)
        self._parameters = self._compact(self.background)

    @classmethod
    def for_slab(cls, A: LinearOperator, y: Any, **given: Any) -> Self:
        """Line integrals as counts; 0 on rays that miss the grid, where A x = 0 for all x."""
        return cls(A, arrays.namespace(y).maximum(y, 0) * (A.row_sums(y) > 0))

    def subset(self, views: Any) -> PoissonLikelihood:
        background = restricted_to_views(self.background, self.y, views)
        return PoissonLikelihood(self.A[views], self.y[views], background)

    def expected_data(self, p: Vector) -> Vector:
        mean = vectors.copy(p)
        vectors.add(mean, self.background)
        return mean

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        from physrecon.kernels import losses

        losses.counts(p, y, self._parameters[leaf], what, partial)

    def data_ratios(self, p: Vector) -> Numbers:
        """p ← y / (p + b) = 1 − φ'(p); returns Σ φ per slice.  One pass over the data."""
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


def _smoothed(y: np.ndarray) -> np.ndarray:
    """The mean of each datum and its neighbours within the row."""
    if not y.ndim or not y.size:
        return y
    half = min(NEIGHBOURS, y.shape[-1]) // 2
    sums = np.concatenate([np.zeros_like(y[..., :1]), y.cumsum(axis=-1)], axis=-1)
    i = np.arange(y.shape[-1])
    begin, end = np.maximum(i - half, 0), np.minimum(i + half + 1, y.shape[-1])
    return np.maximum(sums[..., end] - sums[..., begin], 0) / (end - begin)


def expected_deviance(mean: np.ndarray) -> np.ndarray:
    """E 2 (μ − k + k log(k/μ)) for k ~ Poisson(μ): 0 at μ = 0, 1.15 at 1.2, 1 + 1/(6 μ) from 50."""
    means, deviances = _deviance_table()
    table = np.interp(mean, means, deviances)
    return np.where(mean < means[-1], table, 1 + 1 / (6 * np.maximum(mean, 1)))


@lru_cache(1)
def _deviance_table() -> tuple[np.ndarray, np.ndarray]:
    """The expectation summed term by term, for means from 0 to 50."""
    means = np.concatenate([[0], np.geomspace(1e-4, 50, 400)])
    k = np.arange(200.0)[:, None]
    log_factorial = np.concatenate([[0], np.cumsum(np.log(np.arange(1, 200)))])[:, None]
    mu = means[1:]
    probability = np.exp(k * np.log(mu) - mu - log_factorial)
    half = mu - k + k * np.log(np.maximum(k, 1) / mu)
    return means, np.concatenate([[0], 2 * (probability * half).sum(axis=0)])
