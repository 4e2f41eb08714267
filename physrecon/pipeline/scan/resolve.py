"""Settings found in the data of a scan: the rotation axis, and those of the likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.catalog import LIKELIHOODS, find
from physrecon.errors import ArgumentError, DataError, PhysreconError
from physrecon.geometry.cone_beam import ConeBeam
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.io import Scan
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.scan.measure import Array, corrected
from physrecon.preprocess.axis_line import AxisLine, axis_line
from physrecon.preprocess.conjugate_rays import axis_of_plane, plane_rows
from physrecon.preprocess.detector_roll import rows_for_roll, views_for_roll, with_roll
from physrecon.preprocess.line_integrals import Repairs
from physrecon.preprocess.rotation_axis import (
    Center,
    average_views,
    axis_of_parallel,
    sweep_about,
)

SAMPLE_ROWS = 8  # rows used to find the axis, and to check that the data are usable
DOUBTFUL = 1.0  # columns of ±: doubled edges are seen in the slice
MIDDLE = "the middle of the detector, as none is stated: give --center"
CONJUGATE = ("fan", "cone")  # kinds of beams that measure rays twice, in the plane of the source
LINE_ROWS = 24  # in which the axis is found to fit a line
SAMPLE_BYTES = 128 << 20  # bytes of these rows read at a time


def with_center(
    job: ScanJob,
    scan: Scan,
    messages: Messages,
    found: Center | None = None,
    facts: dict[str, str] | None = None,
) -> ScanJob:
    """The job with the column of the rotation axis.  found: the axis, if it is known already.

    facts: takes the axis in words, if it is found."""
    if job.center != "auto":
        messages.result(f"center: {job.center} (given)")
        return job
    found = found or axis_of(job, scan)
    column = say_axis(found, messages)
    if facts is not None:
        facts["found_center"] = axis_in_words(found)
    stated = scan.center
    if stated is not None and not isinstance(found, TakenAxis) and abs(stated - column) > 1:
        messages.warn(f"center: the file states {stated:g}; give it with --center to use it")
    return job.model_copy(update={"center": column})


@dataclass(frozen=True)
class TakenAxis(Center):
    """An axis that was not found in the data.  how: where it is from."""

    how: str = ""


def axis_of(job: ScanJob, scan: Scan) -> Center:
    """The axis of a scan of any kind, found if its data tell it.

    Of a beam that is not parallel it is that of the file, which its calibration states, else that
    of the data, else the middle of the detector."""
    if scan.beam_kind == "parallel":
        return find_axis(job, scan)
    if scan.center is not None:
        return TakenAxis(round(scan.center, 3), 0.0, {}, (), [], how="as the file states")
    columns = scan.shape[2]
    middle = TakenAxis((columns - 1) / 2, columns / 2, {}, (), [], how=MIDDLE)
    if scan.beam_kind not in CONJUGATE:
        return middle
    try:
        return find_axis(job, scan)
    except PhysreconError as problem:
        return replace(middle, notes=[f"it was not found in the data ({problem})"])


def with_settings(job: ScanJob, scan: Scan, rows: slice, messages: Messages) -> ScanJob:
    """The job with the settings of its likelihood, found in `rows`."""
    likelihood = find(LIKELIHOODS, job.likelihood)
    if not any(getattr(job, name) == "auto" for name in likelihood.settings):
        return job
    stacks = [s[:, rows] for s in (scan.projections, scan.flats, scan.darks)]
    y, _ = corrected(job, scan, stacks, rows.start, fill_bad=False)  # made-up values have no noise
    found = likelihood.find_settings(y)
    values = {n: float(f"{v:.3g}") for n, v in found.items() if getattr(job, n) == "auto"}
    for name, value in values.items():
        if not value > 0:
            raise DataError(
                f"{name}: expected data with noise, got none in {scan.path}; set {name}"
            )
        messages.result(f"{name}: {value} (found from the noise)")
    return job.model_copy(update=values)


def axis_in_words(found: Center) -> str:
    """The column of the axis, its ± and the reason."""
    if isinstance(found, TakenAxis):
        return f"{found.column:g} ({found.how})"
    kept = [name for name in found.methods if name not in found.dropped]
    names = " and ".join(", ".join(kept).rsplit(", ", 1))
    columns = [found.methods[name] for name in kept]
    within = f" within {max(columns) - min(columns):.2g} columns"
    why = [f"found by {names}{within}" if kept[1:] else f"found by {names} alone"]
    why += [f"{name}, {found.methods[name]:.2f}, makes a worse slice" for name in found.dropped]
    return f"{round(found.column, 2)} ± {found.uncertainty:.2g} ({'; '.join(why)})"


def _use(found: Center, unit: str) -> str:
    """What to do about the roll of a detector."""
    if abs(found.roll or 0.0) < (found.roll_uncertainty or 0.0):
        return ": the detector is upright within that"
    return f": give --roll {found.roll:.2f}{unit} with --center {found.column:.2f}"


def say_axis(found: Center, messages: Messages, unit: str = "deg") -> float:
    """Print the axis, its ± and the reason; return its column, to two decimals.

    unit: of the roll.

    Two decimals are finer than any method, and the same on every machine."""
    messages.result(f"center: {axis_in_words(found)}")
    if found.roll is not None and found.roll_uncertainty is not None:
        messages.result(
            f"roll: {found.roll:.2f} ± {found.roll_uncertainty:.2g} {unit}{_use(found, unit)}"
        )
    for note in found.notes:
        messages.warn(f"center: {note}")
    if isinstance(found, TakenAxis):
        return found.column
    if found.uncertainty > DOUBTFUL:
        told = ", ".join(f"{name} {column:.2f}" for name, column in found.methods.items())
        messages.warn(
            f"center: the axis is known to ± {found.uncertainty:.2g} columns only ({told}); look "
            "at the slices that `find-center --plot FILE` draws, and give the column with --center"
        )
    return round(found.column, 2)


def draw_axis(path: Path, job: ScanJob, scan: Scan, found: Center) -> None:
    """Draw how the slice looks about columns near the axis."""
    from physrecon.pictures.axis_sweep import draw_sweep

    sweep = sweep_about(*sample(job, scan, slice(0, scan.shape[1])), found.column)
    curve = (sweep.columns, sweep.scores, sweep.metric)
    known = (found.column, found.uncertainty)
    draw_sweep(path, curve, found.methods, known, sweep.best, sweep.slices)


def find_axis(job: ScanJob, scan: Scan) -> Center:
    """The rotation axis, from rows of the whole scan, so that a part of it has the same axis.

    Raises ArgumentError for another beam than a parallel, fan or cone one, DataError for data that
    do not tell it."""
    geometry = scan.geometry
    if isinstance(geometry, ParallelBeam):
        return axis_of_parallel(*sample(job, scan, slice(0, scan.shape[1])))
    if not isinstance(geometry, FanBeam | ConeBeam):
        raise ArgumentError(
            f"find-center: expected a parallel, fan or cone beam, got a {scan.beam_kind} one; give "
            f"--center, or find the axis with the volume: physrecon align {scan.path.name}"
        )
    if len(geometry) < 4 or scan.shape[2] < 8:
        raise DataError(
            f"find-center: expected at least 4 views of 8 columns, got {len(geometry)} of "
            f"{scan.shape[2]}; give --center"
        )
    y, angles = sample(job, scan, plane_rows(geometry))
    plane = np.asarray(y.mean(axis=1), np.float64)
    found, problems = list[Center](), list[DataError]()
    # In the wrong sense pairs of rays agree less, and the ± is several times as large.
    for sense in (1,) if scan.setup.rotation else (1, -1):
        try:
            found.append(axis_of_plane(plane, sense * np.asarray(angles, np.float64), geometry))
        except DataError as problem:
            problems.append(problem)
    if not found:
        raise problems[0]
    return min(found, key=lambda one: one.uncertainty)


def find_roll(job: ScanJob, scan: Scan, found: Center) -> Center:
    """The axis of a cone beam with the roll of its detector, where the data tell it."""
    geometry = scan.geometry
    if not isinstance(geometry, ConeBeam) or geometry.roll:
        return found
    rows, views = rows_for_roll(geometry), views_for_roll(len(geometry))
    if rows.stop == 0:
        return found
    chosen = np.arange(*views.indices(len(geometry)))
    stacks = [scan.projections[chosen, rows], scan.flats[:, rows], scan.darks[:, rows]]
    y, _ = corrected(job, scan, stacks, rows.start, views=chosen)
    # in the wrong sense the ± is larger, as that of the axis is
    senses = (1,) if scan.setup.rotation else (1, -1)
    radians = geometry.radians[chosen]
    told = [with_roll(found, y, rows, sense * radians, geometry) for sense in senses]
    return min(told, key=lambda one: one.roll_uncertainty or np.inf)


def find_axis_line(job: ScanJob, scan: Scan) -> AxisLine:
    """The axis of a parallel beam as a line over the rows.

    Raises ArgumentError for another beam, DataError if too few rows tell the axis."""
    geometry = scan.geometry
    if not isinstance(geometry, ParallelBeam):
        raise ArgumentError(
            f"find-center --per-row-center: expected a parallel beam, got a {scan.beam_kind} one; "
            f"find its roll with the volume: physrecon align {scan.path.name} --free center,roll"
        )
    rows, axes = list[int](), list[Center]()
    for row, y, angles in sampled_rows(job, scan, slice(0, scan.shape[1]), count=LINE_ROWS):
        with suppress(DataError):  # a row of air
            axes.append(axis_of_parallel(y, angles))
            rows.append(row)
    return axis_line(rows, axes, geometry)


def say_line(line: AxisLine, unit: str, messages: Messages) -> None:
    """Print the line, and the options that use it."""
    messages.result(
        f"center: {line.center:.2f} ± {line.center_error:.2g} at the middle of the axis"
    )
    messages.result(
        f"roll: {line.roll:.4g} ± {line.roll_error:.2g} {unit}: the axis moves by {line.drift:.2f} "
        f"columns from the first row to the last (a line through {line.rows} rows)"
    )
    if line.leans:
        messages.result(
            f"use it: --geometry tilted --roll {line.roll:.4g}{unit} --center {line.center:.2f}"
        )
    else:
        messages.result("the rows tell no roll: one center is enough")


def sample(
    job: ScanJob, scan: Scan, rows: slice, views: NDArray[np.intp] | None = None
) -> tuple[Array, Array]:
    """Line integrals (views, n, columns) of a few of the rows, evenly spread, and angles [rad].

    views: those to read; None reads all.  Adjacent views are averaged to at most 361, one row after
    the other.  Rows that are unusable or carry no light are left out.  Raises DataError if none is
    left."""
    found = list(sampled_rows(job, scan, rows, views))
    return np.concatenate([y for _, y, _ in found], axis=1), found[0][2]


def sampled_rows(
    job: ScanJob,
    scan: Scan,
    rows: slice,
    views: NDArray[np.intp] | None = None,
    count: int = SAMPLE_ROWS,
) -> Iterator[tuple[int, Array, Array]]:
    """(row, line integrals (views, 1, columns), angles) of at most `count` rows, as of `sample`."""
    chosen: Any = slice(None) if views is None else views
    radians, columns = scan.geometry.radians[chosen], scan.shape[2]
    step = -(-(rows.stop - rows.start) // count)
    at = range(rows.start + step // 2, rows.stop, step)
    together = max(1, SAMPLE_BYTES // (len(radians) * columns * np.dtype(scan.dtype).itemsize))
    problem, usable = None, False
    for first in range(0, len(at), together):
        some = at[first : first + together]
        wanted = slice(some.start, some.stop, step)
        # one read: a frame that is compressed as a whole is unpacked once for all its rows
        stacks = [scan.projections[chosen, wanted], scan.flats[:, wanted], scan.darks[:, wanted]]
        for i, row in enumerate(some):
            cancellation_point()
            try:
                row_of = [s[:, i : i + 1] for s in stacks]
                y, repairs = corrected(job, scan, row_of, row, views=chosen)
                _require_light(scan, row, repairs)
            except DataError as error:
                problem = error
            else:
                usable = True
                yield row, *average_views(y, radians)
    if problem and not usable:
        raise problem


def _require_light(scan: Scan, row: int, mended: Repairs) -> None:
    if 2 * mended.clamped > mended.values:
        raise DataError(
            f"{scan.path.name}: expected light through the object, got {mended.clamped} of "
            f"{mended.values} transmissions in row {row}, and as little in others, below "
            f"{mended.floor:g}; check that projections, flats and darks are not empty or exchanged"
        )
