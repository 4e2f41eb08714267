"""From raw counts to line integrals, p = -log((counts - dark) / (flat - dark)).

Every function works on a slab (views, rows, columns) row by row: no row knows of another, so a
volume does not depend on how the rows were cut into slabs.  Whatever was mended is counted in
`Repairs`, which tells it in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

from physrecon.errors import ArgumentError, DataError

FLOOR = 1e-5
"""Just below one count of a full 16-bit detector (1/65535): no count above the dark level is ever
altered, and one at or below it gives a line integral of 11.5 instead of infinity."""

RINGS = ("sort",)
FLATS = ("interpolate", "average")
NEIGHBOURS = 11  # columns in the neighbourhood a pixel is compared with
FAR_OFF = 3.0  # times weaker or stronger than the neighbours: dead


@dataclass(frozen=True)
class Repairs:
    """What was mended, in detector pixels and in single values; `+` joins slabs."""

    pixels: int = 0
    values: int = 0
    zero_flat: int = 0  # pixels without a positive flat - dark
    dead: int = 0  # pixels that do not respond, or far more or less than their neighbours
    hot: int = 0  # pixels whose dark level eats up half the range
    nonfinite: int = 0  # NaN or infinite values outside those pixels
    lost_views: int = 0  # rows of a view without any usable value
    clamped: int = 0  # transmissions below the floor
    floor: float = 0.0
    no_darks: bool = False

    def __add__(self, other: Repairs) -> Repairs:
        total: dict[str, Any] = {
            f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)
        }
        total["floor"] = max(self.floor, other.floor)
        total["no_darks"] = self.no_darks or other.no_darks
        return Repairs(**total)

    def sentences(self) -> list[str]:
        """What the user should know, one sentence each; empty when nothing was mended."""
        told = []
        if self.no_darks:
            told.append("no dark frames: the dark level is taken as 0")
        if bad := self.zero_flat + self.dead + self.hot:
            told.append(
                f"{bad} of {self.pixels} detector pixels filled from their neighbours: "
                f"{self.zero_flat} with flat <= dark, {self.dead} dead, {self.hot} hot"
            )
        if self.nonfinite:
            told.append(f"{self.nonfinite} of {self.values} values NaN or infinite: filled")
        if self.lost_views:
            told.append(
                f"{self.lost_views} rows of a view without any usable value: "
                "filled from the views before and after"
            )
        if self.clamped:
            told.append(
                f"{self.clamped} of {self.values} transmissions below {self.floor:g} raised to it, "
                f"so no line integral exceeds {-np.log(self.floor):.3g}"
            )
        return told


def prepare(
    counts: ArrayLike,
    flats: ArrayLike | None = None,
    darks: ArrayLike | None = None,
    *,
    flat_positions: ArrayLike | None = None,
    flats_mode: str = "interpolate",
    floor: float = FLOOR,
    rings: str | None = None,
    line_integrals: bool = False,
    first_row: int = 0,
    overwrite: bool = False,
) -> tuple[NDArray, Repairs]:
    """Turn a slab of raw counts into line integrals, and tell what was mended.

    counts (views, rows, columns), flats and darks (n, rows, columns) of the same rows; darks may be
    missing, flats only with `line_integrals`, where counts are -log already and nothing but NaN and
    inf is mended.  flat_positions (n,): how far into the scan each flat was taken, 0 to 1.
    rings: None or "sort".  first_row: row of the detector the slab begins with, for messages.
    overwrite: the memory of float counts may be used for the result.
    Returns float32 (views, rows, columns), float64 for float64 counts, all finite.
    DataError: flats missing or zero, or more than half of a row unusable."""
    if rings is not None and rings not in RINGS:
        raise ArgumentError(f"rings: expected None or one of {', '.join(RINGS)}, got {rings!r}")
    if not 0 < floor < 1:
        raise ArgumentError(f"floor: expected a transmission between 0 and 1, got {floor}")
    counts = _slab("projections", counts)
    out = _result(counts, overwrite)
    if line_integrals:
        if out is not counts:
            out[...] = counts
        bad = np.zeros(counts.shape[1:], dtype=bool)
        repairs = Repairs()
    else:
        flats, darks = _fields("flats", flats, counts), _fields("darks", darks, counts)
        kinds = bad_pixels(counts, flats, darks)
        transmission(
            counts, flats, darks, flat_positions=flat_positions, flats_mode=flats_mode, out=out
        )
        bad = np.logical_or.reduce(list(kinds.values()))
        found = {kind: int(np.count_nonzero(mask)) for kind, mask in kinds.items()}
        repairs = Repairs(**found, no_darks=len(darks) == 0)

    nonfinite, lost_views = fill(out, bad, first_row)
    clamped = 0 if line_integrals else minus_log(out, floor)
    if rings == "sort":
        remove_rings(out)
    repairs += Repairs(
        pixels=bad.size,
        values=out.size,
        nonfinite=nonfinite,
        lost_views=lost_views,
        clamped=clamped,
        floor=floor,
    )
    return out, repairs


def average_fields(frames: ArrayLike) -> NDArray[np.float64]:
    """Mean of flats or darks (n, rows, columns) -> (rows, columns) float64; zeros of none."""
    frames = np.asarray(frames)
    total = np.zeros(frames.shape[1:])
    for frame in frames:  # one by one: the sum does not depend on the shape of the slab
        total += frame
    return total / max(len(frames), 1)


def transmission(
    counts: ArrayLike,
    flats: ArrayLike,
    darks: ArrayLike,
    *,
    flat_positions: ArrayLike | None = None,
    flats_mode: str = "interpolate",
    out: NDArray | None = None,
) -> NDArray:
    """(counts - dark) / (flat - dark), in floating point throughout.

    counts (views, rows, columns), flats and darks (n, rows, columns), flat_positions (n,) in 0..1.
    Flats of one position are averaged; between positions the flat changes linearly with the view,
    or not at all with flats_mode="average".  out may be `counts`.  A pixel whose flat does not
    exceed its dark gives NaN or inf: `fill` mends those that `bad_pixels` names."""
    counts = _slab("projections", counts)
    flats, darks = _fields("flats", flats, counts), _fields("darks", darks, counts)
    out = _result(counts, False) if out is None else out
    positions, groups = _flat_groups(flats, flat_positions, flats_mode, len(counts))
    average = average_fields(darks)
    dark = average.astype(out.dtype)
    gains = [(average_fields(flats[g]) - average).astype(out.dtype) for g in groups]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for v in range(len(counts)):
            np.subtract(counts[v], dark, out=out[v])
            when = (v + 0.5) / len(counts)
            later = int(np.searchsorted(positions, when))
            if 0 < later < len(gains):
                before, after = positions[later - 1], positions[later]
                share = out.dtype.type((when - before) / (after - before))
                out[v] /= (1 - share) * gains[later - 1] + share * gains[later]
            else:
                out[v] /= gains[min(later, len(gains) - 1)]
    return out


def bad_pixels(counts: ArrayLike, flats: ArrayLike, darks: ArrayLike) -> dict[str, NDArray]:
    """Masks (rows, columns) of the pixels that cannot be used, by kind; no pixel is in two.

    zero_flat: flat - dark is not positive in some flat (or is NaN).  hot: the dark level exceeds
    its neighbours' by more than half the response.  dead: the response is three times off its
    neighbours', or the counts are NaN throughout, or do not vary over the views though those beside
    do and the pixel does not just see air.  Neighbours are 11 columns of the same row."""
    counts = _slab("projections", counts)
    flats, darks = _fields("flats", flats, counts), _fields("darks", darks, counts)
    if len(flats) == 0:
        raise DataError(
            "flats: expected flat fields (beam without object), got none; name a scan that has "
            "them, or say that the data are -log already (--line-integrals)"
        )
    dark = average_fields(darks)
    gain = average_fields(flats) - dark
    zero_flat = ~(gain > 0)
    if zero_flat.all():
        raise DataError(
            f"flats: expected counts above the darks, got flats up to {np.max(flats):g} and a mean "
            f"dark of {dark.mean():g} in all {gain.size} pixels; check that the flats are not "
            "empty or exchanged with the darks"
        )
    usual = _neighbours(np.where(zero_flat, 0, gain))
    excess = dark - _neighbours(dark)
    hot = ~zero_flat & (excess > usual / 2) & (usual > 0)
    far_off = (gain * FAR_OFF < usual) | ((gain > usual * FAR_OFF) & (usual > 0))

    lowest, highest = np.fmin.reduce(counts, axis=0), np.fmax.reduce(counts, axis=0)
    lost = np.isnan(lowest.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        varies = ~(highest == lowest)
        air = np.abs((lowest - dark) / gain - 1) < 0.01
    enough = len(counts) >= 8
    stuck = enough & ~varies & ~air & (_neighbours(varies.astype(np.float64)) > 0)
    dead = ~zero_flat & ~hot & (far_off | lost | stuck)
    return {"zero_flat": zero_flat, "dead": dead, "hot": hot}


def fill(values: NDArray, bad: NDArray, first_row: int = 0) -> tuple[int, int]:
    """Fill bad pixels and non-finite values in place from the nearest good columns of the row.

    values (views, rows, columns) float; bad (rows, columns).  Linear between good columns, constant
    beyond the last; a row of a view without any good value lies between the views around it.
    Returns the counts of non-finite values outside `bad` and of such rows.
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
    for row, gone in lost.items():
        _fill_columns(values[:, row].T, np.isin(np.arange(len(values)), gone))
    return nonfinite, sum(map(len, lost.values()))


