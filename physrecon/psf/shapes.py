"""Point spread functions of simple shape: Gaussian, Moffat, defocus disc, motion line.

    Gaussian  exp(−x²/2σ²)        Moffat  (1 + r²/α²)^(−β), α = FWHM / (2 √(2^(1/β) − 1))
    disc      1 for r ≤ R         line    1 along a straight path of the image

All are exact integrals over the pixels, except Moffat, a Gauss–Legendre sum within them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from physrecon.errors import ArgumentError
from physrecon.psf.grids import (
    VOXEL,
    Array,
    DoesNotFit,
    Lengths,
    Range,
    checked_length,
    checked_shape,
    mean_over_pixels,
    normalized,
    number,
    per_axis,
    whole_points,
)

TO_RADIANS = {"deg": math.pi / 180, "rad": 1.0}
BETA = Range(1.0, 1000.0)  # a thousand is a Gaussian to 1e-3
ANGLE = Range(-1e6, 1e6)  # its sine has ten digits


def gaussian(shape: Sequence[int], sigma: Lengths, voxel_size: Lengths = 1.0) -> Array:
    """A Gaussian integrated over the voxels by the error function, along any number of axes.

    sigma: standard deviation.  voxel_size, sigma: scalar or one per axis, in one unit.
    float64, separable, of variance sigma² + voxel_size²/12.

    >>> psf = pr.psf.gaussian((9, 17), sigma=0.2, voxel_size=0.1)  # σ of two pixels
    >>> psf.shape, bool(psf[4, 8] == psf.max())
    ((9, 17), True)
    """
    from scipy.special import erf

    sizes = checked_shape("gaussian", shape)
    sigmas = per_axis("gaussian", "sigma", sigma, len(sizes))
    pitches = per_axis("gaussian", "voxel_size", voxel_size, len(sizes), VOXEL)
    for s, pitch in zip(sigmas, pitches, strict=True):
        checked_length("gaussian", "sigma", s, (pitch,))
    psf = np.ones(())
    for n, s, pitch in zip(sizes, sigmas, pitches, strict=True):
        edges = (np.arange(n + 1) - n // 2 - 0.5) * pitch / (s * math.sqrt(2))
        psf = psf[..., None] * normalized(np.diff(erf(edges)))
    return psf


def moffat(
    shape: Sequence[int],
    fwhm: float,
    beta: float,
    pixel_size: Lengths = 1.0,
    *,
    oversampling: int = 7,
) -> Array:
    """The profile of a star behind the atmosphere, in 2-D.  Moffat (1969).

    fwhm: full width at half maximum.  pixel_size: scalar or (y, x), in one unit.  beta > 1: decay
    of the wings, 2.5 to 5 for seeing.  oversampling: Gauss–Legendre points within a pixel along
    each axis; 1 takes the value at its centre.  float64.

    >>> psf = pr.psf.moffat((33, 33), fwhm=6, beta=3, oversampling=1)
    >>> f"{psf[16, 19] / psf[16, 16]:.2f}"  # half a width from the middle
    '0.50'
    """
    rows_columns = checked_shape("moffat", shape, 2)
    pixel = per_axis("moffat", "pixel_size", pixel_size, 2, VOXEL)
    width = checked_length("moffat", "fwhm", fwhm, pixel)
    decay = number("moffat", "beta", beta, BETA)
    points = whole_points("moffat", oversampling)
    alpha = width / (2 * math.sqrt(math.expm1(math.log(2) / decay)))
    return normalized(
        mean_over_pixels(lambda r: (1 + (r / alpha) ** 2) ** -decay, rows_columns, pixel, points)
    )


def defocus(shape: Sequence[int], radius: float, pixel_size: Lengths = 1.0) -> Array:
    """A uniform disc, the blur of a lens out of focus in geometrical optics, in 2-D.

    radius, pixel_size (scalar or (y, x)): in one unit.  Each pixel holds the exact area of its
    overlap with the disc.  ArgumentError: a disc that does not fit into the shape.  float64.

    >>> psf = pr.psf.defocus((9, 9), radius=3)
    >>> f"{psf.sum():.2f}", f"{1 / psf[4, 4] / np.pi:.2f}"  # a pixel has 1 / (π 3²) of the light
    ('1.00', '9.00')
    """
    rows_columns = checked_shape("defocus", shape, 2)
    pixel = per_axis("defocus", "pixel_size", pixel_size, 2, VOXEL)
    r = checked_length("defocus", "radius", radius, pixel)
    _must_fit("defocus", "radius", r, rows_columns, [2 * r / p for p in pixel])
    y, x = ((np.arange(n + 1) - n // 2 - 0.5) * p for n, p in zip(rows_columns, pixel, strict=True))
    corners = _quarter_area(np.abs(y)[:, None], np.abs(x), r) * np.sign(y)[:, None] * np.sign(x)
    area = np.diff(np.diff(corners, axis=0), axis=1)
    return normalized(np.maximum(area, 0))  # rounding may be negative outside the disc


def _quarter_area(y: Array, x: Array, radius: float) -> Array:
    """Area of the disc within [0, y] × [0, x]: ∫ min(y, √(radius² − t²)) dt."""
    y, x = np.minimum(y, radius), np.minimum(x, radius)

    def below_arc(t: Array) -> Array:
        return (t * np.sqrt(radius**2 - t**2) + radius**2 * np.arcsin(t / radius)) / 2

    flat = np.minimum(x, np.sqrt(radius**2 - y**2))  # as far as the arc is above y
    return flat * y + below_arc(x) - below_arc(flat)


def motion(
    shape: Sequence[int], length: float, angle: float, pixel_size: Lengths = 1.0, *, angle_unit: str
) -> Array:
    """A straight line, the blur of uniform motion during the exposure, in 2-D.

    length, pixel_size (scalar or (y, x)): in one unit.  angle: from +x towards +y, that is from
    columns to rows: clockwise in a picture whose row 0 is at the top; angle_unit "deg" or "rad".
    Each pixel holds the exact length of the path within it (Siddon 1985).
    ArgumentError: a line that does not fit into the shape.  float64.

    >>> pr.psf.motion((3, 5), length=4, angle=0, angle_unit="deg")[1].round(3).tolist()
    [0.125, 0.25, 0.25, 0.25, 0.125]
    """
    rows_columns = checked_shape("motion", shape, 2)
    pixel = per_axis("motion", "pixel_size", pixel_size, 2, VOXEL)
    path = checked_length("motion", "length", length, pixel)
    if angle_unit not in TO_RADIANS:
        raise ArgumentError(f"motion(angle_unit): expected 'deg' or 'rad', got {angle_unit!r}")
    turn = number("motion", "angle", angle, ANGLE) * TO_RADIANS[angle_unit]
    step = np.array([math.sin(turn) / pixel[0], math.cos(turn) / pixel[1]]) * path  # in pixels
    _must_fit("motion", "length", path, rows_columns, np.abs(step))

    # parameters t in [−½, ½] at which the line t · step crosses from pixel to pixel
    crossings = [np.array([-0.5, 0.5])]
    for s in step:
        edges = np.arange(math.ceil(abs(s) / 2) + 1) + 0.5
        with np.errstate(divide="ignore"):
            crossings += [edges / s, -edges / s]
    t = np.sort(np.concatenate(crossings).clip(-0.5, 0.5))
    middle = (t[1:] + t[:-1]) / 2
    rows, columns = (
        np.rint(middle * s).astype(np.int64) + n // 2
        for s, n in zip(step, rows_columns, strict=True)
    )
    psf = np.zeros(rows_columns)
    np.add.at(psf, (rows, columns), np.diff(t))
    return normalized(psf)


def _must_fit(
    where: str, name: str, value: float, shape: tuple[int, ...], needed: Sequence[float] | Array
) -> None:
    """Raise DoesNotFit unless a blur of `needed` pixels, centred on n//2, fits into n pixels.

    value: of the parameter `name`, to which `needed` is proportional."""
    room = [2 * ((n - 1) // 2) + 1 for n in shape]
    if any(size > n * (1 + 1e-12) for size, n in zip(needed, room, strict=True)):
        pixels = " × ".join(f"{size:.4g}" for size in needed)
        least = tuple(2 * math.ceil((size - 1) / 2) + 1 for size in needed)
        most = value * min(n / size for size, n in zip(needed, room, strict=True) if size > n)
        raise DoesNotFit(
            f"{where}({name}): expected a blur that fits into the shape {shape}, got one of "
            f"{pixels} pixels; give a {name} of at most {_rounded_down(most)}",
            least,
        )


def _rounded_down(value: float) -> str:
    """Four digits of a positive number, none of which makes it larger."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return f"{math.floor(value / unit * (1 + 1e-12)) * unit:.4g}"
