"""Unusable frames, pixels and values: found, left out or filled, and counted.

The rows of the detector are processed independently, so that the result does not depend on the
slabs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

from physrecon import arrays
from physrecon.errors import ArgumentError, DataError
from physrecon.preprocess.frame_outliers import count_step, noise_of_frames, outlying
from physrecon.preprocess.saturation import saturated_values
from physrecon.preprocess.single_frames import beside, contradicted_darks, contradicted_flats
from physrecon.sizes import counted

Array = NDArray[np.float64]

NEIGHBOURS = 11  # columns of the neighbourhood that a pixel is compared with
FAR_OFF = 3.0  # a pixel so many times weaker or stronger than its neighbours is dead
FLAT_OFF = 2.0  # a flat row so many times weaker or stronger than the other flats is left out
OPAQUE = 0.02  # transmission of an object that lets next to no light through
NO_BEAM = 0.05  # fraction of the strongest flat below which the shutter was closed


@dataclass(frozen=True)
class Repairs:
    """Numbers of repaired detector pixels and values; `+` adds those of slabs."""

    pixels: int = 0
    values: int = 0
    zero_flat: int = 0  # pixels without a positive flat - dark
    dead: int = 0  # pixels without response, or far weaker or stronger than their neighbours
    hot: int = 0  # pixels whose excess dark level is above half the response
    nonfinite: int = 0  # NaN or infinite values outside those pixels
    lost_views: int = 0  # rows of a view without any usable value
    clamped: int = 0  # transmissions below the floor
    floor: float = 0.0
    no_darks: bool = False
    flat_rows: int = 0  # rows of all flat frames
    flat_rows_off: int = 0  # rows left out, too far from the other frames
    field_values: int = 0  # NaN or infinite values of flats and darks
    field_outliers: int = 0  # values of flats and darks far from the other frames
    zingers: int = 0  # values that only light from outside the object explains
    saturated: int = 0  # values of projections at the detector's largest number
    saturated_flats: int = 0
    saturation: float = 0.0  # this number
    masked: int = 0  # values that the user left out
    negative: int = 0  # rows whose line integrals are mostly negative
    unlit: int = 0  # rows of a view whose transmissions are all below the floor

    def __add__(self, other: Repairs) -> Repairs:
        total: dict[str, Any] = {
            f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)
        }
        total["floor"] = max(self.floor, other.floor)
        total["saturation"] = max(self.saturation, other.saturation)
        total["no_darks"] = self.no_darks or other.no_darks
        return Repairs(**total)

    def sentences(self) -> list[str]:
        """Messages for the user, one sentence each; empty if nothing was repaired."""
        told = []
        if self.no_darks:
            told.append("no dark frames: the dark level is taken as 0")
        if self.flat_rows_off:
            told.append(
                f"{self.flat_rows_off} of {self.flat_rows} rows of flat frames left out: more than "
                f"{FLAT_OFF:g} times off the median of the frames (empty, or the shutter closed)"
            )
        if self.field_values:
            told.append(
                f"{counted(self.field_values, 'value')} of flats and darks NaN or infinite: "
                "left out of their means"
            )
        if self.field_outliers:
            told.append(
                f"{counted(self.field_outliers, 'value')} of flats and darks far from the other "
                "frames, or of a single frame from its neighbours and the views (zingers): left out"
            )
        if self.saturated or self.saturated_flats:
            told.append(
                f"{self.saturated} of {counted(self.values, 'value')} of projections and "
                f"{self.saturated_flats} of flats are saturated, at {self.saturation:g}, the "
                "detector's largest number by the data: line integrals there are wrong; record "
                "with less light, or state another number with --saturation"
            )
        if self.zingers:
            told.append(
                f"{self.zingers} of {self.values} values brighter than any neighbour in view and "
                "angle (zingers): filled; --zingers none keeps them"
            )
        if bad := self.zero_flat + self.dead + self.hot:
            told.append(
                f"{bad} of {self.pixels} detector pixels filled from their neighbours: "
                f"{self.zero_flat} without a flat above the dark, {self.dead} dead, {self.hot} hot"
            )
        if self.masked:
            told.append(f"{self.masked} of {counted(self.values, 'value')} masked: not used")
        if self.nonfinite:
            told.append(f"{self.nonfinite} of {self.values} values NaN or infinite: filled")
        if self.lost_views:
            told.append(
                f"{counted(self.lost_views, 'row')} of a view without any usable value: "
                "filled from the views before and after"
            )
        return told + self._of_light()

    def _of_light(self) -> list[str]:
        told = []
        if self.unlit:
            told.append(
                f"{counted(self.unlit, 'row')} of a view without light in any column, as if the "
                "beam was off: leave such views out with --exclude-views"
            )
        if self.clamped:
            told.append(
                f"{self.clamped} of {self.values} transmissions below the least that counts tell, "
                f"{self.floor:.3g} at most, raised to it, a line integral of "
                f"{-np.log(self.floor):.3g}; --method fista --likelihood transmission takes few "
                "counts as they are (transmissions take --likelihood weighted), --floor sets "
                "another limit"
            )
        if self.negative:
            told.append(
                f"{counted(self.negative, 'row')} of mostly negative line integrals, as if the "
                "object gave light: check whether the data are counts, --transmission or "
                "--line-integrals, and that projections and flats are not exchanged"
            )
        return told


@dataclass(frozen=True)
class Fields:
    """Mean flats and darks for the rows of a slab, all float64.

    dark (rows, columns); gain: flat - dark over all flats (rows, columns); gains: the same at each
    of the positions (k,), 0 to 1 of the scan, (k, rows, columns).  NaN without a usable frame.
    count: (rows, 1) grey values that counts can tell from none: half a count, or half the standard
    deviation of the darks; 0 if unknown.  dose: light of each view relative to that of the flats,
    (views or 1, rows or 1).  saturation (rows or 1,): value at which a row is saturated."""

    dark: Array
    gain: Array
    positions: Array
    gains: Array
    repairs: Repairs
    count: Array = field(default_factory=lambda: np.zeros((1, 1)))
    dose: Array = field(default_factory=lambda: np.ones((1, 1)))
    saturation: Array = field(default_factory=lambda: np.full(1, np.inf))


def average_fields(
    flats: NDArray,
    darks: NDArray,
    positions: Array,
    views: NDArray,
    doses: Array | None = None,
    saturation: ArrayLike = np.inf,
) -> Fields:
    """Mean dark, and mean response at each position at which flats were taken.

    flats and darks (n, rows, columns), positions (n,) of the flats.  views: some of the
    projections.  doses (n,): of the flats, whose light is divided by them.  saturation: of each
    row, (rows or 1,).  NaN and infinite values are left out, and so are values far from the
    other frames (of a single frame, off its neighbours and the views), and rows of flat frames that
    are more than a factor of two off the median of the
    frames.
    A position without any value is interpolated linearly between those around it.
    DataError: no flats."""
    if len(flats) == 0:
        raise DataError(
            "flats: expected flat fields (beam without object), got none; name a scan that has "
            "them, give columns of air (--air a:b), or say what the data are (--transmission, or "
            "--line-integrals if they are -log already)"
        )
    dark_off = outlying(darks)
    dark_sum, dark_count = _sum(darks, ~dark_off)
    dark = _mean(dark_sum, dark_count) if len(darks) else dark_sum
    if len(darks) == 1:
        flat = _mean(*_sum(flats, ~outlying(flats)))
        dark_off = contradicted_darks(views, flat, dark)[np.newaxis]
        dark = np.where(dark_off[0], beside(dark), dark)
    count, raw = _least_counts(flats, darks, views), flats
    if doses is not None:
        flats = dark + (flats - dark) / doses[:, np.newaxis, np.newaxis]
    rows_used = _alike(flats, dark)
    flat_off = outlying(flats, rows_used)
    if len(flats) == 1:
        flat_off = contradicted_flats(views, flats[0], dark)[np.newaxis]
    used = rows_used[:, :, np.newaxis] & ~flat_off
    at, member = np.unique(positions, return_inverse=True)
    groups = [_sum(flats[member == k], used[member == k]) for k in range(len(at))]
    gains = _bridged(at, np.stack([_mean(*group) for group in groups]) - dark)
    total, number = (np.sum(parts, axis=0) for parts in zip(*groups, strict=True))
    finite = sum(int(np.isfinite(frame).sum()) for frames in (flats, darks) for frame in frames)
    repairs = Repairs(
        flat_rows=rows_used.size,
        flat_rows_off=int(np.count_nonzero(~rows_used)),
        field_values=flats.size + darks.size - finite,
        field_outliers=int(np.count_nonzero(flat_off) + np.count_nonzero(dark_off)),
        no_darks=len(darks) == 0,
        saturated_flats=saturated_values(raw, saturation, used),
    )
    gain = _mean(total, number) - dark
    return Fields(dark, gain, at, gains, repairs, count, saturation=np.atleast_1d(saturation))


def without_flats(darks: NDArray, views: NDArray) -> Fields:
    """Fields of pixels that all answer alike; views: some of the projections."""
    shape = views.shape[1:]
    off = outlying(darks)
    dark = _mean(*_sum(darks, ~off)) if len(darks) else np.zeros(shape)
    repairs = Repairs(no_darks=not len(darks), field_outliers=int(np.count_nonzero(off)))
    count = _least_counts(np.empty((0, *shape)), darks, views)
    return Fields(dark, np.ones(shape), np.zeros(1), np.ones((1, *shape)), repairs, count)


def _least_counts(flats: NDArray, darks: NDArray, views: NDArray) -> Array:
    """Half a count or half the noise of the darks (rows, 1), in grey values; 0 if unknown."""
    steps, views = np.zeros(flats.shape[1]), views[:: max(1, len(views) // 3)]
    for row in range(len(steps)):
        step = count_step(np.concatenate([a[:, row].ravel() for a in (flats, darks, views)]))
        steps[row] = step or float(views.dtype.kind in "iu")
    return np.maximum(steps, noise_of_frames(darks))[:, np.newaxis] / 2


def bad_pixels(counts: NDArray, fields: Fields) -> dict[str, NDArray]:
    """Masks (rows, columns) of the unusable pixels, by kind; no pixel has two kinds.

    zero_flat: flat - dark is not positive or not finite at a position of the flats.  hot: the dark
    level exceeds its neighbours' by more than half the response.  dead: the response is a factor of
    three off its neighbours', or all counts are NaN, or they do not vary over the views although
    the neighbours' do and the pixel is neither in air nor behind an opaque part on the axis.
    Neighbours are 11 columns of the same row."""
    dark, gain = fields.dark, fields.gain
    zero_flat = ~((fields.gains > 0) & np.isfinite(fields.gains)).all(axis=0)
    if zero_flat.all():
        raise DataError(
            f"flats: expected counts above the darks, got at most {np.fmax.reduce(gain, None):g} "
            f"above a dark of {np.fmax.reduce(dark, None):g} in all {gain.size} pixels; check that "
            "the flats are not empty or exchanged with the darks"
        )
    usual = _neighbours(np.where(zero_flat, 0, gain))
    excess = dark - _neighbours(np.where(np.isfinite(dark), dark, 0))
    hot = ~zero_flat & (excess > usual / 2) & (usual > 0)
    far_off = (gain * FAR_OFF < usual) | ((gain > usual * FAR_OFF) & (usual > 0))

    lowest, highest = np.fmin.reduce(counts, axis=0), np.fmax.reduce(counts, axis=0)
    lost = np.isnan(lowest.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        varies = ~(highest == lowest)
        air = np.abs((lowest - dark) / gain - 1) < 0.01
        opaque = (highest - dark) / gain < OPAQUE
    enough = len(counts) >= 8
    stuck = enough & ~varies & ~air & ~opaque & (_neighbours(varies.astype(np.float64)) > 0)
    dead = ~zero_flat & ~hot & (far_off | lost | stuck)
    return {"zero_flat": zero_flat, "dead": dead, "hot": hot}


def fill(values: NDArray, bad: NDArray, first_row: int = 0) -> tuple[int, int]:
    """Fill bad pixels and non-finite values in place from the nearest good columns of the row.

    values (views, rows, columns) float; bad (rows, columns).  Linear between good columns, constant
    beyond the last; a row of a view without any good value is interpolated between the views around
    it.  Returns the numbers of non-finite values outside `bad` and of such rows.
    DataError: more than half of the values of a row are bad."""
    finite = np.zeros(bad.shape, dtype=np.intp)
    for view in values:
        finite += np.isfinite(view)
    finite[bad] = 0
    _refuse_bad_rows(finite.sum(axis=1), bad, len(values), first_row)
    nonfinite = int((len(values) - finite[~bad]).sum())

    columns = np.arange(bad.shape[1])
    for row in np.flatnonzero(bad.any(axis=1)):
        _fill_columns(values[:, row], bad[row])
    lost: dict[int, list[int]] = {}
    for v, view in enumerate(values):
        good = np.isfinite(view)
        for row in np.flatnonzero(~good.all(axis=1)):
            line, usable = view[row], good[row]
            if usable.any():
                line[~usable] = np.interp(columns[~usable], columns[usable], line[usable])
            else:
                lost.setdefault(int(row), []).append(v)
    for lost_row, gone in lost.items():
        _fill_columns(values[:, lost_row].T, np.isin(np.arange(len(values)), gone))
    return nonfinite, sum(map(len, lost.values()))


def checked_slab(name: str, given: ArrayLike) -> NDArray:
    values: NDArray = arrays.plain(name, given)
    if values.ndim != 3 or 0 in values.shape:
        raise ArgumentError(
            f"{name}: expected (views, rows, columns), none of them 0, got shape {values.shape}"
        )
    return values


def checked_frames(name: str, frames: ArrayLike | None, counts: NDArray) -> NDArray:
    frames = np.empty((0, *counts.shape[1:])) if frames is None else arrays.plain(name, frames)
    if frames.ndim != 3 or frames.shape[1:] != counts.shape[1:]:
        raise ArgumentError(
            f"{name}: expected frames (n, {counts.shape[1]}, {counts.shape[2]}) as the projections "
            f"have, got shape {frames.shape}"
        )
    return frames


def _sum(frames: NDArray, used: NDArray) -> tuple[Array, NDArray]:
    """Sum of the finite values of frames (n, rows, columns) that are used, and their count."""
    total, count = np.zeros(frames.shape[1:]), np.zeros(frames.shape[1:], dtype=np.intp)
    for frame, these in zip(frames, used, strict=True):  # the sum does not depend on the slab
        good = np.isfinite(frame) & these
        np.add(total, frame, out=total, where=good)
        count += good
    return total, count


def _mean(total: Array, count: NDArray) -> Array:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _alike(flats: NDArray, dark: Array) -> NDArray:
    """Mask (n, rows) of the flat rows within a factor of FLAT_OFF of the median brightness.

    The brightness of a row is its 90th percentile, as a beam may light only a part of it.  Frames
    without beam do not count in the median: they may be as many as the others."""
    tenth = 9 * (flats.shape[2] - 1) // 10
    level = np.zeros(flats.shape[:2])
    for frame, found in zip(flats, level, strict=True):
        above = frame - dark
        above[~np.isfinite(above)] = 0
        found[:] = np.maximum(np.partition(above, tenth, axis=1)[:, tenth], 0)
    usual = np.zeros(flats.shape[1])
    for row, found in enumerate(level.T):
        votes = np.sort(found[found >= NO_BEAM * found.max()])
        usual[row] = votes[len(votes) // 2]
    return (level * FLAT_OFF >= usual) & (level <= usual * FLAT_OFF)


def _bridged(at: Array, gains: Array) -> Array:
    """Gains (k, rows, columns) at positions (k,); NaN is interpolated linearly in position."""
    valid = np.isfinite(gains)
    if valid.all():
        return gains
    last = len(at) - 1
    number = np.arange(len(at))[:, np.newaxis, np.newaxis]
    before = np.maximum.accumulate(np.where(valid, number, -1), axis=0)
    after = np.minimum.accumulate(np.where(valid, number, last + 1)[::-1], axis=0)[::-1]
    left = np.minimum(np.where(before < 0, after, before), last)  # beyond the ends: constant
    right = np.where(after > last, left, after)
    width = at[right] - at[left]
    share = np.where(width > 0, at[number] - at[left], 0) / np.where(width > 0, width, 1)
    low, high = (np.take_along_axis(gains, side, axis=0) for side in (left, right))
    return low * (1 - share) + high * share


def _neighbours(image: NDArray) -> NDArray:
    """Median over the columns around each pixel (rows, columns), row by row."""
    return median_filter(image, (1, NEIGHBOURS), mode="mirror")


def _refuse_bad_rows(usable: NDArray, bad: NDArray, views: int, first_row: int) -> None:
    total = views * bad.shape[1]
    if not usable.any():
        raise DataError(
            f"projections: expected finite counts, got no usable value in rows {first_row} to "
            f"{first_row + len(usable) - 1} (NaN, infinite, or bad pixels); check the file"
        )
    refused = np.flatnonzero(2 * usable < total)
    if len(refused):
        row = refused[0]
        raise DataError(
            f"projections: expected at least half of a row to be usable, got {usable[row]} of "
            f"{total} values in row {first_row + row} ({np.count_nonzero(bad[row])} of "
            f"{bad.shape[1]} pixels zero in the flat, dead or hot), and {len(refused)} such rows "
            f"in {first_row} to {first_row + len(usable) - 1}; reconstruct others (--slices)"
        )


def _fill_columns(lines: NDArray, bad: NDArray) -> None:
    """Fill the bad columns of lines (n, columns) linearly between good ones, in place."""
    good, gaps = np.flatnonzero(~bad), np.flatnonzero(bad)
    after = np.searchsorted(good, gaps)
    left, right = good[np.maximum(after - 1, 0)], good[np.minimum(after, len(good) - 1)]
    share = (gaps - left) / np.maximum(right - left, 1)
    share = np.where(left < right, share, 0).astype(lines.dtype)
    # beyond the outermost good columns, left and right are the same
    left = np.minimum(left, right)
    lines[:, gaps] = lines[:, left] * (1 - share) + lines[:, right] * share
