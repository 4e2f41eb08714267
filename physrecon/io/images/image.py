"""Read images: TIFF (plain, ImageJ, OME), PNG and JPEG, HDF5, all lazily through one class.

The last two or three axes, among "ZYX", are spatial and form a frame.  The axes before them (time,
channel, colour sample) number the frames.  An `Image` has the leading axes first, in the file's
order, then Z, Y, X, however the file orders them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError
from physrecon.io.content import (
    checked_path,
    content_of,
    file_and_group,
    first_reading,
    unrecognised,
)
from physrecon.io.file_array import FileArray
from physrecon.io.fingerprint import fingerprint
from physrecon.io.images.linearise import linearised
from physrecon.io.images.stored_image import ABSENT, FORMATS, StoredImage
from physrecon.io.opened import (
    Closing,
    LazyArray,
    UnchangedFiles,
    bounded_key,
    key_for_each,
    undone_by,
)
from physrecon.io.units import printed

WANTED = "an image (TIFF, PNG, JPEG, HDF5, FITS, MRC, NumPy, MATLAB)"
# Modules of `io.images`, each with `read(path, content, dataset) -> StoredImage | None`.
IMAGE_READERS = ("raw", "tiff", "photo", "hdf5", "fits", "mrc", "numpy_file", "matlab", "folder")
ADVICE = "convert it, or name shape and type of a raw file: FILE::100,512,512:uint16"

SPACE = "ZYX"
PACKED = ("tiff", "imagej", "ome", "png", "jpeg")  # formats that may be compressed
BLOCK = 1 << 28  # bytes read at a time by default


class Image(Closing, LazyArray):
    """An open image, read when indexed; a context manager.

    axes: a letter per axis, "TCZYX".  frames: index tuples of the leading axes, [()] where there
    are none.  voxel_size: along `frame_axes`, in `length_unit` (None: pixels).
    saturation: the largest value of an integer dtype, None for floats.
    format: a key of `FORMATS`, such as "ome".  notes: sentences for the user.
    labels: channels, times and the unit of values, as far as the file states them."""

    def __init__(self, image: StoredImage) -> None:
        self._image = image
        stored = image.axes
        leading = [name for name in stored if name not in SPACE + ABSENT]
        self.frame_axes = "".join(name for name in SPACE if name in stored)
        self.axes = "".join(leading) + self.frame_axes
        self._order = [stored.index(name) for name in self.axes]  # our axis → stored axis
        self.path = image.path
        # all files read; a folder changes when a file beside them does
        self.files = frozenset(image.files | ({image.path} if not image.path.is_dir() else set()))
        self._unchanged = UnchangedFiles(self.files)
        self.format = image.format
        self.shape = tuple(image.shape[i] for i in self._order)
        self.dtype = image.dtype.newbyteorder("=")
        self.voxel_size = tuple(image.voxel_size.get(name, 1.0) for name in self.frame_axes)
        self.length_unit = image.length_unit
        self.notes = list(image.notes)
        self.labels = image.labels

    def __repr__(self) -> str:
        size, unit = " × ".join(f"{v:g}" for v in self.voxel_size), printed(self.length_unit)
        kind = f"{self.axes} {self.shape} {self.dtype}"
        return f"Image {self.path.name}: {self.format}, {kind}, voxels of {size} {unit}"

    def close(self) -> None:
        self._image.close()

    @property
    def plain(self) -> FileArray | None:
        """The array in the file, if it has these axes and no compression."""
        return self._image.plain if self._order == [*range(len(self._image.axes))] else None

    @property
    def in_parts(self) -> bool:
        """Whether a part is read without the planes that it lies in being unpacked."""
        return self._image.plain is not None or self.format not in PACKED

    @property
    def frame_shape(self) -> tuple[int, ...]:
        return self.shape[-len(self.frame_axes) :]

    @property
    def frames(self) -> list[tuple[int, ...]]:
        return list(np.ndindex(*self.shape[: -len(self.frame_axes)]))

    @property
    def saturation(self) -> int | None:
        return int(np.iinfo(self.dtype).max) if self.dtype.kind in "iu" else None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part, as NumPy would index it: ints, rising slices and an ellipsis.

        Holds the part.  Raises ArgumentError for other keys, DataError if the file is damaged
        and ReadError if it has changed since it was opened."""
        each = zip(key_for_each("Image", key, self.ndim), self.shape, strict=True)
        keys = [bounded_key("Image", "an index", "a rising slice", k, n) for k, n in each]
        stored: list[int | slice] = [0] * len(self._image.axes)
        for i, k in zip(self._order, keys, strict=True):
            stored[i] = k
        with self._unchanged.while_read():
            values = self._image.read(tuple(stored))
        left = [i for i, k in zip(self._order, keys, strict=True) if isinstance(k, slice)]
        values = values.transpose([sorted(left).index(i) for i in left])
        return np.ascontiguousarray(values, self.dtype) if left else values.astype(self.dtype)

    def read(self, index: Sequence[int] = (), planes: slice | None = None) -> NDArray[Any]:
        """One frame, or the `planes` of its first axis, in the dtype of the file.

        index: one of `frames`.  Holds the result."""
        return self[(*self._frame(index), planes or slice(None), ...)]

    def blocks(
        self, index: Sequence[int] = (), nbytes: int = BLOCK
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield (planes, values) of a frame in blocks of whole planes, of at most `nbytes` each.

        A 2-D frame is one block.  Holds one block."""
        index = self._frame(index)
        count, *plane = self.frame_shape if len(self.frame_axes) == 3 else (1, *self.frame_shape)
        step = max(1, nbytes // (math.prod(plane) * self.dtype.itemsize))
        if len(self.frame_axes) == 2 or step >= count:
            yield slice(0, self.frame_shape[0]), self.read(index)
            return
        for start in range(0, count, step):
            cancellation_point()
            planes = slice(start, min(start + step, count))
            yield planes, self.read(index, planes)

    def read_into(self, out: Any, index: Sequence[int] = (), nbytes: int = BLOCK) -> None:
        """Copy a frame into an array of `frame_shape` and any dtype, on the disk or the device too.

        The array may be larger than the memory.  Holds one block of `nbytes`."""
        if tuple(out.shape) != self.frame_shape:
            raise ArgumentError(
                f"Image.read_into: expected an array of {self.frame_shape}, got {out.shape}."
            )
        xp = arrays.namespace(out)
        for planes, values in self.blocks(index, nbytes):
            out[planes] = xp.asarray(values)

    def fingerprint(self) -> str:
        """Identity of the image in 64 hex digits, cheap at any size.

        Hashes names, sizes, times and samples of its files, its layout, and a row of its first,
        middle and last frame."""
        frames, middle = self.frames, tuple(n // 2 for n in self.frame_shape[:-1])
        return fingerprint(
            self.files,
            [f"{self.axes} {self.shape} {self.dtype.str}"],
            [self[(*frames[i], *middle)] for i in (0, len(frames) // 2, -1)],
        )

    def _frame(self, index: Sequence[int]) -> tuple[int, ...]:
        leading = self.shape[: -len(self.frame_axes)]
        frame = tuple(index)
        inside = len(frame) == len(leading)
        if not inside or not all(0 <= i < n for i, n in zip(frame, leading, strict=True)):
            raise ArgumentError(
                f"{self.path.name}: expected an index of the axes "
                f"{self.axes[: len(leading)] or '()'} below {leading}, got {frame}."
            )
        return frame


def open_image(
    path: str | Path,
    dataset: str | None = None,
    axes: str | None = None,
    linearise: str | None = None,
) -> Image:
    """Open an image for reading, recognised by content: a file of one of `IMAGE_READERS`.

    dataset: an array in a file of several, also given as `FILE.h5::/group/data`, `FILE.npz::/name`
    or `FILE.fits::/1`; by default a result of physrecon, or the only array of 2 to 5 dimensions.
    A raw file needs its shape and type, `FILE.raw::100,512,512:uint16`.
    axes: a letter per stored axis, for a file with wrong ones: "ZYX" for a stack saved as a series.
    linearise: "srgb" makes the values of a photo proportional to light.
    Raises MissingInputError, and DataError if the file is damaged, truncated or no image.

    >>> pr.write_image("stack.tif", np.ones((3, 5, 7)), "ZYX", (0.3, 0.1, 0.1), "um")
    >>> with pr.open_image("stack.tif") as image:
    ...     image.axes, image.shape, image.voxel_size, image.length_unit
    ...     image.read(planes=slice(0, 2)).shape
    ('ZYX', (3, 5, 7), (0.3, 0.1, 0.1), 'um')
    (2, 5, 7)
    """
    path, part = file_and_group(checked_path("open_image", path))
    dataset = dataset or part
    content = content_of(path, WANTED)
    image = first_reading("physrecon.io.images", IMAGE_READERS, path, content, dataset)
    if image is not None and dataset is not None and not image.part:
        image.close()
        raise ArgumentError(
            f"{path}: expected no dataset in {FORMATS[image.format]}, got {dataset!r}; leave out "
            f"::{dataset}"
        )
    if image is None:
        raise unrecognised(path, content, WANTED, ADVICE)
    with undone_by(image.close):
        image = image if axes is None else image.with_axes(axes)
        return Image(image if linearise is None else linearised(image, linearise))
