"""Filtered backprojection of fan and cone beams whose source turns on a circle or on a helix.

    x(r) = Σ_β w_β / U²(r) (h ∗ m cos y_β)(r as seen from the source)

y is weighted by the cosine of the angle between its ray and the central one, filtered along rows by
the ramp h on a detector through the axis of rotation, and taken where a voxel is seen; U is the
depth of the voxel, 1 on the axis (Feldkamp, Davis and Kress, J. Opt. Soc. Am. A 1 (1984) 612).  On
a detector that is curved about the source U is the distance from its axis, and h at an angle γ is
(γ / sin γ)² times as large (Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988,
section 3.4.1).  It is exact in the plane of the source, approximate above and below it.

m shares a ray among the views that see it: over a full turn every ray is seen twice, half a ray
each, or once where the axis is off the middle (`view_weights`); over less, m is the smooth weight
of Parker (Med. Phys. 9 (1982) 254), for which opposite rays (β, γ) and (β + π - 2γ, -γ) sum to 1.
Δ there is half of what the views cover beyond a half turn (Silver, Med. Phys. 27 (2000) 773).

On a helix every slice takes the views that see all of it, as `helix` says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon import arrays
from physrecon.analytic.fbp import FILTERS, PADDINGS, extended, ramp_filtered
from physrecon.analytic.helix import FULL, Helix
from physrecon.analytic.view_weights import (
    FULL_TURN,
    angle_weights,
    extension,
    fan_angles,
    missing_wedge,
    ray_weights,
)
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Array
from physrecon.errors import ArgumentError, brief, require
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.operators.projection.vector_beam import FanEngine, VectorEngine

ENOUGH = 1e-6  # radians
OTHERWISE = dict.fromkeys(
    ("ParallelBeam", "TiltedBeam"), "of parallel beams pr.fbp is the filtered backprojection"
)
ITERATE = "use an iterative solver with pr.Projector"
# Views and rows are filtered in registers: counted from the first, a row has the same bits always.
ABREAST = 16


def fdk(
    y: ArrayLike,
    scan: ConeBeam | FanBeam | HelicalCone,
    grid: Grid | None = None,
    filter: str = "ram-lak",
    padding: str = "zero",
    out: Array | None = None,
) -> Array:
    """Filtered backprojection of a fan or cone beam: a volume [1/length] from line integrals [1].

    Args:
        y: (views, rows, columns) line integrals, float32 or float64, finite; not changed.
        scan: views over a full turn, with the axis anywhere on the detector, or over a half turn
            and the angle of the fan; an upright detector, flat or curved.  Of a helix the views
            that see all of a slice reconstruct it; slices at its ends that lack views are 0.
        grid: voxels of the volume; by default scan.default_grid().
        filter: "ram-lak", "shepp-logan", "cosine", "hamming" or "hann", a window on the ramp.
        padding: what lies beyond the detector: "zero" for an object that fits, "edge" (the
            outermost column, fading out) for a wider one.
        out: memory for the volume; by default new.
    Returns:
        array (nz, ny, nx): on the machine and in the dtype of y.
    Raises:
        ArgumentError: for another shape or dtype, NaN, infinity, an unknown word, a detector that
            is tilted or shifted, views that cover too little, and a helix that rises too much.
    Source:
        L. A. Feldkamp, L. C. Davis and J. W. Kress, J. Opt. Soc. Am. A 1 (1984) 612; of a helix
        G. Wang, T.-H. Lin, P.-C. Cheng and D. M. Shinozaki, IEEE Trans. Med. Imaging 12 (1993)
        486.

    Example:
        >>> scan = pr.ConeBeam(np.arange(0, 360, 6), (17, 33), angle_unit="deg",
        ...                    source_origin=200, source_detector=200)
        >>> s = np.hypot(*np.meshgrid(np.arange(33) - 16, np.arange(17) - 8))
        >>> chord = 2 * np.sqrt(np.maximum(10**2 - s**2, 0))  # of a ball of value 1, nearly
        >>> x = pr.fdk(np.tile(chord, (60, 1, 1)).astype(np.float32), scan)
        >>> x.shape, f"{x[8, 12:21, 12:21].mean():.1f}"
        ((17, 33, 33), '1.0')
    """
    p, grid = _checked(y, scan, grid, filter, padding)
    out = arrays.like(p, grid.shape) if out is None else out
    vectors.check_out("fdk.out", out, grid.shape, p)
    vectors.fill(out, 0)
    if 0 not in p.shape and 0 not in grid.shape:
        fdk_slices(p, scan, grid, filter, padding, out)
    return out


def fdk_slices(
    y: Array, scan: ConeBeam | FanBeam | HelicalCone, grid: Grid, filter: str, padding: str,
    out: Array, origin: tuple[int, int] = (0, 0),
) -> None:  # fmt: skip
    """The slices of `fdk` on `grid` that are as many as those of out, from some rows of the scan.

    origin: (slice, row) with which out and y begin; y holds scan.rows_seen of the slices.  A slice
    is the same, bit for bit, whatever is computed beside it, if the rows are filtered alike."""
    if isinstance(scan, HelicalCone):
        _HelicalSlices(y, scan, grid, filter, padding, origin).write(out)
        return
    xp, fan = arrays.namespace(y), isinstance(scan, FanBeam)
    rows = slice(origin[1], origin[1] + y.shape[1])
    factors, weights, rays = _shares(scan)
    flat = y * xp.asarray((_cosines(scan, fan)[rows] * factors[:, None]).astype(y.dtype))
    more = (0, 0) if rays is None else extension(scan)
    filtered = ramp_filtered(flat, filter, padding, rays, more, scan.bend)
    # 1/length² of the ramp and the length of a column leave 1/length, on the detector at the axis.
    weights = weights * scan.magnification / scan.column_pitch
    wide = extended(scan, more)
    if isinstance(wide, FanBeam):
        part = slice(origin[0], origin[0] + out.shape[0])
        FanEngine(wide.part(rows), grid.part(part)).interpolate(
            filtered, weights, scan.magnification, out
        )
    else:
        engine = VectorEngine(wide, grid)
        engine.interpolate(filtered, weights, scan.magnification, out, origin)


class _HelicalSlices:
    """The same of a helix."""

    def __init__(
        self, y: Array, scan: HelicalCone, grid: Grid, filter: str, padding: str,
        origin: tuple[int, int],
    ) -> None:  # fmt: skip
        self.y, self.scan, self.origin = y, scan, origin
        self.settings = filter, padding
        self.helix = Helix.of(scan, grid)
        self.helix.require_covered()
        self.rays, self.more = ray_weights(scan), extension(scan)
        if self.rays is None:
            self.more = (0, 0)
        self.wide = extended(scan, self.more)[self.helix.order]
        self.engine = VectorEngine(self.wide, grid)
        self.cosines = _cosines(scan, False)
        self.scale = scan.magnification / scan.column_pitch

    def write(self, out: Array) -> None:
        first, helix = self.origin[0], self.helix
        part = slice(first, first + len(out))
        kinds = helix.kinds[part]
        if (kinds == FULL).any():
            self._full_turns(part, out)
        else:
            vectors.fill(out, 0)
        for run in helix.runs:
            here = slice(max(run[0], part.start), min(run[1], part.stop))
            if here.start < here.stop:
                self._short_scan(run, here, out[here.start - first : here.stop - first])

    def _full_turns(self, part: slice, out: Array) -> None:
        """Writes all slices: those that a full turn does not see become 0."""
        low, high, weights = self.helix.full_weights(part)
        begin = low // ABREAST * ABREAST
        end = min(-(-high // ABREAST) * ABREAST, len(self.helix.order))
        all_weights = np.zeros((end - begin, len(out)))
        all_weights[low - begin : high - begin] = weights * self.scale
        columns = self.y.shape[2] + sum(self.more)
        filtered = arrays.like(self.y, (end - begin, self.y.shape[1], columns))
        rows = slice(0, self.y.shape[1])
        for v in range(begin, end, ABREAST):
            some = slice(v, min(v + ABREAST, end))
            parts = None if self.rays is None else (np.full(some.stop - v, 2.0), self.rays)
            filtered[v - begin : some.stop - begin] = self._filtered(some, rows, None, parts)
        place = self.scan.magnification, out, self.origin
        self.engine.interpolate(filtered, all_weights, *place, slice(begin, end))

    def _short_scan(self, run: tuple[int, int], here: slice, out: Array) -> None:
        """Writes slices of a run that is reconstructed together."""
        helix, top = self.helix, self.origin[1]
        first, stop, over = helix.short_scan(*run)
        views = slice(first, stop)
        seen = self.wide[views].rows_seen(helix.grid, slice(*run))
        low = max(seen.start // ABREAST * ABREAST, top)
        high = min(-(-seen.stop // ABREAST) * ABREAST, top + self.y.shape[1])
        shares = parker(helix.beta[views] - helix.edges[first], helix.fan, over)
        filtered = self._filtered(views, slice(low - top, high - top), shares, None)
        place = self.scan.magnification, out, (here.start, low)
        self.engine.interpolate(filtered, helix.cells[views] * self.scale, *place, views)

    def _filtered(self, views: slice, rows: slice, shares: Any, rays: Any) -> Array:
        """Rows of y, of views in the order of the angles, weighted and filtered."""
        factors = self.cosines[self.origin[1] + rows.start : self.origin[1] + rows.stop][None]
        factors = factors if shares is None else factors * shares[:, None]
        some = self.y[self.helix.order[views]][:, rows]
        flat = some * arrays.namespace(some).asarray(factors.astype(some.dtype))
        return ramp_filtered(flat, *self.settings, rays, self.more, self.scan.bend)


def _checked(y: Any, scan: Any, grid: Any, filter: str, padding: str) -> tuple[Any, Grid]:
    if not isinstance(scan, ConeBeam | FanBeam | HelicalCone):
        raise ArgumentError(
            "fdk.scan: expected a pr.ConeBeam, a pr.FanBeam or a pr.HelicalCone, got "
            f"{brief(scan)}; {OTHERWISE.get(type(scan).__name__, ITERATE)}"
        )
    grid = scan.default_grid() if grid is None else grid
    require("fdk.grid", grid, Grid, "scan.default_grid()")
    for name, value, known in (("filter", filter, FILTERS), ("padding", padding, PADDINGS)):
        if value not in known:
            raise ArgumentError(f"fdk.{name}: expected one of {', '.join(known)}, got {value!r}")
    if len(inside := _sources_inside(scan, grid)):
        raise ArgumentError(
            f"fdk.grid: expected sources outside of the grid, got that of view {inside[0]} inside; "
            "check source_origin and the sizes of voxels, in one unit"
        )
    odd = [n for n in ("roll", "pitch", "yaw", "source_offset", "shifts") if np.any(_of(scan, n))]
    if odd:
        raise ArgumentError(
            f"fdk.scan: expected an upright detector without shifts, got {', '.join(odd)}; use an "
            "iterative solver"
        )
    p = vectors.checked("fdk.y (views, rows, columns)", y, scan.shape)
    vectors.check_finite("fdk.y", p)
    return p, grid


def _sources_inside(scan: Any, grid: Grid) -> NDArray[np.intp]:
    """The views whose source stands among the lines of voxels of a grid."""
    source, within = scan.rays().source, np.ones(len(scan), bool)
    for axis in (1, 2):
        places = grid.axis(axis)
        if len(places):
            within &= abs(source[:, axis] - places.mean()) < len(places) * grid.pitch[axis] / 2
    return np.flatnonzero(within)


def _of(scan: Any, name: str) -> Any:
    return getattr(scan, name, 0.0)


def _cosines(scan: Any, fan: bool) -> NDArray[np.float64]:
    """(rows, columns) of the angle between a ray and the central one; of fans in their plane."""
    across = (np.arange(scan.shape[2]) - scan.center) * scan.column_pitch
    up = (np.arange(scan.shape[1]) - scan.axis_row) * scan.row_pitch * (not fan)
    far = scan.source_detector
    if scan.bend:
        return np.asarray(np.cos(across / far) * far / np.hypot(far, up[:, None]))
    return np.asarray(far / np.sqrt(far**2 + across**2 + up[:, None] ** 2))


def _shares(scan: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], Any]:
    """((views, columns) shares of rays, (views,) angle of each view, `rays` for the ramp)."""
    radians = scan.radians
    fan = fan_angles(scan)
    if missing_wedge(radians, FULL_TURN)[0] == 0:
        rays = ray_weights(scan)
        parts = None if rays is None else (np.full(len(radians), 2.0), rays)
        return np.ones((len(radians), len(fan))), angle_weights(radians, FULL_TURN) / 2, parts
    beta = _from_first(radians)
    covered, reach = float(beta.max()), float(np.abs(fan).max())
    over = (covered - np.pi) / 2
    if not complete(scan):
        raise ArgumentError(
            "fdk.scan: expected views over a full turn, or a half turn and the angle of the fan = "
            f"{np.degrees(np.pi + 2 * reach):.1f}°, got {np.degrees(covered):.1f}°; use an "
            "iterative solver"
        )
    cells = np.gradient(np.sort(beta)) if len(beta) > 1 else np.zeros(1)
    weights = np.empty(len(beta))
    weights[np.argsort(beta)] = cells
    return parker(beta, fan, max(over, reach)), weights, None


def complete(scan: ConeBeam | FanBeam) -> bool:
    """Whether views cover a full turn, or a half turn and the angle of the fan."""
    radians = scan.radians
    if len(radians) == 0 or missing_wedge(radians, FULL_TURN)[0] == 0:
        return len(radians) > 0
    covered = float(_from_first(radians).max())
    step = covered / max(len(radians) - 1, 1)
    return bool(covered + 2 * step >= np.pi + 2 * np.abs(fan_angles(scan)).max())


def _from_first(radians: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles from the view behind the widest gap."""
    order = np.sort(np.mod(radians, FULL_TURN))
    gaps = np.diff(order, append=order[0] + FULL_TURN)
    first = order[(int(gaps.argmax()) + 1) % len(order)]
    return np.asarray(np.mod(radians - first + ENOUGH, FULL_TURN) - ENOUGH)


def parker(beta: NDArray[np.float64], fan: NDArray[np.float64], over: float) -> NDArray[np.float64]:
    """(views, columns) share of the ray at `fan` of the view at `beta`; both in radians.

    beta: from 0 to π + 2 over."""
    early, late = np.maximum(over + fan, ENOUGH), np.maximum(over - fan, ENOUGH)
    b = beta[:, None]
    rising = np.clip(b / (2 * early), 0, 1)
    falling = np.clip((np.pi + 2 * over - b) / (2 * late), 0, 1)
    return np.asarray(np.sin(np.pi / 2 * rising) ** 2 * np.sin(np.pi / 2 * falling) ** 2)
