"""Data that a fit leaves out, in blocks wider than the correlation of the noise.

A fit cannot know the noise of a datum that it has not seen, unless neighbours share this noise.  So
the error of its prediction tells how well it fits the object (Stone, J. R. Stat. Soc. B 36 (1974)
111).  A single pixel fails where a detector, a demosaicing or a resampling has spread the noise:
its neighbours give it away.  Blocks wider than the correlation do not (Burman, Chow and Nolan,
Biometrika 81 (1994) 351).  The correlation is that of the residual.

A few blocks at sharp edges, where no model of finite pixels fits, would outweigh all others in the
mean error.  So each block has a noise level of its own: the logarithms of the errors of the blocks
are averaged, the likelihood of Gaussian errors of unknown variance.

The data are foretold best by an x with more noise than the best x has, since A takes off noise.  So
of all fits that the data do not tell apart the smoothest is taken, the rule of a standard error
(Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, section 3.4).

Errors of a model (pixels, axis, PSF) reach further than noise.  So a second draw has wider blocks,
where there are enough."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.likelihoods.noise_level import DIFFERENCE, noise_level

Array = NDArray[np.float64]
Sizes = tuple[int, ...]

SHARE = 4  # one block of so many is left out
FEWEST = 40  # blocks along all axes together, where there are as many data
CORRELATED = 0.1  # autocorrelation from which neighbours share noise
CHANCE = 3.0  # standard deviations of the autocorrelation of white noise
FLOOR = 0.3  # added to the loss of a block, in units of the median block; less is chance
ERRORS = 2.0  # standard errors of the difference of two scores that are chance
WIDER = 2.5  # sizes of blocks of the second draw, in units of those of the first
SEED = 1974


class Blocks:
    """Blocks of data, some of which are left out.

    sizes: of the blocks along the axes of each array of y.  keep: 1 for a datum that is fitted,
    0 for one that is left out, like y.  The choice is the same for the same shape and sizes.
    draw: below SHARE; draws of the same sizes have no block in common."""

    def __init__(self, y: Vector, sizes: list[Sizes], draw: int = 0) -> None:
        self.sizes = sizes
        rng = np.random.default_rng(SEED)
        parts = [
            _left_out(leaf.shape, s, rng, draw)
            for leaf, s in zip(vectors.leaves(y), sizes, strict=True)
        ]
        self._left_out = [mask for mask, _ in parts]
        first, self._labels = 0, []
        for mask, labels in parts:
            found, numbers = np.unique(labels[mask], return_inverse=True)
            self._labels.append(first + numbers)
            first += len(found)
        self.count = first
        self.data = sum(int(mask.sum()) for mask in self._left_out)
        kept = iter(self._left_out)
        self.keep = vectors.transform(lambda leaf: _like(~next(kept), leaf), y)

    def means(self, losses: Vector) -> Array:
        """The mean over each block that was left out, (count,)."""
        total, size = np.zeros(self.count), np.zeros(self.count)
        leaves = vectors.leaves(losses)
        for leaf, mask, labels in zip(leaves, self._left_out, self._labels, strict=True):
            values = arrays.to_host(leaf)[mask].astype(np.float64)
            total += np.bincount(labels, values, self.count)
            size += np.bincount(labels, minlength=self.count)
        return total / size


class Losses:
    """The losses of the blocks that are left out, of several fits in a row.

    means: by the place of the fit in the row, from `Blocks.means`."""

    def __init__(self) -> None:
        self.means: dict[int, Array] = {}

    def score(self, place: int) -> float:
        """The geometric mean over the blocks."""
        return math.exp(float(self._logs(place).mean()))

    def alike(self, best: int, places: list[int]) -> float:
        """The last place in a row, which begins beside `best`, that is not worse but by chance.

        Chance is the standard error of the paired differences of the blocks; between two places
        their ratio to it is taken as linear."""
        last, before = best, -ERRORS
        for place in places:
            more = self._logs(place) - self._logs(best)
            error = float(more.std()) / math.sqrt(max(len(more), 1))
            beyond = float(more.mean()) / error - ERRORS if error > 0 else -ERRORS
            if beyond > 0:
                return last + before / (before - beyond) * (place - last)
            last, before = place, beyond
        return last

    def _logs(self, place: int) -> Array:
        seen = (means[means > 0] for means in self.means.values())  # blocks may be without data
        floor = FLOOR * min((float(np.median(means)) for means in seen if means.size), default=0)
        logs: Array = np.log(self.means[place] + max(floor, 1e-300))
        return logs


def _left_out(
    shape: tuple[int, ...], sizes: Sizes, rng: np.random.Generator, draw: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The mask of the data that are left out, and the number of the block of each datum.

    One block is drawn from every SHARE that follow each other."""
    numbers = np.zeros(shape, np.int64)
    count = 1
    for axis, (n, size) in enumerate(zip(shape, sizes, strict=True)):
        cells = max(1, round(n / size))
        cell = np.arange(n) * cells // max(n, 1)
        numbers = numbers * cells + cell.reshape(
            [-1 if a == axis else 1 for a in range(len(shape))]
        )
        count *= cells
    drawn = np.zeros(count, bool)
    for begin in range(0, count, SHARE):
        place = (int(rng.integers(SHARE)) + draw) % SHARE
        drawn[min(begin + place, count - 1)] = True
    return drawn[numbers], numbers


