"""A blur as what it is of its PSF:  h ↦ h ∗ x̃, x being given.

Convolution does not tell its factors apart: y[i] = Σ_m x̃[m] h[i + s − m] is the engine of `Blur`
with the extended image x̃ in the PSF's place, and so its transpose is exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.blur.blur import Blur
from physrecon.operators.blur.boundary import Extension
from physrecon.operators.blur.fourier import FourierConvolution


class OfPSF(LinearOperator):
    """h ↦ Blur(h, …) x: from PSFs of the shape of that of the blur to images of the frame.

    blur: with a PSF of as many axes as its image, two or three.  x: of its in_shape, copied.
    Holds the transform of x̃ and work of that size."""

    def __init__(self, blur: Blur, x: Any) -> None:
        if len(blur.out_shape) != blur.psf.ndim or blur.psf.ndim < 2:
            raise ArgumentError(
                f"OfPSF: expected an image of two or three axes and a PSF of as many, got "
                f"{blur.out_shape} and {blur.psf.shape}; take one image at a time"
            )
        self.in_shape, self.out_shape = blur.psf.shape, blur.out_shape
        image = np.asarray(arrays.to_host(x), np.float64)
        self.nonnegative = not image.size or bool(image.min() >= 0)
        if blur.boundary in ("reflect", "periodic"):
            before = tuple(k - 1 - c for k, c in zip(self.in_shape, blur.center, strict=True))
            extension = Extension(self.out_shape, before, blur.center, blur.boundary)
            extended = extension.scratch(image)
            extension.extend(image, extended)
            image = extended
        reach = tuple(k - 1 for k in self.in_shape)
        shift = blur.center if blur.boundary == "zero" else reach
        self._engine = FourierConvolution(image, self.in_shape, self.out_shape, shift)

    def _forward(self, x: Any, out: Any) -> None:
        self._engine.convolve(x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        self._engine.correlate(y, out)
