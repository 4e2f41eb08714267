"""Write an image frame by frame, so that a kill loses at most the current frame.

The frames of a series are kept as OUT.frames/00000.h5 … until OUT is complete.  Each of these files
is complete or absent.  The folder is marked with its job, so the next run of the same job on the
same input resumes where a killed run stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import OutputError, PhysreconError
from physrecon.io.atomic_file import write_errors
from physrecon.io.images.image import open_image
from physrecon.io.images.labels import Labels
from physrecon.io.made import with_summary
from physrecon.io.opened import Closing, undone_by
from physrecon.io.output.image_writer import ImageWriter, write_image
from physrecon.io.output.piece_folder import (
    claim,
    clear,
    discard,
    frame_folder,
    owner,
    remember,
    remembered,
    require_own,
    slab_name,
)
from physrecon.io.output.stored_type import Coding, StoredType, in_parts

PIECE = 1 << 20  # bytes written at a time


class ImageSink(Closing):
    """The image OUT, whose frames may be made in any order; a context manager.

    shape, axes, voxel_size, length_unit, description, overwrite, labels, ome: as for `ImageWriter`.
    stored: the type of the values in OUT.  places: index of each frame in the result.  beside: a
    further file for each frame, or none.  description: distinguishes jobs."""

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        axes: str,
        places: Sequence[tuple[int, ...]],
        voxel_size: Sequence[float],
        length_unit: str | None,
        description: str,
        overwrite: bool,
        beside: Sequence[Path] = (),
        labels: Labels | None = None,
        ome: bool = False,
        stored: StoredType | None = None,
    ) -> None:
        self._stored = stored or StoredType()
        self._places, self._beside = list(places), list(beside)
        self._lengths = (tuple(voxel_size), length_unit)
        self._overwrite = overwrite
        self._finished: set[int] = set()
        self._description, self.facts = description, dict[str, str]()
        self._out = ImageWriter(
            *(path, shape, self._stored.dtype, axes, voxel_size, length_unit),
            description=description,
            overwrite=overwrite,
            ome=ome,
            labels=labels,
        )
        with undone_by(self._out.close):
            job = hashlib.sha256(description.encode()).hexdigest()
            self._kept = KeptFrames(path, job, len(places), self._out.layout.frame_axes, overwrite)
            if self._kept.resumed:
                self.facts = remembered(self._kept.folder)

    def close(self) -> None:
        """Close OUT; finished frames of a series are kept."""
        self._out.close()

    def done(self, piece: int) -> bool:
        """Whether this job's frame is on the disk and every byte of it can be read back."""
        if piece not in self._finished and len(self._places) > 1 and self._kept.done(piece):
            self._finished.add(piece)
        return piece in self._finished

    def write(
        self,
        piece: int,
        values: Any,
        facts: Mapping[str, str] | None = None,
        **extras: NDArray[Any],
    ) -> None:
        """Write a frame and further arrays; those of a series survive a kill once this returns.

        facts: texts by name that it brings to light, stored in the description of OUT.
        Raises WriteError, OutputError."""
        voxel_size, unit = self._lengths
        several = len(self._places) > 1
        for array in extras.values():
            axes = self._out.layout.frame_axes[-array.ndim :]
            lengths = (voxel_size[-array.ndim :], unit)
            if several:
                self._kept.claim()  # mark the folder before writing a file beside OUT
            overwrite = self._overwrite or self._kept.resumed
            write_image(self._beside[piece], array, axes, *lengths, overwrite=overwrite)
        self.facts |= facts or {}
        if several:
            self._kept.keep(piece, values, facts or {})
        else:
            coding = self._coding(block for _, block in in_parts(values))
            self._describe(self.facts, coding)
            whole = slice(0, len(values))
            write_planes_of(self._out, self._places[piece], whole, values, coding)
        self._finished.add(piece)

    def finish_if_complete(self) -> bool:
        """Write OUT if all frames are finished; return whether they were.

        Frames are written in order, so the bytes of OUT do not depend on when each was made."""
        pieces = range(len(self._places))
        if not all(self.done(piece) for piece in pieces):
            return False
        if len(self._places) > 1:
            kept = chain.from_iterable(map(self._kept.read, pieces))
            coding = self._coding(values for _, values in kept)
            self._describe(remembered(self._kept.folder), coding)
            for piece in pieces:
                for planes, values in self._kept.read(piece):
                    write_planes_of(self._out, self._places[piece], planes, values, coding)
        self._out.finish()
        discard(self._kept.folder)
        return True

    def _coding(self, blocks: Iterable[NDArray[Any]]) -> Coding:
        """How all values are stored.  Raises DataError for NaN and infinity in fewer bits."""
        if self._stored.plain:
            return Coding(self._stored.dtype, 1.0, 0.0)
        return self._stored.coded(blocks)

    def _describe(self, facts: Mapping[str, str], coding: Coding) -> None:
        """State facts at the top of the description of OUT."""
        unit = self._out.layout.labels.value_unit
        self.facts = {**facts, **coding.facts(unit or "grey values")}
        lines = [f"{name} {text}" for name, text in self.facts.items()]
        lines += [f"values {unit}"] * bool(unit)
        description = with_summary("\n".join([*lines, self._description]))
        self._out.describe(description, (coding.slope, coding.offset), unit)


