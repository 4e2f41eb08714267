"""Read arrays of MATLAB v5 to v7.2 by SciPy; v7.3 files are HDF5.

The axes are in MATLAB's order: rows, columns, planes.  SciPy reads a whole array; its declared size
is compared with that of the file before."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import DataError
from physrecon.io.content import MATLAB, Content
from physrecon.io.images.stored_image import UNNAMED, StoredImage, parsing
from physrecon.sizes import format_bytes

BYTES = {"double": 8, "single": 4} | {f"{u}int{n}": n // 8 for u in ("", "u") for n in (8, 16, 32)}
BOMB_SIZE, BOMB_RATIO = 1 << 30, 1100  # bytes, compression ratio; an array above both is refused


def read(path: Path, content: Content, dataset: str | None) -> StoredImage | None:
    """The array in a MATLAB v5 file, axes YX, or YXZ and so on; None for other files.

    Raises DataError if there is none, or if there are several and none is named.  Holds it."""
    if content.kind != MATLAB:
        return None
    array = _array(path, dataset, least=2)
    axes = "YX" + UNNAMED * (array.ndim - 2)
    return StoredImage.of_values(path, "matlab", axes, array).as_part().with_named_axes()


def values(path: Path, content: Content, name: str | None) -> NDArray[Any] | None:
    """A whole array of any dimensions; None for other files.  Raises DataError."""
    return _array(path, name, least=0) if content.kind == MATLAB else None


def _array(path: Path, name: str | None, least: int) -> NDArray[Any]:
    """The array of that name, or the only one with `least` axes longer than 1."""
    from scipy import io

    with parsing(path, "MATLAB"):
        all_kinds = {n: (shape, kind) for n, shape, kind in io.whosmat(path)}
        known = {n: (shape, kind) for n, (shape, kind) in all_kinds.items() if kind in BYTES}
        several = [n for n, (shape, _) in known.items() if sum(k > 1 for k in shape) >= least]
        wanted = (name or "").strip("/") or (several[0] if len(several) == 1 else "")
        if wanted not in known:
            have = ", ".join(f"{n} {shape} {kind}" for n, (shape, kind) in all_kinds.items())
            do = f"name one as {path.name}::/NAME" if several else "convert it to such a file"
            raise DataError(
                f"{path}: expected a MATLAB v5 file of one array of real numbers, got "
                f"{have or 'none'}; {do}."
            )
        shape, kind = known[wanted]
        declared, size = math.prod(shape) * BYTES[kind], path.stat().st_size
        if declared > max(BOMB_SIZE, BOMB_RATIO * size):
            raise DataError(
                f"{path}: expected an array that {format_bytes(size)} can hold, got one of "
                f"{format_bytes(declared)}; if you trust it, save it as v7.3."
            )
        return np.asarray(io.loadmat(path, variable_names=[wanted])[wanted])
