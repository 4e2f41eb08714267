"""Convolution in space, for PSFs that are small or a sum of few separable terms.

    y[i] = Σ_j psf[j] x[i + shift − j],   x zero outside its array

Products per element of y: the sum of the side lengths for a separable term, the number of elements
for a dense PSF; transforms take a multiple of log₂ n.  `direct_engine` chooses the fastest by
measured costs (`benchmarks/convolution.py`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.operators.blur.fourier import needed
from physrecon.operators.blur.separable_terms import Term, separated

Lengths = tuple[int, ...]

# Nanoseconds of one core per element in float32; float64 takes twice as long, also in transforms.
PRODUCT = 0.02  # per tap, or element of a dense PSF, and element of x
PASS = 0.8  # per pass through memory: one for the first of three axes, one for the other two
TRANSFORM = 0.5  # per n log₂ n, to the spectrum and back
DEEP = 64  # planes per block between the first axis and the others, at least, if memory allows


class _InSpace:
    """Shapes, and tables of taps, cached by dtype, machine and direction."""

    def __init__(
        self,
        taps: Sequence[Term],
        sides: Lengths,
        in_shape: Lengths,
        out_shape: Lengths,
        shift: Lengths,
    ) -> None:
        self._axes = len(in_shape)
        if self._axes == 1:  # planes of one row
            taps = [(np.ones(1), *term) for term in taps]
            in_shape, out_shape = (1, *in_shape), (1, *out_shape)
            sides, shift = (1, *sides), (0, *shift)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        self.lengths = self.in_shape  # nothing is padded
        self._taps, self._sides, self._shift = list(taps), tuple(sides), tuple(shift)
        self._tables: dict[Any, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": {}}

    def describe(self) -> str:
        """The method of computation, in words."""
        if len(self._taps[0]) == 1:  # one table, not one for every axis
            return f"sums over the {self._taps[0][0].size} values of the PSF"
        return f"sums along the axes, {len(self._taps)} separable term{'s' * (len(self._taps) > 1)}"

    def work_bytes(self, itemsize: int = 4) -> int:
        """Bytes held besides x and y."""
        return 0

    def convolve(self, x: Any, out: Any) -> None:
        """out ← psf ∗ x.  x (..., *in_shape), out (..., *out_shape), C-contiguous."""
        self._apply(self._stacked(x, self.in_shape), False, self._stacked(out, self.out_shape))

    def correlate(self, y: Any, out: Any) -> None:
        """out ← the transpose of `convolve`, applied to y."""
        self._apply(self._stacked(y, self.out_shape), True, self._stacked(out, self.in_shape))

    def _stacked(self, array: Any, shape: Lengths) -> Any:
        """The array with all leading axes merged into one."""
        return array.reshape(math.prod(array.shape[: array.ndim - self._axes]), *shape)

    def _apply(self, source: Any, adjoint: bool, target: Any) -> None:
        raise NotImplementedError

    def _made(self, like: Any, adjoint: bool) -> tuple[list[Any], Lengths]:
        """The taps of every term, reversed for the transpose, and the shift."""
        device = "cuda" if arrays.is_device(like) else "cpu"
        kind = (np.dtype(like.dtype), device, adjoint)
        if kind not in self._tables:
            turned = np.flip if adjoint else np.asarray
            self._tables[kind] = [
                [arrays.to_device(np.array(turned(a), kind[0], order="C"), device) for a in term]
                for term in self._taps
            ]
        back = tuple(k - 1 - s for k, s in zip(self._sides, self._shift, strict=True))
        return self._tables[kind], back if adjoint else self._shift


class DirectConvolution(_InSpace):
    """psf = Σ `terms`, each of one array per axis.  in_shape, out_shape, shift: along these axes.

    `convolve` and `correlate` take one image, or stacks of images along leading axes.
    Holds, for three axes, a block of planes between the first axis and the others: three times the
    PSF's length, or DEEP, or as many as fit into `memory` bytes.  CUDA holds twice as much."""

    def __init__(
        self,
        terms: Sequence[Term],
        in_shape: Lengths,
        out_shape: Lengths,
        shift: Lengths,
        memory: int | None = None,
    ) -> None:
        super().__init__(terms, tuple(map(len, terms[0])), in_shape, out_shape, shift)
        self._memory = memory
        self._work: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_work": []}

    def work_bytes(self, itemsize: int = 4) -> int:
        if len(self._sides) == 2:
            return 0
        ways = ((self.in_shape, self.out_shape), (self.out_shape, self.in_shape))
        planes = [(math.prod(source[1:]) * itemsize, target[0]) for source, target in ways]
        return max(size * self._depth(count, size) for size, count in planes)

    def _depth(self, count: int, plane_bytes: int) -> int:
        """Planes per block, of `count` planes in all."""
        most = max(3 * self._sides[0], DEEP)
        if self._memory is not None:
            most = min(most, max(self._memory // max(plane_bytes, 1), 1))
        return -(-count // max(-(-count // most), 1)) or 1

    def _apply(self, source: Any, adjoint: bool, target: Any) -> None:
        from physrecon.kernels.convolution import columns

        terms, shift = self._made(target, adjoint)
        if len(shift) == 2:
            for r, taps in enumerate(terms):
                _planes(taps, shift, r > 0, source, target)
            return
        work = arrays.taken(self._work, None)
        if work is None or (work.dtype, type(work)) != (target.dtype, type(target)):
            size = self.work_bytes(target.dtype.itemsize) // target.dtype.itemsize
            work = arrays.like(target, (size,), in_memory=True)
        plane = source.shape[2:]
        size = math.prod(plane)
        for k, planes in _blocks(target.shape, self._depth(target.shape[1], size * work.itemsize)):
            count = planes.stop - planes.start
            middle = work[: count * size]
            image = source[k].reshape(1, source.shape[1], size)
            for r, (first, *others) in enumerate(terms):
                along_z = middle.reshape(1, count, size)
                columns(first, shift[0] + planes.start, image, along_z)
                _planes(others, shift[1:], r > 0, middle.reshape(count, *plane), target[k, planes])
        self._work.append(work)


class DenseConvolution(_InSpace):
    """A dense PSF of two or three axes; otherwise as DirectConvolution.  Holds no array."""

    def __init__(
        self, psf: np.ndarray, in_shape: Lengths, out_shape: Lengths, shift: Lengths
    ) -> None:
        super().__init__([(psf,)], psf.shape, in_shape, out_shape, shift)

    def _apply(self, source: Any, adjoint: bool, target: Any) -> None:
        from physrecon.kernels.convolution import dense

        ((psf,),), shift = self._made(target, adjoint)
        if len(shift) == 2:
            dense(psf.reshape(1, *psf.shape), (0, *shift), source, target)
            return
        for k in range(target.shape[0]):
            dense(psf, shift, source[k], target[k])


def _blocks(shape: Lengths, step: int) -> Iterator[tuple[int, slice]]:
    """(image, block of its planes) for all blocks of `step` planes."""
    for k in range(shape[0]):
        for begin in range(0, shape[1], step):
            yield k, slice(begin, min(begin + step, shape[1]))


def _planes(taps: Sequence[Any], shift: Lengths, more: bool, x: Any, out: Any) -> None:
    """out (planes, ny', nx') ← x (planes, ny, nx) by the taps of both axes; added if `more`."""
    from physrecon.kernels import convolution

    if arrays.is_device(out):
        between = arrays.like(out, (x.shape[0], out.shape[1], x.shape[2]))
        convolution.columns(taps[0], shift[0], x, between)
        convolution.rows(taps[1], shift[1], more, between, out)
    else:
        down, along = taps
        convolution.planes(down, along, shift, more, x, out)


# Choice of the fastest --------------------------------------------------------------------------


def separable_cost(terms: int, sides: Lengths, in_shape: Lengths, out_shape: Lengths) -> float:
    """Estimated time of DirectConvolution [ns of one core]; sides: of the PSF."""
    rank = len(sides)
    products = (
        math.prod(out_shape[: axis + 1]) * math.prod(in_shape[axis + 1 :]) * sides[axis]
        for axis in range(rank)
    )
    passes = math.prod(out_shape) + (out_shape[0] * math.prod(in_shape[1:]) if rank == 3 else 0)
    return terms * (PRODUCT * sum(products) + PASS * passes)


def dense_cost(sides: Lengths, out_shape: Lengths) -> float:
    """Estimated time of DenseConvolution [ns of one core]."""
    return math.prod(out_shape) * (PRODUCT * math.prod(sides) + PASS)


def fourier_cost(lengths: Lengths) -> float:
    """Estimated time of transforms of these lengths, there and back [ns of one core]."""
    return TRANSFORM * math.prod(lengths) * math.log2(max(math.prod(lengths), 2))


def direct_engine(
    psf: np.ndarray,
    in_shape: Lengths,
    out_shape: Lengths,
    shift: Lengths,
    accuracy: float | None = None,
    circle: Lengths | None = None,
    memory: int | None = None,
) -> DirectConvolution | DenseConvolution | None:
    """The fastest engine in space, or None if transforms of the lengths `circle` are faster.

    psf: one to three axes.  accuracy: of the sum of separable terms, see `separated`; None: the
    rounding of the PSF's dtype.  circle: None excludes transforms.  memory: see
    DirectConvolution."""
    psf, shift = needed(psf, in_shape, out_shape, shift)
    as_it_is = dense_cost(psf.shape, out_shape)
    limit = min(as_it_is, math.inf if circle is None else fourier_cost(circle))
    most = int(limit / separable_cost(1, psf.shape, in_shape, out_shape))
    terms = separated(psf, accuracy, most)
    if terms is not None:
        return DirectConvolution(terms, in_shape, out_shape, shift, memory)
    if as_it_is <= limit:
        return DenseConvolution(psf, in_shape, out_shape, shift)
    return None
