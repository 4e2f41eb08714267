"""A measured scan of any format: projections, flats, darks, angles, geometry.

Formats are recognised by content, never by name.  Opening reads small tables only; projections are
read by blocks of rows when they are indexed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.errors import ArgumentError, DataError
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.geometry.tilted_beam import TiltedBeam
from physrecon.io import units
from physrecon.io.content import (
    checked_path,
    content_of,
    file_and_group,
    first_reading,
    unrecognised,
)
from physrecon.io.fingerprint import fingerprint
from physrecon.io.opened import Closing, UnchangedFiles, middle_plane, undone_by
from physrecon.io.scans.binned import cropped_and_binned
from physrecon.io.scans.diverging import divergence
from physrecon.io.scans.frames import Frames
from physrecon.io.scans.reading import ReadOptions, ScanReading
from physrecon.io.scans.setup import NOTHING_STATED, ScanSetup, TurningGeometry
from physrecon.io.scans.supplied import Angles, Supplied
from physrecon.notebook import html
from physrecon.sizes import parse_axes

# Modules of `io.scans`, each with `read(path, content, options) -> ScanReading | None`.
SCAN_READERS = ("hdf5", "htc", "nikon", "skyscan", "images")
WANTED = "a scan (HDF5, a stack or a folder of images)"

NO_FLATS = "flats: none; a reconstruction needs them, --air, --transmission or --line-integrals"

ADVICE = "convert it, or name shape and type of a raw file: FILE::180,16,256:uint16"
SAMPLED, READ = 64 << 20, 32 << 20  # bytes of a stack in a fingerprint, and of one read


@dataclass(eq=False, repr=False)
class Scan(Closing):
    """An open scan; a context manager.

    projections (views, rows, columns), flats and darks (n, rows, columns), n may be 0: arrays that
    are read when indexed.  flat_positions: (n,) when each flat was taken, 0 before the first
    projection and 1 after the last; None if unknown.  beam: counts of the open beam in the
    views (views,) and in the flats (flats,), from a monitor and the counting times, for
    `pr.prepare`; None if unknown.  angles: (views,) in `angle_unit`.
    pixel_size: (row, column) in `length_unit`, or None.  center: column of the rotation axis if the
    file states it, else None.  row_offset: rows from the middle of the detector, or from the
    height of the source where that is stated, to the middle of the projections.  bins: pixels of
    the detector in one of theirs.  setup: source, detector and axis as stated.
    line_integrals: the data are −log(transmission) already, not counts.  transmission: they are
    transmissions already.
    notes: sentences for the user, the unused facts among them.  unused: facts that the file states
    and that the result does not rest on.  close: closes the files.  beside: options that add flats
    and darks which lie near it.
    files: all files that hold the scan, in a fixed order; a read raises ReadError if one of them
    has changed since it was opened."""

    path: Path
    kind: str
    projections: Frames
    flats: Frames
    darks: Frames
    flat_positions: NDArray[np.float64] | None
    beam: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    angles: NDArray[np.float64]
    angle_unit: str
    pixel_size: tuple[float, float] | None
    length_unit: str | None
    center: float | None
    row_offset: float
    bins: tuple[int, int]
    line_integrals: bool
    transmission: bool
    notes: list[str]
    unused: list[str]
    files: tuple[Path, ...] = field(repr=False)
    close: Callable[[], None] = field(repr=False)
    beside: tuple[str, ...] = ()
    setup: ScanSetup = NOTHING_STATED

    def __repr__(self) -> str:
        size = " × ".join(f"{v:g}" for v in self.pixel_size or ())
        pixels = (
            f"pixels of {size} {units.printed(self.length_unit)}"
            if size
            else "pixel size not stated"
        )
        axis = "not stated" if self.center is None else f"column {self.center:g}"
        kind = "line integrals" if self.line_integrals else "counts"
        kind = "transmissions" if self.transmission else kind
        return f"Scan {self.summary()}\n  {kind} {self.dtype}, {pixels}, axis of rotation {axis}"

    def _repr_html_(self) -> str:
        return html(repr(self), middle_plane(self.projections))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(views, rows, columns)."""
        return self.projections.shape

    @property
    def dtype(self) -> DTypeLike:
        return self.projections.dtype

    @property
    def geometry(self) -> TurningGeometry:
        """Source and detector; the axis is in the middle of the detector unless it is stated.

        Raises ArgumentError if what is stated makes no scan."""
        return self.setup.geometry(
            self.angles,
            self.shape[1:],
            angle_unit=self.angle_unit,
            pixel_size=self.pixel_size,
            unit=self.length_unit,
            center=self.center,
            row_offset=self.row_offset,
        )

    @property
    def beam_kind(self) -> str:
        """The kind of its geometry: "parallel", "tilted", "fan", "cone" or "helical"."""
        return self.setup.kind_of(self.shape[1])

    def require_flats(self) -> None:
        """Raise DataError for counts without flats, which give no line integrals."""
        if not (self.line_integrals or self.transmission or len(self.flats)):
            raise DataError(
                f"{self.path.name}: expected flat fields to turn counts into transmission, "
                f"got none; add them{self._flats_beside()}, pass --air a:b for columns of air, "
                "--transmission if the data are transmissions, or --line-integrals if they are "
                "already −log."
            )

    def _flats_beside(self) -> str:
        ways = (option for option in self.beside if option.startswith("--flats"))
        return "".join(f" ({way})" for way in islice(ways, 1))

    def summary(self) -> str:
        """The scan in one line."""
        views, rows, columns = self.shape
        span = float(np.ptp(self.angles)) * views / max(views - 1, 1)
        unit = "°" if self.angle_unit == "deg" else " rad"
        beam = "" if self.beam_kind == "parallel" else f"{self.beam_kind} beam, "
        return (
            f"{self.path.name}: {self.kind}, {beam}{views} views over {span:.4g}{unit}, "
            f"{rows} rows × {columns} columns, flats {len(self.flats)}, darks {len(self.darks)}"
        )

    def fingerprint(self) -> str:
        """Identity of the input in 64 hex digits, cheap at any size.

        Hashes names, sizes, times and samples of all files behind the scan, the shapes, the angles,
        one row of the first, middle and last projection, and flats and darks: all of their rows,
        or evenly spaced ones, of at most 64 MiB each."""
        views, rows, _ = self.shape
        stacks = (self.projections, self.flats, self.darks)
        middle = (self.projections[v, rows // 2] for v in (0, views // 2, views - 1))
        return fingerprint(
            self.files,
            [f"{frames.shape} {frames.dtype.str}" for frames in stacks],
            chain([self.angles], middle, _rows_of(self.flats), _rows_of(self.darks)),
        )


def open_scan(
    path: str | Path,
    angle_unit: str | None = None,
    line_integrals: bool = False,
    allow_root: str | Path | None = None,
    transmission: bool = False,
    *,
    angles: Angles | None = None,
    flats: str | Path | None = None,
    darks: str | Path | None = None,
    data_mask: str | Path | None = None,
    pixel_size: str | None = None,
    exclude_views: str | None = None,
    axes: str | None = None,
    crop: str | None = None,
    bin: str | int | None = None,
    geometry: Mapping[str, Any] | str | None = None,
) -> Scan:
    """Open a scan: HDF5, a stack or a folder of images; what the file lacks can be given.

    Args:
        path: the file; `FILE.nx::/entry0001` names one of several scans, else the default or first
            is read; `FILE.h5::/data` and `FOLDER::view_#.tif` name one array or series.
        angle_unit: "deg" or "rad", if the file does not state it.
        line_integrals, transmission: the data are −log(transmission), or transmissions, already;
            by default they are counts.
        allow_root: a further folder in which linked files are accepted; by default none.
        angles: an array, "0..180/721" with both ends, or a file with one angle per view.
        flats, darks: images.
        data_mask: an image of the detector, or one per view, not 0 where data are left out.
        pixel_size: "0.65um", or "0.65,0.7um" for rows and columns.
        exclude_views: "100:110,150", counted from 0, ends not included.
        axes: the order of an array whose file states none; by default "theta:y:x".
        crop: columns "200:1800", or rows and columns "50:150,200:1800", of the detector.
        bin: pixels taken together, 2 or "1,2" of rows and columns; counts are summed.
        geometry: {"kind": "cone", "source_origin": "410mm", "source_detector": "554mm", …}, the
            fields of the table [geometry] of a job; they win over those that the file states.
    Returns:
        Scan: its arrays are read when they are indexed; a context manager.
    Raises:
        MissingInputError: no such file.
        DataError: a damaged file, or one without what a scan needs.
        ArgumentError: for values that do not fit the file.

    Example:
        >>> truth = pr.datasets.simulate_scan("scan.h5", (2, 16, 16), views=12)
        >>> with pr.open_scan("scan.h5") as scan:
        ...     scan.shape, scan.angle_unit, scan.pixel_size, scan.length_unit
        ...     scan.projections[0].shape
        ((12, 2, 16), 'deg', (0.01, 0.01), 'mm')
        (2, 16)
    """
    path, group = file_and_group(checked_path("open_scan", path))
    stated = (angle_unit, line_integrals, allow_root, group, transmission)
    options = ReadOptions(*stated, None if axes is None else parse_axes(axes))
    given = Supplied(angles, flats, darks, data_mask, pixel_size, exclude_views, geometry)
    reading = given.added_to(_reading(path, options))
    with undone_by(reading.close):
        counts = not (line_integrals or transmission or reading.line_integrals)
        return _scan(path, cropped_and_binned(reading, crop, bin, counts), options)


def _reading(path: Path, options: ReadOptions) -> ScanReading:
    content = content_of(path, WANTED)
    reading = first_reading("physrecon.io.scans", SCAN_READERS, path, content, options)
    if reading is None:
        raise unrecognised(path, content, WANTED, ADVICE)
    return reading


def _scan(path: Path, reading: ScanReading, options: ReadOptions) -> Scan:
    if reading.angles is None:
        views = len(reading.projections)
        raise DataError(f"{reading.no_angles} Or give them: --angles FIRST..LAST/{views}.")
    if reading.pixel_size is None and reading.no_pixel_size:
        raise DataError(reading.no_pixel_size)
    bad = np.count_nonzero(~np.isfinite(reading.angles))
    if bad:
        raise DataError(
            f"{path.name}: expected finite angles of the projections, got {bad} NaN or infinite of "
            f"{reading.angles.size}."
        )
    unit, unit_notes = units.angle_unit(
        path.name, reading.angles, reading.angle_unit, options.angle_unit
    )
    if reading.line_integrals and options.transmission:
        raise ArgumentError(
            f"transmission: expected data of one kind, got {path.name}, which states that they are "
            "line integrals; drop it"
        )
    files = UnchangedFiles(reading.files)
    scan = Scan(
        path=path,
        kind=reading.kind,
        projections=reading.projections.within(files),
        flats=reading.flats.within(files),
        darks=reading.darks.within(files),
        flat_positions=reading.flat_positions,
        beam=reading.beam,
        angles=reading.angles,
        angle_unit=unit,
        pixel_size=reading.pixel_size[0] if reading.pixel_size else None,
        length_unit=reading.pixel_size[1] if reading.pixel_size else None,
        center=reading.center,
        row_offset=reading.row_offset,
        bins=reading.bins,
        line_integrals=options.line_integrals or reading.line_integrals,
        transmission=options.transmission,
        notes=[
            *unit_notes,
            *reading.notes,
            *_field_notes(reading, options),
            *(f"not used: {fact}" for fact in reading.unused),
            *(f"not used: frames beside the scan; add {option}" for option in _beside(reading)),
        ],
        unused=list(reading.unused),
        files=reading.files,
        close=reading.close,
        beside=tuple(_beside(reading)),
        setup=reading.setup,
    )
    scan.notes[:0] = _geometry_note(scan)
    return scan


def _geometry_note(scan: Scan) -> list[str]:
    """The geometry in words unless it is parallel.  Raises ArgumentError if it makes no scan."""
    geometry, unit = scan.geometry, units.printed(scan.length_unit)
    if isinstance(geometry, ParallelBeam):
        return []
    if isinstance(geometry, TiltedBeam):
        return [f"geometry: tilted parallel beam, {geometry.displaced or 'upright'}"]
    notes = [
        f"geometry: {scan.beam_kind} beam, source {geometry.source_origin:.6g} {unit} from the "
        f"axis and {geometry.source_detector:.6g} {unit} from the {geometry.detector} detector, "
        f"magnification {geometry.magnification:.4g}"
    ]
    if geometry.displaced:
        notes.append(f"geometry: {geometry.displaced}")
    width, far = geometry.shape[2] * geometry.column_pitch, geometry.source_detector
    spread = divergence(geometry.shape[2], geometry.column_pitch, far)
    if spread < 1:
        notes.append(
            f"geometry: rays of these distances diverge by {spread:.2g} pixels across the object, "
            "as good as parallel ones; check their units"
        )
    elif width > 2 * far:
        notes.append(
            f"geometry: the detector is {width / far:.3g} times as wide as it is far from the "
            "source, so slices as wide as it reach to the source; check the units"
        )
    return notes


def _beside(reading: ScanReading) -> Iterator[str]:
    """`--flats ../flats`: the option for frames beside a scan that has none of their kind."""
    for kind, path in reading.beside:
        if not len(getattr(reading, kind)):
            yield f"--{kind} {shlex.quote(path)}"


def _rows_of(frames: Frames) -> Iterator[NDArray]:
    """Yield rows of all frames, a block of rows at a time, because a frame may be a chunk."""
    _, rows, _ = frames.shape
    row = max(frames.nbytes // rows, 1)
    step = -(-rows // max(SAMPLED // row, 1))
    block = step * max(READ // row, 1)
    for start in range(0, rows if len(frames) else 0, block):
        yield frames[:, start : start + block : step]


def _field_notes(reading: ScanReading, options: ReadOptions) -> list[str]:
    if reading.line_integrals and not options.line_integrals:
        return ["data: line integrals, −log(transmission), as the file states"]
    if options.line_integrals or options.transmission:
        return []
    notes = []
    if not len(reading.flats):
        notes.append(NO_FLATS)
    if not len(reading.darks):
        notes.append("darks: none, the detector's offset is taken as zero")
    return notes
