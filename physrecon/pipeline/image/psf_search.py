"""Parameters of a PSF that are found from the image: gaussian:sigma=auto, defocus:radius=auto,
motion:length=auto,angle=auto.

They maximise the likelihood of the image's spectrum (`psf.spectrum`), in which the scene is sharp:
a soft scene is taken for a blurred one.  Parameters that are given stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from physrecon.catalog import PSF_MODELS, find
from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.image import Image
from physrecon.jobs.image_job import ImageJob
from physrecon.psf.spectrum import MOST, Spectrum

AUTO = "auto"
# model → parameter → least, most and number of trials, in pixels or degrees
RANGES = {
    "gaussian": {"sigma": (0.6, 10.0, 16)},
    "defocus": {"radius": (1.0, 20.0, 40)},
    "motion": {"length": (3.0, 40.0, 14), "angle": (0.0, 180.0, 12)},
}
SIDE = 91  # pixels of the PSF while it is sought
ROUNDS = 2  # of one parameter after the other
STEP = 0.03  # relative, of the difference that gives the error bar

Parameters = dict[str, float]


def with_found_psf(
    job: ImageJob, image: Image, voxel_size: tuple[float, ...]
) -> tuple[ImageJob, list[str]]:
    """The job with numbers for the parameters of its PSF that are `auto`, and a line about them.

    Reads the middle of the first frame.  Raises ArgumentError, DataError."""
    name, _, text = job.psf.partition(":")
    parts = [part.partition("=") for part in text.split(",")]
    wanted = [key.strip() for key, _, value in parts if value.strip() == AUTO]
    if not wanted or not job.model:
        return job, []
    known = tuple(RANGES.get(name, ()))
    if any(key not in known for key in wanted):
        able = ", ".join(f"{model} ({', '.join(ranges)})" for model, ranges in RANGES.items())
        raise ArgumentError(f"psf: expected auto for {able} only, got {job.psf}; give numbers")
    if len(set(voxel_size[-2:])) > 1:
        raise ArgumentError(
            f"psf: expected square pixels for auto, got {voxel_size[-2:]}; give numbers"
        )
    size = voxel_size[-1]
    given = {
        key.strip(): float(value) / (1.0 if key.strip() == "angle" else size)
        for key, _, value in parts
        if key.strip() in known and value.strip() != AUTO
    }
    spectrum = Spectrum(_middle(job, image))
    model = find(PSF_MODELS, name)
    more = {"angle_unit": "deg"} if name == "motion" else {}

    def misfit(parameters: Parameters) -> float:
        return spectrum.misfit(model((SIDE, SIDE), **parameters, **more))

    found = _searched(misfit, given, {key: RANGES[name][key] for key in wanted})
    words, values = [], {}
    for key in wanted:
        unit = 1.0 if key == "angle" else size
        spread = _spread(misfit, found, key) * unit
        values[key] = f"{found[key] * unit:.3g}"
        words.append(f"{key} {values[key]} ± {spread:.1g}")
    texts = [
        f"{key.strip()}={values.get(key.strip(), value)}" if equals else key
        for key, equals, value in parts
    ]
    psf = f"{name}:{','.join(texts)}"
    line = f"psf: {', '.join(words)} (found from the spectrum of the image, as of a sharp scene)"
    return job.model_copy(update={"psf": psf}), [line]


def _middle(job: ImageJob, image: Image) -> NDArray[np.float64]:
    """The middle of the middle plane of the first frame."""
    frame = next(iter(image.frames))
    *planes, ny, nx = image.frame_shape
    part = [slice((n - min(n, MOST)) // 2, (n + min(n, MOST)) // 2) for n in (ny, nx)]
    y = np.asarray(image[(*frame, *(n // 2 for n in planes), *part)], np.float64)
    if (planes and not job.planewise) or not np.isfinite(y).all():
        got = "NaN or infinity" if not np.isfinite(y).all() else f"a stack {image.frame_shape}"
        raise DataError(f"{job.input}: expected a finite plane for a PSF of auto, got {got}")
    return y


def _searched(
    misfit: Callable[[Parameters], float],
    given: Parameters,
    ranges: dict[str, tuple[float, float, int]],
) -> Parameters:
    """The best parameters: the best of a grid, then one after the other by a bounded search."""
    axes = {
        key: np.arange(count) * (most - least) / count
        if key == "angle"
        else np.geomspace(least, most, count)
        for key, (least, most, count) in ranges.items()
    }
    grid = (
        {**given, **dict(zip(axes, map(float, values), strict=True))}
        for values in np.array(np.meshgrid(*axes.values())).reshape(len(axes), -1).T
    )
    best = min(grid, key=misfit)
    for _ in range(ROUNDS if len(ranges) > 1 else 1):
        for key, (least, most, count) in ranges.items():
            if key == "angle":
                step = (most - least) / count
                bounds = (best[key] - step, best[key] + step)
            else:
                ratio = (most / least) ** (1 / (count - 1))
                bounds = (best[key] / ratio, best[key] * ratio)
            tried = dict(best)
            search = minimize_scalar(
                lambda value, key=key, tried=tried: misfit({**tried, key: float(value)}),
                bounds=bounds,
                method="bounded",
                options={"xatol": 0.002 * (bounds[1] - bounds[0]) + 1e-3},
            )
            if search.fun <= misfit(best):
                best[key] = float(search.x)
    if "angle" in best:
        best["angle"] %= 180
    return best


def _spread(misfit: Callable[[Parameters], float], at: Parameters, key: str) -> float:
    """The standard deviation of a parameter, from the curvature of the log likelihood."""
    step = 3.0 if key == "angle" else STEP * at[key]
    below, here, above = (misfit({**at, key: at[key] + k * step}) for k in (-1, 0, 1))
    curvature = (below - 2 * here + above) / step**2
    return 1 / math.sqrt(curvature) if curvature > 0 else math.inf
