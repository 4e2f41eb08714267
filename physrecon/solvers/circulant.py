"""An approximate inverse of Σ ρ BᵀB: one product between two Fourier transforms.

Where BᵀB does the same everywhere, its response to a one at the centre has its eigenvalues as
Fourier transform: 1/|k| for a projector, |OTF|² for a blur, |k|² for a gradient.  Conjugate
gradients preconditioned by it need a few steps, and no more for finer voxels (Fessler and Booth,
IEEE Trans. Image Process. 8 (1999) 688).  Edges, masks and weights make it less exact.  Any
positive eigenvalues leave the solution as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import transforms
from physrecon.arrays.vectors import Numbers, Shape

FLOOR = 1e-4  # least eigenvalue of a term, in its greatest: responses at the centre are not exact

Response = Callable[[Any], Any]  # x → BᵀB x, in memory of its own


class Circulant:
    """The eigenvalues of each BᵀB for every slice along `axis`, and the inverse of their sum."""

    def __init__(self, responses: Sequence[Response], shape: Shape, axis: int | None, like: Any):
        self.axis, self.shape = axis, shape
        self.axes = tuple(i for i in range(len(shape)) if i != axis)
        self.lengths = transforms.fast_lengths([shape[i] for i in self.axes])
        self.eigenvalues = [self._eigenvalues(response, like) for response in responses]

    def divide(self, s: Any, weights: Sequence[Numbers]) -> Any:
        """(Σ ρ BᵀB)⁻¹ s, approximately; weights: ρ of each slice, one array a term."""
        fft, threads = transforms.library(s)
        xp, each = arrays.namespace(s), [-1 if i == self.axis else 1 for i in range(s.ndim)]
        total = sum(
            xp.asarray(np.reshape(rho, each), s.dtype) * values
            for rho, values in zip(weights, self.eigenvalues, strict=True)
        )
        total[total == 0] = 1
        spectrum = fft.rfftn(s, self.lengths, self.axes, **threads)
        spectrum /= total
        image = fft.irfftn(spectrum, self.lengths, self.axes, overwrite_x=True, **threads)
        return image[tuple(map(slice, self.shape))]

    def _eigenvalues(self, response: Response, like: Any) -> Any:
        fft, threads = transforms.library(like)
        xp = arrays.namespace(like)
        centre = tuple(self.shape[i] // 2 for i in self.axes)
        one = arrays.zeros_like(like, self.shape)
        one[self._at(centre)] = 1
        around = xp.zeros(self._padded(), like.dtype)
        around[tuple(map(slice, self.shape))] = response(one)
        around = xp.roll(around, [-c for c in centre], self.axes)
        values = fft.rfftn(around, self.lengths, self.axes, **threads).real
        return xp.maximum(values, FLOOR * values.max(self.axes, keepdims=True))

    def _at(self, place: Sequence[int]) -> tuple[Any, ...]:
        each: list[Any] = [slice(None)] * len(self.shape)
        for i, where in zip(self.axes, place, strict=True):
            each[i] = where
        return tuple(each)

    def _padded(self) -> Shape:
        padded = list(self.shape)
        for i, length in zip(self.axes, self.lengths, strict=True):
            padded[i] = length
        return tuple(padded)
