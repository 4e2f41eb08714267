"""Test whether a model explains its data, by the residual that it leaves.

Noise knows neither the object nor the view it is in.  So a sound residual has no correlation
between neighbouring views, no mean in any view or column, and does not resemble a pattern that a
wrong parameter would leave.  It need not be white along rows and columns: the noise of many
detectors is not.

A pattern d is what changes in the data when a parameter does, without the part that x can imitate.
The share of χ² that the parameter would explain is ⟨r, d⟩² / (‖d‖² ‖r‖²), Rao's score test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

from physrecon import arrays
from physrecon.errors import ArgumentError, brief
from physrecon.model_check.causes import advice

Array = NDArray[np.float64]

AXES = ("view", "row", "column", "plane")
REACH = 8  # neighbours of a pixel that may share its noise
# Thresholds: above the most of sound runs, see benchmarks/mismatch.py
VIEWS = 0.25  # correlation of views one to three apart, of means of
SMOOTH = 4  # columns, which single details of the object do not reach
# Beyond these a cause is worth a search, and no more: what a fit learns of noise makes views unlike
DOUBT_VIEWS = -0.02  # such a correlation
DOUBT = 0.02  # a share of χ²
OFFSETS = 3.0  # mean square of a view's mean, in units of that of noise
OUTLIER = 10.0  # spreads by which the mean of a single column of a scan is off
LINE = 20.0  # the same, of a single row or column of an image
SHARE = 0.045  # of χ² that a cause explains
SHARES = {"columns": 0.075}  # the same; every detector has a column that is worst
FEW = 1300  # data, of which patterns explain twice as much by chance
FEWER = (1.0, 0.88, 0.8)  # by the number of patterns: shares are multiplied by this to be compared
EDGES = 2.0  # factor on the share of truncation, whose patterns are given for dark edges only
SHARE_OF_ONE, SCORE = 0.01, 5.0  # of χ², and in standard deviations, of one pattern of one sign
BLOCKS = 8  # along each axis, to find the standard deviation of a score
SAID = 2  # causes in a sentence
WIDTH = 5  # columns whose median a single column is compared with
BRIGHT = 2.0  # times the mean square of neighbours; a single column may have more
ALIKE = 1e-5  # of a pattern; less is left of one that others of the cause make up


@dataclass(frozen=True)
class ModelCheck:
    """The result of `check_model`.

    fits: whether no test fails.  chi2: mean square of the residual, 1 for noise alone.
    unexplained: that of the part which was tested, less where x has learned noise.
    correlation: of neighbours, by axis.  maps: mean square of the residual for every index of an
    axis.  causes: (name, share of χ² explained), the likeliest first; empty if it fits, or if no
    known cause has the pattern.  doubtful: whether patterns of causes are worth a search.
    amounts: cause → how much, in words."""

    fits: bool
    chi2: float
    unexplained: float
    correlation: Mapping[str, float]
    maps: Mapping[str, Array] = field(repr=False)
    causes: tuple[tuple[str, float], ...] = ()
    doubtful: bool = False
    amounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What is wrong and what mends it; empty if the model fits."""
        if self.fits:
            return ""
        named = [name for name, _ in self.causes[:SAID]]
        causes = [advice(name, self.amounts.get(name, "")) for name in named] or [advice(None)]
        return f"the model does not fit the data: {'; or '.join(causes)}"

    def figures(self) -> dict[str, Any]:
        """The figures that are stored with a result, rounded."""
        return {
            "fits": self.fits,
            "chi2": _rounded(self.chi2),
            "unexplained": _rounded(self.unexplained),
            "correlation": {axis: _rounded(v) for axis, v in self.correlation.items()},
            "causes": {name: _rounded(share) for name, share in self.causes},
        }


