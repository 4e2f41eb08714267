"""The deviance that noise leaves of counts, d(k, μ) = 2 (μ − k + k log(k/μ)),  k ~ Poisson(μ).

It has mean and variance of χ² of one degree of freedom for large μ only.  The mean is 1.15 at
μ = 1.2 and falls to 0 with μ: where most counts are 0, √m is far too large a norm of the residual.

The means μ are found from the counts themselves.  A count is predicted from its neighbours without
itself, by a Gaussian window; an isotonic regression of the counts on the predictions then corrects
the predictions (a window that reaches over an edge predicts light where there is none).  Of several
widths the one that expects least counts, as a wrong width mixes different means and the expected
deviance is concave where means are small.

The expected deviance as discrepancy: Bardsley and Goldes, Inverse Problems 25 (2009) 095005;
Santos and De Pierro, J. Comput. Appl. Math. 232 (2009) 54; Zanella, Boccacci, Zanni and Bertero,
Inverse Problems 25 (2009) 045010."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTHS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)  # standard deviations of the windows
MOST_COUNTS = 1 << 18  # counts judged of a slice
BAND = 64  # rows of a plane that are judged together
LARGE = 50.0  # mean from which the series of the expected deviance holds


def noise_deviance(
    y: NDArray, gain: float = 1.0, scale: Any = 1.0, used: Any = True
) -> tuple[float, float]:
    """Mean and variance of Σ d(y, μ) for counts y (…, columns) of unknown smooth means.

    gain: units of y per count; a deviance of grey values is `gain` times that of counts.  scale:
    response of each datum, broadcastable; μ/scale is smooth.  used: mask of the data that count,
    broadcastable.  More than 2¹⁸ counts are judged by bands of their rows.  Holds these."""
    used = np.asarray(used)
    total = np.count_nonzero(used) * (y.size // max(used.size, 1))
    bands = _bands(y, np.asarray(scale), used, gain)
    seen = sum(int(np.count_nonzero(mask)) for *_, mask in bands)
    if not seen:
        return 0.0, 0.0
    counts = np.concatenate([band[mask] for band, _, mask in bands])
    found = []
    for width in WIDTHS:
        predicted = np.concatenate([_predicted(*parts, width)[parts[2]] for parts in bands])
        means = _calibrated(counts, predicted)
        found.append((float(expected_deviance(means).sum()), float(_variance(means).sum())))
    mean, variance = min(found)
    return gain * mean * total / seen, gain**2 * variance * total / seen


def expected_deviance(mean: NDArray) -> Array:
    """E d(k, μ) for k ~ Poisson(μ): 0 at μ = 0, 1.15 at 1.2, 1 + 1/(6 μ) from 50."""
    means, deviances, _ = _table()
    small = np.interp(mean, means, deviances)
    return np.where(mean < LARGE, small, 1 + 1 / (6 * np.maximum(mean, 1)))


def _variance(mean: NDArray) -> Array:
    """Var d(k, μ) for k ~ Poisson(μ), 2 for large μ."""
    means, _, variances = _table()
    return np.interp(mean, means, variances)


def _bands(y: NDArray, scale: NDArray, used: NDArray, gain: float) -> list[tuple[Any, Any, Any]]:
    """Evenly spaced bands of rows of the planes of y, as counts, with their scales and masks."""
    *lead, rows, columns = (1, 1, *y.shape)
    each, across = min(BAND, rows) * columns, -(-rows // BAND)
    places = math.prod(lead) * across
    number = min(places, max(1, MOST_COUNTS // max(each, 1)))
    wide = [np.broadcast_to(a, y.shape)[np.newaxis, np.newaxis] for a in (y, scale, used)]
    bands: list[Any] = []
    for place in np.linspace(0, places - 1, number).astype(int):
        *plane, band = np.unravel_index(place, (*lead, across))
        y_part, *parts = (a[(*plane, slice(band * BAND, (band + 1) * BAND))] for a in wide)
        bands.append((np.float64(y_part) / gain, *parts))
    return bands


def _predicted(y: NDArray, scale: Array, used: NDArray, width: float) -> Array:
    """The mean of each count (rows, columns) by its neighbours, itself left out.

    A count without any neighbour in reach is predicted by the mean of all."""
    from scipy.ndimage import gaussian_filter

    sigma = (width if len(y) > 1 else 0, width)
    point = np.zeros(2 * int(4 * width + 0.5) + 3)
    point[len(point) // 2] = 1
    own = float(gaussian_filter(point, width).max()) ** (2 if len(y) > 1 else 1)
    counts, response = np.where(used, y, 0.0), np.where(used, scale, 0.0)
    light, weight = (
        gaussian_filter(a, sigma, mode="constant") - own * a for a in (counts, response)
    )
    enough = weight > 1e-6 * own * max(float(response.max()), np.finfo(float).tiny)
    usual = counts.sum() / max(float(response.sum()), np.finfo(float).tiny)
    return scale * np.where(enough, np.maximum(light, 0) / np.where(enough, weight, 1), usual)


def _calibrated(counts: Array, predicted: Array) -> Array:
    """Means that rise with the predictions and fit the counts: isotonic regression."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(predicted, kind="stable")
    means: Array = isotonic_regression(counts[order]).x
    return means


@lru_cache(1)
def _table() -> tuple[Array, Array, Array]:
    """Means from 0 to 50, and mean and variance of the deviance summed term by term."""
    means = np.concatenate([[0], np.geomspace(1e-6, LARGE, 600)])
    k = np.arange(200.0)[:, None]
    log_factorial = np.concatenate([[0], np.cumsum(np.log(np.arange(1, 200)))])[:, None]
    mu = means[1:]
    probability = np.exp(k * np.log(mu) - mu - log_factorial)
    deviance = 2 * (mu - k + k * np.log(np.maximum(k, 1) / mu))
    mean = (probability * deviance).sum(axis=0)
    variance = (probability * (deviance - mean) ** 2).sum(axis=0)
    mean, variance = (np.concatenate([[0], values]) for values in (mean, variance))
    return means, mean, variance
