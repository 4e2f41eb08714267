"""Noise models: random data of a given mean, and the likelihood of such data.

    GaussianNoise           data = mean + σ z
    PoissonNoise            data = Poisson(mean + background)
    PoissonGaussianNoise    data = gain · Poisson(mean) + offset + σ z
    TransmissionNoise       data = Poisson(blank · exp(−p) + dark),  p the line integrals

z is standard normal.  One object draws the data and builds their likelihood, so simulation and
reconstruction use the same model.  A random number depends only on the seed and on the index of its
element in the whole array (`kernels/random.py`), not on threads or slabs.  Arrays with the same
seed get the same random numbers: give projections and flats different seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError

PIECE = 1 << 25  # elements per kernel launch: about one second on two cores
PLANES = 1 << 15  # planes per kernel launch, at most: half of CUDA's limit
LARGEST_MEAN = 1e15  # counts: float64 represents every count of this mean exactly


class _Place:
    """Random numbers for a whole array, or for the part of it that begins at `corner`."""

    def __init__(self, where: str, seed: Any, shape: Any, whole: Any, corner: Any) -> None:
        if not vectors.is_whole(seed) or not 0 <= int(seed) < 1 << 64:
            raise ArgumentError(f"{where}(seed): expected a whole number in [0, 2**64), got {seed}")
        whole = shape if whole is None else tuple(whole)
        corner = (0,) * len(shape) if corner is None else tuple(corner)
        if (
            not len(shape) == len(whole) == len(corner)
            or not all(vectors.is_whole(n) for n in (*whole, *corner))
            or not all(c >= 0 and c + n <= w for c, n, w in zip(corner, shape, whole, strict=True))
        ):
            raise ArgumentError(
                f"{where}: expected a part that lies in the whole, got shape {shape} at corner "
                f"{corner} of whole_shape {whole}; give both, one whole number per axis"
            )
        self.where = where
        self.seed = np.uint64(seed)
        self.strides = tuple(math.prod(whole[i + 1 :]) for i in range(len(whole)))
        self.first = sum(c * s for c, s in zip(corner, self.strides, strict=True))

    def poisson(self, mean: Any) -> Any:
        """mean ← Poisson counts of this mean"""
        from physrecon.kernels import random

        if mean.size:
            least, most = float(mean.min()), float(mean.max())
            if not (least >= 0 and most <= LARGEST_MEAN):  # nor NaN
                raise ArgumentError(
                    f"{self.where}: expected mean counts of 0 to {LARGEST_MEAN:g}, "
                    f"got {least:g} to {most:g}"
                )
        for (part,), first, strides in _pieces((mean,), self.first, self.strides):
            random.poisson(part, self.seed, first, strides, part)
        return mean

    def gaussian(self, mean: Any, sigma: Any, out: Any) -> Any:
        """out ← mean + sigma z; sigma may be broadcast, mean may be out"""
        from physrecon.kernels import random

        sigma = arrays.namespace(out).broadcast_to(sigma, out.shape)
        for parts, first, strides in _pieces((mean, sigma, out), self.first, self.strides):
            random.gaussian(*parts[:2], self.seed, first, strides, parts[2])
        return out


def _pieces(same: tuple[Any, ...], first: int, strides: tuple[int, ...]) -> Iterator[Any]:
    """Yield 3-D parts of arrays of one shape, the index of their first element, and strides."""
    shape = same[0].shape
    ndim = len(shape)
    step = max(1, PIECE // max(1, math.prod(shape[1:])))
    if ndim > 1:
        step = min(step, PLANES)
    if ndim > 3:
        for i in range(shape[0]):
            part = tuple(array[i] for array in same)
            yield from _pieces(part, first + i * strides[0], strides[1:])
    elif ndim and shape[0] > step:
        for i in range(0, shape[0], step):
            part = tuple(array[i : i + step] for array in same)
            yield from _pieces(part, first + i * strides[0], strides)
    else:
        missing = 3 - ndim
        block = tuple(array[(None,) * missing] for array in same)
        yield block, first, ((0,) * missing + strides)[:2]


@dataclass(frozen=True, eq=False)
class _Noise:
    """Base class of noise models.  Parameters are numbers, or arrays that broadcast to the mean."""

    def sample(self, mean: Any, seed: int, *, whole_shape: Any = None, corner: Any = None) -> Any:
        """Random data of this mean, with its shape, dtype and machine.

        mean: float32 or float64, finite.  seed: a whole number in [0, 2⁶⁴).  A slab that begins at
        index `corner` of an array of `whole_shape` gets its part of the sample of the whole; array
        parameters are then those of the slab.  Holds the mean and the data.  Raises ArgumentError
        for a mean outside the range of the model."""
        where = f"{type(self).__name__}.sample"
        mean = vectors.checked(f"{where}(mean)", mean, getattr(mean, "shape", ()))
        vectors.check_finite(f"{where}(mean)", mean)
        return self._draw(mean, _Place(where, seed, mean.shape, whole_shape, corner))

    def _draw(self, mean: Any, place: _Place) -> Any:
        raise NotImplementedError

    def _beside(self, name: str, mean: Any) -> Any:
        """A parameter on the machine and in the dtype of the mean."""
        value = vectors.broadcastable(self._of(name), getattr(self, name), mean.shape)
        device = "cuda" if arrays.is_device(mean) else "cpu"
        return arrays.to_device(value, device).astype(mean.dtype)

    def _keep(self, name: str, least: float, above: bool = False) -> None:
        """Store a number or an array.  Raises ArgumentError unless finite and ≥ (or >) `least`."""
        given = getattr(self, name)
        shape = given.shape if arrays.is_device(given) else np.shape(given)
        value = vectors.broadcastable(self._of(name), given, shape)
        smallest = float(value.min()) if value.size else math.inf
        if smallest < least or (above and smallest == least):
            raise ArgumentError(
                f"{self._of(name)}: expected {'>' if above else '>='} {least:g}, got {smallest:g}"
            )
        object.__setattr__(self, name, value if value.ndim else float(value))

    def _of(self, name: str) -> str:
        return f"{type(self).__name__}.{name}"


@dataclass(frozen=True, eq=False)
class GaussianNoise(_Noise):
    """data = mean + σ z.  sigma: σ > 0, in units of the data.

    >>> noise = pr.GaussianNoise(sigma=0.1)
    >>> data = noise.sample(np.ones((99, 99)), seed=0)
    >>> f"{data.mean():.1f} ± {data.std():.1f}"
    '1.0 ± 0.1'
    >>> type(noise.likelihood(pr.Identity((99, 99)), data)).__name__
    'LeastSquares'
    """

    sigma: Any

    def __post_init__(self) -> None:
        self._keep("sigma", 0, above=True)

    def _draw(self, mean: Any, place: _Place) -> Any:
        return place.gaussian(mean, self._beside("sigma", mean), arrays.like(mean))

    def likelihood(self, A: Any, data: Any) -> Any:
        """Least squares with weights 1/σ²."""
        from physrecon.likelihoods import LeastSquares

        return LeastSquares(A, data, weights=1 / self.sigma**2, inverse_variance=True)


@dataclass(frozen=True, eq=False)
class PoissonNoise(_Noise):
    """data = Poisson(mean + background).  background: mean counts not from the object, ≥ 0.

    >>> data = pr.PoissonNoise(background=1).sample(np.full((99, 99), 3.0), seed=0)
    >>> f"mean {data.mean():.1f}, variance {data.var():.1f}"
    'mean 4.0, variance 4.0'
    """

    background: Any = 0.0

    def __post_init__(self) -> None:
        self._keep("background", 0)

    def _draw(self, mean: Any, place: _Place) -> Any:
        data = vectors.copy(mean)
        data += self._beside("background", mean)
        return place.poisson(data)

    def likelihood(self, A: Any, data: Any) -> Any:
        """Kullback–Leibler divergence of the counts from A x + background."""
        from physrecon.likelihoods import PoissonLikelihood

        return PoissonLikelihood(A, data, background=self.background)


@dataclass(frozen=True, eq=False)
class PoissonGaussianNoise(_Noise):
    """data = gain · Poisson(mean) + offset + σ z: photons read out by a camera.

    gain: > 0, grey values per photon.  offset: grey value without light.  read_noise: σ ≥ 0, in
    grey values.

    >>> noise = pr.PoissonGaussianNoise(gain=2, offset=100, read_noise=1)
    >>> data = noise.sample(np.full((99, 99), 50.0), seed=0)
    >>> f"mean {data.mean():.0f}, variance {data.var():.0f}"  # 2 · 50 + 100, 2² · 50 + 1²
    'mean 200, variance 201'
    """

    gain: Any
    offset: Any
    read_noise: Any

    def __post_init__(self) -> None:
        self._keep("gain", 0, above=True)
        self._keep("offset", -math.inf)
        self._keep("read_noise", 0)

    def _draw(self, mean: Any, place: _Place) -> Any:
        data = place.poisson(vectors.copy(mean))
        data *= self._beside("gain", mean)
        data += self._beside("offset", mean)
        return place.gaussian(data, self._beside("read_noise", mean), data)

    def likelihood(self, A: Any, data: Any) -> Any:
        """Shifted Poisson: (data − offset)/gain + (σ/gain)² are treated as counts."""
        from physrecon.likelihoods import PoissonGaussianLikelihood

        return PoissonGaussianLikelihood(
            A, data, gain=self.gain, offset=self.offset, read_noise=self.read_noise
        )


@dataclass(frozen=True, eq=False)
class TransmissionNoise(_Noise):
    """data = Poisson(blank · exp(−p) + dark): raw counts behind an object (Beer and Lambert).

    `sample` takes the line integrals p.  blank: mean counts of the open beam, dark counts
    subtracted, ≥ 0.  dark: mean counts without a beam, ≥ 0.

    >>> noise = pr.TransmissionNoise(blank=1000, dark=10)
    >>> data = noise.sample(np.full((99, 99), np.log(2)), seed=0)
    >>> f"{data.mean():.0f}"  # half of 1000, and 10
    '510'
    """

    blank: Any
    dark: Any = 0.0

    def __post_init__(self) -> None:
        self._keep("blank", 0)
        self._keep("dark", 0)

    def _draw(self, mean: Any, place: _Place) -> Any:
        data = vectors.copy(mean)
        data *= -1
        with np.errstate(over="ignore", invalid="ignore"):  # place.poisson checks the result
            arrays.namespace(data).exp(data, out=data)
            data *= self._beside("blank", mean)
        data += self._beside("dark", mean)
        return place.poisson(data)

    def likelihood(self, A: Any, data: Any) -> Any:
        """Poisson deviance of the counts, nonlinear in x."""
        from physrecon.likelihoods import TransmissionLikelihood

        return TransmissionLikelihood(A, data, blank=self.blank, dark=self.dark)
