"""How well a PSF explains the spectrum of a blurred image: a likelihood of the PSF alone.

A sharp scene has the power a (f² + f₀²)^(−b/2) at the spatial frequency f, as natural images do
(Field, J. Opt. Soc. Am. A 4 (1987) 2379).  Blurred by a PSF of transfer function H, with noise that
neighbours may share, its image has the power

    P(f) = a (f² + f₀²)^(−b/2) e^(−s f² + w(θ)) |H(f)|² + n e^(−c f²)

with w(θ) of two angular waves for a scene that has directions of its own, as text has.  Waves are
hard to tell from motion, s and a steep fall b from a wide PSF: a prior makes the unusual unlikely.
In photographs b is 2.4 on average, 1.6 to 3 in most (Tolhurst, Tadmor and Chao, Ophthal. Physiol.
Opt. 12 (1992) 229).
The logarithm of the likelihood is −Σ log P + I / P over half of the frequencies, I the periodogram
(Whittle, Ark. Mat. 2 (1953) 423).  With s > 0 the scene itself is soft, which no image can tell
from a wider smooth PSF; a narrower one is told all the same, and so is a PSF with zeros in H."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError

Array = NDArray[np.float64]

LOWEST = 3.0  # periods across the image; slower changes are shading
FALL = (2.0, 4.5)  # of b; flatter scenes are too sharp to be true
NEAR_AXES = 1.5  # periods; edges of the frame and single lines of the sensor are there
MOST = 256  # pixels along each axis, in the middle of the image
ANGULAR = (2 * np.pi) ** 2
CELL = 2  # adjacent frequencies along each axis that are compared by their mean
ANGULAR_WAVES = (2, 4)  # k of cos kθ and sin kθ
WAVES, SOFT = 2 * len(ANGULAR_WAVES), 5
# Bounds of log a, b, log n, c, log f₀, s, and of the waves
LOW = np.array([-60.0, FALL[0], -60.0, 0.0, np.log(1e-3), 0.0, *[-1.5] * WAVES])
HIGH = np.array([60.0, FALL[1], 60.0, 1.5, np.log(0.02), 20.0, *[1.5] * WAVES])
# The prior: b is 2.4 ± 0.4, a wave 0 ± 0.1, s is distributed exponentially with the mean 1 pixel²
EXPECTED = np.array([0.0, 2.4, *[0.0] * (4 + WAVES)])
PRECISION = np.array([0.0, 0.4**-2, *[0.0] * 4, *[0.1**-2] * WAVES])
SHARPNESS = np.array([*[0.0] * SOFT, 1.0, *[0.0] * WAVES])
ROUNDS, ENOUGH = 40, 0.01  # of Fisher scoring, at most; gain of the log likelihood that ends it
MOST_STEP, MOST_DAMPING = 2.0, 1e6
TINY = 1e-30


class Spectrum:
    """The periodogram of an image (ny, nx), of its middle if it is large.

    soft: allow for a scene that is soft itself.  likely: with the prior of the scene; else any
    scene that explains the image will do.  Raises ArgumentError for an image too small."""

    def __init__(self, image: Any, soft: bool = False, likely: bool = True) -> None:
        y = np.asarray(image, np.float64)
        if y.ndim != 2 or min(y.shape) < 4 * LOWEST:
            raise ArgumentError(
                f"Spectrum: expected an image of at least {4 * LOWEST:.0f} pixels along both axes, "
                f"got {y.shape}"
            )
        y = y[tuple(slice((n - min(n, MOST)) // 2, (n + min(n, MOST)) // 2) for n in y.shape)]
        self.shape, self.soft, self.likely = y.shape, soft, likely
        taper = np.outer(*(np.hanning(n + 2)[1:-1] for n in y.shape))
        y = (y - (y * taper).sum() / taper.sum()) * taper
        power = np.abs(np.fft.rfft2(y)) ** 2
        fy, fx = np.fft.fftfreq(y.shape[0])[:, None], np.fft.rfftfreq(y.shape[1])[None]
        f = np.hypot(fy, fx)
        off_axes = (np.abs(fy) * y.shape[0] > NEAR_AXES) & (fx * y.shape[1] > NEAR_AXES)
        self._used = (f > LOWEST / min(y.shape)) & (f < 0.5) & off_axes
        self.fy, self.fx = (np.broadcast_to(g, f.shape)[self._used] for g in (fy, fx))
        cells = (np.arange(len(f))[:, None] // CELL) * f.shape[1] + np.arange(f.shape[1]) // CELL
        _, self._cell = np.unique(cells[self._used], return_inverse=True)
        self._counts = np.bincount(self._cell)
        self.count = int(self._counts.sum())
        self._f2 = self._means(f[self._used] ** 2)
        turns = np.arctan2(fy, fx)[self._used]
        self._waves = np.stack(
            [self._means(wave(k * turns)) for k in ANGULAR_WAVES for wave in (np.cos, np.sin)]
        )
        power = self._means(power[self._used])
        self.level = float(np.median(power))
        self._power = power / (self.level or 1.0)
        self._last: Array | None = None

    def _means(self, values: Array) -> Array:
        """Means over the cells of adjacent frequencies."""
        return np.bincount(self._cell, values) / self._counts

    def misfit(self, psf: Array) -> float:
        """−log (likelihood × prior) of a PSF, up to a constant, at the best other parameters.

        The frequencies of a tapered image are not independent: neighbours share about half.  The
        parameters are found by Fisher scoring, from those of the PSF before."""
        return self.misfit_of(np.abs(np.fft.rfft2(psf / psf.sum(), self.shape))[self._used] ** 2)

    def misfit_of(self, power: Array) -> float:
        """The same of a PSF with the power |H|² at the frequencies (fy, fx)."""
        gain = self._means(power)
        fits = [self._fitted(gain, self._start(gain))]
        if self._last is not None:
            fits.append(self._fitted(gain, self._last))
        value, self._last = min(fits, key=lambda fit: fit[0])
        return value * self.count / 2

    def clear(self, power: Array) -> float:
        """The number of frequencies that a PSF of this power shows above the noise, by the last
        parameters: Σ (scene / P)²."""
        assert self._last is not None
        scene, noise = self._parts(self._means(power), self._last)
        return float(self._counts @ (scene / (scene + noise)) ** 2)

    def _start(self, gain: Array) -> Array:
        """log of the scene's power at f = 1, b, log n, c, log f₀, s."""
        low, high = self._f2 < 0.05**2, self._f2 > 0.4**2
        low = low if low.any() else self._f2 <= np.median(self._f2)
        bright = np.log(self._power[low].mean() / gain[low].mean() + TINY) + 2.5 * np.log(0.03)
        faint = np.log(np.median(self._power[high]) + TINY) if high.any() else 0.0
        return np.array([bright, 2.5, faint, 0.1, np.log(0.01), 0.0, *[0.0] * WAVES])

    def _fitted(self, gain: Array, p: Array) -> tuple[float, Array]:
        """(mean of log P + I / P, parameters), by Fisher scoring with Levenberg's damping."""
        low, high = LOW, HIGH.copy()
        high[SOFT] *= self.soft
        damping, (value, slope, fisher) = 1e-3, self._score(gain, p)
        for _ in range(ROUNDS):
            free = ~(((p <= low) & (slope > 0)) | ((p >= high) & (slope < 0)))
            part = fisher[np.ix_(free, free)]
            part = part + damping * np.diag(np.diag(part) + TINY)
            step = np.zeros_like(p)
            step[free] = np.linalg.lstsq(part, -slope[free], rcond=None)[0]
            q = np.clip(p + np.clip(step, -MOST_STEP, MOST_STEP), low, high)
            tried = self._score(gain, q)
            if tried[0] < value:
                gained, p = value - tried[0], q
                damping, (value, slope, fisher) = damping / 5, tried
                if gained * self.count < ENOUGH:
                    break
            elif damping > MOST_DAMPING:
                break
            else:
                damping *= 5
        return value, p

    def _score(self, gain: Array, p: Array) -> tuple[float, Array, Array]:
        """(value, gradient, Fisher information) at parameters."""
        b, log_f0 = p[1], p[4]
        wave, corner = ANGULAR * self._f2, self._f2 + np.exp(2 * log_f0)
        log_corner = np.log(corner)
        scene, noise = self._parts(gain, p)
        total, share = scene + noise, self._counts / self.count
        u, v, ratio = scene / total, noise / total, self._power / total
        J = np.stack([u, -0.5 * log_corner * u, v, -wave * v, -b * np.exp(2 * log_f0) / corner * u,
                      -wave * u, *(self._waves * u)])  # fmt: skip
        weighed, off = J * share, p - EXPECTED
        # of the prior, in the unit of the value
        unit = 2 * self.likely / self.count
        slope = unit * (PRECISION * off + SHARPNESS)
        known = unit * (0.5 * PRECISION * off + SHARPNESS) @ off
        value = float(share @ (np.log(total) + ratio) + known)
        curvature = np.diag(unit * PRECISION)
        return value, weighed @ (1 - ratio) + slope, weighed @ J.T + curvature

    def _parts(self, gain: Array, p: Array) -> tuple[Array, Array]:
        """The power of the blurred scene and that of the noise."""
        (a, b, log_n, c, log_f0, s), turned = p[:-WAVES], p[-WAVES:] @ self._waves
        wave, corner = ANGULAR * self._f2, self._f2 + np.exp(2 * log_f0)
        scene = np.exp(a - 0.5 * b * np.log(corner) - s * wave + turned) * gain
        return scene, np.exp(log_n - c * wave)
