"""The common result of all image readers: an array with named axes that is read in parts.

A letter names an axis: T time, C channel, S colour sample, Z plane, Y row, X column.  Axes without
a name in the file arrive as "Q" and are named here: Z, TZ or TCZ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError, PhysreconError
from physrecon.io.file_array import FileArray
from physrecon.io.images.labels import Labels
from physrecon.io.units import LENGTHS, length_unit

FORMATS = {
    "imagej": "ImageJ TIFF",
    "ome": "OME-TIFF",
    "tiff": "TIFF",
    "png": "PNG",
    "jpeg": "JPEG",
    "hdf5": "HDF5",
    "fits": "FITS",
    "mrc": "MRC",
    "numpy": "NumPy",
    "matlab": "MATLAB",
    "raw": "raw binary",
}
UNNAMED = "Q"
ABSENT = "-"  # an unnamed axis of length 1, which is dropped
NAMES_FOR = {0: "", 1: "Z", 2: "TZ", 3: "TCZ"}  # by the number of unnamed axes

Key = tuple[int | slice, ...]


@dataclass(frozen=True)
class StoredImage:
    """An image as its file stores it.

    format: a key of `FORMATS`.  axes: a letter for each of `shape`.
    read: takes one int or rising slice per stored axis.  plain: the same array, if it lies in its
    file without compression and scale.
    voxel_size: by letter, in `length_unit` (None: pixels); empty if the file does not state it.
    files: further files that the image is read from.  part: it is one of several in its file.
    labels: channels, times and the unit of values, as far as the file states them.
    description: text that the file holds."""

    path: Path
    format: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Key], NDArray[Any]]
    close: Callable[[], None]
    voxel_size: Mapping[str, float] = field(default_factory=dict)
    length_unit: str | None = None
    notes: tuple[str, ...] = ()
    files: frozenset[Path] = frozenset()
    plain: FileArray | None = None
    part: bool = False
    labels: Labels = field(default_factory=Labels)
    description: str = ""

    @classmethod
    def of_plain(cls, format: str, axes: str, array: FileArray) -> StoredImage:
        """The image in an array of a file."""
        return cls(
            array.path, format, axes, array.shape, array.dtype, array.__getitem__, lambda: None,
            plain=array,
        )  # fmt: skip

    @classmethod
    def of_values(cls, path: Path, format: str, axes: str, array: NDArray[Any]) -> StoredImage:
        """The image in an array in memory."""
        return cls(path, format, axes, array.shape, array.dtype, array.__getitem__, lambda: None)

    def with_values(self, dtype: np.dtype, read: Callable[[Key], NDArray[Any]]) -> StoredImage:
        """The image with values that are computed from those stored."""
        return replace(self, dtype=dtype, read=read, plain=None)

    def as_part(self) -> StoredImage:
        """The image, as one of several in its file."""
        return replace(self, part=True)

    def with_description(self, text: str) -> StoredImage:
        return replace(self, description=text)

    def with_notes(self, *notes: str) -> StoredImage:
        return replace(self, notes=(*self.notes, *notes))

    def with_named_axes(self) -> StoredImage:
        """The image with all axes named.  Raises DataError if the array is no image."""
        where = self.path.name
        if self.dtype.kind not in "iuf" or 0 in self.shape or len(self.shape) < 2:
            raise DataError(
                f"{where}: expected an image of real numbers with two or more axes, got shape "
                f"{self.shape} of {self.dtype}; convert it."
            )
        unnamed = [i for i, name in enumerate(self.axes) if name == UNNAMED]
        axes = list(self.axes)
        for i in unnamed:
            axes[i] = ABSENT if self.shape[i] == 1 else UNNAMED
        real = [i for i in unnamed if axes[i] == UNNAMED]
        names = [name for name in NAMES_FOR.get(len(real), "") if name not in axes]
        if len(names) < len(real):
            raise DataError(
                f"{where}: expected at most time, channel, plane, row and column, got axes "
                f"{self.axes} of {self.shape}; split the file or name its axes (ImageJ, OME)."
            )
        for i, name in zip(real, names[-len(real) :] if real else (), strict=True):
            axes[i] = name
        named = "".join(axes).replace(ABSENT, "")
        if not {"Y", "X"} <= set(named) or len(set(named)) < len(named):
            raise DataError(
                f"{where}: expected rows Y and columns X and every axis once, got {named}; "
                "save it again with axes that are named."
            )
        stored = replace(self, axes="".join(axes))
        if len(real) > 1:
            return stored.with_notes(f"axes: not stated in the file, taken as {named}")
        return stored

    def with_axes(self, axes: str) -> StoredImage:
        """The image with these axis letters in place of the file's; dropped axes get none.

        Raises ArgumentError if they do not fit."""
        axes = axes.upper()
        kept = [i for i, name in enumerate(self.axes) if name != ABSENT]
        shape = tuple(self.shape[i] for i in kept)
        fits = len(axes) == len(kept) and len(set(axes)) == len(axes) and {"Y", "X"} <= set(axes)
        if not fits or not axes.isalpha():
            raise ArgumentError(
                f"axes: expected {len(kept)} different letters, Y and X among them, for an array "
                f"of {shape} in {self.path.name}, got {axes!r}"
            )
        letters = list(self.axes)
        for i, name in zip(kept, axes, strict=True):
            letters[i] = name
        stored = replace(self, axes="".join(letters))
        space = {name for name in "ZYX" if name in axes}
        if not self.voxel_size or space <= self.voxel_size.keys():
            return stored
        return replace(stored, voxel_size={}, length_unit=None).with_notes(
            "voxel size: not stated for the axes as they are named; give it"
        )

    def with_lengths(self, lengths: Mapping[str, tuple[float, str]]) -> StoredImage:
        """The image with voxel sizes from (length, unit) by letter, in the unit of X.

        An unknown unit is taken as pixels.  Sizes are ignored unless every spatial axis has one, or
        if their units are mixed.  All these cases are noted."""
        space = [name for name in "ZYX" if name in self.axes]
        known = {a: lengths[a] for a in space if a in lengths and _is_size(lengths[a][0])}
        missing = [name for name in space if name not in known]
        if missing or not known:
            if not known:
                return self
            stated = ", ".join(f"{a} {v:.6g} {u or 'pixel'}" for a, (v, u) in known.items())
            return self.with_notes(
                f"voxel size: {stated}, but none for {', '.join(missing)}: not used; give it"
            )
        units = {length_unit(unit) for _, unit in known.values()}
        if units <= LENGTHS.keys():
            unit = length_unit(known["X"][1])
            scale = {a: LENGTHS[length_unit(u)] / LENGTHS[unit] for a, (_, u) in known.items()}
            sizes = {a: v * scale[a] for a, (v, _) in known.items()}
            return replace(self, voxel_size=sizes, length_unit=unit)
        if len(units) > 1:
            return self.with_notes(f"voxel size: units {', '.join(sorted(units))} mixed, not used")
        in_pixels = replace(self, voxel_size={a: v for a, (v, _) in known.items()})
        (name,) = units
        if name.lower() in ("", "pixel", "pixels", "px"):
            return in_pixels
        return in_pixels.with_notes(
            f'voxel size: unit "{name}" is no known length, taken as pixels'
        )


def unnamed_axes(ndim: int) -> str:
    """The letters of an array without names: the last two are rows and columns."""
    return UNNAMED * (ndim - 2) + "YX"[max(2 - ndim, 0) :]


def _is_size(value: float) -> bool:
    return bool(np.isfinite(value)) and value > 0


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn any error of a parser into a DataError: the file is damaged."""
    try:
        yield
    except PhysreconError:
        raise
    except Exception as error:  # a parser may raise any type
        raise DataError(
            f"{path}: expected a sound {what} file, got one that cannot be read "
            f"({type(error).__name__}: {error}); copy it again from the source."
        ) from error
