"""Parameters of likelihoods, arrays that broadcast to the data, for kernels and subsets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physrecon import arrays


def split(shape: tuple[int, ...], axis: int | None) -> tuple[int, int, int]:
    """The shape (outer, slices, inner) of data in kernels.

    Without a slice axis the cuts follow the first axis and precede the last, so that parameters
    which broadcast along either stay small."""
    i, j = _cuts(len(shape), axis)
    return math.prod(shape[:i]), math.prod(shape[i:j]), math.prod(shape[j:])


def _cuts(ndim: int, axis: int | None) -> tuple[int, int]:
    if axis is not None:
        return axis, axis + 1
    return (1, ndim - 1) if ndim > 1 else (0, 0)


def compact(values: Any, shape: tuple[int, ...], axis: int | None) -> Any:
    """Values that broadcast to `shape` as (1 | outer, 1 | slices, inner), C-contiguous."""
    xp = arrays.namespace(values)
    i, j = _cuts(len(shape), axis)
    own = (1,) * (len(shape) - values.ndim) + tuple(values.shape)
    wanted = [
        part if inner or own[begin:end] != (1,) * (end - begin) else own[begin:end]
        for part, begin, end, inner in (
            (shape[:i], 0, i, False),
            (shape[i:j], i, j, False),
            (shape[j:], j, len(shape), True),
        )
    ]
    # A view by broadcasting is read-only, for which all kernels would be compiled a second time
    full, target = values.reshape(own), sum(wanted, ())
    if own != target:
        full = xp.broadcast_to(full, target)
    return xp.ascontiguousarray(full.reshape([math.prod(part) for part in wanted]))


def restricted_to_views(values: Any, y: Any, views: Any) -> Any:
    """The values of the selected views; `values` broadcasts to the data y."""
    if values is None or isinstance(y, tuple):
        return values
    every = np.ndim(values) == y.ndim and np.shape(values)[0] == y.shape[0]
    return values[views] if every else values