def minus_log(values: NDArray, floor: float = FLOOR) -> int:
    """Replace transmissions by -log(max(T, floor)), in place; returns how many were raised."""
    clamped = 0
    for view in values:
        clamped += int(np.count_nonzero(view < floor))
        np.maximum(view, floor, out=view)
        np.log(view, out=view)
        np.negative(view, out=view)
    return clamped


def remove_rings(values: NDArray, size: int = 21) -> None:
    """Take the stripes that make rings out of line integrals (views, rows, columns), in place.

    Each column of a sinogram is sorted by value, so that neighbours hold the same quantile of
    nearly the same distribution and a column that is off sticks out at any height; a median over
    `size` columns puts it right, and the values go back to their views.
    Vo, Atwood, Drakopoulos 2018, Optics Express 26, 28396, algorithm 3."""
    for row in range(values.shape[1]):
        sinogram = values[:, row]
        order = np.argsort(sinogram, axis=0, kind="stable")
        ranked = np.take_along_axis(sinogram, order, axis=0)
        np.put_along_axis(sinogram, order, median_filter(ranked, (1, size)), axis=0)


def _slab(name: str, values: ArrayLike) -> NDArray:
    values = np.asarray(values)
    if values.ndim != 3 or 0 in values.shape:
        raise ArgumentError(
            f"{name}: expected (views, rows, columns), none of them 0, got shape {values.shape}"
        )
    return values


