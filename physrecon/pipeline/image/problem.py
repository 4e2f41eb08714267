"""One frame of an image: the problem that a job poses, and its solution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.analytic.wiener import tikhonov_filter, wiener
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers
from physrecon.catalog import IMAGE_DIRECT, SOLVERS, find
from physrecon.errors import DataError
from physrecon.jobs.image_job import ImageJob
from physrecon.likelihoods import LeastSquares, PoissonLikelihood
from physrecon.operators.blur.blur import Blur
from physrecon.pipeline.image.survey import grey_values_per_count
from physrecon.pipeline.problem import make_problem, solved
from physrecon.pipeline.work import PieceWork
from physrecon.problem import Problem
from physrecon.solvers import Result, Stop

WEIGHT_VOXELS = 1 << 17  # voxels in the middle of the first frame, to choose a weight on


def deconvolved(
    job: ImageJob,
    A: Blur,
    y: Any,
    level: float,
    voxel_size: tuple[float, ...],
    work: PieceWork,
    found: bool = False,
) -> tuple[Any, str, dict[str, Any]]:
    """(frame, why the solver stopped, further arrays by name) of a blurred frame y.

    Changes y in place.  level: grey value of the background.  found: whether the number of
    iterations was found from the data."""
    if job.method in IMAGE_DIRECT:
        y -= level
        return _filtered(job, A, y, voxel_size), "", {}
    problem = frame_problem(job, A, y, level, voxel_size)
    noise = noise_norms(job, problem)
    stop = make_stop(job, noise)
    result = solved(job, problem, stop, work, lambda: first_guess(job, problem))
    x, reason = result.x[A.frame], _ending(job, problem, result, noise, found)
    if "diverged" in reason or not arrays.all_finite(x):
        raise DataError(
            f"{job.method}: expected an image that fits the data, got none: {reason}; "
            "choose another method"
        )
    state: Any = result.state
    return x, reason, {"psf": arrays.to_host(state.psf)} if job.blind else {}


def frame_problem(
    job: ImageJob, A: Any, y: Any, level: float, voxel_size: tuple[float, ...]
) -> Problem:
    """The problem that the job poses; changes y in place.

    Raises ArgumentError for settings that do not fit."""
    if job.likelihood == "poisson":
        gain = grey_values_per_count(y)
        f: Any = PoissonLikelihood(A, y, level, gain=gain or 1.0)
    else:
        if level:
            y -= level
        f = LeastSquares(A, y)
    axes = (1, 2) if job.planewise else tuple(range(len(voxel_size)))
    return make_problem(job, f, voxel_size, axes)


def _filtered(job: ImageJob, A: Any, y: Any, voxel_size: tuple[float, ...]) -> Any:
    settings: dict[str, Any] = {**job.solver, "boundary": job.boundary, "oversize": True}
    settings["center"] = A.center
    if job.method == "wiener":
        return wiener(y, A.psf, **settings)
    sizes = tuple(p / voxel_size[-1] for p in voxel_size[-A.psf.ndim :])
    return tikhonov_filter(y, A.psf, voxel_size=sizes, **settings)


def first_guess(job: ImageJob, problem: Problem) -> Any:
    """The initial image for counts, the mean of y, or None for the solver's own.

    Most solvers start at zero, which predicts no counts."""
    if job.likelihood != "poisson" or find(SOLVERS, job.method).counts_only:
        return None
    y = problem.f.y
    return vectors.fill(vectors.empty(problem.f.A.in_shape, y), max(float(y.mean()), 1e-6))


def make_stop(job: ImageJob, noise: Numbers) -> Stop:
    """The stopping rule; without visible noise a discrepancy of "auto" is never reached."""
    norms: Any = job.stop.discrepancy
    if norms == "auto":
        norms = noise
    stop = job.stop
    return Stop(int(stop.iterations or 0), stop.rtol, norms, gain=stop.gain)


def noise_norms(job: ImageJob, problem: Problem) -> Numbers:
    """√(2f) expected from noise alone, for the whole frame or for each plane; 0 if none is seen."""
    norms = np.sqrt(problem.gather(problem.f.expected_norms() ** 2))
    seen = job.likelihood != "poisson" or grey_values_per_count(problem.f.y) > 0
    return norms if seen else 0 * norms


def _ending(
    job: ImageJob, problem: Problem, result: Result, noise: Numbers, found: bool = False
) -> str:
    """Why the solver stopped, and whether it should have stopped earlier."""
    value, asked = result.state.value, job.stop.discrepancy
    if asked == "auto" and not noise.any():
        return f"{result.reason}; no noise is seen that would tell when to stop"
    # data that were left out have told the number: they know better than the noise level
    plain = not found and job.prior is None and asked is None and value is not None
    if plain and (problem.f.residual_norms(value) < noise).any():
        return f"{result.reason}; noise is being fitted, --set stop.discrepancy=auto stops before"
    return result.reason


def middle(shape: tuple[int, ...], most: int) -> tuple[slice, ...]:
    """The central part of at most `most` elements: the longest axes are cut."""
    lengths = list(shape)
    while math.prod(lengths) > most:
        longest = max(range(len(lengths)), key=lambda axis: lengths[axis])
        others = sorted(lengths)[-2] if len(lengths) > 1 else 1
        fits = most // (math.prod(lengths) // lengths[longest])
        lengths[longest] = max(fits, min(others, lengths[longest] - 1), 1)
    return tuple(slice((n - k) // 2, (n - k) // 2 + k) for n, k in zip(shape, lengths, strict=True))
