"""Open HDF5 files that may be malicious, damaged or unfinished.

A small file can name any file of the machine as its raw data.  A missing source, or a chunk that
was never written, reads as zeros.  A declared shape may exceed any memory.  Therefore links are
followed here, one step at a time and only beneath the scan's own folder, and a dataset is handed
out only after its storage has been found complete:

    chunks present = Π ⌈shape / chunk⌉,   contiguous bytes = Π shape · itemsize,
    virtual sources present and covering the shape,   every filter available."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import h5py

from physrecon.errors import DataError, PhysreconError
from physrecon.io.content import HDF5, content_of, unrecognised
from physrecon.io.opened import Closing

MAX_LINKS = 16  # links followed on one path; also the depth of nested virtual datasets
MAX_OBJECTS = 20_000  # objects visited in a search of one file
MAX_FILES = 200  # files open at once for one scan


class BadLink(DataError):
    """A link that leads nowhere (`outside` false) or out of the scan's folder (`outside` true)."""

    def __init__(self, message: str, outside: bool = False) -> None:
        super().__init__(message)
        self.outside = outside


def open_file(path: Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Takes no lock: read-only media and several cluster file systems offer none, and a scan that is
    still being written is recognised by its missing chunks.
    Raises MissingInputError (absent, folder, no permission) or DataError (not HDF5, damaged)."""
    content = content_of(path)
    if content.kind != HDF5:
        raise unrecognised(path, content, HDF5, "convert it to Data Exchange or NXtomo")
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        truncated = "truncated" in str(error)
        got = "a truncated one" if truncated else f"a damaged one ({error})"
        raise DataError(
            f"{path}: expected a whole HDF5 file, got {got} of {path.stat().st_size} bytes; "
            "copy it again from the source."
        ) from error


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn the many errors that HDF5 raises on a damaged file into a DataError."""
    try:
        yield
    except PhysreconError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: expected a sound HDF5 file, got one that cannot be read ({error}); "
            "copy it again from the source."
        ) from error


def text(value: Any) -> str:
    """A string attribute or dataset value of any storage type, cut to 200 characters."""
    value = value.ravel()[0] if getattr(value, "size", 0) else value
    raw = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return raw.strip()[:200]


