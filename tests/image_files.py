"""Small image files of distinct numbers, and their refusal."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile

from physrecon.errors import DataError
from physrecon.io import open_image


def numbers(*shape: int, dtype: str = "u2") -> np.ndarray:
    """Distinct numbers, so that a swapped axis cannot pass."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def save(path, data, **options):
    tifffile.imwrite(path, data, **({"photometric": "minisblack"} | options))
    return path


def refused(path, *words, **options):
    with pytest.raises(DataError) as raised, open_image(path, **options) as image:
        image[...]
    assert all(word in str(raised.value) for word in words), raised.value


def hdf5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[f"g/{name}"] = value
        file["link"] = h5py.SoftLink(f"/g/{next(iter(datasets))}")
    return path
