"""The rotation axis by the look of the slice, which is reconstructed about many columns.

Every candidate column c shifts the views by the part of a column that puts the axis at the same
place.  All candidates are then rows of one scan, and one filtered backprojection reconstructs them.

Two scores tell the right column, by the turn.  A wrong axis smears every point of a half turn into
an arc: grey values spread, and the entropy of their histogram rises (Donath, Beckmann, Schreyer
2006, J. Opt. Soc. Am. A 23, 1048).  In a full turn it doubles every edge: the energy of the
gradient falls.  Negativity and the sum of the gradient, which that paper compares, are led astray:
doubling averages noise and holes away, so both prefer a wrong axis in a full turn, and both follow
the cupping of a truncated object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from physrecon.analytic.fbp import fbp
from physrecon.analytic.view_weights import full_turn
from physrecon.cancellation import cancellation_point
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.preprocess.axis_estimators import peak

Array = NDArray[np.float64]

FINE = 128  # columns of the copy that is swept
MOST_VIEWS = 180  # that a slice of FINE columns needs
MOST_ROWS = 2
WIDE, BEST, DRAWN = 16, 5, 640  # half columns, slices and columns of a picture
REACH, STEP = 2.0, 0.4  # columns of the fine copy, about a candidate
LEVELS = 64  # of the histogram
SAME = 1.0  # columns; nearer candidates are one
LEAST_RADIUS = 8.0  # columns of a slice that can be judged


@dataclass(frozen=True)
class Sweep:
    """Scores of slices: columns (n,), rising; scores (n,), the lower the better; what they are.

    best: columns of the best, rising.  slices: (columns of `best`, size, size) about them."""

    columns: Array
    scores: Array
    metric: str
    best: Array
    slices: NDArray[np.float32]


@dataclass
class Slices:
    """Scores of the slices of some rows.

    rows: sinograms (views, columns) each.  cut_off: the object is wider than the detector."""

    rows: list[Array]
    angles: Array
    cut_off: bool
    turn: bool = field(init=False)

    def __post_init__(self) -> None:
        self.turn = full_turn(self.angles)

    @property
    def metric(self) -> str:
        return "−log energy of the gradient" if self.turn else "entropy of the grey values"

    def scores(self, columns: Array, parts: int = 1) -> Array:
        """(parts, n): with all views; then, for three parts, with every second one, and the others.

        columns: (n,) of the axis, those of the detector."""
        order = np.argsort(self.angles, kind="stable")
        order = order[np.linspace(0, len(order) - 1, min(len(order), MOST_VIEWS)).astype(int)]
        views = (slice(None), slice(0, None, 2), slice(1, None, 2))[:parts]
        total = np.zeros((parts, len(columns)))
        for row in self.rows:
            size = -(-row.shape[1] // FINE)
            small = gaussian_filter1d(binned(row[order], size), 1.0, axis=1, mode="nearest")
            at = (columns - (size - 1) / 2) / size
            for part, some in enumerate(views):
                cancellation_point()
                x, seen = slices_about(small[some], self.angles[order][some], at, self.cut_off)
                total[part] += _sharpness(x, seen) if self.turn else _entropy(x, seen)
        return total

    def fine(self, near: float) -> tuple[float, float]:
        """The best column near another, and its error: what the halves of the views differ by.

        Without a best column within REACH, the error is REACH."""
        unit = -(-self.rows[0].shape[1] // FINE)
        columns = near + unit * np.arange(-REACH, REACH + STEP / 2, STEP)
        scores = self.scores(columns, 3)
        best, *halves = (float(columns[0] + unit * STEP * peak(-score)) for score in scores)
        error = max(abs(half - best) for half in halves) / 2
        outside = not columns[0] < best < columns[-1]
        return best, unit * REACH if outside else error

    def sweep(self, near: float) -> Sweep:
        """The scores of columns about another, and the slices at the best five, for a picture."""
        unit = -(-self.rows[0].shape[1] // FINE)
        columns = near + unit / 5 * np.arange(-WIDE, WIDE + 1)
        scores = self.scores(columns)[0]
        best: list[int] = []
        for k in np.argsort(scores, kind="stable"):
            if all(abs(columns[k] - columns[other]) >= unit / 2.6 for other in best):
                best.append(int(k))
        some = np.sort(columns[best[:BEST]])
        size = -(-self.rows[0].shape[1] // DRAWN)
        at = (some - (size - 1) / 2) / size
        x, _ = slices_about(binned(self.rows[0], size), self.angles, at, self.cut_off)
        return Sweep(columns, scores, self.metric, some, x)

    def refuted(self, candidates: dict[str, float], trusted: str | None = None) -> list[str]:
        """The candidates whose slice is worse than the best one's with either half of the views.

        trusted: one that is taken for the best."""
        columns = np.array([*candidates.values()])
        edge = self.rows[0].shape[1] - 1
        if self.cut_off and not min(columns.min(), edge - columns.max()) > LEAST_RADIUS:
            return []
        total, *halves = self.scores(columns, 3)
        best = [*candidates].index(trusted) if trusted else int(total.argmin())
        unit = -(-self.rows[0].shape[1] // FINE)
        return [
            name
            for k, name in enumerate(candidates)
            if abs(columns[k] - columns[best]) > SAME * unit
            and _sure(*(float(half[k] - half[best]) for half in halves))
        ]


def _sure(first: float, second: float) -> bool:
    """Whether two differences are positive, and alike enough not to be noise."""
    return min(first, second) > 0 and min(first, second) > abs(first - second) / 2


def slices_about(
    sinogram: Array, angles: Array, columns: Array, cut_off: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Slices (n, size, size) about each of n columns, and (size, size) where all views see them.

    Cut-off views are cropped to what all candidates share, so that no score rests on the crop."""
    width = sinogram.shape[1]
    left, right = columns, width - 1 - columns
    if cut_off:
        before, after = int(np.floor(left.min())), int(np.floor(right.min()))
    else:
        before = after = int(np.ceil(max(left.max(), right.max())))
    shifted = _shifted(sinogram, columns - before, "symmetric" if cut_off else "edge")
    views = np.ascontiguousarray(shifted[:, :, : before + after + 1], np.float32)
    turn = full_turn(angles)
    radius = (max(before, after) if turn else min(before, after)) if cut_off else (width - 1) / 2
    scan = ParallelBeam(angles, views.shape[1:], angle_unit="rad", center=float(before))
    grid = scan.default_grid(2 * int(radius) + 1)
    x = fbp(views, scan, grid, filter="hann", padding="edge" if cut_off else "zero")
    y = np.arange(grid.shape[1]) - radius // 1
    return x, np.hypot(y[:, None], y) <= max(radius - 2, 1)


