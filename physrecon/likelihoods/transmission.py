"""Counts behind an absorber, y ~ Poisson(blank · e^{−A x} + dark): half the deviance

    φ(p) = m − y + y log(y / m) ≥ 0,   m = blank · e^−p + dark.

Raw counts enter without a logarithm of noisy data, and low counts have low weight."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.likelihoods.parameters import restricted_to_views
from physrecon.likelihoods.poisson import CountLikelihood
from physrecon.operators.adopted import OperatorLike
from physrecon.operators.base import LinearOperator


class TransmissionLikelihood(CountLikelihood):
    """f(x) = Σ m − y + y log(y / m),  m = blank e^−p + dark,  p = A x (line integrals).

    y: counts >= 0, of A.out_shape.  blank: mean counts without the object, dark counts subtracted,
    >= 0; a pixel with blank 0 is dead and does not contribute to f.  dark: mean counts without
    beam, >= 0.  Both broadcast to the data: (rows, columns), one per view …

    f is convex if dark is 0 (or y <= dark) everywhere.  Otherwise φ'' may be negative, above −y/4,
    where p is so large that dark counts dominate.  `lipschitz` and `curvature` hold for
    A x >= 0.  Erdoğan and Fessler, IEEE Trans. Med. Imaging 18 (1999) 801.

    >>> f = pr.TransmissionLikelihood(pr.Identity(2), np.array([600.0, 250.0]), blank=1000)
    >>> f.gradient(np.log([2.0, 2.0])).round(3).tolist()  # y − blank e^−p
    [100.0, -250.0]
    """

    holds = 2
    raw_counts = True

    def __init__(self, A: OperatorLike, y: ArrayLike, blank: Any, dark: Any = 0) -> None:
        super().__init__(A, y)
        self.blank, self.dark = self._beside("blank", blank), self._beside("dark", dark)
        self._parameters = list(
            zip(self._compact(self.blank), self._compact(self.dark), strict=True)
        )
        dark = self._leaves(self.dark)
        self.convex = all(bool(((d == 0) | (v <= d)).all()) for v, _, d in dark)

    @classmethod
    def for_slab(cls, A: LinearOperator, y: Any, **given: Any) -> Self:
        return cls(A, y, given["blank"], given["dark"])

    @classmethod
    def from_scan(
        cls, A: OperatorLike, counts: ArrayLike, flats: Any, darks: Any = None
    ) -> TransmissionLikelihood:
        """The likelihood of raw counts (views, rows, columns), from frames (n, rows, columns).

        flats: with beam, without object.  darks: without beam; None means no dark counts.  Pixels
        whose mean flat is not above their mean dark are dead."""
        light = _mean_frame("flats", flats)
        if darks is None:
            return cls(A, counts, light)
        dark = _mean_frame("darks", darks)
        return cls(A, counts, arrays.namespace(light).maximum(light - dark, 0), dark)

    def subset(self, views: Any) -> TransmissionLikelihood:
        blank, dark = (restricted_to_views(v, self.y, views) for v in (self.blank, self.dark))
        return TransmissionLikelihood(self.A[views], self.y[views], blank, dark)

    def expected_data(self, p: Vector) -> Vector:
        mean = vectors.transform(lambda a: arrays.namespace(a).exp(-a), p)
        vectors.multiply(mean, self.blank)
        vectors.add(mean, self.dark)
        return mean

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        from physrecon.kernels import losses

        losses.transmitted_counts(p, y, *self._parameters[leaf], what, partial)

    def _max_curvature(self) -> Numbers:
        """φ'' = u − y u d / (u + d)² falls and then rises with u = blank e^−p.

        For p >= 0 it is at most max(φ''(0), 0), and at least −y/4, as u d <= (u + d)²/4."""
        downwards = vectors.copy(self.y)
        for v, d in zip(vectors.leaves(downwards), vectors.leaves(self.dark), strict=True):
            v *= 0.25 * (d > 0)
        return np.maximum(super()._max_curvature(), self._largest(downwards))

    def counted(self) -> Numbers:
        return self._count_of(self.blank)

    def _alive(self, leaf: int) -> Any:
        return arrays.to_host(vectors.leaves(self.blank)[leaf]) > 0

    def _response(self, leaf: int) -> Any:
        return sum(arrays.to_host(vectors.leaves(v)[leaf]) for v in (self.blank, self.dark))

    def _untouched(self) -> Vector:
        """None: a ray that meets no object has the counts of the blank."""
        return vectors.transform(lambda y: arrays.namespace(y).zeros(1, bool), self.y)


def _mean_frame(name: str, frames: Any) -> Any:
    """The mean (rows, columns) of frames (n, rows, columns), in float64."""
    if getattr(frames, "ndim", 0) != 3 or not len(frames):
        raise ArgumentError(
            f"TransmissionLikelihood.{name}: expected frames (n, rows, columns), got "
            f"{getattr(frames, 'shape', frames)!r}"
        )
    vectors.check_finite(f"TransmissionLikelihood.{name}", frames)
    return frames.mean(axis=0, dtype=np.float64)
