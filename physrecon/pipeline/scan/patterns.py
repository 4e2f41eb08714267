"""How the line integrals of a row change when the model is a little wrong, cause by cause.

p (views, columns) are the line integrals that a slice explains, and so know the object.  Each
pattern is a change of p; several of one cause are added in any proportion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from physrecon.analytic.view_weights import fan_angles
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.parallel_beam import ParallelBeam

Array = NDArray[np.float64]

SHIFTS = (1, 2)  # columns by which a projection is moved to see a displaced axis
PATHS = 6  # waves over the views of the path of an object that moves
WAVES = 8  # waves over the views of the beam
COLUMNS = 5  # columns that stand out, at most
ODD = 8.0  # times the median of how much a column stands out
TINY = 1e-30
SPREAD = 0.25  # relative, of two energies; −log of their mean transmission is p − log cosh(s p)
VIEWS_SHOWN = 100  # points of a path whose size is stated
DARKEST = 8.0  # line integral beyond which light that strays is not followed
SOURCES = 14  # discs outside the slice that may cast a shadow
REACH = 1.2  # their distance from the axis, in half widths of the slice


def scan_patterns(
    p: Array, columns: list[int], scan: ParallelBeam | FanBeam, width: int, cut_off: bool
) -> dict[str, Array]:
    """cause → patterns (k, views, columns).

    columns: candidates for bad ones.
    width: of the slice.  cut_off: whether the edges of the detector are in the dark."""
    t = np.linspace(0, 1, len(p))[:, None]
    moved = [_moved(p, k) - _moved(p, -k) for k in SHIFTS]
    slope = (8 * moved[0] - moved[1]) / 12  # −∂p/∂u to fourth order
    radians = scan.radians
    order = np.argsort(radians, kind="stable")
    steps = np.gradient(radians[order])
    turned = np.empty_like(p)
    slopes = np.gradient(p[order], axis=0)
    turned[order] = slopes / np.where(steps == 0, np.inf, steps)[:, None]
    found = {
        "axis": moved,
        "hardening": [np.log(np.cosh(SPREAD * p))],
        "scatter": [np.exp(np.minimum(p, DARKEST))],
        "angles": [(radians - radians.mean())[:, None] * turned],
        "moved": [np.cos(np.pi * k * t) * slope for k in range(PATHS + 1)],
        "drift": [np.cos(np.pi * k * t) + 0 * p for k in range(1, WAVES + 1)],
        "columns": _columns(p, columns),
    }
    patterns = {cause: np.stack(several) for cause, several in found.items() if several}
    return {**patterns, "truncation": shadows(scan, width)} if cut_off else patterns


def _moved(p: Array, by: int) -> Array:
    """The projections by some columns to the right; edges are repeated."""
    at = np.clip(np.arange(p.shape[1]) - by, 0, p.shape[1] - 1)
    return p[:, at]


def odd_columns(p: Array, r: Array, roots: Array) -> list[int]:
    """The columns to which a residual is most alike: as if a constant were added to one, or as if
    it did not see the object.

    r (views, columns): in standard deviations, of which no slice explains any; roots: of the
    weights.  Of neighbours the one that stands out most is named."""
    alike = np.zeros(p.shape[1])
    weights = roots**2
    lacking = _seen(p)
    lacking -= (weights * lacking).sum(0) / np.maximum(weights.sum(0), TINY)
    for pattern in (np.ones_like(p), lacking):
        pattern = roots * pattern
        alike += (r * pattern).sum(0) ** 2 / np.maximum((pattern**2).sum(0), TINY)
    peaks = (alike == maximum_filter(alike, 5, mode="nearest")) & (alike > ODD * np.median(alike))
    return [int(u) for u in np.argsort(-alike) if peaks[u]][:COLUMNS]


def _seen(p: Array) -> Array:
    """What a column would see by its neighbours: it is in doubt itself, and has drawn the next."""
    wide = np.pad(p, ((0, 0), (2, 2)), mode="edge")
    return (wide[:, :-4] + wide[:, 4:]) / 2


def _columns(p: Array, columns: list[int]) -> list[Array]:
    """A constant, and what the object lacks, in each of these columns."""
    seen, several = _seen(p), []
    for u in columns:
        for values in (np.ones(len(p)), seen[:, u] - seen[:, u].mean()):
            one = np.zeros_like(p)
            one[:, u] = values
            several.append(one)
    return several


def axis_shift(sizes: Array) -> float:
    """Columns by which the axis is displaced, from the sizes of the patterns."""
    return float(sum(2 * k * size for k, size in zip(SHIFTS, sizes, strict=True)))


def amounts(sizes: Mapping[str, Array], columns: list[int]) -> dict[str, str]:
    """How much of each cause, in words, from the sizes of its patterns.

    columns: those of the patterns of single columns, as the detector numbers them."""
    t = np.linspace(0, 1, VIEWS_SHOWN)[:, None]
    path = (sizes["moved"] * np.cos(np.pi * np.arange(PATHS + 1) * t)).sum(1)
    beam = (sizes["drift"] * np.cos(np.pi * np.arange(1, WAVES + 1) * t)).sum(1)
    found = np.abs(sizes.get("columns", np.zeros(0)).reshape(-1, 2)).sum(1)
    off = sorted(u for u, size in zip(columns, found, strict=True) if size > found.max() / 4)
    return {
        "scatter": f"{-100 * sizes['scatter'][0]:+.2g} % of the open beam",
        "angles": f"their range about {1 + sizes['angles'][0]:.3f} times as large",
        "moved": f"by about {path.std():.2g} columns",
        "drift": f"by about {100 * beam.std():.2g} %",
        "columns": f"near {', '.join(map(str, off))}",
    }


def lines(scan: ParallelBeam | FanBeam) -> tuple[Array, Array]:
    """(angle [rad], distance from the axis [length]) of the rays of a row, (views, columns).

    A ray at angle γ of a fan at angle β is that of a parallel beam at β - γ, source_origin · sin γ
    from the axis."""
    if isinstance(scan, ParallelBeam):
        away = (np.arange(scan.shape[2]) - float(scan.center or 0)) * scan.column_pitch
        fan = np.zeros_like(away)
    else:
        fan = fan_angles(scan)
        away = scan.source_origin * np.sin(fan)
    return scan.radians[:, None] - fan, np.broadcast_to(away, scan.shape[::2])


def shadows(scan: ParallelBeam | FanBeam, width: int) -> Array:
    """The line integrals (SOURCES, views, columns) of discs in a ring around the slice.

    width: of the slice, in the unit of length of the scan."""
    angles, distances = lines(scan)
    far = REACH * width / 2
    radius = np.pi * far / SOURCES
    turns = 2 * np.pi * np.arange(SOURCES)[:, None, None] / SOURCES
    away = distances - far * np.cos(turns - angles)
    return 2 * np.sqrt(np.maximum(radius**2 - away**2, 0))
