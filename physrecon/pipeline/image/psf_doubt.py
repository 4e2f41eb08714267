"""Would another PSF explain an image better?  Its own one, stretched and turned, is compared by the
likelihood of the image's spectrum (`psf.spectrum`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from physrecon.psf.spectrum import Spectrum
from physrecon.psf.transfer import Transfer

Array = NDArray[np.float64]

# Changes of a PSF, each list from near to far; nearer ones are as good as its own
WIDTHS = {
    "psf-wide": (0.88, 0.8, 0.7, 0.58, 0.45),
    "psf-narrow": (1.13, 1.25, 1.42, 1.6, 1.85, 2.2, 2.7, 3.2),
}
TURNS = (-8, 8, -16, 16, -30, 30, -50, 50, 90)  # degrees
LIKELIER = 10.0  # difference of log likelihoods that is no chance
NEARLY = 0.8  # of the largest difference
# of what an image shows above its noise; another PSF of sound images explains less
SHARES = {"psf-wide": 0.155, "psf-narrow": 0.2, "psf-angle": 0.2}
LONG = 1.3  # times as long as wide; a rounder PSF has no direction
SHORT = 0.1  # variance, added to that across: a PSF of one pixel has no direction either
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
        for cause, one in _Doubt(*plane).best().items():
            found[cause] = max(found.get(cause, one), one)
    return found


class _Doubt:
    """What other PSFs gain over that of an image, by the log likelihood."""

    def __init__(self, y: Array, psf: Array) -> None:
        # a PSF is doubted only where no scene explains the image, an unlikely one included
        self.spectrum = Spectrum(y, soft=True, likely=False)
        self.transfer = Transfer(psf.astype(np.float64))
        own = self._power()
        self.own = self.spectrum.misfit_of(own)
        self.clear = self.spectrum.clear(own)
        self.long = self.transfer.long > LONG**2 * (self.transfer.short + SHORT)

    def _power(self, stretch: float = 1.0, turn: float = 0.0) -> Array:
        return self.transfer.power(self.spectrum.fy, self.spectrum.fx, stretch, turn)

    def _gain(self, stretch: float = 1.0, turn: float = 0.0) -> float:
        return self.own - self.spectrum.misfit_of(self._power(stretch, turn))

    def best(self) -> dict[str, tuple[float, str]]:
        """cause → (share of χ² of what the image shows, in words) of the likeliest PSF."""
        gains = {cause: _nearest(widths, self._gain) for cause, widths in WIDTHS.items()}
        if self.long:
            gains["psf-angle"] = _nearest(TURNS, lambda turn: self._gain(turn=turn))
        cause, (gain, value) = max(gains.items(), key=lambda one: one[1])
        share = 1 - float(np.exp(-2 * gain / self.clear)) if self.clear > 0 else 0.0
        if gain < LIKELIER or share < SHARES[cause]:
            return {}
        words = (
            f"by about {value:+.0f}°" if cause == "psf-angle" else f"about {1 / value:.2g} times"
        )
        return {cause: (share, words)}


def _nearest(values: tuple[float, ...], gain: Callable[[float], float]) -> tuple[float, float]:
    """(gain, value) around the nearest that gains nearly most, its neighbours' middles included."""
    gains = [gain(value) for value in values]
    nearly = min(max(gains), NEARLY * max(gains))
    i = next(k for k, one in enumerate(gains) if one >= nearly)
    found = {values[i]: gains[i]}
    if gains[i] > 0:
        around = sorted(v for v in values if v * values[i] > 0)
        k = around.index(values[i])
        for other in around[max(k - 1, 0) : k] + around[k + 1 : k + 2]:
            found[(values[i] + other) / 2] = gain((values[i] + other) / 2)
    best = max(found, key=lambda value: found[value])
    return found[best], best
