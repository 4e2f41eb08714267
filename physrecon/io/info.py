"""`physrecon info`: describe a file, or report its fault and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from physrecon.errors import DataError
from physrecon.io.content import (
    FOLDER,
    HDF5,
    SETTINGS,
    WAYS_IN,
    XTEKCT,
    content_of,
    file_and_group,
)
from physrecon.io.hdf5_kind import ArraysAlone, NotAScan
from physrecon.io.hdf5_safety import SafeHDF5, damage_reported
from physrecon.io.images.hdf5 import arrays_in, layout_axes
from physrecon.io.images.image import Image, open_image
from physrecon.io.images.saturation import defects
from physrecon.io.images.stored_image import FORMATS
from physrecon.io.made import STORED, expanded, how_made, made_facts, parsed
from physrecon.io.output.piece_folder import unfinished_reported
from physrecon.io.scans.scan import Scan, open_scan
from physrecon.io.units import printed
from physrecon.io.volumes.volume import Volume, open_volume

NEVER_IMAGES = (FOLDER, XTEKCT, SETTINGS)
LOOKED_AT = 1 << 30  # bytes; a larger first frame is not searched for saturation


class Description(NamedTuple):
    """A file in lines and as plain values.  kind: "scan", "volume", "image" or "arrays"."""

    kind: str
    lines: list[str]
    facts: dict[str, Any]


def describe(
    path: str | Path,
    angle_unit: str | None = None,
    allow_root: str | Path | None = None,
    **supplied: Any,
) -> list[str]:
    """Describe a file in lines, as `description` does."""
    return description(path, angle_unit, allow_root, **supplied).lines


def description(
    path: str | Path,
    angle_unit: str | None = None,
    allow_root: str | Path | None = None,
    **supplied: Any,
) -> Description:
    """Describe a file: a scan, a volume, an image, or another known kind of HDF5 file.

    `FILE.h5::/group/data` names one dataset, read as an image unless it is a scan, and
    `FILE.nx::/entry0001` one of several scans.  angle_unit, allow_root, supplied: as for
    `open_scan`; they do not concern other files.  Raises DataError if the file is damaged, of
    another kind, or lacks data that a scan needs; MissingInputError if it is absent or cannot be
    read."""
    file, group = file_and_group(path)
    try:
        with unfinished_reported(path):
            kind = content_of(file).kind
            axes, is_array = "", kind not in (HDF5, *WAYS_IN)
            if kind == HDF5:
                with SafeHDF5(file, allow_root) as h5, damage_reported(h5.path):
                    axes = layout_axes(h5) if group is None else ""
                    is_array = group is not None and isinstance(h5.find(group), h5py.Dataset)
            if axes == "ZYX":
                with open_volume(path) as opened:
                    return _of_volume(opened)
            if axes:
                with open_image(path) as image:
                    return _of_image(image)
            if is_array and supplied.get("angles") is None:
                return _array_lines(path, angle_unit, allow_root, supplied)
            with open_scan(path, angle_unit, allow_root=allow_root, **supplied) as scan:
                return _of_scan(scan)
    except ArraysAlone as error:
        listed = _listed(file)
        return listed._replace(lines=[*listed.lines, f"no scan: {error}"])
    except NotAScan as error:
        raise NotAScan("\n  ".join(str(error).split("; "))) from error


def _array_lines(
    path: str | Path,
    angle_unit: str | None,
    allow_root: str | Path | None,
    supplied: dict[str, Any],
) -> Description:
    """A scan, if the file or the files beside it state the angles; else an image."""
    try:
        with open_scan(path, angle_unit, allow_root=allow_root, **supplied) as scan:
            return _of_scan(scan)
    except DataError as no_scan:
        try:
            image = open_image(path)
        except DataError as no_image:
            no_file_of_images = content_of(file_and_group(path)[0]).kind in NEVER_IMAGES
            raise (no_scan if no_file_of_images else no_image) from None
    with image:
        return _of_image(image)


def _listed(file: Path) -> Description:
    """The arrays of an HDF5 file, each by the name that opens it."""
    with SafeHDF5(file) as h5, damage_reported(file):
        arrays = [*arrays_in(h5)]
    if len(arrays) == 1:
        named = f"{file}::{arrays[0].split(' ')[0]}"
        with open_image(named) as image:
            found = _of_image(image)
            return found._replace(lines=[*found.lines, f"array: {named}"])
    names = [f"{file}::{line}" for line in arrays]
    lines = [f"{file.name}: HDF5, {len(arrays)} arrays", *(f"  {name}" for name in names)]
    return Description("arrays", lines, {"arrays": [name.split(" ")[0] for name in names]})


def _of_scan(scan: Scan) -> Description:
    facts = {
        "format": scan.kind,
        "shape": scan.shape,
        "dtype": str(scan.dtype),
        "bytes": scan.projections.nbytes,
        "angles": [scan.angles[0], scan.angles[-1]],
        "angle_unit": scan.angle_unit,
        "flats": len(scan.flats),
        "darks": len(scan.darks),
        "pixel_size": scan.pixel_size,
        "length_unit": scan.length_unit,
        "center": scan.center,
        "notes": scan.notes,
    }
    return Description("scan", _scan_lines(scan), facts)


def _of_volume(volume: Volume) -> Description:
    texts = expanded(volume.configuration)
    facts = {
        "shape": volume.shape,
        "dtype": str(volume.dtype),
        "bytes": volume.nbytes,
        "voxel_size": volume.voxel_size,
        "length_unit": volume.length_unit,
        "slabs": volume.sources or 1,
        "made": made_facts(texts, volume.path) if "physrecon" in texts else None,
    }
    rows = [f"{name}: {value}" for name, value in how_made(texts, volume.path)]
    *lines, last = _volume_lines(volume)
    return Description("volume", [*lines, *rows, last], facts)


def _of_image(image: Image) -> Description:
    texts = parsed(image.description)
    facts = {
        "format": FORMATS[image.format],
        "axes": image.axes,
        "shape": image.shape,
        "dtype": str(image.dtype),
        "bytes": image.nbytes,
        "voxel_size": image.voxel_size,
        "length_unit": image.length_unit,
        "frames": len(image.frames),
        "notes": image.notes,
        "made": made_facts(texts, image.path) if texts else None,
    }
    rows = [f"{name}: {value}" for name, value in how_made(texts, image.path)]
    return Description("image", [*_image_lines(image), *rows], facts)


def _scan_lines(scan: Scan) -> list[str]:
    lines = [scan.summary()]
    size = scan.projections.nbytes / 1e6
    lines.append(f"data: {scan.dtype}, {size:.4g} MB of projections")
    ordered = "rising" if (np.diff(scan.angles) > 0).all() else "not in order"
    lines.append(
        f"angles: {scan.angles.min():.6g} to {scan.angles.max():.6g} {scan.angle_unit}, {ordered}"
    )
    if scan.pixel_size:
        row, column = scan.pixel_size
        lines.append(
            f"pixel size: {row:.6g} × {column:.6g} {printed(scan.length_unit)} (row × column)"
        )
    else:
        lines.append(f"pixel size: {_absent(scan, 'pixel size')}, lengths are in pixels")
    absent = _absent(scan, "rotation axis")
    axis = absent if scan.center is None else f"column {scan.center:.6g}"
    lines.append(f"rotation axis: {axis}")
    if scan.flat_positions is not None and len(scan.flats):
        before, after = (scan.flat_positions == 0).sum(), (scan.flat_positions == 1).sum()
        between = len(scan.flats) - before - after
        lines.append(f"flats: {before} before, {between} during, {after} after the projections")
    facts = {f"not used: {fact}" for fact in scan.unused}
    return [*lines, *(note if note in facts else f"note: {note}" for note in scan.notes)]


def _absent(scan: Scan, what: str) -> str:
    """Why a value is absent: it is stated in a way that is not used, or was not found."""
    stated = any(fact.startswith(what) for fact in scan.unused)
    return "stated but not used" if stated else "none found"


def _volume_lines(volume: Volume) -> list[str]:
    size = " × ".join(f"{pitch:.6g}" for pitch in volume.voxel_size)
    lines = [
        f"{volume.path.name}: reconstructed volume {volume.shape} {volume.dtype}, "
        f"{volume.nbytes / 1e6:.4g} MB",
        f"voxel size: {size} {printed(volume.length_unit)} (z × y × x)",
    ]
    if volume.sources:
        lines.append(
            f"stored in {volume.sources} slab files beside it, all present: move them together"
        )
    return [*lines, f"open with `physrecon view {volume.path.name}`"]


def _image_lines(image: Image) -> list[str]:
    lines = [
        f"{image.path.name}: {FORMATS[image.format]} image {image.axes} {image.shape} "
        f"{image.dtype}, {image.nbytes / 1e6:.4g} MB"
    ]
    if image.length_unit or set(image.voxel_size) != {1.0}:
        size = " × ".join(f"{pitch:.6g}" for pitch in image.voxel_size)
        axes = " × ".join(image.frame_axes.lower())
        lines.append(f"voxel size: {size} {printed(image.length_unit)} ({axes})")
    else:
        lines.append("voxel size: not stated, lengths are in pixels")
    if len(image.frames) > 1:
        lines.append(f"frames: {len(image.frames)}, each {image.frame_axes} {image.frame_shape}")
    scaled = STORED in parsed(image.description)  # to its own range: the largest value is the top
    if image.nbytes // len(image.frames) <= LOOKED_AT and not scaled:
        first = defects(image.read(image.frames[0])).lines()
        where = " (first frame)" if len(image.frames) > 1 else ""
        lines += [line + where for line in first]
    return [*lines, *(f"note: {note}" for note in image.notes)]
