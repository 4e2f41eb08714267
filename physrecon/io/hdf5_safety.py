"""Open HDF5 files that may be malicious, damaged or unfinished.

A small file can name any file of the machine as its raw data.  A missing source, or a chunk that
was never written, reads as zeros.  A declared shape may exceed any memory.  Therefore links are
followed here, one step at a time and only beneath the scan's own folder, and a dataset is handed
out only after its storage has been found complete:

    chunks present = Π ⌈shape / chunk⌉,   contiguous bytes = Π shape · itemsize,
    virtual sources present and covering the shape,   every filter available."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import h5py

from physrecon.errors import DataError, PhysreconError
from physrecon.io.content import HDF5, content_of, unrecognised
from physrecon.io.hdf5_probe import FatalDamage, Findings, probe
from physrecon.io.hdf5_probe_child import MAX_TEXTS
from physrecon.io.hdf5_storage import (
    check_chunks,
    check_contiguous,
    check_filters,
    check_inside,
    check_long_enough,
    points,
    source_name,
)
from physrecon.io.opened import Closing

MAX_LINKS = 16  # links followed on one path, as in HDF5; also the depth of virtual datasets
MAX_STEPS = 50_000  # members visited on all paths of one file and the files behind it
MAX_SOURCES = 300_000  # sources of all its virtual datasets
MAX_PARTS = 100_000  # parts that one dataset is read in, where sources are virtual themselves
MAX_OPENINGS = 1000  # of one file as a source of different datasets
MAX_OBJECTS = 20_000  # objects visited in a search of one file
MAX_FILES = 200  # files open at once for one scan

ObjectID = tuple[int, int, int]  # device, inode, address


class BadLink(DataError):
    """A link that leads nowhere (`outside` false) or out of the scan's folder (`outside` true)."""

    def __init__(self, message: str, outside: bool = False) -> None:
        super().__init__(message)
        self.outside = outside


def open_file(path: Path) -> tuple[h5py.File, Findings]:
    """Open an HDF5 file for reading, after a child process has read its root.

    Takes no lock: read-only media and several cluster file systems offer none, and a scan that is
    still being written is recognised by its missing chunks.
    Raises MissingInputError (absent, folder, no permission) or DataError (not HDF5, damaged)."""
    content = content_of(path)
    if content.kind != HDF5:
        raise unrecognised(path, content, HDF5, "convert it to Data Exchange or NXtomo")
    findings = probe(path)
    with damage_reported(path):
        file = h5py.File(path, "r", locking=False)
    findings.check_unchanged()
    return file, findings


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


@dataclass
class _Work:
    """The work done for one file and all files behind it, which a small file could multiply."""

    steps: int = 0
    sources: int = 0
    openings: Counter[tuple[int, int]] = field(default_factory=Counter)
    sound: dict[ObjectID, int] = field(default_factory=dict)  # and the parts each is read in
    checking: list[ObjectID] = field(default_factory=list)

    def step(self, where: str) -> None:
        self.steps += 1
        check_number(self.steps, MAX_STEPS, "steps along links", where)

    def use(self, sources: int, where: str) -> None:
        self.sources += sources
        check_number(self.sources, MAX_SOURCES, "virtual sources", where)

    def open(self, findings: Findings) -> None:
        file = findings.identity[:2]
        self.openings[file] += 1
        check_number(self.openings[file], MAX_OPENINGS, "openings of a source", str(findings.path))


def check_number(number: int, most: int, what: str, where: str) -> None:
    """Raise FatalDamage for more than any file needs."""
    if number > most:
        raise FatalDamage(
            f"{where}: expected at most {most} {what}, got more; the file is not sound."
        )


