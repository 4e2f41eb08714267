"""Deconvolve an image: read a frame, deconvolve it, write it, frame after frame.

Frames (times, channels) are independent; a finished one is kept, whatever happens."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from physrecon import arrays
from physrecon.arrays import on_disk
from physrecon.catalog import IMAGE_DIRECT, IMAGE_METHODS, SOLVERS
from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image, open_image
from physrecon.io.images.labels import Labels
from physrecon.io.output.image_sink import ImageSink
from physrecon.io.output.image_writer import HDF5, TIFF
from physrecon.io.output.piece_folder import frame_folder, slab_files
from physrecon.io.output.stored_type import check_stored, stored_type
from physrecon.io.units import printed
from physrecon.jobs.image_job import ImageJob
from physrecon.operators.blur.blur import Blur
from physrecon.pipeline.image.footprint import frame_needs, make_blur
from physrecon.pipeline.image.model_check import FrameCheck
from physrecon.pipeline.image.problem import (
    WEIGHT_VOXELS,
    deconvolved,
    frame_problem,
    middle,
)
from physrecon.pipeline.image.psf import JobPSF, read_psf, voxel_size_of
from physrecon.pipeline.image.psf_search import with_found_psf
from physrecon.pipeline.image.survey import (
    BLOCK_BYTES,
    ImageStatistics,
    check_data,
    chosen_frames,
    image_statistics,
    image_warnings,
)
from physrecon.pipeline.kept_work import KeptWork, digest
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.model_check import facts_of
from physrecon.pipeline.preflight import Outputs
from physrecon.pipeline.problem import with_choices, with_iterations, words_of_choices
from physrecon.pipeline.provenance import as_text, provenance
from physrecon.pipeline.task import Footprint, Outcome, Piece, Words
from physrecon.pipeline.work import PieceWork
from physrecon.problem import Problem


class ImageTask:
    """frames: indices of the frames to work on.  voxel_size, length_unit: along a frame's axes."""

    words: ClassVar[Words] = Words("deconvolve", "frames", "frame", "sharp.tif")

    def __init__(self, job: ImageJob, image: Image, psf: JobPSF) -> None:
        self.job, self.image, self.psf = job, image, psf
        self.notes = tuple(image.notes)
        able = () if job.blind else IMAGE_METHODS
        self.methods = tuple(method for method in able if method in SOLVERS)
        self.frames = chosen_frames(job, image)
        self.voxel_size, self.length_unit = voxel_size_of(job, image)
        self._blurs: dict[int | None, Blur] = {}  # by their memory limit
        self._digests: dict[str, str] = {}  # of image and PSF, once they are read
        self.found: dict[str, str] = {}

    @classmethod
    @contextmanager
    def open(cls, job: ImageJob) -> Iterator[Self]:
        with open_image(job.input, axes=job.axes, linearise=job.linearise) as image:
            if job.planewise and len(image.frame_shape) < 3:
                raise DataError(
                    f"{job.input}: expected a stack for --planewise, got images of "
                    f"{image.frame_shape}; drop it"
                )
            job, found = with_found_psf(job, image, voxel_size_of(job, image)[0])
            psf = read_psf(job, image)
            psf.lines[:0] = found
            task = cls(with_iterations(job), image, psf)
            if found:
                task.found["found_psf"] = found[0].removeprefix("psf: ")
            yield task

    def summary(self) -> list[str]:
        image, unit = self.image, self.length_unit
        size = " × ".join(f"{length:.4g}" for length in self.voxel_size)
        voxels = f"voxels of {size} {printed(unit)}" if unit else "no voxel size"
        count = len(image.frames)
        several = f", {count} frames of {image.frame_axes}" if count > 1 else ""
        line = f"{image.path}: {image.axes} {image.shape} {image.dtype}, {voxels}{several}"
        return [line, *self.psf.lines]

    def warnings(self) -> list[str]:
        levels, count = self.job.background, len(self.frames)
        if isinstance(levels, tuple) and len(levels) != count:
            raise ArgumentError(
                f"background: expected one grey value, or one for each of {count} frames, got "
                f"{len(levels)}; give one, or auto"
            )
        return self.psf.warnings

    def footprint(self, budget: int) -> Footprint:
        job, count = self.job, len(self.frames)
        needs = frame_needs(job, self.image.frame_shape, self.psf, budget)
        self._blurs[needs.limit] = needs.blur
        leading = (len({i[axis] for i in self.frames}) for axis in range(len(self.frames[0])))
        shape = (*leading, *self.image.frame_shape)
        folder, first = frame_folder(job.output), self.frames[0]
        outputs = self._outputs()
        psf = dict.fromkeys(outputs.files[1:2], "the PSF that was found along with it")
        places = [(i[0] - first[0], *i[1:]) if i else () for i in self.frames]
        return Footprint(
            tuple(Piece(i, place) for i, place in enumerate(places)),
            shape,
            np.dtype(job.out_dtype).itemsize * math.prod(shape),
            f"{self.image.axes} {shape} {job.out_dtype}",
            outputs,
            needs.peak,
            unit="grey value",
            beside={**(psf if job.blind else {}), **job.beside},
            found=len(slab_files(folder)) if count > 1 else 0,
            usable=True,
            lines=needs.lines(job),
            work=needs.limit,
            scratch=needs.held if needs.on_disk else 0,
            resident=needs.resident,
            state=0 if job.method in IMAGE_DIRECT else needs.held,
        )

    def trial(self) -> Problem | None:
        """A few pixels under a PSF of the same signs."""
        if self.job.method in IMAGE_DIRECT:
            return None
        shape = tuple(min(n, 4) for n in self.image.frame_shape)
        psf = np.ones((3,) * self.psf.values.ndim)
        if self.psf.values.min() < 0:
            psf[..., 0] = -0.5
        A = make_blur(self.job, shape, JobPSF(psf, (1,) * psf.ndim, self.job.normalize))
        level = 0.0 if self.job.background == "auto" else self._level(0)
        y = np.full(shape, 1 + level, np.float32)
        return frame_problem(self.job, A, y, level, self.voxel_size)

    def survey(self) -> list[str]:
        check_data(self.job, self._statistics)
        return image_warnings(self.job, self._statistics)

    def identity(self) -> str:
        return digest(provenance(self.job, self.inputs()))

    def inputs(self) -> dict[str, str]:
        """Digests of image and PSF, by name."""
        if not self._digests:
            psf = hashlib.sha256(np.ascontiguousarray(self.psf.values).tobytes())
            if not isinstance(self.psf.normalize, bool):  # a part of a PSF: the rest counts in it
                psf.update(repr(self.psf.normalize).encode())
            self._digests.update(input_fingerprint=self.image.fingerprint(), psf=psf.hexdigest())
        return self._digests

    def resolved(self, messages: Messages, kept: KeptWork) -> Self:
        job = self.job
        if job.background == "auto":
            levels = self._statistics.backgrounds
            several = f" … {max(levels):.4g}" if len(levels) > 1 else ""
            messages.result(f"background: {min(levels):.4g}{several} (found)")
            self.found["found_background"] = f"{min(levels):.4g}{several} (found)"
            level = levels[0] if len(levels) == 1 else tuple(levels)
            job = job.model_copy(update={"background": level})
        found = self._with(job)
        job = with_choices(job, found._middle_problem, messages, kept, found.identity)
        self.found.update(words_of_choices(self.job, job))
        return self._with(job)

    def _with(self, job: ImageJob) -> Self:
        task = type(self)(job, self.image, self.psf)
        task._blurs, task._digests, task.found = self._blurs, self._digests, self.found
        return task

    def _middle_problem(self) -> tuple[Problem, str]:
        part = middle(self.image.frame_shape, WEIGHT_VOXELS)
        y = self.image[(*self.frames[0], *part)].astype(np.float32)
        A = make_blur(self.job, y.shape, self.psf)
        where = f"{' × '.join(map(str, y.shape))} in the middle"
        y = arrays.to_device(y, self.job.device)
        return frame_problem(self.job, A, y, self._level(0), self.voxel_size), where

    def make(self, footprint: Footprint, piece: Piece, work: PieceWork) -> Outcome:
        shape, output = self.image.frame_shape, self.job.output
        if footprint.scratch:  # the solver's arrays are made where y is
            y: Any = on_disk.mapped(shape, np.float32, output.parent)
        else:
            y = arrays.aligned_empty(shape, np.float32)
        self.image.read_into(y, self.frames[piece.index], BLOCK_BYTES)
        y = arrays.to_device(y, self.job.device)
        A, level = self._blur(footprint), self._level(piece.index)
        part = FrameCheck(self.job, self.psf, y, level) if piece.index == 0 else None
        x, reason, extras = deconvolved(
            self.job, A, y, level, self.voxel_size, work, "found_iterations" in self.found
        )
        x = arrays.to_host(x)
        facts = {}
        if part is not None:
            work.progress(None, "checking the model")
            checked = part.check(x, extras.get("psf"))
            facts = facts_of(self.job, checked, "the middle of the first frame")
        return Outcome(x, reason, extras=extras, facts=facts)

    @contextmanager
    def open_sink(self, footprint: Footprint) -> Iterator[ImageSink]:
        job, paged = self.job, footprint.scratch > 0
        with (
            on_disk.resident_limit(footprint.resident) if paged else nullcontext(),
            ImageSink(
                job.output,
                footprint.shape,
                self.image.axes,
                [piece.place for piece in footprint.pieces],
                self.voxel_size,
                self.length_unit,
                as_text(provenance(job, self.inputs())),
                job.overwrite,
                footprint.outputs.files[1:],
                self._labels(),
                self.image.format == "ome",
                stored_type(job.out_dtype, job.out_range),
            ) as sink,
        ):
            yield sink

    def _labels(self) -> Labels:
        """Channels, times and units of the frames that are worked on."""
        labels, image = self.image.labels, self.image
        if self.job.frames is None or not self.frames[0]:
            return labels
        first, last = self.frames[0][0], self.frames[-1][0]
        return labels.part(image.axes[0], slice(first, last + 1))

    @cached_property
    def _statistics(self) -> ImageStatistics:
        return image_statistics(self.job, self.image, self.frames)

    def _level(self, frame: int) -> float:
        """Grey value of the background of a frame."""
        level = self.job.background
        return float(level[frame] if isinstance(level, tuple) else level)

    def _blur(self, footprint: Footprint) -> Blur:
        limit = footprint.work
        if limit not in self._blurs:
            self._blurs[limit] = make_blur(self.job, self.image.frame_shape, self.psf, limit)
        return self._blurs[limit]

    def _outputs(self) -> Outputs:
        """Raises ArgumentError if OUT is named like a file of another format."""
        job, count = self.job, len(self.frames)
        if not job.output.name.lower().endswith((*TIFF, *HDF5)) and not job.output.is_dir():
            raise ArgumentError(
                f"{job.output}: expected a name that ends in .tif or .h5, got "
                f"{job.output.suffix or 'none'}; choose {job.output.with_suffix('.tif').name}"
            )
        named = "hdf5" if job.output.name.lower().endswith(HDF5) else "tiff"
        check_stored(job.output, named, np.dtype(job.out_dtype))
        numbers = [f"{i:05d}" if count > 1 else "" for i in range(count)]
        psfs = [job.output.with_suffix(f".psf{n}.tif") for n in numbers] if job.blind else []
        psfs += job.beside
        folders = [frame_folder(job.output)] if count > 1 else []
        return Outputs([job.output, *psfs], folders, {*self.image.files, *self.psf.files})
