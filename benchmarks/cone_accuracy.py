"""Cone beams against ellipsoids in closed form, beside the Reconstruction Toolkit.

    pip install itk-rtk
    python benchmarks/cone_accuracy.py [--sizes 128 256] [--views 360]

Projections: the relative error ‖A x − y‖ / ‖y‖ of a body of four ellipsoids (x: 64 points a voxel)
in twelve views, and its bias Σ (A x − y) / Σ y, at magnifications from 1.2 to 10; the peer projects
the same x.  FDK from the closed form: the root mean square error in the plane of the source, of the
full turn, beside the peer's, and of a short scan, half a detector and a curved one."""

from __future__ import annotations

import argparse

import numpy as np
from cone_beam import Peer
from timing import Table

import physrecon as pr

DISTANCE = 1500.0
# Value, half axes (x, y, z), place (x, y, z) and turn about z in radians, on a cube of −1…1.
BODY = np.array([
    (1.0, 0.69, 0.8, 0.75, 0.0, 0.0, 0.0, 0.0),
    (-0.6, 0.5, 0.62, 0.55, 0.1, -0.05, 0.05, 0.3),
    (0.4, 0.12, 0.2, 0.25, 0.25, 0.2, 0.15, -0.4),
    (0.5, 0.15, 0.1, 0.12, -0.3, 0.1, -0.3, 0.7),
])  # fmt: skip


def matrices(half: float) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(value, centre, M) of every ellipsoid {p: |M (p − centre)| ≤ 1}, (z, y, x) in lengths."""
    made = []
    for value, a, b, c, x, y, z, angle in BODY:
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        scale = np.diag(1 / (half * np.array([c, b, a])))
        made.append((value, half * np.array([z, y, x]), scale @ turn))
    return made


def integrals(scan: pr.ConeBeam, half: float) -> np.ndarray:
    """(views, rows, columns) line integrals through the body."""
    out = np.zeros(scan.shape)
    for v in range(len(scan)):
        rays = scan[v].rays()
        source = rays.source[0]
        way = rays.points(*map(np.arange, scan.shape[1:]))[0] - source
        way /= np.linalg.norm(way, axis=-1, keepdims=True)
        for value, centre, M in matrices(half):
            d, o = way @ M.T, M @ (source - centre)
            dd, do = (d * d).sum(-1), d @ o
            root = do**2 - dd * (o @ o - 1)
            out[v] += value * 2 * np.sqrt(np.maximum(root, 0)) / dd
    return out


def body(grid: pr.Grid, half: float, points: int = 4) -> np.ndarray:
    """The body on a grid, points³ of each voxel."""
    out = np.zeros(grid.shape, np.float32)
    offsets = (np.arange(points) + 0.5) / points - 0.5
    axes = [grid.axis(i)[:, None] + offsets * grid.pitch[i] for i in range(3)]
    for k in range(grid.shape[0]):
        z = axes[0][k]
        place = np.stack(
            np.broadcast_arrays(
                z[:, None, None], axes[1].reshape(-1)[:, None], axes[2].reshape(-1)
            ),
            axis=-1,
        )
        values = np.zeros(place.shape[:3], np.float32)
        for value, centre, M in matrices(half):
            near = np.abs(z - centre[0]).min() <= half
            if near:
                values += value * ((((place - centre) @ M.T) ** 2).sum(-1) <= 1)
        shape = (points, grid.shape[1], points, grid.shape[2], points)
        out[k] = values.reshape(shape).mean((0, 2, 4))
    return out


def scan_of(n: int, magnification: float, angles: np.ndarray, **more: object) -> pr.ConeBeam:
    """A cube of n³ voxels at 1500 / magnification from the source, before a detector at 1500.

    Half a side of the cube is 128, or less where 0.4 times the way from the source is."""
    origin = DISTANCE / magnification
    voxel = 2 * min(128.0, 0.4 * origin) / n
    settings = dict(
        angle_unit="rad", pixel_size=1.12 * magnification, source_origin=origin / voxel,
        source_detector=DISTANCE / voxel,
    )  # fmt: skip
    return pr.ConeBeam(angles, (n, n), **{**settings, **more})


def projections(n: int) -> None:
    table = Table((f"{n}³, projections", "error", "bias", "RTK error"))
    for magnification in (1.2, 1.5, 2.0, 4.0, 10.0):
        angles = np.arange(12) * 2 * np.pi / 12 + 0.1
        scan = scan_of(n, magnification, angles)
        grid = pr.Grid((n, n, n))
        exact, x = integrals(scan, n / 2), body(grid, n / 2)
        y = pr.Projector(scan, grid) @ x
        peer = Peer(x, angles, scan.column_pitch, scan.source_origin, scan.source_detector)
        peer.project()
        theirs = peer.projections()
        error, other = (np.linalg.norm(p - exact) / np.linalg.norm(exact) for p in (y, theirs))
        bias = (y - exact).sum() / exact.sum()
        table.row(
            f"magnification {magnification:g}", f"{100 * error:.2f} %", f"{bias:.0e}",
            f"{100 * other:.2f} %",
        )  # fmt: skip


def fdk(n: int, views: int) -> None:
    """The root mean square error in the plane of the source, in the cylinder that all views see."""
    half, grid = 0.45 * n, pr.Grid((n, n, n))
    seen = np.hypot(grid.axis(1)[:, None], grid.axis(2)) < 0.48 * n
    middle = pr.Grid((2, n, n))  # two slices about the plane
    x = body(middle, half)
    full = np.arange(views) * 2 * np.pi / views
    short = full[: int(0.65 * views)]
    table = Table((f"{n}³, {views} views, FDK", "error", "of the full turn"))
    cases = {
        "full turn": scan_of(n, 1.5, full),
        "short scan": scan_of(n, 1.5, short),
        "half a detector": scan_of(n, 1.5, full, center=0.2 * n),
        "curved detector": scan_of(n, 1.5, full, detector="curved"),
    }
    first = 0.0
    for name, scan in cases.items():
        y = integrals(scan, half).astype(np.float32)
        found = pr.fdk(y, scan, middle)
        error = float(np.sqrt(((found - x)[:, seen] ** 2).mean()))
        first = first or error
        table.row(name, f"{error:.4f}", f"{error / first:.3f}")
        if name == "full turn":
            peer = Peer(
                body(grid, half, 1),
                full,
                scan.column_pitch,
                scan.source_origin,
                scan.source_detector,
            )
            theirs = peer.reconstruction(y)[n // 2 - 1 : n // 2 + 1]
            error = float(np.sqrt(((theirs - x)[:, seen] ** 2).mean()))
            table.row("full turn, RTK", f"{error:.4f}", f"{error / first:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--views", type=int, default=360)
    chosen = parser.parse_args()
    for size in chosen.sizes:
        projections(size)
        fdk(size, chosen.views)


if __name__ == "__main__":
    main()
