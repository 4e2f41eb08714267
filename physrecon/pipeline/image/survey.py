"""Check the pixels of an image, block by block, before hours of work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from physrecon import arrays, sizes
from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image
from physrecon.io.images.saturation import LEVELS
from physrecon.jobs.image_job import ImageJob
from physrecon.likelihoods.noise_level import DIFFERENCE, noise_level

BLOCK_BYTES = 32 << 20  # read at a time
BOX = 8  # pixels; edge of the boxes whose means estimate the background
MOST_NUMBERS = 1 << 18  # values; more do not make the noise level more precise
AROUND = 9  # pixels of a row whose mean tells bright ones from dark ones
FEW_STEPS = 4  # a mean from which the noise of 2 √counts is 1
ENOUGH = 0.1  # part of the pixels that must be so bright
NEAR_STEP = 0.2  # a count that is nearly a step of the grey values is one
DARKEST = 1  # per cent of the boxes that hold background only

HIGH = 0.25  # of the mean of a frame; darkest places that are as bright may be an offset
MOST_BELOW = 0.8  # of the pixels; noise alone puts half of the dark ones below the background

Index = tuple[int, ...]


def chosen_frames(job: ImageJob, image: Image) -> list[Index]:
    """The frames of the job, chosen along the first axis that is not spatial.

    Raises ArgumentError if there are no such frames."""
    if job.frames is None:
        return list(image.frames)
    count = max((index[0] for index in image.frames if index), default=0) + 1
    asked = sizes.parse_slices(job.frames)
    stop = count if asked.stop is None else asked.stop
    if not asked.start < stop <= count:
        raise ArgumentError(f"frames: expected frames within 0:{count}, got {job.frames}")
    return [index for index in image.frames if not index or asked.start <= index[0] < stop]


@dataclass
class ImageStatistics:
    """Counts over all frames of a job.

    background: as stated in the job, or 0.  backgrounds: estimated for every frame, if the job asks
    for it or states none.  mean: of each of these frames.  value: of a constant frame."""

    background: float = 0.0
    backgrounds: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    pixels: int = 0
    below_background: int = 0
    nonfinite: int = 0
    negative: int = 0
    least: float = 0.0
    saturated: int = 0
    full_scale: int = 0
    constant_frames: int = 0
    frames: int = 0
    value: float = 0.0

    def add(self, image: Image, index: Index, find_background: bool) -> None:
        """Count one frame, block by block."""
        low, high, at_top = np.inf, -np.inf, 0
        means: list[NDArray[Any]] = []
        for _, values in image.blocks(index, BLOCK_BYTES):
            if find_background:
                means += box_means(values.astype(np.float32, copy=False))
            self.pixels += values.size
            if image.dtype.kind == "f":
                good = np.isfinite(values)
                self.nonfinite += values.size - int(good.sum())
                values = values[good]
            if not values.size:
                continue
            low, top = min(low, float(values.min())), float(values.max())
            if top >= high:
                at_top = at_top * (top == high) + int((values == top).sum())
                high = top
            if self.background:
                self.below_background += int((values <= self.background).sum())
            if low < 0:
                self.negative += int((values < 0).sum())
        self.least = min(self.least, low)
        self.frames += 1
        if find_background:
            self.backgrounds.append(background_of(means))
            self.means.append(float(np.mean(np.concatenate(means))))
        if low == high:
            self.constant_frames, self.value = self.constant_frames + 1, low
        elif high == image.saturation or (high in LEVELS and at_top > 1):
            self.saturated, self.full_scale = self.saturated + at_top, int(high)


def image_statistics(job: ImageJob, image: Image, frames: list[Index]) -> ImageStatistics:
    """The statistics of all frames of a job, in one pass."""
    stated = job.background if isinstance(job.background, float) else 0.0
    found = ImageStatistics(stated)
    for index in frames:
        cancellation_point()
        found.add(image, index, job.background in ("auto", 0.0))
    return found


def check_data(job: ImageJob, found: ImageStatistics) -> None:
    """Raise DataError for an unusable image."""
    if found.nonfinite:
        raise DataError(
            f"{job.input}: expected finite numbers, got NaN or infinity in {found.nonfinite} of "
            f"{found.pixels} pixels; replace them, by the mean of their neighbours say"
        )
    if found.constant_frames == found.frames:
        raise DataError(
            f"{job.input}: expected an image, got {found.value:g} in every pixel; check the file, "
            "or choose other --frames"
        )
    if found.below_background == found.pixels:
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


def image_warnings(job: ImageJob, found: ImageStatistics) -> list[str]:
    """Warnings about the input: the job can run, but parts of its result may not be trustworthy."""
    sentences = []
    high = [
        (level, level / mean)
        for level, mean in zip(found.backgrounds, found.means, strict=True)
        if mean > 0 and level > HIGH * mean
    ]
    if high and job.background == 0.0:
        level, part = min(high)
        sentences.append(
            f"its darkest places are at {level:.4g}, {part:.0%} of its mean; if that is the "
            "camera's offset, or light that is no object, take it off with --background auto"
        )
    if found.saturated:
        sentences.append(
            f"{found.saturated} of {found.pixels} pixels are saturated, at {found.full_scale}: "
            "what they lack is missing around them too; record with less light"
        )
    if found.below_background > MOST_BELOW * found.pixels:
        sentences.append(
            f"{found.below_background / found.pixels:.0%} of the pixels are no brighter than the "
            f"background, {found.background:g}; give a lower --background, or auto"
        )
    if found.constant_frames:
        sentences.append(
            f"{found.constant_frames} of {found.frames} frames are the same in every pixel, "
            f"{found.value:g}"
        )
    return sentences


def grey_values_per_count(y: Any) -> float:
    """The grey values g that one count makes, from the noise of an image; 0 if none is seen.

    The noise of 2 √(y / g) is 1 (Anscombe 1948) where the mean is at least 4 counts.  Multiples of
    a step that mostly lie below 4 steps are counts of one step, as in photon counting, if they are
    as rough as counts: their variance is their mean."""
    if y.shape[-1] < len(DIFFERENCE):
        return 0.0
    lines = y.reshape(-1, y.shape[-1])
    some = lines[:: -(-y.size // MOST_NUMBERS)]
    some = np.ascontiguousarray(arrays.to_host(some), np.float32)
    values = np.unique(some)
    step = float(np.diff(values).min()) if values.size > 1 else 0.0
    whole = step > 0 and bool((np.abs(values / step - np.rint(values / step)) < 1e-3).all())
    bright = uniform_filter1d(some, AROUND, axis=-1) >= (FEW_STEPS * step if whole else 0)
    if whole and np.count_nonzero(bright) < ENOUGH * bright.size:
        rough = np.apply_along_axis(np.convolve, -1, some, DIFFERENCE, "valid")
        variance = float((rough**2).mean()) / sum(c * c for c in DIFFERENCE)
        if variance > step * float(some.mean()) / 2:
            return step
        bright = np.ones_like(bright)  # too smooth for counts: few grey levels
    gain = float(noise_level(2 * np.sqrt(some), None, bright)[0]) ** 2
    return step if whole and abs(gain / step - 1) < NEAR_STEP else gain


def box_means(planes: NDArray[Any]) -> list[NDArray[Any]]:
    """The means of the boxes of 8 × 8 pixels of every plane, which have little noise."""
    rows, columns = (max(1, n // BOX) * min(BOX, n) for n in planes.shape[-2:])
    box = [min(BOX, n) for n in planes.shape[-2:]]
    means = []
    for plane in planes.reshape(-1, *planes.shape[-2:]):
        cut = plane[:rows, :columns].reshape(rows // box[0], box[0], columns // box[1], box[1])
        means.append(cut.mean((1, 3), dtype=np.float64).ravel())
    return means


def background_of(means: list[NDArray[Any]]) -> float:
    """The background of a frame: the first percentile of its box means.

    The estimate is too high where every box contains a part of the object."""
    return float(np.percentile(np.concatenate(means), DARKEST))
