"""Quadrature weights of filtered backprojection: of views by their angles, of rays by redundancy.

Views.  The sum over views is a trapezoidal rule on a circle: a view represents its Voronoi cell,
half the gap to either neighbour (Rasche et al., IEEE Trans. Med. Imaging 18, 385, 1999, weights of
irregular samples in general).  That holds while the views on both sides of a gap are alike.  A view
therefore represents at most BRIDGED / 2 on either side, and what is missing beyond is shared by all
views in proportion.  The weights always sum to π, so a mean value is kept with any angles; the
structure that only the missing views show is lost with any weights.

Rays.  A full turn sees the line at distance t from the axis twice, as ray t of a view and as ray -t
of the opposite one, if both lie on the detector.  With the axis off the middle, columns up to the
distance a see both rays, and those of the long side, up to b, only one.  For |t| ≤ a both views are
taken modulo 180°, which counts each ray half; beyond, views are taken modulo 360°.  Over the last
d = min(a, b - a) columns the one passes smoothly into the other,

    S(t) = sin²(π/2 · (|t| - a + d) / d),    weight of ray t = 1 - S + 2 S [t on the long side],

so ray and opposite ray always sum to 2 (Cho et al., Phys. Med. Biol. 41, 1996; G. Wang, Med. Phys.
29, 1634, 2002, for cone beams).  In the middle of the detector, d = 0: no ray is left to weigh."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.helical_cone import HelicalCone
from physrecon.geometry.turning_scan import TurningScan

HALF_TURN, FULL_TURN = np.pi, 2 * np.pi
SAME = 0.1  # of the mean gap; views closer than this share one direction
# Gap that the views beside it fill.  With discs of all sizes, lost views of 1° … 90° cost least at
# 8° … 12°, whether 180 or 720 views are taken.
BRIDGED = np.deg2rad(10)
MOST_MISSING = np.pi / 2  # of a full turn; with less of it, opposite views are too few to complete
CENTERED = 1e-6  # columns; an axis so near to the middle is there but for rounding


def fan_angles(scan: FanBeam | ConeBeam | HelicalCone) -> NDArray[np.float64]:
    """(columns,) angle [rad] of each ray to the central one, in the plane across the axis."""
    across = (np.arange(scan.shape[2]) - float(scan.center or 0)) * scan.column_pitch
    far = scan.source_detector
    return np.asarray(across / far if scan.bend else np.arctan2(across, far))


def angle_weights(radians: NDArray[np.float64], turn: float = HALF_TURN) -> NDArray[np.float64]:
    """(views,) the angle [rad] represented by each view; they sum to `turn`.

    Views are taken modulo `turn`, in any order and number.  Views of one direction share its weight
    equally.  No view represents more than BRIDGED / 2, or half the usual gap, on either side; what
    is missing is shared by all in proportion."""
    if len(radians) == 0:
        return np.zeros(0)
    order, which, directions = _directions(radians, turn)
    gaps = np.diff(directions, append=directions[0] + turn)
    gaps = np.minimum(gaps, _widest_bridged(gaps))
    shares = (gaps + np.roll(gaps, 1)) / 2 / np.bincount(which)
    weights = np.empty(len(radians))
    weights[order] = shares[which] * (turn / gaps.sum())
    return weights


def missing_wedge(
    radians: NDArray[np.float64], turn: float = HALF_TURN
) -> tuple[float, tuple[float, float]]:
    """The angle [rad] that no view represents, and (first, last) of its widest part.

    Zero if all gaps are bridged; `turn` for a single direction."""
    directions = _directions(radians, turn)[2]
    if len(directions) < 2:
        return turn, (0.0, turn)
    gaps = np.diff(directions, append=directions[0] + turn)
    usual, wide = _usual(gaps), gaps > _widest_bridged(gaps)
    widest = int(gaps.argmax())
    first = float(np.mod(directions[widest], turn))
    return float((gaps[wide] - usual).sum()), (first, first + float(gaps[widest]))


def full_turn(radians: NDArray[np.float64]) -> bool:
    """Whether the views cover a full turn, so that opposite views complete each other."""
    return len(radians) > 1 and missing_wedge(radians, FULL_TURN)[0] <= MOST_MISSING


def _directions(radians: NDArray[np.float64], turn: float) -> tuple[NDArray, NDArray, NDArray]:
    """Order of the views by angle, number of the direction of each, and directions, rising.

    A direction holds views that are less than SAME of the mean gap apart, and is their mean.  They
    begin behind the widest gap, so none is cut by the end of the turn."""
    angles = np.mod(radians, turn)
    order = np.argsort(angles, kind="stable")
    angles = angles[order]
    start = int(np.diff(angles, prepend=angles[-1] - turn).argmax())
    order = np.roll(order, -start)
    angles = np.concatenate([angles[start:], angles[:start] + turn])
    begins = [0]
    while begins[-1] < len(angles):
        begins.append(int(np.searchsorted(angles, angles[begins[-1]] + SAME * turn / len(angles))))
    which = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    return order, which, np.bincount(which, angles) / np.bincount(which)


def _usual(gaps: NDArray[np.float64]) -> float:
    return float(np.quantile(gaps, 0.9, method="lower"))


def _widest_bridged(gaps: NDArray[np.float64]) -> float:
    return max(BRIDGED, _usual(gaps))


def ray_weights(scan: TurningScan) -> NDArray[np.float64] | None:
    """(2, columns) parts of the weight of each column's ray: modulo 180°, and modulo 360°.

    The weight of ray t of view v is part[0] · w180 + part[1] · w360 with the `angle_weights` of the
    view.  None if every ray counts w180: without a full turn, or with the axis in the middle."""
    short, long = _reach(scan)
    if long - short < CENTERED or not full_turn(scan.radians):
        return None
    t = np.arange(scan.shape[2]) - float(scan.center)  # type: ignore[arg-type]
    twice = max(short, 0.0)
    width = min(twice, long - twice)
    away = np.clip((np.abs(t) - twice + width) / max(width, CENTERED), 0, 1)
    once = np.where(np.abs(t) > twice, 1.0, np.sin(np.pi / 2 * away) ** 2)
    return np.stack([1 - once, once * (t * _long_side(scan) > 0)])


def extension(scan: TurningScan) -> tuple[int, int]:
    """Columns to add (left, right) that make the detector reach as far on its short side.

    Opposite views complete the projections up to there; none are added without a full turn."""
    if ray_weights(scan) is None:
        return 0, 0
    short, long = _reach(scan)
    more = math.ceil(long - short)
    return (more, 0) if _long_side(scan) > 0 else (0, more)


def _reach(scan: TurningScan) -> tuple[float, float]:
    """Columns from the axis to the outermost column on the short side, and on the long one.

    The short one is negative if the axis is off the detector."""
    center = float(scan.center)  # type: ignore[arg-type]
    short, long = sorted((center, scan.shape[2] - 1 - center))
    return short, long


def _long_side(scan: TurningScan) -> int:
    return 1 if 2 * float(scan.center) < scan.shape[2] - 1 else -1  # type: ignore[arg-type]
