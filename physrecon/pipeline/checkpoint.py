"""States of solvers in HDF5: saving one is a checkpoint, loading it a resume, bit for bit.

One dataset per field of the state, named after it; a tuple of arrays is a group of numbered
datasets.  The file appears by rename, so a kill leaves the old one or the new one, whole.  Its
checksum is looked at before anything else: a damaged state is refused, never continued from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.errors import DataError, MissingInputError, OutputError, WriteError
from physrecon.io.hdf5_safety import SafeHDF5, damage_reported, text
from physrecon.io.opened import read_errors
from physrecon.io.output.hdf5_file import new_hdf5
from physrecon.io.sealed_file import require_seal
from physrecon.solvers import State
from physrecon.solvers.state import STATES

KIND = "physrecon_state"  # attribute of the file: name of the class of the state
SEVERAL = "states"  # group of a file of several states
DEEPEST = 8  # tuples in tuples that are read; those of solvers are 2 deep


def save_state(path: str | os.PathLike[str], state: State) -> None:
    """Write the state; a file at `path` is replaced in one step.

    Errors: OutputError if the folder cannot be written, WriteError for a full disk.

    >>> problem = pr.Problem(pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.ones(2)))
    >>> result = pr.solve(problem, pr.Landweber(), stop=pr.Stop(iterations=3))
    >>> pr.save_state("state.h5", result.state)
    >>> state = pr.load_state("state.h5")
    >>> more = pr.solve(problem, pr.Landweber(), state=state, stop=pr.Stop(iterations=5))
    >>> [record.iteration for record in more.history]
    [4, 5]
    """
    path = Path(path)
    try:
        write_state(path, state)
    except OSError as error:
        if path.parent.is_dir() and os.access(path.parent, os.W_OK):
            raise WriteError(f"save_state: writing {path} failed ({error})") from error
        raise OutputError(
            f"save_state: expected a folder that can be written, got {path.parent}"
        ) from error


def load_state(path: str | os.PathLike[str], device: str = "cpu") -> State:
    """The state that `save_state` wrote; its arrays on `device`, "cpu" or "cuda".

    A state of a solver of your own: import its module first.  Errors: MissingInputError,
    DataError for a file that is damaged or no state, or a state whose x is not finite.

    >>> problem = pr.Problem(pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.ones(2)))
    >>> result = pr.solve(problem, pr.Landweber(), stop=pr.Stop(iterations=3))
    >>> pr.save_state("state.h5", result.state)
    >>> state = pr.load_state("state.h5")
    >>> state.iteration, bool((state.x == result.x).all())
    (3, True)
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInputError(f"load_state: expected a file, got nothing at {path}")
    return read_state(path, device)


def write_state(path: Path, state: State, label: str = "") -> None:
    """Write a state with the label of its file (see `io.sealed_file`).  Raises OSError."""
    with new_hdf5(path, sealed=True, label=label) as file:
        _store(file, state)


def read_state(path: Path, device: str, like: Any = None) -> State:
    """The state in a file.  like: its arrays are on the disk if this host array is.

    Raises DataError."""
    like = np.empty(0) if like is None else like
    with read_errors(path):
        require_seal(path)
    with SafeHDF5(path) as h5, damage_reported(path):
        return _load(h5, h5.file, "", device, like)


def write_states(path: Path, states: Sequence[State], label: str) -> None:
    """Write several states with the label of their file.  Raises OSError."""
    with new_hdf5(path, sealed=True, label=label) as file:
        group = file.create_group(SEVERAL)
        for i, state in enumerate(states):
            _store(group.create_group(str(i)), state)


def read_states(path: Path, device: str) -> list[State]:
    """The states in a file of several.  Raises DataError."""
    with read_errors(path):
        require_seal(path)
    with SafeHDF5(path) as h5, damage_reported(path):
        group = h5.find(SEVERAL)
        if not isinstance(group, h5py.Group):
            raise DataError(f"load_state: expected states in {path}, got none")
        names = [str(i) for i in range(len(group))]
        ours = [h5.child(group, name) for name in names]
        return [
            _load(h5, one, f"{SEVERAL}/{name}/", device, np.empty(0))
            for name, one in zip(names, ours, strict=True)
        ]


