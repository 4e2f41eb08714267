"""The image beyond the frame: x̃, which is x with margins copied from x, and its transpose.

reflect    d c b a | a b c d | d c b a      half a sample beyond the edge
periodic   a b c d | a b c d | a b c d

The transpose folds the margin back: it adds every element of the margin to the element it copies.
Axes are extended one after the other, which also fills the corners."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon import arrays

MODES = {"reflect": "symmetric", "periodic": "wrap"}


class Extension:
    """x of `shape` ↦ x̃ with margins before and after along the last axes.

    Margins may be longer than x.  Leading axes of x are batch axes."""

    def __init__(self, shape: tuple[int, ...], before: Any, after: Any, boundary: str) -> None:
        self.shape = tuple(shape)
        self.before = tuple(before)
        self.extended = tuple(b + n + a for b, n, a in zip(before, shape, after, strict=True))
        margins = zip(shape, before, after, strict=True)
        self._copied = [
            np.pad(np.arange(n), (b, a), mode=MODES[boundary])  # type: ignore[call-overload]
            for n, b, a in margins
        ]

    def extend(self, x: Any) -> Any:
        """x̃, on the machine of x."""
        out = self.scratch(x)
        out[(..., *self._core())] = x
        for axis in range(len(self.shape)):
            for to, begin in self._margin(axis):
                out[self._plane(axis, to)] = out[self._plane(axis, begin)]
        return out

    def fold(self, extended: Any, out: Any) -> None:
        """out ← the transpose of `extend`, applied to x̃, which is overwritten."""
        for axis in reversed(range(len(self.shape))):
            for to, begin in self._margin(axis):
                extended[self._plane(axis, begin)] += extended[self._plane(axis, to)]
        out[...] = extended[(..., *self._core())]

    def scratch(self, x: Any) -> Any:
        """Uninitialised memory for x̃, on the machine of x."""
        lead = x.shape[: x.ndim - len(self.shape)]
        return arrays.like(x, (*lead, *self.extended))

    def _core(self) -> tuple[slice, ...]:
        return tuple(slice(b, b + n) for b, n in zip(self.before, self.shape, strict=True))

    def _margin(self, axis: int) -> list[tuple[int, int]]:
        """(element of the margin, element of the core that it copies) along an axis."""
        copied, b, n = self._copied[axis], self.before[axis], self.shape[axis]
        outside = [*range(b), *range(b + n, len(copied))]
        return [(i, b + int(copied[i])) for i in outside]

    def _plane(self, axis: int, index: int) -> tuple[Any, ...]:
        """Index of one element along `axis`; later axes, not yet extended, are cut to the core."""
        later = tuple(self._core()[axis + 1 :])
        earlier = (slice(None),) * axis
        return (..., *earlier, index, *later)
