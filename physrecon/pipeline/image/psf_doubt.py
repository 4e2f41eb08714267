"""Would another PSF explain an image better?  Its own one, stretched and turned, is compared by the
likelihood of the image's spectrum (`psf.spectrum`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import rotate

from physrecon.psf.spectrum import Spectrum, dilated

Array = NDArray[np.float64]

# Widths in that of the PSF, each list from near to far; nearer ones are as good as its own
WIDTHS = ((0.88, 0.8, 0.7, 0.58, 0.45), (1.13, 1.25, 1.42, 1.7, 2.2, 3.2))
TURNS = (-8, 8, -16, 16, -30, 30, -50, 50, 90)  # degrees
LIKELIER = 10.0  # difference of log likelihoods that is no chance
NEARLY = 0.8  # of the largest difference
LEAST_SHARE = {"psf-wide": 0.012, "psf-narrow": 0.01, "psf-angle": 0.015}  # sound images have less
LONG = 1.3  # times as long as wide; a rounder PSF has no direction
LEAST = 24  # planes whose spectrum tells a width


def better_psf(y: Array, psf: Array) -> dict[str, tuple[float, str]]:
    """cause → (share of χ² that another PSF explains, which one, in words); empty for its own.

    y, psf: an image and a PSF, or stacks.  The sum of a stack over its planes is the sum of the
    object blurred by that of the PSF, and so is the sum over rows: both are compared."""
    if psf.min() < 0:
        return {}
    views = [0, 1] if y.ndim == 3 and y.shape[0] >= LEAST else [0]
    planes = [(y.sum(axis), psf.sum(axis)) for axis in views] if y.ndim == 3 else [(y, psf)]
    found: dict[str, tuple[float, str]] = {}
    for plane in planes:
        for cause, one in _better(*plane).items():
            found[cause] = max(found.get(cause, one), one)
    return found


def _better(y: Array, psf: Array) -> dict[str, tuple[float, str]]:
    # a PSF is doubted only where no scene explains the image, an unlikely one included
    spectrum, psf = Spectrum(y, soft=True, likely=False), psf.astype(np.float64)
    own = spectrum.misfit(dilated(psf, 1.0))

    def best(values: tuple[float, ...], changed: Callable[[float], Array]) -> tuple[float, float]:
        """(gain, value) of the nearest that gains nearly most."""
        gains = [own - spectrum.misfit(changed(value)) for value in values]
        most = max(gains)
        nearly = min(most, NEARLY * most)
        return most, next(v for v, gain in zip(values, gains, strict=True) if gain >= nearly)

    gains = {}
    for cause, widths in zip(("psf-wide", "psf-narrow"), WIDTHS, strict=True):
        gains[cause] = best(widths, lambda width: dilated(psf, width))
    if _length(psf) > LONG:
        gains["psf-angle"] = best(TURNS, lambda by: _turned(psf, by))
    cause, (gain, value) = max(gains.items(), key=lambda one: one[1])
    share = 1 - float(np.exp(-2 * gain / spectrum.count))
    if gain < LIKELIER or share < LEAST_SHARE[cause]:
        return {}
    words = f"by about {value:+g}°" if cause == "psf-angle" else f"about {1 / value:.2g} times"
    return {cause: (share, words)}


def _length(psf: Array) -> float:
    """The ratio of the longest to the shortest radius of a PSF."""
    places = [np.arange(n) - n // 2 for n in psf.shape]
    y, x = np.meshgrid(*places, indexing="ij")
    weights = psf / psf.sum()
    y, x = y - (weights * y).sum(), x - (weights * x).sum()
    moments: Any = [[(weights * a * b).sum() for a in (y, x)] for b in (y, x)]
    short, long = np.linalg.eigvalsh(moments)
    return float(np.sqrt((long + 0.1) / (max(short, 0.0) + 0.1)))


def _turned(psf: Array, by: float) -> Array:
    """A PSF turned from +x towards +y, about the middle."""
    sizes = [2 * (int(np.hypot(*psf.shape)) // 2 + 1) + 1] * 2
    wide = np.zeros(sizes)
    corner = tuple(m // 2 - n // 2 for m, n in zip(sizes, psf.shape, strict=True))
    wide[tuple(slice(c, c + n) for c, n in zip(corner, psf.shape, strict=True))] = psf
    turned = np.maximum(rotate(wide, -by, reshape=False, order=1), 0)
    return turned / turned.sum()
