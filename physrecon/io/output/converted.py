"""A finished result, volume or image, in another format or in numbers of fewer bits.

The result is read twice if integers are wanted: for its range, and to store it.  What it states of
its making is kept; a scale that it has is applied first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError, OutputError
from physrecon.io.atomic_file import (
    check_new_file,
    check_space,
    check_writable,
    replacing,
    write_errors,
)
from physrecon.io.description import as_lines
from physrecon.io.images.image import Image
from physrecon.io.images.labels import Labels
from physrecon.io.made import CLIPPED, STORED, parsed, scale_of, with_summary
from physrecon.io.opened import undone_by
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.output.image_writer import HDF5, TIFF, Sink, image_bytes
from physrecon.io.output.stored_type import Coding, StoredType, check_stored
from physrecon.io.viewed import open_source, scaled
from physrecon.io.volumes.volume import Volume

MRC = (".mrc", ".rec")
BLOCK = 1 << 26  # bytes read at a time


def convert_result(
    path: str | Path, output: str | Path, stored: StoredType, overwrite: bool = False
) -> dict[str, str]:
    """Write a result to `output`, TIFF, MRC or HDF5 by its name; returns what is stored, in words.

    Raises DataError for NaN where integers are wanted and for a file that is no result,
    ArgumentError for a type that the format lacks, OutputError, WriteError."""
    out = Path(output)
    kind = _format(out)
    check_stored(out, kind, stored.dtype)
    with open_source(path) as source:
        if out.exists() and any(out.samefile(file) for file in _files(source)):
            raise OutputError(
                f"{out}: expected another file than the input, got the same; choose a new name"
            )
        check_new_file(out, overwrite)
        check_writable(out.parent)
        check_space(out, image_bytes(out, source.shape, stored.dtype))
        texts, data, unit = _texts(source), source, _unit(source)
        if isinstance(source, Image):
            data = scaled(source, *scale_of(texts)[:2])
        axes = source.axes if isinstance(source, Image) else "ZYX"
        coding = Coding(stored.dtype, 1.0, 0.0)
        if not stored.plain:
            coding = stored.coded(values for _, _, values in _blocks(data, source.shape, axes))
        facts = coding.facts(unit or "grey values")
        texts = {k: v for k, v in texts.items() if k not in (STORED, CLIPPED)} | facts
        layout = _layout(out, source, axes, coding, unit, texts)
        with write_errors(out, kept=""), replacing(out) as temporary:
            ome = isinstance(source, Image) and source.format == "ome"
            ome = ome or out.name.lower().endswith((".ome.tif", ".ome.tiff"))
            sink = _sink(kind, temporary, layout, ome)
            with undone_by(sink.close):
                for index, start, values in _blocks(data, source.shape, axes):
                    sink.put(index, start, coding.stored(values))
                sink.finish()
    return facts


def _format(path: Path) -> str:
    """ "tiff", "mrc" or "hdf5", by the name.  Raises ArgumentError."""
    name = path.name.lower()
    known = {"tiff": TIFF, "mrc": MRC, "hdf5": HDF5}
    found = next((kind for kind, endings in known.items() if name.endswith(endings)), None)
    if found is None:
        raise ArgumentError(
            f"{path}: expected a name that ends in .tif, .mrc or .h5 for a finished result, got "
            f"{path.suffix or 'none'}; choose {path.with_suffix('.tif').name}"
        )
    return found


def _files(source: Volume | Image) -> set[Path]:
    return {source.path, *(source.files if isinstance(source, Image) else ())}


def _texts(source: Volume | Image) -> dict[str, str]:
    if isinstance(source, Image):
        return parsed(source.description)
    own = dict(source.configuration)
    return own | parsed(own.pop("description", ""))


def _unit(source: Volume | Image) -> str:
    """The unit of the values, "" for grey values."""
    if isinstance(source, Image):
        named = scale_of(parsed(source.description))[2] or source.labels.value_unit
        return "" if named == "grey values" else named
    of_image = "description" in source.configuration
    return "" if of_image else f"1/{source.length_unit or 'pixel'}"


def _blocks(
    data: Any, shape: tuple[int, ...], axes: str
) -> Iterator[tuple[tuple[int, ...], int, NDArray[Any]]]:
    """Yield (index of the frame, first plane, planes float32) of all frames."""
    deep = "Z" in axes
    leading = shape[: -3 if deep else -2]
    step = max(1, BLOCK // (4 * math.prod(shape[-2:])))
    for index in np.ndindex(*leading):
        for start in range(0, shape[-3] if deep else 1, step):
            cancellation_point()
            part = (slice(start, start + step),) if deep else ()
            values = np.asarray(data[(*index, *part)], np.float32)
            yield index, start, values if deep else values[None]


def _layout(
    path: Path,
    source: Volume | Image,
    axes: str,
    coding: Coding,
    unit: str,
    texts: dict[str, str],
) -> ImageLayout:
    if texts and unit:
        texts = {"values": unit, **texts}
    description = with_summary(as_lines(texts)) if texts else ""
    if isinstance(source, Image) and not texts:
        description = source.description
    pitch = (source.voxel_size, source.length_unit)
    layout = ImageLayout.checked(path, source.shape, coding.dtype, axes, *pitch, description)
    labels = source.labels if isinstance(source, Image) else Labels()
    scale = (coding.slope, coding.offset)
    return replace(layout, scale=scale, value_unit=unit, labels=labels)


def _sink(kind: str, path: Path, layout: ImageLayout, ome: bool) -> Sink:
    if kind == "hdf5":
        from physrecon.io.output.hdf5_file import Hdf5Sink

        return Hdf5Sink(path, layout)
    if kind == "mrc":
        from physrecon.io.output.mrc_file import MrcSink

        return MrcSink(path, layout)
    from physrecon.io.output.tiff_file import TiffLayout, TiffSink

    return TiffSink(path, layout, TiffLayout.of(path, layout, ome))
