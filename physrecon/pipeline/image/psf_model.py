"""The PSF of a job from a model, on the voxels of its image.

A model is named with its parameters, `born-wolf:wavelength=0.52,na=1.4,index=1.515`, which are
those of the function in `physrecon.psf`; lengths are in the unit of the image's voxels.  Its shape
is checked against the frame before arrays are made."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.catalog import PSF_MODELS, expected, find
from physrecon.errors import ArgumentError
from physrecon.jobs.image_job import ImageJob
from physrecon.psf.grids import DoesNotFit

Array = NDArray[np.float64]
MOST_PIXELS = 127  # along an axis, if no shape is given
LEFT_OUT = 1e-3  # of the light along each axis, if no shape is given
POINT = 0.98  # of the light in one line of voxels along every axis: no blur
DIMENSIONS = {"gaussian": (2, 3), "born-wolf": (3,), "gibson-lanni": (3,)}  # others: 2
SEE_LIST = "`physrecon deconvolve --psf list` shows models, parameters and units"
FARTHEST = 4  # frames; light from farther away is nothing that an image shows


def model_psf(
    job: ImageJob, frame: tuple[int, ...], voxel_size: Sequence[float], unit: str | None
) -> tuple[Array, list[str]]:
    """The PSF of a job's model for a frame, and lines about it.

    If no shape is given, a sufficient one is chosen.  Raises ArgumentError."""
    name, _, text = job.psf.partition(":")
    function = find(PSF_MODELS, name)
    given = _parameters(text)
    _check_dimensions(job, name, given, frame)
    shape = given.pop("shape", None)
    if shape is None:
        wanted = tuple(min(n - 1 + n % 2, MOST_PIXELS) for n in frame)
    else:
        wanted = _checked_shape(job, name, shape, frame)
    values = _called(job, function, (wanted, frame), voxel_size, given)
    if narrowest(values) > POINT:
        size = " × ".join(f"{p:.4g}" for p in voxel_size)
        raise ArgumentError(
            f"psf: {name}: expected a PSF wider than a voxel, which is {size} {unit or 'pixel'}, "
            f"got one that has {values.max():.1%} of its light in a single one; give lengths in "
            f"{unit or 'pixels'}"
        )
    if shape is None:
        values = trimmed(values)
    lines = [f"psf: {job.psf}, {values.shape}, lengths in {unit or 'pixel'}"]
    if unit is None:
        lines.append("psf: the image has no voxel size; give it with --voxel-size --length-unit")
    return values, lines


def narrowest(values: Array) -> float:
    """The light in the brightest line of voxels across the axis along which the PSF is longest.

    1 for a single voxel; 0.76 for a Gaussian whose full width at half maximum is a voxel."""
    long = [axis for axis, n in enumerate(values.shape) if n > 1]
    sums = (_along(values, axis) for axis in long)
    return min((float(line.max() / line.sum()) for line in sums), default=1.0)


def trimmed(values: Array) -> Array:
    """A model without its nearly dark margins; its centre stays n // 2."""
    parts = []
    for axis, n in enumerate(values.shape):
        light = _along(values, axis)
        middle = n // 2
        enough = (
            r
            for r in range(middle + 1)
            if light[max(middle - r, 0) : middle + r + 1].sum() >= (1 - LEFT_OUT) * light.sum()
        )
        reach = next(enough, middle)
        parts.append(slice(max(middle - reach, 0), middle + reach + 1))
    return np.ascontiguousarray(values[tuple(parts)])


def _along(values: Array, axis: int) -> Array:
    """The sums over all other axes."""
    return values.sum(tuple(i for i in range(values.ndim) if i != axis))


