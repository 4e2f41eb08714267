"""The shifts of every view, the axis and tilts of a scan, found together with its volume.

    min over θ and x of ‖A(θ) x - y‖²

by Gauss–Newton.  Each step linearises in θ, A δx + ∂(A(θ)x)/∂θ δθ ≈ y - A(θ) x, and solves for
both, so that the volume gives way to a motion at once (variable projection: Golub and Pereyra,
Inverse Problems 19 (2003) R1).  Large pixels come first: there a shift is small beside what is
seen, and many iterations cost little.  They settle slow drifts; smaller pixels then refine each
view.

What no data tell is fixed: a scan moved as a whole shows the same volume elsewhere.  So shifts
have no mean height, and no part along the columns that goes as the sine or the cosine of the angle;
beside a free `center`, no mean along the columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.alignment.coarser import binned, coarser, taller, with_shifts
from physrecon.alignment.joint_fit import AXES, Array, Motion, Ramp, dot, fit, motion_of
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError, brief
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.ray_motions import moved_by, parameter_shape
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.operators.projection.projector import Projector
from physrecon.operators.projection.ray_derivatives import ray_derivatives

KINDS = (ParallelBeam, TiltedBeam, ConeBeam, HelicalCone)
LEAST_PIXELS = 12  # of a side of the coarsest detector
VOLUME = 4  # iterations for the volume that is differentiated: fewer leave it smooth
SLOW, FAST = 100, 10  # iterations of a step in the largest pixels, and in smaller ones
STEPS = 15  # of Gauss–Newton at a size of pixels, at most
SETTLED = 0.01  # of a pixel; a smaller step is the last of its size
BLOCK = 4  # pixels; residuals so far apart are taken for independent
SAMPLES = 3  # of the noise, for standard errors


@dataclass(frozen=True)
class Alignment:
    """What `align` found.

    scan: the geometry.  volume: (nz, ny, nx) on `grid`, of few iterations.  errors: standard errors
    of each parameter in its unit; of shifts the mean over the views, (z, b, u).  residual:
    ‖A x - y‖ / ‖y‖ in the largest pixels before and after.  notes: sentences for the user."""

    scan: Any
    volume: NDArray[Any]
    grid: Grid
    errors: dict[str, Array]
    residual: tuple[float, float]
    notes: list[str] = field(default_factory=list)


def align(
    y: ArrayLike,
    scan: Any,
    free: tuple[str, ...] = ("center", "shifts"),
    reach: float = 8.0,
    finest: int = 1,
    width: int | None = None,
    progress: Callable[[float, str], Any] = lambda part, text: None,
) -> Alignment:
    """Find shifts of every view, the axis and tilts of a scan from its projections alone.

    The sample that drifts or jumps, a stage that wobbles and a detector that is turned are motions
    of source and detector.  Of shifts z and u are found, along rows and columns; the part of them
    that is a motion of the whole scan is 0, and beside a free center their mean along the columns.
    Holds some twelve sets of projections and six volumes in the smallest pixels.

    Args:
        y: (views, rows, columns) line integrals, finite; not changed.
        scan: a ParallelBeam, TiltedBeam, ConeBeam or HelicalCone near the truth.
        free: parameters to find: "shifts", "center", "roll", "tilt", "pitch", "yaw", "angles" …
        reach: pixels of the detector by which views may be displaced.
        finest: side of the smallest pixels that are used, in pixels of the detector.
        width: voxels across the volume, in the smallest pixels; None is the number of columns.
            An object wider than the detector needs more.
        progress: called with the part that is done of the most work that it may take, and words.
    Returns:
        Alignment: the scan (a parallel beam becomes a TiltedBeam), standard errors, the volume.
        The errors are those of residuals of random sign in blocks of 4 × 4 of the largest pixels.
    Raises:
        ArgumentError: for another kind of scan, another shape, NaN, or a name that is no parameter.
    Source:
        G. Golub and V. Pereyra, Inverse Problems 19 (2003) R1.

    Example:
        >>> scan = pr.ParallelBeam(np.arange(0, 360, 15), (12, 17), angle_unit="deg")
        >>> grid = scan.default_grid()
        >>> z, y, x = np.meshgrid(*(grid.axis(k) for k in range(3)), indexing="ij")
        >>> ball = np.exp(-(z**2 + (y - 2) ** 2 + x**2) / 8).astype(np.float32)
        >>> measured = pr.Projector(scan.with_center(8.7), grid) @ ball
        >>> round(pr.align(measured, scan, free=("center",), reach=2).scan.center, 1)
        8.7
    """
    data, start, names = _checked(y, scan, free)
    return _aligned(data, start, names, reach, _factors(start, reach, finest), width, progress)


def _aligned(
    data: NDArray[Any],
    now: Any,
    free: tuple[str, ...],
    reach: float,
    factors: list[int],
    width: int | None,
    progress: Callable[[float, str], Any],
) -> Alignment:
    done, parts = 0.0, _parts(factors)
    wide = 1.0 if width is None else width / now.shape[2]
    errors: dict[str, Array] = {}
    residual: list[float] = []
    ramp: Any = None
    for factor, part in zip(factors, parts, strict=True):
        small, slow = binned(data, factor), not residual
        for step in range(STEPS):
            here = coarser(now, factor)
            grid = here.default_grid(round(wide * here.shape[2]))
            A = Projector(here, taller(grid, int(np.ceil(reach / factor))))
            ramp = ramp if step else Ramp(A, small)
            x = fit(A, ramp, small, VOLUME)[0]
            projected, derivatives = ray_derivatives(here, A.grid, free, x)
            motion = motion_of(here, free, derivatives)
            iterations = SLOW if slow else FAST
            _, q, rest = fit(A, ramp, small - projected, iterations, motion)
            residual += [_relative(small - projected, small)] if slow else []
            changes = motion.split(motion.changes(q))
            now = _moved(now, free, changes, factor)
            progress(done + part * (step + 1) / STEPS, f"pixels {factor} × {factor}")
            if _pixels(here, free, changes) < SETTLED:
                break
        if slow:
            errors = _errors(A, ramp, rest, motion, free, factor)
        done += part
    notes = _notes(free)
    return Alignment(now, x, A.grid, errors, (residual[0], residual[-1]), notes)


def _parts(factors: list[int]) -> list[float]:
    """The part of the work in each size of pixels, if each takes all its steps."""
    costs = [(SLOW if k == 0 else FAST) / factor**3 for k, factor in enumerate(factors)]
    return [cost / sum(costs) for cost in costs]


def _relative(a: Any, b: Any) -> float:
    return float(np.sqrt(dot(a, a) / max(dot(b, b), 1e-300)))


def _checked(y: Any, scan: Any, free: Any) -> tuple[NDArray[Any], Any, tuple[str, ...]]:
    if not isinstance(scan, KINDS):
        raise ArgumentError(
            f"align.scan: expected a {' or '.join(k.__name__ for k in KINDS)}, got {brief(scan)}"
        )
    start, names = with_shifts(scan), (free,) if isinstance(free, str) else tuple(free)
    if not names:
        raise ArgumentError("align.free: expected names of parameters, got none")
    for name in names:
        parameter_shape(start, name)
    data = np.asarray(vectors.checked_finite("align.y (views, rows, columns)", y, scan.shape))
    return data, start, names


def _factors(scan: Any, reach: float, finest: int) -> list[int]:
    """Sides of pixels, the largest first: there the displacement is two pixels, if so many see."""
    most = min(reach / 2, min(scan.shape[1:]) / LEAST_PIXELS)
    count = max(int(np.floor(np.log2(max(most, 1.0)))), 0)
    return [2**k for k in range(count, -1, -1) if 2**k >= finest or k == count]


def _errors(
    A: Projector, ramp: Ramp, rest: Any, motion: Motion, free: tuple[str, ...], factor: int
) -> dict[str, Array]:
    """Standard errors: what residuals of random sign in every block would be taken for.

    A fit takes a share of the noise; the share that it leaves of these says how much."""
    rng, squares = np.random.default_rng(0), np.zeros(motion.in_shape)
    views, rows, columns = rest.shape
    blocks = (views, -(-rows // BLOCK), -(-columns // BLOCK))
    for _ in range(SAMPLES):
        signs = np.repeat(np.repeat(rng.choice([-1, 1], blocks), BLOCK, axis=1), BLOCK, axis=2)
        noise = rest * signs[:, :rows, :columns].astype(rest.dtype)
        _, q, left = fit(A, ramp, noise, SLOW, motion)
        share = max(dot(left, left) / max(dot(noise, noise), 1e-300), 1e-3)
        squares += motion.changes(q) ** 2 / share / SAMPLES
    parts = motion.split(squares)
    found = {}
    for name, part in zip(free, parts, strict=True):
        if name == "shifts":
            error = np.insert(np.sqrt(part.reshape(-1, len(AXES)).mean(axis=0)), 1, np.nan)
        else:
            unit = factor if name in ("center", "row_offset") else 1.0
            error = unit * np.sqrt(part.mean(keepdims=True))
        found[name] = error
    return found


def _notes(free: tuple[str, ...]) -> list[str]:
    if "shifts" not in free:
        return []
    mean = " and no mean along the columns, which is the center's" if "center" in free else ""
    return [
        "shifts are known but for a motion of the whole scan: they have no mean height, no part "
        f"along the columns as the sine and cosine of the angle{mean}"
    ]


def _moved(scan: Any, free: tuple[str, ...], changes: list[Array], factor: int) -> Any:
    """The scan after the changes that were found in larger pixels."""
    for name, theta in zip(free, changes, strict=True):
        change = theta * (factor if name in ("center", "row_offset") else 1.0)
        if name == "shifts":
            change = np.insert(theta.reshape(-1, len(AXES)), 1, 0.0, axis=1)
        scan = moved_by(scan, name, change)
    return scan


def _pixels(scan: Any, free: tuple[str, ...], changes: list[Array]) -> float:
    """The largest root mean square of changes of shifts and center, in pixels of the picture."""
    sizes = [0.0]
    for name, theta in zip(free, changes, strict=True):
        unit = scan.default_grid().pitch[2] if name == "shifts" else 1.0
        sizes.append(float(np.sqrt(np.mean(theta**2))) / unit)
    return max(sizes)
