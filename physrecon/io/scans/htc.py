"""Fan-beam scans of the Helsinki Tomography Challenge: a MATLAB struct, v5 or v7.3.

`CtDataFull` or `CtDataLimited` holds `sinogram` (views, columns), line integrals about the middle
of the detector, and `parameters`: angles in degrees, the distances, and the size of the pixels as
they were binned, all in `distanceUnit` (Meaney, Moura and Siltanen, Zenodo 6984868, 2022).  The
sense of rotation is not stated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import MATLAB, Content
from physrecon.io.hdf5_safety import SafeHDF5
from physrecon.io.images.stored_image import parsing
from physrecon.io.scans.frames import Frames, no_frames
from physrecon.io.scans.reading import ReadOptions, ScanReading
from physrecon.io.scans.setup import ScanSetup
from physrecon.io.units import LENGTHS, length_unit

STRUCTS = ("CtDataLimited", "CtDataFull", "CtData")
USED = {
    "angles", "distanceSourceOrigin", "distanceSourceDetector", "distanceUnit", "pixelSizePost",
    "geometryType", "geometricMagnification", "effectivePixelSizePost", "numDetectorsPost",
    "binningPost", "pixelSize", "numberImages", "detectorRows", "detectorCols",
}  # fmt: skip
NO_PHYSICS = {"projectName", "scanner", "measurers", "date", "dateFormat", "detector", "target"}
MOST_NUMBERS = 1 << 27  # of a sinogram; a challenge's has 4e5


def read(path: Path, content: Content, options: ReadOptions) -> ScanReading | None:
    """The scan in such a v5 file; None for other files.  Raises DataError.  Holds the sinogram."""
    if content.kind != MATLAB:
        return None
    from scipy import io

    with parsing(path, "MATLAB"):
        shapes = {name: kind for name, _, kind in io.whosmat(path)}
        name = next((n for n in STRUCTS if shapes.get(n) == "struct"), None)
        if name is None or options.group not in (None, name, f"/{name}"):
            return None
        found = io.loadmat(path, variable_names=[name], simplify_cells=True)[name]
    return _reading(path, name, found, "MATLAB")


def read_hdf5(h5: SafeHDF5, group: str | None) -> ScanReading | None:
    """The scan in such a v7.3 file; None for other files.  Raises DataError."""
    name = next((n for n in STRUCTS if isinstance(h5.find(f"/{n}"), h5py.Group)), None)
    if name is None or group not in (None, name, f"/{name}"):
        return None
    values: dict[str, Any] = {"sinogram": _matrix(h5, f"/{name}/sinogram"), "parameters": {}}
    parameters = h5.find(f"/{name}/parameters")
    for key in parameters if isinstance(parameters, h5py.Group) else ():
        values["parameters"][str(key)] = _matrix(h5, f"/{name}/parameters/{key}")
    return _reading(h5.path, name, values, "MATLAB v7.3")


def _matrix(h5: SafeHDF5, path: str) -> Any:
    """An array in MATLAB's order, or its text; None if there is none."""
    data = h5.dataset(path)
    if data is None or data.size > MOST_NUMBERS:
        return None
    values = np.asarray(data[()]).T
    if data.attrs.get("MATLAB_class", b"") == b"char":
        return "".join(map(chr, values.ravel().astype(int)))
    return values


def _reading(path: Path, name: str, found: Any, format: str) -> ScanReading:
    sinogram = _numbers(found, "sinogram")
    stated = found.get("parameters") if isinstance(found, Mapping) else None
    stated = stated if isinstance(stated, Mapping) else {}
    where = f"{path.name}: {name}"
    if sinogram is None or sinogram.ndim != 2:
        raise DataError(f"{where}: expected a sinogram (views, columns), got none.")
    views, columns = sinogram.shape
    angles = _numbers(stated, "angles")
    if angles is None or angles.size != views:
        size = "none" if angles is None else str(angles.size)
        raise DataError(f"{where}: expected {views} angles, one per view, got {size}.")
    unit = length_unit(str(stated.get("distanceUnit", "")))
    lengths = {
        key: _numbers(stated, key)
        for key in ("distanceSourceOrigin", "distanceSourceDetector", "pixelSizePost")
    }
    absent = [key for key, value in lengths.items() if value is None or value.size != 1]
    if absent or unit not in LENGTHS:
        raise DataError(
            f"{where}: expected distances and the size of the pixels with distanceUnit, got no "
            f"{', '.join(absent) or 'distanceUnit'}."
        )
    origin, detector, pixel = (float(np.ravel(np.asarray(v))[0]) for v in lengths.values())
    stack = np.ascontiguousarray(sinogram, np.float32)[:, None]
    projections = Frames(stack, np.arange(views), where=where)
    return ScanReading(
        kind=f"Helsinki challenge ({format})",
        projections=projections,
        flats=no_frames(projections),
        darks=no_frames(projections),
        angles=np.asarray(angles, np.float64).ravel(),
        angle_unit="deg",
        pixel_size=((pixel, pixel), unit),
        center=(columns - 1) / 2,
        setup=ScanSetup("fan", (origin, unit), (detector, unit), "flat"),
        line_integrals=True,
        notes=("center: the middle of the detector, as the challenge defines it",),
        unused=tuple(_unused(stated)),
        files=(path,),
    )


def _numbers(table: Any, key: str) -> NDArray[Any] | None:
    """An array of real numbers in a struct; None if there is none."""
    value = np.asarray(table[key]) if isinstance(table, Mapping) and key in table else None
    return value if value is not None and value.dtype.kind in "iuf" and value.size else None


def _unused(stated: Mapping[str, Any]) -> list[str]:
    """What the struct states and the result does not rest on, in one sentence."""
    facts = []
    for key, value in stated.items():
        if key in USED or key in NO_PHYSICS or key.endswith("Unit"):
            continue
        numbers = np.ravel(np.asarray(value)) if not isinstance(value, str) else None
        text = value if numbers is None else ",".join(map(str, numbers[:4].tolist()))
        facts.append(f"{key} {text}{stated.get(f'{key}Unit', '')}")
    return [", ".join(facts)] if facts else []
