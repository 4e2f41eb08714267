"""States of solvers in HDF5: saving one is a checkpoint, loading it a resume, bit for bit.

One dataset per field of the state, named after it; a tuple of arrays is a group of numbered
datasets.  The file appears by rename, so a kill leaves the old one or the new one, whole."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from physrecon import arrays
from physrecon.errors import DataError, MissingInputError, OutputError, WriteError
from physrecon.io.output.hdf5_file import new_hdf5
from physrecon.solvers import State
from physrecon.solvers.state import STATES

KIND = "physrecon_state"  # attribute of the file: name of the class of the state


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
        with new_hdf5(path) as file:
            file.attrs[KIND] = type(state).__qualname__
            for field in fields(state):
                _write(file, field.name, getattr(state, field.name))
    except OSError as error:
        if path.parent.is_dir() and os.access(path.parent, os.W_OK):
            raise WriteError(f"save_state: writing {path} failed ({error})") from error
        raise OutputError(
            f"save_state: expected a folder that can be written, got {path.parent}"
        ) from error


def load_state(path: str | os.PathLike[str], device: str = "cpu") -> State:
    """The state that `save_state` wrote; its arrays on `device`, "cpu" or "cuda".

    A state of a solver of your own: import its module first.  Errors: MissingInputError,
    DataError for a file that is no state.

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
    try:
        with h5py.File(path, "r") as file:
            kind = file.attrs.get(KIND)
            if kind not in STATES:
                known = ", ".join(STATES)
                raise DataError(f"load_state: expected one of {known} in {path}, got {kind!r}")
            cls = STATES[kind]
            content = {f.name: _read(file, f.name) for f in fields(cls)}
    except OSError as error:
        raise DataError(f"load_state: expected an HDF5 file, got {path} ({error})") from error
    except KeyError as error:
        raise DataError(f"load_state: expected a whole {kind} in {path}, got {error}") from error
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


def _read(group: h5py.Group, name: str) -> Any:
    item = group[name]
    if isinstance(item, h5py.Group):
        return tuple(_read(item, str(i)) for i in range(len(item)))
    if item.shape is None:
        return None
    if item.shape == ():
        return item[()].item()
    array = arrays.aligned_empty(item.shape, item.dtype)
    if array.size:
        item.read_direct(array)
    return array


def _place(value: Any, device: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_place(item, device) for item in value)
    return arrays.to_device(value, device) if isinstance(value, np.ndarray) else value
