"""Write a volume as a folder of TIFF files, one a slice: OUT/slice_00000.tif …, OUT/volume.json.

The folder is filled under a hidden name, synced and renamed: a folder named OUT is complete.
`volume.json` holds the size of the voxels and the job; a folder without it is never replaced.
Resolution tags are in pixels per cm, as Fiji, ITK and Dragonfly read them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import OutputError
from physrecon.io.atomic_file import publish, sync_folder
from physrecon.io.images.folder import VOLUME_MARK
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.units import LENGTHS

SOFTWARE = "physrecon"
OURS = re.compile(rf"slice_\d{{5,}}\.tif|{re.escape(VOLUME_MARK)}|\..+\.part")


class SliceFolder:
    """The folder OUT, open for writing under a hidden name."""

    def __init__(self, path: Path, image: ImageLayout) -> None:
        self._path, self._image = path, image
        self._hidden = path.with_name(f".{path.name}.slices.part")
        _remove(self._hidden)
        self._hidden.mkdir()

    def put(self, index: tuple[int, ...], start: int, planes: NDArray[Any]) -> None:
        import tifffile

        image, tags = self._image, dict[str, Any]()
        if image.length_unit:
            scale = LENGTHS[image.length_unit] / LENGTHS["cm"]
            row, column = (size * scale for size in image.voxel_size[-2:])
            tags = {"resolution": (1 / column, 1 / row), "resolutionunit": 3}
        for number, plane in enumerate(planes, start):
            buffer = io.BytesIO()
            tifffile.imwrite(
                buffer,
                np.ascontiguousarray(plane, image.dtype),
                photometric="minisblack",
                software=SOFTWARE,
                metadata=None,
                byteorder="<",
                **tags,
            )
            publish(buffer, self._hidden / f"slice_{number:05d}.tif")

    def finish(self) -> None:
        """Give the folder its name, in place of an empty folder or of an old one of ours."""
        image = self._image
        facts: dict[str, Any] = {
            "shape": image.shape,
            "voxel_size": image.voxel_size,
            "length_unit": image.length_unit,
            "description": image.description,
        }
        if image.scale != (1, 0):
            facts |= {"slope": image.scale[0], "offset": image.scale[1], "unit": image.value_unit}
        publish(io.BytesIO(json.dumps(facts, indent=1).encode()), self._hidden / VOLUME_MARK)
        old = self._path.with_name(f".{self._path.name}.old.part")
        _remove(old)
        if self._path.is_dir():
            self._path.rename(old)
        self._hidden.rename(self._path)
        sync_folder(self._path.parent)
        _remove(old)

    def close(self) -> None:
        """Remove an unfinished folder."""
        _remove(self._hidden)


def check_new_folder(path: Path, overwrite: bool) -> None:
    """Raise OutputError unless a folder of slices may be written at `path`."""
    if problem := refusal(path, overwrite):
        raise OutputError(problem)


def refusal(path: Path, overwrite: bool) -> str | None:
    """The error for a place where no folder of slices can be written, else None."""
    if not os.path.lexists(path):
        return None
    if path.is_symlink() or not path.is_dir():
        return f"{path}: expected a folder for the slices, got a file or a link; choose another"
    names = os.listdir(path)
    if names and not (VOLUME_MARK in names and all(map(OURS.fullmatch, names))):
        return (
            f"{path}: expected an empty folder for the slices, or none, got one with other files; "
            "choose another name"
        )
    if names and not overwrite:
        return (
            f"{path}: expected a new folder, got one that exists; choose another name or pass "
            "--overwrite"
        )
    return None


def folder_bytes(shape: tuple[int, ...], dtype: Any) -> int:
    """Bytes on the disk of a volume in slices."""
    plane = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    return shape[0] * (-(-plane // 4096) + 1) * 4096 + 65536


def _remove(folder: Path) -> None:
    """Remove a folder that holds nothing but slices.  Raises OSError."""
    if folder.is_symlink() or not folder.is_dir():
        return
    if all(map(OURS.fullmatch, os.listdir(folder))):
        shutil.rmtree(folder)