def _fields(name: str, frames: ArrayLike | None, counts: NDArray) -> NDArray:
    frames = np.empty((0, *counts.shape[1:])) if frames is None else np.asarray(frames)
    if frames.ndim != 3 or frames.shape[1:] != counts.shape[1:]:
        raise ArgumentError(
            f"{name}: expected frames (n, {counts.shape[1]}, {counts.shape[2]}) as the projections "
            f"have, got shape {frames.shape}"
        )
    return frames


def _result(counts: NDArray, overwrite: bool) -> NDArray:
    """Where the result goes: float64 is kept, all else becomes float32."""
    dtype = np.float64 if counts.dtype == np.float64 else np.float32
    if overwrite and counts.dtype == dtype and counts.flags.writeable and counts.flags.c_contiguous:
        return counts
    return np.empty(counts.shape, dtype=dtype)


def _flat_groups(
    flats: NDArray, positions: ArrayLike | None, mode: str, views: int
) -> tuple[NDArray, list[NDArray]]:
    """Positions (k,) in rising order and the frames taken at each; within a view is the same."""
    if mode not in FLATS:
        raise ArgumentError(f"flats_mode: expected one of {', '.join(FLATS)}, got {mode!r}")
    if positions is None or mode == "average":
        return np.zeros(1), [np.arange(len(flats))]
    where = np.asarray(positions, dtype=np.float64)
    if where.shape != (len(flats),) or not ((where >= 0) & (where <= 1)).all():
        raise ArgumentError(
            f"flat_positions: expected {len(flats)} numbers from 0 to 1, got {positions!r}"
        )
    at, member = np.unique(np.round(where * views) / views, return_inverse=True)
    return at, [np.flatnonzero(member == k) for k in range(len(at))]


def _neighbours(image: NDArray) -> NDArray:
    """Median over the columns around each pixel (rows, columns), row by row."""
    return median_filter(image, (1, NEIGHBOURS), mode="nearest")


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
            f"{bad.shape[1]} pixels zero in the flat, dead or hot), and {len(refused)} such rows in "
            f"{first_row} to {first_row + len(usable) - 1}; reconstruct others (--slices)"
        )


def _fill_columns(lines: NDArray, bad: NDArray) -> None:
    """Fill the bad columns of lines (n, columns) linearly between good ones, in place."""
    good, gaps = np.flatnonzero(~bad), np.flatnonzero(bad)
    after = np.searchsorted(good, gaps)
    left, right = good[np.maximum(after - 1, 0)], good[np.minimum(after, len(good) - 1)]
    share = (gaps - left) / np.maximum(right - left, 1)
    share = np.where(left < right, share, 0).astype(lines.dtype)
    # beyond the last good column left and right are both that one
    left = np.minimum(left, right)
    lines[:, gaps] = lines[:, left] * (1 - share) + lines[:, right] * share
