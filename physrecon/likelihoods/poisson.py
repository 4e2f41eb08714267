"""Counts, y ~ Poisson(A x + b): half the deviance, which is the Kullback–Leibler divergence

φ(p) = p + b − y + y log(y / (p + b)) ≥ 0,   0 where p + b = y."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.likelihoods.base import Likelihood
from physrecon.likelihoods.deviance import expected_deviance as expected_deviance, noise_deviance
from physrecon.operators.base import Operator


class CountLikelihood(Likelihood):
    """Base class for counts: y >= 0, and the deviance of low counts does not follow χ²."""

    needs_nonnegative = True
    counts = True
    gain = 1.0  # units of y per count

    def __init__(self, A: Operator, y: Vector) -> None:
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