def _like(mask: NDArray[np.bool_], model: Any) -> Any:
    moved = arrays.to_device(mask, "cuda" if arrays.is_device(model) else "cpu")
    return moved.astype(model.dtype)


def losses_of(f: Any, x: Vector) -> tuple[Vector, float]:
    """(l, v): the loss of each datum is v · l.  Squares of data in a tiny unit leave float32."""
    scaled = None if f.unit == 1 else f.in_units(f.unit)
    if scaled is None:
        found, value = f.A.forward(x), 1.0
        f.data_losses(found)
        return found, value
    other, value = scaled
    found = other.A.forward(vectors.divided(x, f.unit))
    other.data_losses(found)
    return found, value


def residual(f: Any, x: Vector) -> Vector:
    """W^½ (A x − y), or its like for other likelihoods."""
    r, y = f.whitened(f.A.forward(x)), vectors.copy(f.y)
    vectors.multiply(y, f.whitening())
    vectors.subtract(r, y)
    return r


def widths(residual: Vector) -> list[Sizes]:
    """Sizes of blocks wider than the correlation of a residual, for each of its arrays.

    Of correlated noise a fit takes some, so that it reaches further than in the residual."""
    return [
        fitting(r.shape, [2 * n + 5 if n else 2 for n in reach(r)])
        for r in vectors.leaves(residual)
    ]


def wider(y: Vector, sizes: list[Sizes]) -> list[Sizes]:
    """Sizes for another draw: wider, for errors of a model, where enough blocks are left."""
    return [_wider(leaf.shape, size) for leaf, size in zip(vectors.leaves(y), sizes, strict=True)]


def _wider(shape: tuple[int, ...], sizes: Sizes) -> Sizes:
    found = fitting(shape, [math.ceil(WIDER * n) if n > 1 else 1 for n in sizes])
    return found if _count(shape, found) >= SHARE * FEWEST else sizes


def fitting(shape: tuple[int, ...], sizes: list[int]) -> Sizes:
    """The sizes, cut to the shape, and made smaller where there would be too few blocks.

    A size of more than a third of an axis is all of it."""
    sizes = [n if 3 * size > n else size for n, size in zip(shape, sizes, strict=True)]
    while _count(shape, tuple(sizes)) < FEWEST and max(sizes, default=1) > 1:
        largest = max(range(len(sizes)), key=lambda axis: sizes[axis])
        sizes[largest] = -(-sizes[largest] // 2)
    return tuple(sizes)


def _count(shape: tuple[int, ...], sizes: Sizes) -> int:
    return math.prod(max(1, round(n / size)) for n, size in zip(shape, sizes, strict=True))


def noise_ratio(y: Vector, sizes: list[Sizes]) -> float:
    """The noise level of data that are too far apart to share noise, over that of neighbours.

    sizes: of blocks, from `widths`.  1 for white noise, and where there are too few data."""
    ratios = [1.0]
    for leaf, size in zip(vectors.leaves(y), sizes, strict=True):
        apart = size[-1] // 2 if size else 1
        if apart > 1 and leaf.shape[-1] >= 2 * len(DIFFERENCE) * apart:
            near, far = (float(noise_level(part)[0]) for part in (leaf, leaf[..., ::apart]))
            ratios.append(far / near if near > 0 else 1.0)
    return max(ratios)


def reach(residual: Any) -> list[int]:
    """The number of neighbours along each axis that share noise; 0 for white noise."""
    r = arrays.to_host(residual).astype(np.float64)
    shared = [_autocorrelation(r, axis) for axis in range(r.ndim)]
    found = [_length(part, CORRELATED) for part in shared]
    for axis, part in enumerate(shared):  # correlation along the others leaves fewer trials
        others = (min(2 * k + 1, n) for k, n in zip(found, r.shape, strict=True))
        trials = r.size * min(2 * found[axis] + 1, r.shape[axis]) / max(math.prod(others), 1)
        found[axis] = _length(part, max(CORRELATED, CHANCE / math.sqrt(max(trials, 1))))
    return found


def _length(shared: Array, bound: float) -> int:
    low = np.flatnonzero(shared < bound)
    return int(low[0]) if low.size else len(shared)


def _autocorrelation(r: Array, axis: int) -> Array:
    """The mean product of values 1, 2 … n/2 places apart, in units of the mean square."""
    n, power = r.shape[axis], float((r * r).mean()) if r.size else 0.0
    if n < 2 or not power > 0:
        return np.zeros(0)
    spectrum = np.fft.rfft(r, 2 * n, axis)
    others = tuple(a for a in range(r.ndim) if a != axis)
    squares = (spectrum.real**2 + spectrum.imag**2).mean(axis=others)
    products: Array = np.fft.irfft(squares)[:n] / np.arange(n, 0, -1) / power
    return products[1 : n // 2 + 1]
