"""A fine image on a coarse detector: blur, then one sample for each cell of pixels.

y[k] = Σ_j psf[j] x[f k + (f − 1) div 2 + n div 2 − j] along every axis, zero outside the image:
convolution with a PSF of n elements, centred on n div 2, sampled once per cell of f elements.
If the detector integrates over its cells, the PSF is a box of the cell's size: y is then the mean
of each cell, and A Aᵀ = 1/(number of elements in a cell)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.batched import BatchedOperator

Index = tuple[slice, ...]


class Downsample(BatchedOperator, LinearOperator):
    """y = (PSF ∗ x) once per cell: x of `shape` → y of shape / factor.

    factor: elements of a cell along each axis, one number or one per axis, ≥ 1, dividing the shape.
    psf: array with an axis for each of the image, any lengths and signs; None: the mean of the
    cell.  It includes the blur by the detector's own cell and is not normalised.  It is sampled at
    element (f − 1) div 2 of a cell of f: the middle, if PSF and cell are both odd, or both even;
    otherwise half an element off the middle.

    Axes of factor 1 and PSF length 1 are batch axes; the first of three can be the slice axis.
    Forward and transpose take one pass over y per element of the PSF.  Holds one array like y.

    >>> pr.Downsample((2, 4), 2) @ np.array([[1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 7.0]])
    array([[2., 6.]])
    """

    def __init__(self, shape: Shape, factor: Any, psf: Any = None) -> None:
        self.in_shape = tuple(shape)
        rank = len(self.in_shape)
        self.factor = (factor,) * rank if np.ndim(factor) == 0 else tuple(factor)
        self._check()
        self._is_box = psf is None
        box = np.full(self.factor, 1 / math.prod(self.factor))
        self.psf = box if psf is None else _checked_psf(psf, rank)
        self.out_shape = tuple(n // f for n, f in zip(self.in_shape, self.factor, strict=True))
        self.nonnegative = bool((self.psf >= 0).all())
        both = enumerate(zip(self.factor, self.psf.shape, strict=True))
        self._set_batch_axes([axis for axis, pair in both if pair == (1, 1)])

    def _check(self) -> None:
        shape, factor = self.in_shape, self.factor
        if vectors.is_product(shape) or len(factor) != len(shape):
            raise ArgumentError(
                f"Downsample: expected a shape and one factor for each of its axes, got {shape} "
                f"and {factor}"
            )
        if not all(isinstance(f, int | np.integer) and f >= 1 for f in factor):
            raise ArgumentError(f"Downsample.factor: expected whole numbers >= 1, got {factor}")
        if any(n % f for n, f in zip(shape, factor, strict=True)):
            fits = tuple(n - n % f for n, f in zip(shape, factor, strict=True))
            raise ArgumentError(
                f"Downsample: expected a shape of whole cells of {factor}, got {shape}; "
                f"crop it to {fits} or pad it"
            )

    def _resized(self, shape: Shape) -> Downsample:
        return Downsample(shape, self.factor, None if self._is_box else self.psf)

    def _forward(self, x: Any, out: Any) -> None:
        out[...] = 0
        for weight, fine, coarse in self._taps():
            out[coarse] += weight * x[fine]

    def _adjoint(self, y: Any, out: Any) -> None:
        out[...] = 0
        for weight, fine, coarse in self._taps():
            out[fine] += weight * y[coarse]

    def _taps(self) -> Iterator[tuple[float, Index, Index]]:
        """(weight, index of x, index of y) for each element of the PSF: y += weight · x."""
        for j, weight in np.ndenumerate(self.psf):
            if weight:
                pairs = [
                    self._pair(axis, n // 2 - i)
                    for axis, (n, i) in enumerate(zip(self.psf.shape, j, strict=True))
                ]
                fine, coarse = zip(*pairs, strict=True)
                yield float(weight), fine, coarse

    def _pair(self, axis: int, offset: int) -> tuple[slice, slice]:
        """Along an axis: elements of x at `offset` from the samples, and their elements of y."""
        n, f = self.in_shape[axis], self.factor[axis]
        first = (f - 1) // 2 + offset  # the element for y[0]; may be outside
        start = max(0, -(first // f))
        stop = max(start, min(n // f, (n - 1 - first) // f + 1))
        return slice(first + start * f, first + stop * f, f), slice(start, stop)

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """Schur (1911): ‖A‖² ≤ largest row sum · largest column sum of |A|; exact for the box."""
        if self._is_box:
            exact = 1 / math.sqrt(math.prod(self.factor))
            return exact, exact
        if self.nonnegative:
            return None
        column = abs(self.psf)  # an element of x meets every f-th element of the PSF
        for axis, f in enumerate(self.factor):
            lines = np.moveaxis(column, axis, 0)
            column = np.stack([lines[i::f].sum(axis=0) for i in range(f)], axis)
        return 0, math.sqrt(abs(self.psf).sum() * column.max())


def _checked_psf(psf: Any, rank: int) -> np.ndarray:
    psf = np.asarray(arrays.to_host(arrays.plain("Downsample.psf", psf)), np.float64)
    if psf.ndim != rank or not psf.size:
        raise ArgumentError(
            f"Downsample.psf: expected an array of {rank} axes, got one of {psf.shape}; "
            "give it the length 1 along axes that are not blurred"
        )
    vectors.check_finite("Downsample.psf", psf)
    return psf
