"""How well a PSF explains the spectrum of a blurred image: a likelihood of the PSF alone.

A sharp scene has the power a (f² + f₀²)^(−b/2) at the spatial frequency f, as natural images do
(Field, J. Opt. Soc. Am. A 4 (1987) 2379).  Blurred by a PSF of transfer function H, with noise that
neighbours may share, its image has the power

    P(f) = a (f² + f₀²)^(−b/2) e^(−s f²) |H(f)|² + n e^(−c f²)

The logarithm of the likelihood is −Σ log P + I / P over half of the frequencies, I the periodogram
(Whittle, Ark. Mat. 2 (1953) 423).  With s > 0 the scene itself is soft, which no image can tell
from a wider smooth PSF; a narrower one is told all the same, and so is a PSF with zeros in H."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from scipy.optimize import minimize

from physrecon.errors import ArgumentError

Array = NDArray[np.float64]

LOWEST = 3.0  # periods across the image; slower changes are shading
FALL = (1.0, 4.5)  # of b
NEAR_AXES = 1.5  # periods; edges of the frame and single lines of the sensor are there
MOST = 256  # pixels along each axis, in the middle of the image
ANGULAR = (2 * np.pi) ** 2


class Spectrum:
    """The periodogram of an image (ny, nx), of its middle if it is large.

    soft: allow for a scene that is soft itself.  Raises ArgumentError for an image too small."""

    def __init__(self, image: Any, soft: bool = False) -> None:
        y = np.asarray(image, np.float64)
        if y.ndim != 2 or min(y.shape) < 4 * LOWEST:
            raise ArgumentError(
                f"Spectrum: expected an image of at least {4 * LOWEST:.0f} pixels along both axes, "
                f"got {y.shape}"
            )
        y = y[tuple(slice((n - min(n, MOST)) // 2, (n + min(n, MOST)) // 2) for n in y.shape)]
        self.shape, self.soft = y.shape, soft
        taper = np.outer(*(np.hanning(n + 2)[1:-1] for n in y.shape))
        y = (y - (y * taper).sum() / taper.sum()) * taper
        power = np.abs(np.fft.rfft2(y)) ** 2
        fy, fx = np.fft.fftfreq(y.shape[0])[:, None], np.fft.rfftfreq(y.shape[1])[None]
        f = np.hypot(fy, fx)
        off_axes = (np.abs(fy) * y.shape[0] > NEAR_AXES) & (fx * y.shape[1] > NEAR_AXES)
        self._used = (f > LOWEST / min(y.shape)) & (f < 0.5) & off_axes
        self._f2 = f[self._used] ** 2
        power = power[self._used]
        self.level = float(np.median(power))
        self._power = power / (self.level or 1.0)

    @property
    def count(self) -> int:
        """Frequencies that are compared."""
        return int(self._used.sum())

    def misfit(self, psf: Array) -> float:
        """−log likelihood of a PSF, up to a constant, at the best values of all other parameters.

        The frequencies of a tapered image are not independent: neighbours share about half."""
        gain = np.abs(np.fft.rfft2(psf / psf.sum(), self.shape))[self._used] ** 2
        f2, power = self._f2, self._power
        wave = ANGULAR * f2

        def cost(p: Array) -> tuple[float, Array]:
            a, b, log_n, c, log_f0, s = p
            corner = f2 + np.exp(2 * log_f0)
            scene = np.exp(a - 0.5 * b * np.log(corner) - s * wave) * gain
            noise = np.exp(log_n - c * wave)
            total = scene + noise
            ratio = power / total
            g = (1 - ratio) / total
            gs, gn = g * scene, g * noise
            slopes = (
                gs.mean(), -0.5 * (gs * np.log(corner)).mean(), gn.mean(), -(gn * wave).mean(),
                -(gs * b * np.exp(2 * log_f0) / corner).mean(), -(gs * wave).mean(),
            )  # fmt: skip
            return float((np.log(total) + ratio).mean()), np.array(slopes)

        low, high = f2 < 0.05**2, f2 > 0.4**2
        low = low if low.any() else f2 <= np.median(f2)
        bright = np.log(power[low].mean() / gain[low].mean() + 1e-30) + 2.5 * np.log(0.03)
        faint = np.log(np.median(power[high]) + 1e-30) if high.any() else 0.0
        start = [bright, 2.5, faint, 0.1, np.log(0.01), 0.0]
        bounds = [(None, None), FALL, (None, None), (0, 1.5), (np.log(1e-3), np.log(0.1))]
        bounds.append((0.0, 20.0 if self.soft else 0.0))
        found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return float(found.fun) * self.count / 2


def dilated(psf: Array, factor: float) -> Array:
    """A PSF (ny, nx) stretched about its centre n // 2, of sum 1; larger where it needs room."""
    sizes = [int(np.ceil(n * max(factor, 1.0) / 2)) * 2 + 1 for n in psf.shape]
    offset = [n // 2 - (m // 2) / factor for n, m in zip(psf.shape, sizes, strict=True)]
    matrix = np.full(psf.ndim, 1 / factor)
    wide = affine_transform(psf, matrix, offset, tuple(sizes), order=1)
    return np.maximum(wide, 0) / max(float(np.maximum(wide, 0).sum()), np.finfo(float).tiny)