class KeptFrames:
    """The finished frames of the image OUT.

    job: digest of all that must agree before frames of an earlier run may be used.  resumed:
    whether an earlier run of this job has marked the folder.  Raises OutputError if the folder is
    not ours, or holds frames of another job and `overwrite` is not given."""

    def __init__(self, path: Path, job: str, count: int, axes: str, overwrite: bool) -> None:
        self.path, self._job, self._axes = path, job, axes
        self.folder = frame_folder(path)
        self._slabs = [slice(i, i + 1) for i in range(count)]
        if count > 1:
            require_own(self.folder)
        self.resumed = owner(self.folder) == job
        stale = not self.resumed and owner(self.folder) is not None
        if stale and not overwrite:
            raise OutputError(
                f"{path}: expected no output or a part of this job's, got frames of another job or "
                f"input in {self.folder.name}; choose another name or pass --overwrite."
            )
        if stale:
            clear(self.folder)

    def done(self, frame: int) -> bool:
        """Whether a frame is on the disk and every byte of it can be read back."""
        if not self._file(frame).is_file():
            return False
        try:
            for _ in self.read(frame):
                pass
        except (OSError, PhysreconError):
            return False
        return True

    def read(self, frame: int) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield (planes, values) of a frame."""
        with open_image(self._file(frame)) as image:
            yield from image.blocks()

    def claim(self) -> None:
        """Mark the folder as this job's, before any frame is written.

        Raises OutputError, WriteError."""
        with write_errors(self.path):
            claim(self.folder, self._job, self._slabs)

    def keep(self, frame: int, values: Any, facts: Mapping[str, str]) -> None:
        """Write a frame; when this returns, it survives a kill.  Raises OutputError, WriteError."""
        self.claim()
        with write_errors(self.path):
            remember(self.folder, facts)
        settings = (values.shape, values.dtype, self._axes)
        with ImageWriter(self._file(frame), *settings, overwrite=True) as out:
            write_planes_of(out, (), slice(0, len(values)), values)
            out.finish()

    def _file(self, frame: int) -> Path:
        return self.folder / slab_name(frame)


def write_planes_of(
    out: ImageWriter,
    index: tuple[int, ...],
    planes: slice,
    values: Any,
    coding: Coding | None = None,
) -> None:
    """Write planes, or a whole 2-D frame, as they are stored.

    Planes are written a few at a time, because `values` may be on the disk."""
    stored = coding.stored if coding is not None and coding.dtype != np.float32 else np.asarray
    if len(out.layout.frame_axes) == 2:
        out.write(index, stored(values))
        return
    step = max(1, PIECE // max(values[:1].nbytes, 1))
    for start in range(0, len(values), step):
        some = stored(values[start : start + step])
        first = planes.start + start
        out.write_planes(index, slice(first, first + len(some)), some)
