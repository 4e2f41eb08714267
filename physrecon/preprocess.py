"""From raw counts to line integrals, p = -log((counts - dark) / (flat - dark)).

Every function works on a slab (views, rows, columns) row by row: no row knows of another, so a
volume does not depend on how the rows were cut into slabs.  What `defects` mended is counted in
`Repairs`, which tells it in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.ndimage import median_filter

from physrecon.defects import (
    Fields,
    Repairs,
    average_fields,
    bad_pixels,
    checked_frames,
    checked_slab,
    fill,
)
from physrecon.errors import ArgumentError

FLOOR = 1e-5
"""Just below one count of a full 16-bit detector (1/65535): no count above the dark level is ever
altered, and one at or below it gives a line integral of 11.5 instead of infinity."""

RINGS = ("sort",)
FLATS = ("interpolate", "average")


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
    counts = checked_slab("projections", counts)
    out = _result(counts, overwrite)
    if line_integrals:
        if out is not counts:
            out[...] = counts
        bad = np.zeros(counts.shape[1:], dtype=bool)
        repairs = Repairs()
    else:
        fields = mean_fields(counts, flats, darks, flat_positions, flats_mode)
        kinds = bad_pixels(counts, fields)
        transmission(counts, fields, out)
        bad = np.logical_or.reduce(list(kinds.values()))
        found: dict[str, Any] = {kind: int(np.count_nonzero(mask)) for kind, mask in kinds.items()}
        repairs = fields.repairs + Repairs(**found)

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


def mean_fields(
    counts: NDArray,
    flats: ArrayLike | None,
    darks: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    mode: str = "interpolate",
) -> Fields:
    """What the flats and darks (n, rows, columns) of counts (views, rows, columns) say.

    positions (n,) of the flats in 0..1; within a view is the same.  mode: one of `FLATS`."""
    flats, darks = checked_frames("flats", flats, counts), checked_frames("darks", darks, counts)
    if mode not in FLATS:
        raise ArgumentError(f"flats_mode: expected one of {', '.join(FLATS)}, got {mode!r}")
    if positions is None or mode == "average":
        return average_fields(flats, darks, np.zeros(len(flats)))
    where = np.asarray(positions, dtype=np.float64)
    if where.shape != (len(flats),) or not ((where >= 0) & (where <= 1)).all():
        raise ArgumentError(
            f"flat_positions: expected {len(flats)} numbers from 0 to 1, got {positions!r}"
        )
    return average_fields(flats, darks, np.round(where * len(counts)) / len(counts))


def transmission(counts: NDArray, fields: Fields, out: NDArray | None = None) -> NDArray:
    """(counts - dark) / (flat - dark), in floating point throughout.

    counts (views, rows, columns).  Between the positions of the flats the flat changes linearly
    with the view.  out may be `counts`.  A pixel whose flat does not exceed its dark gives NaN or
    inf: `fill` mends those that `bad_pixels` names."""
    out = _result(counts, False) if out is None else out
    dark = fields.dark.astype(out.dtype)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for v in range(len(counts)):
            np.subtract(counts[v], dark, out=out[v])
            out[v] /= _gain(fields, (v + 0.5) / len(counts), out.dtype)
    return out


def _gain(fields: Fields, when: float, dtype: DTypeLike) -> Any:
    """flat - dark (rows, columns) at a time of the scan, 0 to 1."""
    positions, gains = fields.positions, fields.gains
    later = int(np.searchsorted(positions, when))
    if not 0 < later < len(gains):
        return gains[min(later, len(gains) - 1)].astype(dtype)
    before, after = positions[later - 1], positions[later]
    share: Any = np.dtype(dtype).type((when - before) / (after - before))
    return (1 - share) * gains[later - 1].astype(dtype) + share * gains[later].astype(dtype)


def prepare_counts(
    counts: ArrayLike,
    flats: ArrayLike,
    darks: ArrayLike | None = None,
    *,
    flat_positions: ArrayLike | None = None,
    flats_mode: str = "interpolate",
) -> tuple[NDArray, NDArray, NDArray, Repairs]:
    """A slab of raw counts as TransmissionLikelihood takes them, and what was left out.

    Arguments as for `prepare`.  Returns counts (views, rows, columns), blank (1 or views, rows,
    columns): counts of the open beam above the dark, dark (rows, columns), and Repairs.  Nothing is
    filled: bad pixels and values get blank 0, which takes them out of the likelihood."""
    counts = checked_slab("projections", counts)
    fields = mean_fields(counts, flats, darks, flat_positions, flats_mode)
    kinds = bad_pixels(counts, fields)
    bad = np.logical_or.reduce(list(kinds.values()))
    y: Any = counts.astype(np.float64 if counts.dtype == np.float64 else np.float32)
    lost = ~np.isfinite(y) & ~bad
    varies = len(fields.gains) > 1 or bool(lost.any())
    views = len(y) if varies else 1
    blank = np.stack([_gain(fields, (v + 0.5) / views, y.dtype) for v in range(views)])
    blank[:, bad] = 0
    if varies:
        blank[lost] = 0
    y[~(np.isfinite(y) & (y >= 0))] = 0
    found: dict[str, Any] = {kind: int(np.count_nonzero(mask)) for kind, mask in kinds.items()}
    repairs = Repairs(
        pixels=bad.size, values=y.size, nonfinite=int(np.count_nonzero(lost)), **found
    )
    dark = np.where(bad, 0, np.maximum(fields.dark, 0)).astype(y.dtype)
    return y, blank, dark, fields.repairs + repairs


def minus_log(values: NDArray, floor: float = FLOOR) -> int:
    """Replace transmissions by -log(max(T, floor)), in place; returns how many were raised."""
    clamped = 0
    for view in values:
        clamped += int(np.count_nonzero(view < floor))
        np.maximum(view, floor, out=view)
        np.log(view, out=view)
        np.negative(view, out=view)
    return clamped


def remove_rings(values: NDArray, size: int | None = None) -> None:
    """Take the stripes that make rings out of line integrals (views, rows, columns), in place.

    Each column of a sinogram is sorted by value, so that neighbours hold the same quantile of
    nearly the same distribution and a column that is off sticks out at any height; a median over
    `size` columns puts it right, and the values go back to their views.  Stripes up to size/2 wide
    go; the default of 5 to 21, a hundredth of the detector, spares the structure near the axis.
    Vo, Atwood, Drakopoulos 2018, Optics Express 26, 28396, algorithm 3."""
    size = size or min(max(values.shape[2] // 100, 5), 21) | 1
    for row in range(values.shape[1]):
        sinogram = values[:, row]
        order = np.argsort(sinogram, axis=0, kind="stable")
        ranked = np.take_along_axis(sinogram, order, axis=0)
        for quantile in ranked:  # line by line: SciPy's filter of one dimension is 5 times faster
            quantile[:] = median_filter(quantile, size)
        np.put_along_axis(sinogram, order, ranked, axis=0)


def _result(counts: NDArray, overwrite: bool) -> NDArray:
    """Where the result goes: float64 is kept, all else becomes float32."""
    double = counts.dtype.kind == "f" and counts.dtype.itemsize == 8
    dtype = np.float64 if double else np.float32
    if overwrite and counts.dtype == dtype and counts.flags.writeable and counts.flags.c_contiguous:
        return counts
    return np.empty(counts.shape, dtype=dtype)
