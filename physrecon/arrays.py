"""Where arrays live, and the few things done to them that must not depend on where or how many.

The machine of an array is its type: NumPy arrays live on the host, in memory or on the disk
(`disk_arrays`), arrays with `__cuda_array_interface__` (CuPy) on the device.  Nothing here guesses
or falls back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from physrecon import disk_arrays
from physrecon.errors import ArgumentError, DeviceError

DEVICES = ("cpu", "cuda")
CACHE_LINE = 64  # bytes; a vector load across two lines costs two


def aligned_empty(shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """Uninitialised host array that starts on a cache line."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def is_device(array: Any) -> bool:
    return hasattr(array, "__cuda_array_interface__")


def cupy() -> Any:
    """The CuPy module with a working device, or DeviceError."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise DeviceError(
            f"device: expected a CUDA GPU with CuPy, got {type(error).__name__}: {error}; "
            "run `pip install 'physrecon[cuda12]'` (or [cuda13]) on a machine with an NVIDIA GPU, "
            "or use --device cpu"
        ) from None
    return cupy


def namespace(array: Any) -> Any:
    """The array library of `array`: numpy or cupy."""
    return cupy() if is_device(array) else np


def to_device(array: Any, device: str) -> Any:
    """`array` on "cpu" or "cuda", copied only when it is elsewhere."""
    if device not in DEVICES:
        raise ArgumentError(f"device: expected one of {DEVICES}, got {device!r}")
    if device == "cpu":
        return to_host(array)
    return array if is_device(array) else cupy().asarray(array)


def to_host(array: Any) -> np.ndarray:
    if not is_device(array):
        return np.asarray(array)
    return array.get() if hasattr(array, "get") else array.copy_to_host()


def like(
    array: Any,
    shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    in_memory: bool = False,
) -> Any:
    """Uninitialised array on the machine of `array`, of its dtype unless told otherwise.

    On the disk where `array` is, unless it is small or wanted in memory."""
    shape = array.shape if shape is None else tuple(shape)
    dtype = array.dtype if dtype is None else dtype
    if is_device(array):
        return namespace(array).empty(shape, dtype)
    large = math.prod(shape) * np.dtype(dtype).itemsize >= disk_arrays.LEAST_BYTES
    folder = None if in_memory or not large else disk_arrays.folder_of(array)
    return (
        aligned_empty(shape, dtype) if folder is None else disk_arrays.mapped(shape, dtype, folder)
    )


def zeros_like(array: Any, shape: Sequence[int] | None = None) -> Any:
    zeros = like(array, shape)
    zeros[...] = 0
    return zeros


def all_finite(array: Any) -> bool:
    """True when no element is NaN or infinite."""
    # The sum is not finite if any element is not; finite ones may overflow it, hence a second look.
    with np.errstate(all="ignore"):
        total = array.sum(dtype=np.float64)
    return bool(np.isfinite(float(total))) or bool(namespace(array).isfinite(array).all())


# Slices and sums ------------------------------------------------------------------------------


def sliced(array: Any, axis: int | None) -> Any:
    """A view (outer, slices, inner) of a C-contiguous array whose slices lie along `axis`."""
    if axis is None:
        return array.reshape(1, 1, array.size)
    outer, inner = math.prod(array.shape[:axis]), math.prod(array.shape[axis + 1 :])
    return array.reshape(outer, array.shape[axis], inner)


def partial_sums(view: Any, sums: int = 1) -> Any:
    """Memory for the sums that a kernel of `kernels.vectors` leaves for a view from `sliced`."""
    from physrecon.kernels.vectors import pieces

    outer, slices, inner = view.shape
    on_gpu = is_device(view)
    shape = (sums * outer, slices, pieces(inner, on_gpu))
    return like(view, shape) if on_gpu else np.empty(shape)


def total(partial: Any) -> np.ndarray:
    """The sums of each slice (slices,), in float64 and in an order of that slice alone."""
    host = to_host(partial).astype(np.float64, copy=False)
    return np.array([np.sum(np.ascontiguousarray(host[:, i])) for i in range(host.shape[1])])


def dots(a: Any, b: Any, axis: int | None) -> np.ndarray:
    """⟨a, b⟩ for each index along `axis`, (slices,) float64; (1,) for None.

    The products of one index are summed in an order that depends on the shape of that index alone:
    not on the threads, and not on how many neighbours it has."""
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
    """y ← b y + a x with the numbers of each slice; ‖y‖² of each slice afterwards.

    Slices that are not active keep every bit."""
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
    """x ← x + t d, held within bounds, in the active slices; ‖change‖² and ‖x‖² of each."""
    from physrecon.kernels import vectors

    x, d = sliced(x, axis), sliced(d, axis)
    if not x.size:
        return np.zeros(x.shape[1]), np.zeros(x.shape[1])
    partial = partial_sums(x, 2)
    vectors.step(x, _beside(t, x), d, _beside(bounds, x), _beside(active, x, bool), partial)
    moved, size = partial[: x.shape[0]], partial[x.shape[0] :]
    return total(moved), total(size)


def _beside(numbers: Any, array: Any, dtype: DTypeLike | None = None) -> Any:
    """A few numbers as an array on the machine of `array` and in its dtype."""
    table = np.ascontiguousarray(numbers, array.dtype if dtype is None else dtype)
    return to_device(table, "cuda" if is_device(array) else "cpu")
