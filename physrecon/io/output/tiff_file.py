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
from physrecon.io.description import divided, ome_annotation
from physrecon.io.images.labels import Labels
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
            metadata=describe(layout, pitch, image),
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
    layout: TiffLayout, pitch: dict[str, float], image: ImageLayout
) -> dict[str, Any]:
    """Integers with a scale, and values with a unit, have ImageJ's straight line of calibration."""
    unit, description = image.length_unit, image.description
    metadata: dict[str, Any] = {"axes": layout.axes, "unit": IMAGEJ_UNITS.get(unit or "", unit)}
    metadata |= {"spacing": pitch["Z"]} if "Z" in pitch else {}
    metadata |= {"mode": "composite"} if "C" in layout.axes else {}
    metadata |= {"Info": description} if description else {}
    if len(times := image.labels.times) > 1 and "T" in layout.axes:
        metadata["finterval"] = (times[-1] - times[0]) / (len(times) - 1)
    if texts := _plane_texts(layout, image.labels):
        metadata["Labels"] = texts
    slope, offset = image.scale
    if image.dtype.kind in "iu" and (image.scale != (1, 0) or image.value_unit):
        metadata |= {"cf": 0, "c0": offset, "c1": slope, "vunit": image.value_unit or None}
    return {name: value for name, value in metadata.items() if value is not None}


def _plane_texts(layout: TiffLayout, labels: Labels) -> list[str]:
    """A text for each plane: as it was, or the name of its channel."""
    axes, lengths = layout.axes[:-2], layout.shape[:-2]
    texts = labels.planes_as(axes)
    if texts or not labels.names or "C" not in axes:
        return texts
    return [labels.names[place[axes.index("C")]] for place in np.ndindex(*lengths)]


def _ome_labels(layout: TiffLayout, labels: Labels) -> dict[str, Any]:
    """Channels and times as OME states them; attributes that every channel has."""
    found: dict[str, Any] = dict(labels.image)
    axes, times = layout.axes[:-2], labels.times
    if labels.channels and "S" not in layout.axes:
        common = set.intersection(*(set(channel) for channel in labels.channels))
        found["Channel"] = {
            name: [channel[name] for channel in labels.channels] for name in sorted(common)
        }
    if len(times) > 1 and "T" in axes:
        steps = np.diff(times)
        if times[0] == 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0):
            return found | {"TimeIncrement": float(f"{steps[0]:.9g}"), "TimeIncrementUnit": "s"}
        each = [times[place[axes.index("T")]] for place in np.ndindex(*layout.shape[: len(axes)])]
        found["Plane"] = {"DeltaT": each, "DeltaTUnit": ["s"] * len(each)}
    return found


def _resolution(layout: TiffLayout, pitch: dict[str, float], unit: str | None) -> dict[str, Any]:
    """Pixels per unit of the description in ImageJ's TIFF, per cm in others, as ITK reads it."""
    scale = LENGTHS[unit] / LENGTHS["cm"] if unit and layout.ome else 1.0
    per = (1 / (pitch["X"] * scale), 1 / (pitch["Y"] * scale))
    return {"resolution": per, "resolutionunit": 3 if unit and layout.ome else 1}


def _ome_metadata(
    layout: TiffLayout, pitch: dict[str, float], image: ImageLayout
) -> dict[str, Any]:
    """Lengths are in µm: several readers of OME drop the unit."""
    unit, (summary, texts) = image.length_unit, divided(image.description)
    metadata: dict[str, Any] = {"axes": layout.axes, **ome_annotation(texts)}
    scale = LENGTHS[unit] / LENGTHS["um"] if unit else 1.0
    for axis, size in pitch.items():
        metadata[f"PhysicalSize{axis}"] = float(f"{size * scale:.15g}")
        metadata[f"PhysicalSize{axis}Unit"] = "µm" if unit else "pixel"
    metadata |= _ome_labels(layout, image.labels)
    return metadata | ({"Description": summary} if summary else {})
