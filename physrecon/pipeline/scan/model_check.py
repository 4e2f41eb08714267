"""Does the model of a scan fit its data?  One row is tested, whatever the method and the cut.

The residual of the result is its distance from the data, one product with A.  What x could still
learn is no fault of the model: filtered backprojection is not iterative, and an iteration may stop
early.  So a slice is fitted to the row anew (`RowFit`), on at most COLUMNS columns and VIEWS views,
and the residual that is left is tested.  Only where it is doubtful are causes sought: the same fit
takes from the pattern of each cause what a slice explains.

Of a cone beam the plane of the source is tested, a fan there, between two rows by interpolation.  A
row is as thick as its pixels, more so far from the source: where the object bends with its height,
opposite views disagree, in a pattern that the rows above and below tell (`RowFit.thickness`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.analytic.fdk import complete
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io.scans.setup import TurningGeometry
from physrecon.likelihoods.noise_level import noise_level
from physrecon.model_check.check import (
    ModelCheck,
    check_model,
    explained,
    least_share,
    views_alike,
)
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.model_check import Checked
from physrecon.pipeline.scan.measure import SlabData
from physrecon.pipeline.scan.patterns import (
    amounts,
    axis_shift,
    lines,
    odd_columns,
    scan_patterns,
)
from physrecon.pipeline.scan.row_fit import RowFit
from physrecon.preprocess.small_rows import FINE, SmallRow, as_fan, middle_row, with_fan

AXES = ("view", "row", "column")
COLUMNS, VIEWS = 256, 256  # at most; more are averaged, or left out
EDGE = 0.03  # of the largest line integral; a beam that is as dark at the edges is cut off
RANGES = (2.0, 0.5)  # factors on the angles: half a turn taken for a whole one, and the reverse
SENSE = -1.0  # another factor, which parallel rays do not tell
ALIKE, LARGE = 0.1, 8.0  # correlation of views, χ²: a range of angles that is wrong leaves more
FAR = 0.9  # residual of other distances, of that of other angles, which are likelier
SMALL, CLEARLY = 48, 0.8  # columns and views that tell distances; residual, of that of the stated
BETTER = 0.5  # of the residual; a range of angles that leaves less is likelier
# A half turn sees every line once: of its noise a slice learns more, and views are less alike
HALF, DOUBT_HALF = 1.5 * np.pi, -0.065
WORTH = 0.02  # of χ², which the pattern of a cause explains: that cause is worth a fit of its own
MOST = {"axis": 8.0, "angles": 0.3}  # columns, and relative; a pattern is no guide to more
FAN_COLUMNS = 0.12  # of χ², that single columns of a fan explain at least
TINY = 1e-30
DARKEST = 1e-4  # transmission below which a datum tells nothing
# What a cause is called where an option has mended it: columns of air, the removal of rings
MENDED = {"air": "drift", "rings": "columns"}
MIN_COLUMNS, MIN_VIEWS = 16, 12  # fewer tell nothing
NEAR = 0.05  # rows from the plane of the source; a row further off is not in it
UPRIGHT = ("roll", "pitch", "yaw", "source_offset", "shifts")  # 0 for a fan in that plane

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CheckedRow:
    """The row that is checked, and the slice that explains it.

    rows: of the scan, those beside it among them.  shares: of each, to make a row of them.  place:
    of the slice in the grid, the nearest one.  scan, grid: of the row and its slice alone.
    bends: shares of the rows in the second difference along them; () for a row of fans."""

    rows: slice
    shares: tuple[float, ...]
    place: int
    scan: ParallelBeam | FanBeam
    grid: Grid
    bends: tuple[float, ...] = ()

    def words(self, first: int) -> str:
        """The rows that it is made of; first: number of the first row of the scan."""
        used = [first + self.rows.start + k for k, share in enumerate(self.shares) if share]
        return f"row{'s' * (len(used) > 1)} {' and '.join(map(str, used))}"


def checked_row(scan: TurningGeometry, grid: Grid) -> CheckedRow | str:
    """The row to check of a scan, or why there is none."""
    row = middle_row(scan)
    if isinstance(scan, FanBeam | ConeBeam) and not complete(scan):
        return "the views cover less than a half turn and the angle of the fan"
    if isinstance(scan, ParallelBeam | FanBeam):
        one = slice(row, row + 1)
        return CheckedRow(one, (1.0,), row, scan.part(one), grid.part(one))
    if not isinstance(scan, ConeBeam):
        return "the rays of a row lie in no plane across the axis"
    if moved := [name for name in UPRIGHT if np.any(getattr(scan, name))]:
        return f"the rays of a row lie in no plane across the axis, by {', '.join(moved)}"
    at = scan.axis_row
    shares: tuple[float, ...]
    bends: tuple[float, ...]
    if abs(row - at) < NEAR:
        first, shares, bends = row, (1.0,), (1.0, -2.0, 1.0)
    elif 0 < at < scan.shape[1] - 1:
        first, shares, bends = int(at), (1 - at % 1, at % 1), (0.5, -0.5, -0.5, 0.5)
    else:
        return "the plane of the source is beside the detector"
    rows, fan = slice(first, first + len(shares)), as_fan(scan)
    if first > 0 and rows.stop < scan.shape[1]:
        rows, shares = slice(first - 1, rows.stop + 1), (0.0, *shares, 0.0)
    else:
        bends = ()
    place = int(np.clip(round(grid.origin[0] + row - at), 0, grid.shape[0] - 1))
    return CheckedRow(rows, shares, place, fan, fan.default_grid(grid.shape[2]), bends)


def check_row(data: SlabData, x: Any, one: CheckedRow, mended: Collection[str] = ()) -> Checked:
    """The check of a row, and the residual that was tested.

    data: of its rows.  x: its slice (1, ny, nx), or None if that lies between slices: χ² is then
    that of the fit.  mended: the options of `MENDED` that have corrected the data.  None for data
    that are too few, or without noise."""
    scan, grid = one.scan, one.grid
    rows, each = _with_weights(data)
    y, weights = _combined(rows, each, one.shares)
    if min(y.shape[2] - MIN_COLUMNS, y.shape[0] - MIN_VIEWS) < 0:
        return None
    sigma = float(noise_level(y, None, weights)[0])
    if not sigma > 1e-6 * float(np.abs(y).max(initial=0)):
        return None
    roots, chi2 = np.sqrt(weights) / np.float32(sigma), None
    if x is not None:
        residual = (y - arrays.to_host(Projector(scan, grid) @ x)) * roots
        square = float((residual.astype(np.float64) ** 2).sum())
        chi2 = square / max(int((weights > 0).sum()), 1)
    bend = np.asarray(one.bends, np.float32)[:, None]
    row = _Row(y, roots, scan, grid, (bend * rows).sum(1, keepdims=True) if one.bends else None)
    check = row.check(chi2)
    names = {MENDED[option]: option for option in mended}
    causes = tuple((names.get(cause, cause), share) for cause, share in check.causes)
    named = {names.get(cause, cause): words for cause, words in check.amounts.items()}
    check = replace(check, causes=causes, amounts=named)
    return check, row.standard(row.r), (row.step, row.together)


class _Row:
    """A row of a scan, made small, with a slice that is fitted to it.

    roots: of the weights; their product with a residual is in standard deviations of the noise."""

    def __init__(
        self, y: Array, roots: Array, scan: ParallelBeam | FanBeam, grid: Grid, bend: Array | None
    ) -> None:
        together, step = -(-y.shape[2] // COLUMNS), -(-y.shape[0] // VIEWS)
        self.together, self.step = together, step
        self.y, self.roots = (_averaged(a[::step], together) for a in (y, roots))
        self.roots *= np.sqrt(together)  # of means
        self.scan = _in_voxels(scan[::step], self.y.shape[2], together)
        given = grid.shape[2] * grid.pitch[2] / scan.default_grid().pitch[2]
        self.width = max(round(given / together), self.y.shape[2])
        # columns that see no voxel, where the axis is off the middle, say nothing of the slice
        far = np.abs(lines(self.scan)[1][0])
        self.roots[..., far > self.width / 2] = 0
        self.bend = None if bend is None else _averaged(bend[::step], together)
        self.fit, self.r = self._fitted(self.scan)

    def check(self, chi2: float | None) -> ModelCheck:
        """The check of the residual, with causes if there is doubt."""
        r = self.standard(self.r)
        check = check_model(r, AXES, chi2=chi2)
        half = np.ptp(self.scan.radians) < HALF
        if not (check.doubtful or (half and views_alike(r) > DOUBT_HALF)):
            return check
        patterns, words = self._patterns(np.nan_to_num(r))
        # the rim of a round object is in the same columns of all views, and fits fans less well
        columns = patterns.get("columns") if isinstance(self.scan, FanBeam) else None
        if columns is not None and explained(np.nan_to_num(r), columns)[0] < FAN_COLUMNS:
            del patterns["columns"]
        odd = views_alike(r) > ALIKE or check.unexplained > LARGE
        shares, more = self._ranges() if odd else ({}, {})
        shares |= self._fitted_causes(r, patterns)
        return check_model(r, AXES, patterns, shares, chi2, {**words, **more})

    def standard(self, r: Array) -> Array:
        return np.where(self.roots > 0, r * self.roots, np.nan).astype(np.float64)

    def _fitted(self, scan: ParallelBeam | FanBeam) -> tuple[RowFit, Array]:
        fit = RowFit(scan, self.roots**2, self.width)
        r = fit.unexplained(fit.start(self.y))
        if self.bend is not None:
            thick = fit.unexplained(fit.thickness(self.bend))
            square = float((thick * thick * fit.weights).sum())
            r -= np.float32((r * thick * fit.weights).sum() / max(square, TINY)) * thick
        return fit, r

    def _patterns(self, r: Array) -> tuple[dict[str, Array], dict[str, str]]:
        """cause → what no slice explains of its patterns, in standard deviations; and amounts."""
        p = (self.y - self.r)[:, 0].astype(np.float64)
        roots = self.roots[:, 0].astype(np.float64)
        columns = odd_columns(p, np.asarray(r[:, 0], np.float64), roots)
        patterns = scan_patterns(p, columns, self.scan, self.width, self._cut_off())
        stacked = np.concatenate(list(patterns.values()))
        norms = np.sqrt((stacked**2).mean((1, 2))) + np.finfo(float).tiny
        stacked = (stacked / norms[:, None, None]).transpose(1, 0, 2)
        left = self.fit.unexplained(stacked.astype(np.float32))
        left = np.nan_to_num(self.standard(left)).transpose(1, 0, 2)[:, :, None]
        cuts = np.cumsum([len(several) for several in patterns.values()])[:-1]
        found = dict(zip(patterns, np.split(left, cuts), strict=True))
        units = dict(zip(patterns, np.split(norms, cuts), strict=True))
        self.sizes = {
            cause: np.linalg.lstsq(several.reshape(len(several), -1).T, r.ravel(), rcond=1e-5)[0]
            / units[cause]
            for cause, several in found.items()
        }
        places = [u * self.together + self.together // 2 for u in columns]
        center = float(self.scan.center or 0)
        words = amounts(self.sizes, places)
        far = (center + axis_shift(self.sizes["axis"]) + 0.5) * self.together - 0.5
        return found, {**words, "axis": f"near column {far:.1f}"}

    def _fitted_causes(self, r: Array, patterns: dict[str, Array]) -> dict[str, float]:
        """The share of χ² that the axis and the range of angles explain, that their patterns find.

        A pattern is the beginning of a change: of a large one it explains a part."""
        own, shares = self._square(self.r), {}
        for cause, by in (
            ("axis", axis_shift(self.sizes["axis"])),
            ("angles", float(self.sizes["angles"][0])),
        ):
            if explained(np.nan_to_num(r), patterns[cause])[0] < WORTH or abs(by) > MOST[cause]:
                continue
            turned = 1 + by if cause == "angles" else 1.0
            scan = self._other(turned, by if cause == "axis" else 0.0)
            share = 1 - self._square(self._fitted(scan)[1]) / own
            if share > least_share(cause, int(np.isfinite(r).sum())):
                shares[cause] = share
        return shares

    def _other(self, factor: float = 1.0, shift: float = 0.0) -> ParallelBeam | FanBeam:
        """The scan with another range of the angles, or another axis."""
        center = float(self.scan.center or 0) + shift
        return replace(self.scan, angles=factor * self.scan.radians, center=center)

    def _cut_off(self) -> bool:
        """Whether views see the object at the edges of the detector."""
        edges = self.y[:, 0, [0, 1, -2, -1]].reshape(-1, 2, 2).mean(2)
        return bool(np.percentile(edges, 97, axis=0).max() > EDGE * self.y.max())

    def _ranges(self) -> tuple[dict[str, float], dict[str, str]]:
        """The share of χ² that another range of the angles explains, and which."""
        own, (share, best) = self._square(self.r), (BETTER, 1.0)
        fan = isinstance(self.scan, FanBeam)
        for factor in (*RANGES, SENSE) if fan else RANGES:
            scan = self._other(factor)
            if isinstance(scan, FanBeam) and not complete(scan):
                continue
            fitted = 1 - self._square(self._fitted(scan)[1]) / own
            share, best = max((share, best), (fitted, factor))
        (share_far, far) = self._distances(own)
        if share_far > max(share, 1 - FAR * (1 - share)):
            return {"distances": share_far}, {"distances": far}
        if best == 1:
            return {}, {}
        words = f"their range {best:g} times as large"
        return {"angles": share}, {
            "angles": "of the other sense: give the other --rotation, or none"
            if best == SENSE
            else words
        }

    def _distances(self, own: float) -> tuple[float, str]:
        """The share of χ² that a source elsewhere explains in a full turn, and where it is."""
        small = SmallRow.of(self.y[:, 0], self.scan, SMALL)
        small = small.every(max(len(small.y) // SMALL, 1))
        center = small.bin_of(float(self.scan.center or 0))
        found = small.source(center)
        stated = small.residual(small.scan.radians, center, FINE)
        if found is None or found.residual > CLEARLY * stated:
            return 0.0, ""
        scan = with_fan(self._other(found.sense), found.fan)
        share = 1 - self._square(self._fitted(scan)[1]) / own
        return share, f"it sees the detector under about {np.degrees(found.fan):.2g}°"

    def _square(self, r: Array) -> float:
        return float(np.nansum(self.standard(r) ** 2))


def _in_voxels(scan: ParallelBeam | FanBeam, columns: int, together: int) -> Any:
    """The scan of one row with `together` columns in one, all lengths in its voxels."""
    voxel, magnification = together * scan.default_grid().pitch[2], 1.0
    distances = {}
    if isinstance(scan, FanBeam):
        magnification = scan.magnification
        distances = {k: getattr(scan, k) / voxel for k in ("source_origin", "source_detector")}
    return replace(
        scan, angles=scan.radians, angle_unit="rad", detector_shape=(1, columns),
        pixel_size=(1.0, magnification), row_offset=0.0,
        center=(float(scan.center or 0) + 0.5) / together - 0.5, **distances,
    )  # fmt: skip


def _with_weights(data: SlabData) -> tuple[Array, Array]:
    """Line integrals, and weights ∝ 1/variance of counts."""
    if data.counts is None:
        y = arrays.to_host(data.line_integrals).astype(np.float32)
        return y, np.exp(-np.maximum(y, 0))
    counts, blank, dark = (arrays.to_host(a) for a in (data.counts, data.blank, data.dark))
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = (counts - dark) / blank
    good = np.isfinite(seen) & (seen > DARKEST)
    seen = np.where(good, seen, 1).astype(np.float32)
    weights = (counts - dark) ** 2 / np.maximum(counts, 1)
    return -np.log(seen), np.where(good, weights / weights.max(), 0).astype(np.float32)


def _combined(y: Array, weights: Array, shares: Sequence[float]) -> tuple[Array, Array]:
    """A mean of rows, and its weights ∝ 1/variance."""
    used = np.flatnonzero(shares)
    y, weights = y[:, used], weights[:, used]
    if len(used) == 1:
        return y, weights
    parts = np.asarray(shares, np.float32)[used, None]
    with np.errstate(divide="ignore"):
        variance = (parts**2 / weights).sum(1, keepdims=True)
    return (parts * y).sum(1, keepdims=True), (1 / variance).astype(np.float32)


def _averaged(a: Array, together: int) -> Array:
    """Means of adjacent columns; those beyond the last whole group are left out."""
    columns = a.shape[2] // together
    kept = a[..., : columns * together].reshape(*a.shape[:2], columns, together)
    return np.ascontiguousarray(kept.mean(-1), np.float32)
