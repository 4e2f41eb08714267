"""Write a volume in another format or type: one TIFF, MRC or HDF5 file, or a folder of slices.

Other formats have no virtual datasets, and the range of integers is known at the end.  Several
slabs are kept as `OUT.slabs`, as those of a volume in HDF5, until all are finished; OUT is then
written from them and they are removed.  A kill loses the current slab, or the copying."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physrecon.errors import ArgumentError
from physrecon.io import atomic_file
from physrecon.io.hdf5_safety import SafeHDF5
from physrecon.io.made import with_summary
from physrecon.io.opened import undone_by
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.output.image_writer import Sink, image_bytes
from physrecon.io.output.piece_folder import discard, slab_name
from physrecon.io.output.slice_folder import SliceFolder, check_new_folder, folder_bytes
from physrecon.io.output.stored_type import Coding, StoredType, in_parts
from physrecon.io.output.volume_sink import VolumeWriter
from physrecon.io.volumes.layout import stored_bytes

SUFFIXES = {"tiff": (".tif", ".tiff"), "mrc": (".mrc", ".rec")}  # of one file
ROWS_BYTES = 1 << 26  # copied at a time


def format_of(path: Path, wanted: str | None = None) -> str:
    """ "hdf5", "mrc", "tiff", or "slices" for a folder of TIFF: by `wanted`, else by the name.

    Raises ArgumentError for a name that belongs to another format."""
    suffix = path.suffix.lower()
    named = next((name for name, known in SUFFIXES.items() if suffix in known), "hdf5")
    if wanted is None or wanted == named:
        return named
    if wanted == "tiff" and (not suffix or path.is_dir()):
        return "slices"
    if suffix and (named != "hdf5" or suffix in (".h5", ".hdf5", ".nx", ".nxs")):
        raise ArgumentError(f"format: expected {named} for the name {path.name}, got {wanted}")
    if wanted == "tiff":
        return "slices"
    return wanted


def volume_bytes(
    path: Path, format: str, shape: tuple[int, ...], slabs: int = 1, dtype: DTypeLike = np.float32
) -> int:
    """Bytes on the disk of a volume."""
    if format == "hdf5":
        return stored_bytes(shape, dtype, slabs)
    if format == "slices":
        return folder_bytes(shape, dtype)
    return image_bytes(path, shape, dtype)


class VolumeFile(VolumeWriter):
    """Writes a volume slab by slab, as `VolumeWriter` does, into another format.

    format: "tiff", "mrc", "slices" or "hdf5".  stored: the type of its values; slabs are kept as
    they are written."""

    def __init__(
        self, *arguments: Any, format: str, stored: StoredType | None = None, **options: Any
    ) -> None:
        self._format, self._stored = format, stored or StoredType()
        super().__init__(*arguments, **options)

    def _check_new(self) -> None:
        if self._format == "slices":
            check_new_folder(self.path, self._overwrite)
        else:
            super()._check_new()

    def _bytes(self) -> int:
        kept = super()._bytes() if len(self.slabs) > 1 else 0
        return kept + volume_bytes(self.path, self._format, self.shape, dtype=self._stored.dtype)

    def _store(self, values: NDArray[Any]) -> None:
        self._write_file(lambda: in_parts(values))

    def _combine(self) -> None:
        self._write_file(self._blocks)
        for folder in (self._work, self.folder):
            discard(folder)

    def _blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (first slice, slices) of the slabs on the disk."""
        step = max(1, ROWS_BYTES // (math.prod(self.shape[1:]) * self.dtype.itemsize))
        for number, rows in enumerate(self.slabs):
            files = (folder / slab_name(number) for folder in self._places())
            with SafeHDF5(next(file for file in files if file.is_file())) as tree:
                data = tree.dataset("/data")
                assert data is not None  # `done` has read it
                for start in range(0, rows.stop - rows.start, step):
                    yield rows.start + start, data[start : start + step]

    def _write_file(self, read: Callable[[], Iterator[tuple[int, NDArray[Any]]]]) -> None:
        """Write OUT from blocks that may be read twice: for their range, and to store them."""
        stored, unit = self._stored, f"1/{self.length_unit or 'pixel'}"
        coding = Coding(self.dtype, 1.0, 0.0)
        if not stored.plain:
            coding = stored.coded(values for _, values in read())
        self.facts |= coding.facts(unit)
        layout = self._layout(coding, unit)
        blocks = ((start, coding.stored(values)) for start, values in read())
        with atomic_file.write_errors(self.path):
            if self._format == "slices":
                _fill(SliceFolder(self.path, layout), blocks)
                return
            with atomic_file.replacing(self.path) as temporary:
                _fill(self._sink(temporary, layout), blocks)

    def _layout(self, coding: Coding, unit: str) -> ImageLayout:
        texts = {"values": unit, **self.configuration, **self.facts}
        job = texts.pop("job", "")
        description = "\n".join([*(f"{name} {text}" for name, text in texts.items()), "", job])
        pitch = (self.grid.pitch, self.length_unit)
        layout = ImageLayout.checked(
            self.path, self.shape, coding.dtype, "ZYX", *pitch, with_summary(description)
        )
        return replace(layout, scale=(coding.slope, coding.offset), value_unit=unit)

    def _sink(self, path: Path, layout: ImageLayout) -> Sink:
        if self._format == "hdf5":
            from physrecon.io.output.hdf5_file import Hdf5Sink

            axes = {name: self.grid.axis(axis) for axis, name in enumerate("zyx")}
            return Hdf5Sink(path, layout, axes, {**self.configuration, **self.facts})
        if self._format == "mrc":
            from physrecon.io.output.mrc_file import MrcSink

            return MrcSink(path, layout)
        from physrecon.io.output.tiff_file import TiffLayout, TiffSink

        ome = self.path.name.lower().endswith((".ome.tif", ".ome.tiff"))
        return TiffSink(path, layout, TiffLayout.of(self.path, layout, ome))


def _fill(sink: Sink, blocks: Iterable[tuple[int, NDArray[Any]]]) -> None:
    with undone_by(sink.close):
        for start, planes in blocks:
            sink.put((), start, planes)
        sink.finish()
