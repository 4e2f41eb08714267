"""From raw counts to line integrals, p = -log((counts - dark) / (flat - dark)).

Every function treats the rows of a slab (views, rows, columns) independently, so that a volume does
not depend on the slabs.  `Repairs` counts the repairs and describes them in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError
from physrecon.preprocess.defects import (
    Fields,
    Repairs,
    bad_pixels,
    checked_slab,
    fill,
)
from physrecon.preprocess.flat_fields import (
    alike,
    mean_fields,
    open_beam,
    result_array,
    transmission as transmission_of,
)
from physrecon.preprocess.rings import RINGS, remove_rings
from physrecon.preprocess.saturation import saturated_values
from physrecon.preprocess.zingers import ZINGERS, Places, find_zingers

FLOOR = 1e-5
"""Least transmission where neither counts nor darks tell one: one count of a full 16-bit detector
is 1/65535.  Others give a line integral of 11.5 instead of infinity."""
HIGHEST_FLOOR = 0.5  # transmission; counts that tell less give no picture
NEGATIVE = 0.02  # mean line integral of a row, below which air that drifts does not reach


def prepare(
    counts: ArrayLike,
    flats: ArrayLike | None = None,
    darks: ArrayLike | None = None,
    *,
    flat_positions: ArrayLike | None = None,
    beam: Sequence[ArrayLike] | None = None,
    flats_mode: str = "interpolate",
    air: slice | None = None,
    saturation: float | None = None,
    floor: float | None = None,
    zingers: str = "auto",
    angles: ArrayLike | None = None,
    rings: str | None = None,
    transmission: bool = False,
    line_integrals: bool = False,
    masked: ArrayLike | None = None,
    first_row: int = 0,
    fill_bad: bool = True,
    overwrite: bool = False,
) -> tuple[NDArray, Repairs]:
    """Turn a slab of raw counts into line integrals, and count the repairs.

    counts (views, rows, columns), flats and darks (n, rows, columns) of the same rows.  Darks are
    optional; flats are, with `air` or if counts are transmissions (`transmission`) or -log values
    (`line_integrals`).  flat_positions (n,): how far into the scan each flat was taken, 0 to 1.
    beam: counts of the open beam in the views (views,) and in the flats (n,), by a monitor or by
    counting times in any unit.  air: columns beside the object, which normalise each row of each
    view.  saturation: the detector's largest number.  floor: least transmission; None: half a
    count, or half the noise of the darks.  zingers: "auto" fills bright pixels of single views,
    "none" keeps them; angles (views,) in radians tell which views are adjacent.  rings: None or
    "sort".  masked (views or 1, rows, columns): values that are NaN on purpose, which are counted
    apart.  first_row: row of the detector the slab begins with, for messages.  fill_bad: false
    leaves bad and raised values NaN.  overwrite: the memory of float counts may be reused.
    Returns float32 (views, rows, columns), float64 for float64 counts, all finite if filled.
    DataError: flats missing or zero, more than half of a row unusable.

    >>> flats, darks = np.full((2, 1, 5), 1010.0), np.full((2, 1, 5), 10.0)
    >>> y, repairs = pr.prepare(np.full((3, 1, 5), 510.0), flats, darks)  # half of the light
    >>> y.shape, np.allclose(y, np.log(2)), repairs.sentences()
    ((3, 1, 5), True, [])
    """
    counts = _checked(counts, rings, zingers, floor, transmission and line_integrals)
    out, photon, least = result_array(counts, overwrite), np.zeros(1), np.full(1, FLOOR)
    if line_integrals or transmission:
        _normalise(counts, out, air, np.subtract if line_integrals else np.divide)
        bad, repairs = np.zeros(counts.shape[1:], dtype=bool), Repairs()
    else:
        light = beam, air, saturation
        fields = mean_fields(counts, flats, darks, flat_positions, flats_mode, *light)
        bad, repairs = _bad(counts, fields, masked)
        transmission_of(counts, fields, out)
        photon, least = 2 * least_transmission(fields, 0.0), least_transmission(fields)
    known, sought = _masked(out, masked, bad), zingers == "auto" and not line_integrals
    hit = _remove_zingers(out, bad, angles, photon) if sought else 0
    found = _finish(out, bad, hit + known[1], floor or least, line_integrals, fill_bad, first_row)
    repairs += replace(found, zingers=hit, masked=known[0])
    if rings == "sort":
        remove_rings(out)
    return out, repairs


def prepare_counts(
    counts: ArrayLike,
    flats: ArrayLike | None = None,
    darks: ArrayLike | None = None,
    *,
    flat_positions: ArrayLike | None = None,
    beam: Sequence[ArrayLike] | None = None,
    flats_mode: str = "interpolate",
    air: slice | None = None,
    saturation: float | None = None,
    zingers: str = "auto",
    angles: ArrayLike | None = None,
    masked: ArrayLike | None = None,
) -> tuple[NDArray, NDArray, NDArray, Repairs]:
    """A slab of raw counts in the form of TransmissionLikelihood, and the repairs.

    Arguments as for `prepare`.  Returns counts (views, rows, columns), blank (1 or views, rows,
    columns): counts of the open beam above the dark, dark (rows, columns), and Repairs.  Nothing is
    filled: bad pixels, zingers and other bad values get blank 0, which excludes them from the
    likelihood."""
    counts = _checked(counts, None, zingers, None, False)
    light = beam, air, saturation
    fields = mean_fields(counts, flats, darks, flat_positions, flats_mode, *light)
    bad, found = _bad(counts, fields, masked)
    all_masked, masked_here = _masked(counts, masked, bad)
    y: Any = counts.astype(np.float64 if counts.dtype == np.float64 else np.float32)
    lost = ~np.isfinite(y) & ~bad
    nonfinite, hit = int(np.count_nonzero(lost)), 0
    if zingers == "auto":

        def view(v: int) -> NDArray:
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (y[v] - fields.dark) / open_beam(fields, v, len(y), np.float64)
            return np.where(bad | lost[v], np.nan, t)

        places = find_zingers(view, len(y), angles, 2 * least_transmission(fields, 0.0))
        lost[places], hit = True, len(places[0])
    varies = len(fields.gains) > 1 or len(fields.dose) > 1 or bool(lost.any())
    views = len(y) if varies else 1
    blank = np.stack([open_beam(fields, v, views, y.dtype) for v in range(views)])
    blank[:, bad] = 0
    if varies:
        blank[lost] = 0
    blank[~np.isfinite(blank)] = 0
    y[~(np.isfinite(y) & (y >= 0))] = 0
    repairs = Repairs(
        pixels=bad.size,
        values=y.size,
        nonfinite=nonfinite - masked_here,
        zingers=hit,
        masked=all_masked,
    )
    dark = np.where(bad, 0, np.maximum(fields.dark, 0)).astype(y.dtype)
    return y, blank, dark, found + repairs


def least_transmission(fields: Fields, otherwise: float = FLOOR) -> NDArray:
    """The least transmission that counts can tell, (rows, columns): half a count of the blank, or
    half the noise of the darks."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = fields.count / fields.gain
    known = (fields.count > 0) & (part > 0) & np.isfinite(part)
    return np.where(known, np.minimum(part, HIGHEST_FLOOR), otherwise)


