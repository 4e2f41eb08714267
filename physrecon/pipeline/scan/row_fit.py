"""What slices can explain of rows of a scan, in few iterations.

Conjugate gradients on the weighted residual are slow where AᵀWA is small: at high frequencies, by
which AᵀA divides, and behind the object, where W is small.  With x = D S u, S the root of the ramp
filter and D the root of (Aᵀ1 / AᵀW1), 8 iterations come as far as 40 plain ones: Clinthorne et al.,
IEEE Trans. Med. Imaging 12 (1993) 78; Fessler and Booth, IEEE Trans. Image Proc. 8 (1999) 688."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physrecon.analytic.fbp import fbp
from physrecon.geometry.parallel_beam import ParallelBeam
from physrecon.likelihoods import LeastSquares
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.projector import Projector
from physrecon.problem import Problem
from physrecon.solvers import Stop, solve
from physrecon.solvers.conjugate_gradient import ConjugateGradient

ITERATIONS = 8  # more fit noise
FLOOR = 1.0  # period across the slice, added to every frequency: the mean is learned too
TOGETHER = 16  # rows that are fitted at a time, for the memory

Array = NDArray[np.floating[Any]]


class RowFit:
    """Slices of `width` voxels, fitted to rows of one scan with the weights (views, 1, columns)."""

    def __init__(self, scan: ParallelBeam, weights: Array, width: int) -> None:
        self.scan, self.weights, self.width = scan, weights, width
        at = np.arange(width) - (width - 1) / 2
        self.disc = np.hypot(at[:, None], at) <= (width + 1) / 2
        A = Projector(scan, scan.default_grid(width))
        ones = A.T @ np.ones(scan.shape, np.float32)
        weighed = A.T @ np.ascontiguousarray(weights)
        least = 1e-3 * float(weighed.max()) or 1.0
        self._scale = np.sqrt(ones / np.maximum(weighed, least)).astype(np.float32)
        self._scale *= self.disc  # what few views see of the corners is learned slowly

    def start(self, y: Array) -> Array:
        """y without its filtered backprojection."""
        slices = fbp(y, self.scan, self.scan.default_grid(self.width), padding="edge") * self.disc
        return y - Projector(self.scan, self.scan.default_grid(self.width)) @ slices

    def unexplained(self, r: Array) -> Array:
        """r (views, rows, columns), any number of rows, without what a slice explains of each."""
        parts = [self._part(r[:, i : i + TOGETHER]) for i in range(0, r.shape[1], TOGETHER)]
        return np.concatenate(parts, axis=1)

    def _part(self, r: Array) -> Array:
        rows = r.shape[1]
        scan = ParallelBeam(
            self.scan.radians,
            (rows, r.shape[2]),
            angle_unit="rad",
            pixel_size=(self.scan.row_pitch, self.scan.column_pitch),
            center=self.scan.center,
        )
        A = Projector(scan, scan.default_grid(self.width))
        B = A @ _Preconditioner(A.in_shape, self._scale)
        y = np.ascontiguousarray(r, np.float32)
        f = LeastSquares(B, y, weights=np.ascontiguousarray(np.broadcast_to(self.weights, y.shape)))
        stop = Stop(iterations=ITERATIONS)
        return y - B @ solve(Problem(f), ConjugateGradient(), None, stop).x


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
