"""Phantoms with known truth: the Shepp–Logan head, random ellipses and ellipsoids, a foam.

All are `Ellipses` or `Ellipsoids` within the disc (the cylinder) of radius 1 about the axis of
rotation; `phantom.fitted(grid)` scales them to a grid.  The object, the sum of its bodies, is
nowhere negative, and so no voxel is: a voxel is a mean of values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physrecon.datasets.ellipses import Ellipses, Ellipsoids
from physrecon.errors import ArgumentError
from physrecon.geometry.grid import Grid

# Columns value, a, b, x, y, φ of the ellipses in the plane; `_SEMI_AXIS_C`, `_CENTER_Z` add c, z.
_PLANE = [
    (1.0, 0.6900, 0.9200, 0.00, 0.0000, 0),
    (-0.8, 0.6624, 0.8740, 0.00, -0.0184, 0),
    (-0.2, 0.1100, 0.3100, 0.22, 0.0000, -18),
    (-0.2, 0.1600, 0.4100, -0.22, 0.0000, 18),
    (0.1, 0.2100, 0.2500, 0.00, 0.3500, 0),
    (0.1, 0.0460, 0.0460, 0.00, 0.1000, 0),
    (0.1, 0.0460, 0.0460, 0.00, -0.1000, 0),
    (0.1, 0.0460, 0.0230, -0.08, -0.6050, 0),
    (0.1, 0.0230, 0.0230, 0.00, -0.6060, 0),
    (0.1, 0.0230, 0.0460, 0.06, -0.6050, 0),
]
_SEMI_AXIS_C = (0.81, 0.78, 0.22, 0.28, 0.41, 0.05, 0.05, 0.05, 0.02, 0.02)
_CENTER_Z = (0, 0, 0, 0, -0.15, 0.25, 0.25, 0, 0, 0)
_MARGIN = 0.95  # of the field of view, so that the head does not touch its edge
_RADIUS = 0.85  # of the random objects: leaves room for an off-centre axis


def shepp_logan_phantom(dimensions: int) -> Ellipsoids:
    """The modified Shepp–Logan head in 2 or 3 dimensions, in units of half the field of view.

    Contrasts after Toft (1996), *The Radon Transform*, table B.3; the third dimension after
    Kak and Slaney (1988), p. 102, as tabulated by Schabel (2006), with the two oblique
    ventricles turned about z only.  The head fills 0.95 of the field.

    >>> head = pr.datasets.shepp_logan_phantom(2)
    >>> x = head.volume(pr.Grid((1, 33, 33), voxel_size=2 / 33))
    >>> x.shape, f"{x.max():.1f}"
    ((1, 33, 33), '1.0')
    """
    if dimensions not in (2, 3):
        raise ArgumentError(f"shepp_logan_phantom: expected 2 or 3 dimensions, got {dimensions!r}")
    if dimensions == 2:
        return Ellipses(_PLANE).scaled(_MARGIN)
    table = np.insert(np.array(_PLANE), [3, 5], np.transpose([_SEMI_AXIS_C, _CENTER_Z]), axis=1)
    return Ellipsoids(table).scaled(_MARGIN)


def shepp_logan(shape: Sequence[int], supersample: int = 4) -> NDArray[np.float32]:
    """The modified Shepp–Logan head as a float32 array: (ny, nx), or (nz, ny, nx) in 3-D.

    Voxels are cubes.  Half the shorter side in the plane has length 1, so few slices contain the
    middle of the head.  y grows with the row index: show it with `origin="lower"`.  Values as in
    `shepp_logan_phantom`.

    >>> x = pr.datasets.shepp_logan((65, 65))
    >>> f"skull {x.max():.1f}, brain {x[32, 32]:.1f}, air {x[0, 0]:.1f}"
    'skull 1.0, brain 0.2, air 0.0'
    """
    if len(shape) not in (2, 3):
        raise ArgumentError(f"shepp_logan: expected (ny, nx) or (nz, ny, nx), got {shape!r}")
    grid = Grid((1,) * (3 - len(shape)) + tuple(shape))  # type: ignore[arg-type]
    phantom = shepp_logan_phantom(len(shape)).fitted(grid)
    return phantom.volume(grid, supersample).reshape(shape)


def _generator(where: str, n: int, seed: int) -> np.random.Generator:
    if int(n) != n or n < 0:
        raise ArgumentError(f"{where}: expected a whole number of bodies >= 0, got {n!r}")
    return np.random.default_rng(seed)


def _random_table(rng: np.random.Generator, n: int, semi_axes: int) -> NDArray[np.float64]:
    """n bodies (value, semi-axes, x, y, φ) that stay within the radius of the object."""
    axes = rng.uniform(0.04, 0.25, (n, semi_axes))
    reach = (_RADIUS - axes.max(axis=1, initial=0)) * np.sqrt(rng.uniform(0, 1, n))
    turn = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack(
        [
            rng.uniform(0.1, 1.0, n),
            axes,
            reach * np.cos(turn),
            reach * np.sin(turn),
            rng.uniform(0, 180, n),
        ]
    )


def random_ellipses(n: int = 20, seed: int = 0) -> Ellipses:
    """n ellipses of random position, shape and direction, values 0.1 … 1, which add up.

    All are within the disc of radius 0.85.

    >>> x = pr.datasets.random_ellipses(n=5).volume(pr.Grid((2, 33, 33), voxel_size=2 / 33))
    >>> x.shape, np.array_equal(x[0], x[1])
    ((2, 33, 33), True)
    """
    return Ellipses(_random_table(_generator("random_ellipses", n, seed), n, 2))


def random_ellipsoids(n: int = 60, seed: int = 0) -> Ellipsoids:
    """n ellipsoids of random position and shape, values 0.1 … 1, which add up.

    All are within the cylinder of radius 0.85 and half-height 1.

    >>> x = pr.datasets.random_ellipsoids(n=5).volume(pr.Grid((9, 9, 9), voxel_size=2 / 9))
    >>> x.shape, bool(x.min() >= 0)
    ((9, 9, 9), True)
    """
    rng = _generator("random_ellipsoids", n, seed)
    table = _random_table(rng, n, 3)
    z = rng.uniform(-1, 1, n) * (1 - table[:, 3])
    return Ellipsoids(np.insert(table, 6, z, axis=1))


def foam(n: int = 300, seed: int = 0) -> Ellipsoids:
    """A cylinder (value 1, radius 0.85, along z) with n spherical voids that do not touch.

    Voids are between z = -1 and 1.  Centre and radius are drawn at random; neighbours limit the
    radius, and a centre with too little room is discarded.  ArgumentError if n voids do not fit.
    After the foam phantoms of Pelt, Hendriksen and Batenburg (2022), J. Synchrotron
    Rad. 29, 254.

    >>> x = pr.datasets.foam(n=20).volume(pr.Grid((1, 33, 33), voxel_size=2 / 33))
    >>> x.shape, float(x.min()), float(x.max())
    ((1, 33, 33), 0.0, 1.0)
    """
    rng = _generator("foam", n, seed)
    smallest, largest = np.array([0.2, 1.0]) * max(n, 1) ** (-1 / 3)
    centres, radii = np.empty((n, 3)), np.empty(n)
    placed = 0
    for _ in range(200 * n):
        if placed == n:
            break
        centre = rng.uniform(-1, 1, 3)
        drawn = rng.uniform(smallest, largest)
        free = min(
            _RADIUS - np.hypot(centre[0], centre[1]),
            1 - abs(centre[2]),
            np.min(
                np.linalg.norm(centres[:placed] - centre, axis=1) - radii[:placed], initial=np.inf
            ),
        )
        if 0.95 * free >= smallest:  # leaves a wall between neighbours
            centres[placed], radii[placed] = centre, min(drawn, 0.95 * free)
            placed += 1
    if placed < n:
        raise ArgumentError(f"foam: room for {placed} of {n} voids; ask for fewer")
    void = np.column_stack([-np.ones(n), radii, radii, radii, centres, np.zeros(n)])
    cylinder = [1.0, _RADIUS, _RADIUS, np.inf, 0.0, 0.0, 0.0, 0.0]
    return Ellipsoids(np.vstack([cylinder, void]))
