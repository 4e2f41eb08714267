"""Small scan files, sound ones and others."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from physrecon.errors import DataError
from physrecon.io import describe

VIEWS, ROWS, COLUMNS = 7, 5, 6


def counts(views: int = VIEWS, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Distinct numbers, so that a swapped axis or a shifted row cannot pass."""
    return np.arange(views * rows * columns, dtype=np.uint16).reshape(views, rows, columns)


def data_exchange(path: Path, *, order: str = "theta:y:x", **changes) -> Path:
    """A sound Data Exchange file with some members replaced (a value) or left out (None).

    changes: data, data_white, data_dark, theta; theta_units; chunks (of data)."""
    axes = {"theta:y:x": (0, 1, 2), "y:theta:x": (1, 0, 2)}[order]
    members = {
        "data": counts().transpose(axes),
        "data_white": np.full((2, ROWS, COLUMNS), 1000, np.uint16).transpose(axes),
        "data_dark": np.full((3, ROWS, COLUMNS), 10, np.uint16).transpose(axes),
        "theta": np.linspace(0, 180, VIEWS, endpoint=False),
    }
    units = changes.pop("theta_units", "degrees")
    chunks = changes.pop("chunks", None)
    members.update(changes)
    with h5py.File(path, "w") as file:
        for name, value in members.items():
            if value is not None:
                extra = {"chunks": chunks} if name == "data" else {}
                file.create_dataset(f"exchange/{name}", data=value, **extra)
        if members["data"] is not None:
            file["exchange/data"].attrs["axes"] = order
        if members["theta"] is not None and units is not None:
            file["exchange/theta"].attrs["units"] = units
    return path


def nexus(
    path: Path,
    key: list[int],
    *,
    definition: str | None = "NXtomo",
    angles: np.ndarray | None = None,
    angle_units: str | None = "degree",
    angle_path: str = "entry/sample/rotation_angle",
) -> Path:
    """A NeXus file with one detector of len(key) frames, told apart by `key`."""
    frames = counts(len(key))
    if angles is None:
        angles = np.arange(len(key)) * 10.0
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        if definition:
            entry["definition"] = definition
        detector = entry.create_group("instrument/detector")
        detector["data"] = frames
        detector["image_key"] = np.array(key, np.int32)
        for name, size in (("y", 2.0), ("x", 1.5)):
            detector[f"{name}_pixel_size"] = size
            detector[f"{name}_pixel_size"].attrs["units"] = "micron"
        file[angle_path] = angles
        if angle_units:
            file[angle_path].attrs["units"] = angle_units
    return path


def told(path: Path) -> str:
    """All that `info` says about a file, usable or not."""
    try:
        return "\n".join(describe(path))
    except DataError as error:
        return str(error)