class SafeHDF5(Closing):
    """An HDF5 file and the files it links to, with every link and dataset checked.

    A child process has read what is handed out (`hdf5_probe`).
    allow_root: a further folder in which linked files are accepted."""

    def __init__(
        self, path: str | Path, allow_root: str | Path | None = None, parent: SafeHDF5 | None = None
    ) -> None:
        self.path = Path(path)
        self._depth: int = parent._depth + 1 if parent else 0
        if self._depth > MAX_LINKS:
            raise BadLink(f"{self.path}: expected at most {MAX_LINKS} files in a chain, got more.")
        real = Path(os.path.realpath(self.path))
        own = [real.parent, *([Path(os.path.realpath(allow_root))] if allow_root else [])]
        self.roots: list[Path] = parent.roots if parent else own
        self.files: dict[Path, h5py.File] = {}
        self.sources: set[Path] = set()  # files behind virtual datasets
        self._findings: dict[bytes, Findings] = {}  # by name of an open file
        self._work: _Work = parent._work if parent else _Work()
        self._open(real)

    def _open(self, path: Path) -> h5py.File:
        file, findings = open_file(path)
        self.files[path] = file
        self._findings[h5py.h5f.get_name(file.id)] = findings
        self._work.open(findings)
        return file

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
        return self._walk_down(self.file["/"], path, [])

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
        return self._walk_down(group, name, [])

    def _walk_down(self, here: Any, path: str, links: list[str]) -> Any:
        """The object at `path`; links: those followed on the way, to which this adds its own."""
        here = here.file["/"] if path.startswith("/") else here
        for name in filter(None, path.split("/")):
            if not isinstance(here, h5py.Group):
                return None
            self._work.step(self.path.name)
            here = self._step(here, name, links)
        return here

    def _step(self, group: h5py.Group, name: str, links: list[str]) -> Any:
        """One member of a group, following a link by hand (h5py would follow it anywhere)."""
        if name == ".":
            return group
        path = f"{group.name.rstrip('/')}/{name}"
        where = f"{self.path.name}: {path}"
        if not group.id.links.exists(name.encode()):
            return None
        try:
            kind = group.id.links.get_info(name.encode())
            if kind.type == h5py.h5l.TYPE_HARD:
                return self._member(group, name, path, kind.u)
            link = group.get(name, getlink=True)
        except (KeyError, OSError, RuntimeError, TypeError) as error:
            raise BadLink(f"{where}: expected a readable object, got {error}.") from error
        links.append(where)
        if len(links) > MAX_LINKS:
            raise BadLink(f"{where}: expected an object, got a chain of links without an end.")
        if isinstance(link, h5py.SoftLink):
            found, target = self._walk_down(group, link.path, links), link.path
        else:
            file = self._open_linked(group.file, link.filename, where)
            found = self._walk_down(file["/"], link.path, links)
            target = f"{link.filename}:{link.path}"
        if found is None:
            raise BadLink(f"{where}: expected data, got a link to {target!r}, which is not there.")
        return found

    def _member(self, group: h5py.Group, name: str, path: str, address: int) -> Any:
        """The object that a hard link names, if the child process could read it."""
        findings = self._findings_of(group)
        if error := findings.error(path, address):
            raise BadLink(
                f"{self.path.name}: {path}: expected a readable object, got {error}; "
                "copy the file again from the source."
            )
        found = group[name]
        return self.sound(found, path) if findings.grows(address) else found

    def _findings_of(self, thing: Any) -> Findings:
        return self._findings[h5py.h5f.get_name(thing.id)]

    def _open_linked(self, origin: h5py.File, name: str, where: str) -> h5py.File:
        path = self._locate(origin, name, where)
        if path not in self.files:
            if len(self.files) >= MAX_FILES:
                raise BadLink(f"{where}: expected links to at most {MAX_FILES} files, got more.")
            try:
                self._open(path)
            except FatalDamage:
                raise
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
                    found = self._step(group, name, [])
                except FatalDamage:
                    raise
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
        key = self._key(dataset)
        if key in self._work.sound:
            return dataset
        where = f"{self.path.name}: {where}"
        if key in self._work.checking:
            raise DataError(f"{where}: expected data, got a virtual dataset that contains itself.")
        self._work.checking.append(key)
        try:
            self._work.sound[key] = self._checked_parts(dataset, where)
        finally:
            self._work.checking.remove(key)
        return dataset

    def _checked_parts(self, dataset: h5py.Dataset, where: str) -> int:
        """Check a dataset; the number of parts that HDF5 reads it in, sources of sources too."""
        check_inside(dataset, where)
        check_filters(dataset, where)
        parts = 1
        if dataset.is_virtual:
            parts += self._check_sources(dataset, where)
        elif dataset.chunks:
            address = object_id(dataset)[1]
            if error := self._findings_of(dataset).index_error(dataset.name, address):
                raise DataError(f"{where}: expected a whole list of chunks, got {error}.")
            check_chunks(dataset, where)
        else:
            check_contiguous(dataset, where)
        if dataset.dtype.hasobject and (dataset.size or 0) > MAX_TEXTS:
            raise DataError(f"{where}: expected numbers or a text, got {dataset.size} texts.")
        return parts

    def _key(self, dataset: h5py.Dataset) -> ObjectID:
        device, inode = self._findings_of(dataset).identity[:2]
        return device, inode, object_id(dataset)[1]

    def _check_sources(self, dataset: h5py.Dataset, where: str) -> int:
        """Check that every source of a virtual dataset is present, sound and long enough.

        Returns the number of parts that they are read in."""
        parts = 0
        self._work.use(dataset.id.get_create_plist().get_virtual_count(), where)
        own = Path(dataset.file.filename).resolve()
        mappings = dataset.virtual_sources()
        by_name: dict[str, list[Any]] = {}
        for mapping in mappings:
            by_name.setdefault(mapping.file_name, []).append(mapping)
        by_path: dict[Path, list[Any]] = {}
        for name, some in by_name.items():
            plain = source_name(name, where)
            path = own if name == "." else self._locate(dataset.file, plain, where)
            by_path.setdefault(path, []).extend(some)
        for path, some in by_path.items():
            self.sources.add(path)
            try:
                with SafeHDF5(path, parent=self) as h5:
                    for mapping in some:
                        parts += h5._check_source(mapping)
                        check_number(parts, MAX_PARTS, "parts of a dataset", where)
                    self.sources |= h5.sources
            except FatalDamage:
                raise
            except PhysreconError as error:
                raise BadLink(f"{where}: relies on {error}") from error
        if sum(points(mapping.vspace) for mapping in mappings) < dataset.size:
            raise DataError(
                f"{where}: expected {dataset.size} values, got a virtual dataset that covers "
                "fewer; the scan was not finished."
            )
        return parts

    def _check_source(self, mapping: Any) -> int:
        name = source_name(mapping.dset_name, self.path.name)
        data = self.dataset(name)
        if data is None:
            raise DataError(f"{self.path.name}: expected {name!r}, got none; copy the file again.")
        check_long_enough(data, mapping, self.path.name)
        return self._work.sound[self._key(data)]


def where_in_file(dataset: h5py.Dataset) -> str:
    """File and path of a dataset, with all links resolved."""
    return f"{dataset.file.filename}: {dataset.name}"


def object_id(thing: Any) -> tuple[int, int]:
    """(file number, address): the same for one object of open files, whatever path led to it."""
    info = h5py.h5g.get_objinfo(thing.id)  # h5o.get_info would read the whole chunk index
    (file, _), (low, high) = info.fileno, info.objno
    return file, low + (high << 32)
