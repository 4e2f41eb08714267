"""Deconvolution in one step: a filter that scales every frequency of the data.

    x̂(f) = ŷ(f) h̄(f) / (|h(f)|² + r(f)),   h the transform of the PSF

    wiener            r = N / S(f): noise over signal; least expected ‖x − truth‖² (Wiener 1949)
    tikhonov_filter   r = w |k(f)|²: minimises ½ ‖psf ∗ x − y‖² + ½ w ‖K x‖² (Tikhonov 1963)

Both are exact for periodic blur.  For other boundaries the frame is embedded in a periodic image,
filtered there, and cut out again: see `analytic.periodic_image`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.analytic.periodic_image import PeriodicImage, squared_modulus
from physrecon.errors import ArgumentError

OPERATORS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda squared: squared * 0 + 1,
    "gradient": lambda squared: squared,
    "laplacian": lambda squared: squared**2,
}  # |k|² of K from that of the gradient, the sum of (2 sin(π f) / voxel size)² over the axes
SAMPLES = 1 << 15  # frequencies used to fit the spectra of signal and noise
STEEPEST = 6.0  # largest β of a spectrum; images have about 1 (Field 1987)
WEIGHTS = np.logspace(-12, 4, 33)  # first grid for GCV, in units of max |h|² / max |k|²


def wiener(
    y: Any,
    psf: Any,
    *,
    noise: float | None = None,
    balance: float | None = None,
    boundary: str = "unknown",
    center: Any = None,
    normalize: bool = False,
    oversize: bool = False,
) -> Any:
    """The image of least expected squared error, of the shape of y, by fitting its spectrum S(f).

    y: (…, rows, columns) or (…, planes, rows, columns), float32 or float64, on CPU or GPU; images
    along leading axes that the PSF lacks are filtered independently.
    psf, center, normalize, oversize: as in Blur.
    noise: standard deviation of white noise, in units of y; None: fitted with the spectrum.
    balance: one noise-to-signal ratio for all frequencies in place of the spectrum, in units of the
    square of the PSF's sum.
    boundary: "unknown", "reflect", "zero" or "periodic"; see `analytic.periodic_image`.

    S(f) = A / (|2 sin(π f)|² + q₀)^β, where q₀ is |2 sin(π f)|² of the lowest frequency.  A, β and
    N maximise the likelihood of the power of the data: they minimise Σ log E + |ŷ|² / E,
    E = |h|² S + N (Whittle 1953).  The mean has negligible noise and is kept.

    Holds five arrays of the size of the periodic image, nine with "unknown".
    Raises ArgumentError if y or the PSF does not fit or is not finite, or the PSF's sum is 0.

    >>> psf = pr.psf.gaussian((5, 5), sigma=1)
    >>> x = np.zeros((33, 33))
    >>> x[12:20, 10:25] = 1
    >>> y = pr.Blur(psf, x.shape) @ x
    >>> sharp = pr.wiener(y, psf, boundary="zero")
    >>> bool(np.linalg.norm(sharp - x) < 0.5 * np.linalg.norm(y - x))
    True
    """
    _refuse_unless_positive("wiener.noise", noise)
    _refuse_unless_positive("wiener.balance", balance)
    if noise is not None and balance is not None:
        raise ArgumentError("wiener: expected noise or balance, got both; give one of them")
    circle = PeriodicImage("wiener", y, psf, boundary, center, normalize, oversize)

    def ratio(spectrum: Any, power: Any, unit: float) -> Any:
        squared = circle.squared_gradient(spectrum, 1.0)
        if balance is None:
            level = None if noise is None else noise / unit
            ratio = _noise_to_signal(spectrum, power, squared, circle.size, level)
        else:
            ratio = squared * 0 + balance
        ratio[(0,) * ratio.ndim] = 0
        return ratio

    return circle.filtered(y, ratio)


def tikhonov_filter(
    y: Any,
    psf: Any,
    weight: float | str = "auto",
    *,
    operator: str = "gradient",
    voxel_size: Any = 1.0,
    boundary: str = "unknown",
    center: Any = None,
    normalize: bool = False,
    oversize: bool = False,
) -> Any:
    """The image x that minimises ½ ‖psf ∗ x − y‖² + ½ w ‖K x‖², of the shape of y.

    y, psf, boundary, center, normalize, oversize: as in `wiener`.
    weight: w > 0, for "gradient" [length²], for "laplacian" [length⁴].  "auto" minimises
    ‖psf ∗ x − y‖² / (Σ r / (|h|² + r))²: generalised cross-validation in closed form (Golub, Heath
    and Wahba, Technometrics 21 (1979) 215), which takes the whole periodic image as data.
    operator: K, one of "identity", "gradient" (differences of neighbours), "laplacian".
    voxel_size: one length or one for each axis of the PSF.

    Holds five arrays of the size of the periodic image, nine with "unknown".  Raises ArgumentError
    as `wiener` does.

    >>> psf = pr.psf.gaussian((5, 5), sigma=1)
    >>> x = np.zeros((33, 33))
    >>> x[12:20, 10:25] = 1
    >>> y = pr.Blur(psf, x.shape) @ x
    >>> sharp = pr.tikhonov_filter(y, psf, weight=1e-4, boundary="zero")
    >>> bool(np.linalg.norm(sharp - x) < 0.5 * np.linalg.norm(y - x))
    True
    """
    if operator not in OPERATORS:
        known = ", ".join(OPERATORS)
        raise ArgumentError(f"tikhonov_filter.operator: expected one of {known}, got {operator!r}")
    if weight != "auto":
        _refuse_unless_positive("tikhonov_filter.weight", weight)
    circle = PeriodicImage("tikhonov_filter", y, psf, boundary, center, normalize, oversize)

    def ratio(spectrum: Any, power: Any, unit: float) -> Any:
        k = OPERATORS[operator](circle.squared_gradient(spectrum, voxel_size))
        w = _least_gcv(circle, spectrum, power, k) if weight == "auto" else weight
        k *= w
        return k

    return circle.filtered(y, ratio)


def _refuse_unless_positive(where: str, value: Any) -> None:
    if value is None:
        return
    try:
        good = not isinstance(value, bool) and 0 < float(value) < math.inf
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ArgumentError(f"{where}: expected a number > 0, got {value!r}")


def _noise_to_signal(
    spectrum: Any, power: Any, squared: Any, size: int, noise: float | None
) -> Any:
    """N / S per frequency: see `wiener`."""
    some = np.linspace(1, power.size - 1, min(power.size - 1, SAMPLES)).astype(np.int64)

    def chosen(array: Any) -> Any:
        return arrays.to_host(array.ravel()[some])

    data = squared_modulus(chosen(spectrum).astype(np.complex128)) / size
    lowest = float(squared.ravel()[1:].min())
    logarithm = np.log(chosen(squared).astype(np.float64) + lowest)
    amplitude, slope, level = _likeliest(
        data, chosen(power).astype(np.float64), logarithm, noise, spectrum.real.dtype
    )
    squared += lowest
    xp = arrays.namespace(squared)
    xp.log(squared, out=squared)
    squared *= slope
    squared += level - amplitude
    xp.minimum(squared, 60.0, out=squared)  # e⁶⁰ is far beyond every |h|², and still a float32
    return xp.exp(squared, out=squared)


def _likeliest(
    data: Any, power: Any, logarithm: Any, noise: float | None, dtype: Any
) -> tuple[float, float, float]:
    """Maximum-likelihood log A, β and log N of E = |h|² A exp(−β logarithm) + N."""
    from scipy.optimize import minimize

    rounding = np.log(max(float(data.mean()) * float(np.finfo(dtype).eps) ** 2, 1e-300))
    weakest = power <= np.quantile(power, 0.1)
    level = np.log(max(np.median(data[weakest]) / np.log(2), 1e-300))
    bounds_of_level = (rounding, None)
    if noise is not None:
        level = 2 * np.log(noise)
        bounds_of_level = (level, level)

    def cost(parameters: Any) -> tuple[float, Any]:
        amplitude, slope, level = parameters
        signal = power * np.exp(amplitude - slope * logarithm)
        expected = signal + np.exp(level)
        steep = (1 - data / expected) / expected
        gradient = [
            (steep * signal).sum(),
            -(steep * signal * logarithm).sum(),
            steep.sum() * np.exp(level),
        ]
        value = (np.log(expected) + data / expected).sum()
        return value / len(data), np.array(gradient) / len(data)

    start = np.log(max(float(data.sum() / power.sum()), 1e-300)) + logarithm.mean()
    with np.errstate(over="ignore", invalid="ignore"):  # the search turns back from infinity
        found = minimize(
            cost,
            [start, 1.0, max(level, rounding)],
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None), (0, STEEPEST), bounds_of_level],
        )
    return tuple(float(v) for v in found.x)  # type: ignore[return-value]


def _least_gcv(circle: PeriodicImage, spectrum: Any, power: Any, k: Any) -> float:
    """The w that minimises Σ t² |ŷ|² / (Σ t)², t = w k / (|h|² + w k)."""
    from scipy.optimize import minimize_scalar

    data = squared_modulus(spectrum)
    twice = [1 if 2 * i in (0, circle.lengths[-1]) else 2 for i in range(data.shape[-1])]
    times = arrays.namespace(data).asarray(twice, data.dtype)  # only half the spectrum is stored
    unit = float(power.max()) / float(k.max())

    def score(logarithm: float) -> float:
        t = k * (unit * math.exp(logarithm))
        t /= power + t
        freedom = float((t * times).sum(dtype=np.float64))
        t *= t
        t *= data
        residual = float((t * times).sum(dtype=np.float64))
        return math.log(max(residual, sys.float_info.min) / freedom**2)

    first = np.log(WEIGHTS)
    seen = [score(at) for at in first]
    best = int(np.argmin(seen))
    around = first[[max(best - 1, 0), min(best + 1, len(first) - 1)]]
    found = minimize_scalar(score, bounds=around, method="bounded", options={"xatol": 1e-4})
    return unit * math.exp(found.x)
