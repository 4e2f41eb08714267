"""The pixels of an image job: read block by block, and looked through for what is wrong with them
before hours of work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays, sizes
from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image
from physrecon.io.images.saturation import LEVELS
from physrecon.jobs.image_job import ImageJob
from physrecon.likelihoods import PoissonLikelihood
from physrecon.likelihoods.noise_level import noise_level
from physrecon.operators.diagonal import Identity

BLOCK_BYTES = 32 << 20  # read at a time
BOX = 8  # pixels along rows and columns whose mean tells of the background
MOST_NUMBERS = 1 << 18  # that tell of noise
DARKEST = 1  # per cent of the boxes that hold background only

MOST_UNDER = 0.8  # of the pixels: noise alone leaves half of what is dark below the background

Index = tuple[int, ...]


def chosen_frames(job: ImageJob, image: Image) -> list[Index]:
    """The frames to work on: those of the job along the first axis that is not of space.

    Raises ArgumentError where there are none of these."""
    if job.frames is None:
        return list(image.frames)
    count = max((index[0] for index in image.frames if index), default=0) + 1
    asked = sizes.parse_slices(job.frames)
    stop = count if asked.stop is None else asked.stop
    if not asked.start < stop <= count:
        raise ArgumentError(f"frames: expected frames within 0:{count}, got {job.frames}")
    return [index for index in image.frames if not index or asked.start <= index[0] < stop]


@dataclass
class Survey:
    """What was counted in all frames of a job.  background: as the job states it, or 0."""

    background: float = 0.0
    pixels: int = 0
    under: int = 0  # no brighter than the background
    bad: int = 0
    negative: int = 0
    least: float = 0.0
    saturated: int = 0
    full: int = 0
    flat: int = 0  # frames that are the same everywhere
    frames: int = 0
    value: float = 0.0  # of a flat frame

    def add(self, image: Image, index: Index) -> None:
        low, high, at_top = np.inf, -np.inf, 0
        for _, values in image.blocks(index, BLOCK_BYTES):
            self.pixels += values.size
            if image.dtype.kind == "f":
                good = np.isfinite(values)
                self.bad += values.size - int(good.sum())
                values = values[good]
            if not values.size:
                continue
            low, top = min(low, float(values.min())), float(values.max())
            if top >= high:
                at_top = at_top * (top == high) + int((values == top).sum())
                high = top
            if self.background:
                self.under += int((values <= self.background).sum())
            if low < 0:
                self.negative += int((values < 0).sum())
        self.least = min(self.least, low)
        self.frames += 1
        if low == high:
            self.flat, self.value = self.flat + 1, low
        elif high == image.saturation or (high in LEVELS and at_top > 1):
            self.saturated, self.full = self.saturated + at_top, int(high)


def survey(job: ImageJob, image: Image, frames: list[Index]) -> Survey:
    """Look through all frames of a job.  Raises DataError for what cannot be worked with."""
    found = Survey(0.0 if job.background == "auto" else float(job.background))
    for index in frames:
        found.add(image, index)
    if found.bad:
        raise DataError(
            f"{job.input}: expected finite numbers, got NaN or infinity in {found.bad} of "
            f"{found.pixels} pixels; replace them, by the mean of their neighbours say"
        )
    if found.flat == found.frames:
        raise DataError(
            f"{job.input}: expected an image, got {found.value:g} in every pixel; check the file, "
            "or choose other --frames"
        )
    if found.under == found.pixels:
        raise DataError(
            f"{job.input}: expected an image brighter than its background, got no pixel above "
            f"{found.background:g}; give a lower --background, or auto"
        )
    if found.negative and job.likelihood == "poisson":
        raise DataError(
            f"{job.input}: expected counts >= 0 for {job.method}, got {found.negative} of "
            f"{found.pixels} pixels below 0, the least {found.least:.4g}; leave in the offset that "
            "was taken off and give it with --background, or choose a method of least squares"
        )
    return found


def doubts(found: Survey) -> list[str]:
    """What does not keep a job from being done, but its user from trusting all of the result."""
    sentences = []
    if found.saturated:
        sentences.append(
            f"{found.saturated} of {found.pixels} pixels are saturated, at {found.full}: what they "
            "lack is missing around them too; record with less light"
        )
    if found.under > MOST_UNDER * found.pixels:
        sentences.append(
            f"{found.under / found.pixels:.0%} of the pixels are no brighter than the background, "
            f"{found.background:g}; give a lower --background, or auto"
        )
    if found.flat:
        sentences.append(
            f"{found.flat} of {found.frames} frames are the same in every pixel, {found.value:g}"
        )
    return sentences


def expected_deviance(y: Any) -> float:
    """What noise alone leaves of 2f, the deviance of counts, from some lines of an image.

    Grey values are seldom photons: g of them make a count, where g is such that the noise of
    2 √(y / g) is 1 (Anscombe 1948), and a deviance of grey values is g times that of counts."""
    lines = y.reshape(-1, y.shape[-1])
    some = lines[:: -(-y.size // MOST_NUMBERS)]
    some = np.ascontiguousarray(arrays.to_host(some), np.float32)
    gain = float(noise_level(2 * np.sqrt(some))[0]) ** 2
    if not gain > 0:
        return 0.0
    counts = PoissonLikelihood(Identity(some.shape), some / gain)
    return gain * float((counts.expected_norms() ** 2).sum()) * y.size / some.size


def background_of(y: NDArray[Any]) -> float:
    """The grey value that lies under a frame: where the darkest per cent of the boxes ends.

    A box is 8 × 8 pixels of one plane, whose mean has little noise.  Too high where there is object
    in every box."""
    rows, columns = (max(1, n // BOX) * min(BOX, n) for n in y.shape[-2:])
    box = [min(BOX, n) for n in y.shape[-2:]]
    means = []
    for plane in y.reshape(-1, *y.shape[-2:]):
        cut = plane[:rows, :columns].reshape(rows // box[0], box[0], columns // box[1], box[1])
        means.append(cut.mean((1, 3), dtype=np.float64).ravel())
    return float(np.percentile(np.concatenate(means), DARKEST))


def fingerprint(image: Image) -> str:
    """Identity of an image in 64 hex digits, cheap at any size: name, size and time of its file,
    and a row of its first, middle and last frame."""
    state = image.path.stat()
    digest = hashlib.sha256(
        f"{image.path.name} {state.st_size} {state.st_mtime_ns} {image.axes} {image.shape} "
        f"{image.dtype.str}".encode()
    )
    frames, middle = image.frames, tuple(n // 2 for n in image.frame_shape[:-1])
    for i in (0, len(frames) // 2, -1):
        digest.update(image[(*frames[i], *middle)].tobytes())
    return digest.hexdigest()
