"""Counts read out by an amplifier with Gaussian noise: the shifted Poisson model.

y = gain · Poisson(p) + offset + Normal(0, read_noise²).  With s = (read_noise / gain)² the shifted
data (y − offset) / gain + s have mean and variance p + s, like Poisson counts of mean p + s
(Snyder, Hammoud and White, J. Opt. Soc. Am. A 10 (1993) 1014; Snyder, Helstrom, Lanterman, Faisal
and White, J. Opt. Soc. Am. A 12 (1995) 272)."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors as arrays_vectors
from physrecon.arrays.vectors import Vector
from physrecon.likelihoods.base import Likelihood
from physrecon.likelihoods.poisson import PoissonLikelihood
from physrecon.operators.adopted import OperatorLike


class PoissonGaussianLikelihood(PoissonLikelihood):
    """The Poisson likelihood of shifted data; p = A x are the mean photo-electrons.

    y: as read out, of A.out_shape.  gain: read-out units per photo-electron, > 0.  offset: mean
    read-out without light.  read_noise: standard deviation >= 0, in read-out units.  background:
    mean photo-electrons >= 0 that do not come from x.  All broadcast to the data.

    Shifted data below zero are set to zero; `clipped` is their number.  `y` are the shifted data;
    `subset` returns a PoissonLikelihood of them.  `lipschitz` is finite if there is read noise or
    background.

    >>> y = np.array([102.0, 110.0])  # 1 and 5 photo-electrons
    >>> f = pr.PoissonGaussianLikelihood(pr.Identity(2), y, gain=2, offset=100)
    >>> f.gradient(np.array([1.0, 10.0])).round(6).tolist()  # 1 − 1/1, 1 − 5/10
    [0.0, 0.5]
    """

    def __init__(
        self,
        A: OperatorLike,
        y: ArrayLike,
        gain: Any = 1,
        offset: Any = 0,
        read_noise: Any = 0,
        background: Any = 0,
    ) -> None:
        Likelihood.__init__(self, A, y)
        gains = self._beside("gain", gain, "> 0")
        offsets = self._beside("offset", offset, "any")
        noises = self._beside("read_noise", read_noise)
        shifts = _each(lambda noise, g: (noise / g) ** 2, noises, gains)
        shifted = _each(lambda v, o, g, s: (v - o) / g + s, self.y, offsets, gains, shifts)
        self.clipped = sum(int((v < 0).sum()) for v in arrays_vectors.leaves(shifted))
        for v in arrays_vectors.leaves(shifted):
            arrays.namespace(v).maximum(v, 0, out=v)
        backgrounds = self._beside("background", background)
        super().__init__(A, shifted, _each(lambda b, s: b + s, backgrounds, shifts))


def _each(function: Any, *vectors: Vector) -> Vector:
    """Apply the function to the matching arrays of the vectors."""
    if isinstance(vectors[0], tuple):
        return tuple(_each(function, *parts) for parts in zip(*vectors, strict=True))
    return function(*vectors)
