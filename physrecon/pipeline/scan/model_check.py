"""Does the model of a scan fit its data?  One row is tested, whatever the method and the cut.

The residual of the result is its distance from the data, one product with A.  What x could still
learn is no fault of the model: filtered backprojection is not iterative, and an iteration may stop
early.  So a slice is fitted to the row anew, with few conjugate gradients after a filtered
backprojection, on at most COLUMNS columns and VIEWS views.  The residual that is left is tested."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.analytic.fbp import fbp
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.likelihoods import LeastSquares
from physrecon.likelihoods.noise_level import noise_level
from physrecon.model_check.check import ModelCheck, check_model
from physrecon.operators.projection.projector import Projector
from physrecon.pipeline.scan.measure import SlabData
from physrecon.problem import Problem
from physrecon.solvers import Stop, solve
from physrecon.solvers.conjugate_gradient import ConjugateGradient

AXES = ("view", "row", "column")
COLUMNS, VIEWS = 384, 360  # at most; more are averaged, or left out
ITERATIONS = 16  # of conjugate gradients; more fit noise
WIDER = 1.7  # of the detector; a slice that holds most objects that are cut off
EDGE = 0.03  # of the largest line integral; a beam that is as dark at the edges is cut off
SHIFTS = (1, 3)  # columns by which a projection is moved to see a displaced axis
DARKEST = 1e-4  # transmission below which a datum tells nothing
MIN_COLUMNS, MIN_VIEWS = 16, 12  # fewer tell nothing

Array = NDArray[np.floating[Any]]


def check_row(
    data: SlabData, x: Any, scan: ParallelBeam, grid: Grid
) -> tuple[ModelCheck, Array] | None:
    """The check of a slice x (1, ny, nx) of one row, and its residual in standard deviations.

    None for data that are too few, or without noise."""
    y, weights = _with_weights(data)
    if min(y.shape[2] - MIN_COLUMNS, y.shape[0] - MIN_VIEWS) < 0:
        return None
    sigma = float(noise_level(y, None, weights)[0])
    if not sigma > 1e-6 * float(np.abs(y).max(initial=0)):
        return None
    roots = np.sqrt(weights) / np.float32(sigma)
    residual = (y - arrays.to_host(Projector(scan, grid) @ x)) * roots
    chi2 = float((residual.astype(np.float64) ** 2).sum()) / max(int((weights > 0).sum()), 1)
    row = _Row(y, roots, scan, grid)
    check = row.check(chi2)
    return (check if check.fits else row.check(chi2, told=True)), residual


class _Row:
    """A row of a scan, made small, with a slice that is fitted to it."""

    def __init__(self, y: Array, roots: Array, scan: ParallelBeam, grid: Grid) -> None:
        together, step = -(-y.shape[2] // COLUMNS), -(-y.shape[0] // VIEWS)
        self.y, self.roots = (_averaged(a[::step], together) for a in (y, roots))
        self.scan = ParallelBeam(
            scan.radians[::step],
            (1, self.y.shape[2]),
            angle_unit="rad",
            pixel_size=(scan.row_pitch, scan.column_pitch * together),
            center=(float(scan.center or 0) + 0.5) / together - 0.5,
        )
        width = max(grid.shape[2] * grid.pitch[2], y.shape[2] * scan.column_pitch)
        self.width = round(width / self.scan.column_pitch)
        self.A = Projector(self.scan, self.scan.default_grid(self.width))
        start = fbp(self.y, self.scan, self.A.grid, padding="edge")
        self.r = self._learned(self.y - self.A @ start)
        self.p = self.y - self.r

    def check(self, chi2: float, told: bool = False) -> ModelCheck:
        """The check of the residual; told: with the causes that cost further fits."""
        shares = self._truncation() if told else {}
        patterns = self._patterns() if told else {}
        return check_model(self._standard(self.r), AXES, patterns, shares, chi2)

    def _standard(self, r: Array) -> Array:
        return np.where(self.roots > 0, r * self.roots, np.nan).astype(np.float64)

    def _learned(self, r: Array, A: Any = None) -> Array:
        """r without what a slice can learn of it."""
        A = self.A if A is None else A
        f = LeastSquares(A, r, weights=self.roots**2)
        z = solve(Problem(f), ConjugateGradient(), None, Stop(iterations=ITERATIONS)).x
        return r - A @ z

    def _patterns(self) -> dict[str, NDArray[Any]]:
        p = self.p
        moved = [_moved(p, k) - _moved(p, -k) for k in SHIFTS]
        bent = [p * p, p * p * p]
        pairs = {"axis": moved, "hardening": bent}
        return {
            cause: np.stack([np.nan_to_num(self._standard(self._learned(d))) for d in several])
            for cause, several in pairs.items()
        }

    def _truncation(self) -> dict[str, float]:
        """The share of χ² that a wider slice explains, if the detector's edges are in the dark."""
        edges = np.median(np.abs(self.y[..., [0, 1, -2, -1]]), axis=(0, 1))
        if edges.max() < EDGE * self.y.max():
            return {}
        grid = self.scan.default_grid(round(WIDER * self.width))
        left = [self._learned(self.r, A) for A in (Projector(self.scan, grid), None)]
        wide, same = (float((np.nan_to_num(self._standard(r)) ** 2).sum()) for r in left)
        return {"truncation": 1 - wide / same} if wide < 0.9 * same else {}


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


def _averaged(a: Array, together: int) -> Array:
    """Means of adjacent columns; those beyond the last whole group are left out."""
    columns = a.shape[2] // together
    kept = a[..., : columns * together].reshape(*a.shape[:2], columns, together)
    return np.ascontiguousarray(kept.mean(-1), np.float32)


def _moved(p: Array, by: int) -> Array:
    """The projections by some columns to the right; edges are repeated."""
    at = np.clip(np.arange(p.shape[2]) - by, 0, p.shape[2] - 1)
    return p[..., at]
