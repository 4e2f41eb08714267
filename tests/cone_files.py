"""A small cone beam and its data, as files of several formats state them."""

from __future__ import annotations

import numpy as np

import physrecon as pr
from physrecon.cli.main import main
from physrecon.io import describe, open_scan, open_volume

VIEWS, ROWS, COLUMNS = 24, 8, 8
ANGLES = np.arange(VIEWS) * 15.0
NEAR, FAR, PITCH, WHITE = 40.0, 60.0, 1.5, 50_000.0


def cone(sign=1, **changes):
    """Source 40 mm from the axis and 60 mm from pixels of 1.5 mm."""
    stated = {"pixel_size": PITCH, "source_origin": NEAR, "source_detector": FAR} | changes
    return pr.ConeBeam(sign * ANGLES, (ROWS, COLUMNS), angle_unit="deg", **stated)


def integrals(scan):
    """Line integrals of a ball off the middle."""
    grid = scan.default_grid()
    z, y, x = np.meshgrid(*map(grid.axis, range(3)), indexing="ij", sparse=True)
    size = min(grid.pitch)
    ball = ((x - size) ** 2 + y**2 + z**2) < (2.5 * size) ** 2
    return pr.Projector(scan) @ (np.float32(0.1 / size) * ball).astype(np.float32)


def reconstructed(name, *options):
    """The volume of `physrecon recon NAME`."""
    assert main(["recon", str(name), "-o", "out.h5", "--zingers", "none", *options]) == 0
    with open_volume("out.h5") as volume:
        return np.asarray(volume[:])


def assert_is_fdk(name, scan, y, *options):
    """`recon` of a file is `pr.fdk` of its data."""
    expected = pr.fdk(y, scan)
    found = reconstructed(name, *options)
    np.testing.assert_allclose(found, expected, atol=1e-3 * float(np.abs(expected).max()))


def assert_same(found, scan):
    """Two scans are the same but for rounding."""
    assert type(found) is type(scan) and found.shape == scan.shape
    for one, other in zip(_seen(found), _seen(scan), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7 * np.abs(other).max())


def _seen(scan):
    """Angles, sources, and the corners of the detector."""
    rays, (rows, columns) = scan.rays(), scan.shape[1:]
    return scan.radians, rays.source, rays.points([0, rows - 1], [0, columns - 1])


def told(name, **options):
    """(the geometry of a file, the lines of `info`)."""
    with open_scan(name, **options) as scan:
        found = scan.geometry
    return found, "\n".join(describe(name, **options))
