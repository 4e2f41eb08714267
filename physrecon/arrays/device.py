"""Allocation and transfer of arrays on the host and on the GPU.

An array's type decides where it is computed: NumPy arrays on the host, in memory or on the disk
(`on_disk`), arrays with `__cuda_array_interface__` (CuPy) on the GPU.  There is no fallback."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from physrecon.arrays import on_disk
from physrecon.arrays.libraries import unusable_gpu
from physrecon.errors import ArgumentError

DEVICES = ("cpu", "cuda")
CACHE_LINE = 64  # bytes; a vector load across two lines costs two loads


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
        raise unusable_gpu(error) from None
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
    """Uninitialised array on the machine of `array`, with its shape and dtype unless given.

    It is on the disk if `array` is, unless it is small or `in_memory`."""
    shape = array.shape if shape is None else tuple(shape)
    dtype = array.dtype if dtype is None else dtype
    if is_device(array):
        return namespace(array).empty(shape, dtype)
    large = math.prod(shape) * np.dtype(dtype).itemsize >= on_disk.LEAST_BYTES
    folder = None if in_memory or not large else on_disk.folder_of(array)
    return aligned_empty(shape, dtype) if folder is None else on_disk.mapped(shape, dtype, folder)


def taken(free: list[Any], otherwise: Any) -> Any:
    """The last of the work arrays that no thread uses, out of their list; `otherwise` if none is.

    Two threads must not share them, and another may take the last at any moment."""
    try:
        return free.pop()
    except IndexError:
        return otherwise


def zeros_like(array: Any, shape: Sequence[int] | None = None) -> Any:
    zeros = like(array, shape)
    zeros[...] = 0
    return zeros


def all_finite(array: Any) -> bool:
    """True when no element is NaN or infinite."""
    # A non-finite element makes the sum non-finite; so may an overflow, hence the second test.
    with np.errstate(all="ignore"):
        total = array.sum(dtype=np.float64)
    return bool(np.isfinite(float(total))) or bool(namespace(array).isfinite(array).all())
