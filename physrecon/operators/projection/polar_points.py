"""The points of a parallel scan in the frequencies of its slices, and the window between them and
a grid of frequencies.

View θ of a slice is, in frequencies f along its columns, the slice's Fourier transform at
(kx, ky) = f (cos θ, sin θ).  The slice, divided by the transform of the window and surrounded by
zeros, has its own transform on a grid that is `oversampling` times as fine; between its cells the
window interpolates (Barnett, Magland and af Klinteberg, SIAM J. Sci. Comput. 41 (2019) C479).  A
slice is real, so half of the grid tells all: its other half is the conjugate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.kernels.gridding import COLOURS, TILE, lay

OVERSAMPLING = 1.5
LEAST, MOST = 4, 16  # taps
SPARE = 0.5  # of them, for the error of both axes
NODES = 200  # of the quadrature of the window's transform
Array = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """exp(β (√(1 - (2x / taps)²) - 1)), x in cells: the exponential of a semicircle."""

    taps: int
    beta: float

    @classmethod
    def of(cls, accuracy: float, oversampling: float = OVERSAMPLING) -> Window:
        """The narrowest window of a relative accuracy (section 3 of the paper)."""
        needed = math.log(1 / accuracy) / (math.pi * math.sqrt(1 - 1 / oversampling))
        taps = min(max(2 * math.ceil((needed + SPARE) / 2), LEAST), MOST)
        return cls(taps, 0.97 * math.pi * taps * (1 - 1 / (2 * oversampling)))

    def transform(self, position: Array, cells: int) -> Array:
        """∫ window(x) exp(2πi x position / cells) dx, of positions in the slice."""
        z, weights = np.polynomial.legendre.leggauss(NODES)
        half = self.taps / 2
        values = half * weights * np.exp(self.beta * (np.sqrt(1 - z * z) - 1))
        return np.asarray(np.cos(2 * np.pi * np.outer(position, half * z) / cells) @ values)


@dataclass(frozen=True, eq=False)
class PolarPoints:
    """cells, weights: as `gridding.interpolate` takes them, (points, …), views one after the other.

    size: rows and columns of the whole grid of frequencies; of its half with a margin of `taps`
    cells around it the kernels take the rest."""

    window: Window
    size: tuple[int, int]
    cells: Array
    weights: Array

    @property
    def margin(self) -> int:
        return self.window.taps

    @property
    def pitch(self) -> int:
        """Cells of a row of the padded half."""
        return self.size[1] // 2 + 1 + 2 * self.margin

    @property
    def padded(self) -> tuple[int, int]:
        return self.size[0] + 2 * self.margin, self.pitch

    def tiles(self) -> tuple[Array, Array, Array]:
        """(order, starts, tiles) for `gridding.spread`."""
        tall, wide = (-(-n // TILE) for n in self.padded)
        at = self.cells[:, 0] // TILE, self.cells[:, 1] // TILE
        y, x = np.divmod(np.arange(tall * wide), wide)
        colour = y % 2 * 2 + x % 2
        by_colour = np.argsort(colour, kind="stable")
        number = np.empty(tall * wide, np.int64)
        number[by_colour] = np.arange(tall * wide)
        few = np.uint16 if tall * wide <= np.iinfo(np.uint16).max else np.int64  # sorts faster
        tile = number.astype(few)[at[0] * wide + at[1]]
        order = np.argsort(tile, kind="stable")
        starts = np.searchsorted(tile[order], np.arange(tall * wide + 1))
        firsts = np.searchsorted(colour[by_colour], np.arange(COLOURS + 1))
        return order, starts.astype(np.int64), np.concatenate([firsts, number]).astype(np.int64)


def polar_points(
    scan: ParallelBeam, grid: Grid, length: int, accuracy: float, dtype: Any
) -> PolarPoints:
    """The points of all views; a view has `length` samples, one a column."""
    window = Window.of(accuracy)
    size = tuple(
        fft.next_fast_len(max(math.ceil(OVERSAMPLING * n), 2 * window.taps + 4), real=True) for n in
        grid.shape[1:]
    )  # fmt: skip
    size = size[0], size[1] + size[1] % 2
    frequencies = np.fft.rfftfreq(length, scan.column_pitch)
    directions = np.stack([np.cos(scan.radians), np.sin(scan.radians)], axis=1)
    count = len(directions) * len(frequencies)
    cells = np.empty((count, 3), np.int32)
    weights = np.empty((count, 2 * window.taps), dtype)
    scales = float(grid.pitch[1]), float(grid.pitch[2])
    lay(directions, frequencies, scales, size, (window.beta,), cells, weights)
    return PolarPoints(window, size, cells, weights)
