"""Synthetic specimens of fluorescence microscopy: filaments, shells and beads, bright on dark.

A voxel has the brightness at its centre.  Across the surface of a body the brightness falls to 0
over the finest pitch, so that thin bodies look nearly the same at any position on the grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physrecon.errors import ArgumentError

# Lengths are fractions of the shortest side in the plane.
_FILAMENT, _BEAD = 0.007, 0.012  # radii
_SHELL, _WALL = (0.07, 0.13), 0.008  # radii, half the thickness
_STEP, _TURN = 0.01, 0.22  # of a filament: distance of points; change of direction [rad]
_POINTS = 110  # of a filament, at most
_BRIGHTNESS = {"filament": 1.0, "shell": 0.6, "bead": 1.5}
_MARGIN = 0.12  # fraction of every side that stays dark


def specimen(
    shape: Sequence[int],
    voxel_size: float | Sequence[float] = 1.0,
    seed: int = 0,
    filaments: int = 10,
    shells: int = 4,
    beads: int = 25,
) -> NDArray[np.float32]:
    """A float32 array (nz, ny, nx) of filaments (brightness 1), shells (0.6) and beads (1.5).

    voxel_size: one length or (z, y, x); bodies are round in voxels that are not cubes, too.  Where
    bodies overlap the brighter one counts.  Deterministic for a seed.  ArgumentError for a shape
    that is not 3-D, voxel sizes that are not positive, or negative numbers of bodies.

    >>> x = pr.datasets.specimen((9, 65, 65))
    >>> x.shape, float(x.min()), float(x.max())  # a bead is brightest
    ((9, 65, 65), 0.0, 1.5)
    """
    sizes = _checked(shape, voxel_size, (filaments, shells, beads))
    rng = np.random.default_rng(seed)
    canvas = _Canvas(tuple(shape), sizes)
    unit = canvas.unit
    for _ in range(filaments):
        for point in _curve(rng, canvas):
            canvas.add(point, _FILAMENT * unit, _BRIGHTNESS["filament"])
    for _ in range(shells):
        radius = rng.uniform(*_SHELL) * unit
        canvas.add(canvas.place(rng, radius), radius, _BRIGHTNESS["shell"], half_wall=_WALL * unit)
    for _ in range(beads):
        canvas.add(canvas.place(rng), _BEAD * unit, _BRIGHTNESS["bead"])
    return canvas.image


class _Canvas:
    """The image and its coordinates; points are (z, y, x), with 0 at the first corner."""

    def __init__(self, shape: tuple[int, ...], sizes: NDArray[np.float64]) -> None:
        self.image = np.zeros(shape, np.float32)
        self.sizes = sizes
        self.sides = np.array(shape) * sizes
        self.unit = float(self.sides[1:].min())

    def place(self, rng: np.random.Generator, radius: float = 0.0) -> NDArray[np.float64]:
        """A random point whose ball of this radius avoids the margin, if there is room."""
        inner = np.minimum(_MARGIN * self.sides + radius, self.sides / 2)
        return rng.uniform(inner, self.sides - inner)

    def add(
        self, point: NDArray[np.float64], radius: float, brightness: float, half_wall: float = 0.0
    ) -> None:
        """Draw a ball, or a shell of this radius if half_wall > 0."""
        soft = float(self.sizes.min())
        reach = radius + half_wall + soft
        first = np.maximum(np.floor((point - reach) / self.sizes), 0).astype(int)
        last = np.minimum(np.ceil((point + reach) / self.sizes), self.image.shape).astype(int)
        box = tuple(slice(i, j) for i, j in zip(first, last, strict=True))
        centres = ((np.arange(i, j) + 0.5) for i, j in zip(first, last, strict=True))
        grid = np.meshgrid(*centres, indexing="ij", sparse=True)
        away = (g * s - p for g, s, p in zip(grid, self.sizes, point, strict=True))
        distance = np.sqrt(sum(a**2 for a in away)) - radius
        outside = np.abs(distance) - half_wall if half_wall else distance
        part = self.image[box]
        np.maximum(part, brightness * np.clip(0.5 - outside / soft, 0, 1), out=part)


def _curve(rng: np.random.Generator, canvas: _Canvas) -> list[NDArray[np.float64]]:
    """Points of a filament that bends at random and ends at the margin."""
    point, turn = canvas.place(rng), rng.uniform(0, 2 * np.pi)
    rise = rng.uniform(-0.25, 0.25)
    margin = _MARGIN * canvas.sides
    points = []
    for _ in range(_POINTS):
        points.append(point)
        turn += rng.normal(0, _TURN)
        rise = 0.9 * rise + rng.normal(0, 0.05)
        step = np.array([rise, np.sin(turn), np.cos(turn)])
        point = point + _STEP * canvas.unit * step / np.linalg.norm(step)
        if (point < margin).any() or (point > canvas.sides - margin).any():
            break
    return points


def _checked(
    shape: Sequence[int], voxel_size: float | Sequence[float], counts: Sequence[int]
) -> NDArray[np.float64]:
    """The voxel size along each axis."""
    if len(shape) != 3 or min(shape) < 1:
        raise ArgumentError(f"specimen(shape): expected (nz, ny, nx), got {shape!r}")
    sizes = np.asarray(voxel_size, np.float64)
    if sizes.shape not in ((), (3,)) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ArgumentError(
            f"specimen(voxel_size): expected a length > 0 or (z, y, x), got {voxel_size!r}"
        )
    if min(counts) < 0:
        raise ArgumentError(f"specimen: expected numbers of bodies >= 0, got {counts!r}")
    return np.broadcast_to(sizes, 3)
