"""Memory and disk that the deconvolution of a frame needs.

    memory = program + data sets + volumes + work of the blur

Data sets have the size of the frame.  Volumes have the size of the object, which is larger where
the boundary is unknown.  If they do not fit together, the blur is computed in tiles, which need
less.  If data sets and volumes alone do not fit, they are kept on the disk."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numba import get_num_threads

from physrecon.analytic.periodic_image import MARGIN
from physrecon.arrays.transforms import fast_lengths
from physrecon.catalog import IMAGE_DIRECT, PRIORS, find
from physrecon.errors import ArgumentError
from physrecon.jobs.image_job import ImageJob
from physrecon.operators.blur.blur import Blur
from physrecon.pipeline.image.psf import JobPSF
from physrecon.pipeline.image.survey import BLOCK_BYTES
from physrecon.pipeline.pieces import F4, PROGRAM_BYTES
from physrecon.pipeline.problem import make_solver
from physrecon.sizes import format_bytes

SURROGATE_VOLUMES = 2  # volumes, for a prior in rl
CIRCLES, UNKNOWN_CIRCLES = 5, 9  # periodic arrays held by a direct method
THREAD_BYTES = 6 << 20  # workspace of a thread for its transforms
NOISE_BYTES = 16 << 20  # at most, to estimate the noise
MOST_OVERHEAD = 3.0  # of tiles; above it, arrays are kept on the disk instead
PAGES = 0.5  # of the budget, for resident pages of arrays on the disk


@dataclass(frozen=True)
class FrameNeeds:
    """The resources for one frame.

    blur: its operator.  limit: bytes that its work may take, None for no limit.  held: bytes of
    data sets and volumes, in memory or on the disk; resident: those of them in memory at a time.
    work: further bytes of the blur.  peak: bytes in use at most."""

    blur: Blur
    limit: int | None
    held: int
    on_disk: bool
    resident: int
    work: int
    peak: int

    def lines(self, job: ImageJob) -> tuple[str, ...]:
        """The resources in words."""
        A, padded = self.blur, padded_shape(self.blur)
        arrays = (self.resident + self.work) / (F4 * math.prod(padded))
        blur = "a filter of the whole" if job.method in IMAGE_DIRECT else A.describe()
        where = "on the disk" if self.on_disk else "in memory"
        return (
            f"boundary: {job.boundary}, an object of {A.in_shape}",
            f"blur: {blur}, {format_bytes(self.work)}",
            f"data and volumes: {where}, {format_bytes(self.held)}",
            f"arrays: {arrays:.1f} of the padded size {padded} in memory",
        )


def frame_needs(job: ImageJob, shape: tuple[int, ...], psf: JobPSF, budget: int) -> FrameNeeds:
    """The resources for a frame of `shape` within a budget of bytes.

    Raises ArgumentError if they do not fit."""
    A = make_blur(job, shape, psf)
    frame = F4 * math.prod(shape)
    looking = frame + max(min(BLOCK_BYTES, frame), min(NOISE_BYTES, 8 * frame))
    held = _held(job, A)
    work = _direct_work(A) if job.method in IMAGE_DIRECT else A.work_bytes()
    base = PROGRAM_BYTES + THREAD_BYTES * get_num_threads()
    limit, on_disk = None, False
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
        A, limit, on_disk = _tiled(job, shape, psf, budget - base, held)
        work = A.work_bytes()
    resident = min(held, int(PAGES * (budget - base))) if on_disk else held
    peak = base + max(min(looking, 2 * resident), resident + work)
    return FrameNeeds(A, limit, held, on_disk, resident, work, peak)


def make_blur(
    job: ImageJob, shape: tuple[int, ...], psf: JobPSF, memory: int | None = None
) -> Blur:
    """The blur of one frame of `shape`."""
    return Blur(
        psf.values,
        shape,
        job.boundary,
        center=psf.center,
        normalize=psf.normalize,
        oversize=True,  # what may be larger than the frame is decided where the PSF is read
        accuracy=job.accuracy,
        memory=memory,
    )


def padded_shape(A: Blur) -> tuple[int, ...]:
    """The shape of a frame with the margin that its blur needs."""
    rank = A.psf.ndim
    whole = zip(A.out_shape[-rank:], A.psf.shape, strict=True)
    return (*A.out_shape[:-rank], *fast_lengths([n + k - 1 for n, k in whole]))


def _tiled(
    job: ImageJob, shape: tuple[int, ...], psf: JobPSF, budget: int, held: int
) -> tuple[Blur, int, bool]:
    """The blur cut into tiles that fit the budget, the memory it may take, and whether data sets
    and volumes must be kept on the disk.

    They stay in memory unless the tiles would then be so small that they are mostly overlap."""
    found, problem = [], None
    for on_disk, room in ((False, budget - held), (True, int((1 - PAGES) * budget))):
        if room <= 0 or (on_disk and job.device != "cpu"):
            continue
        try:
            A = make_blur(job, shape, psf, room)
        except ArgumentError as error:
            problem = error
        else:
            found.append((_overhead(A) > MOST_OVERHEAD, on_disk, A, room))
    if not found:
        raise problem or ArgumentError(
            f"memory: expected more than {format_bytes(held)} for data and volumes, "
            f"got {format_bytes(budget)} besides the program; raise --memory"
        )
    _, on_disk, A, room = min(found, key=lambda way: way[:2])
    return A, room, on_disk


def _overhead(A: Blur) -> float:
    """Elements transformed in tiles, relative to one transform of the whole."""
    whole = zip(A.out_shape[-A.psf.ndim :], A.psf.shape, strict=True)
    return A.tiles * math.prod(A.padded_shape) / math.prod(n + k - 1 for n, k in whole)


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
    """Bytes of the arrays that `analytic.periodic_image` holds."""
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
