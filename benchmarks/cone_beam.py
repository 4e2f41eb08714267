"""Cone beams beside the Reconstruction Toolkit: projection, its transpose, FDK.

    pip install itk-rtk
    python benchmarks/cone_beam.py [--size 256] [--views 360] [--rounds 3] [--roll 0]

size³ voxels, views of size² pixels over a full turn, source 1000 from the axis and 1500 from the
detector; both on two threads, in turns.  The Toolkit's backprojector is its voxel-driven one, which
is not the transpose of its projector; ours is.  A detector that is rolled by so many degrees takes
our kernels for any rays, and no FDK.  Also printed: the error of ours against a ball in
closed form.  Seconds are medians."""

from __future__ import annotations

import argparse
from typing import Any

import numba
import numpy as np
from timing import Table, in_turns

import physrecon as pr

FAR, DISTANCE = 1000.0, 1500.0
THREADS = 2


class Peer:
    """The filters of the Reconstruction Toolkit on a cube of voxels of 1, and as many pixels.

    Its axes (x, y, z) are our (x, z, −y)."""

    def __init__(
        self, x: np.ndarray, angles: np.ndarray, pixel: float, far: float, distance: float,
        roll: float = 0.0,
    ) -> None:  # fmt: skip
        import itk
        from itk import RTK

        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(THREADS)
        self.itk, self.rtk, self.image, self.pixel = itk, RTK, itk.Image[itk.F, 3], pixel
        self.geometry = RTK.ThreeDCircularProjectionGeometry.New()
        for angle in np.degrees(angles):
            self.geometry.AddProjection(far, distance, float(angle), 0.0, 0.0, 0.0, roll)
        n = x.shape[0]
        self.volume = self._image(np.swapaxes(x, 0, 1)[::-1].copy(), (1.0,) * 3)
        self.empty = self._image(np.zeros((n,) * 3, np.float32), (1.0,) * 3)
        none = np.zeros((len(angles), n, n), np.float32)
        self.views = self._image(none, (pixel, pixel, 1.0))

    def _image(self, array: np.ndarray, spacing: tuple[float, ...]) -> Any:
        made = self.itk.image_from_array(array)
        made.SetSpacing(spacing)
        middle = [-(n - 1) / 2 * s for n, s in zip(array.shape[::-1], spacing, strict=True)]
        made.SetOrigin(middle)
        return made

    def _run(self, filter: Any, first: Any, second: Any) -> Any:
        filter.InPlaceOff()
        filter.SetGeometry(self.geometry)
        filter.SetInput(0, first)
        filter.SetInput(1, second)
        filter.Update()
        out = filter.GetOutput()
        out.DisconnectPipeline()
        return out

    def project(self) -> None:
        made = self.rtk.JosephForwardProjectionImageFilter[self.image, self.image].New()
        self.sino = self._run(made, self.views, self.volume)

    def backproject(self) -> None:
        made = self.rtk.BackProjectionImageFilter[self.image, self.image].New()
        self._run(made, self.empty, self.sino)

    def fdk(self) -> None:
        made = self.rtk.FDKConeBeamReconstructionFilter[self.image].New()
        self.found = self._run(made, self.empty, self.sino)

    def projections(self) -> np.ndarray:
        """(views, rows, columns) of `project`."""
        return np.array(self.itk.array_from_image(self.sino))

    def reconstruction(self, y: np.ndarray) -> np.ndarray:
        """The volume (z, y, x) of FDK."""
        self.sino = self._image(y, (self.pixel, self.pixel, 1.0))
        self.fdk()
        return np.swapaxes(self.itk.array_from_image(self.found)[::-1], 0, 1)


def ball(n: int, radius: float) -> np.ndarray:
    """A ball, 8 points a voxel."""
    at = (np.arange(2 * n) + 0.5) / 2 - n / 2
    x = np.zeros((n, n, n), np.float32)
    for k in range(n):
        z = at[2 * k : 2 * k + 2, None, None]
        inside = z**2 + at[:, None] ** 2 + at**2 <= radius**2
        x[k] = inside.reshape(2, n, 2, n, 2).mean((0, 2, 4))
    return x


def chords(scan: pr.ConeBeam, radius: float) -> np.ndarray:
    rays = scan.rays()[0]
    points = rays.points(*map(np.arange, scan.shape[1:]))[0]
    way = points - rays.source[0]
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    off = np.linalg.norm(np.cross(-rays.source[0], way), axis=-1)
    return np.asarray(2 * np.sqrt(np.maximum(radius**2 - off**2, 0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--views", type=int, default=360)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--roll", type=float, default=0.0)
    chosen = parser.parse_args()
    numba.set_num_threads(THREADS)
    n, pixel = chosen.size, DISTANCE / FAR
    angles = np.arange(chosen.views) * 2 * np.pi / chosen.views
    scan = pr.ConeBeam(
        *(angles, (n, n)), angle_unit="rad", pixel_size=pixel,
        source_origin=FAR, source_detector=DISTANCE, roll=float(np.radians(chosen.roll)),
    )  # fmt: skip
    grid = pr.Grid((n, n, n))
    A, x = pr.Projector(scan, grid), ball(n, 0.4 * n)
    y, back = np.empty(scan.shape, np.float32), np.empty_like(x)
    small = pr.Projector(scan[:1], grid)
    small.T @ (small @ x)  # compiles
    few = pr.ConeBeam(
        *(np.arange(4) * 90, (3, 3)), angle_unit="deg", source_origin=FAR, source_detector=DISTANCE
    )
    pr.fdk(np.zeros(few.shape, np.float32), few)
    peer = Peer(x, angles, pixel, FAR, DISTANCE, chosen.roll)
    peer.project()
    table = Table((f"{n}³, {chosen.views} views", "physrecon", "RTK", "ratio"))
    rows: dict[str, tuple[Any, Any]] = {
        "forward": (lambda: A.forward(x, y), peer.project),
        "back, exact / unmatched": (lambda: A.adjoint(y, back), peer.backproject),
        "FDK": (lambda: pr.fdk(y, scan, grid, out=back), peer.fdk),
    }
    if chosen.roll:
        del rows["FDK"]
    for name, (ours, theirs) in rows.items():
        times = in_turns({"we": ours, "peer": theirs}, chosen.rounds)
        we, they = (float(np.median(times[key])) for key in ("we", "peer"))
        table.row(name, f"{we:.2f} s", f"{they:.2f} s", f"{they / we:.1f}x")
    exact = chords(scan, 0.4 * n)
    error = np.linalg.norm(y[0] - exact) / np.linalg.norm(exact)
    inner = back[n // 2, n // 2 - n // 8 : n // 2 + n // 8, n // 2 - n // 8 : n // 2 + n // 8]
    print(f"forward against chords: {100 * error:.2f} %")
    if not chosen.roll:
        print(f"FDK inside the ball: {inner.mean():.4f}")


if __name__ == "__main__":
    main()