def _store(group: h5py.Group, state: State) -> None:
    # of fixed length: text of variable length is in a heap that HDF5 does not check
    group.attrs[KIND] = np.bytes_(type(state).__qualname__.encode())
    for field in fields(state):
        _write(group, field.name, getattr(state, field.name))


def _load(h5: SafeHDF5, group: Any, where: str, device: str, like: Any) -> State:
    """The state in a group.  Raises DataError."""
    cls = _class(h5.path, group)
    content = {
        f.name: _read(h5, h5.child(group, f.name), f"{where}{f.name}", like) for f in fields(cls)
    }
    _check(h5.path, cls, content)
    for field in fields(cls):
        if field.metadata.get("vector"):
            content[field.name] = _place(content[field.name], device)
    return cls(**content)


def _write(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, tuple):
        inner = group.create_group(name)
        for i, item in enumerate(value):
            _write(inner, str(i), item)
    elif value is None:
        group[name] = h5py.Empty("f4")
    else:
        group[name] = arrays.to_host(value) if hasattr(value, "dtype") else value


def _class(path: Path, group: Any) -> type[State]:
    """The class that a group names.  Raises DataError if it is unknown."""
    attributes: Any = group.attrs if isinstance(group, h5py.Group) else {}
    kind = None
    if KIND in attributes and attributes.get_id(KIND).dtype.kind == "S":  # of fixed length
        kind = text(attributes[KIND])
    if kind not in STATES:
        known = ", ".join(STATES)
        raise DataError(f"load_state: expected one of {known} in {path}, got {kind!r}")
    return STATES[kind]


def _read(h5: SafeHDF5, item: Any, where: str, like: Any) -> Any:
    """A field: numbers, None, an array, or a tuple of them.  Raises DataError for anything else.

    Arrays are contiguous, so no more memory is taken than the file is long."""
    if isinstance(item, h5py.Group) and where.count("/") < DEEPEST:
        names = map(str, range(len(item)))
        return tuple(_read(h5, h5.child(item, name), f"{where}/{name}", like) for name in names)
    plain = isinstance(item, h5py.Dataset) and not (item.chunks or item.is_virtual)
    if not plain or item.dtype.kind not in "iufb":
        raise DataError(f"load_state: expected numbers at {where} of {h5.path}, got {item}")
    h5.sound(item, where)
    if item.shape is None:
        return None
    if item.shape == ():
        return item[()].item()
    array = arrays.like(like, item.shape, item.dtype)
    if array.size:
        item.read_direct(array)
    return array


def _check(path: Path, cls: type[State], content: dict[str, Any]) -> None:
    """Raise DataError unless the fields fit together and x is finite."""

    def require(good: bool, name: str, wanted: str) -> None:
        if not good:
            raise DataError(f"load_state: expected {name} of {path} to be {wanted}")

    for field in fields(cls):
        if field.metadata.get("vector"):
            found = vectors.leaves(content[field.name])
            arrays_only = all(isinstance(leaf, np.ndarray) for leaf in found)
            require(arrays_only, field.name, "arrays")
    for x in vectors.leaves(content["x"]):
        good = x.dtype.kind == "f" and bool(np.isfinite(x).all())
        require(good, "x", "finite, got NaN or infinity: the run diverged before it was saved")
    iteration, active, change, value = (
        content[name] for name in ("iteration", "active", "change", "value")
    )
    require(type(iteration) is int and iteration >= 0, "iteration", "a whole number")
    shape = np.shape(active)
    require(len(shape) == 1 and active.dtype == np.bool_, "active", "one truth value a slice")
    for name, numbers in (("change", change), ("value", value)):
        one_each = isinstance(numbers, np.ndarray) and numbers.shape == shape
        require(one_each or (name == "value" and numbers is None), name, "one number a slice")


def _place(value: Any, device: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_place(item, device) for item in value)
    return arrays.to_device(value, device) if isinstance(value, np.ndarray) else value
