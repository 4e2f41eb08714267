"""The orthogonal wavelet transform: x ↦ its coefficients, with Wᵀ W = 1.

Each level splits the coarse image into a coarser half and details, by periodic orthonormal filters
(Daubechies, Comm. Pure Appl. Math. 41, 909, 1988; Mallat, IEEE Trans. PAMI 11, 674, 1989).
Periodic filters need even lengths: x is first padded with zeros to a multiple of 2^levels.  W is
thus an isometry, Wᵀ W = 1; without padding it is orthogonal, W Wᵀ = 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Shape
from physrecon.errors import ArgumentError, DeviceError
from physrecon.operators.base import LinearOperator
from physrecon.operators.batched import BatchedOperator

ORTHONORMAL = 1e-10  # largest error of the filters' scalar products: some tables have 11 digits
BORDER = 8  # with levels=None, padding is at most 1/BORDER of an axis


class Wavelet(BatchedOperator, LinearOperator):
    """Coefficients of x in one array; `coarse` is its first corner, the coarse coefficients.

    shape: of x.  wavelet: the name of an orthogonal one: haar, db1…db38, sym2…sym20, coif1…coif17.
    levels: ≥ 1; None: as many as the filter's length allows, with padding of at most an eighth.
    axes: transformed axes, None for all; the first of three is the slice axis if not transformed.
    `orthogonal`: True if W is square, W Wᵀ = 1.

    PyWavelets works on the host: CuPy arrays raise DeviceError.  Holds one more array like x.

    >>> W = pr.Wavelet((8, 8), "haar", levels=1)
    >>> c = W @ np.ones((8, 8))
    >>> W.orthogonal, c.shape, int(np.count_nonzero(c.round(6)))  # 4 × 4 coarse ones
    (True, (8, 8), 16)
    >>> np.allclose(W.T @ c, 1)
    True
    """

    def __init__(
        self,
        shape: Shape,
        wavelet: str = "db4",
        levels: int | None = None,
        axes: tuple[int, ...] | None = None,
    ) -> None:
        self.in_shape = tuple(shape)
        if vectors.is_product(self.in_shape) or not self.in_shape:
            raise ArgumentError(f"Wavelet: expected the shape of one array, got {shape}")
        self.axes = _checked_axes(axes, len(self.in_shape))
        self.wavelet, self._filters = wavelet, _orthogonal_filters(wavelet)
        lengths = [self.in_shape[axis] for axis in self.axes]
        if levels is not None and (not isinstance(levels, int | np.integer) or levels < 1):
            raise ArgumentError(f"Wavelet.levels: expected a whole number >= 1, got {levels!r}")
        self.levels = _fitting_levels(lengths, self._filters.dec_len) if levels is None else levels
        cell = 2**self.levels
        self.out_shape = tuple(
            -(-n // cell) * cell if axis in self.axes else n for axis, n in enumerate(self.in_shape)
        )
        self.orthogonal = self.in_shape == self.out_shape
        self._inside = tuple(slice(n) for n in self.in_shape)
        self._set_batch_axes(set(range(len(self.in_shape))) - set(self.axes))

    def _resized(self, shape: Shape) -> Wavelet:
        return Wavelet(shape, self.wavelet, self.levels, self.axes)

    @property
    def coarse(self) -> tuple[slice, ...]:
        """Index of the coarse coefficients, a small image: priors do not penalise them."""
        return self._block(self.levels)

    def _block(self, level: int) -> tuple[slice, ...]:
        """Index of the coarse block after `level` levels."""
        shape = enumerate(self.out_shape)
        return tuple(slice(n >> level if axis in self.axes else n) for axis, n in shape)

    def _forward(self, x: Any, out: Any) -> None:
        import pywt

        _on_host(x)
        if not self.orthogonal:
            out[...] = 0
        out[self._inside] = x
        for level in range(self.levels):
            block = out[self._block(level)]
            for axis in self.axes:
                low, high = halves(block, axis)
                low[...], high[...] = pywt.dwt(block, self._filters, "periodization", axis)

    def _adjoint(self, y: Any, out: Any) -> None:
        import pywt

        _on_host(y)
        work = vectors.copy(y)
        for level in reversed(range(self.levels)):
            block = work[self._block(level)]
            for axis in reversed(self.axes):
                block[...] = pywt.idwt(*halves(block, axis), self._filters, "periodization", axis)
        out[...] = work[self._inside]

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        off = 1 + len(self.axes) * self.levels * ORTHONORMAL
        return 1 / off, off


def halves(block: Any, axis: int) -> tuple[Any, Any]:
    """Views of the first and the second half of an array along an axis."""
    middle, before = block.shape[axis] // 2, (slice(None),) * axis
    return block[(*before, slice(middle))], block[(*before, slice(middle, None))]


def _orthogonal_filters(name: str) -> Any:
    import pywt

    try:
        filters = pywt.Wavelet(name)
    except (ValueError, TypeError) as error:
        raise ArgumentError(
            f"Wavelet.wavelet: expected a name such as db4, got {name!r}; {error}"
        ) from None
    bank = np.array([filters.dec_lo, filters.dec_hi])
    n = bank.shape[1]
    off = 0.0
    for shift in range(0, n, 2):
        product = bank[:, shift:] @ bank[:, : n - shift].T
        off = max(off, float(abs(product - np.eye(2) * (shift == 0)).max()))
    if not filters.orthogonal or off > ORTHONORMAL:
        raise ArgumentError(
            f"Wavelet.wavelet: expected an orthogonal one, got {name!r}; choose haar, db2 to db38, "
            "sym2 to sym20 or coif1 to coif17"
        )
    return filters


def _checked_axes(axes: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(rank))
    chosen = tuple(axis + rank if axis < 0 else axis for axis in axes)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(rank)):
        raise ArgumentError(f"Wavelet.axes: expected different axes of {rank}, got {axes}")
    return tuple(sorted(chosen))


def _fitting_levels(lengths: list[int], taps: int) -> int:
    """As many as the filter's length allows, with padding of at most 1/BORDER of an axis."""
    import pywt

    levels = max(1, min(pywt.dwt_max_level(n, taps) for n in lengths))
    while levels > 1 and any(-n % 2**levels * BORDER > n for n in lengths):
        levels -= 1
    return levels


def _on_host(array: Any) -> None:
    if arrays.is_device(array):
        raise DeviceError(
            "Wavelet: expected arrays on the host, where PyWavelets works, got CuPy ones; "
            "move them with .get(), or use another prior on the GPU"
        )
