"""NXtomo files of a disc, as facilities write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from discs import COLUMNS, line_integrals

VIEWS, ROWS, DARKS, FLATS = 40, 3, 2, 3
ANGLES = np.arange(VIEWS) * 180 / VIEWS
KEY = np.r_[[2] * DARKS, [1] * FLATS, [0] * VIEWS]
LEVEL, BEAM = 100, 20_000


def truth() -> np.ndarray:
    """Line integrals (views, rows, columns); every row is another."""
    return line_integrals(ANGLES, ROWS)


def counts(open_beam: np.ndarray | float = 1.0) -> np.ndarray:
    """All frames: darks, flats, projections; open_beam scales each of them above the dark."""
    ideal = np.concatenate(
        [np.zeros((DARKS, ROWS, COLUMNS)), np.ones((FLATS, ROWS, COLUMNS)), np.exp(-truth())]
    )
    scale = np.broadcast_to(open_beam, len(ideal))[:, None, None]
    return np.rint(LEVEL + BEAM * scale * ideal).astype(np.uint16)


def nxtomo(
    path: Path,
    frames: np.ndarray | None = None,
    angles: np.ndarray | None = None,
    entry: str = "entry0000",
    *,
    mode: str = "w",
    version: float | None = 2.0,
    coordinates: str | None = "McStas",
    units: str | None = "degree",
    **members: Any,
) -> Path:
    """A sound NXtomo file as nxtomo 3 writes it.

    members: values by their path in the entry with "__" for "/", or (value, {attribute: value}).
    None leaves the member out.  mode "a" adds an entry."""
    contents: dict[str, Any] = {
        "definition": "NXtomo",
        "instrument__detector__data": counts() if frames is None else frames,
        "instrument__detector__image_key": KEY,
        "instrument__detector__image_key_control": KEY,
        "sample__rotation_angle": (
            np.r_[[np.nan] * (DARKS + FLATS), ANGLES] if angles is None else angles,
            {"units": units} if units else {},
        ),
        **members,
    }
    with h5py.File(path, mode) as file:
        group = file.create_group(entry)
        group.attrs["NX_class"] = "NXentry"
        if version is not None:
            group.attrs["version"] = version
        if coordinates is not None:
            group.attrs["NeXus_Coordinate_System"] = coordinates
        for name, value in contents.items():
            if value is None:
                continue
            value, attributes = value if isinstance(value, tuple) else (value, {})
            group[name.replace("__", "/")] = value
            group[name.replace("__", "/")].attrs.update(attributes)
    return path


def turned(axis: str, degrees: Any = 180.0, units: str = "deg") -> dict[str, Any]:
    """A rotation of the detector around an axis, as a member of a file."""
    vector = [float(name == axis) for name in "xyz"]
    attributes = {"transformation_type": "rotation", "vector": vector, "units": units}
    return {f"instrument__detector__transformations__r{axis}": (degrees, attributes)}
