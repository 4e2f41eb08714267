"""The PSF of a job, from a file or a model, checked and with its centre known.

The centre of a file is voxel n // 2, as in FFTs.  There are two exceptions, which are said: a file
in FFT order, with its peak in the corner, is rearranged; a PSF of even size that is symmetric
between two pixels is moved by half a pixel.

What of a PSF reaches further than the image is long is cropped, unless the boundary brings it back:
the light of one voxel reaches another along an axis of n voxels over n − 1 of them at most."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.image.psf_file import per_axis, psf_of_file
from physrecon.pipeline.image.psf_model import model_psf, narrowest
from physrecon.psf import background_level, center_of_mass, without_background
from physrecon.psf.centring import between_pixels, corner_axes, moved, to_middle

Array = NDArray[np.float64]
ROUNDING = 1e-6  # of the peak; smaller negative values are rounding errors
NOISE = 0.01  # of the peak; smaller negative values are noise, and are set to 0
FAINT = 0.02  # of the peak; a brighter border is background, or a truncated PSF
ALIKE = 0.7  # of the median of the border; every part of a background is as bright
HAZE = 0.05  # of the light; more of it in a background is seen in the result
NARROW = 0.76  # of the light in one line: full width at half maximum of a voxel
OFF_CENTER = 0.5  # voxels
SHARP_EDGED = ("defocus", "motion")  # models without tails


@dataclass(frozen=True)
class JobPSF:
    """The PSF of a job, not normalised yet, and its centre.

    normalize: whether it is to be divided by its sum, or the sum of the whole PSF of which this is
    a part.  lines, warnings: messages about it.  files: those it was read from."""

    values: Array
    center: tuple[int, ...]
    normalize: bool | float = False
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: frozenset[Path] = frozenset()


def read_psf(job: ImageJob, image: Image) -> JobPSF:
    """The PSF of a job for an image.  Raises DataError, MissingInputError, ArgumentError."""
    rank = 2 if job.planewise else len(image.frame_shape)
    frame, (voxel_size, unit) = image.frame_shape[-rank:], voxel_size_of(job, image)
    files: frozenset[Path] = frozenset()
    warnings: list[str] = []
    if job.model:
        values, lines = model_psf(job, frame, voxel_size[-rank:], unit)
    else:
        values, lines, files = psf_of_file(job, image, (voxel_size, unit))
        values = _in_order(job, values, lines, warnings)
    values = _without_background(job, values, lines, warnings)
    values = _checked_values(job, values, lines, warnings)
    if job.normalize and not job.model:
        lines.append(f"psf: divided by its sum, {values.sum():.6g}")
    values = _moved(job, values, lines, warnings)
    center = _center(job, values)
    if job.psf_center is None:
        warnings += _off_center(values, center)
    whole = values
    values, center = _within_reach(job, values, center, frame, lines, warnings)
    normalize = float(whole.sum()) if job.normalize and values is not whole else job.normalize
    if narrowest(values) > NARROW:
        warnings.append(
            "psf: it is narrower than a voxel, so there is hardly a blur to take off; see whether "
            "its lengths are in the unit of the image's voxels"
        )
    return JobPSF(values, center, normalize, lines, warnings, files)


def voxel_size_of(job: ImageJob, image: Image) -> tuple[tuple[float, ...], str | None]:
    """(voxel size along the axes of a frame, unit), from the job or else from the file."""
    if job.voxel_size is None:
        return image.voxel_size, image.length_unit
    return per_axis("voxel_size", job.voxel_size, len(image.frame_shape)), (
        job.length_unit or image.length_unit
    )


# Order and background -------------------------------------------------------------------------


def _in_order(job: ImageJob, values: Array, lines: list[str], warnings: list[str]) -> Array:
    """The PSF around its middle; one in FFT order is rearranged.

    Raises DataError for light in the corner that may, or may not, continue at the other end."""
    if job.psf_center == "corner":
        return _from_corner(job, values, lines, warnings)
    axes, sure = corner_axes(values)
    if not axes:
        return values
    corner = ",".join("0" if a in axes else str(n // 2) for a, n in enumerate(values.shape))
    if sure and job.psf_center in (None, "peak", "mass"):
        warnings.append(
            f"psf: in FFT order, its light around the corner {corner}: moved to the middle"
        )
        return np.fft.fftshift(values, axes)
    if job.psf_center is None:
        raise DataError(
            f"{job.psf}: expected light around the middle, got light around the corner {corner}, "
            f"perhaps in FFT order; give --psf-center corner if it is, --psf-center {corner} if "
            "it lies on one side of the point only, or --psf-center mass if it is merely shifted"
        )
    warnings.append(
        f"psf: its light is around the corner {corner}, as in FFT order; if it is in that order, "
        "give --psf-center corner"
    )
    return values


def _from_corner(job: ImageJob, values: Array, lines: list[str], warnings: list[str]) -> Array:
    """The PSF, stated to be in FFT order, around its middle.

    Raises DataError for one around its middle already, which would be taken to the corner."""
    axes, sure = corner_axes(np.fft.ifftshift(values))
    if axes and sure:
        middle = ",".join(str(n // 2) for n in values.shape)
        raise DataError(
            f"{job.psf}: expected light around the corner for --psf-center corner, got it around "
            f"the middle {middle}; drop --psf-center corner"
        )
    if axes:
        warnings.append(
            "psf: moved from FFT order to the middle, as stated, its light is around the corner; "
            "see whether it is in FFT order, else drop --psf-center corner"
        )
    lines.append("psf: in FFT order, as stated: moved to the middle")
    return np.fft.fftshift(values)


def _without_background(
    job: ImageJob, values: Array, lines: list[str], warnings: list[str]
) -> Array:
    """The PSF without the background that the job states; a warning if one is left in it."""
    if job.psf_background:
        level = background_level(values) if job.psf_background == "auto" else job.psf_background
        lines.append(f"psf: background of {level:.4g} taken off")
        return without_background(values, float(level))
    if job.model in SHARP_EDGED:
        return values  # all of it: a smaller shape is refused
    level, constant = border_level(values)
    total, peak = float(values.sum()), float(values.max(initial=0))
    haze = level * values.size / total if constant and not job.model and total > 0 else 0.0
    if level > FAINT * peak or haze > HAZE:
        if job.model:
            cause = "its tails are cut off; give a larger shape=…, or look at its parameters"
        elif constant:
            cause = (
                f"a background, which holds {haze:.0%} of its light; take it off with "
                "--psf-background auto"
            )
        else:
            cause = (
                "it is cut off, or wider than its file; record more of it, or take a background "
                "off with --psf-background auto"
            )
        warnings.append(f"psf: its border is at {level / peak:.2g} of its peak: {cause}")
    return values


def border_level(values: Array) -> tuple[float, bool]:
    """(median of the border, whether it is constant: in all planes, in corners as elsewhere).

    The corners of a background are as bright as the rest; those of cut-off tails are not."""
    if min(values.shape[-2:]) < 3:
        return 0.0, False
    planes = values.reshape(-1, *values.shape[-2:])
    rows, columns = (max(1, n // 4) for n in planes.shape[1:])
    edges = [planes[:, (0, -1), :], planes[:, 1:-1, (0, -1)]]
    corners = [planes[:, (0, -1), part] for part in (slice(columns), slice(-columns, None))]
    corners += [planes[:, part, ::-1][..., (0, -1)] for part in (slice(rows), slice(-rows, None))]
    of_plane, in_corners = (
        np.median(np.concatenate([p.reshape(len(planes), -1) for p in parts], 1), 1)
        for parts in (edges, corners)
    )
    level = max(float(np.median(of_plane)), 0.0)
    constant = min(of_plane.min(), float(np.median(in_corners))) > ALIKE * level
    return level, bool(constant)


# Values ---------------------------------------------------------------------------------------


def _checked_values(job: ImageJob, values: Array, lines: list[str], warnings: list[str]) -> Array:
    """The values without negative noise.  Raises DataError if they are unusable."""
    if not values.any():
        raise DataError(f"{job.psf}: expected some light, got zeros only; check the file")
    if job.normalize and not values.sum() > 1e-9 * abs(values).sum():
        raise DataError(
            f"{job.psf}: expected a PSF with a sum > 0 to divide by, got {values.sum():.3g}; "
            "take a background off with --psf-background auto, or use it as it is with "
            "--no-normalize"
        )
    least, peak = float(values.min()), float(values.max())
    if least >= 0 or (job.likelihood != "poisson" and -least > ROUNDING * peak):
        return values
    negative = values < 0
    if -least > NOISE * peak:
        raise DataError(
            f"{job.psf}: expected values >= 0 for {job.method}, got {negative.sum()} of "
            f"{values.size} below, the least {least:.3g}; take a background off with "
            "--psf-background auto, or choose a method of least squares"
        )
    kept = np.maximum(values, 0)
    if -least > ROUNDING * peak:
        share = -float(values[negative].sum()) / float(kept.sum())
        warnings.append(
            f"psf: {negative.sum()} of {values.size} values below 0, the least {-least / peak:.2g} "
            f"of the peak, set to 0: {share:.2g} of its light"
        )
        if share > HAZE:
            warnings.append(
                f"psf: noise below 0 is {share:.0%} of its light, so there is as much above; "
                "smooth the PSF, or crop it to where it has light"
            )
    return kept


# Reach ----------------------------------------------------------------------------------------


def _within_reach(
    job: ImageJob,
    values: Array,
    center: tuple[int, ...],
    frame: tuple[int, ...],
    lines: list[str],
    warnings: list[str],
) -> tuple[Array, tuple[int, ...]]:
    """(PSF within n − 1 voxels of its centre along every axis of n voxels, centre of that).

    With the boundary "zero" the rest does nothing.  With "unknown" it brings light from further
    beyond the frame than the frame is long.  "reflect" and "periodic" bring it back: it is kept.
    Raises DataError if no light is within reach."""
    part = tuple(slice(max(c - n + 1, 0), c + n) for c, n in zip(center, frame, strict=True))
    kept = np.ascontiguousarray(values[part])
    if job.oversize or kept.shape == values.shape:
        return values, center
    if job.boundary in ("reflect", "periodic"):
        lines.append(
            f"psf: of {values.shape}, larger than the image of {frame}; all of it counts with the "
            f"boundary {job.boundary}"
        )
        return values, center
    if not kept.any():
        raise DataError(
            f"{job.psf}: expected light within {tuple(n - 1 for n in frame)} voxels of the centre "
            f"{center}, got none; give its centre with --psf-center peak or z,y,x"
        )
    lost = 1 - float(abs(kept).sum() / abs(values).sum())
    said = (
        f"psf: cropped from {values.shape} to {kept.shape}, what reaches from one voxel of the "
        f"image to another; the rest holds {lost:.2g} of its light"
    )
    if job.boundary == "unknown" and lost > HAZE:
        said += (
            ", which comes from further away than the image is long; --oversize keeps it, if it is "
            "the PSF of this image"
        )
        warnings.append(said)
    else:
        lines.append(said)
    return kept, tuple(c - s.start for c, s in zip(center, part, strict=True))


# Centre ---------------------------------------------------------------------------------------


def _moved(job: ImageJob, values: Array, lines: list[str], warnings: list[str]) -> Array:
    """The PSF moved to the middle by fractions of a voxel, if it is asked for or of even size."""
    if job.psf_center == "mass":
        lines.append("psf: moved so that its light balances on its middle")
        return moved(values, to_middle(values))
    if job.psf_center is not None or job.model:
        return values
    shift = between_pixels(values)
    if any(shift):
        middle = ",".join(str(n // 2) for n in values.shape)
        warnings.append(
            f"psf: of even size {values.shape} and symmetric between its pixels: moved by half a "
            f"pixel; --psf-center {middle} uses it as it is"
        )
        return moved(values, shift)
    return values


def _center(job: ImageJob, values: Array) -> tuple[int, ...]:
    if job.psf_center in (None, "mass", "corner"):
        return tuple(n // 2 for n in values.shape)
    if job.psf_center == "peak":
        return tuple(int(i) for i in np.unravel_index(values.argmax(), values.shape))
    center = tuple(int(i) for i in job.psf_center)
    if len(center) != values.ndim or any(c >= n for c, n in zip(center, values.shape, strict=True)):
        raise ArgumentError(
            f"psf_center: expected an index into a PSF of {values.shape}, got "
            f"{','.join(map(str, center))}"
        )
    return center


def _off_center(values: Array, center: tuple[int, ...]) -> list[str]:
    """A warning if the light of the PSF is off its centre, which shifts the image."""
    off = [m - c for m, c in zip(center_of_mass(values), center, strict=True)]
    if math.hypot(*off) <= OFF_CENTER:
        return []
    return [
        f"psf: its light lies {', '.join(f'{d:+.1f}' for d in off)} voxels from its centre "
        f"{center}, and the result is shifted the other way by as much; --psf-center mass moves it"
    ]