class SafeHDF5(Closing):
    """An HDF5 file and the files it links to, with every link and dataset checked.

    allow_root: a further folder in which linked files are accepted."""

    def __init__(
        self, path: str | Path, allow_root: str | Path | None = None, parent: SafeHDF5 | None = None
    ) -> None:
        self.path = Path(path)
        self._depth: int = parent._depth + 1 if parent else 0
        if self._depth > MAX_LINKS:
            raise BadLink(f"{self.path}: expected at most {MAX_LINKS} files in a chain, got more.")
        real = self.path.resolve()
        own = [real.parent, *([Path(allow_root).resolve()] if allow_root else [])]
        self.roots: list[Path] = parent.roots if parent else own
        self.files = {real: open_file(real)}
        self.sources: set[Path] = set()  # files behind virtual datasets
        self._sound: set[tuple[int, int]] = set()

    def close(self) -> None:
        """Close the file and all linked files."""
        for file in self.files.values():
            file.close()

    @property
    def file(self) -> h5py.File:
        return next(iter(self.files.values()))

    def find(self, path: str) -> Any:
        """The group or dataset at `path`; None if there is none.

        Raises BadLink for a link that leads nowhere or outside."""
        return self._walk_down(self.file["/"], path, 0)

    def dataset(self, path: str) -> h5py.Dataset | None:
        """The dataset at `path`, its storage checked; None if there is none.  Raises DataError."""
        found = self.find(path)
        return self.sound(found, path) if isinstance(found, h5py.Dataset) else None

    def string(self, node: Any, where: str) -> str:
        """The text in a dataset of one string; "" for anything else.  Raises DataError."""
        single = isinstance(node, h5py.Dataset) and node.size == 1 and node.dtype.kind in "OS"
        return text(self.sound(node, where)[()]) if single else ""

    def child(self, group: h5py.Group, name: str) -> Any:
        """The member `name` of a group of this file, with the checks of `find`."""
        return self._walk_down(group, name, 0)

    def _walk_down(self, here: Any, path: str, links: int) -> Any:
        here = here.file["/"] if path.startswith("/") else here
        for name in filter(None, path.split("/")):
            if not isinstance(here, h5py.Group):
                return None
            here = self._step(here, name, links)
        return here

    def _step(self, group: h5py.Group, name: str, links: int) -> Any:
        """One member of a group, following a link by hand (h5py would follow it anywhere)."""
        where = f"{self.path.name}: {group.name.rstrip('/')}/{name}"
        if links > MAX_LINKS:
            raise BadLink(f"{where}: expected an object, got a chain of links without an end.")
        if name == ".":
            return group
        if not group.id.links.exists(name.encode()):
            return None
        try:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.HardLink):
                return group[name]
        except (KeyError, OSError, RuntimeError, TypeError) as error:
            raise BadLink(f"{where}: expected a readable object, got {error}.") from error
        if isinstance(link, h5py.SoftLink):
            found, target = self._walk_down(group, link.path, links + 1), link.path
        else:
            file = self._open_linked(group.file, link.filename, where)
            found = self._walk_down(file["/"], link.path, links + 1)
            target = f"{link.filename}:{link.path}"
        if found is None:
            raise BadLink(f"{where}: expected data, got a link to {target!r}, which is not there.")
        return found

    def _open_linked(self, origin: h5py.File, name: str, where: str) -> h5py.File:
        path = self._locate(origin, name, where)
        if path not in self.files:
            if len(self.files) >= MAX_FILES:
                raise BadLink(f"{where}: expected links to at most {MAX_FILES} files, got more.")
            try:
                self.files[path] = open_file(path)
            except PhysreconError as error:
                raise BadLink(f"{where}: links to {error}") from error
        return self.files[path]

    def _locate(self, origin: h5py.File, name: str, where: str) -> Path:
        """Resolve a file name stored in `origin`.  Raises BadLink if absent or not in allowed
        folders.

        As in HDF5, an absent absolute name is also searched for in the folder of `origin`."""
        folder = Path(origin.filename).resolve().parent
        places = [folder / name, *([folder / Path(name).name] if Path(name).is_absolute() else [])]
        path = next((p.resolve() for p in places if p.is_file()), None)
        if path is None:
            raise BadLink(
                f"{where}: expected data, got a link to {name!r}, which is not there; "
                "copy that file along with this one."
            )
        if not any(path.is_relative_to(root) for root in self.roots):
            raise BadLink(
                f"{where}: expected linked files beneath {self.roots[0]}, got {name!r}; "
                "if you trust the file, allow that folder with --allow-root.",
                outside=True,
            )
        return path

    def walk(self) -> Iterator[tuple[str, Any]]:
        """Yield (path, group | dataset | BadLink) of every member of the file; each group is read
        once."""
        stack: list[tuple[str, Any]] = [("", self.file["/"])]
        seen = {object_id(self.file["/"])}
        count = 0
        while stack:
            base, group = stack.pop()
            for name in islice(group, MAX_OBJECTS - count):
                count += 1
                if isinstance(name, bytes):  # not UTF-8: no format uses such names
                    continue
                path = f"{base}/{name}"
                try:
                    found = self._step(group, name, 0)
                except DataError as error:
                    yield path, error
                    continue
                yield path, found
                if isinstance(found, h5py.Group) and object_id(found) not in seen:
                    seen.add(object_id(found))
                    stack.append((path, found))

    def sound(self, dataset: h5py.Dataset, where: str) -> h5py.Dataset:
        """Return the dataset after its storage has been found complete and safe.

        Raises DataError for external raw storage, an unknown filter, missing chunks or sources, a
        shape larger than the stored data, or values that are not real numbers or text."""
        if object_id(dataset) in self._sound:
            return dataset
        where = f"{self.path.name}: {where}"
        plist = dataset.id.get_create_plist()
        if plist.get_external_count():
            name = plist.get_external(0)[0]
            raise DataError(
                f"{where}: expected data inside the HDF5 file, got external raw storage in "
                f"{text(name)!r}, which could be any file; repack with `h5repack`."
            )
        for index in range(plist.get_nfilters()):
            number, _, _, name = plist.get_filter(index)
            if not filter_available(number):
                raise DataError(
                    f"{where}: expected a filter of HDF5 or hdf5plugin, got number {number} "
                    f"({text(name)!r}), which is not installed; install its HDF5 plugin or "
                    "repack the file with `h5repack`."
                )
        if dataset.is_virtual:
            self._check_sources(dataset, where)
        elif dataset.chunks:
            _check_chunks(dataset, where)
        else:
            _check_contiguous(dataset, where)
        self._sound.add(object_id(dataset))
        return dataset

    def _check_sources(self, dataset: h5py.Dataset, where: str) -> None:
        """Check that every source of a virtual dataset is present, sound and long enough."""
        sources = dataset.virtual_sources()
        if sum(_points(source.vspace) for source in sources) < dataset.size:
            raise DataError(
                f"{where}: expected {dataset.size} values, got a virtual dataset that covers "
                "fewer; the scan was not finished."
            )
        by_file: dict[str, list[Any]] = {}
        for source in sources:
            by_file.setdefault(source.file_name, []).append(source)
        for name, parts in by_file.items():
            own = Path(dataset.file.filename).resolve()
            plain = name.replace("%%", "%")  # sources are named by printf patterns
            path = own if name == "." else self._locate(dataset.file, plain, where)
            self.sources.add(path)
            try:
                with SafeHDF5(path, parent=self) as h5:
                    for part in parts:
                        _check_source(h5, part)
                    self.sources |= h5.sources
            except PhysreconError as error:
                raise BadLink(f"{where}: relies on {error}") from error


