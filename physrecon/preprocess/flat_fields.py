"""Transmission from raw counts, (counts - dark) / (flat - dark), row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError
from physrecon.preprocess.defects import Fields, average_fields, checked_frames

FLATS = ("interpolate", "average")


def mean_fields(
    counts: NDArray,
    flats: ArrayLike | None,
    darks: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    mode: str = "interpolate",
    beam: Sequence[ArrayLike] | None = None,
) -> Fields:
    """Mean flats and darks for counts (views, rows, columns).

    flats, darks (n, rows, columns).  positions (n,) of the flats in 0..1, rounded to whole views.
    mode: one of `FLATS`.  beam: counts of the open beam, (views,) and (flats,), or None."""
    flats, darks = checked_frames("flats", flats, counts), checked_frames("darks", darks, counts)
    if beam is None:
        return _mean_fields(counts, flats, darks, positions, mode, None)
    of_views, of_flats = (_beam(*each) for each in zip(beam, (counts, flats), strict=True))
    one = of_flats.mean() if of_flats.size else 1.0
    fields = _mean_fields(counts, flats, darks, positions, mode, of_flats / one)
    return replace(fields, beam=of_views / one)


def _mean_fields(
    counts: NDArray,
    flats: NDArray,
    darks: NDArray,
    positions: ArrayLike | None,
    mode: str,
    flat_beam: NDArray | None,
) -> Fields:
    if mode not in FLATS:
        raise ArgumentError(f"flats_mode: expected one of {', '.join(FLATS)}, got {mode!r}")
    if positions is None or mode == "average":
        return average_fields(flats, darks, np.zeros(len(flats)), flat_beam)
    where = np.asarray(positions, dtype=np.float64)
    if where.shape != (len(flats),) or not ((where >= 0) & (where <= 1)).all():
        raise ArgumentError(
            f"flat_positions: expected {len(flats)} numbers from 0 to 1, got {positions!r}"
        )
    return average_fields(flats, darks, np.round(where * len(counts)) / len(counts), flat_beam)


def _beam(values: ArrayLike, frames: NDArray) -> NDArray:
    """Counts of the open beam (frames,).  Raises ArgumentError unless they are positive."""
    beam = np.asarray(values, dtype=np.float64)
    if beam.shape != (len(frames),) or not ((beam > 0) & np.isfinite(beam)).all():
        raise ArgumentError(f"beam: expected {len(frames)} positive numbers, got {values!r}")
    return beam


def transmission(counts: NDArray, fields: Fields, out: NDArray | None = None) -> NDArray:
    """(counts - dark) / (flat - dark), in floating point throughout.

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
    """Counts above the dark (rows, columns) that a view without the object would have."""
    flat = gain(fields, (view + 0.5) / views, dtype)
    return flat if fields.beam is None else flat * np.dtype(dtype).type(fields.beam[view])


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
