"""The PSF of a job from a file: one frame of finite numbers on the voxels of its image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physrecon.catalog import PSF_MODELS, expected
from physrecon.errors import ArgumentError, DataError, MissingInputError
from physrecon.io.images.image import Image, open_image
from physrecon.io.units import LENGTHS, printed
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.image.psf_model import SEE_LIST

Array = NDArray[np.float64]
SAME = 0.01  # relative; voxel sizes that differ by less are the same


def psf_of_file(
    job: ImageJob, image: Image, wanted: tuple[Sequence[float], str | None]
) -> tuple[Array, list[str], frozenset[Path]]:
    """(PSF, lines about it, files that it was read from).

    wanted: voxel size and unit of the image.  Raises DataError if those of the PSF differ."""
    name = job.psf.partition(":")[0]
    named = (":" in job.psf and "::" not in job.psf) or Path(job.psf).name.isidentifier()
    if named and not os.path.exists(job.psf):
        raise ArgumentError(
            f"psf: no such file, and of models {expected(name, PSF_MODELS)}\n{SEE_LIST}"
        )
    if not os.path.exists(job.psf.partition("::")[0]):
        raise MissingInputError(
            f"psf: expected a file or a model, got no file {job.psf}; check the name\n{SEE_LIST}"
        )
    with open_image(job.psf) as file:
        values = _one_frame(job, image, file)
        lines = [f"psf: {job.psf}, {values.shape} {file.dtype}"]
        pitch, unit, files = file.voxel_size, file.length_unit, frozenset(file.files)
    if job.psf_voxel_size:
        pitch = per_axis("psf_voxel_size", job.psf_voxel_size, values.ndim)
        unit = job.length_unit or wanted[1]
    if unit is None and not job.psf_voxel_size:
        if wanted[1]:
            lines.append("psf: no voxel size in its file, taken as that of the image")
    else:
        sizes = wanted[0][-values.ndim :]
        _check_voxel_size(job, (pitch[-values.ndim :], unit), (sizes, wanted[1]))
    return values, lines, files


def _one_frame(job: ImageJob, image: Image, file: Image) -> Array:
    """The only frame of a file, of as many axes as the job needs."""
    if len(file.frames) != 1:
        raise DataError(
            f"{job.psf}: expected one PSF, got {len(file.frames)} frames ({file.axes} "
            f"{file.shape}); write the one that belongs to the image to a file of its own"
        )
    values = np.asarray(file.read(file.frames[0]), np.float64)
    wanted = 2 if job.planewise else len(image.frame_shape)
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
    return f"{' × '.join(f'{p:.4g}' for p in pitch)} {printed(unit)}"


def per_axis(name: str, pitch: Sequence[float], count: int) -> tuple[float, ...]:
    """A length for each axis, from one for all or one for each."""
    if len(pitch) not in (1, count):
        raise ArgumentError(
            f"{name}: expected one length or {count}, got {len(pitch)}: "
            f"{','.join(f'{p:g}' for p in pitch)}"
        )
    return tuple(pitch) * (count // len(pitch))
