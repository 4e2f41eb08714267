"""Parameters of a PSF that are found from the image: gaussian:sigma=auto, defocus:radius=auto,
motion:length=auto,angle=auto.

They maximise the likelihood of the image's spectrum (`psf.spectrum`).  A soft scene is taken for
one that a Gaussian has blurred.  Parameters that are given stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

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
    "motion": {"length": (3.0, 40.0, 11), "angle": (0.0, 180.0, 36)},
}
SIDE = 91  # pixels of the PSF while it is sought
STARTS, TRIALS = 4, 60  # places of the grid to go on from, and steps from each
STEP = 0.03  # relative, of the difference that gives the error bar

Parameters = dict[str, float]
Misfit = Callable[[Parameters], float]


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
    found, misfit = found_parameters(name, _middle(job, image), wanted, given)
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


def found_parameters(
    name: str, y: NDArray[np.float64], wanted: list[str], given: Parameters
) -> tuple[Parameters, Misfit]:
    """The parameters of a model that explain an image (ny, nx) best, and −log likelihood.

    wanted: those to find; given: the others.  In pixels and degrees."""
    # the zeros of a disc and of a line are told from a soft scene, a Gaussian is not
    spectrum = Spectrum(y, soft=name != "gaussian")
    model = find(PSF_MODELS, name)
    more = {"angle_unit": "deg"} if name == "motion" else {}

    def misfit(parameters: Parameters) -> float:
        return spectrum.misfit(model((SIDE, SIDE), **parameters, **more))

    return _searched(misfit, given, {key: RANGES[name][key] for key in wanted}), misfit


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
    misfit: Misfit, given: Parameters, ranges: dict[str, tuple[float, float, int]]
) -> Parameters:
    """The best parameters: from the best few of a grid downhill (Nelder and Mead, Comput. J. 7
    (1965) 308), angles linear, lengths logarithmic."""
    steps, axes = [], []
    for key, (least, most, count) in ranges.items():
        linear = key == "angle"
        low, high = (least, most) if linear else (math.log(least), math.log(most))
        axes.append(low + np.arange(count) * (high - low) / (count - (0 if linear else 1)))
        steps.append((high - low) / count)
    grid = np.array(np.meshgrid(*axes)).reshape(len(axes), -1).T

    def parameters(point: NDArray[np.float64]) -> Parameters:
        found = dict(given)
        for key, value in zip(ranges, point, strict=True):
            least, most, _ = ranges[key]
            found[key] = float(value % 180 if key == "angle" else np.exp(value))
            found[key] = found[key] if key == "angle" else min(max(found[key], least), most)
        return found

    order = np.argsort([misfit(parameters(point)) for point in grid])
    fits = []
    for point in grid[order[: STARTS if len(axes) > 1 else 1]]:
        corners = np.vstack([point, point + np.diag(steps) / 2])
        fits.append(
            minimize(
                lambda q: misfit(parameters(q)),
                point,
                method="Nelder-Mead",
                options={
                    "initial_simplex": corners,
                    "xatol": 1e-3,
                    "fatol": 0.01,
                    "maxfev": TRIALS,
                },
            )
        )
    return parameters(min(fits, key=lambda fit: fit.fun).x)


def _spread(misfit: Misfit, at: Parameters, key: str) -> float:
    """The standard deviation of a parameter, from the curvature of the log likelihood."""
    step = 3.0 if key == "angle" else STEP * at[key]
    below, here, above = (misfit({**at, key: at[key] + k * step}) for k in (-1, 0, 1))
    curvature = (below - 2 * here + above) / step**2
    return 1 / math.sqrt(curvature) if curvature > 0 else math.inf
