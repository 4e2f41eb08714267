"""A small volume, written whole or by slabs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from physrecon.geometry.grid import Grid
from physrecon.io import VolumeWriter, open_volume

SHAPE = (7, 4, 5)
GRID = Grid(SHAPE, (2.0, 1.0, 1.5))
SLABS = [slice(0, 3), slice(3, 6), slice(6, 7)]
WHOLE = [slice(0, 7)]
DATA = np.random.default_rng(0).normal(size=SHAPE).astype("f4")


def writer(path, slabs=SLABS, **options):
    settings = {"grid": GRID, "length_unit": "um"}
    settings |= {"configuration": {"method": "fbp", "input": "scan.h5 1234"}}
    return VolumeWriter(path, dtype="f4", slabs=slabs, **(settings | options))


def write(path, slabs=SLABS, only=None, **options):
    """Write the missing slabs (or those of `only`); returns the numbers of those written."""
    with writer(path, slabs, **options) as out:
        numbers = [i for i in range(len(slabs)) if not out.done(i)] if only is None else only
        for i in numbers:
            out.write(i, DATA[slabs[i]])
        if only is None:
            out.finish()
    return numbers


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


MANY = {"v.h5", "v.h5.slabs/job.json", *(f"v.h5.slabs/0000{i}.h5" for i in range(3))}


def settings_of(path):
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume[:], DATA)
        return volume.configuration
