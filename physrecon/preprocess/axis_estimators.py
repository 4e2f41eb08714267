"""Three ways to find the rotation axis in one sinogram.

Opposite views.  Two views half a turn apart are mirror images about the axis: with p(θ, u) =
f(u - c) the mirrored opposite view is f shifted by d = 2c - (N - 1), so c = (N - 1 + d) / 2.  A
full turn has many such pairs: the sum of their squared differences finds any axis, also one near
the edge.  A half turn has a few, which miss the half turn by a small angle m and see the axis
displaced in proportion to m: a straight line through the two nearest partners of a view gives the
column at m = 0.

Consistency.  Taken about the axis, the transform of the views along the detector,
g(θ) = exp(iωc) ∫ p(θ, u) exp(-iωu) du, is a trigonometric polynomial in θ of degree ≲ ωR for an
object of radius R (the condition of Helgason 1965 and Ludwig 1966 in Fourier form; the "double
wedge" of Vo et al. 2014, Optics Express 22, 19078).  A half turn conjugates g, so Re g holds even
harmonics alone and Im g odd ones.  Their residual is, per frequency, a constant plus
Re(s exp(2iωc)): one complex s per frequency gives the misfit of every column c.  It uses all
views, at any angles.

Mass.  The centre of mass of a view moves as c + a cos θ + b sin θ (the condition of first order).
It weighs all views alike.  Over a half turn the other two depend on how the ends meet, so a sample
that slipped shows as a disagreement.  Without opposite views, mass alone gives the column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from physrecon.cancellation import cancellation_point
from physrecon.preprocess.coverage import edges

Array = NDArray[np.float64]

MOST_ANCHORS, MOST_HARMONICS = 12, 128
LEAST_OVERLAP = 0.06  # of the detector that opposite views share; the axis is half of it inside
NEAR_HALF_TURN, SAME_ANGLE = np.deg2rad(1.5), 1e-4
WIDEST_GAP = np.deg2rad(4)  # between two views that a view is interpolated from
FEWEST_PAIRS, SECTORS = 12, 6
FAINT = 0.01  # of the energy of the views; an overlap with less tells nothing
TINY = np.finfo(float).tiny


# --- opposite views ------------------------------------------------------------------------------


def opposite_views(angles: Array) -> tuple[NDArray, NDArray, Array] | None:
    """Views with a partner near the half turn: (n,) views, (n, 2) partners, (n, 2) misses [rad].

    None if the best partner misses by more than twice the typical step between views."""
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


def many_opposites(angles: Array) -> tuple[NDArray, NDArray, Array] | None:
    """Every view of a half turn with its opposite: (n,) views, (n, 2) partners, (n, 2) weights.

    The opposite view is interpolated between two that are close to each other.  None without
    FEWEST_PAIRS of them."""
    turned = np.mod(angles, 2 * np.pi)
    order = np.argsort(turned, kind="stable")
    first = order[turned[order] < np.pi]
    after = np.searchsorted(turned[order], turned[first] + np.pi - SAME_ANGLE) % len(angles)
    partners = np.stack([order[after - 1], order[after]], axis=1)
    miss = turned[partners] - turned[first][:, None] - np.pi
    miss = np.mod(miss + np.pi, 2 * np.pi) - np.pi
    gap = miss[:, 1] - miss[:, 0]
    exact = np.abs(miss[:, 1]) <= SAME_ANGLE
    usable = exact | ((gap > 0) & (gap <= WIDEST_GAP) & (miss[:, 0] <= 0) & (miss[:, 1] >= 0))
    before = np.where(exact, 0.0, miss[:, 1] / np.where(gap > 0, gap, 1))
    weights = np.stack([before, 1 - before], axis=1)
    if usable.sum() < FEWEST_PAIRS:
        return None
    return first[usable], partners[usable], weights[usable]


def by_opposites(
    sinogram: Array, views: NDArray, partners: NDArray, weights: Array
) -> tuple[float, float]:
    """Column about which all views equal their mirrored opposites, and how well it is known.

    Any column is searched that leaves LEAST_OVERLAP of the detector to both views.  The
    place is where the overlap is explained best, the column where the mean square of the
    difference is least.  The error is the standard deviation of SECTORS sectors of the views: noise
    and a drift of the object make them differ."""
    columns = sinogram.shape[1]
    least = max(MOST_ANCHORS // 2, int(LEAST_OVERLAP * columns))
    smooth = gaussian_filter1d(sinogram, max(1.0, columns / 320), axis=1, mode="nearest")
    reach = columns - least
    energy, product = np.empty((2, SECTORS, 2 * reach + 1))
    for k, some in enumerate(np.array_split(np.arange(len(views)), SECTORS)):
        cancellation_point()
        opposite = np.einsum("vk,vkc->vc", weights[some], smooth[partners[some]])[:, ::-1]
        count, *sums = _overlaps(smooth[views[some]], opposite, reach)
        energy[k], product[k] = (each.sum(axis=0) for each in sums)
    rest = energy - product
    # an overlap with next to nothing of the object must not win by chance
    floor = FAINT * energy.sum(axis=0).max() * count / columns
    gain = count * np.log((energy.sum(axis=0) + floor) / (rest.sum(axis=0) + floor))
    reach = max(4, columns // 16)
    low = max(int(gain.argmax()) - reach, 0)
    near = -(rest / count)[:, low : low + 2 * reach + 1]
    shift = low + peak(near.sum(axis=0)) - (len(count) - 1) / 2
    error = float(np.std([peak(sector) for sector in near], ddof=1)) / 2
    return (columns - 1 + shift) / 2, error


def by_correlation(
    sinogram: Array, views: NDArray, partners: NDArray, miss: Array
) -> tuple[float, float]:
    """Column where a few views and their mirrored partners correlate best, at a miss of zero, and
    its standard error.  The middle half of the detector is searched."""
    columns = sinogram.shape[1]
    sinogram = gaussian_filter1d(sinogram, max(1.0, columns / 320), axis=1, mode="nearest")
    first = np.repeat(sinogram[views], 2, axis=0)
    second = sinogram[partners.ravel()][:, ::-1]
    _, energy, product = _overlaps(first, second, columns // 2)
    score = product / np.maximum(energy, 0.05 * energy.max(axis=1, keepdims=True) + TINY)
    middle = score.sum(axis=0).argmax()
    # a point at the edge of the detector moves by this much while the view turns by the miss
    reach = 2 + int(columns * np.abs(miss).max() / 2)
    low = max(middle - reach, 0)
    shifts = np.array([low + peak(s[low : middle + reach + 1]) for s in score])
    shifts = shifts.reshape(-1, 2) - (score.shape[1] - 1) / 2
    apart = miss[:, 1] - miss[:, 0]
    twins = np.abs(apart) < 1e-6
    line = (shifts[:, 0] * miss[:, 1] - shifts[:, 1] * miss[:, 0]) / np.where(twins, 1, apart)
    at_half_turn = np.where(twins, shifts.mean(axis=1), line)
    spread = np.percentile(at_half_turn, 84) - np.percentile(at_half_turn, 16)
    # the views are neighbours: they see the same edges
    error = spread / np.sqrt(len(views))
    return float((columns - 1 + np.median(at_half_turn)) / 2), float(error) / 2


def _overlaps(p: Array, q: Array, reach: int) -> tuple[Array, Array, Array]:
    """Of p(u) and q(u - d), |d| ≤ reach, over their overlap: (m,) columns, (n, m) sums p² + q², and
    2 p q, m = 2 · reach + 1.

    (n, columns) each.  The mean is taken out of each overlap, so an object cut off by the
    edges of the detector does not pull the answer to the middle."""
    columns = p.shape[1]
    shifts = np.arange(-reach, reach + 1)
    p, q = p - p.mean(axis=1, keepdims=True), q - q.mean(axis=1, keepdims=True)

    def overlap(a: Array, shift: NDArray) -> Array:
        total = np.pad(np.cumsum(a, axis=1), ((0, 0), (1, 0)))
        return total[:, columns + np.minimum(shift, 0)] - total[:, np.maximum(shift, 0)]

    spectrum = np.fft.rfft(p, 2 * columns) * np.fft.rfft(q, 2 * columns).conj()
    product = np.fft.irfft(spectrum, 2 * columns)[:, shifts]
    count = (columns - np.abs(shifts)).astype(float)
    mean_p, mean_q = overlap(p, shifts) / count, overlap(q, -shifts) / count
    spread_p = np.maximum(overlap(p * p, shifts) - count * mean_p**2, 0)
    spread_q = np.maximum(overlap(q * q, -shifts) - count * mean_q**2, 0)
    return count, spread_p + spread_q, 2 * (product - count * mean_p * mean_q)


def peak(score: Array) -> float:
    """Position of the largest value, refined by the parabola through its neighbours."""
    k = int(np.argmax(score))
    if not 0 < k < len(score) - 1:
        return float(k)
    left, top, right = score[k - 1 : k + 2]
    bend = left - 2 * top + right
    return k if bend == 0 else k + float(0.5 * (left - right) / bend)


# --- consistency of the whole sinogram -----------------------------------------------------------


def by_mass(sinogram: Array, angles: Array) -> tuple[float, float]:
    """Column of the axis about which the centre of mass of the views circles, its standard error.

    Only the columns that the object covers in any view count; the others are background."""
    width = sinogram.shape[1]
    smooth = gaussian_filter1d(sinogram, max(1.0, width / 160), axis=1, mode="nearest")
    highest = np.percentile(smooth, 98, axis=0)
    highest -= highest.min()
    covered = np.flatnonzero(highest >= 0.05 * highest.max())
    inside = slice(covered[0], covered[-1] + 1)
    outside = np.delete(sinogram, inside, axis=1)
    views = sinogram[:, inside] - (outside.mean() if outside.size else 0.0)
    # moment = mass · (c + a cos θ + b sin θ): no division by the mass of an empty view
    terms = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    mass, moment = views.sum(axis=1), views @ np.arange(width)[inside]
    system = terms * mass[:, None]
    found = np.linalg.lstsq(system, moment, rcond=None)[0]
    rest = (moment - system @ found)[np.argsort(angles, kind="stable")]
    # a slow drift makes neighbours alike: they count as one
    alike = float(np.clip(rest[1:] @ rest[:-1] / max(rest @ rest, TINY), 0, 0.9))
    variance = rest @ rest / max(len(rest) - 3, 1) * (1 + alike) / (1 - alike)
    error = np.sqrt(variance * np.linalg.pinv(system.T @ system)[0, 0])
    return float(found[0]), float(error)


def harmonics(angles: Array) -> tuple[Array, Array]:
    """Orthonormal bases (views, n) of the even and the odd harmonics, low degrees first.

    QR keeps that order, so the first columns of one basis serve each lower degree."""
    degrees = np.arange(1, min(int(0.95 * len(angles)), MOST_HARMONICS) + 1)
    turns = angles[:, None] * degrees
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=2)
    even, odd = (waves[:, first::2].reshape(len(angles), -1) for first in (1, 0))
    constant = np.ones((len(angles), 1))
    return np.linalg.qr(np.hstack([constant, even]))[0], np.linalg.qr(odd)[0]


def by_consistency(
    sinogram: Array, bases: tuple[Array, Array], cut_off: bool, near: float | None = None
) -> tuple[float, float]:
    """Column about which the sinogram obeys the consistency conditions best, its standard error.

    bases: `harmonics` of its angles.  cut_off: the object is wider than the detector.  near: search
    around this column; None searches the middle half of the detector."""
    width = sinogram.shape[1]
    margin = width // 2 if cut_off else 0
    omega, constant, wave, freedom = _misfit(_tapered(sinogram, margin), bases, width / 2)

    def score(column: Array) -> Array:
        rest = constant + (wave * np.exp(2j * (column[:, None] + margin) * omega)).real
        # the likelihood of Gaussian noise whose level at each frequency is unknown
        return -np.log(np.maximum(rest, 1e-12 * constant)) @ freedom

    middle, reach = (width - 1) / 2, width / 4
    if near is not None:
        middle, reach = near, max(MOST_ANCHORS / 2, width / 16)
    for step in (0.25, 0.01):
        cancellation_point()
        trial = middle + step * np.arange(-int(reach / step), int(reach / step) + 1)
        middle, reach = trial[0] + step * peak(score(trial)), 0.5
    below, top, above = score(middle + 0.05 * np.arange(-1, 2))
    # the score is twice a logarithm of probability
    bend = max((2 * top - below - above) / 0.05**2, TINY)
    return float(middle), float(np.sqrt(2 / bend))


def _tapered(sinogram: Array, margin: int) -> Array:
    """The views continued smoothly to zero over `margin` columns on either side."""
    if margin == 0:
        return sinogram
    fall = (1 + np.cos(np.pi * np.arange(1, margin + 1) / (margin + 1))) / 2
    left, right = edges(sinogram)
    return np.hstack([np.outer(left, fall[::-1]), sinogram, np.outer(right, fall)])


def _misfit(
    sinogram: Array, bases: tuple[Array, Array], radius: float
) -> tuple[Array, Array, NDArray, Array]:
    """Energy of the views outside the harmonics, for every column c of the axis.

    For n frequencies ω [rad/column]: ω, constant, wave and freedom.  The misfit is
    constant + Re(wave · exp(2iωc)) with `freedom` degrees of freedom.  All ω have whole periods on
    the detector, so that a constant background has no effect."""
    views, columns = sinogram.shape
    omega = 2 * np.pi * np.arange(1, columns // 2) / columns
    # degree ωR, and the tail of the Bessel function beyond it
    degree = np.ceil(omega * radius + 3 * np.cbrt(omega * radius) + 2).astype(int)
    use = max(1, int(np.searchsorted(degree, bases[0].shape[1])))
    omega, degree = omega[:use], degree[:use]
    spectrum = np.fft.rfft(sinogram, axis=1)[:, 1 : use + 1]
    parts = np.moveaxis(spectrum.view(np.float64).reshape(views, use, 2), 2, 0)  # no copy
    total = np.einsum("aij,bij->abj", parts, parts)

    def outside(basis: Array, terms: NDArray) -> Array:
        """Products of Re g and Im g outside the first terms of a basis, (2, 2, n)."""
        inside = np.einsum("vk,avj->akj", basis, parts)
        explained = np.cumsum(np.einsum("akj,bkj->abkj", inside, inside), axis=2)
        return total - explained[:, :, np.minimum(terms, basis.shape[1]) - 1, range(use)]

    even = outside(bases[0], 1 + 2 * (degree // 2))
    odd = outside(bases[1], 2 * ((degree + 1) // 2))
    constant = (even[0, 0] + even[1, 1] + odd[0, 0] + odd[1, 1]) / 2
    constant = np.maximum(constant, 1e-12 * (total[0, 0] + total[1, 1]) + np.finfo(float).tiny)
    in_phase = (even[0, 0] + odd[1, 1] - even[1, 1] - odd[0, 0]) / 2
    wave = in_phase - 1j * (odd[0, 1] - even[0, 1])
    return omega, constant, wave, np.maximum(2 * (views - degree) - 1, 1).astype(float)
