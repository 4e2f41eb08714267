"""What a job of deconvolution will take, before it takes it: work arrays, memory, disk.

    memory = program + data sets + volumes + work of the blur

Data sets are of the size of the frame, volumes of that of the object, which is larger where the
boundary is unknown.  What does not fit shrinks the work of the blur first, which then goes in
tiles; where data sets and volumes alone do not fit they lie on the disk."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physrecon import arrays
from physrecon.analytic.periodic_image import MARGIN
from physrecon.catalog import IMAGE_DIRECT, PRIORS, find
from physrecon.errors import ArgumentError
from physrecon.io.images.image import Image, open_image
from physrecon.io.output.piece_folder import frame_folder
from physrecon.jobs.image_job import ImageJob
from physrecon.machine import available_memory
from physrecon.operators.blur.blur import Blur
from physrecon.operators.blur.fourier import fast_lengths
from physrecon.pipeline.image.psf import Kernel, pitch_of
from physrecon.pipeline.image.survey import BLOCK_BYTES, Index
from physrecon.pipeline.plan import MOST_BUDGET, existing_folder
from physrecon.pipeline.preflight import Outputs
from physrecon.pipeline.problem import make_solver
from physrecon.pipeline.scan.footprint import BASE, F4
from physrecon.sizes import format_bytes

SURROGATE_VOLUMES = 2  # of a prior in rl
CIRCLES, UNKNOWN_CIRCLES = 5, 9  # arrays of the size of the circle that a direct method holds
THREAD_BYTES = 6 << 20  # that a thread transforms in
NOISE_BYTES = 16 << 20  # at most, of looking for noise
MOST_OVERHEAD = 3.0  # of tiles, before it is better to keep arrays on the disk
PAGES = 0.5  # of the budget for what lies on the disk and is in memory for the moment


@dataclass(frozen=True)
class ImagePlan:
    """How a job is done.  A: the blur of one frame.  on_disk: data sets and volumes lie there.

    held: bytes of data sets and volumes.  pages: how many of them are in memory at the same time.
    work: bytes that the blur takes besides.
    peak: bytes in use at most."""

    job: ImageJob
    image: str
    kernel: Kernel
    frames: list[Index]
    shape: tuple[int, ...]  # of the result
    A: Blur
    budget: int
    held: int
    pages: int
    work: int
    peak: int
    on_disk: bool
    outputs: Outputs

    @property
    def output_bytes(self) -> int:
        return F4 * math.prod(self.shape)

    @property
    def padded(self) -> tuple[int, ...]:
        """The shape of a frame with what its blur needs around it."""
        rank = self.A.psf.ndim
        whole = fast_lengths(
            [n + k - 1 for n, k in zip(self.A.out_shape[-rank:], self.A.psf.shape, strict=True)]
        )
        return (*self.A.out_shape[:-rank], *whole)

    def lines(self) -> list[str]:
        """The plan in words."""
        held = (self.pages + self.work) / (F4 * math.prod(self.padded))
        where = "on the disk" if self.on_disk else "in memory"
        blur = "a filter of the whole" if self.job.method in IMAGE_DIRECT else describe_blur(self.A)
        return [
            self.image,
            *self.kernel.lines,
            f"method: {describe_method(self.job)}",
            f"boundary: {self.job.boundary}, an object of {self.A.in_shape}",
            f"blur: {blur}, {format_bytes(self.work)}",
            f"data and volumes: {where}, {format_bytes(self.held)}",
            f"memory: {format_bytes(self.peak)} at most, of {format_bytes(self.budget)}: "
            f"the program and {held:.1f} arrays of the padded size {self.padded}",
            f"output: {self.job.output}, {self.shape} float32, {format_bytes(self.output_bytes)}; "
            f"{format_bytes(self._free())} free there",
        ]

    def warnings(self) -> list[str]:
        """What the run would stumble over, as far as the disk shows it now."""
        folder = self.job.output.parent
        found = list(self.kernel.warnings)
        if not folder.is_dir():
            found.append(f"output: the folder {folder} is not there; create it")
        found += [f"output: {problem}" for problem in self.outputs.refusals(self.job.overwrite)]
        needed = self.output_bytes + self.on_disk * self.held
        if needed > (free := self._free()):
            found.append(f"output: needs {format_bytes(needed)}, and {format_bytes(free)} are free")
        return found

    def _free(self) -> int:
        return shutil.disk_usage(existing_folder(self.job.output)).free


def make_plan(job: ImageJob, image: Image, kernel: Kernel, frames: list[Index]) -> ImagePlan:
    """How to do the job within its memory.  Raises ArgumentError where that cannot be."""
    A = make_blur(job, image.frame_shape, kernel)
    budget = job.memory or _default_budget(job)
    frame = F4 * math.prod(image.frame_shape)
    looking = frame + max(min(BLOCK_BYTES, frame), min(NOISE_BYTES, 8 * frame))
    held = _held(job, A)
    work = _direct_work(A) if job.method in IMAGE_DIRECT else A.work_bytes()
    base = BASE + THREAD_BYTES * _threads()
    on_disk = False
    if budget <= base:
        raise ArgumentError(
            f"memory: expected more than {format_bytes(base)}, which the program takes by itself, "
            f"got {format_bytes(budget)}; raise --memory"
        )
    if base + max(looking, held + work) > budget:
        if job.method in IMAGE_DIRECT:
            raise ArgumentError(
                f"memory: expected at least {format_bytes(base + held + work)} for {job.method}, "
                f"which takes a frame at once, got {format_bytes(budget)}; raise --memory or "
                "choose --method rl"
            )
        A, on_disk = _tiled(job, image.frame_shape, kernel, budget - base, held)
        work = A.work_bytes()
    pages = min(held, int(PAGES * (budget - base))) if on_disk else held
    peak = base + max(min(looking, 2 * pages), pages + work)
    shape = (*_leading(image, frames), *image.frame_shape)
    summary = describe_image(job, image)
    outputs = outputs_of(job, image, len(frames))
    return ImagePlan(
        job, summary, kernel, frames, shape, A, budget, held, pages, work, peak, on_disk, outputs
    )


def outputs_of(job: ImageJob, image: Image, count: int) -> Outputs:
    """All that a job on so many frames writes and reads."""
    psfs = [psf_path(job, i, count) for i in range(count if job.blind else 0)]
    inputs = set(image.files)
    if not job.model:
        with open_image(job.psf) as psf:
            inputs |= psf.files
    return Outputs([job.output, *psfs], [frame_folder(job.output)] if count > 1 else [], inputs)


def psf_path(job: ImageJob, i: int, count: int) -> Path:
    """Where the PSF goes that was found along with frame i of so many."""
    number = f"{i:05d}" if count > 1 else ""
    return job.output.with_suffix(f".psf{number}.tif")


def make_blur(
    job: ImageJob, shape: tuple[int, ...], kernel: Kernel, memory: int | None = None
) -> Blur:
    """The blur of one frame of a shape."""
    return Blur(
        kernel.values,
        shape,
        job.boundary,
        center=kernel.center,
        normalize=job.normalize,
        oversize=job.oversize,
        accuracy=job.accuracy,
        memory=memory,
    )


def _tiled(
    job: ImageJob, shape: tuple[int, ...], kernel: Kernel, budget: int, held: int
) -> tuple[Blur, bool]:
    """The blur in tiles, and whether data sets and volumes must lie on the disk for it.

    In memory unless the tiles that leaves room for are all margin."""
    found, problem = [], None
    for on_disk, room in ((False, budget - held), (True, int((1 - PAGES) * budget))):
        if room <= 0 or (on_disk and job.device != "cpu"):
            continue
        try:
            A = make_blur(job, shape, kernel, room)
        except ArgumentError as error:
            problem = error
        else:
            found.append((_overhead(A) > MOST_OVERHEAD, on_disk, A))
    if not found:
        raise problem or ArgumentError(
            f"memory: expected more than {format_bytes(held)} for data and volumes, "
            f"got {format_bytes(budget)} besides the program; raise --memory"
        )
    _, on_disk, A = min(found, key=lambda way: way[:2])
    return A, on_disk


def _overhead(A: Blur) -> float:
    """How many times as much is transformed in tiles as at once."""
    tiles = tile_count(A)
    whole = zip(A.out_shape[-A.psf.ndim :], A.psf.shape, strict=True)
    return tiles * math.prod(A.padded_shape) / math.prod(n + k - 1 for n, k in whole)


def tile_count(A: Blur) -> int:
    """Into how many tiles the blur of a frame is cut."""
    tile = getattr(A._engine, "tile", None)
    if tile is None:
        return 1
    return math.prod(-(-n // t) for n, t in zip(A.in_shape[-len(tile) :], tile, strict=True))


def _threads() -> int:
    from numba import get_num_threads

    return get_num_threads()


def _default_budget(job: ImageJob) -> int:
    if job.device == "cuda":
        return int(0.8 * arrays.cupy().cuda.runtime.memGetInfo()[0])
    return min(available_memory() // 2, MOST_BUDGET)


def _held(job: ImageJob, A: Blur) -> int:
    """Bytes of data sets and volumes, y and x among them."""
    frame, volume = F4 * math.prod(A.out_shape), F4 * math.prod(A.in_shape)
    if job.method in IMAGE_DIRECT:
        return 2 * frame
    sets, volumes = make_solver(job).holds
    more = find(PRIORS, job.prior.name).holds if job.prior else 0
    if job.method == "rl":
        more = min(more, SURROGATE_VOLUMES)
    return sets * frame + (volumes + more) * volume


def _direct_work(A: Blur) -> int:
    """Bytes of the circle of `analytic.circle`, as often as it is held."""
    unknown = A.boundary == "unknown"
    reach = zip(A.out_shape[-A.psf.ndim :], A.psf.shape, strict=True)
    lengths = {
        "periodic": lambda n, k: n,
        "reflect": lambda n, k: 2 * n,
        "zero": lambda n, k: n + k - 1,
        "unknown": lambda n, k: n + min(n, MARGIN * (k - 1)),
    }[A.boundary]
    circle = math.prod(fast_lengths([lengths(n, k) for n, k in reach]))
    return (UNKNOWN_CIRCLES if unknown else CIRCLES) * F4 * circle


def _leading(image: Image, frames: list[Index]) -> tuple[int, ...]:
    """The lengths of the axes of the result that are not of space."""
    return tuple(len({index[axis] for index in frames}) for axis in range(len(frames[0])))


def describe_image(job: ImageJob, image: Image) -> str:
    """What an image is, in a line."""
    pitch, unit = pitch_of(job, image)
    size = " × ".join(f"{p:.4g}" for p in pitch)
    voxels = f"voxels of {size} {unit}" if unit else "no voxel size"
    count = len(image.frames)
    several = f", {count} frames of {image.frame_axes}" if count > 1 else ""
    return f"{image.path}: {image.axes} {image.shape} {image.dtype}, {voxels}{several}"


def describe_method(job: ImageJob) -> str:
    if job.method in IMAGE_DIRECT:
        return job.method
    words = [f"blind {job.method}" if job.blind else job.method]
    words.append(f"{job.stop.iterations} iterations")
    if job.stop.discrepancy is not None:
        words[-1] = f"at most {words[-1]}, fewer where noise begins"
    words.append(job.likelihood)
    if job.background:
        words.append(f"background {job.background}")
    if job.prior:
        words.append(f"prior {job.prior.name} of weight {job.prior.weight}")
    return ", ".join(words + ["nonnegative"] * job.nonnegative)


def describe_blur(A: Blur) -> str:
    """How the blur is computed."""
    engine: Any = A._engine
    if taps := getattr(engine, "_taps", None):  # one table, or one for every axis
        if len(taps[0]) == 1:
            return f"sums over the {A.psf.size} values of the PSF"
        return f"sums along the axes, {len(taps)} separable term{'s' * (len(taps) > 1)}"
    if (count := tile_count(A)) > 1:
        return f"transforms in {count} tiles of {engine.tile}"
    return f"transforms of {engine.lengths}"
