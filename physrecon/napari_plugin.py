"""What napari calls: a reader of volumes and images, and two samples (`napari.json`, npe2).

Planes are read when they are looked at.  Channels and colours become layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.datasets import shepp_logan, specimen
from physrecon.errors import PhysreconError
from physrecon.io.opened import LazyArray, key_for_each
from physrecon.io.viewed import open_source

Layer = tuple[Any, dict[str, Any], str]

SAMPLE = 96  # voxels of a sample along x
APART = "CS"  # channels, samples of colour: a layer each


def get_reader(path: str | list[str]) -> Callable[[Any], list[Layer]] | None:
    """The function that reads a file or a folder; None for what is neither volume nor image."""
    if isinstance(path, list):
        return None
    try:
        with open_source(path):
            return read
    except (PhysreconError, OSError):
        return None


def read(path: str | list[str]) -> list[Layer]:
    """The layers of a file.  Its planes are read when they are shown, so it stays open."""
    source = open_source(path if isinstance(path, str) else path[0])
    axes = getattr(source, "axes", "ZYX")
    sizes = dict(zip(axes[-len(source.voxel_size) :], source.voxel_size, strict=True))
    apart = next((i for i, name in enumerate(axes) if name in APART), None)
    facts: dict[str, Any] = {
        "scale": tuple(sizes.get(name, 1.0) for i, name in enumerate(axes) if i != apart),
        "metadata": {
            "axes": "".join(name for i, name in enumerate(axes) if i != apart),
            "length_unit": source.length_unit or "pixel",
        },
    }
    name = Path(source.path).name
    if apart is None:
        return [(source, {"name": name, **facts}, "image")]
    return [
        (OfAxis(source, apart, i), {"name": f"{name} {axes[apart]}{i}", **facts}, "image")
        for i in range(source.shape[apart])
    ]


class OfAxis(LazyArray):
    """One place of an axis of an array on the disk."""

    def __init__(self, source: Any, axis: int, index: int) -> None:
        self._source, self._axis, self._index = source, axis, index
        self.shape = (*source.shape[:axis], *source.shape[axis + 1 :])
        self.dtype = source.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        each = [*key_for_each("OfAxis", key, self.ndim)]
        return np.asarray(self._source[(*each[: self._axis], self._index, *each[self._axis :])])


def sample_volume() -> list[Layer]:
    """A Shepp-Logan volume."""
    return [(shepp_logan((SAMPLE // 2, SAMPLE, SAMPLE)), {"name": "Shepp-Logan"}, "image")]


def sample_stack() -> list[Layer]:
    """A specimen, and what a widefield microscope makes of it."""
    from physrecon.operators.blur.blur import Blur
    from physrecon.psf import gaussian

    truth = specimen((SAMPLE // 4, SAMPLE, SAMPLE))
    psf = gaussian((13, 9, 9), sigma=(3.0, 1.5, 1.5))
    blurred = Blur(psf, truth.shape) @ truth
    scale = (3.0, 1.0, 1.0)
    return [
        (truth, {"name": "specimen", "scale": scale}, "image"),
        (blurred, {"name": "blurred", "scale": scale}, "image"),
    ]
