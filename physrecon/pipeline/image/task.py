"""From a job to a sharp image: the only place where image files, the blur and solvers meet.

    image → frame y → solver with Blur and its transpose → frame x → file,   frame after frame

Frames (times, channels) know nothing of each other; a finished one is kept, whatever happens."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import on_disk
from physrecon.catalog import IMAGE_DIRECT, SOLVERS, image_methods
from physrecon.errors import ArgumentError, DataError, Interrupted
from physrecon.io.images.image import Image, open_image
from physrecon.io.output.image_sink import KeptFrames, put
from physrecon.io.output.image_writer import HDF5, TIFF, ImageWriter, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.image.footprint import (
    ImagePlan,
    describe_image,
    make_blur,
    make_plan,
    psf_path,
)
from physrecon.pipeline.image.problem import deconvolved, make_problem, with_weight
from physrecon.pipeline.image.psf import Kernel, pitch_of, read_psf
from physrecon.pipeline.image.survey import (
    BLOCK_BYTES,
    Index,
    chosen_frames,
    doubts,
    fingerprint,
    survey,
)
from physrecon.pipeline.messages import Progress, Report, Silent, heard
from physrecon.pipeline.preflight import check_method, check_output, require_machine


def run(job: ImageJob, report: Report | None = None) -> Path:
    """Take the blur off what the job says and return the path of the result.

    Finished frames of an earlier run of the same job on the same input are kept as they are.
    Raises the errors of `physrecon.errors`; Interrupted when stopped with something kept."""
    report = report or Silent()
    with _opened(job) as (job, image, kernel, frames), heard(report):
        report.result(describe_image(job, image))
        for line in kernel.lines:
            report.result(line)
        for note in image.notes:
            report.note(note)
        for warning in kernel.warnings:
            report.warn(warning)
        plan = make_plan(job, image, kernel, frames)
        _check_output(plan)
        _check_problem(job, image, kernel)
        for sentence in doubts(survey(job, image, frames)):
            report.warn(sentence)
        job = with_weight(job, image, kernel, frames[0], report)
        _write_result(replace(plan, job=job), image, report)
    if job.blind:
        report.result(f"{plan.outputs.files[1]}: the PSF that was found along with it")
    report.result(
        f"{job.output}: {image.axes} {plan.shape} float32 — "
        f"open with `physrecon view {shlex.quote(str(job.output))}`"
    )
    return job.output


def plan(job: ImageJob, report: Report | None = None) -> ImagePlan:
    """What the job would take, without computing."""
    with _opened(job) as (job, image, kernel, frames):
        planned = make_plan(job, image, kernel, frames)
        for note in image.notes:
            (report or Silent()).note(note)
        _check_problem(job, image, kernel)
        return planned


@contextmanager
def _opened(job: ImageJob) -> Iterator[tuple[ImageJob, Image, Kernel, list[Index]]]:
    """The job with its iterations, its image, its PSF and its frames."""
    require_machine(job)
    with open_image(job.input, axes=job.axes) as image:
        if job.planewise and len(image.frame_shape) < 3:
            raise DataError(
                f"{job.input}: expected a stack for --planewise, got images of "
                f"{image.frame_shape}; drop it"
            )
        yield job.with_iterations(), image, read_psf(job, image), chosen_frames(job, image)


# All frames -----------------------------------------------------------------------------------


def _write_result(plan: ImagePlan, image: Image, report: Report) -> None:
    """All frames, each kept as soon as it is finished, then the image."""
    job, count = plan.job, len(plan.frames)
    pitch, unit = pitch_of(job, image)
    description = _configuration(plan, image)
    digest = hashlib.sha256(description.encode()).hexdigest()
    with ImageWriter(
        job.output, plan.shape, np.float32, image.axes, pitch, unit, description, job.overwrite
    ) as out:
        kept = KeptFrames(job.output, digest, count, image.frame_axes, job.overwrite)
        done = [i for i in range(count) if count > 1 and kept.done(i)]
        if done:
            report.note(f"{len(done)} of {count} frames are finished already")
        try:
            with report.progress("deconvolve", count, "frames", len(done)) as progress:
                for i in range(count):
                    if i in done:
                        for planes, values in kept.read(i):
                            put(out, _place(plan, i), planes, values)
                    else:
                        _write_frame(plan, image, i, out, kept, progress)
            out.finish()
            kept.discard()
        except KeyboardInterrupt:
            raise _stopped(job, kept, count) from None


def _write_frame(
    plan: ImagePlan, image: Image, i: int, out: ImageWriter, kept: KeptFrames, progress: Progress
) -> None:
    """Read, sharpen and write one frame."""

    def follow(done: float, text: str) -> None:
        progress.partial(done, text)

    pitch, _ = pitch_of(plan.job, image)
    with _room(plan):
        y = _memory(plan, image.frame_shape)
        image.read_into(y, plan.frames[i], BLOCK_BYTES)
        y = arrays.to_device(y, plan.job.device)
        x, reason, psf = deconvolved(plan, y, pitch, follow)
        x = arrays.to_host(x)
        if psf is not None:
            _write_psf(plan, i, psf, image, kept)
        if len(plan.frames) > 1:
            kept.keep(i, x)
        put(out, _place(plan, i), slice(0, len(x)), x)
    progress.advance(1, reason)


def _write_psf(plan: ImagePlan, i: int, psf: Any, image: Image, kept: KeptFrames) -> None:
    """Write the PSF of a frame.  Of a series, the mark of the job is there before any PSF is."""
    pitch, unit = pitch_of(plan.job, image)
    axes = image.frame_axes[-psf.ndim :]
    path = psf_path(plan.job, i, len(plan.frames))
    if len(plan.frames) > 1:
        kept.claim()
    overwrite = plan.job.overwrite or kept.resumed
    write_image(path, psf, axes, pitch[-psf.ndim :], unit, overwrite=overwrite)


def _room(plan: ImagePlan) -> Any:
    """Within it, what lies on the disk takes no more memory than planned."""
    if not plan.on_disk:
        return nullcontext()
    return on_disk.resident_limit(plan.pages)


def _memory(plan: ImagePlan, shape: tuple[int, ...]) -> Any:
    """Where a frame is read to; what the solver makes lies where this does."""
    if plan.on_disk:
        return on_disk.mapped(shape, np.float32, plan.job.output.parent)
    return arrays.aligned_empty(shape, np.float32)


def _place(plan: ImagePlan, i: int) -> Index:
    """Where a frame belongs in the result, whose first frame is the first that was chosen."""
    index, first = plan.frames[i], plan.frames[0]
    return (index[0] - first[0], *index[1:]) if index else ()


def _stopped(job: ImageJob, kept: KeptFrames, count: int) -> Interrupted:
    if count == 1:
        return Interrupted(
            f"{job.output}: stopped before its only frame was finished, nothing kept"
        )
    return Interrupted(
        f"{job.output}: stopped, {kept.count()} of {count} frames are kept; "
        "run the same command again to go on"
    )


def _configuration(plan: ImagePlan, image: Image) -> str:
    """What made the result; nothing that may change from run to run of the same job."""
    import scipy

    from physrecon import __version__

    psf = hashlib.sha256(np.ascontiguousarray(plan.kernel.values).tobytes()).hexdigest()
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}"
    return (
        f"physrecon {__version__} ({versions})\ninput {fingerprint(image)}\npsf {psf}\n\n"
        + plan.job.identity().to_toml()
    )


# What can be refused at once ------------------------------------------------------------------


def _check_output(plan: ImagePlan) -> None:
    job = plan.job
    name = job.output.name.lower()
    if not name.endswith((*TIFF, *HDF5)) and not job.output.is_dir():
        raise ArgumentError(
            f"{job.output}: expected a name that ends in .tif or .h5, got "
            f"{job.output.suffix or 'none'}; choose {job.output.with_suffix('.tif').name}"
        )
    check_output(job, plan.outputs, "sharp.tif")


def _check_problem(job: ImageJob, image: Image, kernel: Kernel) -> None:
    """Refuse a method that cannot solve the problem, on one of a few pixels."""
    if job.method in IMAGE_DIRECT:
        return
    shape = tuple(min(n, 4) for n in image.frame_shape)
    psf = np.ones((3,) * kernel.values.ndim)
    if kernel.values.min() < 0:
        psf[..., 0] = -0.5
    small = Kernel(psf, (1,) * psf.ndim, [], [])
    A = make_blur(job.model_copy(update={"oversize": True}), shape, small)
    level = 0.0 if job.background == "auto" else float(job.background)
    y = np.full(shape, 1 + level, np.float32)
    others = () if job.blind else [m for m in image_methods() if m in SOLVERS]
    check_method(job, make_problem(job, A, y, level, pitch_of(job, image)[0]), others)