def minus_log(values: NDArray, floor: Any = FLOOR) -> int:
    """Replace transmissions by -log(max(T, floor)), in place; returns the number raised."""
    floor, clamped = np.asarray(floor, values.dtype), 0
    for view in values:
        clamped += int(np.count_nonzero(view < floor))
        np.maximum(view, floor, out=view)
        np.log(view, out=view)
        np.negative(view, out=view)
    return clamped


def _checked(
    counts: ArrayLike, rings: str | None, zingers: str, floor: float | None, both: bool
) -> NDArray:
    if rings is not None and rings not in RINGS:
        raise ArgumentError(f"rings: expected None or one of {', '.join(RINGS)}, got {rings!r}")
    if zingers not in ZINGERS:
        raise ArgumentError(f"zingers: expected one of {', '.join(ZINGERS)}, got {zingers!r}")
    if floor is not None and not 0 < floor < 1:
        raise ArgumentError(f"floor: expected a transmission between 0 and 1, got {floor}")
    if both:
        raise ArgumentError("prepare: expected transmissions or line integrals, got both; drop one")
    return checked_slab("projections", counts)


def _bad(counts: NDArray, fields: Fields, masked: ArrayLike | None) -> tuple[NDArray, Repairs]:
    """Mask (rows, columns) of the bad pixels, and the repairs so far."""
    kinds = bad_pixels(counts, fields)
    bad = np.logical_or.reduce(list(kinds.values()))
    whole = False if masked is None else np.asarray(masked, bool).all(axis=0)
    found: dict[str, Any] = {k: int(np.count_nonzero(m & ~whole)) for k, m in kinds.items()}
    saturated = saturated_values(counts, fields.saturation)
    seen = bool(saturated or fields.repairs.saturated_flats)
    level = float(fields.saturation[np.isfinite(fields.saturation)].max()) if seen else 0.0
    return bad, fields.repairs + Repairs(saturated=saturated, saturation=level, **found)


