"""Sums and updates of one array per slice, in an order that depends on the slice alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from physrecon.arrays.device import is_device, like, to_device, to_host


def sliced(array: Any, axis: int | None) -> Any:
    """A view (outer, slices, inner) of a C-contiguous array whose slices lie along `axis`."""
    if axis is None:
        return array.reshape(1, 1, array.size)
    outer, inner = math.prod(array.shape[:axis]), math.prod(array.shape[axis + 1 :])
    return array.reshape(outer, array.shape[axis], inner)


def partial_sums(view: Any, sums: int = 1) -> Any:
    """Memory for the partial sums of a kernel of `kernels.vectors` over a view from `sliced`."""
    from physrecon.kernels.vectors import pieces

    outer, slices, inner = view.shape
    on_gpu = is_device(view)
    shape = (sums * outer, slices, pieces(inner, on_gpu))
    return like(view, shape) if on_gpu else np.empty(shape)


def total(partial: Any) -> np.ndarray:
    """The sum of each slice (slices,) in float64, in an order that depends on this slice only."""
    host = to_host(partial).astype(np.float64, copy=False)
    return np.array([np.sum(np.ascontiguousarray(host[:, i])) for i in range(host.shape[1])])


def dots(a: Any, b: Any, axis: int | None) -> np.ndarray:
    """⟨a, b⟩ for each index along `axis`, (slices,) float64; (1,) for None.

    The order of summation depends on the shape of one slice only, not on the threads nor on the
    number of slices."""
    from physrecon.kernels import vectors

    return _reduce(vectors.dot, a, b, axis)


def distances(a: Any, b: Any, axis: int | None) -> np.ndarray:
    """‖a − b‖² for each index along `axis`; as `dots`."""
    from physrecon.kernels import vectors

    return _reduce(vectors.distance, a, b, axis)


def _reduce(kernel: Any, a: Any, b: Any, axis: int | None) -> np.ndarray:
    a, b = sliced(a, axis), sliced(b, axis)
    if not a.size:
        return np.zeros(a.shape[1])
    partial = partial_sums(a)
    kernel(a, b, partial)
    return total(partial)


def combine(y: Any, b: Any, a: Any, x: Any, axis: int | None, active: Any) -> np.ndarray:
    """y ← b y + a x with b and a of each slice; returns ‖y‖² of each slice.

    Inactive slices keep every bit."""
    from physrecon.kernels import vectors

    y, x = sliced(y, axis), sliced(x, axis)
    if not y.size:
        return np.zeros(y.shape[1])
    partial = partial_sums(y)
    vectors.combine(y, _beside(b, y), _beside(a, y), x, _beside(active, y, bool), partial)
    return total(partial)


def step(
    x: Any, t: Any, d: Any, bounds: tuple[float, float], axis: int | None, active: Any
) -> tuple[np.ndarray, np.ndarray]:
    """x ← x + t d, clipped to bounds, in the active slices; returns ‖change‖² and ‖x‖² of each."""
    from physrecon.kernels import vectors

    x, d = sliced(x, axis), sliced(d, axis)
    if not x.size:
        return np.zeros(x.shape[1]), np.zeros(x.shape[1])
    partial = partial_sums(x, 2)
    vectors.step(x, _beside(t, x), d, _beside(bounds, x), _beside(active, x, bool), partial)
    moved, size = partial[: x.shape[0]], partial[x.shape[0] :]
    return total(moved), total(size)


def _beside(numbers: Any, array: Any, dtype: DTypeLike | None = None) -> Any:
    """Numbers as an array on the machine of `array` and in its dtype."""
    table = np.ascontiguousarray(numbers, array.dtype if dtype is None else dtype)
    return to_device(table, "cuda" if is_device(array) else "cpu")
