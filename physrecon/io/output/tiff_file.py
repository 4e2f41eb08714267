"""Write TIFF: tifffile allocates one uncompressed block of planes, which is filled here.

The format is ImageJ's own if it can hold the image (8 and 16 bits and float32, axes T, Z, C in that
order, less than 4 GB), because Fiji opens it without asking.  Otherwise it is OME-TIFF, from 4 GB
on as BigTIFF."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError
from physrecon.io.atomic_file import write_all
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.units import LENGTHS

IMAGEJ_TYPES = ("uint8", "uint16", "float32")
OME_TYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
IMAGEJ_UNITS = {"um": r"\u00B5m"}
LARGEST = 4_000_000_000  # bytes of planes in a classic TIFF file; leaves room for directories


@dataclass(frozen=True)
class TiffLayout:
    """The TIFF format (OME or ImageJ) and the order of the axes in the file."""

    ome: bool
    axes: str
    shape: tuple[int, ...]

    @staticmethod
    def of(path: Path, image: ImageLayout, ome: bool) -> TiffLayout:
        """The layout of an image.  Raises ArgumentError if TIFF cannot hold it."""
        sizes = dict(zip(image.axes, image.shape, strict=True))
        size = math.prod(image.shape) * image.dtype.itemsize
        ome = ome or image.dtype.name not in IMAGEJ_TYPES or "S" in sizes or size > LARGEST
        if set(sizes) - set("TCZSYX") or image.dtype.name not in OME_TYPES:
            raise ArgumentError(
                f"{path}: expected axes among TCZSYX and one of {', '.join(OME_TYPES)} for "
                f"TIFF, got {image.axes} of {image.dtype}; convert it or write HDF5 (.h5)."
            )
        leading = [name for name in (image.axes if ome else "TZC") if name in sizes]
        order = "".join(name for name in leading if name not in "SYX")
        order += "S" * ("S" in sizes) + "YX"
        return TiffLayout(ome, order, tuple(sizes[name] for name in order))


class TiffSink:
    """A TIFF file whose planes are written in place."""

    def __init__(self, path: Path, image: ImageLayout, layout: TiffLayout) -> None:
        import tifffile

        order = "ZYX" if "Z" in layout.axes else "YX"
        pitch = dict(zip(order, image.voxel_size, strict=True))
        describe = _ome_metadata if layout.ome else _imagej_metadata
        place: Any = tifffile.imwrite(
            path,
            data=None,
            shape=layout.shape,
            dtype=image.dtype,
            byteorder="<",
            bigtiff=math.prod(layout.shape) * image.dtype.itemsize > LARGEST,
            photometric="rgb" if "S" in layout.axes else "minisblack",
            planarconfig="separate" if "S" in layout.axes else None,
            **_resolution(layout, pitch, image.length_unit),
            returnoffset=True,
            metadata=describe(layout, pitch, image.length_unit, image.description),
            ome=layout.ome,
            imagej=not layout.ome,
        )
        self._offset = place[0]
        self._layout = layout
        self._leading = [name for name in image.axes if name not in "ZYX"]
        self._plane = math.prod(layout.shape[-2:]) * image.dtype.itemsize
        self._file = path.open("r+b", buffering=0)

    def put(self, index: tuple[int, ...], start: int, planes: NDArray[Any]) -> None:
        place = dict(zip(self._leading, index, strict=True))
        for number, plane in enumerate(planes, start):
            page = 0
            for name, n in zip(self._layout.axes[:-2], self._layout.shape, strict=False):
                page = page * n + (number if name == "Z" else place[name])
            self._file.seek(self._offset + page * self._plane)
            little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
            write_all(self._file, np.ascontiguousarray(little).data.cast("B"))

    def finish(self) -> None:
        with self._file:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()  # unbuffered: nothing is left to be written


def _imagej_metadata(
    layout: TiffLayout, pitch: dict[str, float], unit: str | None, description: str
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": layout.axes, "unit": IMAGEJ_UNITS.get(unit or "", unit)}
    metadata |= {"spacing": pitch["Z"]} if "Z" in pitch else {}
    metadata |= {"mode": "composite"} if "C" in layout.axes else {}
    metadata |= {"Info": description} if description else {}
    return {name: value for name, value in metadata.items() if value is not None}


def _resolution(layout: TiffLayout, pitch: dict[str, float], unit: str | None) -> dict[str, Any]:
    """Pixels per unit of the description in ImageJ's TIFF, per cm in others, as ITK reads it."""
    scale = LENGTHS[unit] / LENGTHS["cm"] if unit and layout.ome else 1.0
    per = (1 / (pitch["X"] * scale), 1 / (pitch["Y"] * scale))
    return {"resolution": per, "resolutionunit": 3 if unit and layout.ome else 1}


def _ome_metadata(
    layout: TiffLayout, pitch: dict[str, float], unit: str | None, description: str
) -> dict[str, Any]:
    """Lengths are in µm: several readers of OME drop the unit."""
    metadata: dict[str, Any] = {"axes": layout.axes}
    scale = LENGTHS[unit] / LENGTHS["um"] if unit else 1.0
    for axis, size in pitch.items():
        metadata[f"PhysicalSize{axis}"] = float(f"{size * scale:.15g}")
        metadata[f"PhysicalSize{axis}Unit"] = "µm" if unit else "pixel"
    return metadata | ({"Description": description} if description else {})
