"""The linear problem of a step: a volume and motions of the scan that explain what is left.

    min ‖y - A x - M q‖² over x and q

by conjugate gradients, preconditioned: x by the ramp filter, a motion by the size of its
derivative.  A slow motion is told by little, so that many iterations are needed for it; one that
changes from view to view by few."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.cancellation import cancellation_point
from physrecon.operators.base import LinearOperator
from physrecon.operators.projection.projector import Projector
from physrecon.operators.projection.ray_derivatives import RayDerivative

Array = NDArray[np.float64]

AXES = (0, 2)  # of shifts: z and u; along the beam they hardly move the picture


class Motion(LinearOperator):
    """The parameters that are free, as one vector of numbers alike in weight, → projections.

    parts: derivatives, and the axes that are free.  fixed: (n, m) orthonormal changes that no data
    tell.  weights: (m,) change of a parameter for a unit of the vector."""

    def __init__(
        self, parts: list[tuple[RayDerivative, tuple[int, ...]]], fixed: Array, weights: Array
    ) -> None:
        self._parts, self._fixed, self._weights = parts, fixed, weights
        self.in_shape, self.out_shape = (len(weights),), parts[0][0].out_shape
        self.dtype = parts[0][0].dtype

    def changes(self, q: Any) -> Array:
        """(m,) changes of the parameters in their units."""
        return self._told(np.asarray(q, np.float64) * self._weights)

    def _told(self, theta: Array) -> Array:
        return np.asarray(theta - self._fixed.T @ (self._fixed @ theta))

    def _forward(self, x: Any, out: Any) -> None:
        out[...] = 0
        for (J, axes), theta in zip(self._parts, self.split(self.changes(x)), strict=True):
            change = np.zeros((*J.in_shape[:1], J.columns.shape[0]))
            change[:, axes] = theta.reshape(-1, len(axes))
            out += J @ change.reshape(J.in_shape).astype(x.dtype)

    def _adjoint(self, y: Any, out: Any) -> None:
        pulled = [
            (J.T @ y).astype(np.float64).reshape(J.in_shape[0], -1)[:, axes].ravel()
            for J, axes in self._parts
        ]
        out[...] = self._told(np.concatenate(pulled)) * self._weights

    def split(self, theta: Array) -> list[Array]:
        """The numbers of each parameter."""
        counts = [J.in_shape[0] * len(axes) for J, axes in self._parts]
        return np.split(theta, np.cumsum(counts)[:-1])


def _axes(name: str, J: RayDerivative) -> tuple[int, ...]:
    return AXES if len(J.columns) == 3 else (0,)


def motion_of(scan: Any, free: tuple[str, ...], derivatives: list[RayDerivative]) -> Motion:
    """The free parameters of a scan from their derivatives, in the order of their names."""
    parts = [(J, _axes(n, J)) for n, J in zip(free, derivatives, strict=True)]
    energies = []
    for J, axes in parts:
        each = np.sqrt((J.columns.astype(np.float64) ** 2).sum(axis=(2, 3)))[list(axes)].T
        energies.append(each.ravel() if J.in_shape[0] > 1 else np.sqrt((each**2).sum(0)))
    lengths = np.concatenate(energies)
    floor = 1e-6 * lengths.max(initial=1e-30)
    return Motion(parts, fixed_changes(scan, free, parts), 1 / np.maximum(lengths, floor))


def fixed_changes(
    scan: Any, free: tuple[str, ...], parts: list[tuple[RayDerivative, tuple[int, ...]]]
) -> Array:
    """(n, m) orthonormal changes of the free parameters that show the same, or nearly."""
    views, sizes = scan.shape[0], [J.in_shape[0] * len(axes) for J, axes in parts]
    found = []
    for k, name in enumerate(free):
        ways: list[Array] = []
        if name == "shifts":
            turn, zero = scan.radians, np.zeros(views)
            ways = [np.stack([zero + 1, zero], 1)]
            ways += [np.stack([zero, wave], 1) for wave in (np.cos(turn), np.sin(turn))]
            ways += [np.stack([zero, zero + 1], 1)] if "center" in free else []
        if name == "angles":
            ways = [np.ones(views)]
        for way in ways:
            whole = [np.zeros(n) for n in sizes]
            whole[k] = way.ravel()
            found.append(np.concatenate(whole))
    if not found:
        return np.zeros((0, sum(sizes)))
    u, s, _ = np.linalg.svd(np.stack(found, axis=1), full_matrices=False)
    return np.asarray(u[:, s > 1e-6 * s[0]].T)


class Ramp:
    """|ω| of a slice, with a Hann window: nearly the inverse of AᵀA, whose spectrum falls as 1/|ω|.

    It is scaled by one product, so that A × ramp × Aᵀ is near 1 where a volume is seen."""

    def __init__(self, A: Projector, like: Any) -> None:
        _nz, ny, nx = A.grid.shape
        waves = [np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None]]
        size = np.minimum(np.hypot(*waves), 0.5)
        self._shape, self._gain = (ny, nx), (size + 0.5 / max(ny, nx)) * np.cos(np.pi * size) ** 2
        self._gain += 0.01 * self._gain.max()
        noise = np.random.default_rng(0).standard_normal(A.in_shape).astype(like.dtype)
        seen = self(A.T @ (A @ noise))
        self._gain /= max(dot(seen, noise) / dot(noise, noise), 1e-30)

    def __call__(self, x: Any) -> Any:
        spectrum = np.fft.rfft2(x, axes=(1, 2)) * self._gain
        return np.fft.irfft2(spectrum, s=self._shape, axes=(1, 2)).astype(x.dtype)


def fit(
    A: Projector, ramp: Ramp, y: Any, iterations: int, motion: Motion | None = None
) -> tuple[Any, Any, Any]:
    """(x, q, y - A x - motion q) after iterations of preconditioned conjugate gradients from 0."""
    count, number = motion.in_shape[0] if motion else 0, y.dtype.type
    x, q, rest = np.zeros(A.in_shape, y.dtype), np.zeros(count, y.dtype), y.copy()
    p: Any = 0
    w: Any = np.zeros(count, y.dtype)
    before = 0.0
    for _ in range(iterations):
        cancellation_point()
        s = A.T @ rest
        z, t = ramp(s), motion.T @ rest if motion else q
        gamma = dot(s, z) + dot(t, t)
        if not gamma > 0:
            break
        ratio = number(gamma / before if before else 0.0)
        p, w, before = z + ratio * p, t + ratio * w, gamma
        ahead = A @ p
        if motion:
            ahead += motion @ w
        step = number(gamma / dot(ahead, ahead))
        x += step * p
        q += step * w
        rest -= step * ahead
    return x, q, rest


def dot(a: Any, b: Any) -> float:
    """Σ a b in float64."""
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))
