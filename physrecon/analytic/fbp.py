"""Filtered backprojection of parallel-beam projections.

    x(r) = Σ_θ w_θ (h ∗ m y_θ)(r · θ)

h is the ramp |f|, cut off at the Nyquist frequency of the detector and sampled in space
(Ramachandran and Lakshminarayanan 1971; Kak and Slaney 1988, eq. 61).  Sampled in frequency, the
ramp and the volume would lose their mean.  w_θ is the angle represented by a view, m the share of a
ray that the opposite view sees too (`view_weights`).

Laminography: an axis leans by the angle α towards the source, before a detector across the rays.
View θ then is the Fourier transform of the object on the plane of k = a u + b v, u along columns
and v along rows, and dk = |a| cos α da db dθ.  So

    x(r) = cos α / 2 ∫ dθ (h ∗ y_θ)(pixel that sees r),   θ over a full turn

with the ramp along the rows, as for an upright axis.  Frequencies nearer to the axis than α are in
no view, and x lacks them (Xu, Helfen, Baumbach and Suhonen, Opt. Express 20 (2012) 794): faces
across the axis are blurred, and a ball has cos α of its value in its middle.  A detector that is
rolled by a small angle is filtered along its rows all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from physrecon import arrays
from physrecon.analytic.fourier_fbp import backproject_by_transforms
from physrecon.analytic.view_weights import (
    FULL_TURN,
    angle_weights,
    extension,
    missing_wedge,
    ray_weights,
)
from physrecon.arrays import transforms, vectors
from physrecon.arrays.vectors import Array
from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError, brief, require
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.geometry.view_tables import interpolation_table
from physrecon.operators.projection.parallel_beam import ParallelEngine, check_rows
from physrecon.operators.projection.vector_beam import VectorEngine

# Windows on the ramp; f is the frequency as a fraction of the Nyquist frequency.
WINDOWS: dict[str, Callable[[Any], Any]] = {
    "ram-lak": np.ones_like,
    "shepp-logan": lambda f: np.sinc(f / 2),
    "cosine": lambda f: np.cos(np.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * np.cos(np.pi * f),
    "hann": lambda f: 0.5 + 0.5 * np.cos(np.pi * f),
}
FILTERS = tuple(WINDOWS)
PADDINGS = ("zero", "edge")
BACKPROJECTIONS = ("direct", "fourier")
CHUNK_BYTES = 32 << 20  # of padded rows per Fourier transform
WIDEST = 3.0  # radians between rays of a curved detector; no two are further apart
UPRIGHT = np.deg2rad(2)  # of tilt; views that are a half turn apart are then as good as opposite
MOST_ROLL = np.deg2rad(2)  # with which rows may be filtered as they are


def fbp(
    y: ArrayLike,
    scan: ParallelBeam | TiltedBeam,
    grid: Grid | None = None,
    filter: str = "ram-lak",
    padding: str = "zero",
    out: Array | None = None,
    backprojection: str = "direct",
) -> Array:
    """Filtered backprojection: a volume [1/length] from line integrals [1].

    With a full turn the axis may be anywhere: opposite views complete what one side cuts off, up to
    the width scan.turn_width.

    Args:
        y: (views, rows, columns) line integrals, float32 or float64, finite; not changed.
        scan: the geometry; views may be at any angles.  A tilted axis needs a full turn; shifts of
            the views are followed.
        grid: voxels of the volume; by default scan.default_grid(), one voxel a pixel.
        filter: "ram-lak", "shepp-logan", "cosine", "hamming" or "hann", a window on the ramp.
        padding: what lies beyond the detector: "zero" for an object that fits, "edge" (the
            outermost column, fading out) for a wider one.
        out: memory for the volume; by default new.
        backprojection: "direct" (ray by ray, linear between columns) or, of an upright axis,
            "fourier" (by transforms, as their bandwidth says between columns; four to five times
            as fast for many slices of 1024²).
    Returns:
        array (nz, ny, nx): on the machine and in the dtype of y.
    Raises:
        ArgumentError: for another shape or dtype, NaN, infinity, an unknown word, a detector that
            is rolled by more than 2°, and a tilted axis without a full turn.
    Source:
        Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), chapter 3; of tilted
        axes F. Xu, L. Helfen, T. Baumbach and H. Suhonen, Opt. Express 20 (2012) 794.

    Example:
        >>> scan = pr.ParallelBeam(np.arange(0, 180, 3), (1, 33), angle_unit="deg")
        >>> chord = 2 * np.sqrt(np.maximum(10**2 - (np.arange(33) - 16.0) ** 2, 0))
        >>> y = np.tile(chord, (60, 1, 1)).astype(np.float32)  # of a disc of value 1 and radius 10
        >>> x = pr.fbp(y, scan)
        >>> x.shape, f"{x[0, 12:21, 12:21].mean():.1f}"
        ((1, 33, 33), '1.0')
    """
    p, grid = _checked(y, scan, grid, filter, padding)
    by_transforms = _by_transforms(backprojection, scan)
    if out is None:
        out = arrays.like(p, grid.shape)
    else:
        vectors.check_out("fbp.out", out, grid.shape, p)
    if 0 in p.shape or 0 in grid.shape:
        return vectors.fill(out, 0)
    if isinstance(scan, TiltedBeam):
        fbp_slices(p, scan, grid, filter, padding, out)
        return out
    _upright(p, scan, grid, (filter, padding), by_transforms, out)
    return out


def _upright(
    y: Any, scan: ParallelBeam, grid: Grid, words: tuple[str, str], by_transforms: bool, out: Any
) -> None:
    # Weights sum to π.  The ramp has 1/length²; the sum over columns leaves 1/length.
    weights, rays = angle_weights(scan.radians), ray_weights(scan)
    more = extension(scan)
    shares = None if rays is None else (angle_weights(scan.radians, FULL_TURN) / weights, rays)
    weights = weights / scan.column_pitch
    if by_transforms:
        _fourier(y, scan, grid, words, weights, shares, more, out)
        return
    wide = extended(scan, more)
    filtered = ramp_filtered(y, *words, shares, more)
    ParallelEngine(wide, grid, interpolation_table(wide, grid, weights)).backproject(filtered, out)


def _by_transforms(backprojection: str, scan: Any) -> bool:
    """Whether the Fourier transforms of slices are taken.  Raises ArgumentError."""
    if backprojection not in BACKPROJECTIONS:
        raise ArgumentError(
            f"fbp.backprojection: expected one of {', '.join(BACKPROJECTIONS)}, got "
            f"{brief(backprojection)}"
        )
    if backprojection == "fourier" and not isinstance(scan, ParallelBeam):
        raise ArgumentError(
            'fbp.backprojection: expected "direct" for a tilted axis, got "fourier"; leave it out'
        )
    return backprojection == "fourier"


def _fourier(
    y: Any, scan: ParallelBeam, grid: Grid, words: tuple[str, str], weights: Any, shares: Any,
    more: tuple[int, int], out: Any,
) -> None:  # fmt: skip
    filter, padding = words
    margin = scan.shape[2] // 2 if padding == "edge" else 0
    before, after = (max(margin, extra) for extra in more)
    length = _length(before + scan.shape[2] + after)

    def prepared(part: Any) -> Any:
        part = _shared(part, shares, slice(None))
        return _with_margins(part, before, after, margin) if before or after else part

    wide = extended(scan, (before, after))
    backproject_by_transforms(
        y, wide, grid, _ramp_response(length, filter, 0.0), weights, prepared, out
    )


def fbp_slices(
    y: Array, scan: TiltedBeam, grid: Grid, filter: str, padding: str, out: Array,
    origin: tuple[int, int] = (0, 0),
) -> None:  # fmt: skip
    """The slices of `fbp` on `grid` that are as many as those of out, from some rows of the scan.

    origin: (slice, row) with which out and y begin; y holds scan.rows_seen of the slices.  A slice
    is the same, bit for bit, whatever is computed beside it, if the rows are filtered alike."""
    if trouble := no_fbp(scan):
        needed, found = trouble
        raise ArgumentError(f"fbp.scan: expected {needed}, got {found}; use an iterative solver")
    turn, rays, more = angle_weights(scan.radians, FULL_TURN), None, (0, 0)
    weights = turn / 2
    if is_upright(scan) and (parts := ray_weights(scan)) is not None:
        weights, more = angle_weights(scan.radians), extension(scan)
        rays = (turn / weights, parts)
    elif is_upright(scan):
        weights = angle_weights(scan.radians)
    filtered = ramp_filtered(y, filter, padding, rays, more)
    weights = weights * np.cos(scan._radians(scan.tilt)) / scan.column_pitch
    VectorEngine(extended(scan, more), grid).interpolate(filtered, weights, 1.0, out, origin)


def is_upright(scan: TiltedBeam) -> bool:
    """Whether a half turn of views is enough."""
    return bool(abs(scan._radians(scan.tilt)) <= UPRIGHT)


def no_fbp(scan: TiltedBeam) -> tuple[str, str] | None:
    """What `fbp` of a tilted beam needs, and what was found; None if it takes the beam."""
    roll, tilt = (float(np.degrees(scan._radians(turn))) for turn in (scan.roll, scan.tilt))
    if abs(roll) > np.degrees(MOST_ROLL):
        return f"a roll of at most {np.degrees(MOST_ROLL):.0f}°", f"a roll of {roll:.4g}°"
    missing = np.degrees(missing_wedge(scan.radians, FULL_TURN)[0])
    if missing and not is_upright(scan):
        needed = f"views over a full turn for an axis that is tilted by {tilt:.4g}°"
        return needed, f"views over {360 - missing:.4g}°"
    return None


def extended(scan: Any, more: tuple[int, int]) -> Any:
    """The scan with more columns (left, right) of its detector."""
    rows, columns = scan.detector_shape
    shape = (rows, columns + sum(more))
    return replace(scan, detector_shape=shape, center=float(scan.center or 0) + more[0])


def _checked(
    y: Any, scan: ParallelBeam | TiltedBeam, grid: Grid | None, filter: str, padding: str
) -> tuple[Any, Grid]:
    """y as an array, and the grid.  Raises ArgumentError for arguments that do not fit."""
    if not isinstance(scan, ParallelBeam | TiltedBeam):
        raise ArgumentError(
            f"fbp.scan: expected a pr.ParallelBeam or a pr.TiltedBeam, got {brief(scan)}; of fan "
            "and cone beams pr.fdk is the filtered backprojection"
        )
    grid = scan.default_grid() if grid is None else grid
    require("fbp.grid", grid, Grid, "scan.default_grid()")
    if isinstance(scan, ParallelBeam):
        check_rows("fbp", scan, grid)
    if filter not in FILTERS:
        raise ArgumentError(f"fbp.filter: expected one of {', '.join(FILTERS)}, got {filter!r}")
    if padding not in PADDINGS:
        raise ArgumentError(f"fbp.padding: expected one of {', '.join(PADDINGS)}, got {padding!r}")
    y = vectors.checked("fbp.y (views, rows, columns)", y, scan.shape)
    vectors.check_finite("fbp.y", y)
    return y, grid


def ramp_filtered(
    y: Any,
    filter: str = "ram-lak",
    padding: str = "zero",
    rays: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    more: tuple[int, int] = (0, 0),
    bend: float = 0.0,
) -> Any:
    """Convolve the rows of y with the windowed ramp [1/column].

    bend: radians between the columns of a detector about the source, whose ramp at an angle γ is
    (γ / sin γ)² times that of a flat one.
    rays: (ratio (views,), parts (2, columns)); y is first multiplied by parts[0] + ratio parts[1].
    more: columns to add (left, right) to those of the result."""
    columns = y.shape[2]
    margin = columns // 2 if padding == "edge" else 0
    before, after = (max(margin, extra) for extra in more)
    fft, threads = transforms.library(y)
    length = _length(before + columns + after)
    xp = arrays.namespace(y)
    response = xp.asarray(_ramp_response(length, filter, bend).astype(y.dtype))
    filtered = arrays.like(y, (*y.shape[:2], columns + sum(more)))
    first = before - more[0]
    chunk = max(1, CHUNK_BYTES // (y.shape[1] * length * y.dtype.itemsize))
    for start in range(0, y.shape[0], chunk):
        cancellation_point()
        part = _shared(y[start : start + chunk], rays, slice(start, start + chunk))
        if before or after:
            part = _with_margins(part, before, after, margin)
        spectrum = fft.rfft(part, length, axis=2, **threads)
        spectrum *= response
        smooth = fft.irfft(spectrum, length, axis=2, overwrite_x=True, **threads)
        filtered[start : start + chunk] = smooth[..., first : first + filtered.shape[2]]
    return filtered


def _length(columns: int) -> int:
    """Of a transform in which a row and its convolution with the ramp have room."""
    length: int = scipy.fft.next_fast_len(2 * columns, real=True)
    return length + length % 2


def _shared(part: Any, rays: Any, views: slice) -> Any:
    """Some views times how much their rays count."""
    if rays is None:
        return part
    share = rays[1][0] + rays[0][views, None] * rays[1][1]
    return part * arrays.namespace(part).asarray(share[:, None].astype(part.dtype))


def _with_margins(part: Any, before: int, after: int, margin: int) -> Any:
    """The rows with columns before and after them: the outermost one, fading to 0 over `margin`."""
    xp = arrays.namespace(part)
    fade = np.zeros(max(before, after))
    fade[:margin] = np.cos(np.linspace(0, np.pi / 2, margin + 2)[1:-1]) ** 2
    fade = xp.asarray(fade.astype(part.dtype))
    left, right = part[..., :1] * fade[:before][::-1], part[..., -1:] * fade[:after]
    return xp.concatenate([left, part, right], axis=2)


def _ramp_response(length: int, filter: str, bend: float) -> NDArray[np.float64]:
    """(length // 2 + 1,) frequency response of the windowed ramp on `length` columns."""
    ramp = np.zeros(length)
    distance = np.minimum(np.arange(length), length - np.arange(length))
    odd = distance % 2 == 1
    ramp[odd] = -1 / (np.pi * distance[odd]) ** 2
    ramp[0] = 1 / 4
    if bend:
        angle = np.minimum(distance * bend, WIDEST)
        ramp /= np.sinc(angle / np.pi) ** 2
    response = np.fft.rfft(ramp).real
    return response * WINDOWS[filter](2 * np.fft.rfftfreq(length))