def check_model(
    residual: ArrayLike,
    axes: Sequence[str],
    patterns: Mapping[str, Any] | None = None,
    shares: Mapping[str, float] | None = None,
    chi2: float | None = None,
    amounts: Mapping[str, str] | None = None,
) -> ModelCheck:
    """Test a residual, in standard deviations of the noise, and name causes by their patterns.

    Args:
        residual: real, NaN where a datum is missing.
        axes: the name of each axis, of "view", "plane", "row" and "column", the last one of "row"
            and "column".
        patterns: cause → change of the data with its parameter, standardised like the residual; or
            several, stacked along a new first axis.  By default none.
        shares: cause → share of χ² that a fit with its parameter free has explained, for causes
            that no pattern describes.  By default none.
        chi2: that of the result, if `residual` is one from which x has learned more since.
        amounts: cause → how much, in words; by default none.
    Returns:
        ModelCheck: whether the model fits, χ², correlations, the likely causes.
    Raises:
        ArgumentError: for other axes, shapes or infinite values.
    Source:
        C. R. Rao, Proc. Camb. Phil. Soc. 44 (1948) 50: the score test.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((60, 1, 80))
        >>> pr.check_model(noise, ("view", "row", "column")).fits
        True
        >>> drift = 0.5 * np.sin(np.arange(60))[:, None, None]
        >>> check = pr.check_model(noise + drift, ("view", "row", "column"))
        >>> check.fits, check.causes[0][0]
        (False, 'drift')
    """
    r = _checked(residual, axes)
    known = np.isfinite(r)
    r = np.where(known, r, 0.0)
    count, total = max(int(known.sum()), 1), float((r * r).sum())
    maps = {axis: _means(r * r, known, i) for i, axis in enumerate(axes) if r.shape[i] > 1}
    found = dict(shares or {})
    odd, doubtful = False, False
    if total > 0:
        for cause, share in _told(r, patterns or {}, count).items():
            found[cause] = max(share, found.get(cause, 0.0))
        tests = _scan_tests if "view" in axes else _image_tests
        odd, doubtful, more = tests(r, known, tuple(axes))
        if patterns:  # those of columns are surer than their means
            more.pop("columns", None)
        found = found or more
    left = total / count
    value = left if chi2 is None else chi2
    fits = not (odd or found)
    return ModelCheck(
        fits, value, left, _correlations(r, axes), maps,
        _ranked(found, patterns or {}, shares or {}, r.ndim),
        doubtful or not fits, dict(amounts or {}),
    )  # fmt: skip


def _told(r: Array, patterns: Mapping[str, Any], count: int) -> dict[str, float]:
    """cause → share of χ² that its patterns explain, where that is more than chance."""
    found = {}
    for cause, pattern in patterns.items():
        share, score = explained(r, np.asarray(pattern, np.float64))
        least = least_share(cause, count)
        if share > least or (share > SHARE_OF_ONE * least / SHARE and score > SCORE):
            found[cause] = share
    return found


def _ranked(
    found: dict[str, float], patterns: Mapping[str, Any], fitted: Mapping[str, float], rank: int
) -> tuple[tuple[str, float], ...]:
    """The causes, the likeliest first: many patterns explain a part of what is another's."""

    def key(one: tuple[str, float]) -> float:
        if one[0] == "truncation":  # the edges of the detector speak for it too
            return -EDGES * one[1]
        # a fit has explained all that it can: an axis that does as much as movement is likelier
        if one[0] in fitted or (one[0] == "moved" and "axis" in fitted):
            return -one[1]
        shape = np.shape(patterns.get(one[0], 0.0))
        return -one[1] * FEWER[min(shape[0], len(FEWER)) - 1 if len(shape) > rank else 0]

    return tuple(sorted(found.items(), key=key))


def _checked(residual: Any, axes: Sequence[str]) -> Array:
    r = arrays.to_host(arrays.plain("check_model(residual)", residual))
    r = arrays.floats("check_model(residual)", r)
    if not isinstance(axes, list | tuple):
        raise ArgumentError(f"check_model(axes): expected a list of names, got {brief(axes)}")
    names = set(axes)
    if len(axes) != r.ndim or len(names) < len(axes) or not names <= set(AXES) or r.ndim < 1:
        raise ArgumentError(
            f"check_model(axes): expected a name for each of {r.ndim} axes among "
            f"{', '.join(AXES)}, got {tuple(axes)}"
        )
    if np.isinf(r).any():
        raise ArgumentError("check_model(residual): expected finite numbers or NaN, got infinity")
    return r


def _scan_tests(
    r: Array, known: NDArray[Any], axes: tuple[str, ...]
) -> tuple[bool, bool, dict[str, float]]:
    """(whether noise alone is unlikely, whether there is doubt, cause → share of χ²), by what noise
    has none of: means of a view or a column, and correlation between views."""
    view, last = axes.index("view"), r.ndim - 1
    views, columns = r.shape[view], r.shape[last]
    total, found = float((r * r).sum()), {}
    per_view, per_column = _mean(r, known, last), _mean(r, known, view)
    q = np.where(known, r - per_view - per_column, 0.0)
    rest = float((q * q).sum()) / max(known.sum(), 1)
    if not rest or views < 3:
        return False, False, {}
    together = max(1 + 2 * sum(_lag(q, last, k) for k in range(1, min(REACH, columns - 1))), 0.3)
    excess = float((per_view**2).mean()) * columns / (rest * together)
    drift = (1 - 1 / excess) * float((per_view**2).sum()) * columns / total if excess else 0.0
    if excess > OFFSETS and drift > least_share("drift", int(known.sum())):
        found["drift"] = float(drift)
    off = _single(per_column, last, OUTLIER)
    single = float((per_column[off] ** 2).sum()) * views / total
    if single > DOUBT:
        found["columns"] = single
    alike = views_alike(r, view)
    uneven = _uneven(r, last)
    doubtful = alike > DOUBT_VIEWS or drift > DOUBT or uneven > DOUBT
    return alike > VIEWS, doubtful or bool(found), found


