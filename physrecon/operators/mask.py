"""Masked data: y = x where kept, 0 elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Shape, default_slice_axis
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator, Symmetric
from physrecon.operators.diagonal import Elementwise


class Mask(Elementwise, Symmetric):
    """y = x where `keep` is true, 0 elsewhere: for inpainting, dead pixels, gaps.

    keep: array of bool that broadcasts to `shape`.  shape: of x; None: that of `keep`.
    axis: slice axis; None: 0 for a shape of three axes, otherwise no slices.  In a composition it
    adopts the slices of the other operator.

    Holds `keep`, one byte per element.

    >>> pr.Mask(np.array([True, False, True])) @ np.array([1.0, 2.0, 3.0])
    array([1., 0., 3.])
    """

    nonnegative = True

    def __init__(self, keep: Any, shape: Shape | None = None, axis: Axis = None) -> None:
        keep = arrays.plain("Mask.keep", keep)
        if keep.dtype != bool:
            raise ArgumentError(
                f"Mask.keep: expected booleans, got {keep.dtype}; write `keep != 0`, say"
            )
        shape = tuple(keep.shape if shape is None else shape)
        vectors.broadcastable("Mask.keep", keep, shape)
        self._set(shape, default_slice_axis(shape) if axis is None else axis, (keep,))

    def _forward(self, x: Any, out: Any) -> None:
        (keep,) = self._near(x)
        out[...] = 0
        arrays.namespace(x).copyto(out, x, where=keep)  # not x · 0, which keeps NaN

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """1 for a slice with a kept element, else 0."""
        return self._largest()
