"""Grey values that follow a curve, made proportional to light.

sRGB (IEC 61966-2-1) stores light L between 0 and 1 as v = 12.92 L below v = 0.04045, above as
v = 1.055 L^(1/2.4) − 0.055."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError, DataError
from physrecon.io.images.stored_image import Key, StoredImage

CURVES = ("srgb",)
LINEAR_BELOW = 0.04045


def linearised(image: StoredImage, curve: str) -> StoredImage:
    """The image with values proportional to light, float32; its full scale stays.

    The full scale is the largest whole number of the dtype, or 1 for floats.  Raises ArgumentError
    for an unknown curve; reading raises DataError for floats beyond 0 to 1."""
    if curve not in CURVES:
        raise ArgumentError(f"linearise: expected one of {', '.join(CURVES)}, got {curve!r}")
    whole = image.dtype.kind in "iu"
    full = float(np.iinfo(image.dtype).max) if whole else 1.0

    def read(key: Key) -> NDArray[Any]:
        values = np.asarray(image.read(key), np.float32) / np.float32(full)
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise DataError(
                f"{image.path.name}: expected sRGB values of 0 to {full:g}, got "
                f"{values.min() * full:g} to {values.max() * full:g}; drop --linearise, or divide "
                "them by their full scale"
            )
        return _light(values) * np.float32(full)

    notes = (
        *(note for note in image.notes if "sRGB" not in note),
        f"values: sRGB of full scale {full:g}, made proportional to light",
    )
    return replace(image, read=read, dtype=np.dtype(np.float32), notes=notes)


def _light(values: NDArray[np.float32]) -> NDArray[np.float32]:
    curved = ((values + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(values <= LINEAR_BELOW, values / np.float32(12.92), curved)
