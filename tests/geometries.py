"""The odd scans of the zoo: every kernel of a parallel beam must be right on each of them."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr

_ODD = np.random.default_rng(5).uniform(-500, 800, 11)  # unsorted, negative, beyond 360°
_HALF = np.linspace(0, 180, 12, endpoint=False)

# name → (angles [deg], (rows, columns), pixel size, center, grid shape, voxel size)
_CASES = {
    "plain": (_HALF, (3, 15), 1.0, None, (3, 15, 15), 1.0),
    "any angles": (_ODD, (2, 13), 1.0, None, (2, 13, 13), 1.0),
    "right angles": ([0, 90, 180, 270, 45, 135, -45, 360], (1, 9), 1.0, None, (1, 9, 9), 1.0),
    "off-centre": (_ODD, (2, 13), 1.0, 3.3, (2, 11, 13), 1.0),
    "axis off the detector": (_HALF, (2, 13), 1.0, -4.7, (2, 17, 15), 1.0),
    "narrow detector": (_HALF, (1, 5), 1.0, None, (1, 21, 19), 1.0),
    "wide detector": (_HALF, (1, 41), 1.0, 19.0, (1, 9, 11), 1.0),
    "small pixels": (_ODD, (2, 31), 0.3, 14.1, (2, 9, 7), 1.0),
    "large pixels": (_ODD, (2, 7), 2.7, 2.9, (2, 19, 21), 1.0),
    "fine pixels": (_ODD, (2, 41), 0.6, 17.1, (2, 9, 27), 1.0),
    "coarse pixels": (_ODD, (2, 23), 1.9, 10.3, (2, 29, 43), 1.0),
    "oblong voxels": (_ODD, (1, 23), (2.0, 0.7), 10.4, (1, 9, 17), (2.0, 1.9, 0.6)),
    "oblong grid": (_HALF, (1, 23), 1.0, None, (1, 5, 37), 1.0),
    "one view": ([33.0], (2, 9), 1.0, None, (2, 9, 9), 1.0),
    "one view across": ([57.0], (2, 9), 1.0, None, (2, 9, 9), 1.0),
    "one slice": (_HALF, (1, 17), 1.0, 8.2, (1, 17, 17), 1.0),
    "one column": (_ODD, (2, 1), 0.4, None, (2, 5, 5), 1.0),
    "one voxel": (_ODD, (2, 5), 0.4, 1.9, (2, 1, 1), 1.0),
    "one line": (_ODD, (1, 9), 1.0, None, (1, 1, 9), 1.0),
    "one stack": (_ODD, (1, 9), 1.0, None, (1, 9, 1), 1.0),
    "many slices": (_HALF[:5], (71, 6), 1.0, None, (71, 5, 6), 1.0),
    "several tiles": (_ODD, (1, 50), 1.0, 23.2, (1, 37, 43), 1.0),
    "no view": ([], (2, 5), 1.0, None, (2, 5, 5), 1.0),
    "no slice": (_HALF, (0, 5), 1.0, None, (0, 5, 5), 1.0),
    "no column": (_HALF, (2, 0), 1.0, None, (2, 4, 4), 1.0),
    "no voxel": (_HALF, (2, 5), 1.0, None, (2, 0, 5), 1.0),
}


def geometry(name: str) -> tuple[pr.ParallelBeam, pr.Grid]:
    angles, detector, pixel, center, shape, voxel = _CASES[name]
    scan = pr.ParallelBeam(angles, detector, angle_unit="deg", pixel_size=pixel, center=center)
    return scan, pr.Grid(shape, voxel)


GEOMETRIES = [pytest.param(*geometry(name), id=name) for name in _CASES]
EMPTY = ("no view", "no slice", "no column", "no voxel")
FILLED = [case for case in GEOMETRIES if case.id not in EMPTY]
