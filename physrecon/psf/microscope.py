"""Point spread functions of microscopes and telescopes: Airy, Born–Wolf, Gibson–Lanni, confocal.

All are scalar diffraction by a round pupil (`pupil`).  They differ in the path length W at radius ρ
of the pupil, for a plane z beyond focus:

    W = −z NA² ρ² / 2n                  Born and Wolf, Principles of Optics, §8.8: paraxial
    W = Σ t √(n² − NA² ρ²)              Gibson and Lanni, J. Opt. Soc. Am. A 9, 154 (1992)

The sum runs over the layers that light crosses, minus the layers of the objective's design."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError
from physrecon.foreign import plain
from physrecon.psf.grids import (
    VOXEL,
    Array,
    Lengths,
    Range,
    checked_shape,
    from_center,
    mean_over_pixels,
    normalized,
    number,
    per_axis,
    whole_points,
)
from physrecon.psf.pupil import Pupil, enough_points

NA = Range(1e-3, 10.0)
TELESCOPE = Range(1e-6, 10.0)  # its numerical aperture
INDEX = Range(0.1, 10.0)
RESOLUTION = Range(0.05, 1e6)  # λ/2NA in pixels; below, the PSF is a point
LAYER = 1e6  # wavelengths; thickness of a layer at most, and distance of a focus
MOST_OBLIQUE = 0.95  # part of the pupil radius; the foci of these zones bound the search
MOST_PLANES = 999  # searched for the brightest


def airy(
    shape: Sequence[int],
    wavelength: float,
    na: float,
    pixel_size: Lengths,
    *,
    oversampling: int | None = None,
) -> Array:
    """The image of a point in focus, (2 J₁(v)/v)² with v = 2π NA r/λ, in 2-D.  Airy (1835).

    wavelength, pixel_size (scalar or (y, x)): in one unit; na: numerical aperture.  For a telescope
    na is half its diameter over its focal length.  oversampling: Gauss–Legendre points within a
    pixel along each axis; None: enough for the integral; 1: the value at the centre.
    ArgumentError: shapes and ranges.  float64.

    >>> psf = pr.psf.airy((65, 65), wavelength=0.5, na=0.5, pixel_size=0.1)
    >>> bool(psf[32, 38] < 0.002 * psf[32, 32])  # dark ring at 0.61 λ/NA
    True
    """
    from scipy.special import j1

    rows_columns = checked_shape("airy", shape, 2)
    pixel = per_axis("airy", "pixel_size", pixel_size, 2, VOXEL)
    aperture = number("airy", "na", na, TELESCOPE)
    k_na = aperture * _wave_number("airy", wavelength, aperture, pixel)
    points = enough_points(k_na, pixel) if oversampling is None else oversampling

    def intensity(r: Array) -> Array:
        v = np.maximum(k_na * r, 1e-8)
        return (2 * j1(v) / v) ** 2

    return normalized(
        mean_over_pixels(intensity, rows_columns, pixel, whole_points("airy", points))
    )


def born_wolf(
    shape: Sequence[int],
    wavelength: float,
    na: float,
    voxel_size: Lengths,
    index: float,
    *,
    oversampling: int | None = None,
) -> Array:
    """The image of a point in planes through focus, paraxial and without aberration, in 3-D.

    shape: (z, y, x).  voxel_size: scalar or (z, y, x), in the unit of wavelength (in vacuum).
    na: numerical aperture; index: refractive index of immersion and sample.  Plane n//2 is in
    focus; along the axis the intensity is sinc²(NA² z/2nλ).  At large apertures the true PSF is
    shorter along z, by a quarter at NA/n = 0.85; use `gibson_lanni` there.  oversampling: as in
    `airy`.  ArgumentError: shapes and ranges, na above index.  float64.
    Born and Wolf, Principles of Optics, §8.8.

    >>> psf = pr.psf.born_wolf((9, 33, 33), 0.5, na=0.8, voxel_size=(0.3, 0.1, 0.1), index=1.33)
    >>> f"{psf.sum():.2f}", np.allclose(psf, psf[::-1])  # without aberration: alike either way
    ('1.00', True)
    """
    sizes, voxel, k, aperture = _optics("born_wolf", shape, wavelength, na, voxel_size)
    n = number("born_wolf", "index", index, INDEX)
    _refuse_wide("born_wolf", "the medium", n, aperture)
    z = from_center(sizes[0]) * voxel[0]
    pupil = Pupil(k, aperture, lambda rho: -np.outer((aperture * rho) ** 2, z) / (2 * n))
    return pupil.psf(sizes, voxel, _points("born_wolf", oversampling))


def gibson_lanni(
    shape: Sequence[int],
    wavelength: float,
    na: float,
    voxel_size: Lengths,
    immersion_index: float,
    *,
    sample_index: float | None = None,
    depth: float = 0.0,
    coverslip: tuple[float, float] | None = None,
    nominal_coverslip: tuple[float, float] | None = None,
    nominal_immersion: tuple[float, float] | None = None,
    focus: float | None = None,
    oversampling: int | None = None,
) -> Array:
    """The image of a point at a depth below a coverslip, in planes through focus, in 3-D.

    shape: (z, y, x).  voxel_size: scalar or (z, y, x), in the unit of wavelength (in vacuum).
    na: numerical aperture.  immersion_index: actual index of the immersion medium.
    nominal_immersion: (thickness, index) of the objective's design; None: the actual index.
    sample_index: index between coverslip and point; None: that of the immersion.  depth: distance
    of the point from the coverslip.  coverslip, nominal_coverslip: actual and design (thickness,
    index); give both, or neither if they agree.

    z is the movement of the objective towards the sample: higher planes are focused deeper.
    Reverse the PSF (psf[::-1]) for a stack that runs the other way.  focus: z of plane n//2 from
    the paraxial focus; None: the brightest point of the axis.  If na exceeds sample_index,
    the outer rays are evanescent and decay with depth.  oversampling: as in `airy`.
    ArgumentError: shapes and ranges, na above the index of immersion or coverslip.  float64.
    Gibson and Lanni, J. Opt. Soc. Am. A 9, 154 (1992).

    >>> psf = pr.psf.gibson_lanni((17, 33, 33), 0.5, 1.2, 0.1, 1.518, sample_index=1.33, depth=5.0)
    >>> f"{psf.sum():.2f}", np.allclose(psf, psf[::-1])  # aberrated: not alike
    ('1.00', False)
    """
    where = "gibson_lanni"
    sizes, voxel, k, aperture = _optics(where, shape, wavelength, na, voxel_size)
    n = number(where, "immersion_index", immersion_index, INDEX)
    if (coverslip is None) != (nominal_coverslip is None):
        raise ArgumentError(
            f"{where}(coverslip): expected that of the sample and the nominal one, got one of "
            "them; give (thickness, index) for both, or for neither where they are the same"
        )
    far = LAYER * 2 * math.pi / k
    sample = _layer("depth", (depth, n if sample_index is None else sample_index), far)
    glasses = [
        ("coverslip", coverslip, 1), ("nominal_coverslip", nominal_coverslip, -1),
        ("nominal_immersion", nominal_immersion, -1),
    ]  # fmt: skip
    _refuse_wide(where, "immersion_index", n, aperture)
    layers = [sample] if depth else []
    for name, layer, sign in glasses:
        if layer is not None:
            thickness, index = _layer(name, layer, far)
            _refuse_wide(where, name, index, aperture)
            layers.append((sign * thickness, index))
    stack = _Layers(k, aperture, layers, n)
    start = stack.brightest() if focus is None else number(where, "focus", focus, Range(-far, far))
    z = start + from_center(sizes[0]) * voxel[0]
    return stack.pupil(z).psf(sizes, voxel, _points(where, oversampling))


class _Layers:
    """The layers (thickness, index) that light crosses, and the objective.

    Paraxial focus determines the thickness of the immersion layer: Σ t/n = 0."""

    def __init__(
        self, k: float, na: float, layers: list[tuple[float, float]], index: float
    ) -> None:
        self.k, self.na, self.index = k, na, index
        self.layers = [*layers, (-index * sum(t / n for t, n in layers), index)]
        self.edge = min(1.0, *(n / na for _, n in self.layers))

    def cosine(self, rho: Array, index: float) -> NDArray[np.complex128]:
        """n cos(angle) in a layer; imaginary where light is evanescent."""
        return np.sqrt(index**2 - (self.na * rho) ** 2 + 0j)

    def pupil(self, z: NDArray[Any]) -> Pupil:
        """The pupil of an objective moved by z from paraxial focus towards the sample."""

        def path(rho: Array) -> NDArray[np.complex128]:
            return sum(
                (t * self.cosine(rho, n)[:, None] for t, n in self.layers),
                start=-self.cosine(rho, self.index)[:, None] * z,
            )

        return Pupil(self.k, self.na, path, self.edge)

    def brightest(self) -> float:
        """z where the axis is brightest, between the foci of the zones of the pupil."""
        rho = np.linspace(0, MOST_OBLIQUE * self.edge, 100)
        lever = sum(t / self.cosine(rho, n).real for t, n in self.layers)
        foci = lever * self.cosine(rho, self.index).real
        width = 2 * math.pi / self.k / (self.index - self.cosine(np.ones(1), self.index).real[0])
        low, high = min(foci.min(), 0) - width, max(foci.max(), 0) + width
        count = min(int(8 * (high - low) / width), MOST_PLANES) | 1
        z = np.linspace(low, high, count)
        light = self.pupil(z).intensity(np.zeros(1))[0]
        i = int(light[1:-1].argmax()) + 1
        left, middle, right = light[i - 1 : i + 2]
        return float(z[i] + (z[1] - z[0]) * (right - left) / (4 * middle - 2 * (left + right)))


def confocal(excitation_psf: Any, emission_psf: Any) -> Array:
    """Excitation times emission: the PSF of a confocal microscope with a closed pinhole.

    Two nonnegative arrays of the same shape, centre and sampling.  float64 of sum 1.
    ArgumentError: shapes.  DataError: a product that is zero everywhere, or not finite.

    >>> wide = pr.psf.gaussian((33, 33), sigma=3)
    >>> psf = pr.psf.confocal(wide, wide)
    >>> f"{psf.sum():.2f}", round(float(psf.max() / wide.max()))  # half the variance
    ('1.00', 2)
    """
    excitation, emission = (
        np.asarray(plain("confocal", psf), np.float64) for psf in (excitation_psf, emission_psf)
    )
    if excitation.shape != emission.shape:
        raise ArgumentError(
            f"confocal: expected two PSFs of one shape, got {excitation.shape} and {emission.shape}"
        )
    product = excitation * emission
    if not (np.isfinite(product).all() and product.sum() > 0):
        raise DataError("confocal: expected PSFs that overlap, got a product that is nil or NaN")
    return normalized(product)


def _optics(
    where: str, shape: Sequence[int], wavelength: float, na: float, voxel_size: Lengths
) -> tuple[tuple[int, ...], tuple[float, ...], float, float]:
    """(shape, voxel size, k = 2π/wavelength, na), checked."""
    sizes = checked_shape(where, shape, 3)
    voxel = per_axis(where, "voxel_size", voxel_size, 3, VOXEL)
    aperture = number(where, "na", na, NA)
    return sizes, voxel, _wave_number(where, wavelength, aperture, voxel), aperture


def _wave_number(where: str, wavelength: float, na: float, voxel: tuple[float, ...]) -> float:
    """k = 2π/wavelength.  Raises ArgumentError if the PSF is far smaller or larger than a pixel."""
    found = number(where, "wavelength", wavelength, VOXEL)
    for pitch in voxel[-2:]:
        if found / (2 * na) / pitch not in RESOLUTION:
            raise ArgumentError(
                f"{where}(wavelength): expected λ/2NA {RESOLUTION} voxels, got {found / (2 * na):g}"
                f" for voxels of {pitch:g}; give both in one unit"
            )
    return 2 * math.pi / found


def _points(where: str, oversampling: int | None) -> int | None:
    return None if oversampling is None else whole_points(where, oversampling)


def _layer(name: str, layer: tuple[float, float], thickest: float) -> tuple[float, float]:
    """(thickness, index), checked."""
    try:
        thickness, index = layer
    except (TypeError, ValueError):
        raise ArgumentError(
            f"gibson_lanni({name}): expected (thickness, index), got {layer!r}"
        ) from None
    if thickness != 0:
        thickness = number("gibson_lanni", name, thickness, Range(0.0, thickest))
    return float(thickness), number("gibson_lanni", name, index, INDEX)


def _refuse_wide(where: str, medium: str, index: float, na: float) -> None:
    if na > index:
        raise ArgumentError(
            f"{where}(na): expected at most {index:g}, the refractive index of {medium}, got {na:g}"
        )