def _masked(counts: NDArray, masked: ArrayLike | None, bad: NDArray) -> tuple[int, int]:
    """Numbers of masked values, of all and of those that are NaN outside bad pixels."""
    if masked is None:
        return 0, 0
    every = np.broadcast_to(np.asarray(masked, bool), counts.shape)
    outside = sum(
        int(np.count_nonzero(mask & ~bad & ~np.isfinite(view)))
        for mask, view in zip(every, counts, strict=True)
    )
    return int(np.count_nonzero(every)), outside


def _normalise(counts: NDArray, values: NDArray, air: slice | None, by: Any) -> None:
    """Divide transmissions by their mean over columns of air, or subtract it (line integrals)."""
    np.copyto(values, counts)
    if air is None:
        return
    good = by is np.subtract or alike(values[:, :, air])
    for view in values:
        by(view, np.nanmean(view[:, air], axis=1, keepdims=True, where=good), out=view)


def _remove_zingers(values: NDArray, bad: NDArray, angles: ArrayLike | None, photon: Any) -> int:
    """Set zingers of transmissions to NaN; returns their number."""
    places: Places = find_zingers(
        lambda v: np.where(bad, np.nan, values[v]), len(values), angles, photon
    )
    values[places] = np.nan
    return len(places[0])


def _finish(
    values: NDArray,
    bad: NDArray,
    known: int,
    least: Any,
    logged: bool,
    fill_bad: bool,
    first_row: int,
) -> Repairs:
    """Fill and take the logarithm, in place; known: NaN that are told apart."""
    nonfinite = lost_views = 0
    unlit = 0 if logged else _unlit_rows(values, least)
    if fill_bad:
        nonfinite, lost_views = fill(values, bad, first_row)
        clamped = 0 if logged else minus_log(values, least)
    else:
        nonfinite = int(np.count_nonzero(~np.isfinite(values)))
        low = bad | ((values < least) & (not logged))
        clamped = 0 if logged else minus_log(values, least)
        values[low] = np.nan
    return Repairs(
        pixels=bad.size,
        values=values.size,
        nonfinite=nonfinite - known,
        lost_views=lost_views,
        clamped=clamped,
        unlit=unlit,
        floor=float(np.max(least)),
        negative=_negative_rows(values),
    )


def _unlit_rows(values: NDArray, least: Any) -> int:
    """Number of rows of views whose transmissions are below the least everywhere."""
    with np.errstate(invalid="ignore"):
        return sum(int(np.count_nonzero(~(view >= least).any(axis=1))) for view in values)


def _negative_rows(values: NDArray) -> int:
    """Number of rows whose line integrals are negative for the most part."""
    above, below = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for view in values:
        above += np.maximum(view, 0).sum(axis=1, dtype=np.float64)
        below -= np.minimum(view, 0).sum(axis=1, dtype=np.float64)
    size = values.shape[0] * values.shape[2]
    return int(np.count_nonzero((below > 2 * above) & (below > NEGATIVE * size)))
