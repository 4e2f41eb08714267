"""Fourier projections beside a pair put together from the non-uniform transforms of ducc0.

    pip install ducc0
    python benchmarks/fourier.py [--sizes 512,1024] [--slices 64] [--rounds 5]

N × N voxels, N views of N columns; two threads, in turns.  Two slices of ducc0's ride in one
complex transform, to the same accuracy and with the same padding.  Also the transforms of ours
alone, and filtered backprojection of 1.5 N views by transforms and directly.  Milliseconds a slice
are medians."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import scipy.fft
from timing import Table, in_turns

import physrecon as pr

THREADS = 2


class Peer:
    """A pair of slices by ducc0, forward and back."""

    def __init__(self, scan: pr.ParallelBeam, length: int, accuracy: float) -> None:
        import ducc0

        self.n, self.length, self.views = scan.shape[2], length, len(scan)
        w = 2 * np.pi * np.fft.fftfreq(length)
        kx, ky = (np.multiply.outer(f(scan.radians), w) for f in (np.cos, np.sin))
        points = np.stack([ky.ravel(), kx.ravel()], 1).astype(np.float32)
        square = np.sinc(kx / 2 / np.pi) * np.sinc(ky / 2 / np.pi)
        shift = self.n // 2 - (self.n - 1) / 2
        phase = np.exp(-1j * (shift * (kx + ky) + w * (self.n - 1) / 2))
        self.factors = (square * phase).astype(np.complex64)
        self.plan = ducc0.nufft.plan(
            nu2u=True, coord=points, grid_shape=(self.n, self.n), epsilon=accuracy,
            nthreads=THREADS, periodicity=2 * np.pi,
        )  # fmt: skip

    def project(self, x: Any, out: Any) -> None:
        both = x[0] + 1j * x[1]
        values = self.plan.u2nu(grid=both, forward=True).reshape(self.views, -1)
        values *= self.factors
        y = scipy.fft.ifft(values, axis=1, overwrite_x=True, workers=THREADS)[:, : self.n]
        out[:, 0], out[:, 1] = y.real, y.imag

    def backproject(self, y: Any, out: Any) -> None:
        both = np.zeros((self.views, self.length), np.complex64)
        both[:, : self.n] = y[:, 0] + 1j * y[:, 1]
        values = scipy.fft.fft(both, axis=1, overwrite_x=True, workers=THREADS)
        values *= self.factors.conj() / self.length
        x = self.plan.nu2u(points=values.ravel(), forward=False)
        out[0], out[1] = x.real, x.imag


def transforms_alone(A: pr.FourierProjector, slices: int) -> Callable[[], None]:
    """The transforms that a projection takes, of blocks of 16 slices."""
    engine = A._engine
    (tall, wide), width = engine.points(np.float32).size, 16
    rows = np.zeros((A.grid.shape[1], wide, width), np.float32)
    half = np.zeros((tall, wide // 2 + 1, width), np.complex64)
    views = np.zeros((32, engine.bins, width), np.complex64)

    def call() -> None:
        for _ in range(-(-slices // width)):
            scipy.fft.rfft(rows, axis=1, workers=THREADS)
            scipy.fft.fft(half, axis=0, overwrite_x=True, workers=THREADS)
            for _ in range(-(-len(A.scan) // len(views))):
                scipy.fft.irfft(views, engine.length, axis=1, workers=THREADS)

    return call


def pairs(n: int, slices: int, rounds: int, table: Table) -> None:
    scan = pr.ParallelBeam(np.arange(n) * 180 / n, (slices, n), angle_unit="deg")
    A, rng = pr.FourierProjector(scan), np.random.default_rng(0)
    x, y = rng.random(A.in_shape, np.float32), rng.random(A.out_shape, np.float32)
    ours, back = np.empty_like(y), np.empty_like(x)
    calls: dict[str, Callable[[], object]] = {
        "forward": lambda: A._forward(x, ours),
        "back": lambda: A._adjoint(y, back),
        "transforms": transforms_alone(A, slices),
    }
    try:
        peer = Peer(scan, A._engine.length, A.accuracy)
    except ImportError:
        print("ducc0 is not installed: left out")
    else:
        theirs, thence = np.empty_like(y[:, :2]), np.empty_like(x[:2])
        calls |= {
            "ducc0 forward": lambda: peer.project(x[:2], theirs),
            "ducc0 back": lambda: peer.backproject(y[:, :2], thence),
        }
    times = {name: float(np.median(t)) for name, t in in_turns(calls, rounds).items()}
    alone = times["transforms"] / slices
    for name in ("forward", "back"):
        each, peers = times[name] / slices, times.get(f"ducc0 {name}", np.nan) / 2
        table.row(
            f"{name}, {n}², {n} views, {slices} slices", f"{each * 1e3:.2f}",
            f"{each / alone:.2f}", f"{peers * 1e3:.2f}", f"{peers / each:.2f}x",
        )  # fmt: skip
    if "ducc0 back" in calls:
        apart = [np.abs(a - b).max() / np.abs(b).max() for a, b in
                 ((theirs, ours[:, :2]), (thence, back[:2]))]  # fmt: skip
        print(
            f"  ducc0's differ from ours by {apart[0]:.1e} and {apart[1]:.1e} of the largest value"
        )


def reconstructions(n: int, slices: int, rounds: int, table: Table) -> None:
    views = 3 * n // 2
    scan = pr.ParallelBeam(np.arange(views) * 180 / views, (slices, n), angle_unit="deg")
    y = np.random.default_rng(0).random(scan.shape, np.float32)
    calls: dict[str, Callable[[], object]] = {
        way: lambda way=way: pr.fbp(y, scan, backprojection=way) for way in ("fourier", "direct")
    }
    times = {name: float(np.median(t)) / slices for name, t in in_turns(calls, rounds).items()}
    table.row(
        f"FBP, {n}², {views} views, {slices} slices", f"{times['fourier'] * 1e3:.2f}", "-",
        f"{times['direct'] * 1e3:.2f}", f"{times['direct'] / times['fourier']:.2f}x",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="512,1024")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    numba.set_num_threads(THREADS)
    table = Table(("ms a slice", "ours", "/ transforms", "peer, direct", "ratio"))
    for n in map(int, given.sizes.split(",")):
        pairs(n, given.slices, given.rounds, table)
        reconstructions(n, min(given.slices, 32), given.rounds, table)


if __name__ == "__main__":
    main()
