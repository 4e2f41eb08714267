"""Transmission from raw counts, (counts - dark) / (dose · (flat - dark)), row by row.

The dose is the light of a view relative to that of the flats: what a beam monitor or the counting
time says of it, and what columns of air show."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError, DataError
from physrecon.preprocess.defects import Fields, average_fields, checked_frames, without_flats
from physrecon.preprocess.saturation import saturation_levels

FLATS = ("interpolate", "average")
SAMPLED = 64  # views that judge flats and darks
UNLIKE = 0.5  # of the light of most columns of air


def mean_fields(
    counts: NDArray,
    flats: ArrayLike | None,
    darks: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    mode: str = "interpolate",
    beam: Sequence[ArrayLike] | None = None,
    air: slice | None = None,
    saturation: float | None = None,
) -> Fields:
    """Mean flats and darks for counts (views, rows, columns), and the dose of each view.

    flats, darks (n, rows, columns).  positions (n,) of the flats in 0..1, rounded to whole views.
    mode: one of `FLATS`.  beam: counts of the open beam, (views,) and (flats,), by a monitor or by
    counting times in any unit.  air: columns beside the object, whose mean is the open beam of each
    row of each view; no flats are needed then.  saturation: the detector's largest number."""
    flats, darks = checked_frames("flats", flats, counts), checked_frames("darks", darks, counts)
    if mode not in FLATS:
        raise ArgumentError(f"flats_mode: expected one of {', '.join(FLATS)}, got {mode!r}")
    levels = saturation_levels(counts, flats, darks, saturation)
    some = counts[:: max(1, len(counts) // SAMPLED)]
    of_views, of_flats = _doses(beam, counts, flats)
    if not len(flats) and air is not None:
        fields = replace(without_flats(darks, some), saturation=levels)
    elif positions is None or mode == "average":
        fields = average_fields(flats, darks, np.zeros(len(flats)), some, of_flats, levels)
    else:
        where = np.asarray(positions, dtype=np.float64)
        if where.shape != (len(flats),) or not ((where >= 0) & (where <= 1)).all():
            raise ArgumentError(
                f"flat_positions: expected {len(flats)} numbers from 0 to 1, got {positions!r}"
            )
        at = np.round(where * len(counts)) / len(counts)
        fields = average_fields(flats, darks, at, some, of_flats, levels)
    if of_views is not None:
        fields = replace(fields, dose=of_views[:, np.newaxis])
    return fields if air is None else _with_air(counts, fields, air)


def _doses(
    beam: Sequence[ArrayLike] | None, counts: NDArray, flats: NDArray
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Light of the views (views,) and of the flats (flats,), relative to the mean of the flats."""
    if beam is None:
        return None, None
    found = []
    for values, frames in zip(beam, (counts, flats), strict=True):
        doses = np.asarray(values, dtype=np.float64)
        if doses.shape != (len(frames),) or not ((doses > 0) & np.isfinite(doses)).all():
            raise ArgumentError(f"beam: expected {len(frames)} positive numbers, got {values!r}")
        found.append(doses)
    one = found[1].mean() if len(flats) else 1.0
    return found[0] / one, found[1] / one


def _with_air(counts: NDArray, fields: Fields, air: slice) -> Fields:
    """The fields with the dose of each row of each view that its columns of air show."""
    columns = counts.shape[2]
    some = range(*air.indices(columns))
    if not some or (air.stop or 0) > columns:
        raise ArgumentError(f"air: expected columns within 0:{columns}, got {air.start}:{air.stop}")
    part = slice(some.start, some.stop)
    light = np.empty((*counts.shape[:2], len(some)))
    for v, view in enumerate(counts):
        with np.errstate(divide="ignore", invalid="ignore"):
            light[v] = (view[:, part] - fields.dark[:, part]) / gain(
                fields, (v + 0.5) / len(counts), np.float64
            )[:, part]
    light[~np.isfinite(light) | ~alike(light)] = np.nan
    number = np.isfinite(light).sum(axis=2)
    dose = np.nansum(light, axis=2) / np.where(number > 0, number, np.nan)
    unlit = ~(dose > 0)
    if unlit.all():
        raise DataError(
            f"air: expected light in columns {part.start}:{part.stop}, got none; choose columns "
            "beside the object"
        )
    dose[unlit] = np.nan  # such a row of a view is lost
    level = np.ones(1) if np.any(fields.repairs.flat_rows) else np.nanmean(dose, axis=0)
    level = np.where(level > 0, level, 1)
    gains, mean = fields.gains * level[:, np.newaxis], fields.gain * level[:, np.newaxis]
    return replace(fields, gain=mean, gains=gains, dose=dose / level)


def alike(light: NDArray) -> NDArray[np.bool_]:
    """Mask (rows, columns) of the columns of air that show the light of most: not dead, not hot.

    light (views, rows, columns)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN is not alike
        of_column = np.nanmedian(light, axis=0)
        usual = np.nanmedian(of_column, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.abs(of_column - usual) < UNLIKE * np.abs(usual)


def transmission(counts: NDArray, fields: Fields, out: NDArray | None = None) -> NDArray:
    """(counts - dark) / blank, in floating point throughout.

    counts (views, rows, columns).  The flat is interpolated linearly between its positions.  out
    may be `counts`.  A pixel whose flat does not exceed its dark gives NaN or inf: `bad_pixels`
    finds it, `fill` repairs it."""
    out = result_array(counts, False) if out is None else out
    dark = fields.dark.astype(out.dtype)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for v in range(len(counts)):
            cancellation_point()
            np.subtract(counts[v], dark, out=out[v])
            out[v] /= open_beam(fields, v, len(counts), out.dtype)
    return out


def open_beam(fields: Fields, view: int, views: int, dtype: DTypeLike) -> Any:
    """The open beam above the dark (rows, columns) at the time of a view."""
    light = gain(fields, (view + 0.5) / views, dtype)
    dose = fields.dose[view if len(fields.dose) > 1 else 0]
    return light if (dose == 1).all() else light * dose[:, np.newaxis].astype(dtype)


def gain(fields: Fields, when: float, dtype: DTypeLike) -> Any:
    """flat - dark (rows, columns) at a time of the scan, 0 to 1."""
    positions, gains = fields.positions, fields.gains
    later = int(np.searchsorted(positions, when))
    if not 0 < later < len(gains):
        return gains[min(later, len(gains) - 1)].astype(dtype)
    before, after = positions[later - 1], positions[later]
    share: Any = np.dtype(dtype).type((when - before) / (after - before))
    return (1 - share) * gains[later - 1].astype(dtype) + share * gains[later].astype(dtype)


def result_array(counts: NDArray, overwrite: bool) -> NDArray:
    """Memory for the result: float64 for float64 counts, otherwise float32."""
    double = counts.dtype.kind == "f" and counts.dtype.itemsize == 8
    dtype = np.float64 if double else np.float32
    if overwrite and counts.dtype == dtype and counts.flags.writeable and counts.flags.c_contiguous:
        return counts
    return np.empty(counts.shape, dtype=dtype)
