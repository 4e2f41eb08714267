"""What slices can explain of rows of a scan, in few iterations.

Conjugate gradients on the weighted residual are slow where AᵀWA is small: at high frequencies, by
which AᵀA divides, and behind the object, where W is small.  With x = D S u, S the root of the ramp
filter and D the root of (Aᵀ1 / AᵀW1), 8 iterations come as far as 40 plain ones: Clinthorne et al.,
IEEE Trans. Med. Imaging 12 (1993) 78; Fessler and Booth, IEEE Trans. Image Proc. 8 (1999) 688."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physrecon.analytic.fbp import fbp
from physrecon.analytic.fdk import fdk
from physrecon.geometry.fan_beam import FanBeam
from physrecon.geometry.grid import Grid
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.likelihoods import LeastSquares
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.projector import Projector
from physrecon.problem import Problem
from physrecon.solvers import Stop, solve
from physrecon.solvers.conjugate_gradient import ConjugateGradient

ITERATIONS = 8  # more fit noise
FLOOR = 1.0  # period across the slice, added to every frequency: the mean is learned too
NEAR = 1.0  # of the half width: before the axis of a fan, where its voxels fit its rays
TOGETHER = 16  # rows that are fitted at a time, for the memory

Array = NDArray[np.floating[Any]]


class RowFit:
    """Slices as wide as `width` voxels of the default grid, fitted to rows of one scan.

    weights: (views, 1, columns)."""

    def __init__(self, scan: ParallelBeam | FanBeam, weights: Array, width: int) -> None:
        self.scan, self.weights, self.width = scan, weights, width
        finer = 1.0
        if isinstance(scan, FanBeam):  # rays are closer before the axis
            half = NEAR * width * scan.default_grid().pitch[2] / 2
            finer = scan.source_origin / max(scan.source_origin - half, half)
        self.across = across = round(finer * width)
        at = np.arange(across) - (across - 1) / 2
        self.disc = np.hypot(at[:, None], at) <= (across + 1) / 2
        A = Projector(scan, self.grid(scan))
        ones = A.T @ np.ones(scan.shape, np.float32)
        weighed = A.T @ np.ascontiguousarray(weights)
        least = 1e-3 * float(weighed.max()) or 1.0
        self._scale = np.sqrt(ones / np.maximum(weighed, least)).astype(np.float32)
        self._scale *= self.disc  # what few views see of the corners is learned slowly

    def grid(self, scan: ParallelBeam | FanBeam) -> Grid:
        """That of slices for the rows of a scan."""
        grid, n = scan.default_grid(self.width), self.across
        dz, dx = grid.pitch[0], grid.pitch[2] * self.width / n
        return grid if n == self.width else Grid((grid.shape[0], n, n), (dz, dx, dx), grid.center)

    def start(self, y: Array) -> Array:
        """y without its filtered backprojection."""
        scan, grid = self.scan, self.grid(self.scan)
        if isinstance(scan, ParallelBeam):
            slices = fbp(y, scan, grid, padding="edge")
        else:
            slices = fdk(y, scan, grid, padding="edge")
        return y - Projector(scan, grid) @ (slices * self.disc)

    def thickness(self, bend: Array) -> Array:
        """How a row of a fan changes, to a factor, as it grows thicker along its rays.

        bend: second difference of the row along the axis.  A voxel d behind the axis is seen in a
        layer s = 1 + d / source_origin times as thick, and the bend counts with s² - 1."""
        scan, grid = self.scan, self.grid(self.scan)
        assert isinstance(scan, FanBeam)
        x = self._slices(bend)[1]
        across, along = (grid.axis(k).astype(x.dtype) / scan.source_origin for k in (2, 1))
        along = along[:, None]
        parts = (along, across, along**2, along * across, across**2)
        slices = np.concatenate([x * part for part in parts])
        many = replace(scan, detector_shape=(len(parts), scan.shape[2]))
        y, x_, yy, xy, xx = np.moveaxis(Projector(many, self.grid(many)) @ slices, 1, 0)
        turn = scan.radians.astype(x.dtype)[:, None]
        c, s = np.cos(turn), np.sin(turn)
        return np.asarray(2 * (c * y - s * x_) + c * c * yy - 2 * c * s * xy + s * s * xx)[:, None]

    def unexplained(self, r: Array) -> Array:
        """r (views, rows, columns), any number of rows, without what a slice explains of each."""
        parts = [self._slices(r[:, i : i + TOGETHER])[0] for i in range(0, r.shape[1], TOGETHER)]
        return np.concatenate(parts, axis=1)

    def _slices(self, r: Array) -> tuple[Array, Array]:
        """(r without what slices explain of it, the slices)."""
        scan = replace(self.scan, detector_shape=r.shape[1:])
        A = Projector(scan, self.grid(scan))
        S = _Preconditioner(A.in_shape, self._scale)
        B = A @ S
        y = np.ascontiguousarray(r, np.float32)
        f = LeastSquares(B, y, weights=np.ascontiguousarray(np.broadcast_to(self.weights, y.shape)))
        stop = Stop(iterations=ITERATIONS)
        u = solve(Problem(f), ConjugateGradient(), None, stop).x
        return y - B @ u, S @ u


class _Preconditioner(LinearOperator):
    """D S: √(f + f₀) on each slice, f the spatial frequency, then a factor for each voxel."""

    slices = (0, 0)

    def __init__(self, shape: tuple[int, ...], scale: Array) -> None:
        self.in_shape = self.out_shape = shape
        self._scale = scale
        # zeros around the slice, as the ramp filter has them
        ny, nx = self._size = tuple(fft.next_fast_len(2 * n, real=True) for n in shape[1:])
        f = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx))
        self._response = np.sqrt(f + FLOOR / shape[-1]).astype(np.float32)

    def _filtered(self, x: Array) -> Array:
        spectrum = fft.rfft2(x, self._size)
        spectrum *= self._response
        return fft.irfft2(spectrum, self._size)[:, : x.shape[1], : x.shape[2]]

    def _forward(self, x: Array, out: Array) -> None:
        np.multiply(self._filtered(x), self._scale, out=out)

    def _adjoint(self, y: Array, out: Array) -> None:
        out[...] = self._filtered(y * self._scale)
