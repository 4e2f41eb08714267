"""The PSF of a job, from a file or a model, on the voxels of the image and checked.

A model is named with its parameters, `born-wolf:wavelength=0.52,na=1.4,index=1.515`, which are
those of the function in `physrecon.psf`; lengths are in the unit of the image's voxels."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.catalog import PSF_MODELS, expected, find
from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image, open_image
from physrecon.io.units import LENGTHS
from physrecon.jobs.image_job import ImageJob
from physrecon.psf import background_level, center_of_mass, centered, without_background

Array = NDArray[np.float64]
MOST_PIXELS = 127  # of a model along an axis, if no shape is given
LEFT_OUT = 1e-3  # of a model's light along each axis, if no shape is given
SAME = 0.01  # relative; voxel sizes that differ by less are the same
ROUNDING = 1e-6  # of the peak; smaller negative values are rounding errors
FAINT = 0.02  # of the peak; a brighter border is background, or a truncated PSF


@dataclass(frozen=True)
class JobPSF:
    """The PSF of a job, not normalised yet, and its centre.

    lines, warnings: messages about it.  files: those it was read from."""

    values: Array
    center: tuple[int, ...]
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: frozenset[Path] = frozenset()


def read_psf(job: ImageJob, image: Image) -> JobPSF:
    """The PSF of a job for an image.  Raises DataError, MissingInputError, ArgumentError."""
    files: frozenset[Path] = frozenset()
    if job.model:
        values, lines = model(job, image)
    else:
        values, lines, files = _from_file(job, image)
    warnings: list[str] = []
    if job.psf_background:
        level = background_level(values) if job.psf_background == "auto" else job.psf_background
        values = without_background(values, float(level))
        lines.append(f"psf: background of {level:.4g} taken off")
    elif (faint := border_level(values)) > FAINT:
        cause = (
            "its tails are cut off; give a larger shape=…, or look at its parameters"
            if job.model
            else "a background, or a PSF that is cut off; take a background off with "
            "--psf-background auto"
        )
        warnings.append(f"psf: its border is at {faint:.1%} of its peak: {cause}")
    values = _checked_values(job, values)
    if job.normalize and not job.model:
        lines.append(f"psf: divided by its sum, {values.sum():.6g}")
    _check_size(job, values, image)
    if job.psf_center == "mass":
        values = centered(values)
        lines.append("psf: moved so that its light balances on its middle")
    center = _center(job, values)
    if job.psf_center is None and (note := _off_center(values, center)):
        warnings.append(note)
    return JobPSF(values, center, lines, warnings, files)


def rank(job: ImageJob, image: Image) -> int:
    """The number of axes of the PSF."""
    return 2 if job.planewise else len(image.frame_shape)


def voxel_size_of(job: ImageJob, image: Image) -> tuple[tuple[float, ...], str | None]:
    """(voxel size along the axes of a frame, unit), from the job or else from the file."""
    if job.voxel_size is None:
        return image.voxel_size, image.length_unit
    return _per_axis("voxel_size", job.voxel_size, len(image.frame_shape)), (
        job.length_unit or image.length_unit
    )


# Files ----------------------------------------------------------------------------------------


def _from_file(job: ImageJob, image: Image) -> tuple[Array, list[str], frozenset[Path]]:
    name = job.psf.partition(":")[0]
    if ":" in job.psf and "::" not in job.psf and not Path(job.psf).exists():
        raise ArgumentError(f"psf: no such file, and of models {expected(name, PSF_MODELS)}")
    with open_image(job.psf) as file:
        values = _one_frame(job, image, file)
        lines = [f"psf: {job.psf}, {values.shape} {file.dtype}"]
        pitch, unit, files = file.voxel_size, file.length_unit, frozenset(file.files)
    if job.psf_voxel_size:
        pitch, unit = _per_axis("psf_voxel_size", job.psf_voxel_size, values.ndim), job.length_unit
    wanted, unit_wanted = voxel_size_of(job, image)
    if unit is None and not job.psf_voxel_size:
        if unit_wanted:
            lines.append("psf: no voxel size in its file, taken as that of the image")
    else:
        _check_voxel_size(job, (pitch[-values.ndim :], unit), (wanted[-values.ndim :], unit_wanted))
    return values, lines, files


def _one_frame(job: ImageJob, image: Image, file: Image) -> Array:
    """The only frame of a file, of as many axes as the job needs."""
    if len(file.frames) != 1:
        raise DataError(
            f"{job.psf}: expected one PSF, got {len(file.frames)} frames ({file.axes} "
            f"{file.shape}); write the one that belongs to the image to a file of its own"
        )
    values = np.asarray(file.read(file.frames[0]), np.float64)
    wanted = rank(job, image)
    while values.ndim > wanted and values.shape[0] == 1:
        values = values[0]
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise DataError(
            f"{job.psf}: expected finite numbers, got NaN or infinity in "
            f"{'all' if bad == values.size else bad} of {values.size} voxels; mend the file"
        )
    if values.ndim < wanted:
        raise DataError(
            f"{job.psf}: expected a PSF of three dimensions for a stack of {image.frame_shape}, "
            f"got {values.shape}; add --planewise if every plane is blurred by itself"
        )
    if values.ndim > wanted:
        advice = "give one plane of it"
        if len(image.frames) > 1:
            advice += f", or name the axes {image.axes} with --axes if these are planes of a stack"
        if job.planewise and len(image.frame_shape) == 3:
            advice += ", or drop --planewise"
        raise DataError(
            f"{job.psf}: expected a PSF of two dimensions for images of {image.frame_shape[-2:]}, "
            f"got {values.shape}; {advice}"
        )
    return values


def _check_voxel_size(
    job: ImageJob,
    psf: tuple[Sequence[float], str | None],
    image: tuple[Sequence[float], str | None],
) -> None:
    """Raise DataError unless the voxels of PSF and image have the same size."""
    sizes, unit = psf
    wanted, unit_wanted = image
    scale = 1.0
    if unit != unit_wanted:
        if unit not in LENGTHS or unit_wanted not in LENGTHS:
            raise DataError(
                f"{job.psf}: expected voxels of {_size(*image)} as in {job.input}, got "
                f"{_size(*psf)}; give --voxel-size and --length-unit, or --psf-voxel-size"
            )
        scale = LENGTHS[unit] / LENGTHS[unit_wanted]
    if any(abs(s * scale / w - 1) > SAME for s, w in zip(sizes, wanted, strict=True)):
        raise DataError(
            f"{job.psf}: expected voxels of {_size(*image)} as in {job.input}, got {_size(*psf)}; "
            "resample the PSF, or say which is right with --voxel-size or --psf-voxel-size"
        )


def _size(pitch: Sequence[float], unit: str | None) -> str:
    return f"{' × '.join(f'{p:.4g}' for p in pitch)} {unit or 'pixel'}"


def _per_axis(name: str, pitch: Sequence[float], count: int) -> tuple[float, ...]:
    if len(pitch) not in (1, count):
        raise ArgumentError(
            f"{name}: expected one length or {count}, got {len(pitch)}: "
            f"{','.join(f'{p:g}' for p in pitch)}"
        )
    return tuple(pitch) * (count // len(pitch))


# Models ---------------------------------------------------------------------------------------


def model(job: ImageJob, image: Image) -> tuple[Array, list[str]]:
    """The PSF of a model; if no shape is given, a sufficient one is chosen."""

    name, _, text = job.psf.partition(":")
    function = find(PSF_MODELS, name)
    count = rank(job, image)
    pitch, unit = voxel_size_of(job, image)
    given = _parameters(text)
    shape = given.pop("shape", None)
    room = tuple(min(n - 1 + n % 2, MOST_PIXELS) for n in image.frame_shape[-count:])
    wanted = room if shape is None else tuple(np.broadcast_to(shape, count).tolist())
    values = _called(name, function, wanted, pitch[-count:], given)
    if shape is None:
        values = trimmed(values)
    lines = [f"psf: {job.psf}, {values.shape}, lengths in {unit or 'pixel'}"]
    if unit is None:
        lines.append("psf: the image has no voxel size; give it with --voxel-size --length-unit")
    return values, lines


def _parameters(text: str) -> dict[str, Any]:
    """`sigma=2,1,1,shape=9` as {"sigma": (2, 1, 1), "shape": 9}."""
    found: dict[str, list[Any]] = {}
    values: list[Any] = []
    for part in text.split(",") if text else []:
        key, equals, value = part.rpartition("=")
        if equals:
            values = found.setdefault(key.strip().replace("-", "_"), [])
        elif not found:
            raise ArgumentError(f"psf: expected parameters such as sigma=2, got {text!r}")
        values.append(_value(value.strip()))
    return {key: v[0] if len(v) == 1 else tuple(v) for key, v in found.items()}


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _called(
    name: str, function: Any, shape: tuple[int, ...], pitch: Sequence[float], given: dict[str, Any]
) -> Array:
    """The model, sampled on a shape.  Raises ArgumentError for a parameter that is unknown or
    missing, or a wrong number of axes."""
    signature = inspect.signature(function)
    size = next(p for p in signature.parameters if p in ("pixel_size", "voxel_size"))
    known = tuple(p for p in signature.parameters if p not in ("shape", size))
    for parameter in given:
        if parameter not in known:
            raise ArgumentError(f"psf: {name}: {expected(parameter, (*known, 'shape'))}")
    needed = [p for p in known if signature.parameters[p].default is inspect.Parameter.empty]
    missing = [p for p in needed if p not in given]
    if missing:
        example = ",".join(f"{p}=…" for p in needed)
        raise ArgumentError(
            f"psf: {name}: expected {', '.join(missing)}, got none; write {name}:{example}"
        )
    try:
        return function(shape, **{size: tuple(pitch)}, **given)
    except ArgumentError as problem:
        raise ArgumentError(f"psf: {problem}") from None


def trimmed(values: Array) -> Array:
    """A model without its nearly dark margins; its centre stays n // 2."""
    parts = []
    for axis, n in enumerate(values.shape):
        light = values.sum(tuple(i for i in range(values.ndim) if i != axis))
        middle = n // 2
        reach = next(
            r
            for r in range(middle + 1)
            if light[max(middle - r, 0) : middle + r + 1].sum() >= (1 - LEFT_OUT) * light.sum()
        )
        parts.append(slice(max(middle - reach, 0), middle + reach + 1))
    return np.ascontiguousarray(values[tuple(parts)])