def _parameters(text: str) -> dict[str, Any]:
    """`sigma=2,1,1,shape=9` as {"sigma": (2, 1, 1), "shape": 9}."""
    found: dict[str, list[Any]] = {}
    values: list[Any] = []
    for part in text.split(",") if text else []:
        key, equals, value = part.rpartition("=")
        if equals:
            key = key.strip().replace("-", "_")
            if key in found:
                raise ArgumentError(f"psf: expected every parameter once, got {key} twice")
            values = found.setdefault(key, [])
        elif not found:
            raise ArgumentError(
                f"psf: expected parameters such as sigma=2, got {text!r}\n{SEE_LIST}"
            )
        values.append(_value(value.strip()))
    return {key: v[0] if len(v) == 1 else tuple(v) for key, v in found.items()}


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _checked_shape(job: ImageJob, name: str, shape: Any, frame: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that is given, a number for every axis.  Raises ArgumentError."""
    sizes = shape if isinstance(shape, tuple) else (shape,) * len(frame)
    whole = all(isinstance(n, int) and n > 0 for n in sizes)
    if len(sizes) != len(frame) or not whole:
        raise ArgumentError(
            f"psf: {name}: expected a shape of 1 or {len(frame)} positive integers, got "
            f"{','.join(map(str, sizes))[:60]}"
        )
    most = _largest_shape(job, frame)
    if any(n > m for n, m in zip(sizes, most, strict=True)):
        advice = "give a smaller shape"
        advice += "" if job.oversize else ", or add --oversize if light does come from so far"
        raise ArgumentError(
            f"psf: {name}: expected a shape of at most {most}, got "
            f"{','.join(map(str, sizes))[:60]}; {advice}"
        )
    return sizes


def _largest_shape(job: ImageJob, frame: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(FARTHEST * max(n, MOST_PIXELS) if job.oversize else n for n in frame)


def _check_dimensions(
    job: ImageJob, name: str, given: dict[str, Any], frame: tuple[int, ...]
) -> None:
    """Raise ArgumentError for a model of planes on a stack, or of stacks on planes.

    Two values of a parameter mean a plane, three a stack."""
    axes, possible = len(frame), DIMENSIONS.get(name, (2,))
    several = {len(value) for value in given.values() if isinstance(value, tuple)}
    if axes == 3 and (3 not in possible or several == {2}):
        raise ArgumentError(
            f"psf: {name}: expected a PSF of three dimensions for a stack of {frame}, got one of a "
            "plane; add --planewise if every plane is blurred by itself"
        )
    if axes == 2 and (2 not in possible or several == {3}):
        advice = "give one value or two" if 2 in possible else "choose airy, which is of a plane"
        advice += ", or drop --planewise" if job.planewise else ""
        raise ArgumentError(
            f"psf: {name}: expected a PSF of two dimensions for images of {frame}, got one of a "
            f"stack; {advice}"
        )


def _called(
    job: ImageJob,
    function: Any,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    pitch: Sequence[float],
    given: dict[str, Any],
) -> Array:
    """The model of a job, sampled on the first of the shapes.

    shapes: of the model, and of the frame.  Raises ArgumentError for a parameter that is unknown,
    missing or beyond its range."""
    name, (shape, frame) = str(job.model), shapes
    signature = inspect.signature(function)
    size = next(p for p in signature.parameters if p in ("pixel_size", "voxel_size"))
    known = tuple(p for p in signature.parameters if p not in ("shape", size))
    for parameter in given:
        if parameter not in known:
            named = expected(parameter, (*known, "shape"))
            raise ArgumentError(f"psf: {name}: {named}\n{SEE_LIST}")
    needed = [p for p in known if signature.parameters[p].default is inspect.Parameter.empty]
    missing = [p for p in needed if p not in given]
    if missing:
        example = ",".join(f"{p}=…" for p in needed)
        raise ArgumentError(
            f"psf: {name}: expected {', '.join(missing)}, got none; write {name}:{example}\n"
            f"{SEE_LIST}"
        )
    try:
        with np.errstate(all="ignore"):
            return function(shape, **{size: tuple(pitch)}, **given)
    except DoesNotFit as problem:
        fits = all(n <= m for n, m in zip(problem.least, _largest_shape(job, frame), strict=True))
        raise ArgumentError(f"psf: {problem if fits else problem.narrower}") from None
    except ArgumentError as problem:
        raise ArgumentError(f"psf: {str(problem).removeprefix('psf: ')}") from None
    except (ArithmeticError, ValueError, TypeError, MemoryError) as problem:
        raise ArgumentError(
            f"psf: {name}: expected parameters that can be computed with, got {problem}; look at "
            "them and at their units"
        ) from problem
