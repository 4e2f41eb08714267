"""What the user supplies with a scan: angles, flats, darks and pixel size that its file lacks or
states wrongly, and views to leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import sizes
from physrecon.arrays import plain
from physrecon.errors import ArgumentError, DataError
from physrecon.io.content import HDF5, content_of, file_and_group
from physrecon.io.hdf5_safety import SafeHDF5, damage_reported, text
from physrecon.io.images import matlab, numpy_file
from physrecon.io.images.image import Image, open_image
from physrecon.io.opened import undone_by
from physrecon.io.scans.frames import Frames, MaskedFrames
from physrecon.io.scans.image_frames import frames_of
from physrecon.io.scans.reading import ScanReading, with_whole_beam
from physrecon.io.scans.setup import setup_of
from physrecon.io.units import LENGTHS, length_unit

FORMATS = "a text, NumPy, MATLAB or HDF5 file of numbers"
MOST_TEXT = 64 << 20  # bytes of a text file of angles

Angles = str | Path | Sequence[float] | NDArray[Any]


@dataclass(frozen=True)
class Supplied:
    """The user's own facts about a scan; None for what its file states.

    angles: an array, "FIRST..LAST/COUNT" with both ends, or a file with one angle per view: text,
    NumPy, or `FILE.h5::/path`.  flats, darks: images of the rows and columns of the projections.
    data_mask: an image of them, or one per view, not 0 where data are left out.
    pixel_size: "0.65um", or "0.65,0.7um" for (row, column).  exclude_views: "100:110,150" of the
    projections, counted from 0, ends not included.  geometry: fields of `ScanSetup` as texts, and
    row_offset; or the kind alone."""

    angles: Angles | None = None
    flats: str | Path | None = None
    darks: str | Path | None = None
    data_mask: str | Path | None = None
    pixel_size: str | None = None
    exclude_views: str | None = None
    geometry: Mapping[str, Any] | str | None = None

    def added_to(self, reading: ScanReading) -> ScanReading:
        """The reading with these facts.  The files of flats and darks are closed with it.

        Raises ArgumentError, MissingInputError, DataError."""
        with ExitStack() as opened:
            opened.callback(reading.close)
            with undone_by(opened.close):
                reading = self._with_angles(reading)
                for name in ("flats", "darks"):
                    reading = self._with_frames(reading, name, opened)
                reading = self._without_masked(reading, opened)
                kept = self._kept(len(reading.projections))
                reading = self._without_views(with_whole_beam(reading, kept), kept)
                reading = self._with_setup(self._with_pixel_size(reading))
            return replace(reading, close=opened.pop_all().close)

    def _with_angles(self, reading: ScanReading) -> ScanReading:
        if self.angles is None:
            return reading
        views = reading.projections.shape[0]
        angles, unit, files = _angles(self.angles, views)
        first = ", ".join(f"{angle:.6g}" for angle in angles[:3])
        more = f" … {angles[-1]:.6g}" if views > 3 else ""
        said = f"angles: {first}{more} ({views} given)"
        said += "" if reading.angles is None else "; those of the file are not used"
        return replace(
            reading,
            angles=angles,
            angle_unit=unit,
            notes=(*reading.notes, said),
            files=(*reading.files, *files),
        )

    def _with_frames(self, reading: ScanReading, name: str, opened: ExitStack) -> ScanReading:
        path = getattr(self, name)
        if path is None:
            return reading
        image = opened.enter_context(open_image(path))
        frames = _frames(image, name, reading.projections)
        before = len(getattr(reading, name))
        said = f"{name}: {len(frames)} from {image.path.name}"
        said += f"; the {before} of the scan are not used" if before else ""
        changes: dict[str, Any] = {name: frames, "notes": (*reading.notes, said)}
        if name == "flats":  # nothing is known of when they were taken
            changes |= {"flat_positions": None, "beam": None}
            if reading.beam is not None:
                lost = "beam monitor and counting times, which are unknown for the given flats"
                changes["unused"] = (*reading.unused, lost)
        return replace(reading, **changes, files=(*reading.files, *sorted(image.files)))

    def _without_masked(self, reading: ScanReading, opened: ExitStack) -> ScanReading:
        if self.data_mask is None:
            return reading
        image = opened.enter_context(open_image(self.data_mask))
        views = len(reading.projections)
        mask = _frames(image, "a mask", reading.projections)
        if len(mask) not in (1, views):
            raise DataError(
                f"{image.path.name}: expected one mask, or {views}, one per view, got {len(mask)}"
            )
        each = f"{len(mask)} masks" if len(mask) > 1 else "a mask for all views"
        return replace(
            reading,
            projections=MaskedFrames(reading.projections, mask),
            notes=(*reading.notes, f"data mask: {each} from {image.path.name}"),
            files=(*reading.files, *sorted(image.files)),
        )

    def _with_pixel_size(self, reading: ScanReading) -> ScanReading:
        if self.pixel_size is None:
            return reading
        size, name = sizes.parse_pixel_size(self.pixel_size)
        unit = length_unit(name)
        if unit not in LENGTHS:
            raise ArgumentError(
                f"pixel_size: expected a unit of length ({', '.join(LENGTHS)}), got {name!r}"
            )
        notes, stated = reading.notes, reading.pixel_size
        if stated is not None and not _same_length(stated, (size, unit)):
            said = " × ".join(f"{length:g}" for length in stated[0])
            notes = (*notes, f"pixel size: as given; the file says {said} {stated[1]}")
        return replace(reading, pixel_size=(size, unit), notes=notes)

    def _with_setup(self, reading: ScanReading) -> ScanReading:
        if not self.geometry:
            return reading
        table = self.geometry
        table = {"kind": table} if isinstance(table, str) else dict(table)
        offset = table.pop("row_offset", reading.row_offset)
        shifts, files = None, reading.files
        if sizes.is_table(table.get("shifts")):
            path = Path(str(table.pop("shifts")))
            shifts, files = _shifts(path, len(reading.projections)), (*files, path)
        given = setup_of(table)
        given = given if shifts is None else replace(given, shifts=(shifts, "px"))
        setup, said = reading.setup.overridden_by(given, reading.projections.shape[1])
        notes = (*reading.notes, *said)
        pixel, magnified = reading.pixel_size, reading.setup.magnification
        if pixel and magnified and setup.magnification is None and self.pixel_size is None:
            (row, column), unit = pixel
            pixel = (row / magnified, column / magnified), unit
            notes = (*notes, f"pixel size: at the object, that of the detector / {magnified:.5g}")
        return replace(
            reading, setup=setup, row_offset=float(offset), notes=notes, pixel_size=pixel,
            files=files,
        )  # fmt: skip

    def _kept(self, views: int) -> NDArray[np.bool_]:
        """Mask of the views that are not excluded."""
        keep = np.ones(views, np.bool_)
        runs = self.exclude_views
        for run in sizes.parse_runs("exclude_views", runs) if runs is not None else ():
            if run.stop > views:
                raise ArgumentError(
                    f"exclude_views: expected views within 0:{views}, got {self.exclude_views}"
                )
            keep[run] = False
        if not keep.any():
            raise ArgumentError(
                f"exclude_views: expected some views to be left, got none of {views}"
            )
        return keep

    def _without_views(self, reading: ScanReading, keep: NDArray[np.bool_]) -> ScanReading:
        if self.exclude_views is None:
            return reading
        views, left = keep.size, np.flatnonzero(keep)
        said = f"views: {views - left.size} of {views} left out ({self.exclude_views})"
        positions, beam = reading.flat_positions, reading.beam
        if positions is not None:  # of the time that is left
            passed = np.concatenate([[0], np.cumsum(keep)]) / left.size
            positions = np.interp(positions, np.linspace(0, 1, views + 1), passed)
        return replace(
            reading,
            projections=reading.projections.some(left),
            angles=None if reading.angles is None else reading.angles[left],
            flat_positions=positions,
            beam=None if beam is None else (beam[0][left], beam[1]),
            setup=reading.setup.of_views(left),
            notes=(*reading.notes, said),
        )


def _angles(given: Angles, views: int) -> tuple[NDArray[np.float64], str, list[Path]]:
    """((views,) angles, their unit or "", files read).  Raises DataError for another number."""
    files: list[Path] = []
    unit, where = "", "angles"
    if not isinstance(given, str | Path):
        values = plain("angles", given)
    elif span := sizes.parse_span(str(given)):
        first, last, count = span
        where = f"angles {given}"
        values = np.linspace(first, last, count) if count == views else np.empty(count)
    else:
        path, dataset = file_and_group(given)
        values, unit = _read(path, dataset)
        files, where = [path], str(path)
    if values.dtype.kind not in "iuf" or values.size != max(values.shape, default=0):
        raise DataError(
            f"{where}: expected a list of angles, got shape {values.shape} of {values.dtype}"
        )
    if values.size != views:
        raise DataError(f"{where}: expected {views} angles, one per view, got {values.size}")
    return np.asarray(values, np.float64).ravel(), unit, files


def _shifts(path: Path, views: int) -> NDArray[np.float64]:
    """(views, 3) along the axis, the beam and the columns, in columns of the detector."""
    values, _ = _read(path, None)
    if values.dtype.kind not in "iuf" or values.size != 3 * views or values.ndim > 2:
        raise DataError(
            f"{path}: expected shifts of {views} views, 3 numbers a line along the axis, the beam "
            f"and the columns, got {values.size} numbers"
        )
    return np.asarray(values, np.float64).reshape(views, 3)


def _read(path: Path, dataset: str | None) -> tuple[NDArray[Any], str]:
    """(angles, unit as stated or "") in a file."""
    content = content_of(path, "FIRST..LAST/COUNT, such as 0..180/721, or a file of angles")
    if content.kind == HDF5:
        if dataset is None:
            raise ArgumentError(
                f"{path}: expected the path of the angles in the file, got none; "
                f"name it as {path.name}::/PATH"
            )
        with SafeHDF5(path) as h5, damage_reported(path):
            found = h5.dataset(dataset)
            if found is None:
                raise DataError(f"{path.name}: expected angles in {dataset}, got no such dataset")
            return np.asarray(found[()]), text(found.attrs.get("units", ""))
    for reader in (numpy_file, matlab):
        found = reader.values(path, content, dataset)
        if found is not None:
            return found, ""
    try:
        if path.stat().st_size > MOST_TEXT:
            raise ValueError(f"a file of {sizes.format_bytes(path.stat().st_size)}")
        words = [line.partition("#")[0] for line in path.read_text("utf-8").splitlines()]
        return np.array(" ".join(words).replace(",", " ").split(), np.float64), ""
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: expected {FORMATS}, got one that cannot be read ({error})") from (
            error
        )


def _frames(image: Image, name: str, like: Frames) -> Frames:
    """The planes of an image as frames.  Raises DataError unless they are as large as `like`."""
    wanted = like.shape[1:]
    if image.ndim not in (2, 3) or image.shape[-2:] != wanted:
        raise DataError(
            f"{image.path.name}: expected {name} of {wanted[0]} rows × {wanted[1]} columns as the "
            f"projections have, got {image.axes} {image.shape}"
        )
    return frames_of(image)


def _same_length(
    one: tuple[tuple[float, float], str], other: tuple[tuple[float, float], str]
) -> bool:
    a, b = (np.multiply(size, LENGTHS[unit]) for size, unit in (one, other))
    return bool(np.allclose(a, b, rtol=1e-6, atol=0))
