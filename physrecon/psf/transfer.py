"""The transfer function of a PSF of another width or direction.

A pixel means over its aperture, whose transfer function is S, and so H = C S with C of the PSF
behind it.  That PSF stretched by s and turned by a rotation R has C(s Rᵀ f), and the image sees

    H′(f) = H(s Rᵀ f) S(f) / S(s Rᵀ f)

exactly, for |s Rᵀ f| up to half a period a pixel; beyond, pixels show nothing of C: H′ is 0 there.
The sum is 1 and the variance s² (v − 1/12) + 1/12 along each axis, v that of the PSF: no
interpolation between pixels adds to it, and a PSF may shrink below a pixel.  What is thinner than
pixels show, the line of a motion, is drawn anew, longer or turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import map_coordinates, spline_filter
from scipy.optimize import minimize

from physrecon.psf.shapes import motion

Array = NDArray[np.float64]

FINER = 2  # frequencies, at least times the pixels of the PSF; splines do the rest
LEAST = 64  # frequencies along each axis
PIXEL = 1 / 12  # variance of its aperture along each axis
THIN = 0.05  # variance across a line, without that of the aperture
UNLIKE = 0.01  # lack of correlation of |H| with that of a motion, at most
TRIALS = 50  # to find its length and angle


class Transfer:
    """H of a PSF (ny, nx) about its centre n // 2.

    short, long: variances along its axes, without that of the aperture."""

    def __init__(self, psf: Array) -> None:
        psf = psf / psf.sum()
        sizes = [fft.next_fast_len(max(FINER * n, LEAST)) for n in psf.shape]
        wide = np.zeros(sizes)
        wide[: psf.shape[0], : psf.shape[1]] = psf
        wide = np.roll(wide, [-(n // 2) for n in psf.shape], (0, 1))
        self._sizes = sizes
        self._spline = spline_filter(np.fft.fft2(wide), mode="grid-wrap", output=np.complex128)
        places = np.indices(psf.shape).reshape(2, -1)
        variances, axes = np.linalg.eigh(np.cov(places, aweights=psf.ravel(), ddof=0))
        self.short, self.long = (max(float(v) - PIXEL, 0.0) for v in variances)
        self._line = _as_line(psf, self.long, axes[:, 1]) if self.short < THIN < self.long else None

    def power(self, fy: Array, fx: Array, stretch: float = 1.0, turn: float = 0.0) -> Array:
        """|H′|² at frequencies in periods a pixel; turn: from +x towards +y, in degrees."""
        if self._line is not None and (stretch, turn) != (1.0, 0.0):
            length, angle = self._line
            return Transfer(_drawn(stretch * length, angle + turn)).power(fy, fx)
        cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        gy, gx = stretch * (cos * fy - sin * fx), stretch * (cos * fx + sin * fy)
        seen = (np.abs(gy) <= 0.5) & (np.abs(gx) <= 0.5)
        gy, gx, fy, fx = gy[seen], gx[seen], fy[seen], fx[seen]
        at = [g * n for g, n in zip((gy, gx), self._sizes, strict=True)]
        values = map_coordinates(self._spline, at, mode="grid-wrap", prefilter=False)
        aperture = np.sinc(fy) * np.sinc(fx) / (np.sinc(gy) * np.sinc(gx))
        power = np.zeros(seen.shape)
        power[seen] = np.abs(values * aperture) ** 2
        return power


def _as_line(psf: Array, long: float, direction: Array) -> tuple[float, float] | None:
    """(length, angle in degrees) of the motion that has made a PSF, wherever its centre is; None if
    none has."""
    first = [np.sqrt(12 * long), np.degrees(np.arctan2(*direction))]
    side = 2 * int(1.2 * first[0] / 2 + 1) + 1
    sizes = [max(n, side) + 1 for n in psf.shape]
    own = np.abs(fft.rfft2(psf, sizes))

    def unlike(line: Array) -> float:
        drawn = np.abs(fft.rfft2(_drawn(*line), sizes))
        return 1 - float((own * drawn).sum() / np.sqrt((own**2).sum() * (drawn**2).sum()))

    simplex = np.add(first, [[0, 0], [0.05 * first[0], 0], [0, 3]])
    options = {"initial_simplex": simplex, "maxfev": TRIALS, "xatol": 0.01, "fatol": 1e-6}
    bounds = [(0.5 * first[0], 1.5 * first[0]), (None, None)]
    best = minimize(unlike, first, method="Nelder-Mead", bounds=bounds, options=options)
    length, angle = best.x
    return (float(length), float(angle)) if best.fun < UNLIKE else None


def _drawn(length: float, angle: float) -> Array:
    side = 2 * int(length / 2 + 1) + 1
    return motion((side, side), length, angle, angle_unit="deg")
