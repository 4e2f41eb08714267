"""Scalar diffraction by a round pupil with known path lengths.

The amplitude at distance r from the axis, k = 2π/λ, is an integral over the radius ρ of the pupil,

    h(r, z) = 2 ∫₀¹ J₀(k NA r ρ) exp(i k W(ρ, z)) ρ dρ,        PSF = |h|².

Gauss–Legendre quadrature evaluates it on a grid of radii (for another method see Li, Xue and Blu,
J. Opt. Soc. Am. A 34, 1029, 2017); quintic splines interpolate between radii.  The lateral
frequencies of |h|² end at 2 NA/λ, so the accuracy of both is known: about 1e−10 of the maximum."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physrecon.errors import ArgumentError
from physrecon.psf.grids import Array, mean_over_pixels, normalized

PER_FRINGE = 48  # radii per λ/2NA
NODES = 40  # quadrature nodes in addition to those that oscillations need
BLOCK = 1024  # radii evaluated at a time
MOST_NODES = 4096  # of the quadrature; more take minutes

Path = Callable[[Array], Any]  # ρ (n,) → W (n, planes) [length], complex where light decays


@dataclass(frozen=True)
class Pupil:
    """A round aperture and its path lengths.

    k: 2π/wavelength; na: numerical aperture; edge: the ρ ≤ 1 of the square-root branch point of W,
    beyond which light is evanescent; 1 if there is none."""

    k: float
    na: float
    path: Path
    edge: float = 1.0

    def nodes(self, reach: float = 0.0) -> tuple[Array, Array]:
        """Nodes ρ and weights of ∫₀¹ … 2ρ dρ for distances r up to `reach`."""
        from scipy.special import roots_legendre

        rho = np.linspace(0, 1, 1000)
        turns = np.abs(np.diff(self.path(rho).real, axis=0)).sum(axis=0).max()
        waves = self.k * (self.na * reach + turns) / 2
        if not waves <= MOST_NODES - NODES:
            raise ArgumentError(
                f"psf: expected path lengths that differ by at most {MOST_NODES / math.pi:.0f} "
                f"wavelengths, got {waves / math.pi:.3g}; give thinner layers, a smaller shape, or "
                "all lengths in one unit"
            )
        count = int(waves) + NODES
        t, weight = roots_legendre(count)
        t, weight = (t + 1) / 2, weight / 2
        if self.edge == 1:
            return t, weight * 2 * t
        # distance from the branch point ∝ t²: on either side the integrand is smooth in t
        rho = np.concatenate([self.edge * (1 - t**2), self.edge + (1 - self.edge) * t**2])
        slope = np.concatenate([self.edge * 2 * t, (1 - self.edge) * 2 * t])
        return rho, np.tile(weight, 2) * slope * 2 * rho

    def intensity(self, radii: Array) -> Array:
        """|h|² (radii, planes), 1 in the focus of a perfect pupil."""
        from scipy.special import j0

        rho, weight = self.nodes(float(radii.max()))
        wave = weight[:, None] * np.exp(1j * self.k * self.path(rho))
        found = np.empty((len(radii), wave.shape[1]))
        for start in range(0, len(radii), BLOCK):
            rows = slice(start, start + BLOCK)
            bessel = j0(self.k * self.na * radii[rows, None] * rho)
            found[rows] = (bessel @ wave.real) ** 2 + (bessel @ wave.imag) ** 2
        return found

    def psf(
        self, shape: tuple[int, ...], voxel_size: tuple[float, ...], points: int | None
    ) -> Array:
        """The PSF (planes, rows, columns) of sum 1, integrated over pixels."""
        from scipy.interpolate import make_interp_spline

        pixel = voxel_size[1:]
        reach = math.hypot(*((n // 2 + 0.5) * p for n, p in zip(shape[1:], pixel, strict=True)))
        step = math.pi / (self.k * self.na) / PER_FRINGE
        radii = step * np.arange(-5, reach / step + 5)  # even in r: no edge at 0
        spline = make_interp_spline(radii, self.intensity(radii), k=5)
        points = enough_points(self.k * self.na, pixel) if points is None else points
        return normalized(mean_over_pixels(spline, shape[1:], pixel, points))


def enough_points(k_na: float, pixel: tuple[float, ...]) -> int:
    """Gauss–Legendre points along a pixel that integrate the frequencies up to 2 NA/λ."""
    return math.ceil(k_na * max(pixel)) + 2
