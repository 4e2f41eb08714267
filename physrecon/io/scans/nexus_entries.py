"""The entries and detectors of a NeXus file: which of them is the scan.

A file may hold several scans, each in an NXentry.  The one of its root attribute `default` is read,
else the first; `FILE.nx::/entry0001` names another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.hdf5_safety import SafeHDF5, object_id, text

KEYS = ("image_key", "image_key_control")


@dataclass(frozen=True)
class Detector:
    """A detector and its frames.

    nodes: every object of the file by path.  key_path: the image key.  entry: the nearest NXentry
    or NXsubentry above.  data: (frames, rows, columns), or (frames, columns) of a line detector."""

    h5: SafeHDF5
    nodes: dict[str, Any]
    key_path: str
    data: h5py.Dataset
    of_nxtomo: bool

    @property
    def group(self) -> str:
        return self.key_path.rpartition("/")[0]

    @property
    def entry(self) -> str:
        return entry_of(self.nodes, self.group)

    @property
    def key(self) -> NDArray[Any]:
        return np.ravel(self.h5.sound(self.nodes[self.key_path], self.key_path)[()])

    @property
    def frames(self) -> int:
        return self.data.shape[0]

    @cached_property
    def shown(self) -> list[tuple[str, h5py.Dataset]]:
        """All paths that lead to the data."""
        number = object_id(self.data)
        arrays = ((p, n) for p, n in self.nodes.items() if isinstance(n, h5py.Dataset))
        return [(path, node) for path, node in arrays if object_id(node) == number]

    def dataset(self, path: str) -> h5py.Dataset | None:
        """A dataset of numbers at a path, None for anything else."""
        node = self.nodes.get(path)
        real = isinstance(node, h5py.Dataset) and node.dtype.kind in "biuf"
        return self.h5.sound(node, path) if real else None

    def values(self, path: str) -> NDArray[Any] | None:
        """The numbers at a path in one list, None for anything else."""
        node = self.dataset(path)
        return None if node is None else np.ravel(node[()])

    def flag(self, path: str) -> bool:
        """Whether a single number at a path is not 0."""
        values = self.values(path)
        return values is not None and values.size == 1 and bool(values[0])

    def word(self, path: str) -> str:
        """The text at a path, "" for anything else."""
        return self.h5.string(self.nodes.get(path), path)


def detectors(h5: SafeHDF5, group: str | None) -> tuple[Detector, tuple[str, ...]] | None:
    """(the detector of the scan, notes on others), or None if the file has no image key.

    group: the entry to take it from, or None.  Raises DataError if no detector can be used."""
    nodes = dict(h5.walk())
    definitions = {p: n for p, n in nodes.items() if p.endswith("/definition")}
    tomo = [p.rpartition("/")[0] for p, n in definitions.items() if h5.string(n, p) == "NXtomo"]
    keys = _image_keys(nodes, group)
    if not keys:
        if not any(_within(entry, group) for entry in tomo):
            return None
        raise DataError(
            f"{h5.path.name}: expected an image_key beside the detector data of "
            f"{group or tomo[0]} (NXtomo), got none; add it: 0 projection, 1 flat, 2 dark, "
            "3 invalid."
        )
    default = text(h5.file.attrs.get("default", "")).strip("/").split("/")[0]
    place = {f"/{name}": number for number, name in enumerate(h5.file)}
    entries = tuple(f"{entry}/" for entry in tomo)

    def rank(path: str) -> tuple[bool, bool, int, bool]:
        root = f"/{path.split('/')[1]}"
        of_tomo = path.startswith(entries)
        return root != f"/{default}", not of_tomo, place[root], "/instrument/" not in path

    keys.sort(key=rank)
    found = {p: _frames_of(h5, nodes, p) for p in keys}
    usable = [p for p in keys if isinstance(found[p], h5py.Dataset)]
    if not usable:
        raise found[keys[0]]
    path, data = usable[0], found[usable[0]]
    h5.sound(data, f"{path.rpartition('/')[0]} data")
    taken = Detector(h5, nodes, path, data, path.startswith(entries))
    return taken, _others(taken, {p: found[p] for p in usable[1:]})


def entry_of(nodes: dict[str, Any], group: str) -> str:
    """The nearest NXentry or NXsubentry above a group, else the member of the root above it.

    A group with a definition or a sample is an entry, too, where the classes are not stated."""
    parts = group.split("/")
    above = ["/".join(parts[:n]) for n in range(len(parts) - 1, 1, -1)]
    for path in above:
        named = text(nodes[path].attrs.get("NX_class", "")) in ("NXentry", "NXsubentry")
        if named or f"{path}/definition" in nodes or f"{path}/sample" in nodes:
            return path
    return above[-1] if above else ""


def _within(path: str, group: str | None) -> bool:
    return group is None or f"{path}/".startswith(f"{group}/")


def _image_keys(nodes: dict[str, Any], group: str | None) -> list[str]:
    """The image keys of the group, or the controls of a detector that has no other key."""
    found: dict[str, str] = {}
    for name in reversed(KEYS):
        paths = (p for p in nodes if p.rpartition("/")[2] == name and _within(p, group))
        found |= {path.rpartition("/")[0]: path for path in paths}
    return list(found.values())


def _others(taken: Detector, found: dict[str, h5py.Dataset]) -> tuple[str, ...]:
    """Notes on other scans of the file, and on other detectors of the entry."""
    seen = {object_id(taken.data)}
    entries: list[str] = []
    beside = 0
    for path, data in found.items():
        if object_id(data) in seen:
            continue
        seen.add(object_id(data))
        entry = entry_of(taken.nodes, path.rpartition("/")[0])
        if entry == taken.entry:
            beside += 1
        elif entry not in entries:
            entries.append(entry)
    notes = []
    if entries:
        notes.append(
            f"entry: {taken.entry} is read, there are scans in {', '.join(sorted(entries))} too; "
            f"choose with {taken.h5.path.name}::{min(entries)}"
        )
    if beside:
        notes.append(f"detector: {taken.group} taken, {beside} more have an image_key")
    return tuple(notes)


def _frames_of(h5: SafeHDF5, nodes: dict[str, Any], key_path: str) -> Any:
    """The frames that an image key describes, or a DataError with the reason for none."""
    group = key_path.rpartition("/")[0]
    key = nodes[key_path]
    beside = {p: n for p, n in nodes.items() if p.rpartition("/")[0] == group and p != key_path}
    if not isinstance(key, h5py.Dataset):
        return key if isinstance(key, DataError) else DataError(f"{key_path}: not a dataset.")
    arrays = {p: n for p, n in beside.items() if isinstance(n, h5py.Dataset)}
    stacks = {p: n for p, n in arrays.items() if n.ndim == 3}
    lines = {p: n for p, n in arrays.items() if n.ndim == 2 and p == f"{group}/data"}
    for stack in (arrays.get(f"{group}/data"), *stacks.values()):
        if stack is not None and stack.ndim in (2, 3) and stack.shape[0] == key.size:
            return stack
    if stacks or lines:
        path, stack = next(iter((stacks or lines).items()))
        return DataError(
            f"{h5.path.name}: expected one image_key per frame in {path}, "
            f"got {key.size} for {stack.shape[0]} frames."
        )
    broken = beside.get(f"{group}/data")
    if isinstance(broken, DataError):
        return broken
    return DataError(f"{h5.path.name}: expected 3-D detector data beside {key_path}, got none.")
