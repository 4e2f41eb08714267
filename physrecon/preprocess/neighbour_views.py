"""What neighbouring views show: views that repeat, and views that miss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.preprocess.small_rows import COARSE, FINE, Array, SmallRow

ALIKE = 0.3  # of the difference of neighbours, that of a view and its repetition
SPREADS = 1  # of noise, by which the ends may differ more or less than it seems
UNDECIDED = 0.5  # of the difference of neighbours: as near to a repetition as to none
TINY = 1e-12
NEAR = 5  # neighbours on either side that tell a usual difference
JUMP = 1.6  # times the usual difference, at a gap
VARIES = 0.3  # of the noise, that views change by at least
CLEAR = 0.8  # of the noise, that neighbours differ by, if a repetition is to be told
AXIS_ERROR = 0.4  # columns
REPEAT_MARGIN = 0.98  # residual of a turn that ends as the data do, of that of the stated one
MOST_MISSING = 0.4  # of all views


@dataclass(frozen=True)
class Gap:
    """Views that miss after `view`; radians: all angles with the gap; ratio: of residuals."""

    view: int
    count: int
    jump: float
    radians: Array
    step: float
    ratio: float


@dataclass(frozen=True)
class Repetition:
    """radians: angles whose ends repeat as the data do.  ratio: distance of the ends from what they
    say, of that where nothing is said; between: the same by the even and the odd columns."""

    radians: Array
    ratio: float
    between: tuple[float, float]


def noise_of(row: Array) -> float:
    """Standard deviation of a value (views, columns), from second differences of columns."""
    bent = np.abs(row[:, 2:] - 2 * row[:, 1:-1] + row[:, :-2])
    return float(np.median(bent) / 0.6745 / np.sqrt(6))


def varies(y: Array, noise: float) -> bool:
    """Whether views (views, columns) change by more than noise."""
    return float(np.square(y - y.mean(axis=0)).mean()) > (1 + VARIES**2) * noise**2


def _difference(a: Array, b: Array, noise: float) -> Array:
    """Root of the mean square of the difference of views, without noise."""
    return np.sqrt(np.maximum(np.square(a - b).mean(axis=-1) - 2 * noise**2, 0))


def repeats(row: SmallRow, axis: float, noise: float) -> Repetition | None:
    """Angles whose last view repeats the first as the data do, where the stated ones differ."""
    radians = np.asarray(row.scan.radians)
    n, whole = len(radians), np.pi if isinstance(row.scan, ParallelBeam) else 2 * np.pi
    step = float(np.median(np.diff(radians)))
    if np.abs(np.diff(radians) - step).max() > 0.2 * abs(step):
        return None
    turns = abs(n * step) / whole
    closes = round(abs(radians[-1] - radians[0]) / whole)
    stated = closes > 0 and abs(abs(radians[-1] - radians[0]) - closes * whole) < 0.2 * abs(step)
    almost = round(turns)
    if not stated and not (almost > 0 and abs(turns - almost) * whole < 0.2 * abs(step)):
        return None
    count = closes if stated else almost
    if _usual(row.y, noise) < CLEAR * noise:
        return None
    opposite = axis if whole == np.pi and count % 2 == 1 else None
    alike, *parts = (
        _ends_differ(row.y, opposite, noise, columns) / max(_usual(row.y[:, columns], noise), TINY)
        for columns in (slice(None), slice(0, None, 2), slice(1, None, 2))
    )
    sign = np.sign(step)
    if stated == (alike < ALIKE) or ALIKE <= alike <= 1 - ALIKE:
        return None
    other = radians[0] + sign * np.arange(n) * count * whole / (n if stated else n - 1)
    if row.residual(other, axis, FINE) >= REPEAT_MARGIN * row.residual(radians, axis, FINE):
        return None
    # the mean square of noise in a difference is known to this, of that of neighbours
    doubt = SPREADS * 2 * noise**2 * np.sqrt(2 / row.y.shape[1]) / _usual(row.y, noise) ** 2
    ratios = []
    for a, more in zip((alike, *parts), (doubt, *2 * [np.sqrt(2) * doubt]), strict=True):
        far = float(np.sqrt(max(a * a + (-more if stated else more), 0)))
        ratios.append(max(1 - far if stated else far, 0) / UNDECIDED)
    return Repetition(other, ratios[0], (ratios[1], ratios[2]))


def _usual(y: Array, noise: float) -> float:
    """Difference of neighbours; an object may change less than usual just where the turn ends."""
    apart = _difference(y[1:], y[:-1], noise)
    return float(min(np.median(apart), np.median([*apart[:2], *apart[-2:]])))


def _ends_differ(y: Array, axis: float | None, noise: float, some: slice) -> float:
    """Difference of the last view and the first; about the axis of opposite views, if given.

    some: columns that are compared."""
    if axis is None:
        return float(_difference(y[0, some], y[-1, some], noise))
    columns, differences = np.arange(y.shape[1]), []
    for moved in np.linspace(-AXIS_ERROR, AXIS_ERROR, 11):
        at = (2 * (axis + moved) - columns)[some]
        inside = (at >= 0) & (at < len(columns))
        first = np.interp(at, columns, y[0])[inside]
        differences.append(float(_difference(first, y[-1, some][inside], noise)))
    return min(differences)


def missing_views(row: SmallRow, axis: float, noise: float) -> Gap | None:
    """The gap that explains the largest jump between neighbours; None without a jump."""
    radians = np.asarray(row.scan.radians)
    n, steps = len(radians), np.diff(radians)
    step = float(np.median(steps))
    if step == 0:
        return None
    apart = _difference(row.y[1:], row.y[:-1], noise)
    near = [
        np.median(np.delete(apart[max(k - NEAR, 0) : k + NEAR + 1], min(k, NEAR)))
        for k in range(n - 1)
    ]
    jumps = apart / np.maximum(near, max(0.5 * noise, 1e-12)) / np.maximum(steps / step, 1)
    view = int(np.argmax(jumps))
    if jumps[view] < JUMP:
        return None
    counts = [c for c in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32) if c <= MOST_MISSING * n]
    after = np.arange(n) > view
    found = []
    for count in counts:
        shifted = radians + after * count * step
        stretched = radians[0] + (shifted - radians[0]) * n / (n + count)
        found += [(row.residual(a, axis, COARSE), count, a) for a in (shifted, stretched)]
    _, count, best = min(found, key=lambda one: one[0])
    ratio = row.residual(best, axis, FINE) / max(row.residual(radians, axis, FINE), 1e-12)
    own = float(np.median(np.diff(best)))
    return Gap(view, count, float(jumps[view]), best, own, ratio)