def _shifted(sinogram: Array, shifts: Array, beyond: Literal["symmetric", "edge"]) -> Array:
    """(views, n, 3 · columns): the views, moved left by each of n shifts [columns].

    beyond: how the views go on beyond the detector, so that no jump rings."""
    width = sinogram.shape[1]
    length = fft.next_fast_len(3 * width, real=True)
    margin = (length - width) // 2
    ends = ((0, 0), (margin, length - width - margin))
    spectrum = np.fft.rfft(np.pad(sinogram, ends, mode=beyond), axis=1)
    turns = np.exp(2j * np.pi * np.fft.rfftfreq(length) * (np.asarray(shifts)[:, None] + margin))
    moved = np.fft.irfft(spectrum[:, None] * turns, length, axis=2)
    return np.asarray(moved)


def binned(sinogram: Array, size: int) -> Array:
    """Means of `size` adjacent columns; the last ones that fill no bin are left out."""
    views, width = sinogram.shape
    return sinogram[:, : width // size * size].reshape(views, -1, size).mean(axis=2)


def _entropy(x: NDArray[Any], seen: NDArray[np.bool_]) -> Array:
    """(n,) entropy of the grey values, in LEVELS levels that all slices share."""
    values = x[:, seen]
    low, high = np.percentile(values[len(values) // 2], (0.5, 99.5))
    margin = 0.15 * max(float(high) - float(low), float(np.finfo(np.float32).tiny))
    place = (values - low + margin) * ((LEVELS - 1) / (high - low + 2 * margin))
    place = np.clip(place, 0, LEVELS - 1.001)
    level = place.astype(np.intp)
    upper = place - level
    found = np.empty(len(x))
    for k, (bins, part) in enumerate(zip(level, upper, strict=True)):  # shared by two levels
        counts = np.bincount(bins, 1 - part, LEVELS) + np.bincount(bins + 1, part, LEVELS)
        share = counts[counts > 0] / len(bins)
        found[k] = -(share * np.log(share)).sum()
    return found


def _sharpness(x: NDArray[Any], seen: NDArray[np.bool_]) -> Array:
    """(n,) minus the logarithm of the energy of the gradient."""
    both = (seen[1:, 1:] & seen[:-1, 1:] & seen[1:, :-1]).ravel()
    steps = [(x[:, 1:, 1:] - x[:, :-1, 1:]), (x[:, 1:, 1:] - x[:, 1:, :-1])]
    energy = [np.square(s.reshape(len(x), -1)[:, both], dtype=np.float64).sum(1) for s in steps]
    return -np.log(energy[0] + energy[1] + np.finfo(float).tiny)
