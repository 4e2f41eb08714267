"""Scans stored as images: a stack in one file, or a folder with one file a view.

Such files state no angles.  The exceptions are the lists `.tlt` (as aligned, it comes first) and
`.rawtlt` (as measured) that IMOD writes beside an MRC file, in degrees; the tilt axis of its
aligned stacks is upright in the images.  In a folder, flats and darks are recognised by the names
of their files, or of the subfolders that they are in."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError, MissingInputError
from physrecon.io.content import FITS, FOLDER, JPEG, MATLAB, MRC, NUMPY, PNG, TIFF, ZIP, Content
from physrecon.io.images import raw
from physrecon.io.images.folder import VOLUME_MARK
from physrecon.io.images.image import open_image
from physrecon.io.images.series import ImageSeries, members, series_in
from physrecon.io.images.stored_image import FORMATS
from physrecon.io.opened import undone_by
from physrecon.io.scans.frames import Frames, no_frames
from physrecon.io.scans.image_frames import frames_of
from physrecon.io.scans.reading import ReadOptions, ScanReading

STACKS = (TIFF, PNG, JPEG, FITS, MRC, NUMPY, ZIP, MATLAB)
FLATS = re.compile(
    r"flat|white|bright|gain|open.?beam|(?<![a-z])(ff|refs?|references?|ob|i0)(?![a-z])"
)
DARKS = re.compile(r"dark|offset|(?<![a-z])(df|di|d0|bias)(?![a-z])")
BEFORE, AFTER = re.compile(r"pre|before|begin|start"), re.compile(r"post|after|end")
LISTS = re.compile(r".*(angle|theta|tilt|rot).*\.(txt|csv|dat|npy)|.*\.(raw)?tlt")
COMPRESSED = (
    "frames: compressed, so every slab unpacks all of them; `physrecon convert` unpacks them once"
)


def read(path: Path, content: Content, options: ReadOptions) -> ScanReading | None:
    """The scan in a stack or a folder of images; None for other files.

    Raises DataError, and ArgumentError for axes that do not fit."""
    if content.kind == FOLDER:
        return _folder(path, options)
    if content.kind in STACKS or raw.STATED.fullmatch(options.group or ""):
        return _stack(path, content, options)
    return None


def _stack(path: Path, content: Content, options: ReadOptions) -> ScanReading:
    image = open_image(path, options.group)
    with undone_by(image.close):
        projections = frames_of(image, options.axes)
        views = len(projections)
        if image.ndim == 2 and options.axes is None:
            raise DataError(
                f"{path}: expected a stack of projections, got one image of {image.shape}; give "
                "--axes theta:x for a sinogram, or the folder for a series of files."
            )
        tilts = _tilts(path, views) if content.kind == MRC else None
        taken = f", taken as {projections.order}" if options.axes is None else ""
        return ScanReading(
            kind=FORMATS[image.format],
            projections=projections,
            flats=no_frames(projections),
            darks=no_frames(projections),
            angles=None if tilts is None else tilts[0],
            angle_unit="" if tilts is None else "deg",
            pixel_size=_pixel_size(image.voxel_size[-2:], image.length_unit),
            notes=(
                f"projections: {image.shape}{taken}",
                *([] if image.in_parts else [COMPRESSED]),
                *([] if tilts is None else tilts[1]),
                *image.notes,
            ),
            no_angles=_no_angles(path, path.parent, views),
            beside=_beside(path),
            files=tuple(sorted(image.files)),
            close=image.close,
        )


def _folder(path: Path, options: ReadOptions) -> ScanReading | None:
    found = _all_series(path)
    if not found:
        return None
    kinds = {name: _kind(name) for name in found}
    views = _views(path, [name for name in found if kinds[name] == "views"], found, options.group)
    stack = ImageSeries(found[views])
    projections = _frames([stack], views)
    notes = [f"projections: {len(projections)} in {views}", *_gaps(found[views])]
    notes += [] if stack.in_parts else [COMPRESSED]
    references = {}
    for kind in ("flats", "darks"):
        names = sorted(name for name in found if kinds[name] == kind and name != views)
        references[kind] = {name: ImageSeries(found[name]) for name in names}
        count = sum(each.shape[0] for each in references[kind].values())
        notes += [f"{kind}: {count} in {', '.join(names)}"] * bool(names)
    flats, darks = (
        _frames([*some.values()], ", ".join(some)) if some else no_frames(projections)
        for some in references.values()
    )
    used = [views, *references["flats"], *references["darks"]]
    left = [name for name in found if kinds[name] == "views" and name != views]
    return ScanReading(
        kind=f"folder of {FORMATS[stack.format]}",
        projections=projections,
        flats=flats,
        darks=darks,
        angles=None,
        angle_unit="",
        pixel_size=_pixel_size(stack.voxel_size, stack.length_unit),
        flat_positions=_positions(references["flats"]),
        notes=(*notes, *stack.notes),
        unused=tuple(f"images {name} ({len(found[name])})" for name in left),
        no_angles=_no_angles(path, path, len(projections)),
        beside=_beside(path),
        files=tuple(chain.from_iterable(found[name] for name in used)),
    )


def _all_series(folder: Path) -> dict[str, list[Path]]:
    """The series of a folder and of its subfolders, by name: "flats/img_#.tif".

    Volumes that were written into the folder are none."""
    found = series_in(folder)
    for inner in members(folder):
        if inner.is_dir() and not (inner / VOLUME_MARK).exists():
            found |= {f"{inner.name}/{name}": files for name, files in series_in(inner).items()}
    return found


def _beside(path: Path) -> tuple[tuple[str, str], ...]:
    """(kind, path) of flats and darks, by their names, in the folder that a scan lies in."""
    folder = path.parent if path.name else Path(os.path.abspath(path)).parent
    found: list[tuple[str, str]] = []
    with suppress(MissingInputError):  # a folder that cannot be read
        for name, files in series_in(folder).items():
            where = str(files[0]) if len(files) == 1 else f"{folder}::{name}"
            found += [(_kind(name), where)] * (path not in files)
        for inner in members(folder):  # folders of other names may be large: they are not listed
            if inner.is_dir() and inner != path and _kind(f"{inner.name}/") != "views":
                series = series_in(inner)
                where = str(inner) if len(series) == 1 else f"{inner}::{next(iter(series), '')}"
                found += [(_kind(f"{inner.name}/"), where)] * bool(series)
    return tuple(one for one in found if one[0] != "views")


def _kind(name: str) -> str:
    """ "flats", "darks" or "views", by the name of the subfolder, else by that of the files."""
    for part in (name.rpartition("/")[0], name.rpartition("/")[2]):
        for kind, pattern in (("darks", DARKS), ("flats", FLATS)):
            if pattern.search(part.lower()):
                return kind
    return "views"


def _views(folder: Path, names: list[str], found: dict[str, list[Path]], wanted: str | None) -> str:
    """The series of the projections: the one that is named, or the only one of several files.

    Those of subfolders count if the folder itself has none."""
    if wanted is not None:
        names = [name for name in found if wanted.strip("/") in (name, name.partition("/")[0])]
    else:
        names = [name for name in names if "/" not in name] or names
        names = [name for name in names if len(found[name]) > 1] or names
    if len(names) == 1:
        return names[0]
    have = ", ".join(f"{name} ({len(files)})" for name, files in [*found.items()][:8])
    raise DataError(
        f"{folder}: expected one series of projections, got {have}; name one as "
        f"'{folder}::{next(iter(found))}'."
    )


class _Joined:
    """Several series one after the other, as one stored stack."""

    def __init__(self, stacks: list[ImageSeries]) -> None:
        self._stacks = stacks
        self.shape = (sum(len_ for len_, *_ in (s.shape for s in stacks)), *stacks[0].shape[1:])
        self.dtype = np.result_type(*(s.dtype for s in stacks))
        for stack in stacks:
            if stack.shape[1:] != self.shape[1:]:
                raise DataError(
                    f"{stack.files[0]}: expected images of {self.shape[1:]} as in "
                    f"{stacks[0].files[0].name}, got {stack.shape[1:]}."
                )

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[np.generic]:
        first, *inner = key
        parts, start = [], 0
        for stack in self._stacks:
            wanted = range(*first.indices(self.shape[0]))
            here = [number - start for number in wanted if 0 <= number - start < stack.shape[0]]
            if here:
                part = slice(here[0], here[-1] + 1, first.step or 1)
                parts.append(stack[(part, inner[0], inner[1])])
            start += stack.shape[0]
        return np.concatenate(parts, dtype=self.dtype)


def _frames(stacks: list[ImageSeries], where: str) -> Frames:
    stack = stacks[0] if len(stacks) == 1 else _Joined(stacks)
    return Frames(stack, np.arange(stack.shape[0]), where=where)


def _positions(flats: dict[str, ImageSeries]) -> NDArray[np.float64] | None:
    """When each flat was taken, if the names of several series say so."""
    at = [0.0 if BEFORE.search(n) else 1.0 if AFTER.search(n) else np.nan for n in flats]
    if len(at) < 2 or np.isnan(at).any():
        return None
    return np.repeat(at, [stack.shape[0] for stack in flats.values()])


def _gaps(files: list[Path]) -> list[str]:
    """A note on numbers that are missing in a series."""
    last = [re.fullmatch(r".*?(\d+)\D*", path.stem) for path in files]
    numbers = [int(each[1]) for each in last if each]
    absent = sorted({*range(numbers[0], numbers[-1] + 1)} - {*numbers}) if numbers else []
    shown = ", ".join(map(str, absent[:8])) + ", …" * (len(absent) > 8)
    said = f"projections: {len(absent)} numbers are missing between the files ({shown})"
    return [said] if 0 < len(absent) < len(numbers) else []


def _tilts(path: Path, views: int) -> tuple[NDArray[np.float64], list[str]] | None:
    """(the angles in the list beside an MRC file, notes); None if there is none."""
    for suffix in (".tlt", ".rawtlt"):
        beside = path.with_suffix(suffix)
        if beside.is_file() and beside.stat().st_size < 1 << 20:
            try:
                angles = np.array(beside.read_text("ascii").split(), np.float64)
            except ValueError:
                angles = np.empty(0)
            if angles.size != views:
                raise DataError(
                    f"{beside}: expected {views} angles, one per view, got {angles.size}; correct "
                    f"the list, or move it away and give --angles."
                )
            said = f"angles: from the list of IMOD beside the file, {beside.name}"
            return angles, [said, "tilt axis: taken as upright in the images, as IMOD aligns them"]
    return None


def _pixel_size(
    size: tuple[float, ...], unit: str | None
) -> tuple[tuple[float, float], str] | None:
    return None if unit is None else ((size[0], size[1]), unit)


def _no_angles(path: Path, folder: Path, views: int) -> str:
    """The error for a scan without angles; it names lists of angles beside the images."""
    lists = (each for each in members(folder) if LISTS.fullmatch(each.name.lower()))
    first = next(lists, None)
    near = f"; --angles {first} may be them" if first else ""
    return f"{path}: expected the angles of {views} projections, got images without{near}."