def filter_available(number: int) -> bool:
    """Whether HDF5 can decode a filter, by itself or with hdf5plugin."""
    if not h5py.h5z.filter_avail(number):
        import hdf5plugin  # noqa: F401  registers its filters

    return h5py.h5z.filter_avail(number)


def where_in_file(dataset: h5py.Dataset) -> str:
    """File and path of a dataset, with all links resolved."""
    return f"{dataset.file.filename}: {dataset.name}"


def object_id(thing: Any) -> tuple[int, int]:
    """(file number, address): the same for one object of open files, whatever path led to it."""
    info = h5py.h5o.get_info(thing.id)
    return info.fileno, info.addr


def _points(selection: h5py.h5s.SpaceID) -> float:
    """Number of selected points; infinite for an unlimited selection."""
    try:
        return selection.get_select_npoints()
    except RuntimeError:
        return math.inf


def _check_source(h5: SafeHDF5, part: Any) -> None:
    data = h5.dataset(part.dset_name)
    if data is None:
        raise DataError(
            f"{h5.path.name}: expected {part.dset_name!r}, got none; copy the file again."
        )
    used = part.src_space
    if used.get_select_type() == h5py.h5s.SEL_ALL:
        short = data.size < _points(part.vspace)
    elif _points(used) == math.inf:
        short = False
    else:
        last = used.get_select_bounds()[1]
        short = len(last) != data.ndim or any(n <= i for n, i in zip(data.shape, last, strict=True))
    if short:
        raise DataError(
            f"{h5.path.name}: expected all that is used of {part.dset_name!r}, got only shape "
            f"{data.shape}; the scan was not finished, or copy the file again."
        )


def _check_chunks(dataset: h5py.Dataset, where: str) -> None:
    expected = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    stored = dataset.id.get_num_chunks()
    if stored < expected:
        raise DataError(
            f"{where}: expected {expected} chunks for the declared shape {dataset.shape}, "
            f"got {stored}: {expected - stored} were never written and would read as zeros; "
            "wait for the scan to end or copy the file again."
        )


def _check_contiguous(dataset: h5py.Dataset, where: str) -> None:
    if dataset.shape is None or dataset.size == 0:
        return
    expected = dataset.size * dataset.id.get_type().get_size()
    stored = dataset.id.get_storage_size()
    offset = dataset.id.get_offset() or 0  # compact data are in the header, without an offset
    if stored < expected or offset + stored > Path(dataset.file.filename).stat().st_size:
        raise DataError(
            f"{where}: expected {expected} bytes for the declared shape {dataset.shape}, "
            f"got {stored} stored in the file; the data were never written, copy the file again."
        )
