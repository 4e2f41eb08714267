"""A point spread function from an image of beads smaller than it.

Beads are found and selected (`bead_finding`), and centred on a voxel by cubic splines.  Linear
least squares against the median m of all beads refines their brightness b and displacement δ,

    bead ≈ b m − b δ · ∇m.

The average has weights b, which suit photon counts.  Values far from the median are left out:
neighbours, hot pixels.  Regions that contain only noise are smoothed (`denoised`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physrecon.errors import ArgumentError, DataError
from physrecon.foreign import plain
from physrecon.notebook import html
from physrecon.psf.background import clipped_mean
from physrecon.psf.bead_finding import (
    FWHM,
    Beads,
    default_shape,
    find_beads,
    full_width,
    without_hot_voxels,
)
from physrecon.psf.grids import (
    Array,
    Lengths,
    checked_shape,
    from_center,
    normalized,
    number,
    per_axis,
)

MARGIN = 8  # voxels around a bead that the cubic spline needs
ROUNDS = 3  # refinements of positions and brightnesses
FAR = 5.0  # standard deviations of the noise; values further from the median are left out
TAIL = 2.0  # standard deviations of the smoothed noise: below, there is no light
THRESHOLD = 10.0  # standard deviations of the smoothed noise: above, there is a bead


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredPSF:
    """A PSF from measured beads, and how it was obtained.

    psf: float64 of sum 1, its maximum (smoothed) on n//2.  positions (count, ndim): centres of the
    beads used [voxels of the stack].  found: number of beads; rejected: reason → number of beads.
    width: full width at half maximum along each axis, in the unit of the voxel size.
    background, noise: of the stack.  notes: sentences for the user.

    >>> stack = np.random.default_rng(0).normal(100, 1, (33, 65))
    >>> for column in (15, 45):
    ...     stack[12:21, column - 4 : column + 5] += 9000 * pr.psf.gaussian((9, 9), sigma=1.7)
    >>> measured = pr.psf_from_beads(stack, shape=(9, 9))
    >>> sorted(measured.positions.round().tolist()), f"{measured.psf.sum():.2f}"
    ([[16.0, 15.0], [16.0, 45.0]], '1.00')
    >>> round(measured.background), round(measured.noise)
    (100, 1)
    """

    psf: Array
    positions: Array
    found: int
    rejected: Mapping[str, int]
    width: tuple[float, ...]
    background: float
    noise: float
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        width = " × ".join(f"{w:.3g}" for w in self.width)
        return (
            f"MeasuredPSF: {self.psf.shape}, full width at half maximum {width}\n"
            f"  {self.count} of {self.found} beads, background {self.background:.4g}, noise "
            f"{self.noise:.3g}"
        )

    def _repr_html_(self) -> str:
        return html(repr(self), self.psf)

    @property
    def count(self) -> int:
        return len(self.positions)

    def sentences(self) -> list[str]:
        why = "".join(f", {number} {reason}" for reason, number in self.rejected.items())
        widths = " × ".join(f"{w:.3g}" for w in self.width)
        axes = ", ".join("zyx"[-len(self.width) :])
        return [
            f"PSF from {self.count} of {self.found} beads{why}",
            f"width at half maximum {widths} ({axes}); background {self.background:.4g}, "
            f"noise {self.noise:.2g}",
            *self.notes,
        ]

    def __str__(self) -> str:
        return "\n".join(self.sentences())


def psf_from_beads(
    stack: Any,
    shape: Sequence[int] | None = None,
    voxel_size: Lengths = 1.0,
    *,
    saturation: float | None = None,
    threshold: float = THRESHOLD,
    symmetric: bool = False,
    denoise: bool = True,
    bead_diameter: float | None = None,
) -> MeasuredPSF:
    """The PSF of a microscope, from an image of beads smaller than its resolution.

    stack (rows, columns) or (planes, rows, columns), any real dtype, finite.  shape of the PSF;
    None: twice the width of a bead to either side.  voxel_size: scalar or one per axis.
    saturation: grey level at which the detector clips; None: the largest of an integer dtype, none
    otherwise.  threshold: least height of a bead, in standard deviations of smoothed noise.
    symmetric: average over rings in the last two axes.  denoise: smooth the tails.
    bead_diameter, in the unit of voxel_size: its effect is estimated and reported, not removed.

    Beads are rejected at the border (nearer than their width), with saturated voxels, with another
    bead within `shape`, or for unusual size or brightness.  Single hot voxels are replaced.  Parts
    of a bead beyond the frame are taken from other beads, or are zero.
    ArgumentError: rank, shape, ranges.  DataError: NaN, or no fit bead.  Holds four stacks
    of float64.

    >>> stack = 100 + np.pad(9000 * pr.psf.gaussian((9, 9), sigma=1.7), 12)
    >>> measured = pr.psf_from_beads(stack, shape=(9, 9))
    >>> measured.found, [round(w) for w in measured.width]  # 2.35 σ = 4
    (1, [4, 4])
    """
    where = "psf_from_beads"
    image, clip = _checked(stack, saturation)
    voxel = per_axis(where, "voxel_size", voxel_size, image.ndim)
    sizes = None if shape is None else checked_shape(where, shape, image.ndim)
    background, noise = clipped_mean(image)
    image, hot = without_hot_voxels(image - background, noise)
    beads = find_beads(image, clip - background, sizes, number(where, "threshold", threshold))
    fit = np.array([not reason for reason in beads.reasons], bool)
    rejected = Counter(reason for reason in beads.reasons if reason)
    if not fit.any():
        raise _no_bead(len(fit), rejected)
    sizes = sizes or default_shape(image.shape, beads.width)
    _flatten(image, beads, sizes)

    centers, heights, psf = _aligned(
        image, beads.centers[fit], beads.heights[fit], sizes, beads.width
    )
    if symmetric:
        psf = _ring_means(psf, voxel)
    if denoise:
        psf = denoised(psf, noise * np.sqrt(len(heights)) / heights.sum(), beads.width)
    psf = normalized(np.maximum(psf, 0))
    center = tuple(n // 2 for n in sizes)
    width = full_width(psf, center) * voxel
    notes = [f"{hot} hot voxels replaced by their neighbours"] if hot else []
    notes += [] if bead_diameter is None else [_size_note(bead_diameter, width)]
    return MeasuredPSF(
        psf, centers, len(fit), dict(rejected), tuple(width.tolist()), background, noise, notes
    )


def _checked(stack: Any, saturation: float | None) -> tuple[Array, float]:
    """(copy of the stack as float64, saturation level)."""
    raw = plain("psf_from_beads(stack)", stack)
    if raw.ndim not in (2, 3) or min(raw.shape) < 3:
        raise ArgumentError(
            "psf_from_beads(stack): expected (rows, columns) or (planes, rows, columns) of at "
            f"least 3 each, got shape {raw.shape}"
        )
    image = raw.astype(np.float64)
    if not np.isfinite(image).all():
        raise DataError("psf_from_beads(stack): expected finite numbers, got NaN; fill them")
    if saturation is not None:
        return image, number("psf_from_beads", "saturation", saturation)
    whole = np.issubdtype(raw.dtype, np.integer)
    return image, float(np.iinfo(raw.dtype).max) if whole else np.inf


def _no_bead(found: int, rejected: Mapping[str, int]) -> DataError:
    if not found:
        return DataError(
            "psf_from_beads: expected beads above the noise, got none; lower the threshold, or "
            "look at the image"
        )
    why = ", ".join(f"{number} {reason}" for reason, number in rejected.items())
    return DataError(
        f"psf_from_beads: expected beads that are fit, got {found} that are not ({why}); give a "
        "smaller shape where they are too close, a shorter exposure where they are saturated"
    )


def _flatten(image: Array, beads: Beads, shape: tuple[int, ...]) -> None:
    """Subtract the background of each plane, measured far from all beads."""

    def near(place: int, n: int) -> slice:
        return slice(max(place - n // 2, 0), place + n // 2 + 1)

    columns = np.ones(image.shape[-2:], np.bool_)
    for center in np.rint(beads.centers[:, -2:]).astype(int):
        y, x = center
        columns[near(y, shape[-2]), near(x, shape[-1])] = False
    if columns.mean() > 0.05:
        for plane in image.reshape(-1, *image.shape[-2:]):
            plane -= clipped_mean(plane[columns])[0]


def _moved(image: Array, center: Array, shape: tuple[int, ...]) -> Array:
    """The surroundings of a bead, shifted to centre n//2; NaN beyond the frame."""
    from scipy.ndimage import map_coordinates

    places = [c + from_center(n) for c, n in zip(center, shape, strict=True)]
    starts = [max(int(p[0]) - MARGIN, 0) for p in places]
    window = tuple(slice(s, int(p[-1]) + MARGIN) for s, p in zip(starts, places, strict=True))
    inside = np.meshgrid(*(p - s for p, s in zip(places, starts, strict=True)), indexing="ij")
    found = map_coordinates(image[window], inside, order=3, mode="mirror")
    for axis, (p, n) in enumerate(zip(places, image.shape, strict=True)):
        np.moveaxis(found, axis, 0)[(p < 0) | (p > n - 1)] = np.nan
    return found


