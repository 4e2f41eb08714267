"""Convolution by Fourier transforms that skip rows of zeros and rows outside the result.

    y[i] = Σ_j psf[j] x[i + shift − j],   x zero outside its array

On a circle of length L ≥ max(m + k − 1 − shift, shift + n) along an axis (m, n, k: the lengths of
x, y and the PSF) nothing wraps around into y; the full m + k − 1 is not needed.  The rows of zeros
that pad x to L are not transformed, nor are the rows outside y transformed back:

    planes of x  →  rows, columns  →  S  →  first axis, × OTF, back, one block of columns at a time
    S  →  columns, rows back  →  planes of y

A block stays in the cache through all its steps, and S holds the planes of x or y only.  The
transpose is the same with the conjugate OTF."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import transforms
from physrecon.arrays.transforms import fast_lengths
from physrecon.cancellation import cancellation_point

PLANE_BYTES = 1 << 19  # bytes of x that one thread transforms at a time
BLOCK_BYTES = 1 << 21  # bytes of S that one thread transforms along the first axis at a time

Lengths = tuple[int, ...]


class FourierConvolution:
    """Convolution with a PSF of 2 or 3 axes, float64.  in_shape, out_shape, shift: of those axes.

    `convolve(x, out)` and `correlate(y, out)` take one image, or stacks of images along leading
    axes.  Holds the OTF and S: about two arrays of the padded size, for each dtype in use.

    scipy.fft does the transforms, on as many threads as Numba's; a backend that is set with
    `scipy.fft.set_global_backend` replaces it."""

    def __init__(self, psf: np.ndarray, in_shape: Lengths, out_shape: Lengths, shift: Lengths):
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        self._psf, self._shift = needed(psf, self.in_shape, self.out_shape, shift)
        lengths = zip(self._psf.shape, self.in_shape, self.out_shape, self._shift, strict=True)
        self.lengths = fast_lengths([max(m, k, m + k - 1 - s, s + n) for k, m, n, s in lengths])
        if self._psf.shape[0] == 1 and self.in_shape[0] == self.out_shape[0]:
            self.lengths = (1, *self.lengths[1:])  # the rows are independent
        self._otfs: dict[Any, Any] = {}
        self._work: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_otfs": {}, "_work": []}

    @property
    def spectrum(self) -> Lengths:
        """Shape of the OTF: a real transform has half of the last axis."""
        return (*self.lengths[:-1], self.lengths[-1] // 2 + 1)

    def describe(self) -> str:
        """The method of computation, in words."""
        return f"transforms of {self.lengths}"

    def work_bytes(self, itemsize: int = 4) -> int:
        """Bytes of the OTF and S."""
        first = max(self.in_shape[0], self.out_shape[0])
        return 2 * itemsize * (self.lengths[0] + first) * math.prod(self.spectrum[1:])

    def convolve(self, x: Any, out: Any) -> None:
        self._each(x, out, False)

    def correlate(self, y: Any, out: Any) -> None:
        self._each(y, out, True)

    def _each(self, source: Any, target: Any, adjoint: bool) -> None:
        shapes = (self.out_shape, self.in_shape) if adjoint else (self.in_shape, self.out_shape)
        images = (a.reshape(-1, *shape) for a, shape in zip((source, target), shapes, strict=True))
        for one, other in zip(*images, strict=True):
            self.apply(one, other, adjoint, (0,) * len(self.lengths))

    def apply(self, source: Any, target: Any, adjoint: bool, offset: Lengths) -> None:
        """target ← the circular convolution from `offset` on; the source starts at the origin."""
        otf = self._otf(target)
        if arrays.is_device(target):
            _on_device(source, otf, self.lengths, adjoint, target, offset)
            return
        S = arrays.taken(self._work, None)
        planes = max(len(source), len(target))
        if S is None or S.dtype != otf.dtype or len(S) < planes:
            S = np.empty((planes, *self.spectrum[1:]), otf.dtype)
        _on_host(source, S, otf, self.lengths, adjoint, target, offset)
        self._work.append(S)

    def _otf(self, like: Any) -> Any:
        """The transform of the PSF with its element `shift` at the origin of the circle."""
        device = arrays.is_device(like)
        kind = (np.dtype(like.dtype), device)
        if kind not in self._otfs:
            circle = np.zeros(self.lengths, like.dtype)
            places = zip(self._psf.shape, self._shift, self.lengths, strict=True)
            np.add.at(circle, np.ix_(*((np.arange(k) - s) % n for k, s, n in places)), self._psf)
            circle = arrays.to_device(circle, "cuda" if device else "cpu")
            fft, threads = transforms.library(circle)
            self._otfs[kind] = fft.rfftn(circle, overwrite_x=True, **threads)
        return self._otfs[kind]


class PeriodicConvolution(FourierConvolution):
    """Periodic convolution: x and y have one shape, that of the circle."""

    def __init__(self, psf: np.ndarray, shape: Lengths, shift: Lengths) -> None:
        self.in_shape = self.out_shape = tuple(shape)
        self.lengths = (1, *self.in_shape[1:]) if len(psf) == 1 else self.in_shape
        self._psf, self._shift = psf, shift
        self._otfs, self._work = {}, []


def needed(
    psf: np.ndarray, in_shape: Lengths, out_shape: Lengths, shift: Lengths
) -> tuple[np.ndarray, Lengths]:
    """The part of the PSF that connects x and y, and its shift."""
    cut, rest = [], []
    for k, m, n, s in zip(psf.shape, in_shape, out_shape, shift, strict=True):
        begin = min(max(0, s - m + 1), k - 1)
        cut.append(slice(begin, max(begin + 1, min(k, s + n))))
        rest.append(s - begin)
    return psf[tuple(cut)], tuple(rest)


def _on_host(
    source: Any, S: Any, otf: Any, lengths: Lengths, adjoint: bool, target: Any, offset: Lengths
) -> None:
    from scipy import fft

    middle = range(1, len(lengths) - 1)
    begin, m, n = offset[0], len(source), len(target)
    inner = tuple(slice(o, o + k) for o, k in zip(offset[1:], target.shape[1:], strict=True))

    def into(part: slice) -> None:
        rows = fft.rfft(source[part], lengths[-1])
        for axis in middle:
            rows = fft.fft(rows, lengths[axis], axis=axis, overwrite_x=True)
        S[part] = rows

    def through(part: slice) -> None:
        factor = otf[:, part].conj() if adjoint else otf[:, part]
        if lengths[0] == 1:
            S[:, part] *= factor
            return
        columns = fft.fft(S[:m, part], lengths[0], axis=0)
        columns *= factor
        columns = fft.ifft(columns, axis=0, overwrite_x=True)
        S[:n, part] = columns[begin : begin + n]

    def back(part: slice) -> None:
        rows = S[part]
        for axis, kept in zip(middle, inner, strict=False):
            rows = fft.ifft(rows, axis=axis)[(slice(None),) * axis + (kept,)]
        target[part] = fft.irfft(rows, lengths[-1])[..., inner[-1]]

    _all(into, _parts(m, source[:1].nbytes, PLANE_BYTES))
    _all(through, _parts(S.shape[1], max(lengths[0], m) * S[:1, :1].nbytes, BLOCK_BYTES))
    _all(back, _parts(n, target[:1].nbytes, PLANE_BYTES))


def _on_device(
    source: Any, otf: Any, lengths: Lengths, adjoint: bool, target: Any, offset: Lengths
) -> None:
    from cupyx.scipy import fft

    axes = range(1 if lengths[0] == 1 else 0, len(lengths))
    circle = [lengths[axis] for axis in axes]
    spectrum = fft.rfftn(source, circle, axes)
    spectrum *= otf.conj() if adjoint else otf
    image = fft.irfftn(spectrum, circle, axes, overwrite_x=True)
    target[...] = image[tuple(slice(o, o + n) for o, n in zip(offset, target.shape, strict=True))]


def _parts(count: int, bytes_each: int, most: int) -> list[slice]:
    """Slices independent of the number of threads, so that results are too."""
    size = max(1, most // max(bytes_each, 1))
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def _all(work: Callable[[slice], None], parts: list[slice]) -> None:
    from numba import get_num_threads

    threads = get_num_threads()
    run = map if min(threads, len(parts)) == 1 else _pool(threads).map
    for _ in run(work, parts):
        cancellation_point()


@lru_cache(1)
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "physrecon-fft")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
