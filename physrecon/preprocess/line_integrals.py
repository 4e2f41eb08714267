"""From raw counts to line integrals, p = -log((counts - dark) / (flat - dark)).

Every function treats the rows of a slab (views, rows, columns) independently, so that a volume does
not depend on the slabs.  `Repairs` counts the repairs and describes them in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon.errors import ArgumentError
from physrecon.preprocess.defects import Fields, Repairs, bad_pixels, checked_slab, fill
from physrecon.preprocess.flat_fields import mean_fields, open_beam, result_array, transmission
from physrecon.preprocess.rings import RINGS, remove_rings

FLOOR = 1e-5
"""Transmission just below one count of a full 16-bit detector (1/65535): counts above the dark
level are never altered, and others give a line integral of 11.5 instead of infinity."""


def prepare(
    counts: ArrayLike,
    flats: ArrayLike | None = None,
    darks: ArrayLike | None = None,
    *,
    flat_positions: ArrayLike | None = None,
    beam: Sequence[ArrayLike] | None = None,
    flats_mode: str = "interpolate",
    floor: float = FLOOR,
    rings: str | None = None,
    line_integrals: bool = False,
    first_row: int = 0,
    overwrite: bool = False,
) -> tuple[NDArray, Repairs]:
    """Turn a slab of raw counts into line integrals, and count the repairs.

    counts (views, rows, columns), flats and darks (n, rows, columns) of the same rows.  Darks are
    optional, flats only with `line_integrals`: counts are then -log values, and only NaN and inf
    are repaired.  flat_positions (n,): how far into the scan each flat was taken, 0 to 1.
    beam: counts of the open beam in the views (views,) and in the flats (n,), in any unit.
    rings: None or "sort".  first_row: row of the detector the slab begins with, for messages.
    overwrite: the memory of float counts may be used for the result.
    Returns float32 (views, rows, columns), float64 for float64 counts, all finite.
    DataError: flats missing or zero, or more than half of a row unusable.

    >>> flats, darks = np.full((2, 1, 5), 1010.0), np.full((2, 1, 5), 10.0)
    >>> y, repairs = pr.prepare(np.full((3, 1, 5), 510.0), flats, darks)  # half of the light
    >>> y.shape, np.allclose(y, np.log(2)), repairs.sentences()
    ((3, 1, 5), True, [])
    """
    if rings is not None and rings not in RINGS:
        raise ArgumentError(f"rings: expected None or one of {', '.join(RINGS)}, got {rings!r}")
    if not 0 < floor < 1:
        raise ArgumentError(f"floor: expected a transmission between 0 and 1, got {floor}")
    counts = checked_slab("projections", counts)
    out = result_array(counts, overwrite)
    if line_integrals:
        if out is not counts:
            out[...] = counts
        bad = np.zeros(counts.shape[1:], dtype=bool)
        repairs = Repairs()
    else:
        fields = mean_fields(counts, flats, darks, flat_positions, flats_mode, beam)
        bad, repairs = _unusable(counts, fields)
        transmission(counts, fields, out)

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


def prepare_counts(
    counts: ArrayLike,
    flats: ArrayLike,
    darks: ArrayLike | None = None,
    *,
    flat_positions: ArrayLike | None = None,
    beam: Sequence[ArrayLike] | None = None,
    flats_mode: str = "interpolate",
) -> tuple[NDArray, NDArray, NDArray, Repairs]:
    """A slab of raw counts in the form of TransmissionLikelihood, and the repairs.

    Arguments as for `prepare`.  Returns counts (views, rows, columns), blank (1 or views, rows,
    columns): counts of the open beam above the dark, dark (rows, columns), and Repairs.  Nothing is
    filled: bad pixels and values get blank 0, which excludes them from the likelihood."""
    counts = checked_slab("projections", counts)
    fields = mean_fields(counts, flats, darks, flat_positions, flats_mode, beam)
    bad, found = _unusable(counts, fields)
    y: Any = counts.astype(np.float64 if counts.dtype == np.float64 else np.float32)
    lost = ~np.isfinite(y) & ~bad
    varies = len(fields.gains) > 1 or fields.beam is not None or bool(lost.any())
    views = len(y) if varies else 1
    blank = np.stack([open_beam(fields, v, views, y.dtype) for v in range(views)])
    blank[:, bad] = 0
    if varies:
        blank[lost] = 0
    y[~(np.isfinite(y) & (y >= 0))] = 0
    lost_values = int(np.count_nonzero(lost))
    repairs = found + Repairs(pixels=bad.size, values=y.size, nonfinite=lost_values)
    dark = np.where(bad, 0, np.maximum(fields.dark, 0)).astype(y.dtype)
    return y, blank, dark, repairs


def _unusable(counts: NDArray, fields: Fields) -> tuple[NDArray, Repairs]:
    """Mask (rows, columns) of the unusable pixels, and their numbers with the repairs of fields."""
    kinds = bad_pixels(counts, fields)
    found: dict[str, Any] = {kind: int(np.count_nonzero(mask)) for kind, mask in kinds.items()}
    return np.logical_or.reduce(list(kinds.values())), fields.repairs + Repairs(**found)


def minus_log(values: NDArray, floor: float = FLOOR) -> int:
    """Replace transmissions by -log(max(T, floor)), in place; returns the number raised."""
    clamped = 0
    for view in values:
        clamped += int(np.count_nonzero(view < floor))
        np.maximum(view, floor, out=view)
        np.log(view, out=view)
        np.negative(view, out=view)
    return clamped