def _aligned(
    image: Array, centers: Array, heights: Array, shape: tuple[int, ...], width: Array
) -> tuple[Array, Array, Array]:
    """(refined centres, refined brightnesses, average) of beads at `centers`."""
    for _ in range(ROUNDS):
        beads = np.stack([_moved(image, center, shape) for center in centers])
        typical = _median(beads / _spread(heights, beads))
        heights, shifts = _refined(beads, typical, width)
        centers = centers + shifts
    beads = np.stack([_moved(image, center, shape) for center in centers])
    return centers, heights, _average(beads / _spread(heights, beads), heights)


def _spread(numbers: Array, beads: Array) -> Array:
    """One number per bead, shaped to broadcast over its voxels."""
    return numbers.reshape(-1, *[1] * (beads.ndim - 1))


def _refined(beads: Array, typical: Array, width: Array) -> tuple[Array, Array]:
    """(brightnesses (count,), displacements (count, ndim)) of beads against the typical one."""
    core = tuple(
        slice(max(n // 2 - int(w), 0), n // 2 + int(w) + 1)
        for n, w in zip(typical.shape, width, strict=True)
    )
    columns = [typical, *np.gradient(typical)]
    design = np.stack([column[core].ravel() for column in columns], axis=1)
    found = []
    for bead in beads:
        values = bead[core].ravel()
        seen = ~np.isnan(values)
        found.append(np.linalg.lstsq(design[seen], values[seen], rcond=None)[0])
    heights, slopes = np.split(np.array(found), [1], axis=1)
    return heights[:, 0], np.clip(-slopes / heights, -0.5, 0.5)


def _average(beads: Array, heights: Array) -> Array:
    """Mean of (count, *shape), weighted by brightness; 0 where no bead has data."""
    typical = _median(beads)
    away = np.abs(beads - typical)
    noise = 1.4826 * np.nanmedian(away.reshape(len(beads), -1), axis=1)
    far = away > FAR * _spread(noise, beads) + np.abs(typical) / 2
    weight = np.where(far | np.isnan(beads), 0, _spread(heights, beads))
    total = weight.sum(axis=0)
    mean = (weight * np.nan_to_num(beads)).sum(axis=0) / np.where(total > 0, total, 1)
    return np.where(total > 0, mean, 0)


def _median(beads: Array) -> Array:
    """Median of the beads that have data, 0 where none has."""
    seen = ~np.isnan(beads).all(axis=0)
    median = np.zeros(beads.shape[1:])
    median[seen] = np.nanmedian(beads[:, seen], axis=0)
    return median


def denoised(psf: Array, noise: float, width: Array) -> Array:
    """s + (psf − s) max(0, 1 − noise²/v) (Lee, IEEE Trans. Pattern Anal. 2, 165, 1980).

    s is the PSF smoothed by a Gaussian half as wide; v is the local mean of (psf − s)².  This
    smooths where there is no detail above the noise.  Where s is below twice its noise, 0."""
    from scipy.ndimage import gaussian_filter

    sigma = width / FWHM / 2
    smooth = gaussian_filter(psf, sigma)
    detail = gaussian_filter((psf - smooth) ** 2, sigma)
    kept = np.maximum(1 - noise**2 / np.maximum(detail, 1e-300), 0)
    found = smooth + kept * (psf - smooth)
    averaged = np.maximum(2 * np.sqrt(np.pi) * sigma, 1).prod()  # effective number of voxels
    return np.where(smooth < TAIL * noise / np.sqrt(averaged), 0, found)


def _ring_means(psf: Array, voxel: tuple[float, ...]) -> Array:
    """Means over rings in the last two axes around n//2, interpolated linearly between rings."""
    y, x = (from_center(n) * p for n, p in zip(psf.shape[-2:], voxel[-2:], strict=True))
    ring = np.hypot(y[:, None], x) / min(voxel[-2:])
    inner = ring.astype(np.int64)
    part = ring - inner
    shares = ((inner, 1 - part), (inner + 1, part))
    count = int(inner.max()) + 2
    total = sum(np.bincount(i.ravel(), w.ravel(), count) for i, w in shares)
    planes = psf.reshape(-1, *ring.shape)
    out = np.empty_like(planes)
    for plane, result in zip(planes, out, strict=True):
        sums = sum(np.bincount(i.ravel(), (w * plane).ravel(), count) for i, w in shares)
        means = sums / np.where(total > 0, total, 1)
        result[...] = sum(w * means[i] for i, w in shares)
    return out.reshape(psf.shape)


def _size_note(diameter: float, width: Array) -> str:
    """How much beads widen the PSF: a sphere has the variance d²/20 along each axis."""
    d = number("psf_from_beads", "bead_diameter", diameter)
    own = FWHM * d / np.sqrt(20)
    narrowest = float(width.min())
    if own >= narrowest:
        return f"beads of {d:g} are no points: they are as wide as the PSF, {narrowest:.3g}"
    widened = 100 * (narrowest / np.sqrt(narrowest**2 - own**2) - 1)
    return f"beads of {d:g} widen the PSF by about {widened:.1g} % where it is narrowest"