# Checks ---------------------------------------------------------------------------------------


def border_level(values: Array) -> float:
    """The median of the border, relative to the peak."""
    peak = values.max(initial=0)
    if not peak > 0 or min(values.shape[-2:]) < 3:
        return 0.0
    edges = [values[..., (0, -1), :].ravel(), values[..., 1:-1, (0, -1)].ravel()]
    return float(np.median(np.concatenate(edges)) / peak)


def _checked_values(job: ImageJob, values: Array) -> Array:
    """The values without negative rounding errors.  Raises DataError if they are unusable."""
    if not values.any():
        raise DataError(f"{job.psf}: expected some light, got zeros only; check the file")
    if job.normalize and not values.sum() > 1e-9 * abs(values).sum():
        raise DataError(
            f"{job.psf}: expected a PSF with a sum > 0 to divide by, got {values.sum():.3g}; "
            "check the file, or use it as it is with --no-normalize"
        )
    least = float(values.min())
    if least < 0 and -least <= ROUNDING * values.max():
        return np.maximum(values, 0)
    if least < 0 and job.likelihood == "poisson":
        raise DataError(
            f"{job.psf}: expected values >= 0 for {job.method}, got {(values < 0).sum()} of "
            f"{values.size} below, the least {least:.3g}; take a background off with "
            "--psf-background, or choose a method of least squares"
        )
    return values


def _check_size(job: ImageJob, values: Array, image: Image) -> None:
    frame = image.frame_shape[-values.ndim :]
    if not job.oversize and any(k > n for k, n in zip(values.shape, frame, strict=True)):
        raise DataError(
            f"{job.psf}: expected a PSF no larger than the image of {frame}, got {values.shape}; "
            "crop it, or add --oversize if light does come from so far"
        )


def _center(job: ImageJob, values: Array) -> tuple[int, ...]:
    if job.psf_center in (None, "mass"):
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


def _off_center(values: Array, center: tuple[int, ...]) -> str | None:
    """A warning if the light of the PSF is off its centre, which shifts the image, else None."""
    off = [m - c for m, c in zip(center_of_mass(values), center, strict=True)]
    if math.hypot(*off) <= 1:
        return None
    return (
        f"psf: its light lies {', '.join(f'{d:+.1f}' for d in off)} voxels from its centre "
        f"{center}, and the result is shifted the other way by as much; --psf-center mass moves it"
    )
