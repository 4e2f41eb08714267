"""Read TIFF by tifffile, plane by plane.

Nothing is read before `tiff_safety` has found the file complete.  Contiguous uncompressed planes
are read directly from the file; others are decoded one at a time."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import TIFF, Content
from physrecon.io.description import of_ome as of_ome_text
from physrecon.io.file_array import FileArray
from physrecon.io.images.labels import Labels, of_imagej, of_ome
from physrecon.io.images.stored_image import UNNAMED, Key, StoredImage, parsing
from physrecon.io.images.tiff_safety import check_chain, check_extent, check_page, truncated
from physrecon.io.images.tiff_scale import lengths
from physrecon.io.opened import numbers, undone_by

NAMED = {"I": UNNAMED, "Q": UNNAMED}  # "page" and "other" of tifffile are no names
UNDESCRIBED = ("generic", "uniform")  # series that tifffile found without metadata
MIN_IS_WHITE, PALETTE = 0, 3


def read(path: Path, content: Content, _dataset: str | None) -> StoredImage | None:
    """The first image series of a TIFF file; None for other files.

    Holds one directory per plane; planes are read when indexed.  Raises DataError."""
    if content.kind != TIFF:
        return None
    import tifffile

    notes: list[str] = []
    with parsing(path, "TIFF"), _complaints(notes):
        check_chain(path)
        file = tifffile.TiffFile(path, _multifile=False)
        file.filehandle.set_lock(True)  # threads share its position
        with undone_by(file.close):
            series = _series(file, path, notes)
            pages = _Pages(path, file, series)
            axes = "".join(NAMED.get(name, name) for name in series.axes)
            kind = series.kind if series.kind in ("imagej", "ome") else "tiff"
            image = StoredImage(
                path, kind, axes, series.shape, series.dtype, pages.read, file.close,
                plain=pages.plain,
            )  # fmt: skip
            sizes = lengths(file, series.keyframe, notes)
            image = _without_alpha(image.with_notes(*notes), series.keyframe)
            image = image.with_description(_description(file))
            image = image.with_named_axes().with_lengths(sizes)
            return replace(image, labels=_labels(file, image))


def _labels(file: Any, image: StoredImage) -> Labels:
    """Channels and times in a description of OME or ImageJ."""
    counts = dict(zip(image.axes, image.shape, strict=True))
    if image.format == "ome":
        return of_ome(file.ome_metadata or "", counts)
    if image.format == "imagej":
        return of_imagej(file.imagej_metadata or {}, image.axes, counts)
    return Labels()


def _description(file: Any) -> str:
    """The text in the metadata of ImageJ or OME, or "" """
    if file.is_imagej:
        return str((file.imagej_metadata or {}).get("Info", ""))
    return of_ome_text(file.ome_metadata) if file.is_ome else ""


@dataclass(frozen=True)
class _Series:
    """Planes of one shape: a series of tifffile, or several that differ in nothing.

    dataoffset: where the planes begin in the file if they are contiguous, else None."""

    axes: str
    shape: tuple[int, ...]
    kind: str
    keyframe: Any
    pages: Sequence[Any]
    dataoffset: int | None

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.keyframe.dtype)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class _Pages:
    """The planes of a series: a read takes whole pages and then indexes within them.

    Several threads may read at a time."""

    def __init__(self, path: Path, file: Any, series: _Series) -> None:
        self._path = path
        self._page_shape: tuple[int, ...] = series.keyframe.shape
        cut = len(series.shape) - len(self._page_shape)
        if cut < 0 or series.shape[cut:] != self._page_shape:
            raise DataError(
                f"{path.name}: expected pages that hold whole planes, got pages of "
                f"{self._page_shape} for {series.axes} {series.shape}; save it again from Fiji."
            )
        self._leading = series.shape[:cut]
        self._dtype = series.dtype.newbyteorder(file.byteorder)
        self._pages = [] if series.dataoffset is not None else series.pages
        self.plain: FileArray | None = None  # if the pages follow one another
        size = path.stat().st_size
        if series.dataoffset is not None:
            check_extent(path, series.dataoffset + series.nbytes, size)
            self.plain = FileArray(path, series.dataoffset, series.shape, self._dtype)
        elif len(self._pages) != math.prod(self._leading):
            raise truncated(path, f"{math.prod(self._leading)} planes, got {len(self._pages)}")
        for number, page in enumerate(self._pages):
            check_page(path, number, page, size)

    def read(self, key: Key) -> NDArray[Any]:
        if self.plain is not None:
            return self.plain[key]
        cut = len(self._leading)
        wanted = [numbers(k) for k in key[:cut]]
        inner = key[cut:]
        shape = [len(numbers(k)) for k in inner if isinstance(k, slice)]
        out = np.empty([*map(len, wanted), *shape], self._dtype.newbyteorder("="))
        for place in np.ndindex(*map(len, wanted)):
            page = 0
            for pages, i, n in zip(wanted, place, self._leading, strict=True):
                page = page * n + pages[i]
            out[place] = self._page(page)[inner]
        return out[tuple(0 if isinstance(k, int) else slice(None) for k in key[:cut])]

    def _page(self, number: int) -> NDArray[Any]:
        with parsing(self._path, "TIFF"), _complaints([]):
            return self._pages[number].asarray().reshape(self._page_shape)


def _series(file: Any, path: Path, notes: list[str]) -> _Series:
    """All series if they are alike, else the first.

    Programs that append to a file write a series per plane.
    Raises DataError unless all of it can be read from this file."""
    stated = file.ome_metadata or ""
    files = set(re.findall(r'FileName="([^"]*)"', stated))
    if len(files) > 1:
        raise DataError(
            f"{path.name}: expected all planes in one file, got one of an OME set of {len(files)} "
            "files; import the set in Fiji (Bio-Formats) and save it as one OME-TIFF."
        )
    if not len(file.pages) or not len(file.series):
        raise DataError(f"{path.name}: expected an image, got a TIFF file without; copy it again.")
    series = file.series[0]
    if series.is_multifile or (series.kind in UNDESCRIBED and (file.is_ome or file.is_imagej)):
        raise DataError(
            f"{path.name}: expected metadata that describe the planes of this file, got such "
            "that do not fit them; save it again from Fiji."
        )
    alike = _alike(file.series)
    if alike:
        notes.append(f"series: {len(file.series)} of one shape, taken as planes of one image")
    elif len(file.series) > 1:
        notes.append(f"series: the first of {len(file.series)} is used, {series.axes}")
    page = series.keyframe
    _check_readable(path, page)
    if page.photometric == PALETTE and not file.is_imagej:  # ImageJ's is for display only
        notes.append("colour table: not applied, its indices are taken as intensities")
    if page.photometric == MIN_IS_WHITE:
        notes.append("values: the file shows 0 as white; they are taken as stored, not inverted")
    if alike:
        pages = [one for each in file.series for one in each]
        shape = (len(file.series), *series.shape)
        return _Series(UNNAMED + series.axes, shape, series.kind, page, pages, None)
    unread = len(file.pages) - sum(map(len, file.series))
    if unread > 0 and not series.is_pyramidal:
        notes.append(f"planes: the metadata describe {len(series)}; {unread} more are not used")
    pages = [] if series.dataoffset is not None else list(series)
    return _Series(series.axes, series.shape, series.kind, page, pages, series.dataoffset)


def _alike(series: Sequence[Any]) -> bool:
    """Whether several series have one layout and no metadata that tell them apart."""
    layouts = {(s.kind, s.axes, s.shape, s.dtype, s.keyframe.photometric) for s in series}
    return len(series) > 1 and len(layouts) == 1 and series[0].kind == "shaped"


def _check_readable(path: Path, page: Any) -> None:
    """Raise DataError if decoding the planes needs a library that is not installed."""
    import tifffile

    try:
        if page.dtype is None:
            raise KeyError(f"{page.bitspersample} bits per sample")
        if page.compression != 1:
            tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
        if page.bitspersample % 8 and page.dtype != bool:
            import imagecodecs  # noqa: F401  unpacks 10, 12 … bits
    except (KeyError, ImportError) as error:
        raise DataError(
            f"{path.name}: expected planes that can be unpacked, got {error.args[0]}; "
            "run `pip install imagecodecs` (the extra [images] of physrecon), or save the file "
            "uncompressed."
        ) from error


def _without_alpha(image: StoredImage, page: Any) -> StoredImage:
    """The image without samples of transparency (1, 2 in the tag ExtraSamples)."""
    alpha = sum(int(kind) in (1, 2) for kind in page.extrasamples)
    if not alpha or "S" not in image.axes:
        return image
    at = image.axes.index("S")
    colours = image.shape[at] - alpha
    axes = image.axes.replace("S", UNNAMED) if colours == 1 else image.axes
    shape = (*image.shape[:at], colours, *image.shape[at + 1 :])
    return replace(image, axes=axes, shape=shape, plain=None).with_notes("alpha: dropped")


_noted: ContextVar[list[str] | None] = ContextVar("notes of the file being read", default=None)


class _Listener(logging.Handler):
    """Adds messages of tifffile to the notes of the file that this thread reads, each once.

    As a handler of its logger it also keeps them off the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        notes = _noted.get()
        line = f"tifffile: {re.sub(r'<[^>]*> *', '', record.getMessage())}"[:200]
        if notes is not None and line not in notes:
            notes.append(line)


_LISTENER = _Listener(logging.WARNING)


@contextmanager
def _complaints(notes: list[str]) -> Iterator[None]:
    """Collect the log messages of tifffile in `notes`."""
    logging.getLogger("tifffile").addHandler(_LISTENER)  # once, however often it is called
    token = _noted.set(notes)
    try:
        yield
    finally:
        _noted.reset(token)
