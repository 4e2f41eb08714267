"""The rotation axis of a parallel-beam scan, found in independent ways that check each other.

Correlation.  Two views half a turn apart are mirror images about the axis: with p(θ, u) = f(u - c)
the mirrored opposite view is f shifted by d = 2c - (N - 1), so c = (N - 1 + d) / 2.  Partners that
miss the half turn by a small angle m see the axis displaced in proportion to m, so the two nearest
partners of a view give the column at m = 0 by a straight line.  It uses only the opposite views.

Consistency.  Taken about the axis, the transform of the views along the detector,
g(θ) = exp(iωc) ∫ p(θ, u) exp(-iωu) du, is a trigonometric polynomial in θ of degree ≲ ωR for an
object of radius R (the condition of Helgason 1965 and Ludwig 1966 in Fourier form; the "double
wedge" of Vo et al. 2014, Optics Express 22, 19078).  A half turn conjugates g, so Re g holds even
harmonics alone and Im g odd ones.  What they leave unexplained is, per frequency, a constant plus
Re(s exp(2iωc)): one complex s per frequency gives the misfit of every column c.  It uses all
views, at any angles.

Mass, when the views cover less than a half turn and hold no opposite ones.  The centre of mass of
a view moves as c + a cos θ + b sin θ (the condition of first order)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from physrecon.errors import ArgumentError, DataError

Array = NDArray[np.float64]

MOST_VIEWS, MOST_ANCHORS, MOST_GROUPS = 361, 12, 8
NEAR_HALF_TURN = np.deg2rad(1.5)


@dataclass(frozen=True)
class Center:
    """Where the axis is.

    column: 0-based detector column.  methods: column by each method that could be used.
    agreement: distance between the methods [columns], NaN with a single one.
    agrees: there are two and they lie within one column.  notes: sentences for the user."""

    column: float
    methods: dict[str, float]
    agreement: float
    agrees: bool
    notes: list[str] = field(default_factory=list)


def find_center(line_integrals: ArrayLike, angles_rad: ArrayLike) -> Center:
    """Find the detector column of the rotation axis in the middle half of the detector.

    line_integrals (views, rows, columns) or (views, columns), finite; angles_rad (views,) in any
    order and range.  Adjacent rows are added up to at most 8 groups, each group gives one estimate,
    and the answer is their median weighted by content, so rows of air have no say.  The column is
    the consistent one (the most precise), or the correlated one where the object is wider than the
    detector.  ArgumentError: shapes.  DataError: NaN, or nothing to be seen in any row."""
    sinograms, angles = _checked(line_integrals, angles_rad)
    groups, angles = _merged_views(_groups(sinograms), angles)
    content = _content(groups)
    if not content.max() > 0:
        raise DataError(
            "find_center: expected an object that varies along the detector, got constant views; "
            "give the column of the axis instead"
        )
    # what is far emptier than the fullest group holds noise, not information
    seen = content > 0.05 * content.max()
    groups, content = groups[seen], content[seen]
    cut_off = _cut_off(groups.sum(axis=0))
    opposite = _opposite_views(angles)

    methods = {}
    if opposite is not None:
        methods["correlation"] = [_by_correlation(g, *opposite) for g in groups]
    elif not cut_off:
        methods["mass"] = [_by_mass(g, angles) for g in groups]
    methods["consistency"] = [_by_consistency(g, angles, cut_off) for g in groups]
    columns = {name: _weighted_median(found, content) for name, found in methods.items()}

    # cut off: the opposite views still match where they overlap; short: the mass is least sensitive
    trusted = "consistency" if (opposite is None) == cut_off else next(iter(columns))
    apart = max(columns.values()) - min(columns.values()) if len(columns) > 1 else np.nan
    notes = _notes(angles, groups.shape[2], columns, opposite is None, cut_off)
    return Center(columns[trusted], columns, float(apart), bool(apart <= 1.0), notes)


def _notes(
    angles: Array, width: int, columns: dict[str, float], short: bool, cut_off: bool
) -> list[str]:
    notes = []
    if short:
        notes.append(
            f"the views cover {np.rad2deg(_coverage(angles)):.0f}° of a half turn and hold no "
            "opposite pair, so the axis is less certain; look at the slice"
        )
    if cut_off:
        notes.append(
            "the object reaches the edge of the detector, so the axis is less certain; "
            "look at the slice"
        )
    if any(abs(c - (width - 1) / 2) > width / 4 - 1 for c in columns.values()):
        notes.append(
            "a method ended at the limit of the search, which is the middle half of the detector; "
            "give the column of the axis if it lies outside"
        )
    return notes


def _checked(line_integrals: ArrayLike, angles_rad: ArrayLike) -> tuple[NDArray, Array]:
    sinograms, angles = np.asarray(line_integrals), np.asarray(angles_rad, dtype=np.float64)
    if sinograms.ndim == 2:
        sinograms = sinograms[:, np.newaxis]
    if sinograms.ndim != 3 or angles.shape != sinograms.shape[:1]:
        raise ArgumentError(
            "find_center: expected line integrals (views, rows, columns) and as many angles, got "
            f"shapes {sinograms.shape} and {angles.shape}"
        )
    if len(angles) < 4 or sinograms.shape[1] < 1 or sinograms.shape[2] < 8:
        raise ArgumentError(
            "find_center: expected at least 4 views, 1 row and 8 columns, got shape "
            f"{sinograms.shape}; give the column of the axis instead"
        )
    return sinograms, angles


def _groups(sinograms: NDArray) -> Array:
    """Sums of adjacent rows (groups, views, columns): line integrals of a thicker slice."""
    rows = sinograms.shape[1]
    edges = np.linspace(0, rows, min(MOST_GROUPS, rows) + 1).astype(int)
    sums = [sinograms[:, a:b].sum(axis=1, dtype=np.float64) for a, b in pairwise(edges)]
    groups = np.stack(sums)
    if not np.isfinite(groups).all():
        raise DataError("find_center: expected finite line integrals, got NaN or inf; repair first")
    return groups


def _merged_views(groups: Array, angles: Array) -> tuple[Array, Array]:
    """At most 361 views in order of angle; of more, neighbours are averaged."""
    order = np.argsort(np.mod(angles, 2 * np.pi), kind="stable")
    groups, angles = groups[:, order], np.mod(angles, 2 * np.pi)[order]
    size = -(-len(angles) // MOST_VIEWS)
    if size == 1:
        return groups, angles
    starts = np.arange(0, len(angles) - size + 1, size)
    spread = angles[starts + size - 1] - angles[starts]
    # neighbours on both sides of a gap in the scan have no common view
    starts = starts[spread <= 3 * np.median(spread)]
    members = starts[:, None] + np.arange(size)
    return groups[:, members].mean(axis=2), angles[members].mean(axis=1)


def _content(groups: Array) -> Array:
    """How much object each group holds: the variance of its mean view, in which noise has died."""
    return groups.mean(axis=1).var(axis=1)


def _cut_off(sinogram: Array) -> bool:
    """Whether the object reaches an edge of the detector: over a tenth of the fullest columns."""
    margin = max(1, sinogram.shape[1] // 50)
    edges = (sinogram[:, :margin].mean(axis=1), sinogram[:, -margin:].mean(axis=1))
    return bool(np.percentile(edges, 95, axis=1).max() > 0.1 * np.percentile(sinogram, 99))


def _weighted_median(values: list[float], weights: Array) -> float:
    order = np.argsort(values)
    v, w = np.asarray(values)[order], weights[order]
    return float(np.interp(0.5, (np.cumsum(w) - w / 2) / w.sum(), v))


def _coverage(angles: Array) -> float:
    """The part of a half turn [rad] that the views cover: π less the widest gap beyond a step."""
    turned = np.sort(np.mod(angles, np.pi))
    gaps = np.diff(np.append(turned, turned[0] + np.pi))
    return float(np.pi - max(gaps.max() - np.median(gaps), 0.0))


# --- correlation of opposite views ---------------------------------------------------------------


def _opposite_views(angles: Array) -> tuple[NDArray, NDArray, Array] | None:
    """Views with a partner near the half turn: (n,) views, (n, 2) partners, (n, 2) misses [rad].

    None where the best partner misses by more than twice the typical step between views."""
    turned = np.mod(angles, 2 * np.pi)
    order = np.argsort(turned, kind="stable")
    around = turned[order]
    target = np.mod(turned + np.pi, 2 * np.pi)
    nearby = (np.searchsorted(around, target)[:, None] + np.arange(-2, 2)) % len(angles)
    miss = np.mod(around[nearby] - target[:, None] + np.pi, 2 * np.pi) - np.pi
    nearest = np.argsort(np.abs(miss), axis=1, kind="stable")[:, :2]
    partners = order[np.take_along_axis(nearby, nearest, axis=1)]
    miss = np.take_along_axis(miss, nearest, axis=1)
    best = np.abs(miss[:, 0])
    step = np.median(np.diff(np.sort(np.mod(angles, np.pi))))
    if best.min() > max(2 * step, NEAR_HALF_TURN):
        return None
    usable = np.flatnonzero(best <= max(1.001 * best.min(), NEAR_HALF_TURN))
    usable = usable[np.argsort(angles[usable], kind="stable")]
    chosen = usable[np.linspace(0, len(usable) - 1, min(len(usable), MOST_ANCHORS)).astype(int)]
    return chosen, partners[chosen], miss[chosen]


def _by_correlation(sinogram: Array, views: NDArray, partners: NDArray, miss: Array) -> float:
    """Column where views and their mirrored partners correlate best, at a miss of zero."""
    columns = sinogram.shape[1]
    sinogram = gaussian_filter1d(sinogram, max(1.0, columns / 320), axis=1, mode="nearest")
    first = np.repeat(sinogram[views], 2, axis=0)
    second = sinogram[partners.ravel()][:, ::-1]
    score = _correlation(first, second)
    middle = score.sum(axis=0).argmax()
    # a point at the edge of the detector moves by this much while the view turns by the miss
    reach = 2 + int(columns * np.abs(miss).max() / 2)
    low = max(middle - reach, 0)
    shifts = np.array([low + _peak(s[low : middle + reach + 1]) for s in score])
    shifts = shifts.reshape(-1, 2) - (score.shape[1] - 1) / 2
    apart = miss[:, 1] - miss[:, 0]
    twins = np.abs(apart) < 1e-6
    line = (shifts[:, 0] * miss[:, 1] - shifts[:, 1] * miss[:, 0]) / np.where(twins, 1, apart)
    at_half_turn = np.where(twins, shifts.mean(axis=1), line)
    return float((columns - 1 + np.median(at_half_turn)) / 2)


def _correlation(p: Array, q: Array) -> Array:
    """Correlation coefficients of p(u) and q(u - d) over their overlap, |d| ≤ columns / 2.

    (n, columns) each; (n, 2 · (columns // 2) + 1).  The mean is taken out of each overlap, so an
    object cut off by the edges of the detector does not pull the answer to the middle."""
    columns = p.shape[1]
    shifts = np.arange(-(columns // 2), columns // 2 + 1)
    p, q = p - p.mean(axis=1, keepdims=True), q - q.mean(axis=1, keepdims=True)

    def overlap(a: Array, shift: NDArray) -> Array:
        total = np.pad(np.cumsum(a, axis=1), ((0, 0), (1, 0)))
        return total[:, columns + np.minimum(shift, 0)] - total[:, np.maximum(shift, 0)]

    spectrum = np.fft.rfft(p, 2 * columns) * np.fft.rfft(q, 2 * columns).conj()
    product = np.fft.irfft(spectrum, 2 * columns)[:, shifts]
    count = columns - np.abs(shifts)
    mean_p, mean_q = overlap(p, shifts) / count, overlap(q, -shifts) / count
    spread_p = overlap(p * p, shifts) - count * mean_p**2
    spread_q = overlap(q * q, -shifts) - count * mean_q**2
    # an overlap that holds next to nothing of the object must not win by chance
    floor = 0.05 * np.sqrt((p * p).sum(axis=1) * (q * q).sum(axis=1))[:, None]
    energy = np.sqrt(np.maximum(spread_p, 0) * np.maximum(spread_q, 0))
    return (product - count * mean_p * mean_q) / np.maximum(energy, floor + np.finfo(float).tiny)


def _peak(score: Array) -> float:
    """Position of the largest value, refined by the parabola through its neighbours."""
    k = int(np.argmax(score))
    if not 0 < k < len(score) - 1:
        return float(k)
    left, top, right = score[k - 1 : k + 2]
    bend = left - 2 * top + right
    return k if bend == 0 else k + float(0.5 * (left - right) / bend)


# --- consistency of the whole sinogram -----------------------------------------------------------


def _by_mass(sinogram: Array, angles: Array) -> float:
    """Column about which the centre of mass of the views goes round in a circle."""
    columns = np.arange(sinogram.shape[1])
    centroid = sinogram @ columns / sinogram.sum(axis=1).mean()
    terms = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    return float(np.linalg.lstsq(terms, centroid, rcond=None)[0][0])


def _by_consistency(sinogram: Array, angles: Array, cut_off: bool) -> float:
    """Column about which the sinogram obeys the consistency conditions best."""
    width = sinogram.shape[1]
    margin = width // 2 if cut_off else 0
    omega, constant, wave, freedom = _misfit(_tapered(sinogram, margin), angles, width / 2)

    def score(column: Array) -> Array:
        rest = constant + (wave * np.exp(2j * (column[:, None] + margin) * omega)).real
        # the likelihood of Gaussian noise whose level at each frequency is unknown
        return -np.log(np.maximum(rest, 1e-12 * constant)) @ freedom

    middle, reach = (width - 1) / 2, width / 4
    for step in (0.25, 0.01):
        trial = middle + step * np.arange(-int(reach / step), int(reach / step) + 1)
        middle, reach = trial[0] + step * _peak(score(trial)), 0.5
    return float(middle)


def _tapered(sinogram: Array, margin: int) -> Array:
    """The views continued smoothly to zero over `margin` columns on either side."""
    fall = (1 + np.cos(np.pi * np.arange(1, margin + 1) / (margin + 1))) / 2
    some = max(1, sinogram.shape[1] // 50)
    left, right = sinogram[:, :some].mean(axis=1), sinogram[:, -some:].mean(axis=1)
    return np.hstack([np.outer(left, fall[::-1]), sinogram, np.outer(right, fall)])


def _misfit(sinogram: Array, angles: Array, radius: float) -> tuple[Array, Array, NDArray, Array]:
    """What the harmonics leave of the views' energy for every column c of the axis.

    Per frequency ω [rad/column], of n: ω, and constant, wave, freedom such that the misfit is
    constant + Re(wave · exp(2iωc)) with `freedom` degrees of freedom.  Whole periods on the
    detector only: they do not see a constant background."""
    views, columns = sinogram.shape
    omega = 2 * np.pi * np.arange(1, columns // 2) / columns
    # degree ωR, and the tail of the Bessel function beyond it
    degree = np.ceil(omega * radius + 3 * np.cbrt(omega * radius) + 2).astype(int)
    use = max(1, int(np.searchsorted(degree, 0.95 * views)))
    omega, degree = omega[:use], degree[:use]
    g = np.fft.rfft(sinogram, axis=1)[:, 1 : use + 1]
    parts = np.stack([g.real, g.imag])
    total = np.einsum("aij,bij->abj", parts, parts)

    def outside(parity: int) -> Array:
        """What harmonics of one parity leave of the products of Re g and Im g, (2, 2, n)."""
        harmonics = np.arange(parity, degree.max() + 1, 2)
        turns = angles[:, None] * harmonics
        basis = np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(views, -1)
        basis = basis if parity else np.delete(basis, 1, axis=1)  # sin 0
        # QR keeps the order of the harmonics, so one basis serves every degree
        inside = np.einsum("vk,avj->akj", np.linalg.qr(basis)[0], parts)
        explained = np.cumsum(np.einsum("akj,bkj->abkj", inside, inside), axis=2)
        terms = 2 * np.searchsorted(harmonics, degree, side="right") - (1 - parity)
        return total - explained[:, :, np.minimum(terms, explained.shape[2]) - 1, range(use)]

    even, odd = outside(0), outside(1)
    constant = (even[0, 0] + even[1, 1] + odd[0, 0] + odd[1, 1]) / 2
    in_phase = (even[0, 0] + odd[1, 1] - even[1, 1] - odd[0, 0]) / 2
    wave = in_phase - 1j * (odd[0, 1] - even[0, 1])
    return omega, constant, wave, np.maximum(2 * (views - degree) - 1, 1).astype(float)
