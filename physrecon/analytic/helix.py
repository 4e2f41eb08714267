"""Which views of a helix reconstruct a slice, and how much each of them counts.

A slice is reconstructed as from a circle, from the views that see all of its field of view: those
whose source is at a height h with z - top ≤ h ≤ z + bottom, where `top` and `bottom` are the ends
of the detector, brought to the voxel that is nearest to the source (Wang, Lin, Cheng and Shinozaki,
IEEE Trans. Med. Imaging 12 (1993) 486).  It is an approximation: rays are filtered as if they lay
in the plane of the slice.

Where these views turn by S ≥ 2π + OVERLAP, all of them are used.  Views that are a turn apart look
in the same direction, and share it:

    w(β) = g(β) / Σ_k g(β + 2πk),   g rising from 0 over a quarter of S, and falling over another

so no view begins or ends at once, and more turns mean less noise.  The views are weighted after the
filter, slice by slice.  Where they turn by less, but by a half turn and the angle of the fan, the
weights of Parker (`fdk.parker`) make a short scan of them: these act before the filter, so some
adjacent slices are taken together.  Slices with fewer views are not covered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.analytic.view_weights import FULL_TURN, fan_angles
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid
from physrecon.geometry.helical_cone import HelicalCone

Floats = NDArray[np.float64]

OVERLAP = np.deg2rad(30)  # of the first and the last views of a full turn; with less a seam shows
TAPER = 0.25  # of the window, at either end
MOST = 32  # slices that are reconstructed together by a short scan
SPARED = 0.5  # of the angle beyond the least one: what is left to slices that are taken together
SIDES = 0.8  # of the long side of the detector, on the short one, for a short scan
NONE, SHORT, FULL = 0, 1, 2


@dataclass(frozen=True)
class Helix:
    """The windows of a scan and a grid.

    order: the views by rising angle; beta, heights: theirs, in radians and lengths."""

    scan: HelicalCone
    grid: Grid
    order: NDArray[np.intp]
    beta: Floats
    heights: Floats

    @classmethod
    def of(cls, scan: HelicalCone, grid: Grid) -> Helix:
        heights = np.asarray(scan._heights()[..., 0])
        radians = scan.radians if scan.heights is None else np.unwrap(scan.radians)
        order = np.argsort(radians, kind="stable")
        return cls(scan, grid, order, radians[order], heights[order])

    @cached_property
    def cells(self) -> Floats:
        """(views,) the angle that each view represents."""
        return np.asarray(np.gradient(self.beta))

    @cached_property
    def edges(self) -> Floats:
        """(views + 1,) between the cells."""
        middle = (self.beta[1:] + self.beta[:-1]) / 2
        ends = 2 * self.beta[[0, -1]] - middle[[0, -1]]
        return np.concatenate([ends[:1], middle, ends[1:]])

    @property
    def fan(self) -> Floats:
        """(columns,) angle between a ray and the central one."""
        return fan_angles(self.scan)

    @property
    def half_turn(self) -> float:
        """The least angle of a short scan; no short scan is enough for an axis far aside."""
        short, long = sorted(abs(self.fan[[0, -1]]))
        one_side = self.fan[0] * self.fan[-1] > 0 or short < SIDES * long
        return math.inf if one_side else np.pi + 2 * long

    @property
    def whole_turn(self) -> float:
        """The least angle of a full turn."""
        return FULL_TURN + (OVERLAP if self.half_turn < math.inf else 0.0)

    @cached_property
    def reach(self) -> tuple[float, float]:
        """How far (above, below) the source all voxels of a slice are seen."""
        scan = self.scan
        disc = scan.source_origin * math.sin(min(abs(self.fan[[0, -1]]).max(), np.pi / 2))
        ends = scan.shape[1] - 1 - scan.axis_row, scan.axis_row
        near, far = scan.source_origin - disc, scan.source_origin + disc
        up = scan.row_pitch / scan.source_detector
        top, bottom = (end * up * (near if end > 0 else far) for end in ends)
        return top, bottom

    @property
    def rise(self) -> float:
        """The way of the source along z in a turn, at most, without its sign."""
        return FULL_TURN * float(np.max(np.abs(np.diff(self.heights) / np.diff(self.beta))))

    def windows(self, low: Floats, high: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(first, stop) of the views that see all slices between two heights."""
        top, bottom = self.reach
        least, most = high - top, low + bottom
        heights = self.heights
        if heights[0] > heights[-1]:
            heights, least, most = -heights, -most, -least
        first = np.searchsorted(heights, least, "left")
        return first, np.maximum(np.searchsorted(heights, most, "right"), first)

    def angle(self, first: Any, stop: Any) -> Any:
        """By how much the views of a window turn."""
        return self.edges[stop] - self.edges[first]

    @cached_property
    def own(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The windows of single slices."""
        z = self.grid.axis(0)
        return self.windows(z, z)

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """(slices,) NONE, SHORT or FULL."""
        turned = self.angle(*self.own)
        return np.where(
            turned >= self.whole_turn, FULL, np.where(turned >= self.half_turn, SHORT, NONE)
        )

    @cached_property
    def runs(self) -> list[tuple[int, int]]:
        """(first, stop) of the slices that are reconstructed together by a short scan.

        They share half of what the views of each turn beyond the least."""
        z, turned = self.grid.axis(0), self.angle(*self.own)
        found: list[tuple[int, int]] = []
        for i in np.flatnonzero(self.kinds == SHORT).tolist():
            if found and found[-1][1] == i and i - found[-1][0] < MOST:
                first = found[-1][0]
                spare = turned[first : i + 1].min() - self.half_turn
                common = self.angle(*self.windows(z[first], z[i])) - self.half_turn
                if common >= SPARED * spare:
                    found[-1] = first, i + 1
                    continue
            found.append((i, i + 1))
        return found

    def short_scan(self, first: int, stop: int) -> tuple[int, int, float]:
        """(first view, stop, half of the angle beyond a half turn) of a run of slices."""
        z = self.grid.axis(0)[first:stop]
        begin, end = (int(view) for view in self.windows(z[0], z[-1]))
        middle = (self.edges[begin] + self.edges[end]) / 2
        if self.angle(begin, end) > FULL_TURN:
            begin = int(np.searchsorted(self.edges, middle - np.pi, "left"))
            end = int(np.searchsorted(self.edges, middle + np.pi, "right")) - 1
        return begin, end, float(self.angle(begin, end) - np.pi) / 2

    def full_weights(self, part: slice) -> tuple[int, int, Floats]:
        """(first view, stop, (views, slices) weights) of the slices of a full turn; 0 of others.

        Those of a slice sum to π."""
        chosen = self.kinds[part] == FULL
        first, stop = (window[part] for window in self.own)
        low, high = int(first[chosen].min()), int(stop[chosen].max())
        weights = np.zeros((high - low, len(chosen)))
        for i in np.flatnonzero(chosen):
            views = slice(first[i], stop[i])
            begin, span = self.edges[first[i]], self.angle(first[i], stop[i])
            away = self.beta[views] - begin
            turns = math.ceil(span / FULL_TURN)
            total = sum(_tapered(away + FULL_TURN * k, span) for k in range(-turns, turns + 1))
            own = self.cells[views] * _tapered(away, span) / total
            weights[first[i] - low : stop[i] - low, i] = own * (np.pi / own.sum())
        return low, high, weights

    def require_covered(self) -> None:
        """Raise ArgumentError unless some slices are covered."""
        if trouble := self.trouble():
            needed, found = trouble
            raise ArgumentError(
                f"fdk.scan: expected {needed}, got {found}; use an iterative solver (--method cgls)"
            )

    def trouble(self) -> tuple[str, str] | None:
        """What is needed, and what was found; None if some slices are covered."""
        steps = np.diff(self.heights)
        if not len(steps) or not ((steps > 0).all() or (steps < 0).all()):
            least, most = self.heights.min(initial=0), self.heights.max(initial=0)
            needed = "a source that rises, or falls, from view to view"
            return needed, f"heights between {least:g} and {most:g} that do not"
        if self.kinds.any():
            return None
        top, bottom = self.reach
        least = min(self.half_turn, self.whole_turn)
        highest = max(FULL_TURN * (top + bottom) / least, 0.0)
        turned = self.edges[-1] - self.edges[0]
        if self.rise > highest:
            needed = (
                f"a rise of at most {highest:.4g} a turn for this detector, whose rows see all of "
                f"a slice in {np.degrees(least):.0f}° then"
            )
            return needed, f"a rise of {self.rise:.4g}"
        needed = f"views that see a slice of the grid over {np.degrees(least):.1f}°"
        return needed, f"{np.degrees(turned):.1f}° in all"


def _tapered(away: Floats, span: float) -> Floats:
    """g, at some way from the beginning of a window."""
    inside = np.clip(np.minimum(away, span - away) / (TAPER * span), 0, 1)
    return np.asarray(np.sin(np.pi / 2 * inside) ** 2)


def covered_in_words(helix: Helix) -> str:
    """Which slices are covered, and how."""
    kinds = helix.kinds
    some, count = np.flatnonzero(kinds), len(kinds)
    if not len(some):
        return f"none of {count} slices is covered"
    whole = f"slices {some[0]}:{some[-1] + 1} of {count} are covered"
    full = np.flatnonzero(kinds == FULL)
    how = []
    if len(full):
        turns = helix.angle(*helix.own)[full].max() / FULL_TURN
        how.append(f"{full[0]}:{full[-1] + 1} by up to {turns:.2g} turns")
    if len(full) < len(some):
        how.append(f"{'the others' if how else 'all'} by short scans (Parker)")
    rest = ", 0 elsewhere" if len(some) < count else ""
    return f"{whole}{rest}: {', '.join(how)}"
