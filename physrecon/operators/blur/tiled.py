"""Convolution of arrays too large for one transform: tile by tile.

Every tile of the result reads a window of the whole array that is larger by the reach of the PSF:
nothing is approximated, and an iteration with tiles equals the iteration without.  (Tiles of the
*reconstruction* would not be exact: each would miss light of its neighbours.)  The transpose runs
over tiles of x, with the same OTF."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays.transforms import fast_lengths
from physrecon.errors import ArgumentError
from physrecon.operators.blur.fourier import FourierConvolution, needed

Lengths = tuple[int, ...]
BUFFERS = 4  # arrays of a tile's padded size: the OTF, S, a window, and its result
PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)  # numbers of parts to try for an axis
LEAST = 8  # minimum elements of a tile along an axis: smaller tiles are mostly overlap


class TiledConvolution:
    """FourierConvolution within `memory` bytes of work arrays.

    Raises ArgumentError if no tile fits."""

    def __init__(
        self,
        psf: np.ndarray,
        in_shape: Lengths,
        out_shape: Lengths,
        shift: Lengths,
        memory: int,
        itemsize: int = 4,
    ) -> None:
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        psf, self._shift = needed(psf, self.in_shape, self.out_shape, shift)
        self._reach = tuple(k - 1 for k in psf.shape)
        longest = tuple(map(max, zip(self.in_shape, self.out_shape, strict=True)))
        self.tile = tile_shape(longest, psf.shape, memory, itemsize)
        window = tuple(t + r for t, r in zip(self.tile, self._reach, strict=True))
        self._whole = FourierConvolution(psf, window, self.tile, self._reach)
        self.lengths = self._whole.lengths

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(-(-n // t) for n, t in zip(self.in_shape, self.tile, strict=True))

    def describe(self) -> str:
        """The method of computation, in words."""
        return f"transforms in {self.tiles} tiles of {self.tile}"

    def work_bytes(self, itemsize: int = 4) -> int:
        """Bytes of the OTF, S, a window and a tile."""
        buffers = math.prod(self._whole.in_shape) + math.prod(self.tile)
        return self._whole.work_bytes(itemsize) + itemsize * buffers

    def convolve(self, x: Any, out: Any) -> None:
        """out ← psf ∗ x; y[i] needs x[i + shift − k + 1 … i + shift]."""
        before = [s - r for s, r in zip(self._shift, self._reach, strict=True)]
        self._each(x, out, False, before)

    def correlate(self, y: Any, out: Any) -> None:
        """out ← the transpose, of y; x[a] needs y[a − shift … a − shift + k − 1]."""
        self._each(y, out, True, [-s for s in self._shift])

    def _each(self, source: Any, target: Any, adjoint: bool, before: list[int]) -> None:
        shapes = (self.out_shape, self.in_shape) if adjoint else (self.in_shape, self.out_shape)
        images = (a.reshape(-1, *shape) for a, shape in zip((source, target), shapes, strict=True))
        window = arrays.like(target, self._whole.in_shape, in_memory=True)
        tile = arrays.like(target, self.tile, in_memory=True)
        offset = self._reach if adjoint else (0,) * len(self.tile)
        for one, other in zip(*images, strict=True):
            for place, size in tiles(other.shape, self.tile):
                begin = [p + b for p, b in zip(place, before, strict=True)]
                _take(one, begin, window)
                self._whole.apply(window, tile, adjoint, offset)
                inside = tuple(slice(p, p + n) for p, n in zip(place, size, strict=True))
                other[inside] = tile[tuple(slice(n) for n in size)]


def tile_shape(shape: Lengths, psf: Lengths, memory: int, itemsize: int = 4) -> Lengths:
    """The tile of least total work whose transforms fit into `memory` bytes."""
    reach = [k - 1 for k in psf]

    def circle(tile: Lengths) -> int:
        return math.prod(fast_lengths([t + r for t, r in zip(tile, reach, strict=True)]))

    def work(tile: Lengths) -> int:
        count = math.prod(-(-n // t) for n, t in zip(shape, tile, strict=True))
        return count * circle(tile)

    cuts = [sorted({-(-n // p) for p in PARTS if p <= max(1, n // LEAST)}) for n in shape]
    fitting = [t for t in itertools.product(*cuts) if BUFFERS * itemsize * circle(t) <= memory]
    if not fitting:
        smallest = tuple(c[0] for c in cuts)
        raise ArgumentError(
            f"memory: expected room for a tile of {smallest} and a PSF of {psf}, "
            f"{BUFFERS * itemsize * circle(smallest)} bytes, got {memory}; give more"
        )
    return min(fitting, key=lambda t: (work(t), -circle(t)))


def tiles(shape: Lengths, tile: Lengths) -> Any:
    """(first element, shape) of all tiles of an array; those at its end may be smaller."""
    steps = [range(0, n, t) for n, t in zip(shape, tile, strict=True)]
    for place in itertools.product(*steps):
        yield place, tuple(min(t, n - p) for p, t, n in zip(place, tile, shape, strict=True))


def _take(array: Any, begin: list[int], window: Any) -> None:
    """window ← the elements of the array from `begin` on, 0 beyond its ends."""
    inside, there = [], []
    for b, n, length in zip(begin, array.shape, window.shape, strict=True):
        first, last = min(max(b, 0), n), min(max(b + length, 0), n)
        there.append(slice(first, last))
        inside.append(slice(first - b, last - b) if last > first else slice(0, 0))
    window[...] = 0
    window[tuple(inside)] = array[tuple(there)]
