"""Projections of a parallel beam at the cost of Fourier transforms, and their exact transpose.

A view is the transform of a slice along a line through the origin (`polar_points`).  A slice is a
sum of square voxels, each as its bandwidth shows it; what lies beyond the bandwidth of the columns
is left out, as an ideal detector does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft

from physrecon import arrays
from physrecon.arrays import transforms, vectors
from physrecon.cancellation import cancellation_point
from physrecon.errors import ArgumentError, brief, require
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.kernels import gridding, stacking
from physrecon.kernels._lanes import lanes
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.parallel_beam import check_rows
from physrecon.operators.projection.polar_points import PolarPoints, polar_points

WIDTHS = (1, 4, 16)  # slices in a block
CHUNK = 1 << 22  # bytes of views that are transformed together: they stay in L2 and L3
FINEST, COARSEST = 1e-12, 1e-2  # accuracy of an interpolation
MARGIN = 2  # columns between a shadow and its repetition


class PolarTransform:
    """Slices to samples of their views, by their transforms at polar points; and back.

    y[v, s, j] = Σ_k factors[v, k] X_s(k) e^(2πi jk / length) / length, j < columns, over k of
    both signs.  Holds the points, and the memory of a block of slices, between calls."""

    def __init__(self, scan: ParallelBeam, grid: Grid, length: int, accuracy: float) -> None:
        self.scan, self.grid, self.length, self.accuracy = scan, grid, length, accuracy
        self._points: dict[Any, PolarPoints] = {}
        self._ours: dict[Any, Any] = {}  # what kernels take, by machine and dtype
        self._memory: dict[Any, Any] = {}

    def points(self, dtype: Any) -> PolarPoints:
        key = np.dtype(dtype)
        if key not in self._points:
            self._points[key] = polar_points(self.scan, self.grid, self.length, self.accuracy, key)
        return self._points[key]

    def _arrays(self, like: Any) -> dict[str, Any]:
        """What kernels take, on the machine of an array."""
        key = arrays.namespace(like).__name__, like.dtype
        if key not in self._ours:
            points = self.points(like.dtype)
            order, starts, tiles = points.tiles()
            inverse = []
            for cells, n in zip(points.size, self.grid.shape[1:], strict=True):
                inverse.append(1 / points.window.transform(np.arange(n) - n // 2, cells))
            tall, wide = (factor.astype(like.dtype) for factor in inverse)
            made = {
                "cells": points.cells, "weights": points.weights, "order": order,
                "starts": starts, "tiles": tiles, "tall": tall, "wide": wide,
            }  # fmt: skip
            self._ours[key] = {n: arrays.namespace(like).asarray(a) for n, a in made.items()}
        return self._ours[key]

    def project(self, x: Any, factors: Any, out: Any) -> None:
        """out (views, rows, columns) ← the samples of x (nz, ny, nx).

        factors: (views, bins) complex."""
        ours, scale = self._arrays(x), self._factors(factors, x)
        fft, threads = transforms.library(x)
        for part, width in _blocks(x.shape[0]):
            half = self._spectrum(x[part], width, ours)
            for views in self._chunks(width, x.itemsize):
                values = self._values(views, width, x)
                some = slice(views.start * self.bins, views.stop * self.bins)
                gridding.interpolate(
                    ours["cells"][some], ours["weights"][some], scale[some],
                    views.stop - views.start, self.points(x.dtype).pitch, _rows(half),
                    _rows(values),
                )  # fmt: skip
                samples = fft.irfft(values, self.length, axis=1, **threads)
                count = views.stop - views.start
                order, ones = np.arange(count), np.ones(count, x.dtype)
                stacking.unpack(samples, *_there(x, order, ones), out[views, part])

    def backproject(self, y: Any, factors: Any, out: Any) -> None:
        """out (nz, ny, nx) ← the transpose of `project`, of y (views, rows, columns)."""
        ours = self._arrays(y)
        scale = self._factors(factors * self._shares(), y)
        for part, width in _blocks(out.shape[0]):
            values = self._spectra(y[:, part], width)
            half = self._half(width, y)
            half[...] = 0
            gridding.spread(
                ours["cells"], ours["weights"], scale, ours["order"], ours["starts"],
                ours["tiles"], self.points(y.dtype).pitch, _rows(values), _grid(half),
            )  # fmt: skip
            self._collect(half, ours, out[part])

    @property
    def bins(self) -> int:
        return self.length // 2 + 1

    def work_bytes(self, itemsize: int) -> int:
        """Bytes of the points, and of a block of slices and its transforms."""
        points = self.points(np.float32 if itemsize == 4 else np.float64)
        width = next((w for w in WIDTHS if w >= self.grid.shape[0]), WIDTHS[-1])
        ny, views = self.grid.shape[1], len(self.scan)
        numbers = 2 * math.prod(points.padded) + 2 * ny * points.size[1] + 2 * views * self.bins
        chunk = 2 * CHUNK
        return points.cells.nbytes + points.weights.nbytes + numbers * width * itemsize + chunk

    def _shares(self) -> Any:
        """Of the bins, in the transpose of a real transform's inverse."""
        shares = np.full(self.bins, 2 / self.length)
        shares[0] = 1 / self.length
        if self.length % 2 == 0:
            shares[-1] = 1 / self.length
        return shares

    def _factors(self, factors: Any, like: Any) -> Any:
        numbers = np.stack([factors.real, factors.imag], axis=-1).reshape(-1, 2)
        return arrays.namespace(like).asarray(numbers.astype(like.dtype))

    def _chunks(self, width: int, itemsize: int) -> Iterator[slice]:
        """Views that are transformed together."""
        each = max(CHUNK // (2 * width * self.bins * itemsize), 1)
        for start in range(0, len(self.scan), each):
            cancellation_point()
            yield slice(start, min(start + each, len(self.scan)))

    def _half(self, width: int, like: Any) -> Any:
        """Half of the grid of frequencies with its margin, (rows, columns, slices) complex."""
        return self._held("half", (*self.points(like.dtype).padded, width), like, True)

    def _values(self, views: slice, width: int, like: Any) -> Any:
        shape = views.stop - views.start, self.bins, width
        return self._held("values", shape, like, True)

    def _held(self, name: str, shape: tuple[int, ...], like: Any, is_complex: bool) -> Any:
        """Memory that is kept: zeros when it is new."""
        key = name, shape, like.dtype, arrays.namespace(like).__name__
        if key not in self._memory:
            xp = arrays.namespace(like)
            self._memory[key] = xp.zeros(
                shape, np.result_type(like.dtype, np.complex64) if is_complex else like.dtype
            )
        return self._memory[key]

    def _spectrum(self, x: Any, width: int, ours: dict[str, Any]) -> Any:
        """Half of the transform of slices on the fine grid, with its margin."""
        points = self.points(x.dtype)
        (tall, wide), (ny, nx), m = points.size, x.shape[1:], points.margin
        fft, threads = transforms.library(x)
        block = self._held("slices", (ny, wide, width), x, False)
        gridding.place(x, ours["tall"], ours["wide"], nx // 2, block)
        rows = fft.rfft(block, axis=1, **threads)
        half = self._half(width, x)
        inside = half[m : m + tall, m : m + wide // 2 + 1]
        above = ny // 2
        inside[: ny - above], inside[tall - above :] = rows[above:], rows[:above]
        inside[ny - above : tall - above] = 0
        found = fft.fft(inside, axis=0, overwrite_x=True, **threads)
        if not np.shares_memory(found, inside):
            inside[...] = found
        self._fill_margin(half, points)
        return half

    def _fill_margin(self, half: Any, points: PolarPoints) -> None:
        (tall, wide), m = points.size, points.margin
        opposite = -np.arange(tall) % tall
        inside, last = half[m : m + tall, m : m + wide // 2 + 1], wide // 2
        half[m : m + tall, :m] = inside[opposite, m:0:-1].conj()
        half[m : m + tall, m + last + 1 :] = inside[opposite, last - 1 : last - 1 - m : -1].conj()
        half[:m], half[m + tall :] = half[tall : tall + m].copy(), half[m : 2 * m]

    def _fold_margin(self, half: Any, points: PolarPoints) -> None:
        (tall, wide), m = points.size, points.margin
        opposite = -np.arange(tall) % tall
        inside, last = half[m : m + tall, m : m + wide // 2 + 1], wide // 2
        half[tall : tall + m] += half[:m]
        half[m : 2 * m] += half[m + tall :]
        inside[:, m:0:-1] += half[m : m + tall, :m][opposite].conj()
        inside[:, last - 1 : last - 1 - m : -1] += half[m : m + tall, m + last + 1 :][
            opposite
        ].conj()

    def _spectra(self, y: Any, width: int) -> Any:
        """The transforms of all views, (views, bins, slices)."""
        fft, threads = transforms.library(y)
        values = self._values(slice(0, len(self.scan)), width, y)
        for views in self._chunks(width, y.itemsize):
            count = views.stop - views.start
            block = self._held("views", (count, self.length, width), y, False)
            order, ones = np.arange(count), np.ones(count, y.dtype)
            stacking.pack(y[views], *_there(y, order, ones), block)
            values[views] = fft.rfft(block, axis=1, **threads)
        return values

    def _collect(self, half: Any, ours: dict[str, Any], out: Any) -> None:
        """out ← the transpose of `_spectrum`."""
        points = self.points(out.dtype)
        (tall, wide), (ny, nx), m = points.size, out.shape[1:], points.margin
        fft, threads = transforms.library(out)
        self._fold_margin(half, points)
        inside = half[m : m + tall, m : m + wide // 2 + 1]
        rows = fft.ifft(inside, axis=0, overwrite_x=True, norm="forward", **threads)
        above = ny // 2
        xp = arrays.namespace(out)
        rows = xp.concatenate([rows[tall - above :], rows[: ny - above]])
        rows[:, 0] *= 2
        rows[:, -1] *= 2
        block = fft.irfft(rows, wide, axis=1, norm="forward", **threads)
        gridding.collect(block, ours["tall"] / 2, ours["wide"], nx // 2, out)


def _blocks(slices: int) -> Iterator[tuple[slice, int]]:
    """(slices, width of their block) that cover a stack."""
    start = 0
    while start < slices:
        width = next((w for w in WIDTHS if w >= slices - start), WIDTHS[-1])
        yield slice(start, min(start + width, slices)), width
        start += width


def _rows(numbers: Any) -> Any:
    """Complex numbers (…, slices) as a flat array of rows for the kernels."""
    width = 2 * numbers.shape[-1]
    real = numbers.view(numbers.real.dtype).reshape(-1, 1, width)
    return real if arrays.is_device(numbers) else real.reshape(-1).view(lanes(real.dtype, width))


def _grid(half: Any) -> Any:
    """The grid as `gridding.spread` writes it."""
    if not arrays.is_device(half):
        return _rows(half)
    return half.view(half.real.dtype)


def _there(like: Any, *given: Any) -> list[Any]:
    return [arrays.namespace(like).asarray(one) for one in given]


class FourierProjector(LinearOperator):
    """Line integrals y = A x of a volume along parallel rays, by Fourier transforms.

    x (nz, ny, nx) [1/length] → y (views, rows, columns) [1]; the transpose is exact.  A voxel is a
    square of constant value; a view holds of its shadow what lies below the bandwidth of the
    columns, at their middles.  Where the object has no detail finer than two voxels, this is
    its line integral.  Between 1.5 times as many frequencies as voxels a window interpolates.

    Args:
        scan: a ParallelBeam; views at any angles.
        grid: voxels of the volume; by default scan.default_grid(), one voxel a pixel.
        accuracy: of the interpolation, relative to the largest value: from 1e-3 to 1e-6 in
            float32, to 1e-12 in float64.
    Raises:
        ArgumentError: for another scan, grid or accuracy.
    Source:
        A. H. Barnett, J. Magland and L. af Klinteberg, SIAM J. Sci. Comput. 41 (2019) C479: the
        window; J. D. O'Sullivan, IEEE Trans. Med. Imaging 4 (1985) 200: gridding in tomography.

    Example:
        >>> scan = pr.ParallelBeam(np.arange(0, 180, 4), (1, 33), angle_unit="deg")
        >>> x = np.zeros((1, 33, 33), np.float32)
        >>> x[0, 12:20, 10:25] = 1
        >>> A, direct = pr.FourierProjector(scan), pr.Projector(scan)
        >>> bool(abs(A @ x - direct @ x).max() < 0.2 * (direct @ x).max())
        True
        >>> pr.check_adjoint(A) < 1e-6
        True
    """

    nonnegative = False
    slices: tuple[int, int] | None = (0, 1)

    def __init__(
        self, scan: ParallelBeam, grid: Grid | None = None, accuracy: float = 1e-4
    ) -> None:
        if not isinstance(scan, ParallelBeam):
            raise ArgumentError(
                f"FourierProjector.scan: expected a pr.ParallelBeam, got {brief(scan)}; use "
                "pr.Projector for others"
            )
        if grid is not None:
            require("FourierProjector.grid", grid, Grid, "scan.default_grid()")
        if not (isinstance(accuracy, float) and FINEST <= accuracy <= COARSEST):
            raise ArgumentError(
                f"FourierProjector.accuracy: expected {FINEST:g} to {COARSEST:g}, got "
                f"{brief(accuracy)}"
            )
        self.scan, self.grid = scan, scan.default_grid() if grid is None else grid
        check_rows("FourierProjector", scan, self.grid)
        self.in_shape, self.out_shape, self.accuracy = self.grid.shape, scan.shape, accuracy
        self._engine = PolarTransform(scan, self.grid, samples(scan, self.grid), accuracy)

    @cached_property
    def _transfer(self) -> Any:
        return transfer(self.scan, self.grid, self._engine.length, voxels=True)

    def _forward(self, x: Any, out: Any) -> None:
        if 0 in x.shape or 0 in out.shape:
            vectors.fill(out, 0)
        else:
            self._engine.project(x, self._transfer, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        if 0 in y.shape or 0 in out.shape:
            vectors.fill(out, 0)
        else:
            self._engine.backproject(y, self._transfer, out)

    def one_slice(self) -> FourierProjector:
        one = slice(0, 1)
        return FourierProjector(self.scan.part(one), self.grid.part(one), self.accuracy)

    def work_bytes(self, itemsize: int) -> int:
        """Bytes held between calls besides x and y, for elements of `itemsize` bytes."""
        return self._engine.work_bytes(itemsize)

    def __getitem__(self, views: Any) -> FourierProjector:
        return FourierProjector(self.scan[views], self.grid, self.accuracy)


def samples(scan: ParallelBeam, grid: Grid) -> int:
    """Samples of a view, a column apart, so many that the shadow of the grid, which repeats, does
    not reach the detector again."""
    corners = np.hypot(*(np.abs(grid.axis(k)[[0, -1]]).max() + grid.pitch[k] for k in (1, 2)))
    center = float(scan.center or 0)
    aside = max(center, scan.shape[2] - 1 - center) + MARGIN
    least = max(corners / scan.column_pitch + aside, scan.shape[2])
    return int(scipy.fft.next_fast_len(math.ceil(least), real=True))


def transfer(scan: ParallelBeam, grid: Grid, length: int, voxels: bool) -> Any:
    """(views, bins) by which the transform of a slice, its middle voxel at 0, becomes that of a
    view, its first column at 0, to be summed over bins: of square voxels, or of points."""
    frequencies = np.fft.rfftfreq(length, scan.column_pitch)
    found = np.exp(-2j * np.pi * float(scan.center or 0) * scan.column_pitch * frequencies)
    found = np.tile(found, (len(scan), 1))
    for k, along in ((1, np.sin(scan.radians)), (2, np.cos(scan.radians))):
        there = np.multiply.outer(along, frequencies)
        middle = grid.axis(k)[grid.shape[k] // 2]
        found *= np.exp(-2j * np.pi * there * middle)
        if voxels:
            found *= np.sinc(there * grid.pitch[k]) * grid.pitch[k]
    return found / scan.column_pitch if voxels else found