def least_share(cause: str, count: int) -> float:
    """The share of χ² that a cause explains at least; of few data, chance explains much."""
    return SHARES.get(cause, SHARE) * (1 + (FEW / max(count, 1)) ** 2)


def views_alike(r: NDArray[np.floating[Any]], view: int = 0) -> float:
    """The correlation of views one to three apart, of means of adjacent columns; no NaN counts."""
    smooth = _block_means(np.nan_to_num(r).astype(np.float64), r.ndim - 1, SMOOTH)
    return float(np.mean([_lag(smooth, view, k) for k in (1, 2, 3) if k < r.shape[view]]))


def _image_tests(
    r: Array, known: NDArray[Any], axes: tuple[str, ...]
) -> tuple[bool, bool, dict[str, float]]:
    """The same of an image, by single rows and columns."""
    found: dict[str, float] = {}
    for axis in range(max(r.ndim - 2, 0), r.ndim):
        across = r.ndim - 2 if axis == r.ndim - 1 else r.ndim - 1
        if r.ndim < 2:
            continue
        means = _mean(r, known, across)
        off = _single(means, axis, LINE)
        if off.any():
            share = float((means[off] ** 2).sum()) * r.shape[across] / float((r * r).sum())
            found["lines"] = found.get("lines", 0.0) + share
    return False, bool(found), found


def _block_means(r: Array, axis: int, size: int) -> Array:
    """Means of adjacent elements along the last axis; those beyond the last block are left out."""
    blocks = max(r.shape[axis] // size, 1)
    size = r.shape[axis] // blocks
    return r[..., : blocks * size].reshape(*r.shape[:-1], blocks, size).mean(-1)


def _uneven(r: Array, axis: int) -> float:
    """The share of χ² of single indices of an axis above that of their neighbours."""
    energy = (r * r).sum(tuple(i for i in range(r.ndim) if i != axis))
    usual = median_filter(energy, WIDTH, mode="nearest")
    above = np.where(energy > BRIGHT * usual, energy - usual, 0.0)
    return float(above.sum() / energy.sum())


def _single(means: Array, axis: int, most: float) -> NDArray[np.bool_]:
    """Which means along an axis stand out from their neighbours."""
    size = [1] * means.ndim
    size[axis] = min(WIDTH, means.shape[axis])
    rough = means - median_filter(means, size, mode="nearest")
    spread = 1.4826 * float(np.median(np.abs(rough)))
    return np.abs(rough) > most * spread if spread else np.zeros(means.shape, bool)


def explained(
    r: NDArray[np.floating[Any]], patterns: NDArray[np.floating[Any]]
) -> tuple[float, float]:
    """(share of χ² that patterns explain, score of a single one in its own standard deviations).

    A single pattern counts with its own sign only.  The standard deviation is found from blocks of
    the data, whatever the noise."""
    single = patterns.ndim == r.ndim
    stack = (patterns[None] if single else patterns).reshape(-1, r.size)
    basis, triangle = np.linalg.qr(stack.T)
    sizes = np.abs(np.diag(triangle))
    part = basis[:, sizes > ALIKE * sizes.max(initial=0)].T @ r.ravel()
    share = float(part @ part) / float((r * r).sum())
    if not single:
        return share, 0.0
    sums = _block_sums(r * patterns)
    spread = float(sums.std(ddof=1)) * np.sqrt(sums.size) if sums.size > 1 else np.inf
    score = float(sums.sum()) / spread if spread else 0.0
    return (share, score) if score > 0 else (0.0, 0.0)


def _block_sums(values: Array) -> Array:
    for axis in range(values.ndim):
        n = values.shape[axis]
        starts = np.unique(np.linspace(0, n, min(BLOCKS, n), endpoint=False).astype(int))
        values = np.add.reduceat(values, starts, axis)
    return values.ravel()


def _mean(r: Array, known: NDArray[Any], axis: int) -> Array:
    """Mean along an axis, which is kept."""
    return r.sum(axis, keepdims=True) / np.maximum(known.sum(axis, keepdims=True), 1)


def _means(values: Array, known: NDArray[Any], axis: int) -> Array:
    """Mean of everything for each index of an axis."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    return values.sum(others) / np.maximum(known.sum(others), 1)


def _lag(q: Array, axis: int, k: int) -> float:
    """Correlation of elements k apart along an axis."""
    n = q.shape[axis]
    ahead, behind = (np.take(q, range(*s.indices(n)), axis) for s in (slice(k, n), slice(0, n - k)))
    total = float((q * q).sum())
    return float((ahead * behind).sum()) / total if total else 0.0


def _correlations(r: Array, axes: Sequence[str]) -> dict[str, float]:
    return {axis: _lag(r, i, 1) for i, axis in enumerate(axes) if r.shape[i] > 1}


def _rounded(value: float) -> float:
    """Three digits: finer than it matters, and the same on every machine."""
    return float(f"{value:.3g}")
